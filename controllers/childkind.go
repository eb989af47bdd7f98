package controllers

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/engine"
)

// indexAccountName finds the ChildAccounts of all namespaces that declare an account name.
const indexAccountName = "accountName"

// childKind is what the engine asks of ChildAccounts.
type childKind struct {
	client.Reader
	// live asks the Kubernetes API, namespaces a cache of namespaces; nil reads none.
	live, namespaces client.Reader
	// read says which namespaces can be read; nil: all.
	read Read
}

var _ engine.Kind = &childKind{}

// CRD implements engine.Kind.
func (k *childKind) CRD() string { return "childaccounts." + v1alpha1.GroupVersion.Group }

// Named implements engine.Kind. They are the cache's own.
func (k *childKind) Named(ctx context.Context, accountName string) ([]engine.Managed, error) {
	var found v1alpha1.ChildAccountList
	if err := k.List(ctx, &found, client.MatchingFields{indexAccountName: accountName}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return managed(found.Items), nil
}

// Complete implements engine.Kind.
func (k *childKind) Complete() bool { return seesAll(k.read) }

// Fleet implements engine.Kind.
func (k *childKind) Fleet(ctx context.Context, m engine.Managed) (changeguard.Fleet, error) {
	namespace, err := k.namespace(ctx, m.Object())
	if err != nil {
		return changeguard.Fleet{}, err
	}
	total, err := k.count(ctx, m.Declaration().Parent, m.Object().GetNamespace())
	return changeguard.Fleet{Total: total, Namespace: namespace}, err
}

// count is how many accounts there are, or are to be: what has none and wants none makes no room for changes.
func (k *childKind) count(ctx context.Context, parent types.NamespacedName, namespace string) (int, error) {
	var children v1alpha1.ChildAccountList
	err := k.List(ctx, &children, append(childrenOfParent(parent), client.InNamespace(namespace), client.UnsafeDisableDeepCopy)...)
	count := 0
	for _, c := range children.Items {
		if c.Status.Origin != "" || !c.Suspended() {
			count++
		}
	}
	return count, err
}

// namespace is the resource's namespace, by its UID where the operator may read it. The cache may be behind: it may
// not have the namespace yet, or still have a former one of the same name, which was deleted before the resource was created.
func (k *childKind) namespace(ctx context.Context, child client.Object) (changeguard.Namespace, error) {
	named := changeguard.Namespace{Name: child.GetNamespace()}
	if k.namespaces == nil {
		return named, nil
	}
	meta, key := NamespaceMetadata(), client.ObjectKey{Name: child.GetNamespace()}
	err := k.namespaces.Get(ctx, key, meta, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	former := err == nil && meta.DeletionTimestamp != nil && child.GetCreationTimestamp().After(meta.DeletionTimestamp.Time)
	if apierrors.IsNotFound(err) || former {
		meta = NamespaceMetadata()
		err = k.live.Get(ctx, key, meta)
	}
	if apierrors.IsForbidden(err) {
		return named, nil
	}
	named.UID, named.Created = meta.UID, meta.CreationTimestamp.Time
	return named, err
}
