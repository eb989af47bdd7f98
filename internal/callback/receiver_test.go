package callback

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// A signed callback of each type is an event on its resource, and has the account, or the parent's list, read; or is ignored.
func TestSignedCallbacks(t *testing.T) {
	for name, test := range map[string]struct {
		salt, key, account, kind string
		event, read, counts      string
	}{
		"frozen":              {childSalt, childKey, "acme-one", "account_is_frozen", "Warning CallbackFrozen ", "account of acme-one", "AccountFrozen/Accepted"},
		"unfrozen":            {childSalt, childKey, "acme-one", "account_is_unfrozen", "Normal CallbackUnfrozen ", "account of acme-one", "AccountUnfrozen/Accepted"},
		"balance":             {childSalt, childKey, "acme-one", "min_balance", "Warning CallbackBalanceLow ", "account of acme-one", "BalanceBelowMinimum/Accepted"},
		"charge":              {childSalt, childKey, "acme-one", "next_charge_alert", "Normal CallbackChargeUpcoming ", "account of acme-one", "ChargeUpcoming/Accepted"},
		"documents":           {childSalt, childKey, "acme-one", "account_document_status_updated", "Normal CallbackDocuments ", "account of acme-one", "DocumentsUpdated/Accepted"},
		"the parent's salt":   {parentSalt, childKey, "acme-two", "account_is_frozen", "Warning CallbackFrozen ", "account of acme-two", "AccountFrozen/Accepted"},
		"the parent's own":    {parentSalt, parentKey, parentID, "account_is_frozen", "Warning CallbackFrozen ", "list of acme", "AccountFrozen/Accepted"},
		"another type":        {childSalt, childKey, "acme-one", "card_payment_failed", "", "", "Other/Ignored"},
		"not the child's own": {parentSalt, childKey, "acme-one", "account_is_frozen", "", "", "/WrongHash"},
	} {
		t.Run(name, func(t *testing.T) {
			w, before := newWorld(t), counted(t)
			calls := len(w.service.Calls())
			id := test.account
			if w.ids[id] != "" {
				id = w.ids[id]
			}
			status := w.post(bodyOf(signed(test.salt, test.key, id, "77", test.kind)))
			if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[test.salt != parentSalt || test.account != "acme-one"]; status != want {
				t.Errorf("HTTP %d, want %d", status, want)
			}
			got := strings.Join(w.emitted(), "; ")
			if test.event == "" && got != "" || !strings.HasPrefix(got, test.event) || test.event != "" && !strings.Contains(got, "account "+id+" ") {
				t.Errorf("event %q, want %q about account %s", got, test.event, id)
			}
			if strings.Contains(got, "9.75") || strings.Contains(got, "a name") {
				t.Errorf("the event repeats what no signature covers: %s", got)
			}
			if read := strings.Join(w.read, ", "); read != test.read {
				t.Errorf("read %q, want %q", read, test.read)
			}
			if n := counted(t)[test.counts] - before[test.counts]; n != 1 {
				t.Errorf("%s counts %v", test.counts, n)
			}
			if n := len(w.service.Calls()) - calls; n != 0 {
				t.Errorf("the receiver itself made %d calls", n)
			}
		})
	}
}

// Whatever is refused is counted, and costs neither a call nor an event; and who is not the provider is told no more than that.
func TestRefusedRequests(t *testing.T) {
	one := func(w *world) string { return w.ids["acme-one"] }
	for name, test := range map[string]struct {
		body   func(*world) string
		path   string
		status int
		counts string
	}{
		"a wrong hash": {func(w *world) string {
			return bodyOf(signed("another salt", childKey, one(w), "1", "account_is_frozen"))
		}, "", 403, "/WrongHash"},
		"another account's key": {func(w *world) string { return bodyOf(signed(childSalt, parentKey, one(w), "1", "account_is_frozen")) }, "", 403, "/WrongHash"},
		"an unknown account":    {func(*world) string { return bodyOf(signed(childSalt, childKey, "424242", "1", "account_is_frozen")) }, "", 403, "/UnknownAccount"},
		"an account of nobody's": {func(w *world) string {
			return bodyOf(signed(parentSalt, childKey, w.ids["acme-alone"], "1", "account_is_frozen"))
		}, "", 403, "/UnknownAccount"},
		"no API key is known": {func(w *world) string {
			return bodyOf(signed(parentSalt, "", w.ids["acme-three"], "1", "account_is_frozen"))
		}, "", 403, "/NoSecret"},
		"no JSON": {func(*world) string { return "callbacks=1" }, "", 400, "/Malformed"},
		"nothing": {func(*world) string { return "" }, "", 400, "/Malformed"},
		"no hash": {func(w *world) string {
			return bodyOf(`{"callback_id": 1, "type": "min_balance", "account_id": ` + one(w) + `}`)
		}, "", 400, "/Malformed"},
		"a megabyte":              {func(w *world) string { return bodyOf(w.frozen("1")) + strings.Repeat(" ", 1<<20) }, "", 413, "/TooLarge"},
		"a byte too many":         {func(w *world) string { return padded(bodyOf(w.frozen("1")), maxBody+1) }, "", 413, "/TooLarge"},
		"another ParentAccount":   {func(w *world) string { return bodyOf(w.frozen("1")) }, "/callbacks/telephony/other", 403, "/UnknownAccount"},
		"another namespace":       {func(w *world) string { return bodyOf(w.frozen("1")) }, "/callbacks/elsewhere/acme", 403, "/UnknownAccount"},
		"no JSON, elsewhere":      {func(*world) string { return "callbacks=1" }, "/callbacks/elsewhere/acme", 400, "/Malformed"},
		"another path":            {func(w *world) string { return bodyOf(w.frozen("1")) }, "/callbacks/telephony", 404, "/NotFound"},
		"a path with more behind": {func(w *world) string { return bodyOf(w.frozen("1")) }, "/callbacks/telephony/acme/more", 404, "/NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			w, before := newWorld(t), counted(t)
			calls := len(w.service.Calls())
			path := "/callbacks/telephony/acme"
			if test.path != "" {
				path = test.path
			}
			if status := w.postTo(path, test.body(w)); status != test.status {
				t.Errorf("HTTP %d, want %d", status, test.status)
			}
			after := counted(t)
			if n := after[test.counts] - before[test.counts]; n != 1 {
				t.Errorf("%s counts %v", test.counts, n)
			}
			if events := w.emitted(); len(events)+len(w.read)+len(w.service.Calls())-calls != 0 {
				t.Errorf("events %v, read %v, calls %v", events, w.read, w.service.Calls()[calls:])
			}
			if w.post(bodyOf(w.frozen("2"))) != http.StatusOK {
				t.Error("a good callback is refused after it")
			}
		})
	}
}

// padded is a body with blanks behind, so that it has so many bytes.
func padded(body string, bytes int) string { return body + strings.Repeat(" ", bytes-len(body)) }

func TestTheLargestBody(t *testing.T) {
	w := newWorld(t)
	if status := w.post(padded(bodyOf(w.frozen("1")), maxBody)); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
}

// A body whose size nobody declares is read no further than the limit.
func TestAnEndlessBody(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.Receiver)
	t.Cleanup(server.Close)
	var sent atomic.Int64 // the transport may still be at it
	endless := readerFunc(func(p []byte) (int, error) {
		if sent.Add(int64(len(p))) > 64<<20 {
			return 0, io.EOF
		}
		for i := range p {
			p[i] = ' '
		}
		return len(p), nil
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/callbacks/telephony/acme", endless)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err == nil {
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("HTTP %d", answer.StatusCode)
		}
	} // or the connection was closed while the body was still being sent
	if n := sent.Load(); n > 32<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// GET and others are for nothing.
func TestMethods(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, "/callbacks/telephony/acme", nil))
		if answer.Code != http.StatusNotFound {
			t.Errorf("%s: HTTP %d", method, answer.Code)
		}
	}
}

// A callback that comes again, in whatever request, is refused.
func TestReplays(t *testing.T) {
	w, before := newWorld(t), counted(t)
	body := bodyOf(w.frozen("7"))
	if status := w.post(body); status != http.StatusOK {
		t.Fatalf("HTTP %d", status)
	}
	w.emitted()
	if status := w.post(body); status != http.StatusConflict {
		t.Errorf("again: HTTP %d", status)
	}
	w.clock.Step(24 * time.Hour)
	if status := w.post(body); status != http.StatusConflict {
		t.Errorf("a day later: HTTP %d", status)
	}
	// The signature covers the id and not the type.
	if status := w.post(bodyOf(signed(childSalt, childKey, w.ids["acme-one"], "7", "account_is_unfrozen"))); status != http.StatusConflict {
		t.Errorf("with another type: HTTP %d", status)
	}
	if events := w.emitted(); len(events) > 0 || len(w.read) != 1 {
		t.Errorf("events %v, read %v", events, w.read)
	}
	if status := w.post(bodyOf(w.frozen("7"), w.frozen("8"), w.frozen("8"))); status != http.StatusOK {
		t.Errorf("with a new one beside: HTTP %d", status)
	}
	if len(w.read) != 2 {
		t.Errorf("read %v", w.read)
	}
	after := counted(t)
	if n := after["AccountFrozen/Replayed"] - before["AccountFrozen/Replayed"]; n != 4 {
		t.Errorf("%v replays are counted", n)
	}
	for range 20 { // they use up nothing of what the account may send
		if status := w.post(body); status != http.StatusConflict {
			t.Errorf("again and again: HTTP %d", status)
		}
	}
	if status := w.post(bodyOf(w.frozen("9"))); status != http.StatusOK {
		t.Errorf("a new one after many replays: HTTP %d", status)
	}
	// The id of another account's callback is another's.
	if status := w.post(bodyOf(signed(parentSalt, childKey, w.ids["acme-two"], "7", "account_is_frozen"))); status != http.StatusOK {
		t.Errorf("another account's: HTTP %d", status)
	}
}

// Twenty requests with one callback at one time: one is accepted.
func TestReplaysAtOneTime(t *testing.T) {
	w := newWorld(t)
	statuses := make(chan int, 20)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { statuses <- w.post(bodyOf(w.frozen("7"))) })
	}
	all.Wait()
	close(statuses)
	accepted := 0
	for status := range statuses {
		if status == http.StatusOK {
			accepted++
		}
	}
	if accepted != 1 || len(w.emitted()) != 1 || w.secretReads != 1 {
		t.Errorf("%d accepted, read %v, %d reads of the Secret", accepted, w.read, w.secretReads)
	}
}

// A Secret is read once a minute for each account, whatever comes: good callbacks, wrong hashes, and where there is no key.
func TestSecretReads(t *testing.T) {
	w := newWorld(t)
	send := func() {
		for i := range 5 {
			w.post(bodyOf(signed("wrong", childKey, w.ids["acme-one"], fmt.Sprint("w", i), "min_balance")))
			w.post(bodyOf(signed(parentSalt, "", w.ids["acme-three"], fmt.Sprint("n", i), "min_balance")))
			w.post(bodyOf(signed(childSalt, childKey, "424242", fmt.Sprint("u", i), "min_balance")))
			w.post(bodyOf(signed(childSalt, childKey, w.ids["acme-alone"], fmt.Sprint("a", i), "min_balance")))
		}
	}
	send()
	if w.secretReads != 2 { // of acme-one and acme-three
		t.Errorf("%d reads", w.secretReads)
	}
	w.clock.Step(keptFor - time.Second)
	send()
	if w.secretReads != 2 {
		t.Errorf("%d reads within a minute", w.secretReads)
	}
	w.clock.Step(time.Second)
	send()
	if w.secretReads != 4 {
		t.Errorf("%d reads in the next minute", w.secretReads)
	}
}

// What could not be read for now is worth coming again; what was read by then counts a minute later.
func TestTheKubernetesAPIIsAway(t *testing.T) {
	w := newWorld(t)
	w.refusing = errAway
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d", status)
	}
	w.refusing = nil
	w.clock.Step(keptFor)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
}

// Reads of Secrets are bounded for all accounts together, and those whose Secret is known go on.
func TestReadsOfAllAccountsAreBounded(t *testing.T) {
	w := newWorld(t)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusOK {
		t.Fatalf("HTTP %d", status)
	}
	for w.keys.reads.take(w.clock.Now(), readsPerSecond) {
	}
	if status := w.post(bodyOf(signed(parentSalt, childKey, w.ids["acme-two"], "1", "min_balance"))); status != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d", status)
	}
	if status := w.post(bodyOf(w.frozen("2"))); status != http.StatusOK {
		t.Errorf("whose Secret is known: HTTP %d", status)
	}
	w.clock.Step(time.Second)
	if status := w.post(bodyOf(signed(parentSalt, childKey, w.ids["acme-two"], "1", "min_balance"))); status != http.StatusOK {
		t.Errorf("a second later: HTTP %d", status)
	}
}

// An account's callbacks are limited once they are proven; nobody else's use up its share.
func TestRates(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.post(bodyOf(signed("wrong", childKey, w.ids["acme-one"], fmt.Sprint("w", i), "min_balance")))
	}
	var statuses []int
	for i := range 8 {
		statuses = append(statuses, w.post(bodyOf(w.frozen(fmt.Sprint(i)))))
	}
	if want := []int{200, 200, 200, 200, 200, 200, 429, 429}; !slices.Equal(statuses, want) {
		t.Errorf("%v", statuses)
	}
	w.clock.Step(childRate.every)
	if status := w.post(bodyOf(w.frozen("6"))); status != http.StatusOK {
		t.Errorf("what was refused comes again: HTTP %d", status)
	}
	statuses = nil
	for i := range 3 {
		statuses = append(statuses, w.post(bodyOf(signed(parentSalt, parentKey, parentID, fmt.Sprint(i), "min_balance"))))
	}
	if want := []int{200, 200, 429}; !slices.Equal(statuses, want) {
		t.Errorf("the parent's: %v", statuses)
	}
}

// A sender comes again while one of its callbacks may be accepted later, and is thanked once one was accepted and none may be.
func TestSeveralCallbacksInOneRequest(t *testing.T) {
	w := newWorld(t)
	unknown := signed(childSalt, childKey, "424242", "1", "account_is_frozen")
	if status := w.post(bodyOf(unknown, w.frozen("1"), "null")); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
	for i := range 5 {
		w.post(bodyOf(w.frozen(fmt.Sprint("more", i))))
	}
	if status := w.post(bodyOf(unknown, w.frozen("2"), signed(parentSalt, childKey, w.ids["acme-two"], "1", "account_is_frozen"))); status != http.StatusTooManyRequests {
		t.Errorf("HTTP %d", status)
	}
	if status := w.post(bodyOf(unknown, "null")); status != http.StatusForbidden {
		t.Errorf("HTTP %d", status)
	}
}

// A replica that stands by knows no account, and has every sender come again; so does one whose ParentAccount is not connected yet.
func TestNotYet(t *testing.T) {
	w := newWorld(t)
	w.config.Leads = make(chan struct{})
	before, lists := counted(t), w.service.Count(fake.MethodList)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusServiceUnavailable {
		t.Errorf("standing by: HTTP %d", status)
	}
	if n := counted(t)["/Standby"] - before["/Standby"]; n != 1 {
		t.Errorf("counts %v", n)
	}
	w.config.Leads = w.leads

	connected := w.parents.Get(parentName)
	unlisted := *connected
	unlisted.Directory = directory.New(w.service.Remote(), w.clock)
	w.parents.Put(parentName, &unlisted)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusServiceUnavailable {
		t.Errorf("before the first list: HTTP %d", status)
	}
	recreated := *connected
	recreated.UID = "uid-of-another"
	w.parents.Put(parentName, &recreated)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusServiceUnavailable {
		t.Errorf("connected for a former ParentAccount of the name: HTTP %d", status)
	}
	w.parents.Put(parentName, nil)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusServiceUnavailable {
		t.Errorf("not connected: HTTP %d", status)
	}
	w.parents.Put(parentName, connected)
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusOK {
		t.Errorf("connected: HTTP %d", status)
	}
	if n := w.service.Count(fake.MethodList) - lists; n != 0 {
		t.Errorf("%d lists", n)
	}
}

// More requests at one time than are worked on are told to come again.
func TestOverload(t *testing.T) {
	w := newWorld(t)
	for range maxRequests {
		w.slots <- struct{}{}
	}
	if status := w.post(bodyOf(w.frozen("1"))); status != http.StatusServiceUnavailable || w.secretReads != 0 {
		t.Errorf("HTTP %d, %d reads", status, w.secretReads)
	}
	<-w.slots
	for i := range 3 { // each makes room again
		if status := w.post(bodyOf(w.frozen(fmt.Sprint(i)))); status != http.StatusOK {
			t.Errorf("once there is room: HTTP %d", status)
		}
	}
}

// Neither logs nor events show what signs callbacks, nor what a sender says.
func TestNothingSecretShows(t *testing.T) {
	w := newWorld(t)
	w.post(bodyOf(w.frozen("1"), signed(parentSalt, parentKey, parentID, "1", "min_balance"), signed("wr0ng-s4lt", childKey, w.ids["acme-one"], "2", "canary-type"), `{"callback_id": "canary-id"}`))
	w.post("canary-body")
	shown := w.log.text.String() + strings.Join(w.emitted(), "\n") + fmt.Sprintf("%v %+v", Signing{parentSalt, parentKey}, Signing{childSalt, childKey})
	for _, canary := range []string{parentSalt, parentKey, childSalt, childKey, "wr0ng-s4lt", "canary-"} {
		if strings.Contains(shown, canary) {
			t.Errorf("%s shows in %s", canary, shown)
		}
	}
	if !strings.Contains(shown, "callback accepted") || !strings.Contains(shown, `"result"="WrongHash"`) {
		t.Errorf("nothing was looked at: %s", shown)
	}
}
