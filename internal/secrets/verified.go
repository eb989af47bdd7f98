package secrets

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// notePassword has the Secret say whether it lacks a password that was known once, and drops what it remembers of a refused
// password that is not the present one any more.
func notePassword(secret *corev1.Secret, c Connection) {
	id := string(secret.Data[KeyAccountID])
	if _, noted := secret.Data[KeyPasswordRefused]; noted && !refuses(secret, presentPassword(secret, c)) {
		delete(secret.Data, KeyPasswordRefused)
	}
	_, digest := secret.Annotations[v1alpha1.AnnotationPasswordDigest]
	switch known := secret.Annotations[v1alpha1.AnnotationPasswordUnknown] == id || c.HadPassword || serial(secret) > 0; {
	case len(passwordsOf(secret)) > 0, digest, c.Declared != "", id == "", !known:
		delete(secret.Annotations, v1alpha1.AnnotationPasswordUnknown)
	default:
		set(&secret.Annotations, v1alpha1.AnnotationPasswordUnknown, id)
	}
}

// presentPassword is the password that the account is believed to have.
func presentPassword(secret *corev1.Secret, c Connection) account.Secret {
	if c.Declared != "" {
		return c.Declared
	}
	return account.Secret(secret.Data[KeyPassword])
}

// NoteRefused notes in the connection Secret that the provider refused a password of the account, so that no process signs in with it again:
// failed sign-ins can block the password. The digest is in the Secret's data, so only those can try guesses against it who may read
// the password itself.
func NoteRefused(ctx context.Context, s Store, c Connection, password account.Secret) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil || refuses(secret, password) {
		return err
	}
	before := secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[KeyPasswordRefused] = []byte(salted(refusedOf(secret), password))
	_, err = s.patchFrom(ctx, before, secret, c, nil)
	return err
}

// NoteVerified notes in a connection Secret that somebody else wrote to that all it holds was verified, so that no later process does so again.
// The Secret is as it was last read or written: whoever writes to it after that is noticed.
func NoteVerified(ctx context.Context, s Store, c Connection) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return err
	}
	before, digest := secret.DeepCopy(), othersDigest(secret)
	if before.Annotations[v1alpha1.AnnotationVerified] == digest {
		return nil
	}
	if delete(secret.Annotations, v1alpha1.AnnotationVerified); digest != "" {
		set(&secret.Annotations, v1alpha1.AnnotationVerified, digest)
	}
	_, err = s.patchFrom(ctx, before, secret, c, nil)
	return err
}

// refuses says whether the Secret remembers that the provider refused this password of the account that the Secret tells of.
func refuses(secret *corev1.Secret, password account.Secret) bool {
	return password != "" && isSalted(string(secret.Data[KeyPasswordRefused]), refusedOf(secret), password)
}

// refusedOf is what the digest of a refused password is of: the account's id, and not of a declared password that the account has.
func refusedOf(secret *corev1.Secret) string {
	return "refused\x00" + string(secret.Data[KeyAccountID])
}

// Refuses says whether the Secret, as it was last read or written, remembers that the provider refused this password.
func (l *Latest) Refuses(password account.Secret) bool {
	return l != nil && l.secret != nil && refuses(l.secret, password)
}

// tookOut says whether something that was in the Secret is not there any more.
func tookOut(before, after *corev1.Secret) bool {
	return lacks(before.Data, after.Data) || lacks(before.Annotations, after.Annotations) || lacks(before.Labels, after.Labels)
}

// lacks says whether a key is not there any more.
func lacks[V any](before, after map[string]V) bool {
	for key := range before {
		if _, there := after[key]; !there {
			return true
		}
	}
	return false
}

// PasswordUnknown says whether the Secret, as it was last read or written, lacks a password that was known once.
func (l *Latest) PasswordUnknown() bool {
	if l == nil || l.secret == nil {
		return false
	}
	_, unknown := l.secret.Annotations[v1alpha1.AnnotationPasswordUnknown]
	return unknown
}

// restoreID gives the Secret the id of the resource's account again where somebody edited the id: what else the Secret holds stays that
// account's. An id that the operator wrote is that of an earlier account.
func restoreID(secret *corev1.Secret, c Connection, id account.Secret) {
	if id == "" || c.Bound != id || len(secret.Data[KeyAccountID]) == 0 || tellsOf(secret, id) || ownFields(secret)[DataField(KeyAccountID)] {
		return
	}
	secret.Data[KeyAccountID] = []byte(id.Reveal())
}

// hadPassword says, by the metadata of a connection Secret, whether the Secret holds a password, whoever wrote it.
func hadPassword(secret metav1.Object) bool {
	for _, f := range secret.GetManagedFields() {
		var fields struct {
			Data map[string]any `json:"f:data"`
		}
		if f.FieldsV1 == nil || json.Unmarshal(f.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, has := fields.Data["f:"+KeyPassword]; has {
			return true
		}
	}
	return false
}
