package directory_test

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const (
	// mostKept is how many bytes an account may take in a directory (925 were seen with the race detector), mostForAPage how many a page more while a list is read.
	mostKept     = 960
	mostForAPage = 6 << 20
)

// A directory takes so much for each account, however many there are, and while it reads them as much as one page does besides.
func TestMemoryIsLinear(t *testing.T) {
	for _, n := range []int{pageSize, 4 * pageSize} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			w := makeWorld(simulator.Settings{})
			w.url = "http://simulator.test"
			p := &service{accounts: n}
			w.Directory = directory.New(w.remote(t, p), w.clock)
			before := inUse()
			w.refresh(t)
			after := inUse()
			if l := w.Listings(); l.Total != n {
				t.Fatalf("%+v", l)
			}
			kept, peak := int(after-before), int(p.peak-before)
			t.Logf("%d bytes an account, and up to %d more while they were read", kept/n, peak-kept)
			if kept/n > mostKept {
				t.Errorf("%d bytes are kept of each account, at most %d should be", kept/n, mostKept)
			}
			if peak-kept > mostForAPage {
				t.Errorf("%d bytes more are in use while the list is read, at most %d should be", peak-kept, mostForAPage)
			}
		})
	}
}

// inUse is how many bytes of memory are in use and can't be done without.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has only parked: pools
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// service answers with a list of so many accounts, none of which it has in memory.
type service struct {
	accounts int
	// peak is the most memory that was in use when a page had been read, but not yet handed on.
	peak uint64
}

func (p *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil || path.Base(r.URL.Path) != list {
		return nil, fmt.Errorf("%s: %w", r.URL.Path, err)
	}
	offset, _ := strconv.Atoi(r.PostForm.Get("offset"))
	page := &page{from: offset, to: min(offset+pageSize, p.accounts), total: p.accounts, read: func() { p.peak = max(p.peak, inUse()) }}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(page), ContentLength: -1}, nil
}

// page is the body of an answer, written while it is read.
type page struct {
	from, to, total int
	begun, ended    bool
	rest            strings.Reader
	read            func()
}

func (p *page) Read(b []byte) (int, error) {
	for p.rest.Len() == 0 {
		switch {
		case !p.begun:
			p.begun = true
			p.rest.Reset(fmt.Sprintf(`{"total_count": %d, "count": %d, "result": [`, p.total, p.to-p.from))
		case p.from < p.to:
			p.rest.Reset(row(p.from) + map[bool]string{true: ","}[p.from+1 < p.to])
			p.from++
		case !p.ended:
			p.ended = true
			p.rest.Reset("]}")
		default:
			p.read()
			return 0, io.EOF
		}
	}
	return p.rest.Read(b)
}

// row is an account as the service returns it.
func row(i int) string {
	return fmt.Sprintf(`{"account_id": %d, "account_name": "child-%05d", "account_email": "child-%05d@acme.example",
		"account_first_name": "Acme", "account_last_name": "Telephony", "created": "2026-01-02 03:04:05", "language_code": "en",
		"location": "Europe/Berlin", "min_balance_to_notify": 5.5, "account_notifications": true,
		"tariff_changing_notifications": false, "news_notifications": false, "billing_address_name": "Acme",
		"billing_address_country_code": "DE", "billing_address_address": "1 Example Street", "billing_address_zip": "10115",
		"billing_address_phone": "+490000000", "active": true, "frozen": false, "balance": 0, "credit_limit": 0,
		"currency": "USD", "support_robokassa": false, "support_bank_card": true, "support_invoice": false,
		"account_custom_data": "cpaas:%05d", "callback_url": "https://acme.example/%05d", "send_js_error": false,
		"access_entries": [{"url": "https://acme.example"}]}`, 5_000_000_011+7*i, i, i, i, i)
}
