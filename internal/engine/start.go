package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
)

// StartPolicy says what becomes of the writes that are pending after a parent's first complete list.
type StartPolicy struct {
	// Holds is set where they wait for approval. Flag is set where the operator's flag says so, whatever the parent does.
	Holds, Flag bool
	// Approvals are the hashes that were approved.
	Approvals []string
}

// startRule is why a write waits, after its text, and how it is approved. later is set where something was requested of the resource since the
// start. The rule is the same for as long as the same waits, so that it is written once: the parent has the hash, which changes with everything
// that waits.
func startRule(p *Parent, kind string, later bool) (rule, next string) {
	policy := fmt.Sprintf("ParentAccount %s has startPolicy Observe", p.Key.Name)
	if p.Start.Flag {
		policy = "the operator runs with --start-policy=Observe"
	}
	start := fmt.Sprintf("when the operator, after its start, first read the accounts of ParentAccount %s", p.Key.Name)
	rule = fmt.Sprintf(" waits: this change was pending %s, and %s", start, policy)
	if later {
		rule = fmt.Sprintf(" waits: the %s was not known to match its spec %s, so what is requested of it since then waits, too; %s", kind, start, policy)
	}
	return rule,
		fmt.Sprintf("Read all that waits, and the command that approves the group: kubectl get parentaccount -n %s %s -o jsonpath='{.status.pendingApprovals[*].message}'", p.Key.Namespace, p.Key.Name)
}

// startResource is the resource as a start knows it.
func startResource(m Managed) changeguard.Resource {
	o := m.Object()
	r := changeguard.Resource{
		UID: o.GetUID(), Namespace: o.GetNamespace(), Name: o.GetName(), Generation: o.GetGeneration(), Requests: writeRequests(o),
		Suspended: m.Declaration().Suspended, Created: o.GetCreationTimestamp().Time,
	}
	if deleted := o.GetDeletionTimestamp(); !deleted.IsZero() {
		r.Deleted = deleted.Time
	}
	return r
}

// writeRequests are what the annotations of a resource request that leads to a write, in the words of whoever requests it.
func writeRequests(o client.Object) (requests string) {
	for _, name := range []string{v1alpha1.AnnotationRotatePassword, v1alpha1.AnnotationTakeover, v1alpha1.AnnotationAcceptParent} {
		if value := o.GetAnnotations()[name]; value != "" {
			requests += fmt.Sprintf("%s=%q ", name, value)
		}
	}
	return requests
}

func resourceAtStart(s *scope) changeguard.Resource {
	r := startResource(s.managed)
	r.Elsewhere = s.parent.Key != s.declared.Parent
	return r
}

// observeStart has what the parent's start means for the resource; nil where it holds nothing. A deletion that it holds gets its hour
// from the start on.
func (e *observer) observeStart(s *scope, now time.Time) *plan.Start {
	if s.parent == nil {
		return nil
	}
	if !s.parent.Start.Holds {
		e.starts.Release(s.parent.Guarded)
		return nil
	}
	v := e.starts.Judge(s.parent.Guarded, resourceAtStart(s), s.parent.Start.Approvals, now)
	s.startApproved, s.startApproval = v.State == changeguard.StartApproved, v.Approved
	if v.State != changeguard.StartAwaited && v.State != changeguard.StartHolds {
		return nil
	}
	if left := v.Since.Add(MaxDeletion).Sub(now); left > s.left {
		s.left, s.deletion.Expired = left, left <= 0
	}
	rule, next := startRule(s.parent, s.declared.Kind, v.Later)
	return &plan.Start{Awaited: v.State == changeguard.StartAwaited, Rule: rule, Next: next, Password: v.Password}
}

// holdStart has the write wait that a plan holds, and takes from those that wait what needs no write now.
func (e *changeGuard) holdStart(s *scope, in plan.Input, p plan.Plan) {
	switch last := p.Last(); {
	case last.Held:
		e.starts.Hold(s.parent.Guarded, resourceAtStart(s), last.Change, passwordHeld(in))
	case in.Deletion != nil: // it is forgotten with the resource
	case in.Stop != nil, last.Backoff, last.Reason == "", p.Work():
	default:
		e.starts.Withdraw(s.uid())
	}
}

// noteSettled has the start hold nothing more of a resource whose account is known to match its spec, once none of the steps that are left writes
// to the provider, or leads to a write: whatever becomes of those, an API key that can't be found for instance, nothing was pending.
func noteSettled(r *run, left []plan.Step) {
	if r.confirmed && r.s.parent != nil && r.s.parent.Start.Holds && !slices.ContainsFunc(left, func(s plan.Step) bool { return s.Kind.MayLeadToWrites() }) {
		r.starts.Forget(r.s.uid())
	}
}

// passwordHeld is what is known of the password that is held, so that the connection Secret need not be read again.
func passwordHeld(in plan.Input) string {
	if in.Start == nil {
		return ""
	}
	return in.Start.Password
}

// heldPassword is the outcome of a step that found that the account lacks the password, where the start holds that; nil where it may be
// given.
func (r *run) heldPassword(step plan.Step) *conditions.Outcome {
	if !step.Held {
		return nil
	}
	r.noAttempt = true
	r.starts.Hold(r.s.parent.Guarded, resourceAtStart(r.s), step.Change, r.s.passwordMark)
	return &conditions.Outcome{Reason: v1alpha1.ReasonAwaitingApproval, Message: step.Message, Next: step.Next, Quiet: true}
}

// Starts are the starts of the parents: what is pending after their first complete lists.
type Starts struct{ engine *Engine }

// Begun says whether a parent's start was told of by Begin.
func (t Starts) Begun(parent *Parent) bool { return t.engine.starts.Begun(parent.Guarded) }

// Begin is to be called after the first complete list of a parent, with the resources that name it and the namespaces that can't be read
// yet. That is the parent's start: what is pending then is held where the parent's policy is to.
func (t Starts) Begin(ctx context.Context, parent *Parent, resources []Managed, unread []string) {
	e := t.engine
	if !parent.Start.Holds {
		e.starts.Begin(parent.Guarded, nil, nil, e.Clock.Now())
		return
	}
	all := make([]changeguard.Resource, len(resources))
	for i, m := range resources {
		all[i] = startResource(m)
	}
	e.starts.Begin(parent.Guarded, all, unread, e.Clock.Now())
	for _, m := range resources {
		review(ctx, e, m)
	}
	e.starts.Reviewed(parent.Guarded)
	if t.Group(parent).Count > 0 { // the connection Secrets may be as old as what waits
		verifyAll(e, resources)
	}
}

// verifyAll has the password and the API key of each account verified when its resource is reconciled next: where that is held, after its
// approval.
func verifyAll(e *Engine, resources []Managed) {
	for _, m := range resources {
		if m.Status().Origin != "" && m.Object().GetDeletionTimestamp().IsZero() {
			e.unverified.Mark(m.Object().GetUID(), false)
		}
	}
}

// review finds out what a resource waits for since the start, from memory: from now on edits don't end that.
func review(ctx context.Context, e *Engine, m Managed) {
	if !m.Object().GetDeletionTimestamp().IsZero() { // what it needs, reads find out
		return
	}
	s := newScope(m, e.Installation)
	p, view, out := e.plan(ctx, s, nil, e.guard.check)
	switch {
	case out != nil:
	case p.Last().Held:
		e.starts.Hold(s.parent.Guarded, resourceAtStart(s), p.Last().Change, "")
	case !p.Work():
		e.execute(ctx, s, p, view) // which forgets it if it is at rest
	}
}

// Joined is to be called when a namespace can be read, with the resources in it.
func (t Starts) Joined(namespace string, resources []Managed) {
	by := map[types.NamespacedName][]changeguard.Resource{}
	for _, m := range resources {
		parent := m.Declaration().Parent
		by[parent] = append(by[parent], startResource(m))
	}
	t.engine.starts.Join(namespace, by)
}

// Group is what waits since a parent's start.
func (t Starts) Group(parent *Parent) changeguard.StartGroup {
	starts := t.engine.starts
	if !parent.Start.Holds {
		starts.Release(parent.Guarded)
		return changeguard.StartGroup{}
	}
	return starts.Group(parent.Guarded, parent.Start.Approvals)
}

// Released says whether an approval has released writes of a parent's resources since the last time: they are to be reconciled.
func (t Starts) Released(parent *Parent) bool { return t.engine.starts.Released(parent.Guarded) }
