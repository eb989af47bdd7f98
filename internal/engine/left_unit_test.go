package engine

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// What was left is remembered by account, until a resource has it, or nobody has asked for long.
func TestLeftAccounts(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	l, owner := &leftAccounts{}, types.NamespacedName{Namespace: "tenant", Name: "old"}
	asked, had := leftKey{"parent", "7"}, leftKey{"parent", "8"}
	for _, key := range []leftKey{asked, had, {"parent", "9"}} {
		l.note(key, owner, noon)
	}
	if one, known := l.of(asked, noon.Add(20*time.Hour)); !known || one.owner != owner || one.at != noon {
		t.Errorf("%+v, %t", one, known)
	}
	if _, known := l.of(leftKey{"another", "7"}, noon); known {
		t.Error("an account of another parent")
	}
	if l.drop(had); len(l.by) != 2 {
		t.Errorf("%d are remembered", len(l.by))
	}
	if one := l.note(asked, owner, noon.Add(time.Minute)); one.at != noon {
		t.Errorf("noted again it was left at %s", one.at)
	}
	l.note(had, owner, noon.Add(leftRememberedFor+1))
	if _, known := l.of(asked, noon); !known || len(l.by) != 2 {
		t.Errorf("%v are remembered", l.by)
	}
}
