package voximplant

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
)

// unansweredUntilBack is how many calls in a row at a followed address have to get no answer until calls go to the endpoint again.
const unansweredUntilBack = 3

// followed is the address that the service prefers for further calls (GetAccountInfo's api_address), where that is followed. It is safe for
// concurrent use.
type followed struct {
	mu sync.Mutex
	// base is where the methods stand there, "" where calls go to the endpoint.
	base string
	// refused is why the address that the service prefers is not followed, nil where it is, or there is none.
	refused error
	// unanswered counts the calls in a row that got no answer there.
	unanswered int
}

// or is where calls go: the followed address, or the endpoint's base.
func (f *followed) or(base string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.base != "" {
		return f.base
	}
	return base
}

// set has calls go to another base, "" to the endpoint.
func (f *followed) set(base string, refused error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.base, f.refused, f.unanswered = base, refused, 0
}

// ended notes whether a call to a base was answered. Where the followed address answers no more, calls go to the endpoint until the next
// connection.
func (f *followed) ended(base string, answered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case base != f.base || f.base == "":
	case answered:
		f.unanswered = 0
	default:
		f.unanswered++
		if f.unanswered >= unansweredUntilBack {
			f.base, f.refused = "", fmt.Errorf("%s has not answered %d calls in a row", hostOf(base), f.unanswered)
		}
	}
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return "the address"
	}
	return u.Host
}

// Following implements provider.Follower.
func (r *Remote) Following() (host string, refused error) {
	f := &r.client.followed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.base != "" {
		return hostOf(f.base), nil
	}
	return "", f.refused
}

var _ provider.Follower = (*Remote)(nil)

// follow has further calls go to the address that the service prefers, where the rules of followedBase allow that and the address leads to
// the same account. Else calls go to the endpoint.
func (c *Client) follow(ctx context.Context, own *OwnInfo) {
	base, err := followedBase(c.config.Endpoint, own.APIAddress)
	if err != nil || base == "" || base == c.base {
		c.followed.set("", err)
		return
	}
	there, failed := c.accountInfo(ctx, call{params: url.Values{}, issuer: c.config.Credentials.AccountID, base: base})
	switch {
	case failed != nil:
		c.followed.set("", fmt.Errorf("%s can't be used: %w", hostOf(base), failed))
	case there.Account.ID != own.Account.ID:
		c.followed.set("", fmt.Errorf("%s leads to another account", hostOf(base)))
	default:
		c.followed.set(base, nil)
	}
}

// followedBase is where the methods stand at the address that the service prefers; "" where it names none. It has to have the endpoint's
// scheme and port, and a host below the endpoint's registrable domain, so that no credentials go to another domain, or out unencrypted.
// Guess: the documents don't say whether the address comes with a scheme; it is read either way.
func followedBase(endpoint, preferred string) (string, error) {
	preferred = strings.ToLower(strings.TrimSpace(preferred))
	if preferred == "" {
		return "", nil
	}
	from, err := url.Parse(strings.ToLower(endpoint))
	if err != nil {
		return "", errors.New("the endpoint is no URL")
	}
	if !strings.Contains(preferred, "://") {
		preferred = from.Scheme + "://" + preferred
	}
	to, err := url.Parse(preferred)
	if err != nil || to.Hostname() == "" || to.User != nil || to.RawQuery != "" || to.ForceQuery || to.Fragment != "" || strings.Trim(to.Path, "/") != "" {
		return "", errors.New("the address that the provider prefers is not a host")
	}
	if to.Scheme == from.Scheme && to.Hostname() == from.Hostname() && portOf(to) == portOf(from) {
		return "", nil
	}
	domain, err := registrableDomain(from.Hostname())
	switch {
	case err != nil:
		return "", err
	case to.Scheme != from.Scheme || portOf(to) != portOf(from):
		return "", fmt.Errorf("%s has another scheme or port than the endpoint", shortHost(to.Host))
	case to.Hostname() != domain && !strings.HasSuffix(to.Hostname(), "."+domain) || strings.Trim(to.Hostname(), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "":
		return "", fmt.Errorf("%s is not a host of the endpoint's domain %s", shortHost(to.Host), domain)
	}
	return to.Scheme + "://" + to.Host + "/platform_api/", nil
}

// registrableDomain is the part of a host that somebody has registered: voximplant.com of api.voximplant.com.
func registrableDomain(host string) (string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return "", errors.New("the endpoint is an IP address, so no other address is below its domain")
	}
	// Names that nobody registers, such as those of Services of a cluster, have no suffix in the list: cluster.local would be everybody's.
	suffix, icann := publicsuffix.PublicSuffix(host)
	if !icann && !strings.Contains(suffix, ".") {
		return "", fmt.Errorf("the endpoint's host %s is not below a public suffix", shortHost(host))
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return "", fmt.Errorf("the endpoint's host %s is not below a public suffix", shortHost(host))
	}
	return domain, nil
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// shortHost is a host as a message shows it.
func shortHost(host string) string { return apihttp.NewRedactor().Clean(host) }
