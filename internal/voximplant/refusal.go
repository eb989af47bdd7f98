package voximplant

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

var (
	quotedName = regexp.MustCompile(`['"]([a-z][a-z_]+)['"]`)
	plainName  = regexp.MustCompile(`\b[a-z]+(?:_[a-z]+)+\b`)
	waitText   = regexp.MustCompile(`(\d{1,9})\s*s(?:ec|\b)`)
)

// pathByParameter is the spec path behind each parameter name that an error's text can quote:
// those of the field table, and those that belong to no row of it.
var pathByParameter = func() map[string]string {
	paths := map[string]string{
		wireCallbackSalt:    fieldSalt,
		"record_storage_id": "recordStorage.name",
		"new_account_email": fieldEmail, "new_account_name": fieldAccountName, // CloneAccount
	}
	for _, r := range fields {
		for _, parameter := range []string{r.create, r.update, r.read} {
			if parameter != "" {
				paths[parameter] = r.path
			}
		}
	}
	return paths
}()

// quotedParameter is the first parameter name in an error's text, "" if there is none.
func quotedParameter(msg string) string {
	if m := quotedName.FindStringSubmatch(msg); m != nil {
		return m[1]
	}
	for _, name := range plainName.FindAllString(msg, -1) {
		if pathByParameter[name] != "" {
			return name
		}
	}
	return ""
}

// refusal makes the error of a code that the service answered with; msg must be free of secrets already.
func refusal(method string, write bool, code int, msg string) *account.Error {
	row := rowOf(code)
	e := &account.Error{Class: row.class, Method: method, Code: code, Answered: true, Field: row.field, Message: cmp.Or(row.text, msg), OutcomeUnknown: row.outcomeUnknown && write, Alone: row.alone}
	parameter := quotedParameter(msg)
	if e.Field == "" && (row.class == account.Invalid || row.class == account.Unknown || row.class == account.Throttled) {
		e.Field = pathByParameter[parameter]
	}
	if class := classOfParameter(code, parameter); class != "" {
		e.Class = class
	}
	if !declarable(e.Field) { // people would look for it in vain; the service's own words stay
		e.Field = ""
	}
	if row.class == account.Throttled {
		e.RetryAfter = waitInText(msg)
	}
	return e
}

// declarable says whether a path is that of a field that a spec can have, or of several: the error table and pathByParameter have more.
func declarable(path string) bool {
	return path == fieldSalt || path != "" && slices.ContainsFunc(fields, func(r row) bool {
		return (r.create != "" || r.update != "") && (r.path == path || strings.HasPrefix(r.path, path+"."))
	})
}

// classOfParameter is the class of the generic codes where the parameter in the text says more than the code.
func classOfParameter(code int, parameter string) account.Class {
	switch {
	case code == codeParameterNotUnique && pathByParameter[parameter] == fieldAccountName:
		return account.NameTaken
	case code == codeParameterNotUnique && pathByParameter[parameter] == fieldEmail:
		return account.EmailTaken
	case code == codeParameterInvalid && strings.HasPrefix(parameter, "child_account_"):
		return account.NotFound
	case code == codeParameterInvalid && parameter == "key_id": // guess: how DeleteKey answers about a key that the account does not have
		return account.NotFound
	}
	return ""
}

// waitInText reads "Repeat after 30 seconds".
func waitInText(msg string) time.Duration {
	m := waitText.FindStringSubmatch(msg)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, apihttp.LongestWait)
}
