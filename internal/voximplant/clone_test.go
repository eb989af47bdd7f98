package voximplant

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func cloneParams(source string) CloneAccountParams {
	return CloneAccountParams{SourceID: source, Name: "child-clone", Email: "clone@example.com", Password: goodPassword, CustomData: "claim"}
}

func TestCloneAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{RequireParentCredentials: true}, withParentKey)
	id := w.children(1)[0]
	simulator.SetParts(w.Simulator, idOf(t, id), simulator.Parts{Users: []string{"ada"}, Scenarios: []string{"ivr", "queue"}, Applications: []string{"app"}})
	p := cloneParams(id)
	p.Fields = map[string]string{"language_code": "de", "location": "Europe/Berlin"}
	cloned, err := w.Client().CloneAccount(background, p)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := w.Account("child-clone")
	if !ok || cloned.ID != fmt.Sprint(a.ID) || cloned.APIKey.Reveal() != a.APIKey() || cloned.Active != "true" || cloned.Name != "child-clone" || cloned.Email != "clone@example.com" {
		t.Errorf("%s of %v", cloned.ID, a.Fields)
	}
	if len(cloned.Users) != 1 || cloned.Users[0].Name != "ada" || cloned.Users[0].ID == "" || len(cloned.Scenarios) != 2 || cloned.Scenarios[1].Name != "queue" ||
		len(cloned.Applications) != 1 || len(cloned.AdminUsers) != 0 {
		t.Errorf("%+v", cloned)
	}
	c := w.Calls()[0]
	if c.Auth != simulator.AuthJWT || c.Account != w.parent.ID || c.SecretInURL || c.Params["parent_account_api_key"] != testAPIKey.Reveal() || c.Params["account_id"] != id {
		t.Errorf("by %s as %d: %v", c.Auth, c.Account, c.Params)
	}
	named := cloneParams("")
	named.SourceName, named.Name, named.Email = "child-00000", "child-other", "other@example.com"
	if _, err := w.Client().CloneAccount(background, named); err != nil {
		t.Error(err)
	}
}

// A lost answer leaves open whether the account is there; a refusal does not. No text has the password.
func TestCloneAccountFails(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	w.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Times: 1})
	_, err := w.Client().CloneAccount(background, cloneParams(id))
	wantError(t, err, account.Unavailable, true)
	_, err = w.Client().CloneAccount(background, cloneParams(id))
	wantError(t, err, account.NameTaken, false)
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 9999, Message: "no, not " + goodPassword.Reveal(), Times: 1})
	_, err = w.Client().CloneAccount(background, cloneParams(id))
	if e := wantError(t, err, account.Unknown, false); strings.Contains(e.Error(), goodPassword.Reveal()) {
		t.Errorf("the password shows: %v", e)
	}
	for _, body := range []string{`{"result":1}`, `{"result":{}}`, `{"result":{"account_id":"all"}}`, `{"result":[]}`} {
		client := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		_, err := client.Client().CloneAccount(background, cloneParams("7"))
		wantError(t, err, account.Unavailable, true)
	}
}

// What can't be right never leaves.
func TestCloneAccountIsCheckedBeforeTheCall(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	for name, change := range map[string]func(*CloneAccountParams){
		"all accounts":               func(p *CloneAccountParams) { p.SourceID = "all" },
		"no source":                  func(p *CloneAccountParams) { p.SourceID = "" },
		"several sources":            func(p *CloneAccountParams) { p.SourceID, p.SourceName = "", "child-1;child-2" },
		"no name":                    func(p *CloneAccountParams) { p.Name = "" },
		"no password":                func(p *CloneAccountParams) { p.Password = "" },
		"another account's password": func(p *CloneAccountParams) { p.Fields = map[string]string{"account_password": "x"} },
	} {
		p := cloneParams("7")
		change(&p)
		if _, err := w.Client().CloneAccount(background, p); err == nil || account.AsError(err).OutcomeUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(w.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// What a clone has got is read as far as it can be; nothing else of it is kept, and the account counts whatever comes beside it.
func TestClonedParts(t *testing.T) {
	const body = `{"result":{"account_id":7,"api_key":"k","users":[{"user_id":1,"user_name":"ada"},{"name":"odd"},5,null],"scenarios":"none",
		"acd_queues":[{"acd_queue_id":"3","acd_queue_name":"q"}],"acd_skills":[{"skill_id":4,"skill_name":"s"}],
		"admin_users":[{"admin_user_id":9,"admin_user_name":"root","admin_user_api_key":"canary-key-of-root"}]}}`
	client := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
	got, err := client.Client().CloneAccount(background, cloneParams("7"))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %v %v %v %v", got.Users, got.Scenarios, got.ACDQueues, got.ACDSkills, got.AdminUsers)
	if want := "[{1 ada} { } { } { }] [] [{3 q}] [{4 s}] [{9 root}]"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
}
