package cli

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// hindrance is what stands in the way of something at present. It is safe for concurrent use.
type hindrance struct {
	mu     sync.Mutex
	reason string
	since  time.Time
}

// add notes a failure, and says whether it is another one than before.
func (h *hindrance) add(err error) (another bool) { return h.set(namespacecache.ReasonOf(err)) }

func (h *hindrance) set(reason string) (another bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == "" {
		h.since = time.Now()
	}
	another = h.reason != reason
	h.reason = reason
	return another
}

// end notes that nothing stands in the way any more.
func (h *hindrance) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = ""
}

// is the reason of the last failure, "" where there is none, and since when there are failures.
func (h *hindrance) is() (since time.Time, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.since, h.reason
}

// observing notes how requests for the lease end.
func (h *hindrance) observing(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if !strings.Contains(r.URL.Path, "/apis/coordination.k8s.io/") || errors.Is(r.Context().Err(), context.Canceled) {
			return response, err
		}
		switch {
		case err != nil:
			h.add(err)
		case response.StatusCode == http.StatusForbidden, response.StatusCode == http.StatusUnauthorized, response.StatusCode >= http.StatusInternalServerError:
			h.set(strings.ReplaceAll(http.StatusText(response.StatusCode), " ", ""))
		default:
			h.end()
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
