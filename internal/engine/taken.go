package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
)

// An e-mail address or a name that one account has is refused to any other. Whoever is refused one waits, is woken once the value is seen to
// be free, and says meanwhile who has it, to those that may know: a resource of the same namespace; and, of the accounts that its own
// credentials can list, to those in the ParentAccount's namespace. To all others it is the provider's refusal and no more.

// valueOf is the value of the resource that a refusal is about; ok is false where the provider has no such field.
func valueOf(s *scope, c account.Class) (v directory.Value, ok bool) {
	if c == account.NameTaken {
		f := s.schema.Identity()
		return directory.Value{Path: f.Path, Value: f.Normal(s.declared.AccountName)}, true
	}
	f, ok := s.schema.Marked(account.MarkEmail)
	return directory.Value{Path: f.Path, Value: f.Normal(s.desired[f.Path])}, ok
}

// storedValue is a value at a provider, which its address identifies.
func storedValue(endpoint string, v directory.Value) attempts.Value {
	return attempts.Value{Provider: endpoint, Path: v.Path, Value: v.Value}
}

func applicant(s *scope) attempts.Applicant {
	return attempts.Applicant{
		Key: client.ObjectKeyFromObject(s.obj), UID: s.uid(), ParentAccountID: s.dir.AccountID, Owner: s.obj.GetNamespace() == s.parent.Key.Namespace,
	}
}

// apply notes, before a call, for which values the resource applies: those that it may be refused in these ways.
func apply(r *run, classes ...account.Class) {
	var values []attempts.Value
	for _, c := range classes {
		if v, ok := valueOf(r.s, c); ok && v.Value != "" {
			values = append(values, storedValue(r.s.dir.Endpoint, v))
		}
	}
	if len(values) > 0 {
		r.values.Try(applicant(r.s), values...)
	}
}

// classesOf are the refusals that changes may meet.
func classesOf(changes []account.Change) (classes []account.Class) {
	for _, c := range changes {
		if c.Field.Mark == account.MarkEmail {
			classes = append(classes, account.EmailTaken)
		}
		if c.Field.Identity {
			classes = append(classes, account.NameTaken)
		}
	}
	return classes
}

// UniqueValues are the values that one account of a provider at a time can have.
type UniqueValues struct{ engine *Engine }

// Freed is to be called when accounts of a source are seen to have values no more: the resources that wait for one try again.
func (u UniqueValues) Freed(source directory.Source, freed []directory.Freed) {
	e := u.engine
	if e.values.Idle() {
		return
	}
	for _, f := range freed {
		namespaces := u.namespacesOf(source, f)
		first := func(a attempts.Applicant) bool {
			return slices.Contains(namespaces, a.Key.Namespace) || a.Owner && a.ParentAccountID == source.AccountID
		}
		woken := map[string]bool{}
		for _, a := range e.values.Free(storedValue(source.Endpoint, f.Value), first) {
			if woken[a.Key.Namespace] { // or one edit of a tenant would cost a call for each resource that the tenant has apply
				continue
			}
			woken[a.Key.Namespace] = true
			from := e.Clock.Now()
			if len(namespaces) > 0 && !first(a) { // whom the owner means to have the value may not have been applied yet
				from = from.Add(strangersPause)
			}
			e.attempts.EndBackoff(a.UID, from)
			e.Wake(ctrl.Request{NamespacedName: a.Key}, true)
		}
	}
}

// strangersPause is for how long a value that a resource has given up is left to those that its owner means to have it.
const strangersPause = 10 * time.Second

// namespacesOf are the namespaces of the resources that are bound to an account.
func (u UniqueValues) namespacesOf(source directory.Source, f directory.Freed) (namespaces []string) {
	for _, m := range resourcesOfAccount(context.Background(), u.engine, f.AccountName, f.AccountID, source.AccountID) { // the cache answers at once
		if m.Status().Origin != "" {
			namespaces = append(namespaces, m.Object().GetNamespace())
		}
	}
	return namespaces
}

// secondTry is after how long a value that was freed is retried, where the provider refuses it at first: it may not know yet.
const secondTry = 10 * time.Second

// awaitValue has the resource woken once the value is free that it was refused. It returns when to try again where that may be so by now: the
// value was freed after the call began, just before it, or while the resource did not wait for it, as it was suspended for example; else 0.
func (e *reporter) awaitValue(s *scope, out conditions.Outcome) time.Duration {
	if out.Reason == "" {
		return 0
	}
	if out.Taken == nil {
		if row := e.Table.Row(out.Reason); !row.Stalled() && !row.Reconciling() {
			e.values.Forget(s.uid())
		}
		return 0
	}
	v, ok := valueOf(s, out.Taken.Class)
	if !ok || s.dir == nil {
		return 0
	}
	pause := time.Duration(0)
	switch news := e.values.Await(applicant(s), storedValue(s.dir.Endpoint, v), !out.InBackoff); {
	case news.Missed, news.Freed && !out.InBackoff: // who is in backoff is woken when the value is freed
		pause = conditions.SoonAtLeast
		e.attempts.EndBackoff(s.uid(), e.Clock.Now())
	case news.FreedBefore:
		pause = secondTry
		e.attempts.EndBackoff(s.uid(), e.Clock.Now().Add(secondTry))
	}
	return pause
}

// wakeApplicants has those say what they wait for that apply for a value of the resource's account: they may have to wait for something else
// now.
func (e *reporter) wakeApplicants(s *scope) {
	dir := s.dir
	if dir == nil {
		dir = e.Connected.Get(s.declared.Parent)
	}
	if e.values.Idle() || dir == nil || s.status.AccountID == "" {
		return
	}
	a := dir.Observe(directory.Key{ID: s.status.AccountID}).Account
	if a == nil {
		return
	}
	schema := dir.Fields()
	has := []directory.Value{{Path: schema.Identity().Path, Value: schema.Identity().Normal(a.Name)}}
	if f, ok := schema.Marked(account.MarkEmail); ok {
		has = append(has, directory.Value{Path: f.Path, Value: f.Normal(a.State[f.Path])})
	}
	for _, v := range has {
		for _, other := range e.values.Applicants(storedValue(dir.Endpoint, v)) {
			if other.UID != s.uid() {
				e.Wake(ctrl.Request{NamespacedName: other.Key}, false)
			}
		}
	}
}

// explained is the outcome of a refused value, with what the resource may know of who has it. It makes no call.
func explained(ctx context.Context, e *Engine, s *scope, out conditions.Outcome) conditions.Outcome {
	if out.Taken == nil || s.dir == nil {
		return out
	}
	t, ok := takenBy(ctx, e, s, out.Taken)
	if !ok {
		return out
	}
	working := v1alpha1.ReasonUpdating
	if s.boundID() == "" {
		working = v1alpha1.ReasonCreating
	}
	message, next := t.Explanation()
	return e.Table.Explained(out, t.Waits(), working, message, next)
}

// longestRing bounds how many resources are looked at that wait for each other.
const longestRing = 16

// takenBy follows who has the value that the resource was refused, and who has the value that the resource of that account was refused, and so on.
func takenBy(ctx context.Context, e *Engine, s *scope, taken *conditions.Taken) (plan.Taken, bool) {
	v, ok := valueOf(s, taken.Class)
	t := plan.Taken{
		Message: taken.Message, Path: v.Path, Value: v.Value, Kind: s.declared.Kind,
		Resource: client.ObjectKeyFromObject(s.obj).String(), AccountName: s.declared.AccountName,
	}
	seen := map[types.UID]bool{s.uid(): true}
	for ok && len(t.Holders) < longestRing {
		h := holderOf(ctx, e, s, v)
		if h == nil || seen[h.uid()] {
			t.Ring = h != nil && h.uid() == s.uid() && len(t.Holders) > 0
			break
		}
		seen[h.uid()] = true
		shown, applies := describe(ctx, e, h, s.schema, v)
		t.Holders = append(t.Holders, shown)
		if applies == nil {
			break
		}
		v = *applies
	}
	return t, ok
}

// holder is an account that has a value; managed is its resource, nil for none.
type holder struct {
	account *account.Account
	managed Managed
}

// uid is the resource's, else one that no resource has.
func (h *holder) uid() types.UID {
	if h.managed == nil {
		return "account " + types.UID(h.account.ID)
	}
	return h.managed.Object().GetUID()
}

// describe is what is said of an account that has a value. Where its resource applies for another value, which is taken, too, applies is that.
func describe(ctx context.Context, e *Engine, h *holder, schema account.Schema, v directory.Value) (shown plan.Holder, applies *directory.Value) {
	shown = plan.Holder{AccountID: h.account.ID, AccountName: h.account.Name}
	if claim, claimed := h.account.Claim(); claimed && claim.Installation != e.Installation {
		shown.Claim = claim.String()
	}
	if h.managed != nil {
		shown.Resource = client.ObjectKeyFromObject(h.managed.Object()).String()
		shown.Release, shown.Reason, applies = release(ctx, e, h.managed, schema, v)
	}
	return shown, applies
}

// holderOf is the account that has a value, where the resource may know of it; nil where it may not, or nobody knows.
func holderOf(ctx context.Context, e *Engine, s *scope, v directory.Value) *holder {
	if a := directory.HolderOf(s.dir.Directory, v); a != nil {
		m := resourceOfAccount(ctx, e, a, s.dir.AccountID)
		of := s.parent.Key.Namespace // an account without a resource is the parent's business
		if m != nil {
			of = m.Object().GetNamespace()
		}
		if !s.canSee(of) {
			return nil
		}
		return &holder{a, m}
	}
	for _, dir := range e.Connected.All() {
		if dir.Directory == nil || dir.Endpoint != s.dir.Endpoint || dir.AccountID == s.dir.AccountID {
			continue
		}
		a := directory.HolderOf(dir.Directory, v)
		if a == nil {
			continue
		}
		if m := resourceOfAccount(ctx, e, a, dir.AccountID); m != nil && m.Object().GetNamespace() == s.obj.GetNamespace() {
			return &holder{a, m}
		}
	}
	return nil
}

// resourceOfAccount is the resource that is bound to an account, else one that observes it; nil for none.
func resourceOfAccount(ctx context.Context, e *Engine, a *account.Account, parentAccountID string) (found Managed) {
	for _, m := range resourcesOfAccount(ctx, e, a.Name, a.ID, parentAccountID) {
		if found == nil || m.Status().Origin != "" {
			found = m
		}
	}
	return found
}

// resourcesOfAccount are the resources whose status has an account, as bound to it or as one that they observe; none where the cache can't say.
func resourcesOfAccount(ctx context.Context, e *Engine, name, id, parentAccountID string) (of []Managed) {
	all, err := e.Kind.Named(ctx, name)
	if err != nil {
		return nil
	}
	for _, m := range all {
		if st := m.Status(); st.AccountID == id && st.ParentAccountID == parentAccountID && !isReleased(m.Object()) {
			of = append(of, m)
		}
	}
	return of
}

// release says whether the resource of an account is about to give it another value in the place of one, as the plan for it says, and
// why not. Where the other value is taken, too, applies is that.
func release(ctx context.Context, e *Engine, m Managed, schema account.Schema, v directory.Value) (to plan.ValueRelease, reason string, applies *directory.Value) {
	f, _ := schema.Field(v.Path)
	desired, declared := plan.Declared(schema, m.Declaration().Fields)[v.Path]
	switch {
	case !m.Object().GetDeletionTimestamp().IsZero():
		return plan.ReleaseDeleted, "", nil
	case !declared || f.Normal(desired) == v.Value:
		return plan.ReleaseDeclared, "", nil
	}
	s := newScope(m, e.Installation)
	p, _, out := e.plan(ctx, s, nil, e.guard.check)
	last := p.Last()
	failed, tried := e.attempts.Last(s.uid())
	refusedBefore := out == nil && tried && failed.Outcome.Taken != nil && (last.Backoff || failed.Fingerprint == p.Attempt)
	switch {
	case out == nil && s.dir == nil:
		return plan.ReleaseBlocked, cmp.Or(last.Reason, v1alpha1.ReasonParentNotReady), nil
	case refusedBefore: // a retry that is due is not "about to": two that exchange values would say so of each other
		next, _ := valueOf(s, failed.Outcome.Taken.Class)
		return plan.ReleaseApplies, "", &next
	case out != nil, last.Reason == "", givesUp(p, v.Path):
		return plan.ReleasePending, "", nil
	case e.Table.Row(last.Reason).Reconciling():
		return plan.ReleasePending, "", nil
	}
	return plan.ReleaseBlocked, last.Reason, nil
}

// givesUp says whether a plan gives the account another value of a field, or may do so after a read.
func givesUp(p plan.Plan, path string) bool {
	return p.Begins(plan.Read) || slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		return s.Kind == plan.Update && slices.ContainsFunc(s.Changes, func(c plan.FieldChange) bool { return c.Field == path })
	})
}

// refusedValue is the outcome of a write that failed; where a value is taken, with who has it.
func refusedValue(ctx context.Context, r *run, err error) *conditions.Outcome {
	out := r.stopped(err)
	if out != nil && out.Taken != nil {
		*out = explained(ctx, r.Engine, r.s, *out)
	}
	return out
}
