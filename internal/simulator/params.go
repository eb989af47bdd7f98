package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxBody is how many bytes of parameters a call may send.
const maxBody = 1 << 20

// request is a call as it came in, before anybody has looked at its parameters.
type request struct {
	params      Params
	inQuery     []string
	secretInURL bool
}

var (
	errTooLarge  = errors.New("body too large")
	errMalformed = errors.New("malformed parameters")
)

// readRequest merges the parameters of the query and of an urlencoded or multipart body.
// A parameter that is given twice is malformed: which one should count?
func readRequest(w http.ResponseWriter, r *http.Request) (request, error) {
	req := request{params: Params{}}
	query, err := parseForm(r.URL.RawQuery)
	if err != nil {
		return req, err
	}
	req.inQuery = sortedKeys(query)
	for _, name := range req.inQuery {
		req.secretInURL = req.secretInURL || isSecret(name)
	}
	if err := req.add(query); err != nil {
		return req, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	body, err := readBody(r)
	if err != nil {
		return req, err
	}
	return req, req.add(body)
}

func (req request) add(form map[string][]string) error {
	for name, values := range form {
		_, given := req.params[name]
		if given || len(values) != 1 || !utf8.ValidString(name+values[0]) {
			return errMalformed
		}
		req.params[name] = values[0]
	}
	return nil
}

// parseForm reads urlencoded parameters. The lists of this API are joined with semicolons,
// which some clients send as they are and net/url would refuse.
func parseForm(encoded string) (map[string][]string, error) {
	form, err := url.ParseQuery(strings.ReplaceAll(encoded, ";", "%3B"))
	if err != nil {
		return nil, errMalformed
	}
	return form, nil
}

// mediaType is the content type without what follows it: charset, boundary.
func mediaType(r *http.Request) string {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind
}

func readBody(r *http.Request) (map[string][]string, error) {
	kind, details, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		return readMultipart(multipart.NewReader(r.Body, details["boundary"]))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	switch {
	case len(body) == 0:
		return nil, nil
	case kind == "application/x-www-form-urlencoded":
		return parseForm(string(body))
	case kind == "application/json" && isEmptyObject(body):
		// The documents' code samples send {} beside the parameters in the query.
		return nil, nil
	}
	return nil, errMalformed
}

func readMultipart(parts *multipart.Reader) (map[string][]string, error) {
	form := map[string][]string{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // a wrapped one is of a form that broke off
			return form, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, bodyError(err)
		}
		if part.FormName() == "" || part.FileName() != "" {
			return nil, errMalformed
		}
		form[part.FormName()] = append(form[part.FormName()], string(value))
	}
}

func bodyError(err error) error {
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return errMalformed
}

func isEmptyObject(body []byte) bool {
	var object map[string]any
	return json.Unmarshal(body, &object) == nil && len(object) == 0
}

// param is one parameter that a method takes.
type param struct {
	name  string
	parse parser
	// field is the field of the account that the parameter sets, if any.
	field string
	// required parameters are refused with 485 where missing and with blank, or else 134, where empty.
	required bool
	// blank is the code for an empty value; 0: an empty value counts as absent (a guess).
	blank int
}

// storable is what a fault's text makes of this parameter's field; nil where it is to be left as it was.
func (p param) storable(text string) any {
	if text == "" {
		return nil
	}
	if value, err := p.parse(p.name, text); err == nil {
		return value
	}
	return text
}

// values are the parameters of a call, parsed.
type values map[string]any

func (v values) flag(name string, unset bool) bool {
	if value, ok := v[name].(bool); ok {
		return value
	}
	return unset
}

func (v values) number(name string, unset int64) int64 {
	if value, ok := v[name].(int64); ok {
		return value
	}
	return unset
}

func (v values) text(name string) string {
	value, _ := v[name].(string)
	return value
}

// parseParams checks all parameters against the method's: unknown, wrongly typed and missing ones are refused.
func (m *method) parseParams(given Params) (values, *apiError) {
	if err := m.refuseUnknown(given); err != nil {
		return nil, err
	}
	parsed := values{}
	for _, p := range m.params {
		raw, ok := given[p.name]
		if raw == "" {
			if err := p.refuseEmpty(ok); err != nil {
				return nil, err
			}
			continue
		}
		value, err := p.parse(p.name, raw)
		if err != nil {
			return nil, err
		}
		parsed[p.name] = value
	}
	return parsed, nil
}

func (m *method) refuseUnknown(given Params) *apiError {
	known := map[string]bool{"cmd": true}
	for _, p := range m.params {
		known[p.name] = true
	}
	for _, name := range sortedKeys(given) {
		if !known[name] {
			return fail(codeForbiddenParameter, name)
		}
	}
	return nil
}

func (p param) refuseEmpty(given bool) *apiError {
	switch {
	case given && p.blank != 0:
		return fail(p.blank)
	case given && p.required:
		return fail(codeEmptyParameter)
	case p.required:
		return fail(codeSpecify, p.name)
	}
	return nil
}
