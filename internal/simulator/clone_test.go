package simulator

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
)

func cloneOf(source Account, name string) form {
	return form{
		"account_id": fmt.Sprint(source.ID), "new_account_name": name, "new_account_email": name + "@acme.example", "new_account_password": goodPassword,
	}
}

func TestCloneAccount(t *testing.T) {
	f := newFixture(t)
	source := f.child("acme-one")
	for name, value := range map[string]any{"location": "Europe/Berlin", "news_notifications": true, "account_custom_data": "theirs", "balance": 50} {
		if err := f.SetField(source.ID, name, value); err != nil {
			t.Fatal(err)
		}
	}
	SetParts(f.Simulator, source.ID, Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	r := f.call("CloneAccount", cloneOf(source, "acme-clone").with(form{"account_custom_data": "ours", "language_code": "de"}))
	wantCode(t, r, 0)
	var got struct {
		AccountID int64  `json:"account_id"`
		Name      string `json:"account_name"`
		Active    bool   `json:"active"`
		APIKey    string `json:"api_key"`
		Users     []struct {
			ID   int64  `json:"user_id"`
			Name string `json:"user_name"`
		} `json:"users"`
		Applications []any `json:"applications"`
	}
	if err := json.Unmarshal(r.Result, &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "acme-clone" || !got.Active || len(got.APIKey) != 36 || len(got.Users) != 2 || got.Users[1].Name != "bob" || got.Users[1].ID == 0 || got.Applications == nil {
		t.Errorf("%s", r.body)
	}
	a, _ := f.AccountByID(got.AccountID)
	if a.ParentID != f.parent.ID || a.Text("location") != "Europe/Berlin" || !a.Flag("news_notifications") || a.Text("language_code") != "de" ||
		a.Text("account_custom_data") != "ours" || a.Fields["balance"] != 0.0 || len(PartsOf(f.Simulator, a.ID).Users) != 2 {
		t.Errorf("%v", a.Fields)
	}
	if !f.CheckPassword(a.ID, goodPassword) || !f.lastCall().Changed || f.lastCall().Account != f.parent.ID {
		t.Errorf("%+v", f.lastCall())
	}
	wantCode(t, f.call("CloneAccount", cloneOf(source, "acme-clone")), codeNameTaken)
}

func TestCloneAccountIsRefused(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings Settings
		change   form
		code     int
	}{
		{"no source", Settings{}, form{"account_id": "-"}, codeOneOf},
		{"two sources", Settings{}, form{"account_name": "acme-one"}, codeOneOf},
		{"a source that there is not", Settings{}, form{"account_id": "4711"}, codeAccountID},
		{"a stranger", Settings{}, form{"account_id": "-", "account_name": "stranger"}, codeAccountID},
		{"no name", Settings{}, form{"new_account_name": "-"}, codeSpecify},
		{"a bad name", Settings{}, form{"new_account_name": "Acme"}, codeNameLength},
		{"a taken e-mail", Settings{}, form{"new_account_email": "acme-one@acme.example"}, codeEmailTaken},
		{"a weak password", Settings{}, form{"new_account_password": "weak"}, codePasswordRules},
		{"a setting that it does not take", Settings{}, form{"news_notifications": "true"}, codeForbiddenParameter},
		{"a wrong API key", Settings{}, form{"parent_account_api_key": "wrong"}, codeUnauthorized},
		{"no API key", Settings{RequireParentCredentials: true}, form{}, codeUnauthorized},
		{"no role", Settings{MissingRoleCode: codeForbidden}, form{}, codeForbidden},
	} {
		f := newFixture(t, func(s *Settings) { *s = test.settings })
		f.AddStranger("stranger", "stranger@else.example")
		source := f.child("acme-one")
		if test.settings.MissingRoleCode != 0 {
			f.creds = f.newKey(f.parent.ID, RoleDeveloper)
		}
		wantCode(t, f.call("CloneAccount", cloneOf(source, "acme-clone").with(test.change)), test.code)
		if _, made := f.Account("acme-clone"); made || f.lastCall().Changed {
			t.Errorf("%s: an account is made", test.name)
		}
	}
	f := newFixture(t, func(s *Settings) { s.RequireParentCredentials, s.ChildrenPerDay = true, 1 })
	source := f.child("acme-one")
	key := form{"parent_account_api_key": f.parent.APIKey}
	wantCode(t, f.call("CloneAccount", cloneOf(source, "acme-clone").with(key)), 0)
	wantCode(t, f.call("CloneAccount", cloneOf(source, "acme-other").with(key)), codeDailyLimit)
}

// What accounts have is in the state file, and goes with them.
func TestPartsInTheStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	s := New(Options{StateFile: file})
	a := s.PutAccount(Account{Fields: Fields{"account_name": "acme-one", "account_email": "one@acme.example"}})
	SetParts(s, a.ID, Parts{Applications: []string{"app"}})
	again := New(Options{StateFile: file})
	if p := PartsOf(again, a.ID); len(p.Applications) != 1 {
		t.Errorf("%+v", p)
	}
	again.Remove(a.ID)
	if p := PartsOf(New(Options{StateFile: file}), a.ID); len(p.Applications) != 0 {
		t.Errorf("%+v", p)
	}
}
