package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestCounters(t *testing.T) {
	f := newFixture(t)
	f.call("AddAccount", f.newAccount("acme-one"))
	f.call("AddAccount", f.newAccount("acme-one"))
	f.call("AddAccount", f.newAccount("acme-two"))
	f.AddFault(Fault{Kind: FaultHTTP, Status: 503, Times: 1})
	f.call("GetAccountInfo", nil)
	got := f.Counters()
	if got.Total != 4 || got.Methods["AddAccount"] != 3 || got.Outcomes["AddAccount"]["ok"] != 2 ||
		got.Outcomes["AddAccount"]["106"] != 1 || got.Outcomes["GetAccountInfo"]["http-503"] != 1 || got.MaxInFlight != 1 {
		t.Fatalf("%+v", got)
	}
	for i, c := range f.Calls() {
		if c.Seq != i+1 || c.HTTPMethod != http.MethodPost || !c.Time.Equal(f.now) || c.Account != f.parent.ID || !c.Delivered {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	f.ResetCalls()
	if got := f.Counters(); got.Total != 0 || len(f.Counts()) != 0 || len(f.Calls()) != 0 {
		t.Fatalf("after the reset: %+v", got)
	}
	f.call("GetAccountInfo", nil)
	if f.Counts()["GetAccountInfo"] != 1 || f.lastCall().Seq != 1 {
		t.Fatalf("%+v", f.Counters())
	}
}

func TestMaxInFlight(t *testing.T) {
	f := newFixture(t)
	f.AddFault(Fault{Kind: FaultSlow, Delay: time.Hour})
	var open sync.WaitGroup
	for range 3 {
		request := f.request(f.token(f.creds, nil), "GetAccountInfo", nil)
		open.Go(func() { _, _ = f.send(request) })
	}
	waitFor(t, func() bool {
		return f.Counters().MaxInFlight == 3 && f.Counters().Outcomes["GetAccountInfo"]["ok"] == 3
	})
	f.server.CloseClientConnections()
	open.Wait()
}

func TestLogIsBounded(t *testing.T) {
	f := newFixture(t)
	f.calls.max = 10
	for range 35 {
		f.call("GetAccountInfo", nil)
	}
	calls := f.Calls()
	if len(calls) != 10 || calls[0].Seq != 26 || len(f.calls.calls) > 20 || f.Counts()["GetAccountInfo"] != 35 {
		t.Fatalf("%d calls from %d on", len(calls), calls[0].Seq)
	}
}

func TestSecretInURL(t *testing.T) {
	f := newFixture(t)
	f.call("AddAccount", f.newAccount("acme-one"))
	if f.lastCall().SecretInURL {
		t.Error("a secret in the body is taken for one in the URL")
	}
	r := build(t, f, http.MethodPost, "/platform_api/SetAccountInfo?new_account_password=Another-Horse-2", "", "")
	if _, err := f.send(r); err != nil {
		t.Fatal(err)
	}
	if c := f.lastCall(); !c.SecretInURL {
		t.Errorf("not seen: %+v", c)
	}
}

func TestWire(t *testing.T) {
	f := newFixture(t)
	f.callAs("", "GetAccountInfo", nil)
	if f.lastCall().Wire != nil {
		t.Error("kept though nobody has asked for it")
	}
	f.keepWire = true
	token := f.token(f.creds, jwt.MapClaims{"extra": "seen"})
	r := build(t, f, http.MethodPost, "/platform_api?count=5&active=true", "Multipart/Form-Data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"cmd\"\r\n\r\nGetAccountInfo\r\n--x--\r\n")
	r.Header.Set("Authorization", token)
	if _, err := f.send(r); err != nil {
		t.Fatal(err)
	}
	got := f.lastCall().Wire
	if got.Path != "/platform_api" || got.ContentType != "multipart/form-data" || fmt.Sprint(got.Query) != "[active count]" {
		t.Errorf("%+v", got)
	}
	if got.Token.Scheme != "Bearer" || got.Token.Header["kid"] != f.creds.KeyID || got.Token.Header["alg"] != "RS256" ||
		got.Token.Claims["iss"] != json.Number(fmt.Sprint(f.parent.ID)) || got.Token.Claims["extra"] != "seen" || len(got.Token.Claims) != 4 {
		t.Errorf("%+v", got.Token)
	}
	signature := token[strings.LastIndex(token, ".")+1:]
	if exported := f.control(http.MethodGet, "calls", "", http.StatusOK); strings.Contains(exported, signature) || !strings.Contains(exported, f.creds.KeyID) {
		t.Error("not the token but what it says is to be shown")
	}
	f.callAs("", "GetAccountInfo", nil)
	if got := f.lastCall().Wire; got.Token != nil || got.Path != "/platform_api/GetAccountInfo" || got.Query != nil {
		t.Errorf("%+v", got)
	}
	f.callAs("bearer t0.k3.n", "GetAccountInfo", nil) // refused, and logged all the same
	if got := f.lastCall().Wire.Token; got.Scheme != "bearer" || got.Claims != nil {
		t.Errorf("%+v", got)
	}
	f.callAs("t0k3n t0k3n", "GetAccountInfo", nil)
	if f.lastCall().Wire.Token != nil {
		t.Error("an unknown scheme may be a secret")
	}
}

// TestMasking prints and exports everything that holds a secret.
func TestMasking(t *testing.T) {
	f := newFixture(t)
	secrets := []string{goodPassword, f.parent.APIKey, f.parent.Password, "s4lt-of-the-earth", "t0ken", "Store-This-1"}
	f.AddFault(Fault{Kind: FaultStore, Param: "new_account_password", Store: "Store-This-1"})
	f.call("AddAccount", f.newAccount("acme-one").with(form{"parent_account_api_key": f.parent.APIKey, "session_token": "t0ken"}))
	f.call("AddAccount", f.newAccount("acme-one").with(form{"parent_account_password": f.parent.Password}))
	f.call("SetChildAccountInfo", form{"child_account_name": "acme-one", "callback_salt": "s4lt-of-the-earth"})
	child, _ := f.Account("acme-one")
	secrets = append(secrets, child.APIKey())
	var printed strings.Builder
	for _, value := range []any{f.Calls(), f.Accounts(0), f.Counters(), f.parent, child.Fields, f.lastCall().Params} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&printed, verb, value)
		}
		if _, isParent := value.(Parent); isParent {
			continue // a parent is made to be handed to tests, JSON included
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(data)
	}
	for _, path := range []string{"accounts", fmt.Sprintf("accounts/%d", child.ID), "calls", "counts", "faults", "settings"} {
		printed.WriteString(f.control(http.MethodGet, path, "", http.StatusOK))
	}
	for _, secret := range secrets {
		if at := strings.Index(printed.String(), secret); at >= 0 {
			t.Errorf("%q is shown: …%s…", secret, printed.String()[max(0, at-100):at+20])
		}
	}
	if !strings.Contains(printed.String(), Masked) || !strings.Contains(printed.String(), "acme-one") {
		t.Error("nothing is shown at all")
	}
	// In the process, tests see what was sent.
	if got := f.Calls()[1].Params["account_password"]; got != goodPassword {
		t.Errorf("account_password %q", got)
	}
}
