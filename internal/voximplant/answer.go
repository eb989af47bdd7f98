package voximplant

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// maxIDLength is the number of digits of the largest int64.
const maxIDLength = 19

// apiError is one error as the service writes it.
type apiError struct {
	Code loose  `json:"code"`
	Msg  string `json:"msg"`
}

// answer is the outer object of every answer. What a method answers beside its result stands there too.
type answer struct {
	Result json.RawMessage
	// Rows takes the place of Result where a list is asked for.
	Rows       rows
	Error      *apiError
	Errors     []apiError
	TotalCount loose
	Count      loose
	AccountID  loose
	Active     loose
	APIKey     loose
	APIAddress loose
	// AccountInfo is the state of the account that some methods answer beside their result.
	AccountInfo json.RawMessage
	// size is how many bytes the answer had.
	size int64
}

// isList says whether the result is a list of accounts, as far as it was read.
func (a *answer) isList() bool { return a != nil && a.Rows.proper }

// member is where a member of the object goes.
func (a *answer) member(name json.Token) any {
	switch name {
	case "result":
		return &a.Result
	case "error":
		return &a.Error
	case "errors":
		return &a.Errors
	case "total_count":
		return &a.TotalCount
	case "count":
		return &a.Count
	case "account_id":
		return &a.AccountID
	case "active":
		return &a.Active
	case "api_key":
		return &a.APIKey
	case "api_address":
		return &a.APIAddress
	case "account_info":
		return &a.AccountInfo
	}
	return new(nothing)
}

// nothing takes what nobody reads.
type nothing struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*nothing) UnmarshalJSON([]byte) error { return nil }

var errNotAnswer = errors.New("the answer is not a JSON object as the Management API writes it")

// decodeAnswer reads a body. The content type is not asked: what is an answer shows in the body. With list its result is
// read account by account as they come, so that a long list is never in memory as a whole.
// An *account.Error is for an answer of the API itself.
func decodeAnswer(body io.Reader, list bool) (*answer, error) {
	a, err := decodePart(body, list)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// decodePart is decodeAnswer, which returns along with an error what was read before it; nil where that is no object.
func decodePart(body io.Reader, list bool) (*answer, error) {
	d := json.NewDecoder(apihttp.WithoutMark(body))
	open, err := d.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the answer is empty")
	case err != nil || open != json.Delim('{'):
		return nil, errNotAnswer
	}
	a := new(answer)
	if err := a.read(d, list); err != nil {
		return a, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) { // more after it
		return a, errNotAnswer
	}
	if e := a.failure(); e != nil {
		if _, ok := e.Code.integer(); !ok {
			return a, errNotAnswer
		}
		return a, nil
	}
	if a.Result == nil && !a.Rows.found {
		return a, errNotAnswer
	}
	return a, nil
}

// read reads the members and the end of an object that was opened.
func (a *answer) read(d *json.Decoder, list bool) error {
	for d.More() {
		name, err := d.Token()
		switch {
		case err != nil:
		case list && name == "result":
			err = a.Rows.read(d)
		default:
			err = d.Decode(a.member(name))
		}
		if own, ok := errors.AsType[*account.Error](err); ok {
			return own
		} else if err != nil {
			return errNotAnswer
		}
	}
	if _, err := d.Token(); err != nil {
		return errNotAnswer
	}
	return nil
}

// failure is the (first) error in the answer, nil if there is none.
func (a *answer) failure() *apiError {
	switch {
	case a.Error != nil:
		return a.Error
	case len(a.Errors) > 0:
		return &a.Errors[0]
	}
	return nil
}

// done tells whether the result is the 1 that a write answers with.
func (a *answer) done() bool { return scalar(a.Result) == "1" }

// loose is a scalar whose JSON type can't be relied on: a number may come as a string and the other way round.
// It keeps the text, so that large ids are exact; "" stands for null and for what is no scalar.
type loose string

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(raw []byte) error {
	*l = loose(scalar(raw))
	return nil
}

// integer reads a whole number that is not negative.
func (l loose) integer() (int, bool) {
	n, err := strconv.Atoi(string(l))
	return n, err == nil && n >= 0
}

// scalar is the text of a JSON string, number or boolean; "" for anything else. Numbers come without exponent.
func scalar(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	switch c := raw[0]; {
	case c == '"':
		return unquote(raw)
	case string(raw) == "true":
		return "true"
	case string(raw) == "false":
		return "false"
	case c == '-' || c >= '0' && c <= '9':
		return number(string(raw))
	}
	return ""
}

// unquote reads a JSON string. Most are plain, and there are tens of thousands in a long list.
func unquote(raw []byte) string {
	inner := bytes.TrimSuffix(raw[1:], []byte{'"'})
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// number writes out an exponent, which no comparison of ours understands.
func number(text string) string {
	if !strings.ContainsAny(text, "eE") {
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// validID accepts the one spelling of a positive int64, so that nothing else gets into a list of ids.
func validID(id string) bool {
	if id == "" || len(id) > maxIDLength || id[0] == '0' || strings.Trim(id, "0123456789") != "" {
		return false
	}
	_, err := strconv.ParseInt(id, 10, 64)
	return err == nil
}
