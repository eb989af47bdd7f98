package directory_test

import (
	"slices"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// A call that is refused as Unauthorized has the list read soon where nobody else uses the snapshot, too: once, however many calls are refused,
// and not again for minutes where the list shows that the credentials are good.
func TestRefusedCallHasTheListRead(t *testing.T) {
	const resync = time.Hour
	w := newSharedWorld()
	id := w.child("acme")
	a := w.join("a")
	list := func() time.Time { // when it began
		began := w.clock.Now()
		if err := a.Refresh(background, directory.Known{}); account.ClassOf(err) != a.refused {
			t.Fatal(err)
		}
		w.told()
		return began
	}
	refuse := func(class account.Class, woken ...string) {
		t.Helper()
		was := a.refused
		a.refused = class
		if err := a.update(id, fake.PathTongue, "de"); account.ClassOf(err) != class {
			t.Fatal(err)
		}
		if _, concerned := w.told(); !slices.Equal(concerned, woken) {
			t.Errorf("told after a refusal as %s: %q, want %q", class, concerned, woken)
		}
		a.refused = was
	}
	want := func(what string, last time.Time, wait time.Duration) {
		t.Helper()
		if got := directory.UntilChecked(a.Directory, last, resync); got != wait {
			t.Errorf("%s: the list waits for %s, want %s", what, got, wait)
		}
	}
	last := list()
	want("nothing was refused", last, resync)
	refuse(account.RoleMissing)
	want("a right is missing", last, resync)
	w.clock.Step(time.Second)
	refuse(account.Unauthorized, "telephony/a")
	refuse(account.Unauthorized)
	a.wantSees(t, id, "en")
	want("just after a list", last, 4*time.Second)
	w.clock.Step(time.Minute)
	want("later", last, 0)

	a.refused = account.Unavailable
	want("the list was not answered", list(), 5*time.Second)
	a.refused = account.Unauthorized
	want("the list was refused, which the ParentAccount says", list(), resync)
	refuse(account.Unauthorized)
	a.refused = ""
	last = list()
	want("other credentials", last, resync)

	w.clock.Step(time.Minute)
	refuse(account.Unauthorized, "telephony/a")
	want("no list has shown yet that the credentials are good", last, 0)
	last = list()
	want("they are good", last, resync)
	w.clock.Step(time.Minute)
	refuse(account.Unauthorized, "telephony/a")
	want("a list has shown a minute ago that they are good", last, 4*time.Minute)
	w.clock.Step(time.Minute)
	last = list() // for another reason
	want("and again", last, resync)
	w.clock.Step(5 * time.Minute)
	refuse(account.Unauthorized, "telephony/a")
	want("minutes later", last, 0)
}

// A list that is under way when a call is refused may be older than the refusal.
func TestRefusedCallDuringAList(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a := w.join("a")
	a.meanwhile = func() {
		w.clock.Step(time.Second)
		a.refused = account.Unauthorized
		_ = a.update(id, fake.PathTongue, "de")
		a.refused = ""
	}
	began := w.clock.Now()
	a.list(t)
	w.clock.Step(time.Minute)
	if got := directory.UntilChecked(a.Directory, began, time.Hour); got != 0 {
		t.Errorf("the next list waits for %s", got)
	}
}

// A refusal that may mean the same has the list read, too, and takes nothing from a user who is not alone.
func TestRefusalThatMayBeOfTheCredentials(t *testing.T) {
	for name, alone := range map[string]bool{"alone": true, "with another": false} {
		w := newSharedWorld()
		id := w.child("acme")
		a := w.join("a")
		a.list(t)
		if !alone {
			w.join("b").list(t)
		}
		w.told()
		a.refused, a.doubtful = account.RoleMissing, true
		_ = a.update(id, fake.PathTongue, "de")
		if _, concerned := w.told(); !slices.Equal(concerned, []string{"telephony/a"}) {
			t.Errorf("%s: told %q", name, concerned)
		}
		if got := directory.UntilChecked(a.Directory, w.clock.Now(), time.Hour); got != 5*time.Second {
			t.Errorf("%s: the list waits for %s", name, got)
		}
		a.wantSees(t, id, "en")
	}
}
