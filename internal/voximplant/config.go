package voximplant

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// The defaults of a Config.
const (
	DefaultEndpoint          = "https://api.voximplant.com"
	DefaultUserAgent         = "child-account-operator"
	DefaultTimeout           = 30 * time.Second
	DefaultListTimeout       = 60 * time.Second
	DefaultMaxAnswer   int64 = 1 << 20
	DefaultMaxList     int64 = 8 << 20
)

// Config is what a Client or Remote is made with. Only Credentials are required.
type Config struct {
	// Endpoint is scheme and host of the Management API; default DefaultEndpoint. Plain http is accepted:
	// which endpoints are allowed is the caller's decision.
	Endpoint string
	// Credentials sign the calls.
	Credentials Credentials
	// ParentAPIKey is sent to AddAccount as parent_account_api_key, and proves who asks where a child's API key is to be
	// recovered; "" sends none.
	ParentAPIKey account.Secret
	// Transport does the HTTP; default one made by apihttp.NewTransport. It must not follow redirects nor repeat requests by itself.
	Transport http.RoundTripper
	// Clock tells the time for tokens; default time.Now.
	Clock func() time.Time
	// Gate is called before each HTTP request, whose turn it is when Gate returns; release, never nil, is called once the
	// answer is read. An error is handed on and nothing is sent. Default: no limit.
	Gate func(ctx context.Context) (release func(), err error)
	// Observe is called after each HTTP request with how long it took from its turn on, and its error, nil after success.
	// It must not change the error.
	Observe func(method string, took time.Duration, err *account.Error)
	// Balances has each account that is read come with its balance, which GetChildrenAccounts and GetAccountInfo show without another call.
	// Default: without, which saves memory.
	Balances bool
	// FollowAddress has calls go to the address that GetAccountInfo prefers (api_address), once Self has read it, where it has the scheme and
	// port of the Endpoint, and a host below the Endpoint's registrable domain. Default: all calls go to the Endpoint.
	FollowAddress bool
	// UserAgent is sent with each request; default DefaultUserAgent.
	UserAgent string
	// Timeout and ListTimeout are for one request, the latter for GetChildrenAccounts; defaults DefaultTimeout, DefaultListTimeout.
	Timeout, ListTimeout time.Duration
	// MaxAnswer and MaxList are how many bytes of an answer are read, the latter for GetChildrenAccounts; defaults
	// DefaultMaxAnswer, DefaultMaxList.
	MaxAnswer, MaxList int64
}

func (c Config) withDefaults() Config {
	c.Endpoint = cmp.Or(c.Endpoint, DefaultEndpoint)
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

// methodsURL is where the methods stand.
func (c Config) methodsURL() (string, error) {
	base, err := apihttp.Base(c.Endpoint, "the endpoint", "scheme and host, as in "+DefaultEndpoint)
	switch {
	case err != nil:
		return "", err
	case c.Credentials.privateKey == nil:
		return "", errors.New("credentials are required")
	}
	return base + "/platform_api/", nil
}
