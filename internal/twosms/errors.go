package twosms

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// received is a response that came whole.
type received struct {
	call   call
	resp   *http.Response
	answer *answer
	// problem is why the body is no answer; nil if it is one.
	problem error
	redact  apihttp.Redactor
	broken  func(string) *account.Error
	now     time.Time
}

// failure is the error of a response, nil for an answer of success. An HTTP status of 400 or more is an error, and an ErrorCode that is not
// empty; nothing else is.
func (r received) failure() *account.Error {
	status := r.resp.StatusCode
	wait := apihttp.RetryAfter(r.resp.Header.Get("Retry-After"), r.now)
	refused := r.problem == nil && (status >= 400 || r.answer.code != "")
	switch {
	case apihttp.IsRedirect(status):
		return r.broken(apihttp.RedirectProblem(r.resp))
	case status == http.StatusTooManyRequests: // before anything was done, whatever the body says
		return &account.Error{Class: account.Throttled, Method: r.call.method, Message: "HTTP " + apihttp.StatusText(status), RetryAfter: wait, Answered: r.problem == nil}
	case refused:
		e := r.refusal()
		e.RetryAfter = wait
		return e
	case r.problem == nil && r.call.list && !r.call.filtered && !r.answer.isList:
		return r.broken("the answer has no list of accounts")
	case r.problem == nil:
		return nil
	}
	e := r.broken(apihttp.ForeignAnswer(r.resp, apiName, r.problem))
	e.RetryAfter = wait
	if status == http.StatusUnauthorized { // documented, without what the body is
		e.Class, e.OutcomeUnknown = account.Unauthorized, false
		e.Message = "HTTP " + apihttp.StatusText(status) + ": the token was refused"
	}
	return e
}

// refusal is the error of an answer that says so itself.
func (r received) refusal() *account.Error {
	status := r.resp.StatusCode
	class, unknown := classOf(status, r.call)
	e := &account.Error{
		Class: class, Method: r.call.method, Answered: true, OutcomeUnknown: unknown && r.call.write(),
		Message: r.redact.Clean(r.answer.reason),
	}
	if e.Message == "" {
		e.Message = "refused with HTTP " + apihttp.StatusText(status) + " and without a reason"
	}
	if code, err := strconv.Atoi(r.answer.code); err == nil && code > 0 {
		e.Code = code
	} else if code := r.redact.Clean(r.answer.code); code != "" {
		e.Message += " (" + code + ")"
	}
	if class == account.Invalid {
		e.Field = fieldIn(r.answer.reason)
	}
	if e.Field == fieldPassword {
		e.Class = account.PasswordRejected
	}
	return e
}

// classOf is the class of a refusal, and whether what was refused may have been done in spite of it. The documents name one status, 401, and no
// value of ErrorCode. Guess: the others mean what HTTP says of them, and an ErrorCode under any other status means nothing that is known.
func classOf(status int, made call) (class account.Class, outcomeUnknown bool) {
	switch {
	case status == http.StatusUnauthorized:
		return account.Unauthorized, false
	case status == http.StatusForbidden:
		return account.RoleMissing, false
	case status == http.StatusNotFound && made.method == methodUpdate:
		return account.NotFound, false
	case (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity) && made.write():
		return account.Invalid, false
	case status == http.StatusRequestTimeout || status >= 500:
		return account.Unavailable, true
	case status >= 400:
		return account.Unknown, false
	}
	return account.Unknown, true
}

var word = regexp.MustCompile(`[A-Za-z]+`)

// fieldIn is the spec path of the one member of a body that a text names; "" where it names none, or several. Guess: the service names members
// as ASP.NET does ("The Lastname field is required.").
func fieldIn(text string) string {
	found := ""
	for _, w := range word.FindAllString(text, -1) {
		path := pathOfMember[w]
		switch {
		case path == "" || path == found:
		case found != "":
			return ""
		default:
			found = path
		}
	}
	return found
}

// pathOfMember is the spec path of each member of the bodies.
var pathOfMember = func() map[string]string {
	paths := map[string]string{writtenPassword: fieldPassword}
	for _, r := range fields {
		paths[r.written] = r.path
	}
	return paths
}()

// invalid refuses a value before any call.
func invalid(method, path, message string) *account.Error {
	return &account.Error{Class: account.Invalid, Method: method, Field: path, Message: message}
}

// contradiction is the error for a list that can't be complete.
func contradiction(format string, args ...any) *account.Error {
	return &account.Error{Class: account.Incomplete, Method: methodList, Message: "the list contradicts itself: " + fmt.Sprintf(format, args...)}
}
