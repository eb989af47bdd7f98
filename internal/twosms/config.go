package twosms

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// The defaults of a Config. There is none for the base URL: the same service answers on several hosts.
const (
	DefaultUserAgent         = "child-account-operator"
	DefaultTimeout           = 30 * time.Second
	DefaultListTimeout       = 60 * time.Second
	DefaultMaxAnswer   int64 = 1 << 20
	DefaultMaxList     int64 = 8 << 20
)

// Config is what a Remote is made with. BaseURL and Credentials are required.
type Config struct {
	// BaseURL is scheme and host of the admin API, and a path if it has one. Plain http is accepted: which hosts are allowed is the caller's
	// decision. Every request goes to that host.
	BaseURL string
	// Credentials get the tokens, and name the master account.
	Credentials Credentials
	// Transport does the HTTP; default one made by apihttp.NewTransport. It must not follow redirects nor repeat a POST or PUT by itself.
	// net/http's repeats a GET where a connection that was kept breaks before its answer.
	Transport http.RoundTripper
	// Clock tells the time for tokens; default time.Now.
	Clock func() time.Time
	// Gate is called before each HTTP request, whose turn it is when Gate returns; release, never nil, is called once the
	// answer is read. An error is handed on and nothing is sent. Default: no limit.
	Gate func(ctx context.Context) (release func(), err error)
	// Observe is called after each HTTP request with how long it took from its turn on, and its error, nil after success.
	// It must not change the error.
	Observe func(method string, took time.Duration, err *account.Error)
	// UserAgent is sent with each request; default DefaultUserAgent.
	UserAgent string
	// Timeout and ListTimeout are for one request, the latter for the list of accounts; defaults DefaultTimeout, DefaultListTimeout.
	Timeout, ListTimeout time.Duration
	// MaxAnswer and MaxList are how many bytes of an answer are read, the latter for the list of accounts, which has no pages; defaults
	// DefaultMaxAnswer, DefaultMaxList.
	MaxAnswer, MaxList int64
}

func (c Config) withDefaults() Config {
	c.UserAgent = cmp.Or(c.UserAgent, DefaultUserAgent)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.ListTimeout = cmp.Or(c.ListTimeout, DefaultListTimeout)
	c.MaxAnswer = cmp.Or(c.MaxAnswer, DefaultMaxAnswer)
	c.MaxList = cmp.Or(c.MaxList, DefaultMaxList)
	if c.Transport == nil {
		c.Transport = apihttp.NewTransport(nil)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Gate == nil {
		c.Gate = func(context.Context) (func(), error) { return func() {}, nil }
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration, *account.Error) {}
	}
	return c
}

// base is the base URL without a slash at its end.
func (c Config) base() (string, error) {
	base, err := apihttp.Base(c.BaseURL, "the base URL", "scheme and host, and a path if there is one, as in https://api.2sms.example/v2")
	switch {
	case err != nil:
		return "", err
	case !c.Credentials.valid():
		return "", errors.New("credentials are required")
	}
	return base, nil
}
