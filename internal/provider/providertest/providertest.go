// Package providertest has the contracts of package provider as tests. A provider's Remote has to pass Run, against a service that
// behaves as the real one does: a simulator of it, or the fake.
package providertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Harness is a service without child accounts, and what a test has to be able to do on the service's side.
type Harness struct {
	// Remote is a connection to the service; SelfID the id of the parent account that it is of.
	Remote provider.Parent
	SelfID string
	// NewAccount is one that can be created; those of different numbers have nothing in common that has to be unique. It
	// declares each Settable field, and custom data.
	NewAccount func(n int) provider.NewAccount
	// Values are two values of an Updatable field that differ, and can both be written. They are unique to the number.
	Values func(path string, n int) [2]string
	// Spelling is another spelling of a name that finds the same account; the name itself where there is none.
	Spelling func(name string) string
	// Stored are all values of an account on the service's side by path, those that are never shown too.
	Stored func(t *testing.T, id string) account.State
	// Remove takes an account away.
	Remove func(t *testing.T, id string)
	// Calls is how many calls came in so far.
	Calls func() int
	// LoseAnswer has the next call carried out and its answer lost.
	LoseAnswer func()
	// LoseWrite is LoseAnswer for the next call that changes something, as some writes read first. Nil: LoseAnswer is for that, too.
	LoseWrite func()
	// ReadsBeforeUpdate is set where Update and SetPassword read the account first, in a call of their own.
	ReadsBeforeUpdate bool
	// NamesRepeat is set where the service makes a second account with a name, or refuses it as it refuses any value.
	NamesRepeat bool
	// Outage has the next call answered with nothing of use, and not carried out. Throttle has it refused as one too many,
	// for at least a second.
	Outage, Throttle func()
	// UnknownID can't be any account's.
	UnknownID string
	// KeyRole is a role that a service-account key can have; "" where the Remote is no ServiceKeyer. KeyWorks says whether the service accepts
	// what is signed with such a key; nil where that can't be tried.
	KeyRole  string
	KeyWorks func(t *testing.T, credentials account.Secret) bool
	// NextPassword is another good password.
	NextPassword account.Secret
}

var background = context.Background()

// Run runs all tests, each with a harness of its own. What a Remote does not implement is left out.
func Run(t *testing.T, start func(t *testing.T) *Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *Harness){
		"Fields":                             testFields,
		"Identifier":                         testSelf,
		"List has every account":             testList,
		"List ends when it is told":          testListEnds,
		"List while accounts are created":    testListWhileCreating,
		"Get":                                testGet,
		"Create":                             testCreate,
		"Create refuses without a call":      testCreateRefuses,
		"Create with unknown outcome":        testCreateWithUnknownOutcome,
		"Update changes what it is told":     testUpdate,
		"Update writes to several":           testUpdateSeveral,
		"Update refuses without a call":      testUpdateRefuses,
		"Update with unknown outcome":        testUpdateWithUnknownOutcome,
		"Update of what is gone":             testUpdateGone,
		"Update of what was changed":         testUpdateOutdated,
		"Errors have their class":            testClasses,
		"Claimer":                            testClaims,
		"PasswordSetter and PasswordChecker": testPasswords,
		"KeyRecoverer":                       testKeys,
		"ServiceKeyer":                       testServiceKeys,
		"Planner":                            testPlans,
		"Cloner":                             testClones,
		"Verifier and Treasurer":             testBesideList,
		"CallbackSalter":                     testSalts,
		"OwnKeeper":                          testOwn,
		"Calls at one time":                  testConcurrency,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// create makes an account that a test is about, and returns it as it is read.
func (h *Harness) create(t *testing.T, n int) account.Account {
	t.Helper()
	if _, err := h.Remote.Create(background, h.NewAccount(n)); err != nil {
		t.Fatalf("create: %v", err)
	}
	return h.named(t, h.NewAccount(n).Name)
}

func (h *Harness) named(t *testing.T, name string) account.Account {
	t.Helper()
	found, err := h.Remote.Get(background, provider.Selector{Names: []string{name}})
	if err != nil || len(found) != 1 {
		t.Fatalf("get %s: %v, %v", name, found, err)
	}
	return found[0]
}

// target is the account with all that is known of it, as a directory would have it.
func (h *Harness) target(t *testing.T, a account.Account, n int) provider.Target {
	t.Helper()
	password := h.NewAccount(n).Password
	return provider.Target{ID: a.ID, Observed: a.State, Desired: h.NewAccount(n).Desired, Password: known(password)}
}

func known(password account.Secret) func(context.Context) (account.Secret, error) {
	return func(context.Context) (account.Secret, error) { return password, nil }
}

// wantError checks an error as wantedError does.
func wantError(t *testing.T, h *Harness, err error, outcomeUnknown bool, classes ...account.Class) {
	t.Helper()
	_ = wantedError(t, h, err, outcomeUnknown, classes...)
}

// wantedError checks the class and OutcomeUnknown of an error, and that it has no secret.
func wantedError(t *testing.T, h *Harness, err error, outcomeUnknown bool, classes ...account.Class) *account.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", classes)
	}
	e := account.AsError(err)
	if !slices.Contains(classes, e.Class) || e.OutcomeUnknown != outcomeUnknown || e.Message == "" {
		t.Errorf("%#v; want class %v, outcomeUnknown %v", e, classes, outcomeUnknown)
	}
	for _, secret := range []account.Secret{h.NewAccount(1).Password, h.NextPassword} {
		if secret != "" && strings.Contains(fmt.Sprintf("%+v", e), secret.Reveal()) {
			t.Errorf("a secret shows: %+v", e)
		}
	}
	return e
}

// silently checks that no call came in meanwhile.
func (h *Harness) silently(t *testing.T, what string, do func() error, classes ...account.Class) {
	t.Helper()
	before := h.Calls()
	wantError(t, h, do(), false, classes...)
	if n := h.Calls() - before; n != 0 {
		t.Errorf("%s: refused after %d calls", what, n)
	}
}

func testFields(t *testing.T, h *Harness) {
	paths, marks, identities := map[string]bool{}, map[account.Mark]bool{}, 0
	delegated := map[string]bool{}
	for _, f := range h.Remote.Fields() {
		if is, known := delegated[f.Group]; f.Updatable && known && is != f.Delegated {
			t.Errorf("%s: its group %q has fields that are changed acting as the account itself, and others", f.Path, f.Group)
		} else if f.Updatable {
			delegated[f.Group] = f.Delegated
		}
		if paths[f.Path] || f.Mark != account.MarkNone && marks[f.Mark] {
			t.Errorf("%s: its path or mark %q is there twice", f.Path, f.Mark)
		}
		paths[f.Path], marks[f.Mark] = true, true
		if f.Identity {
			identities++
		}
		testField(t, f)
		if f.Updatable {
			testValues(t, f, h.Values(f.Path, 1))
		}
	}
	if identities != 1 {
		t.Errorf("%d fields identify an account", identities)
	}
}

// testField checks that a row of the field table does not contradict itself.
func testField(t *testing.T, f account.Field) {
	t.Helper()
	switch {
	case f.Path == "":
		t.Error("a field without a path")
	case f.Identity && !(f.Settable && f.Readable):
		t.Errorf("%s can't identify an account", f.Path)
	case !f.Settable && !f.Updatable && !f.Readable:
		t.Errorf("%s is of no use", f.Path)
	case contradicts(f):
		t.Errorf("%s contradicts itself: %+v", f.Path, f)
	case !f.ReadOnly() && f.Check == nil:
		t.Errorf("%s accepts anything", f.Path)
	}
	testMark(t, f)
}

// contradicts says whether what a row says of when the field is sent excludes something else that the row says.
func contradicts(f account.Field) bool {
	return (f.CreateDefault != "" || f.Clonable) && !f.Settable || f.Batchable && !f.Updatable || f.Group != "" && !f.Updatable ||
		f.Delegated && (!f.Updatable || f.Batchable || f.Group == "" || f.Identity) || f.OmittedEmpty && !f.Readable
}

// testMark checks that a field can be what its mark says.
func testMark(t *testing.T, f account.Field) {
	t.Helper()
	active := f.Kind == account.KindBool && f.Readable
	frozen := f.Kind == account.KindBool && f.ReadOnly()
	if f.Mark == account.MarkActive && !active || f.Mark == account.MarkFrozen && !frozen {
		t.Errorf("%s can't be %s", f.Path, f.Mark)
	}
}

// testValues checks that two values of a field are accepted, differ, and have one canonical spelling each.
func testValues(t *testing.T, f account.Field, values [2]string) {
	t.Helper()
	if f.Normal(values[0]) == f.Normal(values[1]) {
		t.Errorf("%s: %v are one value", f.Path, values)
	}
	for _, v := range values {
		if err := f.Check(v); err != nil || f.Normal(f.Normal(v)) != f.Normal(v) {
			t.Errorf("%s=%q: %v", f.Path, v, err)
		}
	}
}

func testSelf(t *testing.T, h *Harness) {
	for range 2 {
		if self, err := h.Remote.Self(background); err != nil || self.ID != h.SelfID {
			t.Errorf("%+v, %v; want account %s", self, err, h.SelfID)
		}
	}
}

// list reads the whole list.
func (h *Harness) list(ctx context.Context, known provider.Known) (pages []provider.Page, accounts []account.Account, err error) {
	err = h.Remote.List(ctx, known, func(p provider.Page) {
		pages = append(pages, p)
		accounts = append(accounts, p.Accounts...)
	})
	return pages, accounts, err
}

func testList(t *testing.T, h *Harness) {
	if _, accounts, err := h.list(background, provider.Known{}); err != nil || len(accounts) != 0 {
		t.Fatalf("of nothing: %v, %v", accounts, err)
	}
	known := provider.Known{}
	want := map[string]account.Account{}
	for n := range 7 {
		a := h.create(t, n)
		want[a.ID] = a
		known.IDs = append(known.IDs, a.ID)
	}
	pages, accounts, err := h.list(background, known)
	if err != nil || len(accounts) != len(want) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	for i, a := range accounts {
		w, there := want[a.ID]
		if !there || a.Name != w.Name || a.CustomData != w.CustomData || !maps.Equal(a.State, w.State) {
			t.Errorf("listed %+v, read %+v", a, w)
		}
		delete(want, a.ID)
		partial := slices.ContainsFunc(pages, func(p provider.Page) bool { return p.Partial })
		if i > 0 && !partial && !ascend(accounts[i-1].ID, a.ID) {
			t.Errorf("ids %s, %s", accounts[i-1].ID, a.ID)
		}
	}
	h.LoseAnswer()
	if _, _, err := h.list(background, known); err == nil {
		t.Error("a list without its answer is complete")
	} else {
		wantError(t, h, err, false, account.Unavailable, account.Incomplete)
	}
}

// ascend says whether b comes after a, as numbers where they are some.
func ascend(a, b string) bool { return len(a) < len(b) || len(a) == len(b) && a < b }

func testListEnds(t *testing.T, h *Harness) {
	known := provider.Known{}
	for n := range 7 {
		known.IDs = append(known.IDs, h.create(t, n).ID)
	}
	ctx, cancel := context.WithCancel(background)
	pages, calls := 0, 0
	err := h.Remote.List(ctx, known, func(provider.Page) {
		pages++
		if pages == 1 {
			calls = h.Calls()
			cancel()
		}
	})
	if more := h.Calls() - calls; more > 0 {
		t.Errorf("cancelled on the first page, but %d more calls, %d pages, %v", more, pages, err)
	}
	h.silently(t, "a list under a context that has ended", func() error {
		_, _, err := h.list(ctx, known)
		return err
	}, account.Unavailable)
}

// testListWhileCreating creates an account after each page: those that were there before are all listed.
func testListWhileCreating(t *testing.T, h *Harness) {
	known, listed := provider.Known{}, map[string]bool{}
	for n := range 7 {
		known.IDs = append(known.IDs, h.create(t, n).ID)
	}
	pages := 0
	err := h.Remote.List(background, known, func(p provider.Page) {
		for _, a := range p.Accounts {
			if listed[a.ID] {
				t.Errorf("%s is listed twice", a.ID)
			}
			listed[a.ID] = true
		}
		if pages++; pages <= 7 {
			if _, err := h.Remote.Create(background, h.NewAccount(100+pages)); err != nil {
				t.Errorf("create: %v", err)
			}
		}
	})
	for _, id := range known.IDs {
		if !listed[id] || err != nil {
			t.Errorf("%s is listed: %v, %v", id, listed[id], err)
		}
	}
}

func testGet(t *testing.T, h *Harness) {
	if found, err := h.Remote.Get(background, provider.Selector{}); err != nil || len(found) != 0 {
		t.Errorf("nothing: %v, %v", found, err)
	}
	two, one := h.create(t, 11), h.create(t, 1) // a provider whose filter matches parts of names shows the former first
	for what, c := range map[string]struct {
		sel  provider.Selector
		want []string
	}{
		"by id":            {provider.Selector{IDs: []string{two.ID}}, []string{two.ID}},
		"by name":          {provider.Selector{Names: []string{one.Name}}, []string{one.ID}},
		"another spelling": {provider.Selector{Names: []string{h.Spelling(one.Name)}}, []string{one.ID}},
		"by both":          {provider.Selector{IDs: []string{one.ID}, Names: []string{two.Name, one.Name}}, []string{one.ID, two.ID}},
		"twice":            {provider.Selector{IDs: []string{one.ID, one.ID}}, []string{one.ID}},
		"an unknown id":    {provider.Selector{IDs: []string{h.UnknownID, one.ID}}, []string{one.ID}},
		"an unknown name":  {provider.Selector{Names: []string{h.NewAccount(5).Name}}, nil},
		"unknown ones":     {provider.Selector{IDs: []string{h.UnknownID}, Names: []string{h.NewAccount(5).Name}}, nil},
	} {
		found, err := h.Remote.Get(background, c.sel)
		var ids []string
		for _, a := range found {
			ids = append(ids, a.ID)
		}
		if slices.Sort(ids); err != nil || !slices.Equal(ids, slices.Sorted(slices.Values(c.want))) {
			t.Errorf("%s: %v, %v; want %v", what, ids, err, c.want)
		}
	}
}

func testCreate(t *testing.T, h *Harness) {
	schema := h.Remote.Fields()
	n := h.NewAccount(1)
	before := h.Calls()
	created, err := h.Remote.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	if calls := h.Calls() - before; calls != 1 {
		t.Errorf("%d calls", calls)
	}
	a := h.named(t, n.Name)
	if id := created.Account.ID; id != a.ID && id != "" || id == "" && created.APIKey != "" {
		t.Errorf("created %q with the key %q, read %q", id, created.APIKey.Reveal(), a.ID)
	}
	if _, claims := h.Remote.(provider.Claimer); a.CustomData != map[bool]string{true: n.CustomData}[claims] {
		t.Errorf("custom data %q", a.CustomData)
	}
	stored := h.Stored(t, a.ID)
	for _, f := range schema {
		want, declared := n.Desired[f.Path]
		if !declared {
			want = f.CreateDefault
		}
		if !f.Settable || f.NameOnly() || want == "" {
			continue
		}
		for where, state := range map[string]account.State{"sent": created.Account.State, "stored": stored} {
			if v := state[f.Path]; f.Normal(v) != f.Normal(want) {
				t.Errorf("%s: %s is %q, want %q", f.Path, where, v, want)
			}
		}
		if v, shown := a.State[f.Path]; shown != f.Readable || shown && v != f.Normal(want) {
			t.Errorf("%s: shown %q (%v), want %q", f.Path, v, shown, want)
		}
	}
	h.createAgain(t, n)
}

// createAgain checks what comes of a second account with a name that an account has.
func (h *Harness) createAgain(t *testing.T, n provider.NewAccount) {
	t.Helper()
	_, err := h.Remote.Create(background, n)
	accounts := 1
	switch {
	case !h.NamesRepeat:
		wantError(t, h, err, false, account.NameTaken)
	case err != nil:
		wantError(t, h, err, false, account.Invalid)
	default:
		accounts = 2
	}
	found, err := h.Remote.Get(background, provider.Selector{Names: []string{n.Name}})
	if err != nil || len(found) != accounts {
		t.Errorf("%d accounts with the name, and read were %v, %v", accounts, found, err)
	}
}

// loseWrite has the next call that changes something carried out and its answer lost.
func (h *Harness) loseWrite() {
	if h.LoseWrite == nil {
		h.LoseAnswer()
		return
	}
	h.LoseWrite()
}

// callsOfUpdate is how many calls an update makes.
func (h *Harness) callsOfUpdate() int {
	if h.ReadsBeforeUpdate {
		return 2
	}
	return 1
}

func testCreateRefuses(t *testing.T, h *Harness) {
	for _, f := range h.Remote.Fields() {
		if f.Check == nil || f.Check("") == nil || !f.Settable || f.NameOnly() {
			continue
		}
		n := h.NewAccount(1)
		n.Desired = n.Desired.With(account.State{f.Path: ""})
		before := h.Calls()
		_, err := h.Remote.Create(background, n)
		if e := wantedError(t, h, err, false, account.Invalid); e.Field != f.Path || h.Calls() != before {
			t.Errorf("%s: %v after %d calls", f.Path, e, h.Calls()-before)
		}
	}
}

// After a lost answer the account may be there, nothing is sent again, and a look says which.
func testCreateWithUnknownOutcome(t *testing.T, h *Harness) {
	n := h.NewAccount(1)
	h.loseWrite()
	before := h.Calls()
	_, err := h.Remote.Create(background, n)
	wantError(t, h, err, true, account.Unavailable)
	if calls := h.Calls() - before; calls != 1 {
		t.Errorf("%d calls", calls)
	}
	h.named(t, n.Name)

	h.Outage()
	before = h.Calls()
	_, err = h.Remote.Create(background, h.NewAccount(2))
	if e := account.AsError(err); e == nil || e.Class != account.Unavailable {
		t.Errorf("during an outage: %#v", err)
	}
	if calls := h.Calls() - before; calls != 1 {
		t.Errorf("%d calls during an outage", calls)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	h.silently(t, "a context that has ended", func() error {
		_, err := h.Remote.Create(ctx, h.NewAccount(3))
		return err
	}, account.Unavailable)
}

// update writes one field.
func (h *Harness) update(t provider.Target, path, to string) error {
	f, _ := h.Remote.Fields().Field(path)
	return h.Remote.Update(background, provider.Update{Targets: []provider.Target{t}, Changes: []account.Change{{Field: f, To: to, Origin: account.FromSpec}}})
}

// same checks that the account has just these values on the service's side.
func (h *Harness) same(t *testing.T, what, id string, want account.State) {
	t.Helper()
	schema, is := h.Remote.Fields(), h.Stored(t, id)
	if !maps.Equal(schema.Normal(is), schema.Normal(want)) {
		t.Errorf("%s: is %v, want %v", what, schema.Normal(is), schema.Normal(want))
	}
}

// Each field can be changed and changed back, twice over, and no other field changes with it.
func testUpdate(t *testing.T, h *Harness) {
	a := h.create(t, 1)
	before, desired := h.Stored(t, a.ID), h.NewAccount(1).Desired
	for _, f := range h.Remote.Fields() {
		if !f.Updatable {
			continue
		}
		for _, to := range []string{h.Values(f.Path, 1)[0], h.Values(f.Path, 1)[1], h.Values(f.Path, 1)[1]} {
			// What is declared stays so for later writes: an API that replaces the whole account wants it again.
			desired = desired.With(account.State{f.Path: to})
			target := h.target(t, a, 1)
			target.Observed, target.Desired = h.read(t, a.ID), desired
			calls := h.Calls()
			if err := h.update(target, f.Path, to); err != nil {
				t.Fatalf("%s=%q: %v", f.Path, to, err)
			}
			if n := h.Calls() - calls; n != h.callsOfUpdate() {
				t.Errorf("%s: %d calls", f.Path, n)
			}
			before[f.Path] = to
			h.same(t, f.Path, a.ID, before)
			if v, shown := h.read(t, a.ID)[f.Path]; shown != f.Readable || shown && v != f.Normal(to) {
				t.Errorf("%s is shown as %q (%v), written was %q", f.Path, v, shown, to)
			}
		}
	}
	calls := h.Calls()
	if err := h.Remote.Update(background, provider.Update{Targets: []provider.Target{h.target(t, a, 1)}}); err != nil || h.Calls() != calls {
		t.Errorf("no changes: %v after %d calls", err, h.Calls()-calls)
	}
}

func (h *Harness) read(t *testing.T, id string) account.State {
	t.Helper()
	found, err := h.Remote.Get(background, provider.Selector{IDs: []string{id}})
	if err != nil || len(found) != 1 {
		t.Fatalf("get %s: %v, %v", id, found, err)
	}
	return found[0].State
}

func testUpdateSeveral(t *testing.T, h *Harness) {
	one, two, other := h.create(t, 1), h.create(t, 2), h.create(t, 3)
	stored := h.Stored(t, other.ID)
	for _, f := range h.Remote.Fields() {
		if !f.Batchable {
			continue
		}
		u := provider.Update{
			Targets: []provider.Target{h.target(t, one, 1), h.target(t, two, 2)},
			Changes: []account.Change{{Field: f, To: h.Values(f.Path, 1)[1]}},
		}
		calls := h.Calls()
		if err := h.Remote.Update(background, u); err != nil || h.Calls() != calls+1 {
			t.Errorf("%s: %v after %d calls", f.Path, err, h.Calls()-calls)
		}
		for _, a := range []account.Account{one, two} {
			if v := h.Stored(t, a.ID)[f.Path]; f.Normal(v) != f.Normal(u.Changes[0].To) {
				t.Errorf("%s of %s is %q", f.Path, a.ID, v)
			}
		}
		h.same(t, f.Path, other.ID, stored)
	}
}

func testUpdateRefuses(t *testing.T, h *Harness) {
	one, two := h.create(t, 1), h.create(t, 2)
	refused := func(what string, f account.Field, to string, targets ...provider.Target) {
		t.Helper()
		h.silently(t, what, func() error {
			return h.Remote.Update(background, provider.Update{Targets: targets, Changes: []account.Change{{Field: f, To: to}}})
		}, account.Invalid)
	}
	refused("an unknown field", account.Field{Path: "of.another.table", Updatable: true}, "x", h.target(t, one, 1))
	for _, f := range h.Remote.Fields() {
		switch {
		case !f.Updatable:
			refused(f.Path, f, "x", h.target(t, one, 1))
		case !f.Batchable:
			refused(f.Path, f, h.Values(f.Path, 1)[1], h.target(t, one, 1), h.target(t, two, 2))
		}
		if f.Updatable && f.Check("") != nil {
			refused(f.Path, f, "", h.target(t, one, 1))
		}
	}
}

func testUpdateWithUnknownOutcome(t *testing.T, h *Harness) {
	a := h.create(t, 1)
	f := h.changeable(t)
	to := h.Values(f.Path, 1)[1]
	h.loseWrite()
	wantError(t, h, h.update(h.target(t, a, 1), f.Path, to), true, account.Unavailable)
	if v := h.read(t, a.ID)[f.Path]; v != f.Normal(to) {
		t.Errorf("%s is %q after a lost answer", f.Path, v)
	}
	if err := h.update(h.target(t, a, 1), f.Path, to); err != nil {
		t.Errorf("repeated: %v", err)
	}
}

// changeable is a field that can be changed and read.
func (h *Harness) changeable(t *testing.T) account.Field {
	t.Helper()
	for _, f := range h.Remote.Fields() {
		if f.Updatable && f.Readable && !f.Identity {
			return f
		}
	}
	t.Fatal("no field can be changed and read")
	return account.Field{}
}

func testUpdateGone(t *testing.T, h *Harness) {
	a := h.create(t, 1)
	h.Remove(t, a.ID)
	f := h.changeable(t)
	wantError(t, h, h.update(h.target(t, a, 1), f.Path, h.Values(f.Path, 1)[1]), false, account.NotFound)
	if found, err := h.Remote.Get(background, provider.Selector{IDs: []string{a.ID}, Names: []string{a.Name}}); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// An account that somebody has changed since it was read is not overwritten by an update that replaces all of it.
func testUpdateOutdated(t *testing.T, h *Harness) {
	if !h.ReadsBeforeUpdate {
		t.Skip("reads nothing before an update")
	}
	a := h.create(t, 1)
	f := h.changeable(t)
	var other account.Field
	for _, o := range h.Remote.Fields() {
		if o.Updatable && o.Readable && o.Path != f.Path {
			other = o
		}
	}
	if err := h.update(h.target(t, a, 1), f.Path, h.Values(f.Path, 1)[1]); err != nil {
		t.Fatal(err)
	}
	stored := h.Stored(t, a.ID)
	wantError(t, h, h.update(h.target(t, a, 1), other.Path, h.Values(other.Path, 1)[1]), false, account.Outdated)
	h.same(t, "an update that is outdated", a.ID, stored)
	if setter, ok := h.Remote.(provider.PasswordSetter); ok {
		wantError(t, h, setter.SetPassword(background, h.target(t, a, 1), h.NextPassword), false, account.Outdated)
		h.same(t, "a password that is outdated", a.ID, stored)
	}
	fresh := h.target(t, a, 1)
	fresh.Observed = h.read(t, a.ID)
	if err := h.update(fresh, other.Path, h.Values(other.Path, 1)[1]); err != nil {
		t.Errorf("after a read: %v", err)
	}
}

func testClasses(t *testing.T, h *Harness) {
	a := h.create(t, 1)
	f := h.changeable(t)
	for what, call := range map[string]func() error{
		"Self": func() error { _, err := h.Remote.Self(background); return err },
		"List": func() error {
			_, _, err := h.list(background, provider.Known{IDs: []string{a.ID}})
			return err
		},
		"Get":    func() error { _, err := h.Remote.Get(background, provider.Selector{IDs: []string{a.ID}}); return err },
		"Create": func() error { _, err := h.Remote.Create(background, h.NewAccount(2)); return err },
		"Update": func() error { return h.update(h.target(t, a, 1), f.Path, h.Values(f.Path, 1)[1]) },
	} {
		h.Throttle()
		if e := wantedError(t, h, call(), false, account.Throttled); e.RetryAfter <= 0 {
			t.Errorf("%s does not say for how long: %#v", what, e)
		}
		h.Outage()
		if e := account.AsError(call()); e == nil || e.Class != account.Unavailable || e.OutcomeUnknown && what != "Create" && what != "Update" {
			t.Errorf("%s during an outage: %#v", what, e)
		}
	}
}

func testClaims(t *testing.T, h *Harness) {
	claimer, ok := h.Remote.(provider.Claimer)
	if !ok {
		t.Skip("keeps no claims")
	}
	a := h.create(t, 1)
	before := h.Stored(t, a.ID)
	claim := account.Claim{Installation: "one", Namespace: "telephony", Name: "acme"}
	for range 2 {
		if err := claimer.SetCustomData(background, a.ID, claim.CustomData()); err != nil {
			t.Fatal(err)
		}
	}
	is := h.named(t, a.Name)
	if got, ok := is.Claim(); !ok || got != claim {
		t.Errorf("the claim came back as %v, %v", got, ok)
	}
	if f, ok := h.Remote.Fields().Marked(account.MarkCustomData); ok {
		before[f.Path] = claim.CustomData()
	}
	h.same(t, "a claim", a.ID, before)
	h.silently(t, "no custom data", func() error { return claimer.SetCustomData(background, a.ID, "") }, account.Invalid)
}

func testSalts(t *testing.T, h *Harness) {
	salter, ok := h.Remote.(provider.CallbackSalter)
	if !ok {
		t.Skip("signs no callbacks")
	}
	a := h.create(t, 1)
	before := h.Stored(t, a.ID)
	for range 2 {
		if err := salter.SetCallbackSalt(background, a.ID, "a-salt"); err != nil {
			t.Fatal(err)
		}
	}
	h.same(t, "a salt", a.ID, before)
	h.silently(t, "no salt", func() error { return salter.SetCallbackSalt(background, a.ID, "") }, account.Invalid)
	wantError(t, h, salter.SetCallbackSalt(background, h.UnknownID, "a-salt"), false, account.NotFound)
	h.LoseAnswer()
	wantError(t, h, salter.SetCallbackSalt(background, a.ID, "another-salt"), true, account.Unavailable)
	h.Throttle()
	wantError(t, h, salter.SetCallbackSalt(background, a.ID, "another-salt"), false, account.Throttled)
}

func testPasswords(t *testing.T, h *Harness) {
	setter, ok := h.Remote.(provider.PasswordSetter)
	if !ok {
		t.Skip("sets no passwords")
	}
	a := h.create(t, 1)
	before := h.Stored(t, a.ID)
	first := h.NewAccount(1).Password
	h.has(t, a.ID, first, true)
	if err := setter.SetPassword(background, h.target(t, a, 1), h.NextPassword); err != nil {
		t.Fatal(err)
	}
	h.has(t, a.ID, h.NextPassword, true)
	h.has(t, a.ID, first, false)
	h.same(t, "a password", a.ID, before)
	if err := setter.SetPassword(background, h.target(t, a, 1), h.NextPassword); err != nil {
		wantError(t, h, err, false, account.PasswordReused)
		if _, ok := h.Remote.(provider.PasswordChecker); !ok {
			t.Error("nothing tells whose the password is")
		}
	}
	h.has(t, a.ID, h.NextPassword, true)
	wantError(t, h, setter.SetPassword(background, h.target(t, a, 1), ""), false, account.PasswordRejected)

	b := h.create(t, 2)
	h.loseWrite()
	wantError(t, h, setter.SetPassword(background, h.target(t, b, 2), h.NextPassword), true, account.Unavailable)
	h.has(t, b.ID, h.NextPassword, true)
}

func testPlans(t *testing.T, h *Harness) {
	planner, ok := h.Remote.(provider.Planner)
	if !ok {
		t.Skip("has no plans")
	}
	a := h.create(t, 1)
	before := h.Stored(t, a.ID)
	offers, err := planner.PlanOffers(background, a.ID)
	if err != nil || len(offers) < 2 {
		t.Fatalf("offered are %v, %v; the service has to offer two plans of a type at least", offers, err)
	}
	first, last := offers[0], offers[1]
	for _, p := range []account.Plan{first, last} {
		if p.Type != first.Type || p.ID == "" || p.Charge == "" {
			t.Fatalf("offered is %+v", p)
		}
		if err := planner.ChangePlan(background, a.ID, account.Plan{Type: p.Type, ID: p.ID}); err != nil {
			t.Fatal(err)
		}
		if have, err := planner.Plans(background, a.ID); err != nil || !account.HasPlan(have, p) {
			t.Errorf("the account has %v, %v; want %v", have, err, p)
		}
	}
	h.same(t, "a plan", a.ID, before)
	if offers, err := planner.PlanOffers(background, a.ID); err != nil || account.HasPlan(offers, first) {
		t.Errorf("a cheaper plan is offered: %v, %v", offers, err)
	}
	wantError(t, h, planner.ChangePlan(background, a.ID, first), false, account.BlockedNotEnabled, account.Invalid)
	wantError(t, h, planner.ChangePlan(background, a.ID, account.Plan{Type: first.Type, ID: "999999"}), false, account.Invalid)

	b := h.create(t, 2)
	h.LoseAnswer()
	wantError(t, h, planner.ChangePlan(background, b.ID, first), true, account.Unavailable)
	if have, err := planner.Plans(background, b.ID); err != nil || !account.HasPlan(have, first) {
		t.Errorf("after a lost answer the account has %v, %v; want %v", have, err, first)
	}
	h.Outage()
	_, err = planner.Plans(background, b.ID)
	wantError(t, h, err, false, account.Unavailable)
	h.Outage()
	_, err = planner.PlanOffers(background, b.ID)
	wantError(t, h, err, false, account.Unavailable)
}

// has checks the account's password, where that can be.
func (h *Harness) has(t *testing.T, id string, password account.Secret, want bool) {
	t.Helper()
	checker, ok := h.Remote.(provider.PasswordChecker)
	if !ok {
		return
	}
	if has, err := checker.CheckPassword(background, id, password); err != nil || has != want {
		t.Errorf("has the password: %v, %v; want %v", has, err, want)
	}
	h.Outage()
	if has, err := checker.CheckPassword(background, id, password); has || err == nil {
		t.Errorf("has the password, during an outage: %v, %v", has, err)
	}
}

func testKeys(t *testing.T, h *Harness) {
	recoverer, ok := h.Remote.(provider.KeyRecoverer)
	if !ok {
		t.Skip("recovers no keys")
	}
	created, err := h.Remote.Create(background, h.NewAccount(1))
	if err != nil {
		t.Fatal(err)
	}
	id := h.named(t, h.NewAccount(1).Name).ID
	key, err := recoverer.RecoverKey(background, id, h.NewAccount(1).Password)
	if err != nil || key == "" || created.APIKey != "" && key != created.APIKey {
		t.Errorf("recovered %v: %v", key == created.APIKey, err)
	}
	if _, err := recoverer.RecoverKey(background, id, h.NextPassword); err != nil {
		wantError(t, h, err, false, account.Unauthorized)
	} else {
		t.Error("a wrong password shows the key")
	}
	_, err = recoverer.RecoverKey(background, id, "")
	wantError(t, h, err, false, account.Invalid)
	if shower, ok := h.Remote.(provider.KeyShower); ok {
		h.testSignIn(t, shower, id, key)
	}
}

// testSignIn checks what a sign-in shows: the key to the account's password, and nothing to another one, or during an outage.
func (h *Harness) testSignIn(t *testing.T, shower provider.KeyShower, id string, key account.Secret) {
	t.Helper()
	if has, shown, err := shower.SignIn(background, id, h.NewAccount(1).Password); err != nil || !has || shown != key {
		t.Errorf("signed in: %v, the key: %v, %v", has, shown == key, err)
	}
	if has, shown, err := shower.SignIn(background, id, h.NextPassword); err != nil || has || shown != "" {
		t.Errorf("signed in with a wrong password: %v, a key: %v, %v", has, shown != "", err)
	}
	h.Outage()
	if has, shown, err := shower.SignIn(background, id, h.NewAccount(1).Password); err == nil || has || shown != "" {
		t.Errorf("signed in during an outage: %v, a key: %v, %v", has, shown != "", err)
	}
}

// Many calls at one time, for the race detector and for answers that get mixed up.
func testConcurrency(t *testing.T, h *Harness) {
	var all sync.WaitGroup
	for n := range 8 {
		a := h.create(t, n)
		all.Go(func() {
			f := h.changeable(t)
			for range 3 {
				if err := h.update(h.target(t, a, n), f.Path, h.Values(f.Path, n)[1]); err != nil {
					t.Error(err)
				}
				found, err := h.Remote.Get(background, provider.Selector{Names: []string{a.Name}})
				if err != nil || len(found) != 1 || found[0].ID != a.ID || found[0].State[f.Path] != f.Normal(h.Values(f.Path, n)[1]) {
					t.Errorf("%v, %v", found, err)
				}
			}
		})
	}
	all.Wait()
}
