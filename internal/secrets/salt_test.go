package secrets_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

func TestSalt(t *testing.T) {
	for name, c := range map[string]struct{ value, want, says string }{
		"as it is":            {"theirs", "theirs", ""},
		"a newline":           {"theirs\n", "theirs", ""},
		"a newline, Windows":  {"theirs\r\n", "theirs", ""},
		"blanks are kept":     {" theirs ", " theirs ", ""},
		"the longest":         {strings.Repeat("ü", 39), strings.Repeat("ü", 39), ""},
		"too long":            {strings.Repeat("x", 40), "", "has more than 39 characters"},
		"two lines":           {"theirs\nmore", "", "line break"},
		"a byte order mark":   {"\ufefftheirs", "", "byte order mark"},
		"a space of no width": {"theirs\u200b", "", "the character U+200B"},
		"not text":            {"theirs\xff", "", "is not text in UTF-8"},
		"UTF-16":              {"\xff\xfet\x00h\x00e\x00", "", "is text in UTF-16"},
		"a newline alone":     {"\n", "", "is empty"},
		"nothing":             {"", "", "or it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			r := secrets.Reader{Labelled: one{secret: input(map[string]string{v1alpha1.LabelInput: "true"}, map[string][]byte{"k": []byte(c.value)})}}
			salt, err := r.Salt(background, namespace, "voximplant", "k")
			if c.want != "" {
				if err != nil || salt.Reveal() != c.want {
					t.Errorf("%q, %v", salt.Reveal(), err)
				}
				return
			}
			p := wantProblem(t, err, v1alpha1.ReasonSecretInvalid, "voximplant")
			if salt != "" || !strings.Contains(p.Message, c.says) || !strings.Contains(p.Message, `"k"`) {
				t.Errorf("%s; want %s", p.Message, c.says)
			}
		})
	}
}

func wantSalt(t *testing.T, c *cluster, in secrets.Connection, accountID string, salt account.Secret, want bool) {
	t.Helper()
	if got, err := secrets.RemembersSalt(background, c.store(), in, accountID, salt); err != nil || got != want {
		t.Errorf("%s of %s is remembered: %v, %v; want %v", salt.Reveal(), accountID, got, err, want)
	}
}

// A salt is remembered by a digest that is worth nothing for another account, and nobody knows it between Reserve and Remember.
func TestRemembersSalt(t *testing.T) {
	data := map[string]string{"password": "generated", "apiKey": "k", "accountID": "7"}
	c := newCluster(interceptor.Funcs{}, held(connection, data))
	wantSalt(t, c, connection, "7", "salt-one", false)
	if err := secrets.ReserveSalt(background, c.store(), connection); err != nil || c.writes != 0 {
		t.Errorf("a Secret that remembers none is written %d times, %v", c.writes, err)
	}
	if err := secrets.RememberSalt(background, c.store(), connection, "7", "salt-one"); err != nil {
		t.Fatal(err)
	}
	wantSalt(t, c, connection, "7", "salt-one", true)
	wantSalt(t, c, connection, "7", "salt-two", false)
	wantSalt(t, c, connection, "8", "salt-one", false)
	wantRemembered(t, c, connection, "salt-one", false)
	wantData(t, "what the Secret holds", c.data(t, connection.Name), data)
	digest := saltDigest(t, c)
	if len(digest) != 32+1+64 || strings.Contains(digest, "salt-one") {
		t.Errorf("digest %q", digest)
	}
	if err := secrets.ReserveSalt(background, c.store(), connection); err != nil {
		t.Fatal(err)
	}
	wantSalt(t, c, connection, "7", "salt-one", false)
	if saltDigest(t, c) == "" {
		t.Error("the annotation is taken away: that looks like an edit of somebody else's")
	}
	// What else is written to the Secret leaves it as it is.
	if err := secrets.RememberSalt(background, c.store(), connection, "7", "salt-two"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.store().Write(background, connection, secrets.Values{secrets.KeyEmail: "new@acme.example"}); err != nil {
		t.Fatal(err)
	}
	wantSalt(t, c, connection, "7", "salt-two", true)
}

func saltDigest(t *testing.T, c *cluster) string {
	t.Helper()
	var s corev1.Secret
	if err := c.WithWatch.Get(background, client.ObjectKey{Namespace: namespace, Name: connection.Name}, &s); err != nil {
		t.Fatal(err)
	}
	return s.Annotations[v1alpha1.AnnotationCallbackSaltDigest]
}

// Where there is no connection Secret nothing is remembered, and none is made for that. One that is another's is not written.
func TestSaltWithoutASecret(t *testing.T) {
	c := newCluster(interceptor.Funcs{})
	wantSalt(t, c, connection, "7", "salt-one", false)
	for _, err := range []error{secrets.ReserveSalt(background, c.store(), connection), secrets.RememberSalt(background, c.store(), connection, "7", "salt-one")} {
		if err != nil || c.writes > 0 {
			t.Errorf("%v, %d writes", err, c.writes)
		}
	}
	for name, other := range somebodyElses() {
		c := newCluster(interceptor.Funcs{}, other)
		wantProblem(t, secrets.RememberSalt(background, c.store(), connection, "7", "salt-one"), v1alpha1.ReasonSecretInvalid, connection.Name)
		if c.writes > 0 {
			t.Errorf("%s is written", name)
		}
	}
	down := errors.New("down")
	broken := newCluster(interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
		return down
	}})
	if _, err := secrets.RemembersSalt(background, broken.store(), connection, "7", "salt-one"); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
}
