package secrets

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// longestSalt is how many characters the salt of callbacks may have.
const longestSalt = 39

// Salt returns the salt of an account's callbacks under a key of an input Secret, without the newline that an editor leaves at its end.
// A *Problem says why it can't be used.
func (r Reader) Salt(ctx context.Context, namespace, name, key string) (account.Secret, error) {
	value, err := r.value(ctx, namespace, name, key)
	if err != nil {
		return "", err
	}
	salt := strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")
	long := ""
	if utf8.RuneCountInString(salt) > longestSalt {
		long = fmt.Sprintf("has more than %d characters", longestSalt)
	}
	if wrong := cmp.Or(wrongEncoding(salt), wrongCharacter(salt), long); wrong != "" {
		return "", invalid(fmt.Sprintf("Secret %s can't serve as the salt: key %q %s", name, key, wrong))
	}
	return account.Secret(salt), nil
}

// reservedSalt stands in place of a digest while nobody knows which salt the account has.
const reservedSalt = "unknown"

// saltOf is what the digest of a salt is of: a password's can't pass for it, nor that of another account.
func saltOf(c Connection, accountID string) string {
	return "callback salt of " + c.Account + "\x00" + accountID
}

// RemembersSalt tells whether this is the salt that the callbacks of the account were last given, as the connection Secret has it.
func RemembersSalt(ctx context.Context, s Store, c Connection, accountID string, salt account.Secret) (bool, error) {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return false, err
	}
	return isSalted(secret.Annotations[v1alpha1.AnnotationCallbackSaltDigest], saltOf(c, accountID), salt), nil
}

// ReserveSalt has the connection Secret remember no salt: one is about to be given to the account, and until that is answered nobody
// knows which one it has. A Secret that remembers none, or that is missing, is not written.
func ReserveSalt(ctx context.Context, s Store, c Connection) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil || secret.Annotations[v1alpha1.AnnotationCallbackSaltDigest] == "" {
		return err
	}
	return noteSalt(ctx, s, c, reservedSalt)
}

// RememberSalt notes the salt that the callbacks of the account have by now. Where the connection Secret is missing nothing is noted.
func RememberSalt(ctx context.Context, s Store, c Connection, accountID string, salt account.Secret) error {
	return noteSalt(ctx, s, c, salted(saltOf(c, accountID), salt))
}

// noteSalt writes the annotation. It stays once it is there: one that is taken away would look like an edit by another client.
func noteSalt(ctx context.Context, s Store, c Connection, digest string) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return err
	}
	before := secret.DeepCopy()
	set(&secret.Annotations, v1alpha1.AnnotationCallbackSaltDigest, digest)
	_, err = s.patchFrom(ctx, before, secret, c, nil)
	return err
}
