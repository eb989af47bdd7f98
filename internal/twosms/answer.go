package twosms

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"cpaas.dev/child-account-operator/internal/apihttp"
)

// answer is the envelope of every answer. What else it has nobody reads: the ID of a new account is found by a read, as no document says
// that it is there.
type answer struct {
	// code and reason are ErrorCode and ErrorReason, "" where there is none.
	code, reason string
	// accounts is Detail where a list was asked for; isList says that it was one.
	accounts []info
	isList   bool
	// found is set by a member that only the envelope has.
	found bool
}

// info is an account that was read: the texts of the members that the field table names, and the ID.
type info map[string]string

// shownID is the member of an account that has its guid.
const shownID = "ID"

// id is the account's guid, "" where it has none.
func (i info) id() string { return canonicalID(i[shownID]) }

// UnmarshalJSON implements json.Unmarshaler.
func (i *info) UnmarshalJSON(raw []byte) error {
	var members map[string]text
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	out := info{shownID: string(members[shownID])}
	for _, r := range fields {
		if r.read != "" {
			out[r.read] = string(members[r.read])
		}
	}
	*i = out
	return nil
}

// text is a text, or a number as it is written; "" for anything else.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return err
	}
	switch v := value.(type) {
	case string:
		*t = text(v)
	case json.Number:
		*t = text(v)
	default:
		*t = ""
	}
	return nil
}

var errNotAnswer = errors.New("the answer is not a JSON object as the 2sms API writes it")

// decodeAnswer reads a body, with list the accounts in it, one by one. The content type is not asked: what is an answer shows in the body.
func decodeAnswer(body io.Reader, list bool) (*answer, error) {
	d := json.NewDecoder(apihttp.WithoutMark(body))
	a := &answer{}
	err := object(d, func(name string) error {
		switch name {
		case "Error":
			a.found = true
			return a.readError(d)
		case "ResponseData":
			a.found = true
			return a.readData(d, list)
		}
		return skip(d)
	})
	switch _, more := d.Token(); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the answer is empty or not whole")
	case err != nil || !a.found || !errors.Is(more, io.EOF):
		return nil, errNotAnswer
	}
	return a, nil
}

// readError reads the member Error. Whether it is null or has empty texts after success is not known.
func (a *answer) readError(d *json.Decoder) error {
	var failure struct {
		ErrorCode   text `json:"ErrorCode"`
		ErrorReason text `json:"ErrorReason"`
	}
	if err := d.Decode(&failure); err != nil {
		return err
	}
	a.code, a.reason = string(failure.ErrorCode), string(failure.ErrorReason)
	return nil
}

// readData reads the member ResponseData, which is null in some answers.
func (a *answer) readData(d *json.Decoder, list bool) error {
	if !list {
		return skip(d)
	}
	return object(d, func(name string) error {
		if name != "Detail" {
			return skip(d)
		}
		open, err := d.Token()
		switch {
		case err != nil:
			return err
		case open == nil: // null
			return nil
		case open != json.Delim('['):
			return errNotAnswer
		}
		a.isList = true
		for d.More() {
			var i info
			if err := d.Decode(&i); err != nil {
				return err
			}
			a.accounts = append(a.accounts, i)
		}
		_, err = d.Token()
		return err
	})
}

// object reads an object, or null, and calls member for each of its members, which has to read the value.
func object(d *json.Decoder, member func(name string) error) error {
	open, err := d.Token()
	switch {
	case err != nil:
		return err
	case open == nil:
		return nil
	case open != json.Delim('{'):
		return errNotAnswer
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		text, ok := name.(string)
		if !ok {
			return errNotAnswer
		}
		if err := member(text); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// nothing takes what nobody reads.
type nothing struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*nothing) UnmarshalJSON([]byte) error { return nil }

func skip(d *json.Decoder) error { return d.Decode(new(nothing)) }
