package secrets

import (
	"errors"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// found is what a connection Secret, and others of the same resource, hold when account 6 is found, or was made.
type found struct {
	secret *corev1.Secret
	others []corev1.Secret
	// has is the account's password, unknown are those of which nobody can say.
	has     account.Secret
	unknown []account.Secret
}

var errNobodyKnows = errors.New("nobody can say")

func (f found) try(p account.Secret) (bool, error) {
	if slices.Contains(f.unknown, p) {
		return false, errNobodyKnows
	}
	return p == f.has, nil
}

// tells says whether any of the Secrets tells of account 6, and has a password for it if one is given.
func (f found) tells(password account.Secret) bool {
	return slices.ContainsFunc(append(f.others, *f.secret), func(s corev1.Secret) bool {
		return tellsOf(&s, "6") && (password == "" || slices.Contains(passwordsOf(&s), password))
	})
}

// held are Secrets that hold anything.
var held = rapid.Custom(func(t *rapid.T) corev1.Secret {
	password := rapid.SampledFrom([]string{"", "", "p1", "p2", "p3", "p4"})
	s := newSecret(Connection{Name: rapid.StringMatching("[a-z]{5}").Draw(t, "name")})
	s.Data = map[string][]byte{
		KeyAccountID: []byte(rapid.SampledFrom([]string{"", "5", "6"}).Draw(t, "id")),
		KeyPassword:  []byte(password.Draw(t, "password")), KeyPasswordNext: []byte(password.Draw(t, "next")),
	}
	maps.DeleteFunc(s.Data, func(_ string, v []byte) bool { return len(v) == 0 })
	s.Annotations = map[string]string{v1alpha1.AnnotationPasswordSerial: rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "serial")}
	return *s
})

var founds = rapid.Custom(func(t *rapid.T) found {
	secret := held.Draw(t, "secret")
	passwords := rapid.SampledFrom([]account.Secret{"p1", "p2", "p3", "p4"})
	return found{
		secret: &secret, others: rapid.SliceOfN(held, 0, 3).Draw(t, "others"), has: passwords.Draw(t, "has"),
		unknown: rapid.SliceOfNDistinct(passwords, 0, 4, rapid.ID).Draw(t, "unknown"),
	}
})

// A password stands beside an account's id only if it is that account's, as far as anybody can say, and none that may be is lost.
func TestNoPasswordThatTheAccountNeverHad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := founds.Draw(t, "found")
		before := found{f.secret.DeepCopy(), slices.Clone(f.others), f.has, f.unknown}
		open := passwordsOf(f.secret)
		for i := range f.others {
			open = append(open, passwordsOf(&f.others[i])...)
		}
		switch err := takeOver(f.secret, f.others, Connection{Try: f.try}, Values{KeyAccountID: "6"}); {
		case err != nil && !errors.Is(err, errNobodyKnows):
			t.Fatal(err)
		case err != nil:
			return // and nothing is written
		}
		is, maybe := account.Secret(f.secret.Data[KeyPassword]), passwordsOf(f.secret)
		if proved, _ := f.try(is); is != "" && !proved && !before.tells(is) {
			t.Fatalf("%v and %v came to %v: %s is not the account's", before.secret.Data, before.others, f.secret.Data, is)
		}
		for _, p := range open {
			proved, err := f.try(p)
			if mayBe := proved || err != nil && is != f.has; mayBe && !before.tells("") && !slices.Contains(maybe, p) {
				t.Fatalf("%v and %v came to %v: %s is lost", before.secret.Data, before.others, f.secret.Data, p)
			}
		}
	})
}

// What an account was definitely made with takes the place of all else, and nothing is tried.
func TestWhatAnAccountWasMadeWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := founds.Draw(t, "found")
		if f.tells("") {
			t.Skip("it was made before")
		}
		c := Connection{Try: func(account.Secret) (bool, error) { return false, errNobodyKnows }}
		values := Values{KeyAccountID: "6", KeyPassword: "made"}
		want := map[string][]byte{KeyPassword: []byte("made")}
		if rapid.Bool().Draw(t, "declared") {
			delete(values, KeyPassword)
			c.Applied, want = "declared", nil
		}
		if err := takeOver(f.secret, f.others, c, values); err != nil {
			t.Fatal(err)
		}
		if delete(f.secret.Data, KeyAccountID); !maps.EqualFunc(f.secret.Data, want, slices.Equal) {
			t.Fatalf("holds %v", f.secret.Data)
		}
	})
}
