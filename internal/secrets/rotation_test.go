package secrets_test

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
)

func rotating(token string) secrets.Connection {
	c := connection
	c.Rotation = token
	return c
}

// The next password is written down before it is handed out, is the same until it is settled, and takes the old one's place.
func TestRotation(t *testing.T) {
	c := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"accountID": "4711", "password": "old"}))
	next, err := c.store().Next(background, rotating("1"), nil)
	if err != nil || next == "" {
		t.Fatal(err)
	}
	wantData(t, "under way", c.data(t, connection.Name), map[string]string{"accountID": "4711", "password": "old", "passwordNext": next.Reveal()})
	if again, err := c.store().Next(background, rotating("2"), nil); err != nil || again != next {
		t.Errorf("another next password, although the account may have the first, %v", err)
	}
	if err := c.store().Promote(background, rotating("2"), next); err != nil {
		t.Fatal(err)
	}
	wantData(t, "done", c.data(t, connection.Name), map[string]string{"accountID": "4711", "password": next.Reveal()})
	if again, err := c.store().Next(background, rotating("2"), nil); err != nil || again != "" {
		t.Errorf("rotated twice for one request, %v", err)
	}
	third, err := c.store().Next(background, rotating("3"), nil)
	if err != nil || third == "" || third == next {
		t.Fatalf("no new password for a new request, %v", err)
	}
	if err := c.store().Drop(background, rotating("3")); err != nil {
		t.Fatal(err)
	}
	wantData(t, "refused", c.data(t, connection.Name), map[string]string{"accountID": "4711", "password": next.Reveal()})
	if fourth, err := c.store().Next(background, rotating("3"), nil); err != nil || fourth == "" || fourth == third {
		t.Errorf("a refused password is tried again, %v", err)
	}
}

// A request that was there when the resource came to its account is none, nor is one whose Secret was deleted since.
func TestRotationFromTheStart(t *testing.T) {
	for name, start := range map[string][]client.Object{
		"no Secret":              nil,
		"a Secret of no account": {held(connection, map[string]string{"password": "first"})},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(interceptor.Funcs{}, start...)
			if _, err := c.store().Write(background, rotating("1"), secrets.Values{secrets.KeyAccountID: "4711"}); err != nil {
				t.Fatal(err)
			}
			if next, err := c.store().Next(background, rotating("1"), nil); err != nil || next != "" {
				t.Errorf("rotated, %v", err)
			}
		})
	}
	c := newCluster(interceptor.Funcs{})
	if next, err := c.store().Next(background, rotating("1"), secrets.Values{secrets.KeyAccountID: "4711"}); err != nil || next != "" {
		t.Errorf("rotated without a Secret, %v", err)
	}
}

// The account has the password: it is written down whatever became of the Secret meanwhile.
func TestPromoteWithoutSecret(t *testing.T) {
	c := newCluster(interceptor.Funcs{})
	if err := c.store().Promote(background, rotating("1"), "new"); err != nil {
		t.Fatal(err)
	}
	wantData(t, "the new Secret", c.data(t, connection.Name), map[string]string{"password": "new"})
}

// Labels and annotations come and go with their declaration; others' stay.
func TestDeclaredMetadata(t *testing.T) {
	secret := held(connection, map[string]string{"accountID": "4711"})
	secret.Labels["theirs"], secret.Annotations["theirs"] = "stays", "stays"
	c := newCluster(interceptor.Funcs{}, secret)
	meta := func(labels, annotations map[string]string) *corev1.Secret {
		t.Helper()
		dressed := connection
		dressed.Labels, dressed.Annotations = labels, annotations
		if _, err := c.store().Write(background, dressed, nil); err != nil {
			t.Fatal(err)
		}
		var s corev1.Secret
		if err := c.Get(background, client.ObjectKeyFromObject(secret), &s); err != nil {
			t.Fatal(err)
		}
		return &s
	}
	s := meta(map[string]string{"team": "a", "theirs": "taken"}, map[string]string{"note": "x"})
	if s.Labels["team"] != "a" || s.Labels["theirs"] != "taken" || s.Annotations["note"] != "x" || s.Annotations["theirs"] != "stays" {
		t.Errorf("not as declared: %v %v", s.Labels, s.Annotations)
	}
	s = meta(map[string]string{"team": "b"}, nil)
	if s.Labels["team"] != "b" || s.Labels["theirs"] != "" || s.Annotations["note"] != "" {
		t.Errorf("not as declared: %v %v", s.Labels, s.Annotations)
	}
	s = meta(nil, nil)
	want := map[string]string{v1alpha1.AnnotationResource: connection.Resource, v1alpha1.AnnotationAccount: connection.Account, "theirs": "stays"}
	if !maps.Equal(s.Labels, map[string]string{v1alpha1.LabelConnection: "true"}) || !maps.Equal(s.Annotations, want) {
		t.Errorf("something stays behind: %v %v", s.Labels, s.Annotations)
	}
	writes := c.writes
	meta(nil, nil)
	if c.writes != writes {
		t.Error("written without a change")
	}
}
