package voximplant

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
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
	Result     json.RawMessage `json:"result"`
	Error      *apiError       `json:"error"`
	Errors     []apiError      `json:"errors"`
	TotalCount loose           `json:"total_count"`
	Count      loose           `json:"count"`
	AccountID  loose           `json:"account_id"`
	Active     loose           `json:"active"`
	APIKey     loose           `json:"api_key"`
	APIAddress loose           `json:"api_address"`
}

var errNotAnswer = errors.New("the answer is not a JSON object as the Management API writes it")

// decodeAnswer reads a body. The content type is not asked: what is an answer shows in the body.
func decodeAnswer(body []byte) (*answer, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return nil, errors.New("the answer is empty")
	}
	a := new(answer)
	if body[0] != '{' || json.Unmarshal(body, a) != nil {
		return nil, errNotAnswer
	}
	if e := a.failure(); e != nil {
		if _, ok := e.Code.integer(); !ok {
			return nil, errNotAnswer
		}
		return a, nil
	}
	if a.Result == nil {
		return nil, errNotAnswer
	}
	return a, nil
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
