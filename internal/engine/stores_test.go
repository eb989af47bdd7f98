package engine

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// What is remembered of a resource that is deleted is forgotten, wherever it is, and nothing of another one.
func TestForget(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	e := New(Config{Clock: clocktesting.NewFakeClock(now), Table: conditions.Children, Wake: func(ctrl.Request, bool) {}})
	remember := func(uid types.UID) {
		e.attempts.Record(uid, e.Table, conditions.Outcome{Reason: v1alpha1.ReasonRejected, Fingerprint: "attempt"}, nil, nil, now)
		e.attempts.NoteNew(uid)
		e.ownWrites.Note(uid, "1", now)
		e.settledSecrets.Recheck(uid)
		e.settledSecrets.Set(uid, "mark")
		e.passwords.Set(uid, "id", "mark")
		e.serviceKeys.Set(uid, secrets.StoredKeys{Recorded: true})
		e.values.Try(attempts.Applicant{UID: uid}, attempts.Value{Path: "email", Value: "a@acme.example"})
		e.clones.Wait(uid, types.NamespacedName{Name: string(uid)}, attempts.Awaited{AccountName: "template"})
		e.readRequests.add(uid)
		e.told.begins(uid, v1alpha1.ReasonFrozen, now)
		e.changes.Admit(changeguard.Change{UID: uid, Namespace: changeguard.Namespace{Name: "telephony"}}, now)
	}
	all := 12
	for _, uid := range []types.UID{"goes", "stays"} {
		remember(uid)
		if in := e.Remembers(uid); len(in) != all {
			t.Fatalf("%s is remembered in %v, want %d places", uid, in, all)
		}
	}
	if err := e.Forget(t.Context(), ctrl.Request{}, "goes"); err != nil {
		t.Fatal(err)
	}
	if in := e.Remembers("goes"); len(in) != 0 {
		t.Errorf("remembered in %v", in)
	}
	if in := e.Remembers("stays"); len(in) != all {
		t.Errorf("the other one is only remembered in %v", in)
	}
	e.forgetAnothers("stays")
	for _, where := range e.Remembers("stays") {
		if where == "failed attempt" || where == "uncreated" || where == "password" || where == "value" || where == "template" || where == "service-account key" || where == "connection Secret" || where == "requested read" || where == "trouble" {
			t.Errorf("another operator's resource is remembered in %s", where)
		}
	}
}
