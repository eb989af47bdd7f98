package controllers

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/engine"
)

// resource is what the resources of all kinds have.
type resource interface {
	client.Object
	ParentKey() types.NamespacedName
	ConnectionSecretName() string
	InputSecrets() []string
	Suspended() bool
}

// Kind is a kind of resources whose accounts the operator keeps. ParentAccounts of one provider have those of one kind.
type Kind struct {
	name, crd, provider string
	table               conditions.Table
	object              func() resource
	list                func() client.ObjectList
	// names are the account names that a resource declares or has, in the spelling of canonical.
	names     func(client.Object) []string
	canonical func(string) string
}

// The kinds.
var (
	ChildAccounts = &Kind{
		name: "ChildAccount", crd: "childaccounts", provider: v1alpha1.ProviderVoximplant, table: conditions.Children,
		object:    func() resource { return &v1alpha1.ChildAccount{} },
		list:      func() client.ObjectList { return &v1alpha1.ChildAccountList{} },
		names:     func(o client.Object) []string { return []string{o.(*v1alpha1.ChildAccount).AccountName()} },
		canonical: func(name string) string { return name },
	}
	SubAccounts = &Kind{
		name: "SubAccount", crd: "subaccounts", provider: v1alpha1.ProviderTwoSMS, table: conditions.SubAccounts,
		object: func() resource { return &v1alpha1.SubAccount{} },
		list:   func() client.ObjectList { return &v1alpha1.SubAccountList{} },
		names:  emailsOf, canonical: account.CanonicalEmail,
	}
	kinds = []*Kind{ChildAccounts, SubAccounts}
)

// kindOf is the kind of a name.
func kindOf(name string) *Kind {
	if name == SubAccounts.name {
		return SubAccounts
	}
	return ChildAccounts
}

// managed is a resource as the engine knows it.
func managed(o runtime.Object) engine.Managed {
	if sub, ok := o.(*v1alpha1.SubAccount); ok {
		return subAccount{sub}
	}
	return childAccount{o.(*v1alpha1.ChildAccount)}
}

// parentKey names the ParentAccount of a resource.
func parentKey(o client.Object) types.NamespacedName { return o.(resource).ParentKey() }

// listed are the resources of the kind that a cache has. They are the cache's own.
func (k *Kind) listed(ctx context.Context, c client.Reader, opts ...client.ListOption) (all []engine.Managed, err error) {
	list := k.list()
	if err := c.List(ctx, list, append(opts, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, err
	}
	err = meta.EachListItem(list, func(o runtime.Object) error {
		all = append(all, managed(o))
		return nil
	})
	return all, err
}

// indexAccountName finds the resources of all namespaces that declare, or have, an account of a name.
const indexAccountName = "accountName"

// indexBound finds the resources of all namespaces that are bound to an account, "parent account id/account id".
const indexBound = "boundAccount"

// boundAccount is the account that a resource is bound to.
func boundAccount(o client.Object) []string {
	if st := managed(o).Status(); st.Origin != "" {
		return []string{st.ParentAccountID + "/" + st.AccountID}
	}
	return nil
}

// kindReader is what the engine asks of a kind.
type kindReader struct {
	client.Reader

	kind *Kind
	// live asks the Kubernetes API, namespaces a cache of namespaces; nil reads none.
	live, namespaces client.Reader
	// read says which namespaces can be read; nil: all.
	read Read
}

var _ engine.Kind = &kindReader{}

// CRD implements engine.Kind.
func (k *kindReader) CRD() string { return k.kind.crd + "." + v1alpha1.GroupVersion.Group }

// Named implements engine.Kind. They are the cache's own.
func (k *kindReader) Named(ctx context.Context, accountName string) ([]engine.Managed, error) {
	return k.kind.listed(ctx, k, client.MatchingFields{indexAccountName: k.kind.canonical(accountName)})
}

// Bound implements engine.Kind. They are the cache's own.
func (k *kindReader) Bound(ctx context.Context, parentAccountID, accountID string) ([]engine.Managed, error) {
	return k.kind.listed(ctx, k, client.MatchingFields{indexBound: parentAccountID + "/" + accountID})
}

// Complete implements engine.Kind.
func (k *kindReader) Complete() bool { return seesAll(k.read, k.kind) }

// Fleet implements engine.Kind.
func (k *kindReader) Fleet(ctx context.Context, m engine.Managed) (changeguard.Fleet, error) {
	namespace, err := k.namespace(ctx, m.Object())
	if err != nil {
		return changeguard.Fleet{}, err
	}
	total, err := k.count(ctx, m.Declaration().Parent, m.Object().GetNamespace())
	return changeguard.Fleet{Total: total, Namespace: namespace}, err
}

// count is how many accounts there are, or are to be: what has none and wants none makes no room for changes.
func (k *kindReader) count(ctx context.Context, parent types.NamespacedName, namespace string) (int, error) {
	children, err := k.kind.listed(ctx, k, append(childrenOfParent(parent), client.InNamespace(namespace))...)
	count := 0
	for _, c := range children {
		if c.Status().Origin != "" || !c.Object().(resource).Suspended() {
			count++
		}
	}
	return count, err
}

// namespace is the resource's namespace, by its UID where the operator may read it. The cache may be behind: it may
// not have the namespace yet, or still have a former one of the same name, which was deleted before the resource was created.
func (k *kindReader) namespace(ctx context.Context, child client.Object) (changeguard.Namespace, error) {
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
