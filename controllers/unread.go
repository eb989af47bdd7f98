package controllers

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/plan"
)

// Read says what the cache has read. A namespace that can't be read is never taken for an empty one.
type Read interface {
	// Synced says whether the namespace can be read at present.
	Synced(namespace string) bool
	// Complete says whether all namespaces were read at least once, as to this kind.
	Complete(kind client.Object) bool
	// Statuses say how reading each namespace goes.
	Statuses() []namespacecache.Status
}

// waits says whether the operator does nothing for a resource because its namespace can't be read at present: what is known of it may be
// old. It is woken when the namespace joins.
func (r *AccountReconciler) waits(namespace string) bool {
	return r.Read != nil && !r.Read.Synced(namespace)
}

// seesAll says whether the resources of a kind are known of all namespaces.
func seesAll(read Read, kind *Kind) bool { return read == nil || read.Complete(kind.object()) }

// parentUnread stops a resource whose ParentAccount is in a namespace that can't be read at present. It is the
// same whether there is such a ParentAccount or not. Before the first answer of the Kubernetes API nothing is said.
func parentUnread(parent types.NamespacedName, err error) *plan.Stop {
	var unread *namespacecache.NotSyncedError
	if !errors.As(err, &unread) || !unread.Failed {
		return &plan.Stop{}
	}
	return &plan.Stop{
		Reason: v1alpha1.ReasonParentNotReady, Message: fmt.Sprintf("ParentAccount %s can't be used: the operator can't read namespace %s", parent.Name, parent.Namespace),
		Next: "Ask a cluster admin to read the operator's log or /readyz, which say why. The operator continues automatically once it can read the namespace.",
	}
}

// Joined wakes the resources of other namespaces that name a ParentAccount of a namespace which can be read from now on.
// Those of the namespace itself are woken by the cache. What it could not be known to need at a start is held as of now.
func (r *AccountReconciler) Joined(namespace string) {
	if namespace == metav1.NamespaceAll {
		return
	}
	ctx := context.Background() // the cache answers at once
	children, err := r.Kind.listed(ctx, r)
	if namespacecache.IgnoreNotSynced(err) != nil {
		log.FromContext(ctx).Error(err, "children not woken")
	}
	r.engine.Starts.Joined(namespace, within(children, namespace))
	for _, child := range children {
		if c := child.Object(); c.GetNamespace() != namespace && parentKey(c).Namespace == namespace {
			r.enqueue(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(c)}, false)
		}
	}
}
