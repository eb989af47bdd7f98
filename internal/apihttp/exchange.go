package apihttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/netstep"
)

// NewClient makes a client that follows no redirects: one would carry the request's secrets to a place that nobody has allowed.
func NewClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Exchange is one request to a provider's API and its answer. Begin comes first, then Do; it is for one goroutine.
type Exchange struct {
	// HTTP makes the request; it follows no redirects.
	HTTP *http.Client
	// Method is what the provider calls the request, for errors.
	Method string
	// Write is set where the request changes something, so that a lost answer leaves the outcome unknown.
	Write bool
	// Timeout bounds the request and the reading of its answer.
	Timeout time.Duration
	// Redact takes the request's secrets out of what is said of it.
	Redact Redactor

	trace    *netstep.Trace
	answered bool
}

// Begin returns the context that the request has to have. end is to be called once the answer is read.
func (x *Exchange) Begin(ctx context.Context) (traced context.Context, end func()) {
	if x.Write {
		// Who hangs up on a write never learns what became of it, or the key that only its answer has.
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	ctx, x.trace = netstep.Follow(ctx)
	return ctx, cancel
}

// Do makes the request. The answer's body is open.
func (x *Exchange) Do(req *http.Request) (*http.Response, *account.Error) {
	resp, err := x.HTTP.Do(req)
	if err != nil {
		return nil, x.Unanswered(req, err)
	}
	x.answered = true
	return resp, nil
}

// Unanswered is the error of a request that had no answer: the step that failed, and what to do.
func (x *Exchange) Unanswered(req *http.Request, err error) *account.Error {
	return x.Broken(noAnswer(err, x.trace, netstep.RouteOf(req, proxyOf(x.HTTP.Transport))))
}

// Broken is the error of a request that had no proper answer: class Unavailable, OutcomeUnknown where it may have changed something.
func (x *Exchange) Broken(message string) *account.Error {
	// A request can have left only where there was a connection for it. A transport that isn't net/http's has no trace; an answer is
	// proof enough.
	left := x.answered || x.trace.Left()
	return &account.Error{
		Class: account.Unavailable, Method: x.Method,
		Message: x.Redact.Clean(message), OutcomeUnknown: x.Write && left,
	}
}

// NotSent is the error where no request was made; an *account.Error stays what it is, and gets the method's name if it has none.
func NotSent(method string, redact Redactor, err error) *account.Error {
	if own, ok := errors.AsType[*account.Error](err); ok {
		named := *own
		if named.Method == "" {
			named.Method = method
		}
		return &named
	}
	return &account.Error{Class: account.Unavailable, Method: method, Message: redact.Clean(err.Error())}
}
