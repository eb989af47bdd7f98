package directory

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/pacing"
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
