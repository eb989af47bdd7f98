package attempts

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// Those that wait for an account are woken by it, and know of it until they wait again.
func TestWaiters(t *testing.T) {
	t.Parallel()
	w, template := &Waiters{}, Awaited{ParentAccountID: "1", AccountName: "template"}
	key := func(name string) types.NamespacedName {
		return types.NamespacedName{Namespace: "telephony", Name: name}
	}
	for _, name := range []string{"b", "a"} {
		if w.Wait(types.UID(name), key(name), template) {
			t.Errorf("%s was woken before it waited", name)
		}
	}
	w.Wait("other", key("other"), Awaited{ParentAccountID: "2", AccountName: "template"})
	if got := w.Wake(template); !slices.Equal(got, []types.NamespacedName{key("a"), key("b")}) {
		t.Errorf("woken: %v", got)
	}
	if !w.Wait("a", key("a"), template) || w.Wait("a", key("a"), template) {
		t.Error("it is woken once")
	}
	if w.Wait("b", key("b"), Awaited{ParentAccountID: "1", AccountName: "another"}) {
		t.Error("woken for what it does not wait for any more")
	}
	if w.Wait("other", key("other"), Awaited{ParentAccountID: "2", AccountName: "template"}) {
		t.Error("another parent account's template woke it")
	}
	w.Forget("a")
	if w.Remembers("a") || !w.Remembers("b") || len(w.Wake(template)) != 0 {
		t.Error("not forgotten, or forgotten too much")
	}
}
