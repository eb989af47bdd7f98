package engine_test

import (
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// lose has the provider show no account any more, in lists or by itself.
func (w *world) lose() {
	for _, id := range w.service.Accounts() {
		fake.Hide(w.service, id, 1000)
	}
}

// restAll checks that nothing is written or called for any of the lines.
func (w *world) restAll(n int) {
	w.Helper()
	for i := range n {
		w.expectRest(child(i))
	}
}

// What lists lack is believed only once that was judged: whoever is reconciled before does not believe it, in a new process neither.
func TestNothingMissingIsBelievedUnjudged(t *testing.T) {
	t.Parallel()
	w := several(t, 2, 5)
	w.edit(child(0), func(l *Line) { l.Spec.Policy.Recreate = true })
	w.settle(child(0))
	w.lose()
	for range 3 {
		_ = w.dir.Refresh(t.Context(), directory.Known{})
		w.restAll(2)
	}
	if verdict, changed := w.judge(); verdict != nil || !changed {
		t.Fatalf("two of two, of which five may: %+v, %t", verdict, changed)
	}
	for i := range 2 {
		if !w.engine.NeedsWork(t.Context(), managedLine{w.line(child(i))}) {
			t.Errorf("%s has nothing to do or to say", child(i))
		}
		w.reconcile(child(i))
	}
	w.expect(child(1), "False AccountMissing")
}

// Many that are missing stay as they are, whatever becomes of the process and of their specs, until exactly they are approved.
func TestManyMissingWait(t *testing.T) {
	t.Parallel()
	w := several(t, 4, 2)
	w.edit(child(0), func(l *Line) { l.Spec.Policy.Recreate = true })
	w.settle(child(0))
	was := w.line(child(0)).Status.AccountID
	w.lose()
	w.list()
	if held := w.engine.Held(w.parent.Guarded).Missing; held == nil || held.Count != 4 || held.Most != 2 {
		t.Fatalf("held: %+v", held)
	}
	w.restAll(4)
	creations := w.service.Count(fake.MethodCreate)
	updates := w.service.Count(fake.MethodUpdate)
	w.edit(child(1), func(l *Line) { l.Spec.Contact = "new@acme.example" })
	if n := w.service.Count(fake.MethodUpdate); n != updates {
		t.Errorf("%d updates of an account that no list has", n-updates)
	}
	w.start()
	held := w.engine.Held(w.parent.Guarded).Missing
	if held == nil || held.Count != 4 {
		t.Fatalf("after a restart: %+v", held)
	}
	w.restAll(4)
	if n := w.service.Count(fake.MethodCreate); n != creations {
		t.Errorf("%d creations", n-creations)
	}
	w.parent.Approvals = []string{held.Hash}
	if verdict, changed := w.judge(); verdict != nil || !changed {
		t.Errorf("approved: %+v, %t", verdict, changed)
	}
	for i := range 4 {
		w.reconcile(child(i))
	}
	for i := 1; i < 4; i++ {
		w.expect(child(i), "False AccountMissing")
	}
	if n := w.service.Count(fake.MethodCreate); n != creations+1 {
		t.Errorf("%d creations, want one", n-creations)
	}
	if st := w.line(child(0)).Status; st.AccountID != was { // the provider refuses the name: it is only hidden
		t.Errorf("the account %s was given up for %q", was, st.AccountID)
	}
}

// A line that is deleted meanwhile waits: its account is not known to be gone.
func TestTheDeletionOfWhatIsMissingWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	for i := range 3 {
		l := w.declared(child(i))
		l.Spec.Deactivate = true
		w.apply(l)
		w.settle(child(i))
	}
	w.parent.Limits.Percent, w.parent.Limits.Minimum = 1, 1
	w.lose()
	w.list()
	if err := w.client.Delete(t.Context(), w.line(child(0))); err != nil {
		t.Fatal(err)
	}
	w.reconcile(child(0))
	if l := w.line(child(0)); !slices.Contains(l.Finalizers, "accounts.cpaas.dev/child-account") {
		t.Errorf("released: %+v", l.Finalizers)
	}
	w.expect(child(0), "True Deleting")
}
