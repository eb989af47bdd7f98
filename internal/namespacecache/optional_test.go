package namespacecache

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// An optional kind that can't be read holds up nothing of its namespace; the log says so, and what it has arrives once it can be read.
func TestAnOptionalKindHoldsUpNothing(t *testing.T) {
	a := newAPI(t)
	a.put("b/configmaps", "two", "1")
	a.put("b/secrets", "key", "1")
	a.refuse(http.StatusForbidden, "b/secrets")
	w := a.watch(realTime, "b")
	for _, s := range w.scopes {
		s.reader(key{corev1.SchemeGroupVersion.WithKind("Secret"), true}).kind.Optional = true
	}
	w.start()
	if !w.WaitForCacheSync(t.Context()) {
		t.Fatal("not synced")
	}
	w.handle(&corev1.ConfigMap{}, "config")
	secret := w.handle(metadataOf("Secret"), "secret")
	w.expect("joined b", "add config b/two=1")
	eventually(t, "its handler does not wait", secret.HasSynced)
	if err := get(w, "b", "two"); err != nil {
		t.Errorf("the other kind: %v", err)
	}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "b", Name: "key"}, metadataOf("Secret")); !IsNotSynced(err) {
		t.Errorf("the optional kind: %v", err)
	}
	if w.Complete(metadataOf("Secret")) || !w.Complete(&corev1.ConfigMap{}) || !w.Synced("b") {
		t.Error("the optional kind counts as read, or its namespace does not")
	}
	eventually(t, "the refusal is known", func() bool {
		s := w.Statuses()[0]
		return s.Synced && len(s.Kinds) == 0 && len(s.Optional) == 1 && s.OptionalErr != nil
	})
	eventually(t, "the log says so", func() bool {
		log := strings.Join(w.log.all(), "\n")
		return strings.Contains(log, "all else is worked with") && strings.Contains(log, `"kinds"="secrets"`) && strings.Contains(log, `"reason"="Forbidden"`)
	})
	a.refuse(0, "b/secrets")
	w.expect("add secret b/key=1")
	eventually(t, "the log says that, too", func() bool {
		return strings.Contains(strings.Join(w.log.all(), "\n"), "resources of all kinds are read")
	})
}
