package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// control makes a control call and returns its answer.
func (f *fixture) control(verb, path, body string, status int) string {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), verb, f.server.URL+"/_simulator/"+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	got, err := f.server.Client().Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	answer, err := io.ReadAll(got.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if got.StatusCode != status {
		f.t.Fatalf("%s %s: HTTP %d %s, want %d", verb, path, got.StatusCode, answer, status)
	}
	return string(answer)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

func TestControlAccounts(t *testing.T) {
	f := newFixture(t)
	body := fmt.Sprintf(`{"parentID":%d,"fields":{"account_name":"acme-one","account_email":"one@acme.example","balance":3,"grace_credit":2}}`, f.parent.ID)
	a := decode[Account](t, f.control("POST", "accounts", body, 200))
	f.control("POST", "accounts", body, 400)
	path := fmt.Sprintf("accounts/%d", a.ID)
	patched := decode[Account](t, f.control("PATCH", path, `{"location":"Europe/Rome","active":true,"balance":null}`, 200))
	if patched.Text("location") != "Europe/Rome" || !patched.Active() || patched.Fields["balance"] != nil {
		t.Errorf("%v", patched.Fields)
	}
	for _, bad := range []string{`{"locatoin":"Europe/Rome"}`, `{"active":"yes"}`, `{"account_name":"acme"}`, `{"account_email":""}`, `{"grace_credit":1.5}`, `{"frozen":true,"x":1}`, `[]`} {
		f.control("PATCH", path, bad, 400)
	}
	if got, _ := f.AccountByID(a.ID); got.Flag("frozen") {
		t.Error("a refused change was made in part")
	}
	if got := decode[[]Account](t, f.control("GET", "accounts", "", 200)); len(got) != 2 {
		t.Errorf("%d accounts", len(got))
	}
	if got := decode[[]Account](t, f.control("GET", fmt.Sprintf("accounts?parent=%d", f.parent.ID), "", 200)); len(got) != 1 || got[0].Name() != "acme-one" {
		t.Errorf("children %v", got)
	}
	f.control("GET", "accounts?parent=x", "", 400)
	f.control("GET", path, "", 200)
	f.control("DELETE", path, "", 204)
	for _, verb := range []string{"GET", "DELETE"} {
		f.control(verb, path, "", 404)
		f.control(verb, "accounts/x", "", 404)
	}
	f.control("PATCH", path, `{}`, 404)
	if _, there := f.Account("acme-one"); there {
		t.Error("the account is still there")
	}
	wantCode(t, f.call("AddAccount", f.newAccount("acme-one")), 0)
}

func TestControlParents(t *testing.T) {
	f := newFixture(t)
	p := decode[Parent](t, f.control("POST", "parents", `{"name":"globex","email":"owner@globex.example","apiKey":"the-key","childrenDisabled":true}`, 200))
	if p.ID == 0 || p.APIKey != Masked || p.Password != Masked {
		t.Errorf("%#v", p)
	}
	f.control("POST", "parents", `{"name":"globex","email":"owner@globex.example"}`, 400)
	f.control("POST", "parents", `{"name":"globex"}`, 400)
	path := fmt.Sprintf("parents/%d/credentials", p.ID)
	document := f.control("GET", path, "", 200)
	creds := decode[credentials](t, document)
	if creds.AccountID != p.ID || creds.Email != "owner@globex.example" || !strings.HasPrefix(creds.PrivateKey, "-----BEGIN PRIVATE KEY-----\n") {
		t.Errorf("credentials of %d, %s", creds.AccountID, creds.Email)
	}
	wantCode(t, f.callAs(f.token(creds, nil), "GetChildrenAccounts", nil), 0)
	wantCode(t, f.callAs("", "GetAccountInfo", form{"account_name": "globex", "api_key": "the-key"}), 0)
	if f.control("GET", path, "", 200) != document {
		t.Error("other credentials the second time")
	}
	admin := decode[credentials](t, f.control("GET", path+"?role=Admin", "", 200))
	wantCode(t, f.callAs(f.token(admin, nil), "GetChildrenAccounts", nil), 100)
	f.control("DELETE", "keys/"+creds.KeyID, "", 204)
	f.control("DELETE", "keys/"+creds.KeyID, "", 404)
	if again := decode[credentials](t, f.control("GET", path, "", 200)); again.KeyID == creds.KeyID {
		t.Error("a revoked key is handed out")
	}
	f.control("GET", "parents/1/credentials", "", 404)
	f.control("GET", "parents/x/credentials", "", 404)
}

func TestControlFaultsAndSettings(t *testing.T) {
	f := newFixture(t)
	got := decode[map[string]int](t, f.control("POST", "faults", `{"kind":"error","code":127,"method":"GetAccountInfo","times":1}`, 200))
	wantCode(t, f.call("GetAccountInfo", nil), 127)
	if list := f.control("GET", "faults", "", 200); !strings.Contains(list, `"fired": 1`) {
		t.Errorf("%s", list)
	}
	f.control("DELETE", fmt.Sprintf("faults/%d", got["id"]), "", 204)
	f.control("DELETE", fmt.Sprintf("faults/%d", got["id"]), "", 404)
	for _, bad := range []string{`{"kind":"error"}`, `{"kind":"slow","delay":"soon"}`, `{"kind":"reset","when":"now"}`, `nonsense`} {
		f.control("POST", "faults", bad, 400)
	}
	f.control("POST", "faults", `{"kind":"down","status":503}`, 200)
	f.control("DELETE", "faults", "", 204)
	wantCode(t, f.call("GetAccountInfo", nil), 0)

	f.control("PUT", "settings", `{"refuseAll":true,"latency":"1ms"}`, 200)
	f.control("PATCH", "settings", `{"childrenPerDay":5}`, 200)
	if s := f.Settings(); !s.RefuseAll || s.ChildrenPerDay != 5 || s.Latency != time.Millisecond {
		t.Errorf("%+v", s)
	}
	if text := f.control("GET", "settings", "", 200); !strings.Contains(text, `"latency": "1ms"`) {
		t.Errorf("%s", text)
	}
	f.control("PATCH", "settings", `{"refuseEverything":true}`, 400)
	f.control("PATCH", "settings", `{"latency":"long"}`, 400)
	f.control("PATCH", "settings", `{"clockOffset":"far"}`, 400)
	f.control("PUT", "settings", `{}`, 200)
	if f.Settings() != (Settings{}) {
		t.Errorf("%+v", f.Settings())
	}
}

// The service's clock shows in the Date of its answers, and in what becomes of tokens.
func TestClockOffset(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		settings string
		offset   time.Duration
		code     int
	}{
		{`{}`, 0, 0},
		{`{"clockOffset": "30s"}`, 30 * time.Second, 0}, // the tokens are good for 60 s
		{`{"clockOffset": "90s"}`, 90 * time.Second, 456},
		{`{"clockOffset": "-2m"}`, -2 * time.Minute, 455},
		{`{"tokenTimeCode": 100}`, -2 * time.Minute, 100},
		{`{"clockOffset": "90s"}`, 90 * time.Second, 100},
		{`{"clockOffset": "0s"}`, 0, 0},
	} {
		f.control("PATCH", "settings", test.settings, 200)
		r := f.call("GetAccountInfo", nil)
		wantCode(t, r, test.code)
		if want := f.now.Add(test.offset).UTC().Format(http.TimeFormat); r.header.Get("Date") != want {
			t.Errorf("%s: Date %s; want %s", test.settings, r.header.Get("Date"), want)
		}
	}
	if text := f.control("GET", "settings", "", 200); !strings.Contains(text, `"clockOffset": "0s"`) {
		t.Errorf("%s", text)
	}
}

func TestControlCalls(t *testing.T) {
	f := newFixture(t)
	f.call("GetAccountInfo", nil)
	f.control("GET", "healthz", "", 200)
	if calls := decode[[]Call](t, f.control("GET", "calls", "", 200)); len(calls) != 1 || calls[0].Method != "GetAccountInfo" {
		t.Errorf("%v", calls)
	}
	if counts := decode[Counters](t, f.control("GET", "counts", "", 200)); counts.Total != 1 || counts.Outcomes["GetAccountInfo"]["ok"] != 1 {
		t.Errorf("%v", counts)
	}
	f.control("DELETE", "calls", "", 204)
	if len(f.Calls()) != 0 {
		t.Error("not reset")
	}
	f.control("GET", "nothing", "", 404)
}
