package voximplant

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// One page of a thousand accounts, as the simulator shows them.
func BenchmarkPage(b *testing.B) {
	w := newWorld(b, simulator.Settings{})
	w.children(maxPage)
	var body []byte
	transport := w.Client().config.Transport
	w.Client().http.Transport = recorder{transport, &body}
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := decodeAnswer(bytes.NewReader(body), true)
		if err != nil {
			b.Fatal(err)
		}
		page, failed := a.children()
		if failed != nil {
			b.Fatal(failed)
		}
		for _, info := range page.Accounts {
			_ = accountOf(info)
		}
	}
}

// recorder keeps the last answer's body.
type recorder struct {
	http.RoundTripper
	body *[]byte
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	*r.body, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(*r.body))
	return resp, err
}
