package voximplant

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// Client has the methods of the Management API, and a caller that calls them. Every error is an *account.Error. It is safe for
// concurrent use.
type Client struct {
	caller
	planMethods
	cloneMethods
	keyMethods
}

// caller signs and sends calls and reads their answers, whatever the method. No call is repeated by it, except once with a new
// token where the service refused the old one for its times (455, 456).
type caller struct {
	config   Config
	base     string
	http     *http.Client
	tokens   *tokenSource
	evidence evidence
	followed followed
}

// NewClient makes a client; the error says what is wrong with the endpoint or that credentials are missing.
func NewClient(config Config) (*Client, error) {
	config = config.withDefaults()
	base, err := config.methodsURL()
	if err != nil {
		return nil, err
	}
	client := &Client{caller: caller{
		config: config,
		base:   base,
		http:   apihttp.NewClient(config.Transport),
		tokens: &tokenSource{
			keyID: config.Credentials.KeyID,
			key:   config.Credentials.privateKey,
			clock: config.Clock,
		},
	}}
	client.planMethods, client.cloneMethods, client.keyMethods = planMethods{&client.caller}, cloneMethods{&client.caller}, keyMethods{&client.caller}
	return client, nil
}

// Format implements fmt.Formatter, for every verb: a caller holds secrets in fields that fmt would print.
func (c *caller) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "client of %s with %s", c.base, c.config.Credentials)
}

// call is one call of a method.
type call struct {
	method string
	params url.Values
	// write is set where the call changes something, so that a lost answer leaves the outcome unknown.
	write bool
	// issuer is the account that the token is for; "" sends no token, the parameters identify the caller.
	issuer  string
	timeout time.Duration
	// base is where the methods stand that the call is made to; "" is where calls go at present.
	base string
	// most is how many bytes the answer may have; 0: Config.MaxAnswer.
	most int64
	// list is set where the result is a list of accounts.
	list bool
	// optional is set where the operator can do without the call: that the credentials may not make it says nothing about them.
	optional bool
	// secrets are the values in params that must not show in any text, beside the parent's API key, which never shows.
	secrets []account.Secret
	// whole takes the answer's body as it comes, for what the client has no name for; nil: nobody wants it.
	whole *bytes.Buffer
}

// do makes the call and returns its answer, which is not an error.
func (c *caller) do(ctx context.Context, call call) (*answer, *account.Error) {
	a, err := c.try(ctx, call)
	if err != nil && call.issuer != "" && rowOf(err.Code).resign {
		a, err = c.try(ctx, call) // try has dropped the token, so this one is new
		if err != nil && rowOf(err.Code).resign && !tellsOfClock(err) {
			err = withHint(err, "check the clock of this machine")
		}
	}
	return a, err
}

// try waits for its turn, signs and sends one request. It signs last: the wait may outlast a token.
func (c *caller) try(ctx context.Context, call call) (*answer, *account.Error) {
	release, err := c.config.Gate(ctx)
	if err != nil {
		return nil, apihttp.NotSent(call.method, apihttp.NewRedactor(call.secrets...), err)
	}
	defer release()
	if err := ctx.Err(); err != nil { // a write that has left is waited for, so this is the last moment to give it up
		return nil, apihttp.NotSent(call.method, apihttp.NewRedactor(call.secrets...), err)
	}
	var token account.Secret
	if call.issuer != "" {
		if token, err = c.tokens.token(call.issuer); err != nil {
			return nil, &account.Error{Class: account.Unauthorized, Method: call.method, Message: err.Error()}
		}
	}
	redact := apihttp.NewRedactor(append(call.secrets, token, c.config.ParentAPIKey)...)
	start := time.Now()
	a, failed := c.send(ctx, call, token, redact)
	c.learn(call, token, failed)
	c.config.Observe(call.method, time.Since(start), failed)
	return a, failed
}

// learn takes from an answer what it says about the token and the credentials.
func (c *caller) learn(call call, token account.Secret, failed *account.Error) {
	if failed != nil && call.issuer != "" && rowOf(failed.Code).resign {
		c.tokens.drop(call.issuer, token)
	}
	switch {
	case call.issuer == "": // the parameters prove who calls, which says nothing about the parent's own rights
	case failed != nil && failed.Class == account.Throttled: // nor does HTTP 429, whatever its code
	case call.issuer != c.config.Credentials.AccountID: // nor does a call that runs as a child
		if failed != nil {
			notGranted(failed)
		}
	case call.optional:
		if failed != nil {
			notGrantedOption(failed)
		}
	case failed == nil:
		c.evidence.success(call.method)
	case tellsOfClock(failed): // any token would be refused, which says nothing about roles
	default:
		c.evidence.refine(failed)
	}
}

// send makes one HTTP request and reads its answer.
func (c *caller) send(ctx context.Context, call call, token account.Secret, redact apihttp.Redactor) (*answer, *account.Error) {
	x := apihttp.Exchange{HTTP: c.http, Method: call.method, Write: call.write, Timeout: cmp.Or(call.timeout, c.config.Timeout), Redact: redact}
	ctx, end := x.Begin(ctx)
	defer end()
	base := cmp.Or(call.base, c.followed.or(c.base))
	req, err := c.request(ctx, base, call, token)
	if err != nil {
		return nil, x.Broken(err.Error())
	}
	sent := c.config.Clock()
	resp, failed := x.Do(req)
	c.followed.ended(base, failed == nil)
	if failed != nil {
		return nil, failed
	}
	defer func() { _ = resp.Body.Close() }()
	return c.receive(call, resp, sent, redact, x.Broken)
}

// receive reads the answer of a request that was sent at a time. Of a list that is too large it returns the part that was read, too.
func (c *caller) receive(call call, resp *http.Response, sent time.Time, redact apihttp.Redactor, broken func(string) *account.Error) (*answer, *account.Error) {
	most := cmp.Or(call.most, c.config.MaxAnswer)
	tooLarge := apihttp.TooLarge(most)
	if resp.ContentLength > most && !call.list {
		return nil, broken(tooLarge)
	}
	body := &apihttp.Bounded{Reader: resp.Body, Left: most}
	if call.whole != nil {
		call.whole.Reset() // of the try before
		body.Reader = io.TeeReader(resp.Body, call.whole)
	}
	part, err := decodePart(body, call.list)
	_, _ = io.Copy(io.Discard, body) // the connection can be used again
	switch {
	case errors.Is(body.Err, apihttp.ErrTooLarge):
		e := broken(tooLarge)
		if resp.StatusCode < 300 && part.isList() && !errors.As(err, new(*account.Error)) {
			e.Answered = true
			return part, e
		}
		return nil, e
	case body.Err != nil:
		return nil, broken(apihttp.BrokenOff(body.Err))
	case err != nil:
		part = nil
	default:
		part.size = most - body.Left
	}
	a, failed := c.read(call, resp, part, err, redact, broken)
	if failed != nil && call.issuer != "" {
		failed = withClock(failed, resp.Header.Get("Date"), sent, c.config.Clock())
	}
	return a, failed
}

func (c *caller) request(ctx context.Context, base string, call call, token account.Secret) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+call.method, strings.NewReader(call.params.Encode()))
	if err != nil {
		return nil, errors.New("the request can't be made") // the cause is checked in NewClient
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	return req, nil
}

// read makes an answer or an error of a response that came whole: a is what it says, err why that is no answer.
func (c *caller) read(call call, resp *http.Response, a *answer, err error, redact apihttp.Redactor, broken func(string) *account.Error) (*answer, *account.Error) {
	status := resp.StatusCode
	if apihttp.IsRedirect(status) {
		return nil, broken(apihttp.RedirectProblem(resp))
	}
	own, contradicts := errors.AsType[*account.Error](err)
	switch {
	case status == http.StatusTooManyRequests:
		return nil, c.tooMany(call, resp, a, redact)
	case err == nil && a.failure() != nil:
		f := a.failure()
		code, _ := f.Code.integer()
		e := refusal(call.method, call.write, code, redact.Clean(f.Msg))
		e.OutcomeUnknown = e.OutcomeUnknown || call.write && status >= 500
		return nil, e
	case err == nil && status < 300:
		return a, nil
	case contradicts && status < 300:
		return nil, own
	}
	e := broken(apihttp.ForeignAnswer(resp, "the Management API", err))
	if status == http.StatusUnauthorized {
		e.Class = account.Unauthorized
	}
	e.RetryAfter = apihttp.RetryAfter(resp.Header.Get("Retry-After"), c.config.Clock())
	return nil, e
}

// tooMany is HTTP 429: refused before anything was done, whatever the body says.
func (c *caller) tooMany(call call, resp *http.Response, a *answer, redact apihttp.Redactor) *account.Error {
	e := &account.Error{Class: account.Throttled, Method: call.method, Message: "HTTP " + apihttp.StatusText(resp.StatusCode)}
	if a != nil && a.failure() != nil {
		e.Code, _ = a.failure().Code.integer()
		e.Answered = true
		e.Message = redact.Clean(a.failure().Msg)
		e.RetryAfter = waitInText(e.Message)
	}
	if wait := apihttp.RetryAfter(resp.Header.Get("Retry-After"), c.config.Clock()); wait > 0 {
		e.RetryAfter = wait
	}
	return e
}
