package directory

import (
	"fmt"
	"maps"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

const (
	here  = "https://here.example"
	there = "https://there.example"
)

// ParentAccounts that lead to one account share its budget, others do not.
func TestRegistryHasOneBudgetForAnAccount(t *testing.T) {
	var r Registry
	first := pacing.NewBudget(10, 10)
	if r.Budget(here, "1", first) != first {
		t.Fatal("the first one is not taken")
	}
	for _, c := range []struct {
		endpoint, id string
		shared       bool
	}{{here, "1", true}, {here, "11", false}, {there, "1", false}, {here, "1", true}} {
		made := pacing.NewBudget(10, 10)
		if got := r.Budget(c.endpoint, c.id, made); (got == first) != c.shared || !c.shared && got != made {
			t.Errorf("account %s at %s: shared %v, want %v", c.id, c.endpoint, got == first, c.shared)
		}
	}
	runtime.KeepAlive(first)
}

// connect is what a ParentAccount does to become a parent.
func connect(r *Registry, name, id string, perSecond int) *pacing.Budget {
	key := types.NamespacedName{Namespace: "telephony", Name: name}
	b := r.Budget(here, id, pacing.NewBudget(perSecond, perSecond))
	b.Set(key.String(), perSecond, perSecond)
	r.Put(key, &Parent{AccountID: id, Budget: b})
	return b
}

func disconnect(r *Registry, name string) {
	r.Put(types.NamespacedName{Namespace: "telephony", Name: name}, nil)
}

// What the parents of one account do together stays within the least that one of them wants, for as long as that one is there.
func TestParentsOfOneAccountKeepToOneRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		fast, slow := connect(&r, "fast", "1", 100), connect(&r, "slow", "1", 10)
		connect(&r, "other", "2", 1)
		took := func(calls int, parents ...*pacing.Budget) time.Duration {
			<-time.After(time.Second) // of the bubble
			start := time.Now()
			for i := range calls {
				release, err := parents[i%len(parents)].Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				release()
			}
			return time.Since(start).Round(10 * time.Millisecond)
		}
		if d := took(21, fast, slow); d != 2*time.Second {
			t.Errorf("21 calls of two parents, the slower one of 10 a second, took %v", d)
		}
		disconnect(&r, "slow")
		if d := took(101, fast); d != time.Second {
			t.Errorf("101 calls of a parent of 100 a second took %v once the slower one is removed", d)
		}
	})
}

// Nothing of an account stays once its parents are removed, and their bounds do not bind those that come later.
func TestRegistryForgetsBudgets(t *testing.T) {
	var r Registry
	for i := range 100 {
		connect(&r, "passing", fmt.Sprint(i), 10)
	}
	kept := connect(&r, "staying", "1000", 10)
	disconnect(&r, "passing")
	runtime.GC()
	connect(&r, "new", "1001", 10)
	if len(r.budgets) != 2 {
		t.Errorf("%d budgets for two accounts", len(r.budgets))
	}
	if connect(&r, "second", "1000", 10) != kept {
		t.Error("a budget in use was forgotten")
	}
}

func TestBoundsOfTheLastParentGoWithIt(t *testing.T) {
	var r Registry
	underWay := connect(&r, "slow", "1", 1) // a call of its still holds the budget
	disconnect(&r, "slow")
	if underWay.Rate() != 1 {
		t.Errorf("a call after the last parent was removed has a rate of %v", underWay.Rate())
	}
	next := connect(&r, "fast", "1", 100)
	if next != underWay || next.Rate() != 100 {
		t.Errorf("shared: %v; the rate is %v, want that of the only parent", next == underWay, next.Rate())
	}
}

// Nothing of a snapshot stays once its ParentAccounts are removed, nor of one that a ParentAccount has left for another.
func TestRegistryForgetsSnapshots(t *testing.T) {
	var r Registry
	key := types.NamespacedName{Namespace: "telephony", Name: "passing"}
	join := func(id string) *Directory {
		return r.Join(key, Source{AccountID: id}, fake.New(fake.Options{}).Remote(), clock.RealClock{})
	}
	for i := range 10 {
		r.Put(key, &Parent{Directory: join(fmt.Sprint(i))})
	}
	if len(r.snapshots) != 1 || len(r.snapshots[Source{AccountID: "9"}].users) != 1 {
		t.Errorf("%d snapshots for one ParentAccount", len(r.snapshots))
	}
	former := r.Former(key)
	join("10") // and then its list can't be read
	if r.Put(key, former); len(r.snapshots) != 1 || !r.Of(former.Directory, Source{AccountID: "9"}) {
		t.Errorf("%d snapshots after a change that did not come about", len(r.snapshots))
	}
	r.Withdraw(key, true, time.Now())
	if len(r.snapshots) != 1 {
		t.Error("the snapshot went with the credentials: deletions need it")
	}
	if r.Put(key, nil); len(r.snapshots) != 0 {
		t.Errorf("%d snapshots for no ParentAccount", len(r.snapshots))
	}
}

// Who has no say in when the list is read: whose credentials were taken away, or are not proven.
func TestScheduleIsOfThoseWhoMayRead(t *testing.T) {
	var r Registry
	service, now := fake.New(fake.Options{}), clocktesting.NewFakeClock(time.Unix(100000, 0))
	join := func(name string, resync time.Duration, reads bool) (types.NamespacedName, *Parent) {
		key := types.NamespacedName{Namespace: "telephony", Name: name}
		p := &Parent{Directory: r.Join(key, Source{}, service.Remote(), now), UID: types.UID(name), Resync: resync}
		if r.Put(key, p); reads {
			if err := p.Refresh(t.Context(), Known{}); err != nil {
				t.Fatal(err)
			}
		}
		return key, p
	}
	a, self := join("a", time.Hour, true)
	withdrawn, _ := join("withdrawn", time.Second, true)
	r.Withdraw(withdrawn, true, now.Now())
	_, unproven := join("unproven", time.Second, false)
	if s := r.Schedule(a, self); s != (Schedule{Interval: time.Hour, Seed: "a"}) {
		t.Errorf("%+v", s)
	}
	if s := r.Schedule(types.NamespacedName{Namespace: "telephony", Name: "unproven"}, unproven); s != (Schedule{Interval: time.Second, Seed: "unproven"}) {
		t.Errorf("%+v", s)
	}
	b, _ := join("b", time.Minute, true)
	if others := r.Sharing(a, self.Directory); len(others) != 1 || others[0] != b || r.Schedule(a, self).Interval != time.Minute {
		t.Errorf("shares with %v: %+v", others, r.Schedule(a, self))
	}
}

// All ParentAccounts whose calls a budget bounds hear of rate-limiting at once, whoever was refused, and when it is over; no others do.
func TestAllThatShareABudgetHearOfRateLimiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		heard := map[string]int{}
		r.Concerned = func(key types.NamespacedName) {
			heard[key.Name]++
			r.Get(key).Budget.Throttled() // as who hears asks
		}
		b := connect(&r, "one", "1", 10)
		connect(&r, "twin", "1", 10)
		connect(&r, "former", "1", 10)
		disconnect(&r, "former")
		connect(&r, "other", "2", 10)
		expect := func(what string, times int) {
			t.Helper()
			if want := map[string]int{"one": times, "twin": times}; !maps.Equal(heard, want) {
				t.Errorf("%s: %v, want %v", what, heard, want)
			}
		}
		for range 3 {
			b.Learn(&account.Error{Class: account.Throttled, Answered: true})
		}
		expect("it begins", 1)
		<-time.After(time.Minute) // of the bubble
		b.Learn(nil)
		b.Learn(nil)
		expect("it is over", 2)
	})
}
