package engine_test

import (
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// claimless is a provider whose accounts say nothing of who has created them, as far from the first one as can be.
var claimless = fake.Options{FullReplace: true, NoID: true, NoClaims: true, NamesRepeat: true}

// A process that stands still between the attempt in the status and its request sends nothing once it continues, where another one has taken over.
func TestAProcessThatStoodStillCreatesNoSecondAccount(t *testing.T) {
	w := newWorld(t, claimless)
	stands, created := w.engine, 0
	w.beforeGet = func(o client.Object) {
		again := w.beforeGet
		w.beforeGet = nil
		if _, ok := o.(*Line); !ok || w.line(name).Status.Creation == nil {
			w.beforeGet = again
			return
		}
		w.start() // another process takes over, from what is stored
		w.reconcile(name)
		created = w.service.Count(fake.MethodCreate)
	}
	if err := w.client.Create(t.Context(), w.declared(name)); err != nil {
		t.Fatal(err)
	}
	if _, err := stands.Reconcile(t.Context(), managedLine{w.line(name)}); err != nil {
		t.Fatal(err)
	}
	if created != 1 || w.service.Count(fake.MethodCreate) != 1 || len(w.service.Accounts()) != 1 {
		t.Fatalf("%d requests by the other process, %d in all, accounts %v", created, w.service.Count(fake.MethodCreate), w.service.Accounts())
	}
	w.settle(name)
	w.expect(name, "True Available")
	if c := w.line(name).Status.Creation; c != nil {
		t.Errorf("the attempt stays open: %+v", c)
	}
}

// No request to create an account is repeated without a read in between, and the attempt is in the status before each.
func TestEachCreationComesAfterAReadAndAStoredAttempt(t *testing.T) {
	w := newWorld(t, claimless)
	w.service.Add(fake.LoseRequest(fake.MethodCreate))
	w.service.Add(fake.LoseRequest(fake.MethodCreate))
	var attempts []int32
	fake.During(w.service, fake.MethodCreate, func() { attempts = append(attempts, w.line(name).Status.Creation.Attempt) })
	w.apply(w.declared(name))
	fake.During(w.service, fake.MethodCreate, func() { attempts = append(attempts, w.line(name).Status.Creation.Attempt) })
	w.settle(name)
	w.expect(name, "True Available")
	read := false
	for _, call := range w.service.Calls() {
		switch call.Method {
		case fake.MethodGet, fake.MethodList:
			read = true
		case fake.MethodCreate:
			if !read {
				t.Errorf("a request without a read before: %+v", w.service.Calls())
			}
			read = false
		}
	}
	if len(attempts) != 2 || attempts[0] != 1 || attempts[1] != 2 || len(w.service.Accounts()) != 1 {
		t.Errorf("attempts %v, accounts %v", attempts, w.service.Accounts())
	}
}

// What people can write makes no account theirs: neither an annotation of the connection Secret nor anything else but the status.
func TestOnlyTheStatusSaysThatAnAccountIsOurs(t *testing.T) {
	w := newWorld(t, claimless)
	l := w.declared(name)
	w.service.Add(fake.LoseAnswer(fake.MethodCreate))
	w.apply(l)
	stored := w.line(name)
	if stored.Status.Creation == nil || len(w.service.Accounts()) != 1 {
		t.Fatalf("the attempt %+v, accounts %v", stored.Status.Creation, w.service.Accounts())
	}
	stored.Status = LineStatus{} // as in a cluster that was rebuilt; the connection Secret with its records is there
	if err := w.client.Status().Update(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.reconcile(name)
	w.expect(name, "False "+v1alpha1.ReasonAdoptionRefused)
	w.edit(name, func(l *Line) { l.Spec.Policy.Adopt = account.AdoptIfIdentical; l.Spec.Nickname = nil })
	w.settle(name)
	if got := w.line(name).Status.Origin; got != v1alpha1.OriginAdopted || len(w.service.Accounts()) != 1 {
		t.Errorf("origin %s, accounts %v", got, w.service.Accounts())
	}
}

// A process that ends between its request and the first status after that leaves the attempt in the status, and nothing else. The next process
// takes the account for the resource's by that, and a definite refusal afterwards does not take the attempt back.
func TestAnAttemptOfAnEarlierProcessIsNotForgotten(t *testing.T) {
	for _, what := range []string{"answered", "lost, and the next one refused"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, claimless)
			killed := errors.New("the process is killed")
			w.failing = func(string) error {
				if w.service.Count(fake.MethodCreate) > 0 {
					return killed
				}
				return nil
			}
			if what != "answered" {
				w.service.Add(fake.LoseRequest(fake.MethodCreate))
				w.service.Add(fake.Refuse(fake.MethodCreate, account.Invalid))
			}
			w.apply(w.declared(name))
			if c := w.line(name).Status.Creation; c == nil || w.said(name) != "nothing" {
				t.Fatalf("the attempt %+v, %s", c, w.said(name))
			}
			w.failing = nil
			w.start()
			if what != "answered" {
				w.reconcile(name)
				w.expect(name, "False "+v1alpha1.ReasonRejected)
				if w.line(name).Status.Creation == nil {
					t.Error("a refusal has closed the attempt of an earlier process")
				}
				return
			}
			w.settle(name)
			w.expect(name, "True Available")
			if got := w.line(name).Status.Origin; got != v1alpha1.OriginCreated || len(w.service.Accounts()) != 1 {
				t.Errorf("origin %s, accounts %v", got, w.service.Accounts())
			}
		})
	}
}

// A resource that is bound to an account keeps it, whatever name the account has by now.
func TestARenamedAccountStaysItsOwners(t *testing.T) {
	w := newWorld(t, claimless)
	w.apply(w.declared(name))
	w.settle(name)
	w.expect(name, "True Available")
	w.edit(name, func(l *Line) { l.Spec.Suspend = true })
	w.service.Set(w.account().ID, fake.PathName, "child-2")
	w.list()
	another := w.declared("child-2")
	another.Spec.Policy.Adopt = account.AdoptAlways
	w.apply(another)
	w.settle("child-2")
	w.expect("child-2", "False "+v1alpha1.ReasonDuplicateResource)
	if st := w.line("child-2").Status; st.Origin != "" || len(w.service.Accounts()) != 1 {
		t.Errorf("bound to %s, accounts %v", st.AccountID, w.service.Accounts())
	}
}

// A refused request leaves no open attempt: what appears later was made by somebody else.
func TestARefusedAttemptIsTakenBack(t *testing.T) {
	w := newWorld(t, claimless)
	w.service.Add(fake.Refuse(fake.MethodCreate, account.Invalid))
	w.apply(w.declared(name))
	w.expect(name, "False "+v1alpha1.ReasonRejected)
	if c := w.line(name).Status.Creation; c != nil {
		t.Errorf("the attempt stays open: %+v", c)
	}
}
