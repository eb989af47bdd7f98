package voximplant

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const otherPassword = account.Secret("Canary-0ther+/Pass")

func TestSetPassword(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	if err := w.SetPassword(background, provider.Target{ID: ids[0]}, goodPassword); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		there, _ := w.Simulator.Account(fmt.Sprintf("child-%05d", i))
		if w.Simulator.CheckPassword(there.ID, goodPassword.Reveal()) != want {
			t.Errorf("account %d: the password is set: %v", i, !want)
		}
	}
	c := w.Calls()[0]
	if c.Auth != simulator.AuthJWT || !slices.Equal(slices.Sorted(maps.Keys(c.Params)), []string{"child_account_id", "new_child_account_password"}) {
		t.Errorf("%s %v", c.Auth, c.Params)
	}
}

func TestSetPasswordIsRefused(t *testing.T) {
	for _, test := range []struct {
		code    int
		message string // of the service; "": the documented one
		class   account.Class
		says    string
		wait    time.Duration
	}{
		{code: 112, class: account.PasswordRejected, says: "too short"},
		{code: 463, class: account.PasswordRejected, says: "must not be blank"},
		{code: 464, class: account.PasswordRejected, says: "an upper-case and a lower-case letter, a digit and a special character"},
		{code: 523, class: account.PasswordRejected, says: "too weak"},
		{code: 524, class: account.PasswordRejected, says: "must not have spaces"},
		{code: 535, message: "No: " + goodPassword.Reveal(), class: account.PasswordReused, says: "has not had before"},
		{code: 230, class: account.PasswordBlocked, says: "Try later"},
		{code: 416, message: "Repeat after 17 seconds", class: account.Throttled, wait: 17 * time.Second},
		{code: 512, message: "'new_child_account_password' parameter changes limit exceeded.", class: account.Throttled, says: "limit exceeded"},
		{code: 194, class: account.NotFound},
		{code: 104, class: account.RoleMissing},
		{code: 100, class: account.Unauthorized},
		{code: 777, message: "new: " + goodPassword.Reveal(), class: account.Unknown, says: "new: [redacted]"},
	} {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			id := w.children(1)[0]
			w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: test.code, Message: test.message})
			e := wantError(t, w.SetPassword(background, provider.Target{ID: id}, goodPassword), test.class, false)
			if e.Code != test.code || e.RetryAfter != test.wait || !strings.Contains(e.Message, test.says) || e.Message == "" {
				t.Errorf("%#v", e)
			}
			noSecrets(t, fmt.Sprintf("%+v %v", e, w.seen.texts), []string{"Canary"})
		})
	}
}

// The service's own refusals, and that they come by AddAccount in the same words.
func TestPasswordRules(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	for password, code := range map[account.Secret]int{
		"Sh0rt!":                         464,
		"no-upper-case1":                 464,
		"NO-LOWER-CASE1":                 464,
		"No-digits-here":                 464,
		"NoSpecial1":                     464,
		"With a space 1":                 524,
		" ":                              524,
		testPassword:                     524,
		"Canary\tTab-1":                  524,
		"\u00c4pfel-und-Birnen-1":        0,
		goodPassword:                     0,
		"Canary-\u2603&=%00;all+1\u00e9": 0,
	} {
		err := w.SetPassword(background, provider.Target{ID: id}, password)
		if code == 0 {
			ok, checked := w.Remote.CheckPassword(background, id, password)
			if err != nil || !ok || checked != nil {
				t.Errorf("%q: %v, %v %v", password.Reveal(), err, ok, checked)
			}
			continue
		}
		e := wantError(t, err, account.PasswordRejected, false)
		n := newAccount("child-1")
		n.Password = password
		_, err = w.Create(background, n)
		if c := wantError(t, err, account.PasswordRejected, false); e.Code != code || c.Message != e.Message {
			t.Errorf("%q: %v, %v", password.Reveal(), e, c)
		}
	}
	w.Simulator.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = true })
	wantError(t, w.SetPassword(background, provider.Target{ID: id}, otherPassword), account.PasswordBlocked, false)
	wantError(t, w.SetPassword(background, provider.Target{ID: "424242"}, otherPassword), account.NotFound, false)
}

// Whether a change whose outcome is unknown was made shows in CheckPassword, also where the repetition is refused for it.
func TestPasswordWithUnknownOutcome(t *testing.T) {
	for _, test := range lostAnswers {
		t.Run(fmt.Sprint(test.fault.Kind, test.fault.AfterChange), func(t *testing.T) {
			w := newWorld(t, simulator.Settings{}, func(c *Config) { c.MaxAnswer, c.MaxList = 1<<20, 1<<20 })
			id := w.children(1)[0]
			fault := test.fault
			fault.Method = "SetChildAccountInfo"
			added := w.AddFault(fault)
			wantError(t, w.SetPassword(background, provider.Target{ID: id}, goodPassword), account.Unavailable, true)
			if n := w.Counts()["SetChildAccountInfo"]; n != 1 {
				t.Errorf("%d calls", n)
			}
			w.RemoveFault(added)
			if ok, err := w.Remote.CheckPassword(background, id, goodPassword); ok != test.made || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
			err := w.SetPassword(background, provider.Target{ID: id}, goodPassword)
			if !test.made {
				if err != nil {
					t.Error(err)
				}
			} else if e := wantError(t, err, account.PasswordReused, false); e.Code != 535 {
				t.Error(e)
			}
			if ok, err := w.Remote.CheckPassword(background, id, goodPassword); !ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
}

func TestSetPasswordGivenUp(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	ctx, cancel := context.WithCancel(background)
	cancel()
	wantError(t, w.SetPassword(ctx, provider.Target{ID: id}, goodPassword), account.Unavailable, false)
	if len(w.called()) != 0 {
		t.Errorf("%v", w.called())
	}
	for _, body := range []string{`{"result": 0}`, `{"result": {}}`} {
		err := stub(t, respond(200, "application/json", body)).SetPassword(background, provider.Target{ID: "5"}, goodPassword)
		wantError(t, err, account.Unavailable, true)
	}
}

func TestCheckPassword(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	created, err := w.Create(background, newAccount("child-1"))
	if err != nil {
		t.Fatal(err)
	}
	before := evidenceOf(w.Remote)
	for _, test := range []struct {
		id       string
		password account.Secret
		want     bool
	}{
		{created.Account.ID, goodPassword, true},
		{created.Account.ID, otherPassword, false},
		{created.Account.ID, goodPassword + " ", false},
		{"424242", goodPassword, false},
	} {
		if ok, err := w.Remote.CheckPassword(background, test.id, test.password); ok != test.want || err != nil {
			t.Errorf("%v, %v; want %v", ok, err, test.want)
		}
	}
	if c := w.Calls()[1]; c.Method != "GetAccountInfo" || c.Auth != simulator.AuthPassword {
		t.Errorf("%s by %s", c.Method, c.Auth)
	}
	if after := evidenceOf(w.Remote); after != before {
		t.Errorf("evidence %s; was %s", after, before)
	}
}

// What is no refusal of the password says nothing about it.
func TestCheckPasswordFails(t *testing.T) {
	for name, test := range map[string]struct {
		fault simulator.Fault
		class account.Class
	}{
		"lost":          {simulator.Fault{Kind: simulator.FaultLoseAnswer}, account.Unavailable},
		"down":          {simulator.Fault{Kind: simulator.FaultDown, Status: 503}, account.Unavailable},
		"401":           {simulator.Fault{Kind: simulator.FaultHTTP, Status: 401}, account.Unauthorized},
		"429 with 100":  {simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Body: `{"error": {"code": 100, "msg": ""}}`}, account.Throttled},
		"rate limit":    {simulator.Fault{Kind: simulator.FaultError, Code: 340}, account.Throttled},
		"forbidden":     {simulator.Fault{Kind: simulator.FaultError, Code: 104}, account.RoleMissing},
		"not activated": {simulator.Fault{Kind: simulator.FaultError, Code: 131}, account.BlockedVerification},
		"not logged":    {simulator.Fault{Kind: simulator.FaultError, Code: 137}, account.Unauthorized},
		"token":         {simulator.Fault{Kind: simulator.FaultError, Code: 456}, account.Unauthorized},
		"VPN":           {simulator.Fault{Kind: simulator.FaultError, Code: 527}, account.Unauthorized},
		"internal":      {simulator.Fault{Kind: simulator.FaultError, Code: 2}, account.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			created, err := w.Create(background, newAccount("child-1"))
			if err != nil {
				t.Fatal(err)
			}
			w.AddFault(test.fault)
			ok, err := w.Remote.CheckPassword(background, created.Account.ID, goodPassword)
			if wantError(t, err, test.class, false); ok {
				t.Error("accepted")
			}
			if n := w.Counts()["GetAccountInfo"]; n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
	for _, body := range []string{page, `{"result": {"account_id": 6}}`, `{"result": {}}`} {
		ok, err := stub(t, respond(200, "application/json", body)).CheckPassword(background, "5", goodPassword)
		if wantError(t, err, account.Unavailable, false); ok {
			t.Error("accepted")
		}
	}
}

// Who signs in is shown the account's API key, and with a wrong password nothing.
func TestSignIn(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	created, err := w.Create(background, newAccount("child-1"))
	if err != nil {
		t.Fatal(err)
	}
	if has, key, err := w.SignIn(background, created.Account.ID, goodPassword); err != nil || !has || key != created.APIKey {
		t.Errorf("has %v, another key, %v", has, err)
	}
	if has, key, err := w.SignIn(background, created.Account.ID, otherPassword); err != nil || has || key != "" {
		t.Errorf("has %v, a key, %v", has, err)
	}
	if _, _, err := w.SignIn(background, created.Account.ID, ""); account.ClassOf(err) != account.Invalid {
		t.Error(err)
	}
	if n := w.Counts()["GetAccountInfo"]; n != 2 {
		t.Errorf("%d calls", n)
	}
}
