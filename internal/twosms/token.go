package twosms

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

const (
	// documentedLife is how long a token is valid. It bounds what the answer says, and stands in where that says nothing.
	documentedLife = 8 * time.Hour
	// renewedAhead is how long before its end a token is renewed, at most a tenth of its life: a call may wait in a queue.
	renewedAhead = 10 * time.Minute
	// renewalPause is how long a token that could not be renewed ahead is used on before that is retried.
	renewalPause = 30 * time.Second
)

// accessToken is a token, and until when.
type accessToken struct {
	text account.Secret
	// issued is when it came, renewAt when another one is asked for, expires when it is worth nothing.
	issued, renewAt, expires time.Time
}

// valid is false also where our clock was set back.
func (t accessToken) valid(now time.Time) bool {
	return t.text != "" && !now.Before(t.issued) && now.Before(t.expires)
}

// tokens keeps the token of the client credentials for its life. Calls that need a new one at the same time share one request. It is safe
// for concurrent use, and holds no lock while a request is made.
type tokens struct {
	clock func() time.Time
	// request gets a new token, and for how long it is valid.
	request func(context.Context) (account.Secret, time.Duration, *account.Error)

	mu      sync.Mutex
	present accessToken
	pending *tokenRequest
}

// tokenRequest is a request that is under way. done is closed once the rest is set.
type tokenRequest struct {
	done   chan struct{}
	token  account.Secret
	failed *account.Error
	// abandoned is set where whoever made the request gave up: that says nothing to the others.
	abandoned bool
}

// get returns a token that is valid, as far as is known here.
func (s *tokens) get(ctx context.Context) (account.Secret, *account.Error) {
	for {
		text, mine, others := s.look()
		switch {
		case text != "":
			return text, nil
		case mine != nil:
			s.renew(ctx, mine)
			return mine.token, mine.failed
		}
		select {
		case <-others.done:
			if !others.abandoned {
				return others.token, others.failed
			}
		case <-ctx.Done():
			return "", apihttp.NotSent(methodToken, nil, ctx.Err())
		}
	}
}

// look returns the present token, or the request that the caller has to make, or that another one makes.
func (s *tokens) look() (text account.Secret, mine, others *tokenRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	switch {
	case s.present.valid(now) && (now.Before(s.present.renewAt) || s.pending != nil):
		return s.present.text, nil, nil
	case s.pending != nil:
		return "", nil, s.pending
	}
	s.pending = &tokenRequest{done: make(chan struct{})}
	return "", s.pending, nil
}

// renew makes the request and sets what came of it. A token that could not be renewed ahead is used on.
func (s *tokens) renew(ctx context.Context, r *tokenRequest) {
	text, life, failed := s.request(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(r.done)
	s.pending = nil
	now := s.clock()
	switch {
	case failed == nil:
		s.present = accessToken{text: text, issued: now, renewAt: now.Add(life - min(renewedAhead, life/10)), expires: now.Add(life)}
		r.token = text
	case s.present.valid(now):
		s.present.renewAt = now.Add(renewalPause)
		r.token = s.present.text
	default:
		r.failed, r.abandoned = failed, ctx.Err() != nil
	}
}

// drop forgets a token that the service refused, unless there is another one by now.
func (s *tokens) drop(refused account.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.present.text == refused {
		s.present = accessToken{}
	}
}

// requestToken gets a token for the client credentials, which stand in the body. It waits for its turn as any call.
func (c *client) requestToken(ctx context.Context) (account.Secret, time.Duration, *account.Error) {
	redact := apihttp.NewRedactor(c.config.Credentials.ClientSecret)
	release, err := c.turn(ctx)
	if err != nil {
		return "", 0, apihttp.NotSent(methodToken, redact, err)
	}
	defer release()
	start := time.Now()
	token, failed := c.exchangeCredentials(ctx, redact)
	c.config.Observe(methodToken, time.Since(start), failed)
	if failed != nil {
		return "", 0, failed
	}
	// Guess: no document says whether the answer tells of the life.
	life := documentedLife
	if !token.Expiry.IsZero() {
		life = min(max(time.Until(token.Expiry).Round(time.Second), 0), documentedLife)
	}
	return account.Secret(token.AccessToken), life, nil
}

// exchangeCredentials makes the request for a token.
func (c *client) exchangeCredentials(ctx context.Context, redact apihttp.Redactor) (*oauth2.Token, *account.Error) {
	transport := &tokenTransport{transport: c.config.Transport, config: c.config}
	x := apihttp.Exchange{HTTP: apihttp.NewClient(transport), Method: methodToken, Timeout: c.config.Timeout, Redact: redact}
	// Others may wait for the same token.
	ctx, end := x.Begin(context.WithoutCancel(ctx))
	defer end()
	config := clientcredentials.Config{
		ClientID: c.config.Credentials.ClientID, ClientSecret: c.config.Credentials.ClientSecret.Reveal(),
		TokenURL: c.base + "/Token", AuthStyle: oauth2.AuthStyleInParams,
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, x.HTTP))
	switch refused, ok := errors.AsType[*oauth2.RetrieveError](err); {
	case ok:
		return nil, c.tokenRefused(refused, x.Broken, redact)
	case err != nil && transport.answered != nil:
		return nil, x.Broken(apihttp.ForeignAnswer(transport.answered, apiName, errors.New("the answer has no token")))
	case err != nil && transport.request != nil:
		return nil, x.Unanswered(transport.request, err)
	case err != nil:
		return nil, x.Broken("the request can't be made") // the cause is checked in New
	case !headerValue(token.AccessToken):
		return nil, x.Broken("the answer has no token that can be sent")
	}
	return token, nil
}

// headerValue says whether a token can stand in a header.
func headerValue(text string) bool {
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return text != ""
}

// tokenRefused is the error for an answer that is no token.
func (c *client) tokenRefused(refused *oauth2.RetrieveError, broken func(string) *account.Error, redact apihttp.Redactor) *account.Error {
	resp := refused.Response
	said := redact.Clean(cmp.Or(refused.ErrorDescription, refused.ErrorCode))
	wait := apihttp.RetryAfter(resp.Header.Get("Retry-After"), c.config.Clock())
	switch status := resp.StatusCode; {
	case apihttp.IsRedirect(status):
		return broken(apihttp.RedirectProblem(resp))
	case status == http.StatusTooManyRequests:
		return &account.Error{Class: account.Throttled, Method: methodToken, Message: "HTTP " + apihttp.StatusText(status), RetryAfter: wait}
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status < 500 && refused.ErrorCode != "":
		// RFC 6749, section 5.2: HTTP 400, or 401, and what is wrong. All of that is about the client or its credentials.
		message := "no token is issued for the client credentials"
		if said != "" {
			message += ": " + said
		}
		return &account.Error{Class: account.Unauthorized, Method: methodToken, Message: message, Answered: refused.ErrorCode != ""}
	}
	e := broken(apihttp.ForeignAnswer(resp, apiName, errors.New("the answer has no token")))
	e.RetryAfter = wait
	return e
}

// tokenTransport is the transport of one request for a token: it reads the answer within its bound, so that a failure to do so is known for
// what it is, and remembers the request and the answer.
type tokenTransport struct {
	transport http.RoundTripper
	config    Config
	request   *http.Request
	answered  *http.Response
}

// Unwrap returns the transport below.
func (t *tokenTransport) Unwrap() http.RoundTripper { return t.transport }

// RoundTrip implements http.RoundTripper.
func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", t.config.UserAgent)
	t.request = req
	resp, err := t.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body := &apihttp.Bounded{Reader: resp.Body, Left: t.config.MaxAnswer}
	whole, _ := io.ReadAll(body)
	switch {
	case errors.Is(body.Err, apihttp.ErrTooLarge):
		return nil, errors.New(apihttp.TooLarge(t.config.MaxAnswer))
	case body.Err != nil:
		return nil, errors.New(apihttp.BrokenOff(body.Err))
	}
	if bytes.HasPrefix(bytes.TrimSpace(whole), []byte("{")) { // what is JSON shows in the body
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body = io.NopCloser(bytes.NewReader(whole))
	t.answered = resp
	return resp, nil
}
