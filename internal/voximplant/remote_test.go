package voximplant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

var background = context.Background()

func change(t testing.TB, path, to string) account.Change {
	t.Helper()
	f, ok := schema.Field(path)
	if !ok {
		t.Fatal("no field", path)
	}
	return account.Change{Field: f, To: to}
}

func TestSelf(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	self, err := w.Self(background)
	if err != nil || self.ID != fmt.Sprint(w.parent.ID) || self.Name != "parent" || self.State["currency"] != "USD" {
		t.Errorf("%+v, %v", self, err)
	}
}

func TestCreate(t *testing.T) {
	w := newWorld(t, simulator.Settings{RequireParentCredentials: true}, func(c *Config) { c.ParentAPIKey = testAPIKey })
	n := newAccount("child-1")
	n.Desired = account.State{"email": "Child-1@Example.com", "languageCode": "iw", "minBalanceToNotify": "5.00", "payments.invoice": "true", "canUseRestricted": "true"}
	created, err := w.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	there, _ := w.Simulator.Account("child-1")
	want := account.State{"email": "child-1@example.com", "active": "true", "languageCode": "he", "minBalanceToNotify": "5"}
	if a := created.Account; a.ID != fmt.Sprint(there.ID) || a.Name != "child-1" || a.CustomData != "claim" || fmt.Sprint(a.State) != fmt.Sprint(want) {
		t.Errorf("%+v", a)
	}
	if created.APIKey.Reveal() != there.APIKey() {
		t.Error("another API key")
	}
	if !w.Simulator.CheckPassword(there.ID, goodPassword.Reveal()) || there.Text("account_custom_data") != "claim" || there.Email() != "Child-1@Example.com" {
		t.Errorf("%v", there)
	}
	n.Desired["active"] = "false"
	n.Name, n.Desired["email"] = "child-2", "child-2@example.com"
	if created, err = w.Create(background, n); err != nil || created.Account.State["active"] != "false" {
		t.Errorf("%+v, %v", created, err)
	}
}

func TestCreateIsRefused(t *testing.T) {
	w := newWorld(t, simulator.Settings{ChildrenPerDay: 1})
	w.AddStranger("taken", "taken@example.com")
	for _, test := range []struct {
		name  string
		alter func(*provider.NewAccount)
		class account.Class
		field string
	}{
		{"name taken", func(n *provider.NewAccount) { n.Name = "taken" }, account.NameTaken, "accountName"},
		{"e-mail taken", func(n *provider.NewAccount) { n.Desired["email"] = "taken@example.com" }, account.EmailTaken, "email"},
		{"name short", func(n *provider.NewAccount) { n.Name = "abc" }, account.Invalid, "accountName"},
		{"name in capitals", func(n *provider.NewAccount) { n.Name = "CHILD" }, account.Invalid, "accountName"},
		{"weak password", func(n *provider.NewAccount) { n.Password = "weak" }, account.PasswordRejected, ""},
		{"no e-mail", func(n *provider.NewAccount) { delete(n.Desired, "email") }, account.Invalid, "email"},
		{"blank in the password", func(n *provider.NewAccount) { n.Password = testPassword }, account.PasswordRejected, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newAccount("child-1")
			test.alter(&n)
			_, err := w.Create(background, n)
			if e := wantError(t, err, test.class, false); e.Field != test.field {
				t.Errorf("%#v", e)
			}
		})
	}
	if _, err := w.Create(background, newAccount("child-1")); err != nil {
		t.Fatal(err)
	}
	_, err := w.Create(background, newAccount("child-2"))
	wantError(t, err, account.BlockedDailyLimit, false)
	if _, err = w.Create(background, newAccount("child-1")); account.ClassOf(err) != account.NameTaken {
		t.Error(err)
	}
}

// What is plainly wrong is refused before any call.
func TestRefusedHere(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	create := func(alter func(*provider.NewAccount)) error {
		n := newAccount("child-1")
		alter(&n)
		_, err := w.Create(background, n)
		return err
	}
	get := func(sel provider.Selector) error {
		_, err := w.Get(background, sel)
		return err
	}
	email, language := change(t, "email", "a@example.com"), change(t, "languageCode", "en")
	for name, err := range map[string]error{
		"name with separator": create(func(n *provider.NewAccount) { n.Name = "child;all" }),
		"no name":             create(func(n *provider.NewAccount) { n.Name = "" }),
		"no password":         create(func(n *provider.NewAccount) { n.Password = "" }),
		"bad value":           create(func(n *provider.NewAccount) { n.Desired["location"] = "Local" }),
		"get all":             get(provider.Selector{IDs: []string{"all"}}),
		"get two ids in one":  get(provider.Selector{IDs: []string{"1;2"}}),
		"get id 0":            get(provider.Selector{IDs: []string{"0"}}),
		"get id 01":           get(provider.Selector{IDs: []string{"01"}}),
		"get id -1":           get(provider.Selector{IDs: []string{"-1"}}),
		"get no id":           get(provider.Selector{IDs: []string{""}}),
		"get too large":       get(provider.Selector{IDs: []string{"9223372036854775808"}}),
		"get name ALL":        get(provider.Selector{Names: []string{"ALL"}}),
		"get name NUL":        get(provider.Selector{Names: []string{"abc\x00"}}),
		"get name lines":      get(provider.Selector{Names: []string{"abc\ndef"}}),
		"get name list":       get(provider.Selector{Names: []string{"abc,def"}}),
		"get no name":         get(provider.Selector{Names: []string{""}}),
		"update all":          w.Remote.Update(background, updateOf([]string{"all"}, []account.Change{language})),
		"update email of two": w.Remote.Update(background, updateOf([]string{"1", "2"}, []account.Change{email})),
		"update nonsense":     w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{{Field: language.Field, To: "xx"}})),
		"update created":      w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{change(t, "created", "now")})),
		"update unknown":      w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{{Field: account.Field{Path: "x", Updatable: true}}})),
		"unselected write":    w.Client().SetChildAccountInfo(background, nil, map[string]string{"active": "false"}),
		"key of all":          func() error { _, err := w.RecoverKey(background, "all", goodPassword); return err }(),
		"key by nothing":      func() error { _, err := w.RecoverKey(background, "5", ""); return err }(),
		"password of all":     w.SetPassword(background, provider.Target{ID: "all"}, goodPassword),
		"password of two":     w.SetPassword(background, provider.Target{ID: "1;2"}, goodPassword),
		"empty password":      w.SetPassword(background, provider.Target{ID: "1"}, ""),
		"check all":           func() error { _, err := w.Remote.CheckPassword(background, "all", goodPassword); return err }(),
		"check no password":   func() error { _, err := w.Remote.CheckPassword(background, "1", ""); return err }(),
		"custom data of all":  w.SetCustomData(background, "all", "x"),
		"no custom data":      w.SetCustomData(background, "1", ""),
		"profile of all":      w.Client().SetAccountInfo(background, "all", SetAccountInfoParams{FirstName: "x"}),
		"salt of all":         w.SetCallbackSalt(background, "all", "x"),
		"no salt":             w.SetCallbackSalt(background, "1", ""),
		"profile of two":      w.Remote.Update(background, updateOf([]string{"1", "2"}, []account.Change{change(t, "profile.firstName", "Ada")})),
		"profile and others":  w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{language, change(t, "profile.firstName", "Ada")})),
		"others and profile":  w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{change(t, "profile.firstName", "Ada"), language})),
		"record storage":      w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{change(t, "recordStorage.name", "eu")})),
		"a claim of another":  w.Remote.Update(background, updateOf([]string{"1"}, []account.Change{change(t, "profile.customData", account.Claim{Installation: "i", Namespace: "n", Name: "a"}.CustomData())})),
		"parent's key unset": func() error {
			_, err := w.Client().GetChildrenAccountsByKey(background, GetChildrenAccountsParams{})
			return err
		}(),
	} {
		if class := account.ClassOf(err); class != account.Invalid && class != account.PasswordRejected {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"get nothing":    get(provider.Selector{}),
		"update nothing": w.Remote.Update(background, updateOf([]string{"1"}, nil)),
		"update nobody":  w.Remote.Update(background, updateOf(nil, []account.Change{language})),
		"set nothing":    w.Client().SetAccountInfo(background, "1", SetAccountInfoParams{}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(3)
	changes := []account.Change{change(t, "active", "false"), change(t, "location", "Europe/Berlin"), change(t, "canUseRestricted", "true"), change(t, "payments.robokassa", "true")}
	if err := w.Remote.Update(background, updateOf([]string{ids[0], ids[2], ids[0]}, changes)); err != nil {
		t.Fatal(err)
	}
	if calls := w.Calls(); len(calls) != 1 || calls[0].Params["child_account_id"] != ids[0]+";"+ids[2] {
		t.Errorf("%v", calls)
	}
	for i, want := range []bool{true, false, true} {
		a, _ := w.Simulator.Account(fmt.Sprintf("child-%05d", i))
		if got := !a.Active() && a.Text("location") == "Europe/Berlin" && a.Flag("can_use_restricted") && a.Flag("support_robokassa"); got != want {
			t.Errorf("%d: %v", i, a.Fields)
		}
	}
	if err := w.Remote.Update(background, updateOf(ids[:1], []account.Change{change(t, "email", "new@example.com")})); err != nil {
		t.Fatal(err)
	}
	err := w.Remote.Update(background, updateOf(ids[1:2], []account.Change{change(t, "email", "new@example.com")}))
	if e := wantError(t, err, account.EmailTaken, false); e.Field != "email" {
		t.Error(e)
	}
	err = w.Remote.Update(background, updateOf([]string{"424242"}, changes))
	wantError(t, err, account.NotFound, false)
}

func TestGet(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(12)
	w.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-0000", "account_email": "x@example.com"}})
	found, err := w.Get(background, provider.Selector{IDs: []string{ids[3], "99", ids[1], ids[3]}, Names: []string{"child-0000", "child-00003", "child", "nobody", "child-00005"}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range found {
		names = append(names, a.Name)
	}
	if want := []string{"child-00001", "child-00003", "child-0000", "child-00005"}; !slices.Equal(names, want) {
		t.Errorf("%v; want %v", names, want)
	}
	if _, shown := found[0].State["canUseRestricted"]; shown || found[0].State["email"] != "child-00001@example.com" || found[0].State["active"] != "true" || found[0].State["created"] == "" {
		t.Errorf("%v", found[0].State)
	}
}

func TestGetByManyIDs(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseLongLists: true})
	ids := w.children(1500)
	found, err := w.Get(background, provider.Selector{IDs: ids})
	if err != nil || len(found) != len(ids) || w.Counts()["GetChildrenAccounts"] != 2 {
		t.Errorf("%d of %d in %v, %v", len(found), len(ids), w.Counts(), err)
	}
}

// A name's part may fill many pages before the exact name comes.
func TestGetByNameBeyondThePage(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(1200)
	last := w.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child", "account_email": "x@example.com"}})
	found, err := w.Get(background, provider.Selector{Names: []string{"child"}})
	if err != nil || len(found) != 1 || found[0].ID != fmt.Sprint(last.ID) {
		t.Errorf("%v, %v", found, err)
	}
}

// Where ignore_invalid_accounts doesn't help, the ids that are refused are found by halves.
func TestGetWhereAnInvalidIDSpoilsTheCall(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := append(w.children(7), "99")
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 194, Match: map[string]string{"child_account_id": "99"}})
	found, err := w.Get(background, provider.Selector{IDs: ids})
	if err != nil || len(found) != 7 {
		t.Errorf("%d, %v", len(found), err)
	}
}

func TestGetOfWhatWasNotAskedFor(t *testing.T) {
	r := stub(t, respond(200, "application/json", page))
	_, err := r.Get(background, provider.Selector{IDs: []string{"6"}})
	wantError(t, err, account.Incomplete, false)
}

// lostAnswers are what may befall the answer to a write, and whether the write was made.
var lostAnswers = []struct {
	fault simulator.Fault
	made  bool
}{
	{simulator.Fault{Kind: simulator.FaultLoseAnswer}, true},
	{simulator.Fault{Kind: simulator.FaultTruncate}, true},
	{simulator.Fault{Kind: simulator.FaultHuge, Bytes: 2 << 20}, true},
	{simulator.Fault{Kind: simulator.FaultReset, AfterChange: true}, true},
	{simulator.Fault{Kind: simulator.FaultReset}, false},
	{simulator.Fault{Kind: simulator.FaultHTTP, Status: 504, AfterChange: true}, true},
	{simulator.Fault{Kind: simulator.FaultError, Code: 9, AfterChange: true}, true},
	{simulator.Fault{Kind: simulator.FaultRedirect, URL: "http://127.0.0.1:1/", AfterChange: true}, true},
}

func TestLostAnswersLeaveTheOutcomeUnknown(t *testing.T) {
	for _, test := range lostAnswers {
		t.Run(fmt.Sprint(test.fault.Kind, test.fault.AfterChange), func(t *testing.T) {
			w := newWorld(t, simulator.Settings{}, func(c *Config) { c.MaxAnswer, c.MaxList = 1<<20, 1<<20 })
			id := w.children(1)
			w.AddFault(test.fault)
			_, err := w.Create(background, newAccount("child-1"))
			wantError(t, err, account.Unavailable, true)
			err = w.Remote.Update(background, updateOf(id, []account.Change{change(t, "active", "false")}))
			wantError(t, err, account.Unavailable, true)
			_, err = w.Get(background, provider.Selector{IDs: id})
			wantError(t, err, account.Unavailable, false)
			if _, made := w.Simulator.Account("child-1"); made != test.made {
				t.Errorf("made: %v", made)
			}
			if counts := w.Counts(); counts["AddAccount"] != 1 || counts["SetChildAccountInfo"] != 1 {
				t.Errorf("a write was repeated: %v", counts)
			}
		})
	}
}

func TestTokenIsSignedAnewOnce(t *testing.T) {
	for _, code := range []int{455, 456} {
		now := time.Now()
		w := newWorld(t, simulator.Settings{}, func(c *Config) {
			c.Clock = func() time.Time { now = now.Add(time.Second); return now }
		})
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: code, Times: 1})
		if _, err := w.Create(background, newAccount("child-1")); err != nil {
			t.Fatal(err)
		}
		if got := w.called(); !slices.Equal(got, []string{"AddAccount", "AddAccount"}) {
			t.Errorf("%v", got)
		}
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: code})
		_, err := w.Create(background, newAccount("child-2"))
		wantError(t, err, account.Unauthorized, false)
		if n := len(w.called()); n != 4 {
			t.Errorf("%d calls; want two more", n)
		}
	}
}

// Really expired: the clock of the Remote stands still while the service's goes on.
func TestExpiredToken(t *testing.T) {
	now := time.Now()
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey(), Clock: func() time.Time { return now.Add(2 * tokenLife) }})
	parent := sim.AddParent(simulator.Parent{Name: "late", Email: "late@example.com"})
	r := stub(t, sim.Handler().ServeHTTP, func(c *Config) {
		c.Credentials = credentials(t, sim.Credentials(parent.ID))
		c.Clock = func() time.Time { return now }
	})
	_, err := r.Self(background)
	if e := wantError(t, err, account.Unauthorized, false); e.Code != 456 || !strings.Contains(e.Message, "clock") {
		t.Error(e)
	}
	if n := sim.Counts()["GetAccountInfo"]; n != 2 {
		t.Errorf("%d calls", n)
	}
}

// A refused token is not sent again.
func TestRefusedTokenIsDropped(t *testing.T) {
	var tokens []string
	now := time.Now()
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		tokens = append(tokens, req.Header.Get("Authorization"))
		body := `{"error": {"code": 455, "msg": "Token issued in the future."}}`
		if len(tokens) > 1 {
			body = page
		}
		respond(200, "application/json", body)(w, req)
	}, func(c *Config) { c.Clock = func() time.Time { now = now.Add(time.Second); return now } })
	for range 2 {
		if _, err := r.Get(background, provider.Selector{IDs: []string{"5"}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(tokens) != 3 || tokens[0] == tokens[1] || tokens[1] != tokens[2] {
		t.Errorf("%d tokens", len(tokens))
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true})
	ids := w.children(20)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if accounts, _, err := list(w.Remote, provider.Known{IDs: ids}); err != nil || len(accounts) < len(ids) {
				t.Errorf("%d accounts, %v", len(accounts), err)
			}
			created, err := w.Create(background, newAccount(fmt.Sprintf("at-once-%d", i)))
			if err != nil {
				t.Error(err)
				return
			}
			if err := w.Remote.Update(background, updateOf([]string{created.Account.ID}, []account.Change{change(t, "active", "false")})); err != nil {
				t.Error(err)
			}
			if found, err := w.Get(background, selectNames(created.Account.Name)); err != nil || len(found) != 1 || found[0].State["active"] != "false" {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
	group.Wait()
	if w.ListMethod() != "unfiltered" {
		t.Errorf("method %s", w.ListMethod())
	}
}

func TestRefusedCredentials(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	if _, err := w.Self(background); err != nil {
		t.Fatal(err)
	}
	w.RevokeKey(w.Client().config.Credentials.KeyID)
	_, err := w.Self(background)
	wantError(t, err, account.Unauthorized, false)
	_, _, err = list(w.Remote, provider.Known{})
	wantError(t, err, account.Unauthorized, false)
}

func TestMissingRoles(t *testing.T) {
	for _, code := range []int{100, 104} {
		w := newWorld(t, simulator.Settings{MissingRoleCode: code})
		admin := func(c *Config) {
			c.Credentials = credentials(t, w.Simulator.Credentials(w.parent.ID, simulator.RoleAdmin))
		}
		r := w.remote(t, admin)
		if _, err := r.Self(background); err != nil {
			t.Fatal(err)
		}
		_, _, err := list(r, provider.Known{})
		wantError(t, err, account.RoleMissing, false)
		if r.ListMethod() != "all" {
			t.Errorf("a missing role changed the method to %s", r.ListMethod())
		}
	}
}

func TestChildAccountsNotEnabled(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	if err := w.SetField(w.parent.ID, "children_enabled", false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Create(background, newAccount("child-1"))
	wantError(t, err, account.BlockedNotEnabled, false)
}

func TestParentKeyWanted(t *testing.T) {
	w := newWorld(t, simulator.Settings{RequireParentCredentials: true})
	_, err := w.Create(background, newAccount("child-1"))
	if e := wantError(t, err, account.Unauthorized, false); !strings.Contains(e.Message, "apiKeySecretRef") {
		t.Error(e)
	}
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Create(background, newAccount("child-1"))
	wantError(t, err, account.RoleMissing, false)
}

func TestErrorsAsAList(t *testing.T) {
	w := newWorld(t, simulator.Settings{ErrorsList: true})
	_, err := w.Create(background, newAccount("abc"))
	wantError(t, err, account.Invalid, false)
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, simulator.Settings{RateLimit: 0.0001})
	if _, err := w.Self(background); err != nil {
		t.Fatal(err)
	}
	_, err := w.Self(background)
	wantError(t, err, account.Throttled, false)
}

// Every error at the seam is an *account.Error.
func TestErrorsAreTyped(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.AddFault(simulator.Fault{Kind: simulator.FaultDown})
	_, err1 := w.Self(background)
	_, err2 := w.Get(background, provider.Selector{Names: []string{"child-1"}})
	_, _, err3 := list(w.Remote, provider.Known{})
	_, err4 := w.Create(background, newAccount("child-1"))
	err5 := w.Remote.Update(background, updateOf([]string{"5"}, []account.Change{change(t, "active", "true")}))
	_, err6 := w.RecoverKey(background, "5", goodPassword)
	_, err7 := w.remote(t, withParentKey).RecoverKey(background, "5", "")
	err8 := w.SetPassword(background, provider.Target{ID: "5"}, goodPassword)
	_, err9 := w.Remote.CheckPassword(background, "5", goodPassword)
	err10 := w.SetCustomData(background, "5", "x")
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10} {
		var e *account.Error
		if !errors.As(err, &e) || e.Class != account.Unavailable || e.Method == "" {
			t.Errorf("%d: %#v", i+1, err)
		}
	}
}

// The claim comes back as it was written, quotes and all.
func TestClaim(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	claim := account.Claim{Installation: `a"b\c`, Namespace: "telephonie-münchen", Name: "child-1"}
	n := newAccount("child-1")
	n.CustomData = claim.CustomData()
	created, err := w.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	found, err := w.Get(background, provider.Selector{IDs: []string{created.Account.ID}})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, a := range []account.Account{created.Account, found[0]} {
		if got, ok := a.Claim(); !ok || got != claim {
			t.Errorf("%v in %q", got, a.CustomData)
		}
	}
	if len(Fields()) != len(w.Fields()) {
		t.Error("two field tables")
	}
}
