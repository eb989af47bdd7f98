package voximplant

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The whole answer comes, with what stands beside the result, and the call is sent as all others are.
func TestInvoke(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	for _, as := range []string{"", id} {
		raw, err := Invoke(context.Background(), w.Client(), Invocation{Method: "GetAccountInfo", Parameters: map[string]string{"return_live_balance": "true"}, As: as})
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Result struct {
				ID      json.Number  `json:"account_id"`
				Balance *json.Number `json:"live_balance"`
			}
			Address string `json:"api_address"`
		}
		want := as
		if want == "" {
			want = fmt.Sprint(w.parent.ID)
		}
		if err := json.Unmarshal(raw, &answer); err != nil || answer.Result.ID.String() != want || answer.Result.Balance == nil || answer.Address == "" {
			t.Errorf("as %q: %s, %v", as, raw, err)
		}
	}
	for _, call := range w.Calls() {
		if call.HTTPMethod != http.MethodPost || call.Auth != simulator.AuthJWT {
			t.Errorf("%+v", call)
		}
	}
	if n := len(w.Calls()); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestInvokeRefusals(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	stranger := w.PutAccount(simulator.Account{Fields: simulator.Fields{"account_name": "stranger", "account_email": "x@stranger.example"}})
	invoke := func(in Invocation) error {
		raw, err := Invoke(context.Background(), w.Client(), in)
		if err != nil && raw != nil {
			t.Errorf("an answer beside the error: %s", raw)
		}
		return err
	}
	wantError(t, invoke(Invocation{Method: "GetAccountInfo", As: fmt.Sprint(stranger.ID)}), account.RoleMissing, false)
	wantError(t, invoke(Invocation{Method: "GetAccountInfo", As: "5;6"}), account.Invalid, false)
	wantError(t, invoke(Invocation{Method: "../x"}), account.Invalid, false)
	wantError(t, invoke(Invocation{Method: ""}), account.Invalid, false)
	wantError(t, invoke(Invocation{Method: "NoSuchMethod"}), account.BlockedNotEnabled, false)
	w.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Times: 2})
	wantError(t, invoke(Invocation{Method: "GetAccountInfo"}), account.Unavailable, false)
	wantError(t, invoke(Invocation{Method: "SetChildAccountInfo", Write: true, Parameters: map[string]string{"child_account_id": id, "active": "false"}}), account.Unavailable, true)
	if a, _ := w.Account("child-00000"); a.Active() {
		t.Error("the lost answer was not of a change that was made")
	}
	// No call was repeated by itself.
	w.ResetCalls()
	w.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503, Times: 1})
	wantError(t, invoke(Invocation{Method: "SetChildAccountInfo", Write: true, Parameters: map[string]string{"child_account_id": id, "active": "true"}}), account.Unavailable, true)
	if n := len(w.Calls()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// A secret among the parameters shows in no error, though the answer repeats it.
func TestInvokeHidesSecrets(t *testing.T) {
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		_ = req.ParseForm()
		respond(200, "application/json", fmt.Sprintf(`{"error": {"code": 101, "msg": "no %s"}}`, req.PostForm.Get("account_password")))(w, req)
		if req.URL.RawQuery != "" {
			t.Errorf("something is in the URL: %s", req.URL)
		}
	})
	_, err := Invoke(context.Background(), r.Client(), Invocation{
		Method: "AddAccount", Write: true, Parameters: map[string]string{"account_password": goodPassword.Reveal()}, Secrets: []account.Secret{goodPassword},
	})
	if err == nil || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "Canary") {
		t.Errorf("%v", err)
	}
}

func TestInvokeAnswers(t *testing.T) {
	in := Invocation{Method: "SetAccountInfo", Write: true}
	for name, test := range map[string]struct {
		body    string
		unknown bool
	}{
		"1":               {`{"result": 1}`, false},
		"1 as text":       {`{"result": "1"}`, false},
		"an object":       {`{"result": {"x": 1}, "account_info": {}}`, false},
		"a list":          {`{"result": []}`, false},
		"with a mark":     {"\xef\xbb\xbf" + `{"result": 1}`, false},
		"0":               {`{"result": 0}`, true},
		"null":            {`{"result": null}`, true},
		"nothing":         {`{}`, true},
		"something":       {`<html>`, true},
		"too much":        {`{"result": 1, "x": "` + strings.Repeat("x", 5000) + `"}`, true},
		"of another kind": {`[1]`, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := stub(t, respond(200, "application/json", test.body), func(c *Config) { c.MaxList = 4000 })
			raw, err := Invoke(context.Background(), r.Client(), in)
			if test.unknown {
				wantError(t, err, account.Unavailable, true)
				return
			}
			if err != nil || !json.Valid(raw) {
				t.Errorf("%s, %v", raw, err)
			}
		})
	}
}

// An answer after a token that was refused for its times is the second one alone.
func TestInvokeAfterANewToken(t *testing.T) {
	tries := 0
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		body := `{"error": {"code": 456, "msg": "The token has expired."}}`
		if tries++; tries > 1 {
			body = `{"result": {"x": 1}}`
		}
		respond(200, "application/json", body)(w, req)
	})
	raw, err := Invoke(context.Background(), r.Client(), Invocation{Method: "GetAccountInfo"})
	if err != nil || string(raw) != `{"result": {"x": 1}}` || tries != 2 {
		t.Errorf("%s, %v after %d tries", raw, err, tries)
	}
}

func TestChildID(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(3)
	w.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-00001-b", "account_email": "b@example.com"}})
	for name, want := range map[string]string{"child-00001": ids[1], "child-0000": "", "child-00009": "", "CHILD-00001": ""} {
		if got, err := ChildID(context.Background(), w.Client(), name); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := ChildID(context.Background(), w.Client(), "a;b"); account.ClassOf(err) != account.Invalid {
		t.Errorf("%v", err)
	}
}
