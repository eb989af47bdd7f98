package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/plan"
)

// The labels of namespaces, which a ParentAccount's selector goes by, are watched.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch,roleName=manager-cluster-role

// parentAccounts finds the ParentAccounts of resources.
type parentAccounts struct {
	client.Client
	// provider is the one whose ParentAccounts the kind's resources may use.
	provider string
	// live asks the Kubernetes API.
	live client.Reader
	// namespaces reads the labels of namespaces.
	namespaces client.Reader
	// only are the namespaces that are looked after (--namespaces); empty: all.
	only []string
	// share selects the ParentAccounts that this operator works for (--parent-selector); nil is all.
	share labels.Selector
	// read says which namespaces can be read; nil: all.
	read Read
	// observeStarts is set where the operator's flag has every ParentAccount's start held (--start-policy=Observe).
	observeStarts bool
}

var _ engine.Parents = &parentAccounts{}

// parentOf is a ParentAccount as the engine knows it.
func (r *parentAccounts) parentOf(p *v1alpha1.ParentAccount) *engine.Parent {
	key, limits := client.ObjectKeyFromObject(p), p.MassChange()
	out := &engine.Parent{
		Key: key, AccountID: p.Status.AccountID, State: verified(p), StatusUpToDate: p.Status.ObservedGeneration == p.Generation,
		Suspended: p.Suspended(), Shared: p.Shared(), NotSharedNow: p.AllowedFrom() == v1alpha1.NamespacesSame,
		GrantsAdopt: p.Grants(v1alpha1.GrantAdopt), GrantsClone: p.Grants(v1alpha1.GrantClone), Resync: p.ResyncInterval(), Conditions: p.Status.Conditions,
		Guarded: changeguard.Parent{Key: key, UID: p.UID},
		Limits: changeguard.Limits{
			Percent: limits.Percent, Minimum: limits.Minimum, Window: limits.Window, DeactivationsPerHour: p.MaxDeactivationsPerHour(),
		},
		ResourceVersion: p.ResourceVersion,
		Deactivations:   func() []changeguard.Deactivation { return engine.DeactivationsOf(p) },
		Storage:         engine.StorageOf(r.Client, r.live, p),
		NoteNotDeactivated: func(ctx context.Context, a v1alpha1.NotDeactivatedAccount) error {
			return engine.NoteNotDeactivated(ctx, r.Client, r.live, p, a)
		},
	}
	if approved := p.Annotations[v1alpha1.AnnotationApproveMassChange]; approved != "" {
		out.Approvals = strings.Split(approved, ",")
	}
	out.Start = engine.StartPolicy{Holds: r.observeStarts || p.StartPolicy() == v1alpha1.StartObserve, Flag: r.observeStarts}
	if approved := p.Annotations[v1alpha1.AnnotationApproveStart]; approved != "" {
		out.Start.Approvals = strings.Split(approved, ",")
	}
	return out
}

// Find implements Parents. A resource that is not allowed learns nothing of another namespace, not even whether there is such a
// ParentAccount, which is returned all the same: its owner may have to be told of the resource.
func (r *parentAccounts) Find(ctx context.Context, m engine.Managed, key types.NamespacedName) (*engine.Parent, *plan.Stop, error) {
	namespace := m.Object().GetNamespace()
	parent, err := r.parent(ctx, key)
	if namespacecache.IsNotSynced(err) && key.Namespace != namespace {
		return nil, parentUnread(key, err), nil
	}
	exists := err == nil
	if client.IgnoreNotFound(err) != nil {
		return nil, nil, err
	}
	if key.Namespace == namespace {
		if !exists {
			return nil, &plan.Stop{Reason: v1alpha1.ReasonParentNotFound, Message: fmt.Sprintf("ParentAccount %s does not exist in namespace %s", key.Name, key.Namespace)}, nil
		}
		return r.parentOf(parent), r.mismatch(m, parent), nil
	}
	allowed, found := false, (*engine.Parent)(nil)
	if exists {
		found = r.parentOf(parent)
		if allowed, err = r.letsIn(ctx, parent, namespace); err != nil {
			return nil, nil, err
		}
	}
	if !allowed {
		return found, &plan.Stop{Denied: true, Reason: v1alpha1.ReasonNamespaceNotAllowed, Message: fmt.Sprintf(
			"there is no ParentAccount %s in namespace %s that allows namespace %s", key.Name, key.Namespace, namespace)}, nil
	}
	if stop := r.mismatch(m, parent); stop != nil {
		return found, stop, nil
	}
	return found, notGranted(m, parent), nil
}

// mismatch stops a resource whose ParentAccount is of another provider than the resource's kind.
func (r *parentAccounts) mismatch(m engine.Managed, parent *v1alpha1.ParentAccount) *plan.Stop {
	if parent.Provider() == r.provider {
		return nil
	}
	kind, of := m.Declaration().Kind, ChildAccounts
	if parent.Provider() == SubAccounts.provider {
		of = SubAccounts
	}
	return &plan.Stop{
		Denied: true, Reason: v1alpha1.ReasonProviderMismatch,
		Message: fmt.Sprintf("ParentAccount %s is of the provider %s, whose accounts are %ss, and this resource is a %s, of the provider %s", parent.Name, parent.Provider(), of.name, kind, r.provider),
		Next:    fmt.Sprintf("Name a ParentAccount of the provider %s in spec.parentRef, or declare the account as a %s.", r.provider, of.name),
	}
}

// parent is the cache's own ParentAccount, which must not be changed: every child asks for it in every resync.
func (r *parentAccounts) parent(ctx context.Context, key types.NamespacedName) (*v1alpha1.ParentAccount, error) {
	if !r.looksAfter(key.Namespace) {
		return nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("parentaccounts").GroupResource(), key.Name)
	}
	parent := &v1alpha1.ParentAccount{}
	return parent, r.Get(ctx, key, parent, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
}

// letsIn says whether the ParentAccount's allowedNamespaces has the namespace, which is another than its own.
func (r *parentAccounts) letsIn(ctx context.Context, parent *v1alpha1.ParentAccount, namespace string) (bool, error) {
	switch parent.AllowedFrom() {
	case v1alpha1.NamespacesAll:
		return true, nil
	case v1alpha1.NamespacesSelector:
		return r.picks(ctx, parent, namespace)
	}
	return false, nil
}

// picks says whether the ParentAccount's selector picks the namespace. One that can't be read picks nothing.
func (r *parentAccounts) picks(ctx context.Context, parent *v1alpha1.ParentAccount, namespace string) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(parent.Spec.AllowedNamespaces.Selector)
	if err != nil {
		return false, nil //nolint:nilerr // the ParentAccount's own condition says so
	}
	ns := NamespaceMetadata()
	if err := r.namespaces.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return selector.Matches(labels.Set(ns.Labels)), nil
}

// notGranted stops a resource of another namespace that would take over, look at or clone what it has not made, or buy plans.
func notGranted(m engine.Managed, parent *v1alpha1.ParentAccount) *plan.Stop {
	policy := m.Declaration().Policy
	adopts := policy.Adopt != account.AdoptNever
	observes := policy.Observe && m.Status().Origin == ""
	takesOver := m.Object().GetAnnotations()[v1alpha1.AnnotationTakeover] != ""
	if !adopts && !observes && !takesOver || parent.Grants(v1alpha1.GrantAdopt) {
		if what, grant := engine.LackedGrant(m, parent.Grants); what != "" {
			return needsGrant(what, grant, parent)
		}
		return nil
	}
	what := fmt.Sprintf("adoptionPolicy %s", policy.Adopt)
	switch {
	case takesOver:
		what = "the annotation " + v1alpha1.AnnotationTakeover
	case observes:
		what = "managementPolicy Observe, for an account that this resource has not made,"
	}
	return needsGrant(what, v1alpha1.GrantAdopt, parent)
}

// needsGrant stops a resource of another namespace that lacks a grant; nil where it has the grant.
func needsGrant(what string, grant v1alpha1.Grant, parent *v1alpha1.ParentAccount) *plan.Stop {
	if parent.Grants(grant) {
		return nil
	}
	return &plan.Stop{Denied: true, Reason: v1alpha1.ReasonNotPermitted, Next: plan.NextForGrant(grant), Message: fmt.Sprintf(
		"%s needs the grant %s in spec.allowedNamespaces.grants of ParentAccount %s/%s, which is in another namespace", what, grant, parent.Namespace, parent.Name)}
}

// looksAfter says whether the operator looks after a namespace (--namespaces).
func (r *parentAccounts) looksAfter(namespace string) bool {
	return len(r.only) == 0 || slices.Contains(r.only, namespace)
}

// Usable implements Parents.
func (r *parentAccounts) Usable(ctx context.Context, m engine.Managed) bool {
	key := parentKey(m.Object())
	if key.Namespace == m.Object().GetNamespace() {
		parent, err := r.parent(ctx, key)
		return err != nil || parent.Provider() == r.provider
	}
	_, stop, err := r.Find(ctx, m, key)
	return stop == nil && err == nil
}

// checkSelector says what is wrong with the ParentAccount's selector of namespaces; nil if nothing is.
func checkSelector(parent *v1alpha1.ParentAccount) *conditions.Outcome {
	if parent.AllowedFrom() != v1alpha1.NamespacesSelector {
		return nil
	}
	if _, err := metav1.LabelSelectorAsSelector(parent.Spec.AllowedNamespaces.Selector); err != nil {
		return &conditions.Outcome{Reason: v1alpha1.ReasonInvalidSelector, Message: "spec.allowedNamespaces.selector: " + err.Error()}
	}
	return nil
}

// NamespaceMetadata is a namespace of which only the metadata is read.
func NamespaceMetadata() *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return meta
}
