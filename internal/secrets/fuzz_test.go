package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// one is a reader of one Secret, whatever it is asked for.
type one struct {
	client.Reader
	secret *corev1.Secret
}

func (o one) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	o.secret.DeepCopyInto(into.(*corev1.Secret))
	return nil
}

// A value of an input Secret is a password as it stands, or refused without being shown.
func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"Pa55word!", "Pa55word!\n", "\n", "", "two\nlines", "nul\x00", "\xff\xfe", "ü", strings.Repeat("Aa1!", 65), "\u2028", "\u202e", "\ufeffPa55word!", "Pa55\ufeffword!", "\xff\xfeP\x00a\x005\x00", "\xfe\xff\x00P\x00a\x005", "P\x00a\x00", "\x00P\x00a", "Pa55\u200bword!"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		secret := input(map[string]string{v1alpha1.LabelInput: "true"}, map[string][]byte{"k": value})
		password, err := secrets.Reader{Labelled: one{secret: secret}}.Password(background, namespace, "voximplant", "k")
		plain := password.Reveal()
		var p *secrets.Problem
		switch {
		case err == nil && strings.ContainsFunc(plain, func(c rune) bool { return c == '\ufeff' || c == '\u200b' || c == 0 }):
			t.Errorf("%q has a character that nobody types", plain)
		case err == nil && (plain == "" || plain != strings.TrimSuffix(string(value), "\n") || !utf8.ValidString(plain) || strings.ContainsFunc(plain, unicode.IsControl)):
			t.Errorf("%q is taken for %q", value, plain)
		case err != nil && (plain != "" || !errors.As(err, &p) || p.Reason != v1alpha1.ReasonSecretInvalid):
			t.Errorf("%q: %q, %v", value, plain, err)
		case err != nil && len(value) > 16 && strings.Contains(err.Error(), string(value[:16])):
			t.Errorf("%q is shown: %v", value, err)
		}
	})
}

// A value of an input Secret is an API key without what surrounds it, or refused without being shown.
func FuzzAPIKey(f *testing.F) {
	for _, seed := range []string{"c0ffee", "\ufeffc0ffee\r\n", "\ufeff", " ", "two\nlines", "\xff\xfec\x000\x00", "\xfe\xff\x00c\x000", "c\x000\x00", "c0\ufeffffee", "c0\u200bffee", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		secret := input(map[string]string{v1alpha1.LabelInput: "true"}, map[string][]byte{"k": value})
		apiKey, err := secrets.Reader{Labelled: one{secret: secret}}.APIKey(background, namespace, "voximplant", "k")
		plain := apiKey.Reveal()
		var p *secrets.Problem
		switch {
		case err == nil && (plain == "" || plain != strings.TrimSpace(plain) || !strings.Contains(string(value), plain) || !utf8.ValidString(plain)):
			t.Errorf("%q is taken for %q", value, plain)
		case err == nil && strings.ContainsFunc(plain, func(c rune) bool { return c == '\ufeff' || unicode.IsControl(c) }):
			t.Errorf("%q has a character that no key has", plain)
		case err != nil && (plain != "" || !errors.As(err, &p) || p.Reason != v1alpha1.ReasonSecretInvalid):
			t.Errorf("%q: %q, %v", value, plain, err)
		case err != nil && len(value) > 16 && strings.Contains(err.Error(), string(value[:16])):
			t.Errorf("%q is shown: %v", value, err)
		}
	})
}

// Whatever somebody has made of a connection Secret: no operation loses a password, touches what is others', or gives up
// other than by an error.
func FuzzConnection(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"data": null, "metadata": {"annotations": {"accounts.cpaas.dev/password-serial": "3"}}}`,
		`{"data": {"password": "UGE1NXdvcmQ=", "passwordNext": "TmV4dA==", "accountID": "MTc=", "mine": "bWluZQ=="}}`,
		`{"data": {"password": ""}, "metadata": {"annotations": {"accounts.cpaas.dev/password-digest": "00:00", "accounts.cpaas.dev/password-serial": "-9"}}}`,
		`{"metadata": {"annotations": {"accounts.cpaas.dev/metadata": "{\"labels\": [\"accounts.cpaas.dev/connection\"]}"}, "labels": {"mine": "x"}}, "immutable": true}`,
	} {
		f.Add([]byte(seed), []byte(`{"data": {"password": "T2xk"}}`), byte(0))
		f.Add([]byte(seed), []byte(`{"metadata": {"annotations": {"accounts.cpaas.dev/password-serial": "7"}}}`), byte(7))
	}
	f.Fuzz(func(t *testing.T, text, otherText []byte, how byte) {
		secret, other := held(connection, nil), connection
		other.Name = "by-another-name"
		newer := held(other, nil)
		secret.Data, newer.Data = nil, nil
		if json.Unmarshal(text, secret) != nil || json.Unmarshal(otherText, newer) != nil {
			return
		}
		for s, name := range map[*corev1.Secret]string{secret: connection.Name, newer: other.Name} {
			s.Namespace, s.Name, s.ResourceVersion, s.GenerateName, s.DeletionTimestamp, s.Finalizers = namespace, name, "", "", nil, nil
		}
		c := connection
		if how&1 != 0 {
			c.Rotation = "now"
		}
		if how&2 != 0 {
			c.Labels, c.Annotations = map[string]string{"team": "voice"}, map[string]string{"note": "of mine"}
		}
		api := newCluster(interceptor.Funcs{}, secret, newer)
		store := api.store()
		if how&4 != 0 {
			store.Others = func(context.Context, secrets.Connection) ([]string, error) { return []string{other.Name}, nil }
		}
		before := api.data(t, c.Name)
		if how&8 != 0 { // what exists already is written without being prepared
			_, _ = store.Write(background, c, known())
		}
		exercise(t, api, store, c, api.data(t, c.Name))
		after := api.data(t, c.Name)
		for _, known := range []string{secrets.KeyPassword, secrets.KeyPasswordNext, secrets.KeyAPIKey, secrets.KeyAccountID, secrets.KeyAccountName, secrets.KeyEmail, secrets.KeyEndpoint} {
			delete(before, known)
			delete(after, known)
		}
		if how&4 == 0 && !maps.Equal(before, after) { // else what another one holds comes along
			t.Errorf("what is others' was %v and is %v", before, after)
		}
	})
}

// exercise does one after another what the operator does with a connection Secret.
func exercise(t *testing.T, api *cluster, store secrets.Store, c secrets.Connection, before map[string]string) {
	t.Helper()
	if _, err := store.Read(background, c); err != nil {
		var p *secrets.Problem
		if !errors.As(err, &p) || p.Reason != v1alpha1.ReasonSecretInvalid {
			t.Errorf("read: %v", err)
		}
		return // somebody else's
	}
	password, err := store.Prepare(background, c, known())
	if err != nil {
		return
	}
	if old := before[secrets.KeyPassword]; password == "" || old != "" && password.Reveal() != old {
		t.Errorf("prepared: %q was %q", password.Reveal(), old)
	}
	held, err := store.Write(background, c, known())
	if err != nil {
		return
	}
	// What was prepared as the next password stays that until an account is known to have it.
	candidate := held[secrets.KeyPasswordNext] == password
	if store.Others == nil && held[secrets.KeyPassword] != password && !candidate {
		t.Errorf("written: %q was %q", held[secrets.KeyPassword].Reveal(), password.Reveal())
	}
	next, err := store.Next(background, c, known())
	if err != nil {
		return
	}
	if next == "" {
		return // this rotation was done
	}
	if got := api.data(t, c.Name)[secrets.KeyPasswordNext]; got != next.Reveal() {
		t.Errorf("the next password %q is not in the Secret, but %q", next.Reveal(), got)
	}
	if err := store.Promote(background, c, next); err != nil {
		return
	}
	if now := api.data(t, c.Name); now[secrets.KeyPassword] != next.Reveal() || now[secrets.KeyPasswordNext] != "" {
		t.Errorf("promoted %q: %v", next.Reveal(), now)
	}
}
