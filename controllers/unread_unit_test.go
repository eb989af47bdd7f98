package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// unreadable is a cache of which no namespace can be read.
type unreadable struct{ client.Client }

var errUnread = &namespacecache.NotSyncedError{Namespace: "telephony", Failed: true}

func (unreadable) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errUnread
}

func (unreadable) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errUnread
}

func (unreadable) Synced(string) bool                { return false }
func (unreadable) Complete(client.Object) bool       { return false }
func (unreadable) Statuses() []namespacecache.Status { return nil }

// What can't be read is left alone, without an error that would be logged and retried: whoever can read it again wakes it.
func TestWhatCantBeReadIsLeftAlone(t *testing.T) {
	req := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "telephony", Name: "acme"}}
	children := &AccountReconciler{Client: unreadable{}, Read: unreadable{}, Clock: clock.RealClock{}}
	children.build()
	if result, err := children.Reconcile(t.Context(), req); err != nil || result != (ctrl.Result{}) {
		t.Errorf("a ChildAccount: %v, %v", result, err)
	}
	registry := &directory.Registry{}
	known := &directory.Parent{Endpoint: "https://provider.example"}
	registry.Put(req.NamespacedName, known)
	parents := &ParentAccountReconciler{Client: unreadable{}, Children: children, Parents: registry}
	parents.works = parentLimiter(parents.enqueue)
	if result, err := parents.Reconcile(t.Context(), req); err != nil || result != (ctrl.Result{}) {
		t.Errorf("a ParentAccount: %v, %v", result, err)
	}
	if registry.Get(req.NamespacedName) != known {
		t.Error("a ParentAccount that can't be read is taken for deleted")
	}
	if !children.waits("telephony") || seesAll(children.Read, ChildAccounts) {
		t.Error("it counts as read")
	}
	share, err := labels.Parse("shard=a")
	if err != nil {
		t.Fatal(err)
	}
	children.Share = share
	child := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme-sales"}}
	child.Spec.ParentRef.Name = "acme"
	children.build()
	if ours, _, err := children.parents.Ours(t.Context(), childAccount{child}); err != nil || ours {
		t.Errorf("whose it is can't be seen: ours: %v, %v", ours, err)
	}
	children.Joined("telephony") // nothing is known, and nothing fails
}

// goingChild is a cache with a ChildAccount that is being deleted, which always has something to do.
type goingChild struct{ unreadable }

func (goingChild) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.ChildAccountList).Items = []v1alpha1.ChildAccount{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme-gone", DeletionTimestamp: &metav1.Time{Time: noon}},
	}}
	return nil
}

// Those whose namespace can't be read are not woken by what the provider says.
func TestResyncedLeavesAloneWhatCantBeRead(t *testing.T) {
	parent := types.NamespacedName{Namespace: "telephony", Name: "acme"}
	for _, read := range []Read{nil, unreadable{}} {
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[ctrl.Request]())
		r := &AccountReconciler{Client: goingChild{}, Kind: ChildAccounts, Read: read}
		r.queue.Store(&queue)
		r.resynced(t.Context(), parent)
		if woken := queue.Len() > 0; woken != (read == nil) {
			t.Errorf("read by %v: woken %v", read, woken)
		}
		queue.ShutDown()
	}
}

func TestParentUnread(t *testing.T) {
	parent := types.NamespacedName{Namespace: "telephony", Name: "acme"}
	if out := parentUnread(parent, &namespacecache.NotSyncedError{Namespace: "telephony"}); out.Reason != "" {
		t.Errorf("before the first answer: %+v", out)
	}
	if out := parentUnread(parent, errors.Join(errUnread)); out.Reason != v1alpha1.ReasonParentNotReady {
		t.Errorf("after a failure: %+v", out)
	}
}

// A resource whose status can't be written is retried soon, however long that has lasted: nothing tells that the right to write
// it is back.
func TestBackoffIsShort(t *testing.T) {
	limiter, req, longest := controllerOptions(1).RateLimiter, ctrl.Request{}, time.Duration(0)
	for range 100 {
		longest = max(longest, limiter.When(req))
	}
	if longest != longestBackoff {
		t.Errorf("the longest pause is %s", longest)
	}
}
