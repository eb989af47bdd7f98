package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
)

// A resource that is being deleted and lacks the operator's finalizer is as good as gone for the operator: it writes nothing to the account
// for that resource any more, and another resource may have the account. The finalizers of others may keep the resource for any time, so its
// status says so.

// collectedWithin is how long the finalizers of Kubernetes' garbage collector, which deletes dependents first, cost no status: it takes them
// away within seconds unless something is wrong.
const collectedWithin = 10 * time.Second

// namedFinalizers is how many finalizers a message names.
const namedFinalizers = 5

// isReleased says whether a resource is being deleted and the operator has nothing more to do for it: it has taken its finalizer away, or
// there was none.
func isReleased(o client.Object) bool {
	return !o.GetDeletionTimestamp().IsZero() && !hasFinalizer(o)
}

// keepers are the finalizers of others that keep a resource which is being deleted. pause is for how long nothing is to be said of them yet.
func keepers(o client.Object, own string, now time.Time) (names []string, pause time.Duration) {
	names = slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(name string) bool { return name == own })
	slices.Sort(names)
	collector := func(name string) bool {
		return name == metav1.FinalizerDeleteDependents || name == metav1.FinalizerOrphanDependents
	}
	if !slices.ContainsFunc(names, func(name string) bool { return !collector(name) }) {
		pause = max(o.GetDeletionTimestamp().Add(collectedWithin).Sub(now), 0)
	}
	return names, pause
}

// listedFinalizers are the first few finalizers, for people.
func listedFinalizers(names []string) string {
	list := strings.Join(names[:min(len(names), namedFinalizers)], ", ")
	if more := len(names) - namedFinalizers; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// nextIfKept is what to do next where finalizers of others keep a resource of a kind that is being deleted.
func nextIfKept(kind string) string {
	return fmt.Sprintf("Have the finalizers removed by whoever set them: the operator removes no others than its own. The %s is deleted then.", kind)
}

// kept reports a released resource that finalizers of others keep. Namesakes that wait for the account are woken: one of them may have it.
func kept(ctx context.Context, e *Engine, s *scope) (ctrl.Result, error) {
	names, pause := keepers(s.obj, v1alpha1.Finalizer, e.Clock.Now())
	if len(names) == 0 || s.orphan {
		return ctrl.Result{}, nil
	}
	if !s.hadReason(v1alpha1.ConditionReady, v1alpha1.ReasonDeleting) {
		e.noteLeft(s.managed, e.Clock.Now())
	}
	wakeNamesakes(ctx, e, s)
	if pause = max(pause, untilStatus(e, s, true)); pause > 0 {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	fate, known, err := accountOfReleased(ctx, e, s)
	if !known || err != nil {
		return ctrl.Result{}, err
	}
	out := conditions.Outcome{
		Reason: v1alpha1.ReasonDeleting, Ended: true, Stuck: true, Next: nextIfKept(s.declared.Kind),
		Message: fmt.Sprintf("the operator has nothing left to do for this %s, and finalizers of others keep it: %s; %s", s.declared.Kind, listedFinalizers(names), fate),
	}
	e.Table.Write(&s.status.Conditions, s.obj.GetGeneration(), out, e.Clock.Now())
	s.status.ObservedGeneration = s.obj.GetGeneration()
	if equality.Semantic.DeepEqual(s.was, *s.status) { // what else the account is like by now is worth no write
		return ctrl.Result{}, nil
	}
	if s.dir != nil && s.boundID() != "" {
		a := s.dir.Observe(s.key()).Account
		if another, err := isAnothers(ctx, e, s, a); a != nil && !another && err == nil {
			s.observe(*a)
		}
	}
	err = e.reporter.patchStatus(ctx, s)
	if pause, refused := statusRefused(ctx, &e.Config, e.refusals, s.uid(), s.obj, err); refused {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	e.refusals.Forget(s.uid())
	return ctrl.Result{}, err
}

// accountOfReleased says what is known, without a call, of the account of a released resource; known is false while that has to be read
// first, which wakes the resource.
func accountOfReleased(ctx context.Context, e *Engine, s *scope) (text string, known bool, err error) {
	if s.boundID() == "" {
		return "it has no account of its own", true, nil
	}
	name, bound := fmt.Sprintf("its account %s (id %s)", s.declared.AccountName, s.boundID()), bindingOf(s)
	stop, err := e.observer.resolver.resolve(ctx, s)
	bound.into(s) // another parent that was accepted matters no more
	switch {
	case err != nil:
		return "", false, err
	case stop != nil:
		return name + " stays as it is", stop.Reason != "", nil
	}
	view := s.dir.Observe(s.key())
	another, err := isAnothers(ctx, e, s, view.Account)
	switch {
	case err != nil: // the next list wakes the resource
		return "", false, nil //nolint:nilerr // what can't be read is not known
	case another:
		return name + " has another owner now", true, nil
	case view.Account != nil && s.schema.Deactivated(view.Account.State):
		return name + " is deactivated", true, nil
	case view.Account != nil:
		return name + " is active", true, nil
	}
	return name + " stays as it is", view.Listed, nil
}

// isAnothers says whether another resource has the account of a released one by now, or may have it: what becomes of the account is that one's
// business alone.
func isAnothers(ctx context.Context, e *Engine, s *scope, a *account.Account) (bool, error) {
	if a == nil {
		return false, nil
	}
	if claim, claimed := a.Claim(); claimed && claim != s.claim {
		return true, nil
	}
	others, err := e.Kind.Named(ctx, s.declared.AccountName)
	return heldByAnother(s, others, a.ID), err
}

// heldByAnother says whether one of the others has an account.
func heldByAnother(s *scope, others []Managed, id string) bool {
	return slices.ContainsFunc(others, func(m Managed) bool {
		st := m.Status()
		return m.Object().GetUID() != s.uid() && !isReleased(m.Object()) && st.Origin != "" && st.AccountID == id
	})
}

// wakeNamesakes wakes the resources that declare the account of one that is being deleted, and have none.
func wakeNamesakes(ctx context.Context, e *Engine, s *scope) {
	if s.boundID() == "" {
		return
	}
	others, err := e.Kind.Named(ctx, s.declared.AccountName)
	if err != nil {
		return // the next list of the provider wakes them
	}
	for _, other := range others {
		if o := other.Object(); o.GetUID() != s.uid() && other.Status().Origin == "" {
			e.Wake(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)}, true)
		}
	}
}

// ParentKept is the outcome of a parent's resource, with the finalizers of others where nothing else keeps it while it is being deleted. Until
// it is gone it serves its resources as before.
func ParentKept(parent client.Object, out conditions.Outcome, now time.Time) conditions.Outcome {
	if parent.GetDeletionTimestamp().IsZero() || out.Err != nil || out.Reason == "" {
		return out
	}
	names, pause := keepers(parent, v1alpha1.ParentFinalizer, now)
	switch {
	case len(names) == 0:
		return out
	case pause > 0:
		out.After = soonest(out.After, pause)
		return out
	}
	message := "the ParentAccount is being deleted, and finalizers of others keep it: " + listedFinalizers(names)
	next := nextIfKept("ParentAccount")
	if out.Reason == v1alpha1.ReasonAvailable {
		out.Reason, out.Message, out.Next, out.Stuck = v1alpha1.ReasonDeleting, message+"; until then it serves its ChildAccounts as before", next, true
		return out
	}
	out.Next = conditions.Advise(cmp.Or(out.Next, conditions.Parents.NextStep(out.Reason)), next)
	out.Message += "; " + message
	return out
}

// ownedBy is why a resource is not to have the account of another, owner, which it may be told of: where that one is being deleted, it has
// only to wait.
func ownedBy(s *scope, owner Managed) *plan.Stop {
	o, kind := owner.Object(), owner.Declaration().Kind
	stop := &plan.Stop{
		Reason:  v1alpha1.ReasonDuplicateResource,
		Message: fmt.Sprintf("account %s is owned by %s %s/%s", s.declared.AccountName, kind, o.GetNamespace(), o.GetName()),
	}
	if !o.GetDeletionTimestamp().IsZero() {
		stop.Message += ", which is being deleted"
		stop.Next = fmt.Sprintf("Wait: once the owner's deletion is done, this resource gets the account within seconds if it may have the account. What that deletion waits for: kubectl describe %s -n %s %s",
			strings.ToLower(kind), o.GetNamespace(), o.GetName())
	}
	return stop
}
