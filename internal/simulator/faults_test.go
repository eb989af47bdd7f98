package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBrokenAnswers has the faults that leave the client without a whole answer, over plain HTTP and TLS.
func TestBrokenAnswers(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for name, test := range map[string]struct {
			fault   Fault
			changed bool
			outcome string
			is      error // what the client sees
		}{
			"lost answer":        {Fault{Kind: FaultLoseAnswer}, true, "ok", io.EOF},
			"truncated":          {Fault{Kind: FaultTruncate}, true, "ok", io.ErrUnexpectedEOF},
			"reset":              {Fault{Kind: FaultReset}, false, "reset", syscall.ECONNRESET},
			"reset after change": {Fault{Kind: FaultReset, AfterChange: true}, true, "reset", syscall.ECONNRESET},
			"down":               {Fault{Kind: FaultDown}, false, "reset", syscall.ECONNRESET},
		} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, secure), func(t *testing.T) {
				f := newFixture(t)
				if secure {
					f.server = httptest.NewTLSServer(f.Handler())
					t.Cleanup(f.server.Close)
				}
				f.AddFault(test.fault)
				_, err := f.try(f.token(f.creds, nil), "AddAccount", f.newAccount("acme-one"))
				if !errors.Is(err, test.is) {
					t.Fatalf("error %v, want %v", err, test.is)
				}
				f.ClearFaults()
				if _, there := f.Account("acme-one"); there != test.changed {
					t.Fatalf("account there: %v", there)
				}
				if c := f.lastCall(); c.Delivered || c.Changed != test.changed || c.Outcome != test.outcome || c.Fault != test.fault.Kind {
					t.Fatalf("logged %+v", c)
				}
				want := 0
				if test.changed {
					want = 106
				}
				wantCode(t, f.call("AddAccount", f.newAccount("acme-one")), want)
			})
		}
	}
}

func TestErrorFaults(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultError, Code: 416, Message: "Repeat after 7 seconds", Times: 1})
	r := f.call("AddAccount", f.newAccount("acme-one"))
	wantCode(t, r, 416)
	if r.Error.Msg != "Repeat after 7 seconds" || f.lastCall().Outcome != "416" {
		t.Errorf("%s", r.body)
	}
	f.AddFault(Fault{Kind: FaultError, Code: 2, AfterChange: true, Times: 1})
	r = f.call("AddAccount", f.newAccount("acme-one"))
	if wantCode(t, r, 2); r.Error.Msg != "Internal error" || !f.lastCall().Changed {
		t.Errorf("%s", r.body)
	}
	f.AddFault(Fault{Kind: FaultError, Code: 127, List: true, Times: 1})
	r = f.call("GetAccountInfo", nil)
	if len(r.Errors) != 1 || r.Errors[0].Code != 127 || r.Errors[0].Msg != "Insufficient money" || r.Error.Code != 0 {
		t.Errorf("%s", r.body)
	}
	f.Update(func(s *Settings) { s.ErrorsList = true })
	if r = f.call("AddAccount", f.newAccount("acme-one")); len(r.Errors) != 1 || r.Errors[0].Code != 106 {
		t.Errorf("%s", r.body)
	}
}

func TestHTTPFaults(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultHTTP, Times: 1})
	f.AddFault(Fault{Kind: FaultHTTP, Status: 429, Header: map[string]string{"Retry-After": "3"}, Times: 1})
	f.AddFault(Fault{Kind: FaultHTTP, Status: 403, Body: "go away", Header: map[string]string{"Content-Type": "text/plain"}, Times: 1})
	f.AddFault(Fault{Kind: FaultDown, Status: 503, Times: 1})
	f.AddFault(Fault{Kind: FaultRedirect, URL: "http://127.0.0.1:1/elsewhere", Times: 1})
	f.AddFault(Fault{Kind: FaultRedirect, URL: "http://127.0.0.1:1/elsewhere", Status: 307, Times: 1})
	for i, want := range []struct {
		status             int
		body, header, text string
	}{
		{502, "<html>", "Content-Type", "text/html"},
		{429, "<html>", "Retry-After", "3"},
		{403, "go away", "Content-Type", "text/plain"},
		{503, "<html>", "Content-Type", "text/html"},
		{302, "", "Location", "http://127.0.0.1:1/elsewhere"},
		{307, "", "Location", "http://127.0.0.1:1/elsewhere"},
	} {
		r := f.call("AddAccount", f.newAccount("acme-one"))
		if r.status != want.status || !strings.HasPrefix(r.body, want.body) || r.header.Get(want.header) != want.text {
			t.Errorf("%d: HTTP %d %v %s", i, r.status, r.header, r.body)
		}
		if c := f.lastCall(); c.Outcome != fmt.Sprintf("http-%d", want.status) || c.Changed {
			t.Errorf("%d: logged %+v", i, c)
		}
	}
	wantCode(t, f.call("AddAccount", f.newAccount("acme-one")), 0)
}

// TestDownForUnauthorized: a service that is down asks nobody who they are.
func TestDownForUnauthorized(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultDown, Status: 503})
	for _, method := range []string{"GetAccountInfo", "Unknown"} {
		if r := f.callAs("", method, nil); r.status != 503 {
			t.Errorf("%s: HTTP %d", method, r.status)
		}
	}
}

func TestHuge(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultHuge, Bytes: 300_000, Times: 1})
	r := f.call("AddAccount", f.newAccount("acme-one"))
	if wantCode(t, r, 0); len(r.body) != 300_000 || r.AccountID == 0 {
		t.Errorf("%d bytes", len(r.body))
	}
}

func TestSlow(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultSlow, Delay: time.Hour, Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	request := f.request(f.token(f.creds, nil), "AddAccount", f.newAccount("acme-one")).WithContext(ctx)
	go func() {
		_, err := f.send(request)
		failed <- err
	}()
	// The change is there although the answer is not.
	waitFor(t, func() bool { return f.Counters().Outcomes["AddAccount"]["ok"] == 1 })
	if _, there := f.Account("acme-one"); !there {
		t.Error("the account is not there")
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	// Close waits for the handler, so it must have given up with its client.
	f.server.Close()
	if c := f.lastCall(); c.Delivered || !c.Changed {
		t.Errorf("logged %+v", c)
	}
}

func TestSlowAnswers(t *testing.T) {
	f := newFixture(t, func(s *Settings) { s.Latency = time.Millisecond })
	f.AddFault(Fault{Kind: FaultSlow, Delay: time.Millisecond})
	f.AddFault(Fault{Kind: FaultError, Code: 5})
	start := time.Now()
	wantCode(t, f.call("GetAccountInfo", nil), 5)
	if took := time.Since(start); took < 2*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// waitFor yields until the condition holds or the test's time is over.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(10 * time.Second); !condition(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it never happened")
		}
	}
}

func TestStoreFaults(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultStore, Param: "location", Store: "Etc/GMT"})
	f.AddFault(Fault{Kind: FaultStore, Param: "min_balance_to_notify", Store: "9.5"})
	f.AddFault(Fault{Kind: FaultStore, Param: "account_notifications"})
	f.AddFault(Fault{Kind: FaultStore, Param: "new_child_account_email", Store: "lower@acme.example"})
	wantCode(t, f.call("AddAccount", f.newAccount("acme-one").with(form{
		"location": "Europe/Berlin", "min_balance_to_notify": "1", "account_notifications": "true", "news_notifications": "true",
	})), 0)
	a, _ := f.Account("acme-one")
	for name, want := range map[string]any{
		"location": "Etc/GMT", "min_balance_to_notify": 9.5, "account_notifications": false, "news_notifications": true,
	} {
		if a.Fields[name] != want {
			t.Errorf("%s is %v, want %v", name, a.Fields[name], want)
		}
	}
	wantCode(t, f.call("SetChildAccountInfo", form{"child_account_id": fmt.Sprint(a.ID), "location": "Europe/Rome", "new_child_account_email": "UPPER@acme.example"}), 0)
	if a, _ = f.Account("acme-one"); a.Text("location") != "Etc/GMT" || a.Email() != "lower@acme.example" {
		t.Errorf("stored %v", a.Fields)
	}
	// Still validated as sent.
	wantCode(t, f.call("SetChildAccountInfo", form{"child_account_id": fmt.Sprint(a.ID), "location": "Nowhere"}), 496)
}

func TestPagingFaults(t *testing.T) {
	f := newFixture(t)
	ids := f.children(5)
	f.AddFault(Fault{Kind: FaultRepeatRow})
	f.AddFault(Fault{Kind: FaultTotal, Method: "GetChildrenAccounts"})
	page := func(offset string) response {
		return f.call("GetChildrenAccounts", form{"count": "2", "offset": offset, "order_by": "child_account_id"})
	}
	first, second := page("0"), page("2")
	if first.TotalCount != 5 || second.TotalCount != 6 {
		t.Errorf("total_count %d, then %d", first.TotalCount, second.TotalCount)
	}
	if got := second.rows(t)[0]["account_id"]; got != float64(ids[1]) {
		t.Errorf("second page begins with %v, want %d again", got, ids[1])
	}
}

// Accounts come and go between the pages of a list, as others create and remove some.
func TestAccountsThatComeAndGo(t *testing.T) {
	f := newFixture(t)
	ids := f.children(5)
	f.control("POST", "faults", `{"kind": "add-accounts", "accounts": 2, "times": 1}`, 200)
	f.control("POST", "faults", `{"kind": "remove-accounts", "accounts": 1, "after": 1}`, 200)
	for _, bad := range []string{`{"kind": "add-accounts"}`, `{"kind": "remove-accounts", "accounts": -1}`} {
		f.control("POST", "faults", bad, 400)
	}
	page := func(method, offset string) response {
		return f.call(method, form{"count": "2", "offset": offset, "order_by": "child_account_id"})
	}
	if first := page("GetChildrenAccounts", ""); first.TotalCount != 5 {
		t.Errorf("total_count %d on the first page", first.TotalCount)
	}
	if second := page("GetChildrenAccounts", "2"); second.TotalCount != 7 || second.rows(t)[0]["account_id"] != float64(ids[2]) {
		t.Errorf("%s", second.body)
	}
	third := page("GetChildrenAccounts", "4")
	if added := third.rows(t)[0]; third.TotalCount != 6 || added["account_id"] == float64(ids[4]) || added["account_name"] != fmt.Sprintf("added-%d", ids[4]+idStep) {
		t.Errorf("%s", third.body)
	}
	if _, there := f.AccountByID(ids[0]); there {
		t.Error("the first account is still there")
	}
	if again := page("GetChildrenAccounts", "0"); again.TotalCount != 6 {
		t.Errorf("total_count %d: the first page is no further one", again.TotalCount)
	}
}

func TestEmptyList(t *testing.T) {
	f := newFixture(t)
	one := f.child("acme-one")
	all := form{"child_account_id": "all"}
	f.AddFault(Fault{Kind: FaultEmptyList, Match: map[string]string{"child_account_id": "all"}, Times: 1})
	if r := f.call("GetChildrenAccounts", form{"child_account_name": "acme-one"}); r.TotalCount != 1 || len(r.rows(t)) != 1 {
		t.Errorf("%s", r.body)
	}
	if r := f.call("GetChildrenAccounts", all); r.TotalCount != 0 || len(r.rows(t)) != 0 {
		t.Errorf("%s", r.body)
	}
	if r := f.call("GetChildrenAccounts", all); r.TotalCount != 1 || r.rows(t)[0]["account_id"] != float64(one.ID) {
		t.Errorf("%s", r.body)
	}
}

func TestFaultMatching(t *testing.T) {
	f := newFixture(t)
	one, two := f.child("acme-one"), f.child("acme-two")
	id := func(a Account) string { return fmt.Sprint(a.ID) }
	set := func(ids string) response {
		return f.call("SetChildAccountInfo", form{"child_account_id": ids, "active": "true"})
	}
	removed := f.AddFault(Fault{Kind: FaultError, Code: 5, Method: "SetChildAccountInfo", Match: map[string]string{"child_account_id": id(two)}})
	wantCode(t, set(id(one)), 0)
	wantCode(t, set(id(two)), 5)
	wantCode(t, set(id(one)+";"+id(two)), 5)
	wantCode(t, f.call("GetChildrenAccounts", form{"child_account_id": id(two)}), 0)
	if !f.RemoveFault(removed) || f.RemoveFault(removed) {
		t.Error("RemoveFault")
	}
	wantCode(t, set(id(two)), 0)

	f.AddFault(Fault{Kind: FaultError, Code: 5, Account: two.ID})
	wantCode(t, f.call("GetAccountInfo", nil), 0)
	wantCode(t, f.callAs(f.token(f.newKey(two.ID), nil), "GetAccountInfo", nil), 5)
	f.ClearFaults()

	// Each waits for its turn by the calls it matches, whoever decides them.
	f.AddFault(Fault{Kind: FaultError, Code: 1, After: 1, Times: 2})
	f.AddFault(Fault{Kind: FaultError, Code: 2, Times: 2})
	for i, want := range []int{2, 1, 1, 2, 0, 0} {
		if r := f.call("GetAccountInfo", nil); r.Error.Code != want {
			t.Fatalf("call %d: %s", i, r.body)
		}
	}
}

func TestBadFaults(t *testing.T) {
	for _, bad := range []Fault{{}, {Kind: "flood"}, {Kind: FaultError}, {Kind: FaultSlow}, {Kind: FaultHuge}, {Kind: FaultRedirect}, {Kind: FaultStore}, {Kind: FaultAddAccounts}, {Kind: FaultRemoveAccounts}} {
		if bad.check() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestFaultJSON(t *testing.T) {
	sent := Fault{Kind: FaultSlow, Delay: 2 * time.Second, Match: map[string]string{"account_name": "acme-one"}, Times: 3}
	data, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got Fault
	if err := json.Unmarshal(data, &got); err != nil || got.Delay != sent.Delay || got.Match["account_name"] != "acme-one" || got.Times != 3 {
		t.Errorf("%s: %+v, %v", data, got, err)
	}
	if err := json.Unmarshal([]byte(`{"kind":"slow","delay":"1s","seconds":1}`), &got); err == nil {
		t.Error("an unknown name is accepted")
	}
	data, err = json.Marshal(Fault{Kind: FaultStore, Param: "account_password", Store: goodPassword, Match: map[string]string{"api_key": "k3y"}})
	if err != nil || strings.Contains(string(data), goodPassword) || strings.Contains(string(data), "k3y") {
		t.Errorf("%s, %v", data, err)
	}
}

// TestHTTP2 checks that lost answers are lost without a connection to take over, too.
func TestHTTP2(t *testing.T) {
	f := newFixture(t)
	f.server = httptest.NewUnstartedServer(f.Handler())
	f.server.EnableHTTP2 = true
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	f.AddFault(Fault{Kind: FaultLoseAnswer, Times: 1})
	if _, err := f.try(f.token(f.creds, nil), "AddAccount", f.newAccount("acme-one")); err == nil {
		t.Error("there was an answer")
	}
	if _, there := f.Account("acme-one"); !there || f.lastCall().Delivered {
		t.Error("not lost after the change")
	}
}
