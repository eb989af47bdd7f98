package secrets

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// A generated password is replaced in two phases: the next one is in the Secret (KeyPasswordNext) before the account gets
// it, and takes the place of the present one after. So at no time is the account's password in memory alone.

// Next returns the password that the account is to get for the rotation that c names, which is in the connection Secret
// by then; "" where the Secret says that this rotation was done. A Secret that is recreated counts it as done: what it
// remembered is gone, and nobody is to be locked out twice for one request.
func (s Store) Next(ctx context.Context, c Connection, values Values) (account.Secret, error) {
	secret, err := s.get(ctx, c)
	if err != nil {
		return "", err
	}
	if secret == nil {
		if _, err = s.restore(ctx, c, values); err != nil {
			return "", err
		}
		if secret, err = s.get(ctx, c); err != nil || secret == nil {
			return "", err
		}
	}
	if secret.Annotations[v1alpha1.AnnotationPasswordRotated] == c.Rotation {
		return "", nil
	}
	if next := secret.Data[KeyPasswordNext]; len(next) > 0 { // an earlier try, which the account may have got
		return account.Secret(next), nil
	}
	held, err := s.patchFrom(ctx, secret.DeepCopy(), secret, c, Values{KeyPasswordNext: GeneratePassword()})
	return held[KeyPasswordNext], err
}

// Rotated says whether the Secret has it that the rotation that c names was done, or none is named.
func (s Store) Rotated(ctx context.Context, c Connection) (bool, error) {
	if c.Rotation == "" {
		return true, nil
	}
	secret, err := s.get(ctx, c)
	return secret != nil && secret.Annotations[v1alpha1.AnnotationPasswordRotated] == c.Rotation, err
}

// Promote notes that the account has the next password now, and that the rotation that c names is done.
func (s Store) Promote(ctx context.Context, c Connection, next account.Secret) error {
	return s.settle(ctx, c, func(secret *corev1.Secret) {
		delete(secret.Annotations, v1alpha1.AnnotationPasswordDigest)
		secret.Data[KeyPassword] = []byte(next.Reveal())
		countPassword(secret)
		if c.Rotation != "" {
			secret.Annotations[v1alpha1.AnnotationPasswordRotated] = c.Rotation
		}
	})
}

// Drop forgets a next password that the account certainly has not got.
func (s Store) Drop(ctx context.Context, c Connection) error {
	return s.settle(ctx, c, func(*corev1.Secret) {})
}

// settle ends the second phase in whatever way change has it.
func (s Store) settle(ctx context.Context, c Connection, change func(*corev1.Secret)) error {
	secret, err := s.get(ctx, c)
	if err != nil {
		return err
	}
	if secret == nil {
		secret = newSecret(c)
		fill(secret, c, nil)
		change(secret)
		notePassword(secret, c)
		return redactError(s.Client.Create(ctx, secret), secret)
	}
	before := secret.DeepCopy()
	fill(secret, c, nil)
	delete(secret.Data, KeyPasswordNext)
	change(secret)
	_, err = s.patchFrom(ctx, before, secret, c, nil)
	return err
}

// countPassword notes that the account was given another password than the one that the Secret knew.
func countPassword(secret *corev1.Secret) {
	set(&secret.Annotations, v1alpha1.AnnotationPasswordSerial, strconv.Itoa(serial(secret)+1))
}

func serial(secret *corev1.Secret) int {
	n, _ := strconv.Atoi(secret.Annotations[v1alpha1.AnnotationPasswordSerial])
	return n
}

// inherit gives the Secret what the newest of the others holds, and what else older ones know of the same account. Others
// are those that the resource had by other names; the newest is the one that was told of the last password, of those that tell
// of the account with this id where any does.
func inherit(secret *corev1.Secret, others []corev1.Secret, id account.Secret) {
	tells := func(s *corev1.Secret) int {
		if tellsOf(s, id) {
			return 1
		}
		return 0
	}
	slices.SortFunc(others, func(a, b corev1.Secret) int {
		return cmp.Or(
			cmp.Compare(tells(&a), tells(&b)),
			cmp.Compare(serial(&a), serial(&b)),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Name, b.Name),
		)
	})
	if secret.Data == nil { // somebody has emptied it
		secret.Data = map[string][]byte{}
	}
	for i := range others {
		dropStaleKey(secret, account.Secret(others[i].Data[KeyAccountID]))
		delete(secret.Data, KeyPassword)
		delete(secret.Data, KeyPasswordNext)
		maps.Copy(secret.Data, others[i].Data)
		if keys, ok := others[i].Annotations[v1alpha1.AnnotationServiceKeys]; ok {
			set(&secret.Annotations, v1alpha1.AnnotationServiceKeys, keys)
		}
		for _, name := range []string{v1alpha1.AnnotationPasswordDigest, v1alpha1.AnnotationPasswordSerial, v1alpha1.AnnotationPasswordRotated, v1alpha1.AnnotationPasswordUnknown} {
			delete(secret.Annotations, name)
			if v, ok := others[i].Annotations[name]; ok {
				set(&secret.Annotations, name, v)
			}
		}
	}
}
