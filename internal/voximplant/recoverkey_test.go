package voximplant

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestRecoverKeyByPassword(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	created, err := w.Create(background, newAccount("child-1"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.RecoverKey(background, created.Account.ID, goodPassword)
	if err != nil || key != created.APIKey {
		t.Errorf("another key, %v", err)
	}
	_, err = w.RecoverKey(background, created.Account.ID, "Wrong-Pa55word")
	wantError(t, err, account.Unauthorized, false)
	_, err = w.RecoverKey(background, "424242", goodPassword)
	wantError(t, err, account.Unauthorized, false)
	for _, c := range w.Calls() {
		if c.Method == "GetAccountInfo" && c.Outcome == "ok" && c.Auth != simulator.AuthPassword {
			t.Errorf("authenticated by %s", c.Auth)
		}
	}
	for body, class := range map[string]account.Class{
		`{"result": {"account_id": 6, "api_key": "k"}}`: account.Unavailable,
		`{"result": {"account_id": 5}}`:                 account.Unavailable,
		`{"result": []}`:                                account.Unavailable,
		`{"error": {"code": 115, "msg": ""}}`:           account.NotFound,
	} {
		_, err := stub(t, respond(200, "application/json", body)).RecoverKey(background, "5", goodPassword)
		wantError(t, err, class, false)
	}
}

func TestRecoverKeyByParent(t *testing.T) {
	const wrong = account.Secret("Wrong-Pa55word")
	refused := func(code int) *simulator.Fault {
		return &simulator.Fault{Kind: simulator.FaultError, Method: "GetChildrenAccounts", Code: code}
	}
	for name, test := range map[string]struct {
		hidden   bool
		fault    *simulator.Fault
		password account.Secret
		calls    string // by how they are authenticated
		class    account.Class
		says     string
	}{
		"shown":                      {calls: "api_key"},
		"shown, with password":       {password: wrong, calls: "api_key"},
		"hidden":                     {hidden: true, calls: "api_key", class: account.Invalid, says: "give the password"},
		"hidden, with password":      {hidden: true, password: goodPassword, calls: "api_key password"},
		"hidden, wrong password":     {hidden: true, password: wrong, calls: "api_key ", class: account.Unauthorized, says: "100"},
		"key refused":                {fault: refused(100), calls: "api_key", class: account.Unauthorized, says: "apiKeySecretRef"},
		"key refused, with password": {fault: refused(100), password: goodPassword, calls: "api_key password"},
		"both refused":               {fault: refused(104), password: wrong, calls: "api_key ", class: account.Unauthorized, says: "Forbidden command"},
		"not the parent's":           {fault: refused(194), calls: "api_key", class: account.NotFound},
		"throttled":                  {fault: refused(340), password: goodPassword, calls: "api_key", class: account.Throttled},
		"unavailable":                {fault: &simulator.Fault{Kind: simulator.FaultLoseAnswer}, password: goodPassword, calls: "api_key", class: account.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{HideChildAPIKeys: test.hidden}, withParentKey)
			w.children(2)
			created, err := w.Create(background, newAccount("child-1"))
			if err != nil {
				t.Fatal(err)
			}
			if test.fault != nil {
				w.AddFault(*test.fault)
			}
			key, err := w.RecoverKey(background, created.Account.ID, test.password)
			if test.class == "" {
				if err != nil || key != created.APIKey {
					t.Errorf("another key, %v", err)
				}
			} else if e := wantError(t, err, test.class, false); key != "" || !strings.Contains(e.Error(), test.says) {
				t.Errorf("%v; want %q in it", e, test.says)
			}
			var calls []string
			for _, c := range w.Calls()[1:] {
				calls = append(calls, string(c.Auth))
				if c.Auth == simulator.AuthAPIKey && c.Params["child_account_id"] != created.Account.ID {
					t.Errorf("asked for %q", c.Params["child_account_id"])
				}
			}
			if got := strings.Join(calls, " "); got != test.calls {
				t.Errorf("calls %q; want %q", got, test.calls)
			}
		})
	}
}

// A key that isn't the parent's is refused by the service itself, and nothing is learnt of it about the token.
func TestRecoverKeyWithAnotherParentsKey(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, func(c *Config) { c.ParentAPIKey = "canary-other-key" })
	id := w.children(1)[0]
	if _, err := w.Get(background, selectNames("child-00000")); err != nil {
		t.Fatal(err)
	}
	before := evidenceOf(w.Remote)
	_, err := w.RecoverKey(background, id, "")
	wantError(t, err, account.Unauthorized, false)
	_, err = w.RecoverKey(background, id, goodPassword)
	wantError(t, err, account.Unauthorized, false)
	if after := evidenceOf(w.Remote); after != before {
		t.Errorf("evidence %s; was %s", after, before)
	}
}

// Another parent's child is not shown, whatever the service answers beside.
func TestRecoverKeyOfAnotherRow(t *testing.T) {
	for body, class := range map[string]account.Class{
		`{"result": [{"account_id": 6, "api_key": "k"}], "total_count": 1, "count": 1}`: account.Invalid,
		emptyPage:                     account.Invalid,
		`{"result": [{}]}`:            account.Unavailable,
		`{"result": {"api_key": 1}}`:  account.Unavailable,
		`{"error": {"code": 131}}`:    account.BlockedVerification,
		`{"error": {"code": "null"}}`: account.Unavailable,
	} {
		_, err := stub(t, respond(http.StatusOK, "application/json", body), withParentKey).RecoverKey(background, "5", "")
		wantError(t, err, class, false)
	}
}

// evidenceOf is what the client has learnt about the parent's own rights.
func evidenceOf(r *Remote) string {
	v := &r.client.evidence
	v.mu.Lock()
	defer v.mu.Unlock()
	return fmt.Sprint(v.worked)
}

// The keys of many accounts that are asked for at one time take one call with the parent's API key.
func TestRecoverKeysTogether(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, withParentKey)
	ids := w.children(50)
	keys := make([]account.Secret, len(ids))
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() { keys[i], errs[i] = w.RecoverKey(background, id, "") })
	}
	all.Wait()
	for i, id := range ids {
		number, _ := strconv.ParseInt(id, 10, 64)
		there, _ := w.Simulator.AccountByID(number)
		if errs[i] != nil || keys[i].Reveal() != there.APIKey() {
			t.Errorf("account %s: another key, %v", id, errs[i])
		}
	}
	if n := len(w.Calls()); n > len(ids)/5 { // one, unless the machine is busy for too long
		t.Errorf("%d calls", n)
	}
}

// Who is told to stop waits for nobody's call.
func TestRecoverKeyIsCanceled(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, withParentKey)
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := w.RecoverKey(ctx, w.children(1)[0], "")
	wantError(t, err, account.Unavailable, true)
}
