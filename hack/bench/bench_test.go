package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// growing is a log that is written to while it is read.
type growing struct{ text string }

func (g *growing) Read(p []byte) (int, error) {
	if g.text == "" {
		return 0, io.EOF
	}
	n := copy(p, g.text)
	g.text = g.text[n:]
	return n, nil
}

func (g *growing) Close() error { return nil }

func TestAuditLog(t *testing.T) {
	log := &growing{}
	audit := newAuditLog(log)
	for _, part := range []string{
		`{"verb":"patch","objectRef":{"resource":"childaccounts","subresource":"status"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z","stageTimestamp":"2026-01-01T00:00:00.250000Z"}` + "\n" + `{"verb":"patch","objectRef":{"reso`,
		`urce":"childaccounts","subresource":"status"},"responseStatus":{"code":409}}` + "\n",
		`{"verb":"get","requestURI":"/apis"}` + "\n",
	} {
		log.text = part
		if _, err := audit.read(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := audit.read()
	if err != nil {
		t.Fatal(err)
	}
	if status := got["patch childaccounts/status"]; status != (requests{2, 1, 0.25}) {
		t.Errorf("status patches: %+v", status)
	}
	if discovery := got["get discovery"]; discovery != (requests{Count: 1}) {
		t.Errorf("discovery: %+v", discovery)
	}
	if all, writing := (spending{Requests: got}).requests(); all != 3 || writing != 2 {
		t.Errorf("%d requests, %d of them writes", all, writing)
	}
}

func TestUsage(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; { // takes time
	}
	if used, err := cpuSeconds(os.Getpid()); err != nil || used <= 0 {
		t.Errorf("%v s of CPU, %v", used, err)
	}
	if peak, err := peakBytes(os.Getpid()); err != nil || peak < 1<<20 {
		t.Errorf("%d bytes, %v", peak, err)
	}
	if pid, err := childNamed("nobody-has-this-name"); err == nil {
		t.Errorf("found a process %d that can't be", pid)
	}
}

func TestSince(t *testing.T) {
	before := spending{Calls: map[string]int{"A": 1, "B": 2}, Requests: map[string]requests{"get x": {2, 1, 0.5}}, CPU: map[string]float64{"p": 1}, Peak: 5}
	after := spending{Calls: map[string]int{"A": 4, "B": 2}, Requests: map[string]requests{"get x": {5, 1, 2}}, CPU: map[string]float64{"p": 3}, Peak: 7}
	got := after.since(before)
	if len(got.Calls) != 1 || got.Calls["A"] != 3 || got.Requests["get x"] != (requests{3, 0, 1.5}) || got.CPU["p"] != 2 || got.Peak != 7 {
		t.Errorf("%+v", got)
	}
	if sum := got.plus(got); sum.Calls["A"] != 6 || sum.Requests["get x"] != (requests{6, 0, 3}) || sum.Peak != 7 || got.Calls["A"] != 3 {
		t.Errorf("%+v of %+v", sum, got)
	}
}

// fleetOf is a fleet that does as the goals want, but for what is altered.
func fleetOf(n int, alter func(map[string]measured)) fleetResult {
	calls := func(method string, n int) spending { return spending{Calls: map[string]int{method: n}} }
	f := fleetResult{N: n, Scenarios: map[string]measured{
		creation:      {spending: spending{Calls: map[string]int{"AddAccount": n}, Requests: map[string]requests{"patch x": {Count: 4 * n}}, CPU: map[string]float64{}}, Applied: 1, Ready: []float64{0.5, 2, 5}},
		firstResync:   {spending: spending{Calls: map[string]int{listing: 1}, Peak: 100e6}},
		rest:          {spending: calls(listing, 5*((n+999)/1000)), Resyncs: 5},
		change:        {spending: calls("SetChildAccountInfo", (n+99)/100)},
		restart:       {spending: calls(listing, (n+999)/1000+1)},
		profilesStart: {spending: spending{Calls: map[string]int{listing: 1, documents: 1, "GetMoneyAmountToCharge": 1, "GetCurrencyRate": 1}}},
		profiles:      {spending: spending{Calls: map[string]int{"AddAccount": n, "SetAccountInfo": n, listing: (n + 999) / 1000, documents: 1}, Requests: map[string]requests{"patch x": {Count: 4 * n}}}},
		profilesRest:  {spending: spending{Calls: map[string]int{listing: 5 * ((n + 999) / 1000), documents: 5}}, Resyncs: 5},

		subAccounts: {spending: spending{
			Calls: map[string]int{subListing: 100, "POST accounts": subAccountsOf(n)}, Requests: map[string]requests{"patch x": {Count: 4 * subAccountsOf(n)}},
		}},
		subAccountsRest:   {spending: calls(subListing, 5), Resyncs: 5},
		subAccountsChange: {spending: spending{Calls: map[string]int{subListing: subAccountsOf(n), "PUT children": subAccountsOf(n)}}},
	}}
	alter(f.Scenarios)
	return f
}

func TestGoals(t *testing.T) {
	for name, c := range map[string]struct {
		n      int
		alter  func(map[string]measured)
		missed string // a word of the one goal that is missed
	}{
		"all reached":       {1000, func(map[string]measured) {}, ""},
		"ten thousand":      {10000, func(map[string]measured) {}, ""},
		"a call too many":   {1000, func(s map[string]measured) { s[creation].Calls["GetAccountInfo"] = 100 }, "API calls per created account"},
		"a write too many":  {1000, func(s map[string]measured) { s[creation].Requests["create y"] = requests{Count: 1000} }, "writes to the Kubernetes API per created account"},
		"requests too many": {1000, func(s map[string]measured) { s[creation].Requests["get y"] = requests{Count: 4000} }, "requests to the Kubernetes API per created account"},
		"too slow":          {1000, func(s map[string]measured) { s[creation].Ready[2] = 9.5 }, "Ready after the last apply"},
		"too large": {10000, func(s map[string]measured) {
			s[restart] = measured{spending: spending{Calls: s[restart].Calls, Peak: 201e6}}
		}, "memory"},
		"changed one by one": {1000, func(s map[string]measured) { s[change].Calls["SetChildAccountInfo"] = 1000 }, "changes of one field"},
		"a look at each":     {1000, func(s map[string]measured) { s[rest].Calls[listing] = 1000 }, "resync at rest for each"},
		"a write at rest": {1000, func(s map[string]measured) {
			m := s[rest]
			m.Requests = map[string]requests{"patch x": {Count: 1}}
			s[rest] = m
		}, "writes of a resync at rest"},
		"a profile by two calls": {1000, func(s map[string]measured) { s[profiles].Calls["SetAccountInfo"] = 2000 }, "created account with a profile"},
		"documents of each":      {1000, func(s map[string]measured) { s[profilesRest].Calls[documents] = 1000 }, "resync at rest with profiles"},
		"a profile written at rest": {1000, func(s map[string]measured) {
			m := s[profilesRest]
			m.Requests = map[string]requests{"patch x": {Count: 1}}
			s[profilesRest] = m
		}, "writes of a resync at rest with profiles"},
		"money with each list": {1000, func(s map[string]measured) {
			s[profilesRest].Calls["GetCurrencyRate"], s[profilesRest].Calls[documents] = 1, 4
		}, "money in an hour"},
		"a list for each SubAccount":        {1000, func(s map[string]measured) { s[subAccounts].Calls[subListing] = 401 }, "per created SubAccount"},
		"a read of each SubAccount at rest": {1000, func(s map[string]measured) { s[subAccountsRest].Calls[subListing] = 200 }, "API calls of a resync of SubAccounts"},
		"a SubAccount written at rest": {1000, func(s map[string]measured) {
			m := s[subAccountsRest]
			m.Requests = map[string]requests{"patch x": {Count: 1}}
			s[subAccountsRest] = m
		}, "writes of a resync of SubAccounts"},
		"a SubAccount changed by three calls": {1000, func(s map[string]measured) { s[subAccountsChange].Calls[subListing] = 400 }, "per changed SubAccount"},
		"a restart that looks":                {1000, func(s map[string]measured) { s[restart].Calls[listing] = 1001 }, "API calls of a restart"},
		"a restart that writes": {1000, func(s map[string]measured) {
			m := s[restart]
			m.Requests = map[string]requests{"patch x": {Count: 1}}
			s[restart] = m
		}, "writes of a restart"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &results{Fleets: []fleetResult{fleetOf(c.n, c.alter)}}
			var missed []string
			for row := range strings.Lines(r.goals()) {
				if strings.Contains(row, "**no**") {
					missed = append(missed, row)
				}
			}
			if c.missed == "" && len(missed) > 0 || c.missed != "" && (len(missed) != 1 || !strings.Contains(missed[0], c.missed)) {
				t.Errorf("missed %q, want %q", missed, c.missed)
			}
		})
	}
}

// A time that was measured several times counts as its median.
func TestOften(t *testing.T) {
	f := fleetOf(1000, func(s map[string]measured) { s[creation].Ready[2] = 9.5 })
	for _, last := range []float64{3, 4.25} {
		f.Again = append(f.Again, measured{Applied: 1, Ready: []float64{last}})
	}
	if got, want := often(measured.afterwards)(f), "3.25 s (2.00 to 8.50)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if goals := (&results{Fleets: []fleetResult{f}}).goals(); strings.Contains(goals, "**no**") {
		t.Error(goals)
	}
	f.Again = nil
	if goals := (&results{Fleets: []fleetResult{f}}).goals(); !strings.Contains(goals, "8.5 s | **no**") {
		t.Error(goals)
	}
}

func TestPage(t *testing.T) {
	r := &results{Fleets: []fleetResult{fleetOf(1000, func(map[string]measured) {}), fleetOf(10000, func(s map[string]measured) { delete(s, change) })}}
	page, err := r.page("picture.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| accounts | 1,000 | 10,000 |",
		"| all Ready after the last apply | 4.00 s | 4.00 s |",
		"| AddAccount | 1 | 1 |",
		"| **of them writes** | 4 | 4 |",
		"| **One field of all changed** to the same value: calls that write | 10 | - |",
		"| **A created account with a profile**: API calls | 2.002 | 2.001 |",
		"| **A resync at rest with profiles and verifications**: API calls | 2 | 11 |",
		"| of them for verifications | 1 | 1 |",
		"| calls for money from the operator's start until then | 2 | 2 |",
		"| **A created SubAccount**, many at once, a resync included: API calls | 1.5 | 1.5 |",
		"| of them lists | 0.5 | 0.5 |",
		"| **A resync of SubAccounts at rest**: API calls | 1 | 1 |",
		"| **A changed SubAccount**: API calls | 2 | 2 |",
		"![How many are Ready, over time](picture.svg)",
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, page)
		}
	}
}

// Two commits are set side by side, counters exactly and of what was measured several times the median.
func TestBeside(t *testing.T) {
	with := func(seconds ...float64) fleetResult {
		f := fleetOf(1000, func(s map[string]measured) { delete(s, restart) })
		for _, s := range seconds {
			f.Backlogs = append(f.Backlogs, measured{Ready: []float64{s}})
		}
		return f
	}
	r := &results{Version: "new", Former: "old", Fleets: []fleetResult{with(3, 9, 6)}, FormerFleets: []fleetResult{with(8)}}
	beside := r.beside()
	for _, line := range []string{
		"| accounts | 1,000: old | new | ratio |",
		"| of them writes | 4 | 4 | 1.00 |",
		"| **A backlog**: all Ready after the start | 8.00 s | 6.00 s | 0.75 |",
		"| API calls of a restart | - | - | - |",
	} {
		if !strings.Contains(beside, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, beside)
		}
	}
	if page, err := r.page("picture.svg"); err != nil || !strings.Contains(page, beside+"\n\n## Others") {
		t.Errorf("%v: the page lacks it:\n%s", err, page)
	}
	r.FormerFleets = nil
	if page, err := r.page("picture.svg"); err != nil || strings.Contains(page, "former") {
		t.Errorf("%v: the page speaks of a former commit:\n%s", err, page)
	}
}

func TestPlot(t *testing.T) {
	r := &results{Fleets: []fleetResult{fleetOf(1000, func(map[string]measured) {}), {N: 5}}}
	plot := r.plot()
	decoder := xml.NewDecoder(strings.NewReader(plot))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	// A third is Ready after 0.5 of 5 seconds, all at the end.
	if path := curve([]float64{0.5, 2, 5}, 5); !strings.HasPrefix(path, "M48 268L108 266L") || !strings.HasSuffix(path, "L648 28") {
		t.Errorf("curve %s", path)
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		thousands(999): "999", thousands(1000): "1,000", thousands(12045): "12,045",
		number(1): "1", number(1.005001): "1.01", number(0.3): "0.3",
		number(median([]float64{3, 1, 2})):                                "2",
		number(tick(5)) + " " + number(tick(12)) + " " + number(tick(95)): "0.5 2 10",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, sizes := range []string{"x", "0", "100000"} {
		if _, err := parseSizes(sizes); err == nil {
			t.Errorf("%q is taken for a number of accounts", sizes)
		}
	}
}

func TestParallel(t *testing.T) {
	done := make([]bool, 100)
	if err := parallel(len(done), 7, func(i int) error { done[i] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if !done[i] {
			t.Errorf("%d was not done", i)
		}
	}
	failure := errors.New("no")
	if err := parallel(100, 7, func(i int) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
}
