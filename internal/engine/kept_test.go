package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// deleted deletes a line, and has as many reconciles as the deletion takes.
func (w *world) deleted(name string) {
	w.Helper()
	if err := w.client.Delete(w.Context(), w.line(name)); err != nil {
		w.Fatal(err)
	}
	w.clock.SetTime(time.Now())
	w.written = nil
	for range 3 {
		if w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &Line{}) == nil {
			w.reconcile(name)
		}
	}
}

// reconcileWoken reconciles the line that the engine wakes next.
func (w *world) reconcileWoken() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	select {
	case key := <-w.woken:
		w.reconcile(key.Name)
	case <-ctx.Done():
		w.Fatal("nothing is woken")
	}
}

// finalizers has others' finalizers on a line, as they are now.
func (w *world) finalizers(name string, names ...string) {
	w.Helper()
	l := w.line(name)
	l.Finalizers = names
	if err := w.client.Update(w.Context(), l); err != nil {
		w.Fatal(err)
	}
}

func TestWhatOthersKeepSaysSo(t *testing.T) {
	t.Parallel()
	for policy, fate := range map[bool]string{true: "its account " + name + " (id 1) is deactivated", false: "its account " + name + " (id 1) is active"} {
		w := newWorld(t, fake.Options{})
		l := w.declared(name)
		l.Spec.Deactivate, l.Finalizers = policy, []string{"example.org/b", "example.org/a"}
		w.apply(l)
		w.settle(name)
		id := w.account().ID
		fate = strings.Replace(fate, "id 1", "id "+id, 1)
		w.deleted(name)
		want := []string{"patch status of Line"}
		if policy {
			want = []string{"patch Line", "patch status of Line"}
		}
		if !slices.Equal(w.written, want) {
			t.Errorf("writes: %v, want %v", w.written, want)
		}
		w.expect(name, "False Deleting")
		for _, part := range []string{"example.org/a, example.org/b; " + fate, "removes no others than its own"} {
			if !strings.Contains(w.message(name), part) {
				t.Errorf("%q lacks %q", w.message(name), part)
			}
		}
		if seen := w.line(name).Status.Seen["enabled"]; seen != !policy {
			t.Errorf("the status has enabled %v", seen)
		}

		w.start() // what is known then is the list
		w.written = nil
		w.reconcile(name)
		if len(w.written) > 0 {
			t.Errorf("a restart: %v", w.written)
		}
		w.finalizers(name, "example.org/a")
		w.reconcile(name)
		if said := w.message(name); !strings.Contains(said, "example.org/a; ") || strings.Contains(said, "example.org/b") {
			t.Error(said)
		}
		w.finalizers(name)
		w.expectGone(name)
	}
}

// Nothing is written for what goes by itself: without a finalizer of others, or with the garbage collector's alone.
func TestWhatGoesByItselfCostsNoStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Spec.Deactivate = true
	w.apply(l)
	w.settle(name)
	w.deleted(name)
	if !slices.Equal(w.written, []string{"patch Line"}) {
		t.Errorf("writes: %v", w.written)
	}
	w.expectGone(name)

	collected := w.declared("collected")
	collected.Finalizers = []string{metav1.FinalizerDeleteDependents}
	w.apply(collected)
	w.settle("collected")
	w.deleted("collected")
	if len(w.written) > 0 {
		t.Errorf("writes beside the garbage collector: %v", w.written)
	}
	if pause := w.reconcile("collected").RequeueAfter; pause <= 0 || pause > 10*time.Second {
		t.Errorf("comes back after %s", pause)
	}
	w.clock.Step(11 * time.Second)
	w.reconcile("collected")
	w.expect("collected", "False Deleting")
}

// An account that waits for an approval to be changed is deactivated with its resource, which has the finalizer by then.
func TestWhatWaitsForAnApprovalHasItsFinalizer(t *testing.T) {
	t.Parallel()
	w := several(t, 2, 1)
	if w.edit(child(0), changesTongue); w.waits(child(0)) {
		t.Fatal("the first change waits")
	}
	w.edit(child(1), func(l *Line) {
		changesTongue(l)
		l.Spec.Deactivate = true
	})
	w.reconcileWoken()
	w.expect(child(1), "True AwaitingApproval")
	if !w.waits(child(1)) || !slices.Contains(w.line(child(1)).Finalizers, v1alpha1.Finalizer) {
		t.Errorf("finalizers: %v", w.line(child(1)).Finalizers)
	}
	w.written = nil
	w.reconcile(child(1))
	if len(w.written) > 0 {
		t.Errorf("at rest: %v", w.written)
	}
}

// The new owner of a deleted resource's account, which waits for an approval to change the account, has it deactivated when it is deleted.
func TestANewOwnerThatWaitsIsDeletedWithItsAccount(t *testing.T) {
	t.Parallel()
	w := several(t, 1, 1)
	if w.edit(child(0), changesTongue); w.waits(child(0)) {
		t.Fatal("the first change waits")
	}
	id := w.service.Put("heir", account.State{fake.PathContact: "heir@acme.example", fake.PathEnabled: "true"},
		account.Claim{Installation: "prod", Namespace: namespace, Name: "gone"}.CustomData())
	w.list()
	heir := w.declared("heir")
	heir.Spec.Deactivate = true
	w.apply(heir)
	w.reconcileWoken()
	if said := w.said("heir"); !strings.HasSuffix(said, "AwaitingApproval") {
		t.Fatal(said, w.message("heir"))
	}
	w.parent.Limits.Minimum = 100
	w.deleted("heir")
	w.expectGone("heir")
	if a, _ := w.service.Account(id); a.State[fake.PathEnabled] != "false" {
		t.Errorf("its account stays %v", a.State)
	}
}

// After a restart resources wait for a parent that others keep while it is being deleted, and say nothing: it serves them as before.
func TestAParentThatOthersKeepIsAwaited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.start()
	now := w.clock.Now()
	parent := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"example.org/a"}, DeletionTimestamp: &metav1.Time{Time: now.Add(-time.Minute)}}}
	available := conditions.Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the account can be worked with"}
	w.parent.Conditions = nil
	conditions.Parents.Write(&w.parent.Conditions, 1, available, now)
	conditions.Parents.Write(&w.parent.Conditions, 1, engine.ParentKept(parent, available, now), now)
	w.parents.Put(w.parent.Key, nil)
	w.written = nil
	w.reconcile(name)
	if len(w.written) > 0 {
		t.Errorf("writes: %v; %s: %s", w.written, w.said(name), w.message(name))
	}
}

// Who keeps a deleted resource hears nothing more of its account once another one has it.
func TestWhatOthersKeepSaysNothingOfAnothersAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Finalizers = []string{"example.org/a"}
	w.apply(l)
	w.settle(name)
	w.deleted(name)
	id := w.account().ID
	claim := account.Claim{Installation: "prod", Namespace: "another", Name: "heir"}
	if err := w.remote().(provider.Claimer).SetCustomData(t.Context(), id, claim.CustomData()); err != nil {
		t.Fatal(err)
	}
	w.service.Set(id, fake.PathTongue, "it")
	w.service.Set(id, fake.PathEnabled, "false")
	w.list()
	w.reconcile(name)
	if said := w.message(name); !strings.Contains(said, "has another owner now") || strings.Contains(said, "another/heir") {
		t.Error(said)
	}
	if seen := w.line(name).Status.Seen; seen["tongue"] != "de" || seen["enabled"] != true {
		t.Errorf("the status has %v", seen)
	}
}
