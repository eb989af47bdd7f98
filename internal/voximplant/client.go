package voximplant

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/netstep"
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
		http: &http.Client{
			Transport: config.Transport,
			// A redirect would carry the body, and so a password, to a place that nobody has allowed.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
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
			err = withHint(err, "is the clock of this machine right?")
		}
	}
	return a, err
}

// try waits for its turn, signs and sends one request. It signs last: the wait may outlast a token.
func (c *caller) try(ctx context.Context, call call) (*answer, *account.Error) {
	release, err := c.config.Gate(ctx)
	if err != nil {
		return nil, notSent(call.method, newRedactor(call.secrets...), err)
	}
	defer release()
	if err := ctx.Err(); err != nil { // a write that has left is waited for, so this is the last moment to give it up
		return nil, notSent(call.method, newRedactor(call.secrets...), err)
	}
	var token account.Secret
	if call.issuer != "" {
		if token, err = c.tokens.token(call.issuer); err != nil {
			return nil, &account.Error{Class: account.Unauthorized, Method: call.method, Message: err.Error()}
		}
	}
	redact := newRedactor(append(call.secrets, token, c.config.ParentAPIKey)...)
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

// notSent is the error where no request was made; an *account.Error of the gate's own stays what it is.
func notSent(method string, redact redactor, err error) *account.Error {
	if own, ok := errors.AsType[*account.Error](err); ok {
		named := *own
		named.Method = cmp.Or(own.Method, method)
		return &named
	}
	return &account.Error{Class: account.Unavailable, Method: method, Message: redact.clean(err.Error())}
}

// send makes one HTTP request and reads its answer.
func (c *caller) send(ctx context.Context, call call, token account.Secret, redact redactor) (*answer, *account.Error) {
	timeout := call.timeout
	if timeout == 0 {
		timeout = c.config.Timeout
	}
	if call.write {
		// Who hangs up on a write never learns what became of it, or the key that only its answer has.
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, trace := netstep.Follow(ctx)
	answered := false
	broken := func(message string) *account.Error {
		// A request can have left only where there was a connection for it. A transport that isn't net/http's has no trace; an answer is
		// proof enough.
		left := answered || trace.Left()
		return &account.Error{
			Class: account.Unavailable, Method: call.method,
			Message: redact.clean(message), OutcomeUnknown: call.write && left,
		}
	}
	base := cmp.Or(call.base, c.followed.or(c.base))
	req, err := c.request(ctx, base, call, token)
	if err != nil {
		return nil, broken(err.Error())
	}
	sent := c.config.Clock()
	resp, err := c.http.Do(req)
	c.followed.ended(base, err == nil)
	if err != nil {
		return nil, broken(noAnswer(err, trace, netstep.RouteOf(req, proxyOf(c.config.Transport))))
	}
	defer func() { _ = resp.Body.Close() }()
	answered = true
	return c.receive(call, resp, sent, redact, broken)
}

// receive reads the answer of a request that was sent at a time. Of a list that is too large it returns the part that was read, too.
func (c *caller) receive(call call, resp *http.Response, sent time.Time, redact redactor, broken func(string) *account.Error) (*answer, *account.Error) {
	most := cmp.Or(call.most, c.config.MaxAnswer)
	tooLarge := fmt.Sprintf("the answer is larger than %d bytes", most)
	if resp.ContentLength > most && !call.list {
		return nil, broken(tooLarge)
	}
	body := &bounded{Reader: resp.Body, left: most}
	if call.whole != nil {
		call.whole.Reset() // of the try before
		body.Reader = io.TeeReader(resp.Body, call.whole)
	}
	part, err := decodePart(body, call.list)
	_, _ = io.Copy(io.Discard, body) // the connection can be used again
	switch {
	case errors.Is(body.err, errTooLarge):
		e := broken(tooLarge)
		if resp.StatusCode < 300 && part.isList() && !errors.As(err, new(*account.Error)) {
			e.Answered = true
			return part, e
		}
		return nil, e
	case body.err != nil:
		return nil, broken("the answer broke off: " + brokenOff(body.err))
	case err != nil:
		part = nil
	default:
		part.size = most - body.left
	}
	a, failed := c.read(call, resp, part, err, redact, broken)
	if failed != nil && call.issuer != "" {
		failed = withClock(failed, resp.Header.Get("Date"), sent, c.config.Clock())
	}
	return a, failed
}

var errTooLarge = errors.New("too large")

// bounded reads only so much, and remembers why it ended early.
type bounded struct {
	io.Reader
	left int64
	err  error
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		err = errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
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
func (c *caller) read(call call, resp *http.Response, a *answer, err error, redact redactor, broken func(string) *account.Error) (*answer, *account.Error) {
	status := resp.StatusCode
	if status >= 300 && status < 400 {
		return nil, broken(redirectProblem(resp))
	}
	own, contradicts := errors.AsType[*account.Error](err)
	switch {
	case status == http.StatusTooManyRequests:
		return nil, c.tooMany(call, resp, a, redact)
	case err == nil && a.failure() != nil:
		f := a.failure()
		code, _ := f.Code.integer()
		e := refusal(call.method, call.write, code, redact.clean(f.Msg))
		e.OutcomeUnknown = e.OutcomeUnknown || call.write && status >= 500
		return nil, e
	case err == nil && status < 300:
		return a, nil
	case contradicts && status < 300:
		return nil, own
	}
	e := broken(foreignAnswer(resp, err))
	if status == http.StatusUnauthorized {
		e.Class = account.Unauthorized
	}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.config.Clock())
	return nil, e
}

// tooMany is HTTP 429: refused before anything was done, whatever the body says.
func (c *caller) tooMany(call call, resp *http.Response, a *answer, redact redactor) *account.Error {
	e := &account.Error{Class: account.Throttled, Method: call.method, Message: "HTTP " + statusText(resp.StatusCode)}
	if a != nil && a.failure() != nil {
		e.Code, _ = a.failure().Code.integer()
		e.Answered = true
		e.Message = redact.clean(a.failure().Msg)
		e.RetryAfter = waitInText(e.Message)
	}
	if wait := retryAfter(resp.Header.Get("Retry-After"), c.config.Clock()); wait > 0 {
		e.RetryAfter = wait
	}
	return e
}

// retryAfter reads the header's seconds or date; 0 where it has neither.
func retryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(strings.TrimSpace(header), 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestWait)
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// contentType is the bare media type for a message, "" where there is none.
func contentType(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return " (" + media + ")"
}

// foreignAnswer says what came instead of an answer of the API; why is what is wrong with the body, nil if nothing is.
func foreignAnswer(resp *http.Response, why error) string {
	text := "HTTP " + statusText(resp.StatusCode) + contentType(resp) + ", no answer of the Management API"
	switch {
	case resp.StatusCode < 300:
		return why.Error() + contentType(resp)
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return text + "; check the user and the password of the proxy, in HTTP_PROXY"
	case resp.StatusCode < 500:
		return text + "; is the endpoint right?"
	}
	return text
}

// redirectProblem names the other host but not the rest of the address, which may repeat parameters.
func redirectProblem(resp *http.Response) string {
	to := "another address"
	if u, err := resp.Location(); err == nil && u.Host != "" {
		to = u.Scheme + "://" + u.Host
	}
	return fmt.Sprintf("HTTP %s: redirects to %s, which is not followed; is the endpoint right?", statusText(resp.StatusCode), to)
}
