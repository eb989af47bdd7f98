package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// The labels of namespaces, which a ParentAccount's selector goes by, are watched.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch,roleName=manager-cluster-role

// findParent takes up the ParentAccount that the resource names, if the resource may use it; otherwise it says why not.
// Whoever is not let in learns nothing of another namespace, not even whether there is such a ParentAccount.
func (r *ChildAccountReconciler) findParent(ctx context.Context, s *childScope) (*v1alpha1.ParentAccount, *outcome) {
	key := s.child.ParentKey()
	parent, err := r.parent(ctx, key)
	if namespacecache.IsNotSynced(err) && key.Namespace != s.child.Namespace {
		return nil, parentUnread(key, err)
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, &outcome{err: err}
	}
	if key.Namespace == s.child.Namespace {
		if err != nil {
			return nil, &outcome{reason: v1alpha1.ReasonParentNotFound, message: fmt.Sprintf("ParentAccount %s does not exist in namespace %s", key.Name, key.Namespace)}
		}
		return parent, nil
	}
	allowed := false
	if err == nil {
		if allowed, err = r.letsIn(ctx, parent, s.child.Namespace); err != nil {
			return nil, &outcome{err: err}
		}
	}
	if !allowed {
		return nil, &outcome{reason: v1alpha1.ReasonNamespaceNotAllowed, message: fmt.Sprintf(
			"there is no ParentAccount %s in namespace %s that lets namespace %s in: its owner has to do so with spec.allowedNamespaces", key.Name, key.Namespace, s.child.Namespace)}
	}
	return parent, notGranted(s.child, parent)
}

// parent is the cache's own ParentAccount, which must not be changed: every child asks for it in every resync.
func (r *ChildAccountReconciler) parent(ctx context.Context, key types.NamespacedName) (*v1alpha1.ParentAccount, error) {
	if !r.looksAfter(key.Namespace) {
		return nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("parentaccounts").GroupResource(), key.Name)
	}
	parent := &v1alpha1.ParentAccount{}
	return parent, r.Get(ctx, key, parent, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
}

// letsIn says whether the ParentAccount's allowedNamespaces has the namespace, which is another than its own.
func (r *ChildAccountReconciler) letsIn(ctx context.Context, parent *v1alpha1.ParentAccount, namespace string) (bool, error) {
	switch parent.AllowedFrom() {
	case v1alpha1.NamespacesAll:
		return true, nil
	case v1alpha1.NamespacesSelector:
		return r.picks(ctx, parent, namespace)
	}
	return false, nil
}

// picks says whether the ParentAccount's selector picks the namespace. One that can't be read picks nothing.
func (r *ChildAccountReconciler) picks(ctx context.Context, parent *v1alpha1.ParentAccount, namespace string) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(parent.Spec.AllowedNamespaces.Selector)
	if err != nil {
		return false, nil //nolint:nilerr // the ParentAccount's own condition says so
	}
	ns := NamespaceMetadata()
	if err := r.Namespaces.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return selector.Matches(labels.Set(ns.Labels)), nil
}

// notGranted stops a resource of another namespace that would take over, or look at, what it has not made.
func notGranted(child *v1alpha1.ChildAccount, parent *v1alpha1.ParentAccount) *outcome {
	adopts := child.AdoptionPolicy() != v1alpha1.AdoptNever
	observes := child.Observes() && child.Status.Origin == ""
	takesOver := child.Annotations[v1alpha1.AnnotationTakeover] != ""
	if !adopts && !observes && !takesOver || parent.Grants(v1alpha1.GrantAdopt) {
		return nil
	}
	what := fmt.Sprintf("adoptionPolicy %s", child.AdoptionPolicy())
	switch {
	case takesOver:
		what = "the annotation " + v1alpha1.AnnotationTakeover
	case observes:
		what = "managementPolicy Observe, for an account that this resource has not made,"
	}
	return &outcome{reason: v1alpha1.ReasonNotPermitted, message: fmt.Sprintf(
		"%s needs the grant %s in spec.allowedNamespaces.grants of ParentAccount %s/%s, which is in another namespace", what, v1alpha1.GrantAdopt, parent.Namespace, parent.Name)}
}

// mayHear says whether the resource may be told of those in a namespace: one that uses another namespace's ParentAccount
// hears of its own alone.
func (s *childScope) mayHear(namespace string) bool {
	return s.child.Namespace == namespace || s.child.Namespace == s.parent.Namespace
}

// looksAfter says whether the operator looks after a namespace (--namespaces).
func (r *ChildAccountReconciler) looksAfter(namespace string) bool {
	return len(r.Only) == 0 || slices.Contains(r.Only, namespace)
}

// mayUse says whether the resource may use the ParentAccount that it names, which exists.
func (r *ChildAccountReconciler) mayUse(ctx context.Context, child *v1alpha1.ChildAccount) bool {
	if child.ParentKey().Namespace == child.Namespace {
		return true
	}
	_, out := r.findParent(ctx, &childScope{child: child})
	return out == nil
}

// forbidden says whether an outcome tells that the resource may not use its parent.
func forbidden(out outcome) bool {
	return out.reason == v1alpha1.ReasonNamespaceNotAllowed || out.reason == v1alpha1.ReasonNotPermitted
}

// checkSelector says what is wrong with the ParentAccount's selector of namespaces; nil if nothing is.
func checkSelector(parent *v1alpha1.ParentAccount) *outcome {
	if parent.AllowedFrom() != v1alpha1.NamespacesSelector {
		return nil
	}
	if _, err := metav1.LabelSelectorAsSelector(parent.Spec.AllowedNamespaces.Selector); err != nil {
		return &outcome{reason: v1alpha1.ReasonInvalidSelector, message: "spec.allowedNamespaces.selector: " + err.Error()}
	}
	return nil
}

// NamespaceMetadata is a namespace of which only the metadata is read.
func NamespaceMetadata() *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return meta
}

// unproven stops a resource of a shared parent from taking an account for its claim alone: whoever has had the account may
// have written that claim, and a tenant may write an intent and a connection Secret. What proves it is the account's password,
// which is in the connection Secret, or declared, before the account is made.
func (r *ChildAccountReconciler) unproven(ctx context.Context, s *childScope, a account.Account) *outcome {
	shared := s.parent.AllowedFrom() != v1alpha1.NamespacesSame
	if !shared || s.boundID() != "" || !s.claimed(a) || s.child.AdoptionPolicy() != v1alpha1.AdoptNever {
		return nil
	}
	held, err := r.Connections.Read(ctx, s.connection())
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	for _, password := range []account.Secret{held[secrets.KeyPassword], held[secrets.KeyPasswordNext], s.password} {
		if password == "" {
			continue
		}
		has, err := s.dir.CheckPassword(ctx, a.ID, password)
		switch c := account.ClassOf(err); {
		case has:
			return nil
		case c == account.Unavailable, c == account.Throttled, c == account.PasswordBlocked:
			return stopped(err)
		}
	}
	return &outcome{reason: v1alpha1.ReasonAdoptionRefused, message: fmt.Sprintf(
		"account %s (id %s) names this resource as its own, but ParentAccount %s is shared and Secret %s does not prove it with the account's password: restore the Secret, or set spec.adoptionPolicy",
		a.Name, a.ID, s.parent.Name, s.child.ConnectionSecretName())}
}
