package secrets

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// OfPrevious are the connection Secrets of the previous owner of an account, which previous names, as far as a resource of a namespace may
// have what they hold: all where that is the previous owner's own namespace, else those that name the resource, "namespace/name", as the
// one that the account is handed over to. They are not cached.
func OfPrevious(ctx context.Context, s Store, previous Connection, namespace, to string) (found []corev1.Secret, err error) {
	if s.Others == nil {
		found, err = s.others(ctx, previous)
	} else {
		found, err = named(ctx, s, previous)
	}
	allowed := found[:0]
	for i := range found {
		if found[i].Namespace == namespace || found[i].Annotations[v1alpha1.AnnotationHandOverTo] == to {
			allowed = append(allowed, found[i])
		}
	}
	return allowed, err
}

// Passwords are those that a connection Secret holds.
func Passwords(secret *corev1.Secret) []account.Secret { return passwordsOf(secret) }

// RemembersDeclared says whether the Secret remembers, by its digest, that the account which c names was given this declared password.
func RemembersDeclared(secret *corev1.Secret, c Connection, password account.Secret) bool {
	return password != "" && remembers(secret, c, password)
}

// NoteHandOver has the connection Secret say to which resource the account is handed over. Where there is no such Secret, nothing is done.
func NoteHandOver(ctx context.Context, s Store, c Connection, to string) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil || secret.Annotations[v1alpha1.AnnotationHandOverTo] == to {
		return err
	}
	_, err = s.patchFrom(ctx, secret.DeepCopy(), secret, c, nil)
	return err
}

// HandedOverTo says, without a call, to which resource, "namespace/name", a connection Secret of the resource hands the account over; "" for
// none. Of several Secrets the one with the lesser name that names any counts.
func (w *Watched) HandedOverTo(ctx context.Context, c Connection) string {
	names, err := w.Others(ctx, Connection{Namespace: c.Namespace, Resource: c.Resource})
	if err != nil {
		return ""
	}
	first, to := "", ""
	for _, name := range names {
		meta := w.metadata(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name})
		if meta == nil || meta.Annotations[v1alpha1.AnnotationHandOverTo] == "" {
			continue
		}
		if to == "" || name < first {
			first, to = name, meta.Annotations[v1alpha1.AnnotationHandOverTo]
		}
	}
	return to
}

// SaysHandOver says, without a call, whether the connection Secret names the one that its resource hands the account over to, and no other
// that the resource has named before. What somebody else has it say while the resource says nothing stays.
func (w *Watched) SaysHandOver(ctx context.Context, c Connection, to string) bool {
	meta := w.metadata(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.Name})
	if meta == nil {
		return true // it is recreated for another reason
	}
	if to == "" {
		return meta.Annotations[v1alpha1.AnnotationMetadata] == ""
	}
	return meta.Annotations[v1alpha1.AnnotationHandOverTo] == to
}
