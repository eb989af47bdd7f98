package secrets

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// saltLength is the length of a digest's salt in bytes.
const saltLength = 16

// Remembers tells whether this is the declared password that the account was last given, as the connection Secret has it.
func (s Store) Remembers(ctx context.Context, c Connection, password account.Secret) (bool, error) {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return false, err
	}
	return remembers(secret, c, password), nil
}

// PrepareDeclared is Prepare for an account that gets a declared password, or none.
func (s Store) PrepareDeclared(ctx context.Context, c Connection, values Values) error {
	_, secret, err := s.begin(ctx, c, values)
	if err != nil || secret == nil {
		return err
	}
	c.Applied = "" // until the creation is answered nobody knows which password the account has
	before := secret.DeepCopy()
	c.intend(secret)
	delete(secret.Annotations, v1alpha1.AnnotationPasswordDigest)
	_, err = s.patchFrom(ctx, before, secret, c, values)
	return err
}

// Reserve makes sure that the connection Secret exists and remembers no declared password: one is about to be given to
// the account, and until that is answered nobody knows which one it has. A generated password stays until then.
func (s Store) Reserve(ctx context.Context, c Connection, values Values) error {
	c.Applied = "" // whatever the account had until now
	secret, err := s.get(ctx, c)
	if err != nil {
		return err
	}
	if secret == nil {
		others, err := s.others(ctx, c)
		if err != nil {
			return err
		}
		secret = newSecret(c)
		inherit(secret, others, "")
		delete(secret.Annotations, v1alpha1.AnnotationPasswordDigest)
		if _, err = s.createFrom(ctx, secret, c, values); !apierrors.IsAlreadyExists(err) {
			return err
		}
		if secret, err = s.get(ctx, c); err != nil || secret == nil {
			return err
		}
	}
	before := secret.DeepCopy()
	delete(secret.Annotations, v1alpha1.AnnotationPasswordDigest)
	_, err = s.patchFrom(ctx, before, secret, c, values)
	return err
}

// remember notes the declared password that the account has now. A generated one is out of date with it.
func remember(secret *corev1.Secret, c Connection) {
	if c.Applied == "" {
		return
	}
	delete(secret.Data, KeyPassword)
	delete(secret.Data, KeyPasswordNext)
	if remembers(secret, c, c.Applied) {
		return
	}
	countPassword(secret)
	set(&secret.Annotations, v1alpha1.AnnotationPasswordDigest, salted(c.Account, c.Applied))
}

func remembers(secret *corev1.Secret, c Connection, password account.Secret) bool {
	return isSalted(secret.Annotations[v1alpha1.AnnotationPasswordDigest], c.Account, password)
}

// salted is a digest of a password and what it is of, with a salt of its own: "<salt>:<digest>", both in hexadecimal.
func salted(of string, password account.Secret) string {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil { // crypto/rand does not fail on supported systems
		panic(err)
	}
	return hex.EncodeToString(salt) + ":" + hex.EncodeToString(digest(salt, of, password))
}

// isSalted says whether a text is what salted made of these.
func isSalted(text, of string, password account.Secret) bool {
	salt, sum, ok := strings.Cut(text, ":")
	rawSalt, err := hex.DecodeString(salt)
	rawSum, err2 := hex.DecodeString(sum)
	return ok && err == nil && err2 == nil && len(rawSalt) == saltLength && hmac.Equal(rawSum, digest(rawSalt, of, password))
}

func digest(salt []byte, of string, password account.Secret) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(of + "\x00" + password.Reveal()))
	return h.Sum(nil)
}
