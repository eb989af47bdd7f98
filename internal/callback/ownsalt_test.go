package callback

import (
	"net/http"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// The salt that the ParentAccount declares for its own account goes before the one beside the API key, for its own callbacks and for those of
// children without a salt.
func TestTheParentsDeclaredSaltGoesFirst(t *testing.T) {
	const declaredSalt, ownKey = "s4lt-that-is-declared", "mine"
	key := ownKey
	for what, c := range map[string]struct {
		ref                 *v1alpha1.SecretKeyReference
		noAPIKey            bool
		salt                string
		parent, without, of int // the HTTP statuses for the parent, and for children without and with a salt of their own
	}{
		"declared":                        {&v1alpha1.SecretKeyReference{Name: "own-salt"}, false, declaredSalt, http.StatusOK, http.StatusOK, http.StatusForbidden},
		"declared under another key":      {&v1alpha1.SecretKeyReference{Name: "own-salt", Key: &key}, false, declaredSalt + "-2", http.StatusOK, http.StatusOK, http.StatusForbidden},
		"declared, and the former is not": {&v1alpha1.SecretKeyReference{Name: "own-salt"}, false, parentSalt, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden},
		"declared in no Secret":           {&v1alpha1.SecretKeyReference{Name: "nowhere"}, false, parentSalt, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden},
		"not declared":                    {nil, false, parentSalt, http.StatusOK, http.StatusOK, http.StatusForbidden},
		"without an API key":              {&v1alpha1.SecretKeyReference{Name: "own-salt"}, true, declaredSalt, http.StatusForbidden, http.StatusOK, http.StatusForbidden},
		"without either":                  {nil, true, parentSalt, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			k8s, ok := w.config.Cache.(client.Client)
			if !ok {
				t.Fatal("the cache can't be written")
			}
			if err := k8s.Create(t.Context(), w.input("own-salt", map[string]string{"salt": declaredSalt + "\n", ownKey: declaredSalt + "-2"})); err != nil {
				t.Fatal(err)
			}
			p := &v1alpha1.ParentAccount{}
			if err := k8s.Get(t.Context(), parentName, p); err != nil {
				t.Fatal(err)
			}
			if c.ref != nil {
				p.Spec.Account = &v1alpha1.OwnAccount{Callback: &v1alpha1.Callback{SaltSecretRef: c.ref}}
			}
			if c.noAPIKey {
				p.Spec.Voximplant.APIKeySecretRef = nil
			}
			if err := k8s.Update(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			for who, one := range map[string]struct {
				id, key string
				want    int
			}{"parent": {parentID, parentKey, c.parent}, "acme-two": {w.ids["acme-two"], childKey, c.without}, "acme-one": {w.ids["acme-one"], childKey, c.of}} {
				if got := w.post(bodyOf(signed(c.salt, one.key, one.id, "5", "account_is_frozen"))); got != one.want {
					t.Errorf("%s: HTTP %d, want %d", who, got, one.want)
				}
			}
		})
	}
}
