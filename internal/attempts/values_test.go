package attempts

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
)

func applicantOf(name string) Applicant {
	return Applicant{Key: types.NamespacedName{Namespace: "telephony", Name: name}, UID: types.UID(name)}
}

func names(all []Applicant) (out []string) {
	for _, a := range all {
		out = append(out, a.Key.Name)
	}
	return out
}

func anybody(Applicant) bool { return false }

func TestValues(t *testing.T) {
	v := NewValues()
	email, other := Value{Provider: "p", Path: "email", Value: "a"}, Value{Provider: "p", Path: "email", Value: "b"}
	expect := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	await := func(name string, value Value) News { return v.Await(applicantOf(name), value, true) }
	v.Try(applicantOf("one"), email, Value{Provider: "p", Path: "accountName", Value: "one"})
	v.Try(applicantOf("two"), email)
	expect("applicants", names(v.Applicants(email)), []string{"one", "two"})
	expect("of another provider", names(v.Free(Value{Provider: "q", Path: "email", Value: "a"}, anybody)), []string{})

	// What is freed while a call is under way is not lost, and counts for one value.
	expect("freed", names(v.Free(email, anybody)), []string{"one", "two"})
	expect("freed meanwhile", await("one", email), News{Freed: true})
	expect("another value", await("two", other), News{Missed: true, FreedBefore: true})
	expect("who waits for it by now", names(v.Applicants(email)), []string{"one"})
	v.Try(applicantOf("one"), email)
	expect("in backoff", v.Await(applicantOf("one"), email, false), News{})
	expect("a new attempt", await("one", email), News{FreedBefore: true})
	expect("one more", await("one", email), News{})

	// Where some come first, the others wait on.
	v.Try(applicantOf("three"), email)
	first := func(a Applicant) bool { return a.Key.Name == "three" }
	expect("the first", names(v.Free(email, first)), []string{"three"})
	expect("not told", await("one", email), News{})

	v.Forget("three")
	expect("the next", names(v.Free(email, first)), []string{"one"})
	for _, uid := range []types.UID{"one", "two", "nobody"} {
		v.Forget(uid)
		expect("remembered", v.Remembers(uid), false)
	}
	expect("idle", v.Idle(), true)
}

// The store is used by all workers at once.
func TestValuesOfManyWorkers(t *testing.T) {
	v := NewValues()
	email := Value{Path: "email", Value: "a"}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := applicantOf(fmt.Sprint(i))
			for range 100 {
				v.Try(a, email)
				v.Free(email, anybody)
				v.Await(a, email, true)
				v.Forget(a.UID)
			}
		})
	}
	wg.Wait()
	if !v.Idle() {
		t.Error("something is remembered")
	}
}

// Only a refused value ends the backoff, and the pauses go on growing.
func TestEndBackoff(t *testing.T) {
	const uid = types.UID("one")
	s, noon := New(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	taken := conditions.Children.Failed(&account.Error{Class: account.EmailTaken, Message: "in use", Answered: true})
	taken.Fingerprint = "attempt"
	for _, out := range []conditions.Outcome{taken, {Reason: v1alpha1.ReasonNameTaken, Fingerprint: "attempt"}} {
		s.Forget(uid)
		s.Record(uid, conditions.Children, out, nil, nil, noon)
		s.EndBackoff(uid, noon)
		if _, held := s.InBackoff(uid, "attempt", noon.Add(time.Second)); held == (out.Taken != nil) {
			t.Errorf("%+v: in backoff %v", out.Taken, held)
		}
	}
	s.Forget(uid)
	s.EndBackoff(uid, noon)
	s.Record(uid, conditions.Children, taken, nil, nil, noon)
	s.EndBackoff(uid, noon.Add(time.Minute))
	s.EndBackoff(uid, noon.Add(time.Hour)) // not later than before
	for at, want := range map[time.Duration]bool{59 * time.Second: true, time.Minute: false} {
		if _, held := s.InBackoff(uid, "attempt", noon.Add(at)); held != want {
			t.Errorf("after %s: in backoff %v", at, held)
		}
	}
	if pause := s.Record(uid, conditions.Children, taken, nil, nil, noon.Add(time.Hour)); pause != time.Hour {
		t.Errorf("the next pause is %s", pause)
	}
}
