package voximplant

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// A service that gives back all it was sent, in every place where an answer has text.
func TestAnswersThatEchoSecrets(t *testing.T) {
	var mu sync.Mutex
	var tokens []string
	echo := func(req *http.Request) string {
		body, _ := io.ReadAll(req.Body)
		form, _ := url.ParseQuery(string(body))
		mu.Lock()
		defer mu.Unlock()
		tokens = append(tokens, strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
		var secrets []string
		for _, name := range []string{"account_password", "new_child_account_password", "parent_account_api_key", "api_key"} {
			secrets = append(secrets, form.Get(name))
		}
		return fmt.Sprintf("%s %s %s", secrets, req.Header.Get("Authorization"), body)
	}
	quote := func(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }
	for name, handler := range map[string]http.HandlerFunc{
		"message": func(w http.ResponseWriter, req *http.Request) {
			respond(200, "application/json", `{"error": {"code": 101, "msg": "refused: `+quote(echo(req))+`"}}`)(w, req)
		},
		"message about the password": func(w http.ResponseWriter, req *http.Request) {
			respond(200, "application/json", `{"error": {"code": 464, "msg": "refused: `+quote(echo(req))+`"}}`)(w, req)
		},
		"message about the caller": func(w http.ResponseWriter, req *http.Request) {
			respond(403, "application/json", `{"error": {"code": 104, "msg": "refused: `+quote(echo(req))+`"}}`)(w, req)
		},
		"message in base64": func(w http.ResponseWriter, req *http.Request) {
			respond(200, "application/json", `{"error": {"code": 101, "msg": "refused: `+base64.StdEncoding.EncodeToString([]byte(echo(req)))+`"}}`)(w, req)
		},
		"message cut short": func(w http.ResponseWriter, req *http.Request) {
			_ = req.ParseForm()
			var parts []string
			for _, secret := range []string{"account_password", "new_child_account_password", "parent_account_api_key", "api_key"} {
				parts = append(parts, fmt.Sprintf("%.10s", req.PostForm.Get(secret)))
			}
			_ = echo(req)
			respond(200, "application/json", `{"error": {"code": 101, "msg": "`+quote(strings.Join(parts, "... "))+`"}}`)(w, req)
		},
		"HTML": func(w http.ResponseWriter, req *http.Request) {
			respond(500, "text/html", "<html>"+echo(req))(w, req)
		},
		"broken JSON": func(w http.ResponseWriter, req *http.Request) {
			respond(200, "application/json", `{"result": "`+echo(req))(w, req)
		},
		"wrong result": func(w http.ResponseWriter, req *http.Request) {
			respond(200, "application/json", `{"result": "`+quote(echo(req))+`"}`)(w, req)
		},
		"content type": func(w http.ResponseWriter, req *http.Request) {
			w.Header()["Content-Type"] = []string{"text/x; x=" + strings.ReplaceAll(echo(req), "\n", "")}
			w.WriteHeader(500)
		},
		"redirect": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/?"+url.QueryEscape(echo(req)))
			w.WriteHeader(302)
		},
		"429": func(w http.ResponseWriter, req *http.Request) {
			respond(429, "application/json", `{"errors": [{"code": "340", "msg": "`+quote(echo(req))+`"}]}`)(w, req)
		},
		"broken off": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Length", "99999")
			_, _ = w.Write([]byte(echo(req)))
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := new(observations)
			r := stub(t, handler, withParentKey, func(c *Config) { c.Observe = seen.add })
			n := newAccount("child-1")
			n.Password = testPassword
			_, err1 := r.Create(background, n)
			_, err2 := r.RecoverKey(background, "5", testPassword)
			_, err3 := r.Get(background, provider.Selector{Names: []string{"child-1"}})
			_, err4 := r.RecoverKey(background, "5", "")
			err5 := r.SetPassword(background, provider.Target{ID: "5"}, testPassword)
			_, err6 := r.CheckPassword(background, "5", testPassword)
			err7 := r.SetCustomData(background, "5", "claim")
			texts := append(seen.texts, fmt.Sprintf("%v %+v %#v %s %v", r, r, r, r, r.Client()))
			for _, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
				if err == nil {
					t.Fatal("no error")
				}
				texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
			}
			mu.Lock()
			defer mu.Unlock()
			for _, text := range texts {
				noSecrets(t, text, append([]string{testPassword.Reveal(), testAPIKey.Reveal(), "Canary", "canary"}, tokens...))
			}
		})
	}
}

func noSecrets(t *testing.T, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		for _, spelling := range []string{secret, url.QueryEscape(secret), encoded} {
			if part := spelling[:min(len(spelling), 8)]; part != "" && strings.Contains(text, part) {
				t.Errorf("%q shows in %s", secret, text)
			}
		}
	}
}

// Nothing secret stands in a URL, and a call with a password or an API key that proves who calls carries no token.
func TestCarriers(t *testing.T) {
	type carried struct{ url, authorization, body string }
	var got []carried
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		got = append(got, carried{req.RequestURI, req.Header.Get("Authorization"), string(body)})
		respond(200, "application/json", page)(w, req)
	}, withParentKey)
	_, _ = r.Create(background, newAccount("child-1"))
	_, _ = r.RecoverKey(background, "5", goodPassword)
	_, _ = r.Self(background)
	_, _ = r.Get(background, provider.Selector{IDs: []string{"5"}})
	_ = r.Update(background, updateOf([]string{"5"}, []account.Change{change(t, "active", "true")}))
	_ = r.SetPassword(background, provider.Target{ID: "5"}, goodPassword)
	_, _ = r.CheckPassword(background, "5", goodPassword)
	_ = r.SetCustomData(background, "5", "claim")
	_ = r.SetCallbackSalt(background, "5", testSalt)
	want := []struct {
		method                  string
		token, apiKey, password bool
	}{
		{"AddAccount", true, true, true},
		{"GetChildrenAccounts", false, true, false}, // RecoverKey
		{"GetAccountInfo", false, false, true},      // the same
		{"GetAccountInfo", true, false, false},
		{"GetChildrenAccounts", true, false, false},
		{"SetChildAccountInfo", true, false, false},
		{"SetChildAccountInfo", true, false, true},
		{"GetAccountInfo", false, false, true},
		{"SetAccountInfo", true, false, false},
		{"SetChildAccountInfo", true, false, false},
	}
	if len(got) != len(want) {
		t.Fatalf("%d calls", len(got))
	}
	for i, c := range got {
		switch {
		case c.url != "/platform_api/"+want[i].method:
			t.Errorf("%s; want %s", c.url, want[i].method)
		case (c.authorization != "") != want[i].token:
			t.Errorf("%s: token %v", want[i].method, c.authorization != "")
		case strings.Contains(c.body, "api_key") != want[i].apiKey:
			t.Errorf("%s: API key %v", want[i].method, !want[i].apiKey)
		case strings.Contains(c.body, "password") != want[i].password:
			t.Errorf("%s: password %v", want[i].method, !want[i].password)
		}
	}
}

func TestSimulatedSecretsStayHidden(t *testing.T) {
	w := newWorld(t, simulator.Settings{RequireParentCredentials: true}, func(c *Config) { c.ParentAPIKey = testAPIKey })
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 101, Message: "bad: " + goodPassword.Reveal() + " of " + testAPIKey.Reveal()})
	_, err := w.Create(background, newAccount("child-1"))
	noSecrets(t, fmt.Sprintf("%+v %#v %v", err, err, w.seen.texts), []string{goodPassword.Reveal(), testAPIKey.Reveal()})
	if e := wantError(t, err, account.Invalid, false); e.Message != "bad: [redacted] of [redacted]" {
		t.Error(e)
	}
	for _, c := range w.Calls() {
		if c.SecretInURL {
			t.Errorf("%s has a secret in its URL", c.Method)
		}
	}
}
