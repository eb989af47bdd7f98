package twosms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// apiName is what messages call the API.
const apiName = "the 2sms API"

// The calls, as errors and metrics have them: HTTP's method and the last part of the address that is a name.
const (
	methodToken  = "POST Token"
	methodList   = "GET accounts"
	methodCreate = "POST accounts"
	methodUpdate = "PUT children"
)

// Methods are all calls, as errors and metrics have them.
func Methods() []string { return []string{methodToken, methodList, methodCreate, methodUpdate} }

// client makes the calls of the admin API with a token, and reads their answers. No call is repeated, except once with a new token after
// HTTP 401, which says that nothing was done. It is safe for concurrent use.
type client struct {
	config Config
	base   string
	http   *http.Client
	tokens *tokens
}

func newClient(config Config) (*client, error) {
	config = config.withDefaults()
	base, err := config.base()
	if err != nil {
		return nil, err
	}
	c := &client{config: config, base: base, http: apihttp.NewClient(config.Transport)}
	c.tokens = &tokens{clock: config.Clock, request: c.requestToken}
	return c, nil
}

// Format implements fmt.Formatter, for every verb: a client holds secrets in fields that fmt would print.
func (c *client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "client of %s with %s", c.base, c.config.Credentials)
}

// call is one call.
type call struct {
	method string // for errors and metrics
	verb   string // HTTP's
	// path is the address below the master account, with the query.
	path string
	// body is sent as JSON; nil: there is none.
	body map[string]string
	// secrets are the values in body that must not show in any text.
	secrets []account.Secret
	// list is set where the answer is a list of accounts.
	list bool
	// filtered is set where that list has the accounts that a filter selects: an answer without a list has none.
	filtered bool
	// before is called once it is the call's turn, right before each request; after an error no request is made. Nil does nothing.
	before func(context.Context) error
}

// write says whether the call changes something.
func (c call) write() bool { return c.verb != http.MethodGet }

// do makes the call and returns its answer, which is not an error.
func (c *client) do(ctx context.Context, call call) (*answer, *account.Error) {
	a, tokenRefused, err := c.try(ctx, call)
	if tokenRefused {
		a, _, err = c.try(ctx, call) // try has dropped the token, so this one is new
	}
	return a, err
}

// try gets a token, waits for its turn and makes one request.
func (c *client) try(ctx context.Context, call call) (a *answer, tokenRefused bool, failed *account.Error) {
	redact := apihttp.NewRedactor(append(call.secrets, c.config.Credentials.ClientSecret)...)
	if err := ctx.Err(); err != nil {
		return nil, false, apihttp.NotSent(call.method, redact, err)
	}
	token, failed := c.tokens.get(ctx)
	if failed != nil {
		return nil, false, failed
	}
	release, err := c.turn(ctx)
	if err != nil {
		return nil, false, apihttp.NotSent(call.method, redact, err)
	}
	defer release()
	if call.before != nil {
		if err := call.before(ctx); err != nil {
			return nil, false, apihttp.NotSent(call.method, redact, err)
		}
	}
	start := time.Now()
	a, status, failed := c.send(ctx, call, token, append(redact, token))
	c.config.Observe(call.method, time.Since(start), failed)
	if status == http.StatusUnauthorized {
		c.tokens.drop(token)
	}
	return a, status == http.StatusUnauthorized, failed
}

// turn waits until a request may be made. A write that has left is waited for, so this is the last moment to give it up.
func (c *client) turn(ctx context.Context) (release func(), err error) {
	release, err = c.config.Gate(ctx)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// send makes one HTTP request and reads its answer. status is HTTP's, 0 where none came.
func (c *client) send(ctx context.Context, call call, token account.Secret, redact apihttp.Redactor) (a *answer, status int, failed *account.Error) {
	timeout, most := c.config.Timeout, c.config.MaxAnswer
	if call.list {
		timeout, most = c.config.ListTimeout, c.config.MaxList
	}
	x := apihttp.Exchange{HTTP: c.http, Method: call.method, Write: call.write(), Timeout: timeout, Redact: redact}
	ctx, end := x.Begin(ctx)
	defer end()
	req, err := c.request(ctx, call, token)
	if err != nil {
		return nil, 0, x.Broken(err.Error())
	}
	resp, failed := x.Do(req)
	if failed != nil {
		return nil, 0, failed
	}
	defer func() { _ = resp.Body.Close() }()
	body := &apihttp.Bounded{Reader: resp.Body, Left: most}
	a, err = decodeAnswer(body, call.list)
	_, _ = io.Copy(io.Discard, body) // the connection can be used again
	switch {
	case errors.Is(body.Err, apihttp.ErrTooLarge):
		return nil, 0, x.Broken(apihttp.TooLarge(most))
	case body.Err != nil:
		return nil, 0, x.Broken(apihttp.BrokenOff(body.Err))
	}
	r := received{call: call, resp: resp, answer: a, problem: err, redact: redact, broken: x.Broken, now: c.config.Clock()}
	if failed := r.failure(); failed != nil {
		return nil, resp.StatusCode, failed
	}
	return a, resp.StatusCode, nil
}

func (c *client) request(ctx context.Context, call call, token account.Secret) (*http.Request, error) {
	var body io.Reader
	if call.body != nil {
		encoded, err := json.Marshal(call.body)
		if err != nil {
			return nil, errors.New("the body can't be made") // texts always can
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, call.verb, c.base+"/api/v1/admin/accounts/"+c.config.Credentials.AccountID+call.path, body)
	if err != nil {
		return nil, errors.New("the request can't be made") // the cause is checked in New
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	return req, nil
}
