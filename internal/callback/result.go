package callback

import (
	"net/http"
	"slices"
)

// Result is what became of a callback, or of a whole request where none of its callbacks was looked at.
type Result string

// The results.
const (
	Accepted       Result = "Accepted"
	Ignored        Result = "Ignored"
	Replayed       Result = "Replayed"
	WrongHash      Result = "WrongHash"
	UnknownAccount Result = "UnknownAccount"
	NoSecret       Result = "NoSecret"
	RateLimited    Result = "RateLimited"
	NotReady       Result = "NotReady"
	Malformed      Result = "Malformed"
	TooLarge       Result = "TooLarge"
	NotFound       Result = "NotFound"
	Overloaded     Result = "Overloaded"
	Standby        Result = "Standby"
)

// outcomes are the HTTP status of each result. The first result here that a callback of a request has answers for the request: who sends
// callbacks again must do so while one of them may be accepted later, and need not once one was accepted and none may be.
var outcomes = []struct {
	result Result
	status int
}{
	{Overloaded, http.StatusServiceUnavailable},
	{Standby, http.StatusServiceUnavailable},
	{NotReady, http.StatusServiceUnavailable},
	{RateLimited, http.StatusTooManyRequests},
	{Accepted, http.StatusOK},
	{Ignored, http.StatusOK},
	// Who is not known to be the provider is told the same in each of these cases.
	{WrongHash, http.StatusForbidden},
	{UnknownAccount, http.StatusForbidden},
	{NoSecret, http.StatusForbidden},
	{Replayed, http.StatusConflict},
	{TooLarge, http.StatusRequestEntityTooLarge},
	{Malformed, http.StatusBadRequest},
	{NotFound, http.StatusNotFound},
}

// statusOf is the HTTP status that answers a request whose callbacks have these results.
func statusOf(results ...Result) int {
	for _, o := range outcomes {
		if slices.Contains(results, o.result) {
			return o.status
		}
	}
	return http.StatusBadRequest
}
