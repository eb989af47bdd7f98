package cli

import (
	"crypto/sha256"
	"net/http"
	"runtime"
	"sync"
	"weak"

	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/trust"
)

// bundleSum tells one bundle of certificate authorities from another.
type bundleSum [sha256.Size]byte

// transports shares one transport between all connections that trust the same authorities. It only knows those in use: one
// that no connection has any more closes what is idle after a while, as transports do, and is collected as garbage.
type transports struct {
	// http2 stands in for the HTTP/2 settings of apihttp.NewTransport, unless it is nil.
	http2 *http.HTTP2Config

	mu    sync.Mutex
	known map[bundleSum]weak.Pointer[http.Transport]
}

// transports are those of a manager with the options.
func (o ManagerOptions) transports() *transports { return &transports{http2: o.HTTP2} }

// trusting returns the transport for a bundle of authorities; an empty one stands for the system's.
func (t *transports) trusting(bundle []byte) (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := bundleSum(sha256.Sum256(bundle))
	if shared := t.known[sum].Value(); shared != nil {
		return shared, nil
	}
	roots, err := trust.Parse(bundle)
	if err != nil {
		return nil, err
	}
	made := apihttp.NewTransport(roots)
	if t.http2 != nil {
		made.HTTP2 = t.http2
	}
	if t.known == nil {
		t.known = map[bundleSum]weak.Pointer[http.Transport]{}
	}
	t.known[sum] = weak.Make(made)
	runtime.AddCleanup(made, t.forget, sum)
	return made, nil
}

// forget drops a transport that was collected, unless there is another one for the same bundle by now.
func (t *transports) forget(sum bundleSum) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[sum].Value() == nil {
		delete(t.known, sum)
	}
}
