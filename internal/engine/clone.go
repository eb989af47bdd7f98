package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider"
)

// A clone has all that its template has: code, users, and what secrets these hold. So a resource may have an account cloned only where it may
// have those. In the ParentAccount's namespace, whose credentials can do anything with any child account, that is each account of
// the parent. A resource of another namespace needs the grant Clone, and a template that a resource of its own namespace has, or one of the
// ParentAccount's: the grant is no leave to clone other tenants' accounts. Which resource has an account says the status of the
// resource, which no tenant can write, and never the account itself, which its owner can. All that may not be cloned is reported alike,
// whether it exists or not.

// templateGrace is how long after a resource was created its template may still be on its way: both may be of one commit.
const templateGrace = time.Minute

// A template that there is not is looked for again after as long as the resource is old, within these bounds. That costs no call.
const (
	templateRetryAtLeast = time.Minute
	templateRetryAtMost  = 10 * time.Minute
)

// templateSecondLook is after how long a resource looks once more that was woken as its template's resource has changed.
const templateSecondLook = 2 * time.Second

// templateRefused is after how long a template is retried that the provider does not know, although it was listed.
const templateRefused = 10 * time.Minute

// LackedGrant is what a resource of another namespace than its ParentAccount's declares and needs a grant for that the ParentAccount does not
// have, and that grant; "" for nothing. Adopt is not among them.
func LackedGrant(m Managed, granted func(v1alpha1.Grant) bool) (what string, grant v1alpha1.Grant) {
	switch d := m.Declaration(); {
	case d.Policy.Observe:
	case len(d.Plans) > 0 && !granted(v1alpha1.GrantPlan):
		return "spec.plans", v1alpha1.GrantPlan
	case d.CloneFrom != "" && m.Status().Origin == "" && !granted(v1alpha1.GrantClone): // an account that was created stays as it is
		return "spec.cloneFrom", v1alpha1.GrantClone
	}
	return "", ""
}

// observeTemplate has what is known, without a call, of the account that the resource's account is cloned from. At rest nothing depends on it.
func observeTemplate(ctx context.Context, e *observer, s *scope, in *plan.Input) error {
	s.template = ""
	if s.declared.CloneFrom == "" || s.declared.Policy.Observe {
		return nil
	}
	activateClone(s, in)
	if in.Successor == nil && (s.boundID() != "" || in.View.Account != nil) {
		return nil
	}
	found, err := findTemplate(ctx, e, s)
	if err != nil {
		return err
	}
	age := in.Now.Sub(s.obj.GetCreationTimestamp().Time)
	found.Grace, found.Retry = age < templateGrace, min(max(age, templateRetryAtLeast), templateRetryAtMost)
	found.AccountName, found.Recreates = s.declared.CloneFrom, s.former != nil
	in.Template = found
	if found.AccountID == "" {
		s.template = s.declared.CloneFrom
	}
	return nil
}

// awaitTemplate has the resource woken once the status of a resource changes that has the template, or is to have it. pause is when it comes back by
// itself; sooner where it was woken: the cache may not have yet what that was for.
func awaitTemplate(e *reporter, s *scope, pause time.Duration) time.Duration {
	if s.template == "" || s.dir == nil {
		e.clones.Forget(s.uid())
		return pause
	}
	awaited := attempts.Awaited{ParentAccountID: s.dir.AccountID, AccountName: s.template}
	if !e.clones.Wait(s.uid(), client.ObjectKeyFromObject(s.obj), awaited) {
		return pause
	}
	return soonest(pause, templateSecondLook)
}

// awaitsUnnoted says whether the resource waits for a template, and nothing would wake it: a process that has just started has noted nothing. A
// reconcile notes it.
func awaitsUnnoted(e *reporter, s *scope) bool {
	return s.template != "" && s.dir != nil && !e.clones.Remembers(s.uid())
}

// wakeClones wakes the resources that wait for the account that the resource declares.
func wakeClones(e *reporter, s *scope) {
	dir := s.dir
	if dir == nil {
		dir = e.Connected.Get(s.declared.Parent)
	}
	if dir == nil {
		return
	}
	for _, key := range e.clones.Wake(attempts.Awaited{ParentAccountID: dir.AccountID, AccountName: s.declared.AccountName}) {
		e.Wake(ctrl.Request{NamespacedName: key}, false)
	}
}

// findTemplate is the template, or says why the resource can't have its account cloned from it now.
func findTemplate(ctx context.Context, e *observer, s *scope) (plan.Template, error) {
	if !ownsParent(s) && !s.parent.GrantsClone {
		return plan.Template{State: plan.TemplateNotGranted}, nil
	}
	a := s.dir.Observe(directory.Key{Name: s.declared.CloneFrom}).Account
	has, err := declaringTemplate(ctx, e, s, s.declared.CloneFrom, a)
	switch {
	case err != nil:
		return plan.Template{}, err
	case has.bound != nil:
		return boundTemplate(s, has.bound), nil
	case has.coming != nil && ringOf(ctx, e, s, has.coming):
		return plan.Template{State: plan.TemplateRing}, nil
	case has.coming != nil:
		return awaitedTemplate(s, has.coming), nil
	case a == nil, !ownsParent(s) && (has.observed != a.ID || !e.Kind.Complete() || !unclaimedByOthers(e, s, *a)):
		return undeclaredTemplate(s, has.idle), nil
	}
	return plan.Template{AccountID: a.ID}, nil
}

// ownsParent says whether the resource is in its ParentAccount's namespace.
func ownsParent(s *scope) bool { return s.obj.GetNamespace() == s.parent.Key.Namespace }

// mayClone says whether a resource may have the account cloned that a resource of a namespace has.
func mayClone(s *scope, namespace string) bool {
	return ownsParent(s) || namespace == s.obj.GetNamespace() || namespace == s.parent.Key.Namespace
}

// unclaimedByOthers says whether an account that no resource has does not carry the claim of one that the resource may not clone from:
// that one may have been deleted, and its account is its namespace's all the same.
func unclaimedByOthers(e *observer, s *scope, a account.Account) bool {
	claim, claimed := a.Claim()
	return !claimed || claim.Installation == e.Installation && mayClone(s, claim.Namespace)
}

// declaring are the resources that declare a template.
type declaring struct {
	// bound has the account, whoever it is. coming is to have it, and the resource may clone from it. observed is the id of the account that a
	// resource in the ParentAccount's namespace observes, "" for none.
	bound, coming Managed
	observed      string
	// idle declares the account and creates none: it is suspended, only observes the account, or is being deleted. The resource may be told of it.
	idle Managed
}

// declaringTemplate are the resources that declare the account of a name, of the resource's parent account; a is that account as lists have
// it, nil for none.
func declaringTemplate(ctx context.Context, e *observer, s *scope, name string, a *account.Account) (found declaring, err error) {
	all, err := e.Kind.Named(ctx, name)
	if err != nil {
		return declaring{}, err
	}
	for _, m := range all {
		st, d, namespace := m.Status(), m.Declaration(), m.Object().GetNamespace()
		ours := st.ParentAccountID == s.dir.AccountID
		switch {
		case isReleased(m.Object()): // another one may have the account by now
		case st.Origin != "" && ours:
			found.bound = m
		case st.Origin != "":
		case isIdle(m):
			if d.Policy.Observe && ours && namespace == s.parent.Key.Namespace {
				found.observed = st.AccountID
			}
			if s.canSee(namespace) && (ours || e.parentAccountOf(ctx, m) == s.dir.AccountID) {
				found.idle = firstOf(found.idle, m)
			}
		case !mayClone(s, namespace), !getsAccount(e, s, m, a):
		case e.parentAccountOf(ctx, m) == s.dir.AccountID:
			found.coming = firstOf(found.coming, m)
		}
	}
	return found, nil
}

// isIdle says whether a resource without an account creates none, whatever there is.
func isIdle(m Managed) bool {
	d := m.Declaration()
	return d.Policy.Observe || d.Suspended || !m.Object().GetDeletionTimestamp().IsZero()
}

// undeclaredTemplate is a template that there is not, as far as the resource may know. It names a resource that declares the account and creates none,
// and why: of one that only observes the account that is what Ready says, which an outage does not change at once.
func undeclaredTemplate(s *scope, idle Managed) plan.Template {
	t := plan.Template{State: plan.TemplateUnknown}
	if idle == nil {
		return t
	}
	t.Resource = shownTemplate(s, idle)
	switch ready := meta.FindStatusCondition(idle.Status().Conditions, v1alpha1.ConditionReady); {
	case !idle.Object().GetDeletionTimestamp().IsZero():
		t.Trouble = v1alpha1.ReasonDeleting
	case idle.Declaration().Suspended:
		t.Trouble = v1alpha1.ReasonSuspended
	case ready != nil:
		t.Trouble = ready.Reason
	}
	return t
}

// getsAccount says whether a resource without an account may still get the one of its name: there is none yet, or it has just created that, or
// may adopt it. Whoever else declares a name that is there already keeps nobody waiting.
func getsAccount(e *observer, s *scope, m Managed, a *account.Account) bool {
	if a == nil {
		return true
	}
	claim, _ := a.Claim()
	key, adopt := client.ObjectKeyFromObject(m.Object()), m.Declaration().Policy.Adopt
	adopts := adopt == account.AdoptIfIdentical || adopt == account.AdoptAlways
	trusted := key.Namespace == s.obj.GetNamespace() || key.Namespace == s.parent.Key.Namespace
	return claim == account.Claim{Installation: e.Installation, Namespace: key.Namespace, Name: key.Name} ||
		adopts && trusted && !meta.IsStatusConditionTrue(m.Status().Conditions, v1alpha1.ConditionStalled)
}

// firstOf is the one of two resources whose namespace and name come first; first may be nil.
func firstOf(first, m Managed) Managed {
	if first == nil || client.ObjectKeyFromObject(m.Object()).String() < client.ObjectKeyFromObject(first.Object()).String() {
		return m
	}
	return first
}

// boundTemplate is the account of a resource, once that one has set it up.
func boundTemplate(s *scope, m Managed) plan.Template {
	st, namespace := m.Status(), m.Object().GetNamespace()
	if !mayClone(s, namespace) {
		return plan.Template{State: plan.TemplateUnknown}
	}
	if len(st.LastApplied) == 0 { // what its spec has is not applied yet
		return awaitedTemplate(s, m)
	}
	a := s.dir.Observe(directory.Key{ID: st.AccountID}).Account
	if a == nil || s.schema.IsAnother(*a, st.AccountID, s.declared.CloneFrom) {
		return plan.Template{State: plan.TemplateMissing, Resource: shownTemplate(s, m)}
	}
	return plan.Template{AccountID: a.ID}
}

// awaitedTemplate is a template that a resource is to have.
func awaitedTemplate(s *scope, m Managed) plan.Template {
	t := plan.Template{State: plan.TemplateAwaited, Resource: shownTemplate(s, m)}
	if c := meta.FindStatusCondition(m.Status().Conditions, v1alpha1.ConditionStalled); c != nil && t.Resource != "" {
		t.Trouble = c.Reason
	}
	return t
}

// shownTemplate names the resource that has a template, where this one may be told of it.
func shownTemplate(s *scope, m Managed) string {
	if !s.canSee(m.Object().GetNamespace()) {
		return ""
	}
	return m.Declaration().Kind + " " + client.ObjectKeyFromObject(m.Object()).String()
}

// ringOf says whether a resource without an account waits, if only by way of others, for the account of this one.
func ringOf(ctx context.Context, e *observer, s *scope, m Managed) bool {
	for range longestRing {
		next := m.Declaration().CloneFrom
		if next == "" || next == s.declared.AccountName {
			return next != ""
		}
		found, err := declaringTemplate(ctx, e, s, next, s.dir.Observe(directory.Key{Name: next}).Account)
		if m = found.coming; err != nil || m == nil || found.bound != nil {
			return false
		}
	}
	return false
}

// activateClone has a clone activated that the provider has not made active, where the resource does not say whether it is to be: a new
// account is active. That ends once the status says that the account matches the spec.
func activateClone(s *scope, in *plan.Input) {
	f, ok := in.Schema.Marked(account.MarkActive)
	if _, declared := in.Subject.Desired[f.Path]; !ok || declared || f.CreateDefault == "" {
		return
	}
	a := in.View.Account
	unbound := in.Subject.ID == "" && (a == nil || in.Subject.Intent && s.claimed(*a))
	if unbound || in.Resource.Completing {
		in.Subject.Desired = in.Subject.Desired.With(account.State{f.Path: f.CreateDefault})
	}
}

// clone makes the account as a clone of another one.
func clone(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	var refused *account.Error
	out := createBy(ctx, r, writeClone, func(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
		cloned, err := directory.Clone(ctx, r.s.dir.Directory, step.Template.AccountID, n)
		if account.ClassOf(err) == account.NotFound {
			refused = &account.Error{
				Class: account.Invalid, Method: account.AsError(err).Method, Field: "cloneFrom.accountName", Answered: true,
				Message: fmt.Sprintf("the provider does not know account %s, which is to be cloned", step.Template),
			}
			return provider.Created{}, refused
		}
		if err == nil {
			r.s.cloned = clonedStatus(*step.Template, cloned)
		}
		return cloned.Created, err
	})
	if refused != nil && out != nil {
		out.Retry = conditions.Every(templateRefused)
		out.Next = "Read the conditions of the resource that has that account. The operator retries automatically, after 10 minutes."
	}
	return out
}

// clonedFrom is what the status says of an account that was created for the resource: what this reconcile knows, or, where the answer was
// lost, the template's name alone.
func clonedFrom(s *scope) *v1alpha1.ClonedFrom {
	if s.cloned != nil || s.declared.CloneFrom == "" {
		return s.cloned
	}
	return &v1alpha1.ClonedFrom{AccountName: s.declared.CloneFrom}
}

// What a status has of a clone at most.
const (
	mostClonedNames   = 16
	longestClonedName = 128
)

// clonedStatus is a clone as the status has it.
func clonedStatus(t plan.StepTemplate, c provider.Cloned) *v1alpha1.ClonedFrom {
	return &v1alpha1.ClonedFrom{
		AccountName: t.AccountName, AccountID: ptr.To(t.AccountID),
		Users: clonedParts(c.Users), Scenarios: clonedParts(c.Scenarios), Applications: clonedParts(c.Applications),
	}
}

// clonedParts counts things, and names the first of them.
func clonedParts(names []string) *v1alpha1.ClonedParts {
	p := &v1alpha1.ClonedParts{Count: int32(min(len(names), math.MaxInt32))}
	for _, name := range names {
		if name = cut(name, longestClonedName); name != "" && len(p.Names) < mostClonedNames {
			p.Names = append(p.Names, name)
		}
	}
	return p
}

// clonedText says what a clone has got, for an event; "" where the account is none.
func clonedText(c *v1alpha1.ClonedFrom) string {
	if c == nil {
		return ""
	}
	var parts []string
	for _, p := range []struct {
		of   *v1alpha1.ClonedParts
		what string
	}{{c.Users, "user"}, {c.Scenarios, "scenario"}, {c.Applications, "application"}} {
		plural := "s"
		if p.of.Count == 1 {
			plural = ""
		}
		parts = append(parts, fmt.Sprintf("%d %s%s", p.of.Count, p.what, plural))
	}
	return fmt.Sprintf(" as a clone of account %s (id %s), with %s", c.AccountName, cmp.Or(ptr.Deref(c.AccountID, ""), "not known"), strings.Join(parts, ", "))
}
