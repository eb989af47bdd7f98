package secrets

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// ErrReadFirst says that a connection Secret was there before an account was to be created with it: an earlier attempt may have
// created the account, so the account is read before the next one. The Connection's Latest has the Secret, as it was before that
// read: of two that continue from there, one only can renew the intent.
var ErrReadFirst = errors.New("the connection Secret was there: the account is to be read first")

// intend records in the Secret one more attempt to create an account for the resource.
func (c *Connection) intend(secret *corev1.Secret) {
	if c.UID == "" {
		return
	}
	attempt := 1
	if i, _ := intentOf(secret); intends(secret, *c) {
		attempt = i.attempt + 1
	}
	set(&secret.Annotations, v1alpha1.AnnotationCreateIntent, strings.Join([]string{string(c.UID), strconv.Itoa(attempt), c.Account}, "/"))
}

// intent is what a connection Secret says of attempts to create an account: the resource's UID, how many there were, and the account.
type intent struct {
	uid     types.UID
	attempt int
	account string
}

func intentOf(secret metav1.Object) (intent, bool) {
	uid, rest, _ := strings.Cut(secret.GetAnnotations()[v1alpha1.AnnotationCreateIntent], "/")
	number, account, ok := strings.Cut(rest, "/")
	attempt, err := strconv.Atoi(number)
	return intent{types.UID(uid), attempt, account}, ok && err == nil
}

// intends says whether the Secret records an attempt to create the account for the resource.
func intends(secret metav1.Object, c Connection) bool {
	i, ok := intentOf(secret)
	return ok && i.uid == c.UID && i.account == c.Account
}

// Intends says whether the Secret as it was last read records an attempt to create the account; false before it was read.
func (l *Latest) Intends(c Connection) bool {
	return l != nil && l.secret != nil && intends(l.secret, c)
}

// Intends says, without a call, whether a connection Secret of the resource, by whatever name, records an attempt to create the
// account. The cache may be behind.
func (w *Watched) Intends(ctx context.Context, c Connection) bool {
	recorded := func(name string) bool {
		meta := w.metadata(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name})
		return meta != nil && meta.Annotations[v1alpha1.AnnotationResource] == c.Resource && intends(meta, c)
	}
	if recorded(c.Name) {
		return true
	}
	others, err := w.Others(ctx, c)
	return err == nil && slices.ContainsFunc(others, recorded)
}

// Version tells a Secret, as it is at one time, from any other.
type Version struct {
	// Key names the Secret.
	Key types.NamespacedName
	// UID and ResourceVersion are the Secret's.
	UID             types.UID
	ResourceVersion string
}

// Version is that of the Secret as it was last read or written; the zero value where there is none.
func (l *Latest) Version() Version {
	if l == nil || l.secret == nil {
		return Version{}
	}
	return Version{client.ObjectKeyFromObject(l.secret), l.secret.UID, l.secret.ResourceVersion}
}

// DiscardUnused deletes a connection Secret that was prepared for an account that was certainly never created, if it is as it was
// then. What somebody has changed since is left to them.
func (s Store) DiscardUnused(ctx context.Context, v Version) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v.Key.Namespace, Name: v.Key.Name}}
	err := s.Client.Delete(ctx, secret, client.Preconditions{UID: &v.UID, ResourceVersion: &v.ResourceVersion})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
