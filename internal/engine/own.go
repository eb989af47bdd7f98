package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
)

// ownReadEvery is how often the parent account itself is read where spec.account declares it: one call, to notice what was changed at the
// provider.
const ownReadEvery = time.Hour

// own is one pass over the parent account itself, which its resource declares in spec.account and spec.plans. One worker at a time makes one
// for a parent.
type own struct {
	e      *Engine
	parent *Parent
	// object is the resource, whose status is changed in place; stored is the resource as the Kubernetes API has it.
	object, stored *v1alpha1.ParentAccount
	// was are the conditions before this pass.
	was    []metav1.Condition
	dir    *directory.Parent
	known  *ownKnown
	schema account.Schema
	// pause is when to come back at the latest, 0 for when something changes.
	pause time.Duration
	// unready is set where the resource is False in Ready: another one may apply in its place.
	unready bool
	// failed is set where a write of the status failed: nothing more is done in this pass.
	failed error
	// startApproved is set where what is to be written was approved as pending since the operator's start, approved where it was approved otherwise.
	startApproved, approved bool
}

// ownPart is what a pass has found of a part of the declaration: the account's fields, or its plans.
type ownPart struct {
	kind string
	// text is what is to be changed, for people and the change guard; "" for nothing. attempt tells the attempt at it from others.
	text, attempt string
	// waits is set where what was tried without success is not to be tried yet, done where the account was seen to match the part.
	waits, done bool
	// write makes the changes.
	write func(context.Context)
}

// KeepOwnAccount brings the parent account itself to what its resource declares. It is to be called once the parent's list is read and its
// resources are woken, as they wait for none of these calls. It returns when it is to be called again, at most pause.
func KeepOwnAccount(ctx context.Context, e *Engine, parent *Parent, object *v1alpha1.ParentAccount, pause time.Duration) time.Duration {
	o := &own{e: e, parent: parent, object: object, stored: object.DeepCopy(), was: slices.Clone(object.Status.Conditions), dir: e.Connected.Get(parent.Key), known: e.owns.of(parent.Key, object.UID), pause: pause}
	o.unready = meta.IsStatusConditionFalse(object.Status.Conditions, v1alpha1.ConditionReady)
	o.known.ready(!o.unready)
	switch {
	case !object.DeletionTimestamp.IsZero(), parent.Suspended: // nothing of it waits for an approval
		e.changes.Withdraw(object.UID)
		e.starts.Withdraw(object.UID)
		return pause
	case !usableNow(o.dir, parent.State):
		return pause
	}
	o.schema = directory.OwnSchema(o.dir.Directory)
	o.known.connect(o.dir)
	if st := object.Status.Account; st != nil && st.AccountID != o.dir.AccountID { // the credentials of another account were accepted
		object.Status.Account = nil
	}
	o.start()
	fields, plans := ownFields(ctx, o), ownPlans(ctx, o)
	o.change(ctx, fields, plans)
	o.conclude(ctx)
	return o.pause
}

// usableNow says whether calls can be made for a parent in this state of its spec: its list is read, and the provider answers.
func usableNow(dir *directory.Parent, state string) bool {
	if dir == nil || dir.Directory == nil || dir.Verified != state || dir.Listings().Complete == 0 || dir.Listings().Err != nil {
		return false
	}
	down, _ := dir.Budget.Unavailable()
	return !down
}

// declaresAccount and declaresPlans say what a resource declares of the parent account itself.
func declaresAccount(p *v1alpha1.ParentAccount) bool { return p.Spec.Account != nil }

func declaresPlans(p *v1alpha1.ParentAccount) bool { return len(p.Spec.Plans) > 0 }

// change makes what changes the parts have, if the start and the change guard let it: all of them, or none.
func (o *own) change(ctx context.Context, parts ...*ownPart) {
	var texts []string
	waits := false
	for _, p := range parts {
		if p.text != "" && !p.waits {
			texts = append(texts, p.text)
		}
		waits = waits || p.waits
	}
	switch {
	case o.failed != nil:
	case len(texts) > 0:
		if stop, ok := o.admit(ctx, strings.Join(texts, ", ")); !ok {
			for _, p := range parts {
				if p.text != "" && !p.waits && stop.Reason != "" {
					o.say(p.kind, stop)
				}
			}
			return
		}
		for _, p := range parts {
			if p.text != "" && !p.waits && o.failed == nil {
				p.write(ctx)
			}
		}
	case waits:
		o.e.changes.Withdraw(o.object.UID)
	case slices.ContainsFunc(parts, func(p *ownPart) bool { return !p.done }):
		o.e.changes.Withdraw(o.object.UID)
		o.e.starts.Withdraw(o.object.UID)
	default:
		o.e.changes.Forget(o.object.UID)
		o.e.starts.Forget(o.object.UID)
	}
}

// conclude stores the status, tells of what is new in it, and says when to come back.
func (o *own) conclude(ctx context.Context) {
	if o.failed == nil {
		if st := o.object.Status.Account; st != nil {
			if equality.Semantic.DeepEqual(*st, v1alpha1.OwnAccountStatus{AccountID: st.AccountID, LastHandledReconcileAt: st.LastHandledReconcileAt}) && !declaresAccount(o.object) && !declaresPlans(o.object) {
				o.object.Status.Account = nil
			}
		}
		if o.patch(ctx); o.failed == nil {
			conditions.EmitOwn(o.e.Recorder, o.object, o.was, o.object.Status.Conditions)
		}
	}
	if o.failed == nil {
		return
	}
	if refused, is := ParentWriteRefused(ctx, o.e, o.object, o.failed); is {
		o.comeBack(refused)
		return
	}
	if !apierrors.IsConflict(o.failed) && !apierrors.IsNotFound(o.failed) {
		log.FromContext(ctx).Error(o.failed, "the status of the parent account itself could not be stored, or its resources not be read")
	}
	o.comeBack(conditions.SoonAtLeast)
}

// patch stores the status. It fails where anybody has changed the resource since.
func (o *own) patch(ctx context.Context) {
	if equality.Semantic.DeepEqual(o.stored.Status, o.object.Status) {
		return
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	after := o.object.DeepCopy()
	if o.failed = o.e.Status().Patch(ctx, after, client.MergeFromWithOptions(o.stored, client.MergeFromWithOptimisticLock{})); o.failed == nil {
		o.object.ResourceVersion = after.ResourceVersion
		o.stored = o.object.DeepCopy()
	}
}

// status is the part of the status about the account itself.
func (o *own) status() *v1alpha1.OwnAccountStatus {
	if o.object.Status.Account == nil {
		o.object.Status.Account = &v1alpha1.OwnAccountStatus{AccountID: o.dir.AccountID}
	}
	return o.object.Status.Account
}

// say writes a condition.
func (o *own) say(kind string, out conditions.Outcome) {
	state := conditions.Own(kind, out)
	conditions.WriteState(&o.object.Status.Conditions, kind, o.object.Generation, &state, o.e.Clock.Now())
}

// fail says that an attempt failed, and has it not be repeated before its time. What passes by itself is not said where the condition is that of
// this very spec.
func (o *own) fail(store *attempts.Store, p *ownPart, attempt string, err error) {
	out := conditions.FailedOwn(err)
	out.Fingerprint = attempt
	pause := store.Record(o.object.UID, conditions.Children, out, nil, nil, o.e.Clock.Now())
	o.comeBack(conditions.Children.Requeue(out, pause))
	p.waits = true
	was := meta.FindStatusCondition(o.object.Status.Conditions, p.kind)
	if was != nil && was.Status == metav1.ConditionTrue && was.ObservedGeneration == o.object.Generation && conditions.Children.PassesByItself(out) && !account.AsError(err).OutcomeUnknown {
		return
	}
	o.say(p.kind, out)
}

// inBackoff says whether an attempt failed that is not to be repeated yet.
func (o *own) inBackoff(store *attempts.Store, attempt string) bool {
	failed, ok := store.InBackoff(o.object.UID, attempt, o.e.Clock.Now())
	if ok {
		o.comeBack(failed.Remaining(o.e.Clock.Now()).After)
	}
	return ok
}

// comeBack has the next pass be made at the latest after a time; 0 has none.
func (o *own) comeBack(after time.Duration) {
	if after > 0 && (o.pause <= 0 || after < o.pause) {
		o.pause = after
	}
}

// requested is the reconcile that somebody requests and that was not acted on; "" for none.
func (o *own) requested() string {
	requested, handled := cut(o.object.Annotations[v1alpha1.AnnotationReconcileRequestedAt], longestObserved), ""
	if o.object.Status.Account != nil {
		handled = o.object.Status.Account.LastHandledReconcileAt
	}
	if requested == handled {
		return ""
	}
	return requested
}

// look reads the account where what is known of it is too old, or unknown. An error says that it could not be read.
func (o *own) look(ctx context.Context) error {
	now, age := o.e.Clock.Now(), ownReadEvery
	if o.known.generation != o.object.Generation { // what it is compared with is new
		age = min(age, o.parent.Resync)
	}
	requested := o.requested()
	if o.known.state != nil && now.Before(o.known.readAt.Add(age)) && (requested == "" || requested == o.known.readFor) {
		o.known.generation = o.object.Generation
		return nil
	}
	state, err := directory.ReadOwn(ctx, o.dir.Directory)
	if err != nil {
		return err
	}
	o.known.read(o.schema, state, now)
	o.known.generation, o.known.readFor = o.object.Generation, cmp.Or(requested, o.known.readFor)
	return nil
}

// handled notes that a requested reconcile was acted on, once all that is declared was read for it.
func (o *own) handled() {
	requested := o.requested()
	if requested == "" || declaresAccount(o.object) && o.known.readFor != requested || declaresPlans(o.object) && o.known.plansReadFor != requested {
		return
	}
	o.status().LastHandledReconcileAt = requested
}

// elder is the other ParentAccount of the same account that applies the same part: of those that declare it and are not known to be of no use the
// oldest; nil where this one is that, or there is none. A younger one applies while this one is False in Ready, as it takes the place then: this
// one may continue with former credentials. The account is the same where the provider, the endpoint and the authorities are, as nobody else's word
// counts for it. shared is set where there is any other that declares the part, of use or not: it may have written to the account.
func (o *own) elder(ctx context.Context, declares func(*v1alpha1.ParentAccount) bool) (elder *v1alpha1.ParentAccount, shared bool, err error) {
	var all v1alpha1.ParentAccountList
	if err := o.e.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, false, err
	}
	oldest, unready := o.object, o.unready
	for i := range all.Items {
		p := &all.Items[i]
		if p.UID == o.object.UID || !declares(p) || !sameAccount(o, p) {
			continue
		}
		shared = true
		ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
		if p.DeletionTimestamp.IsZero() && ready != nil && ready.Status != metav1.ConditionFalse && (unready || isOlder(p, oldest)) {
			oldest, unready = p, false
		}
	}
	if oldest == o.object {
		return nil, shared, nil
	}
	return oldest, shared, nil
}

// sameAccount says whether another resource is of the account of a pass.
func sameAccount(o *own, p *v1alpha1.ParentAccount) bool {
	return p.Status.AccountID == o.dir.AccountID && v1alpha1.SameService(p, o.object)
}

// isOlder says which of two resources came first; where both came in the same second, their names decide.
func isOlder(a, b *v1alpha1.ParentAccount) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return client.ObjectKeyFromObject(a).String() < client.ObjectKeyFromObject(b).String()
}

// leaveTo leaves a part to an elder ParentAccount, and says so; false where there is none. Where that can't be read, nothing more is done. What was
// applied before another one may have written to the account counts no longer, and is forgotten.
func (o *own) leaveTo(ctx context.Context, p *ownPart, field string, declares func(*v1alpha1.ParentAccount) bool, forget func()) bool {
	elder, shared, err := o.elder(ctx, declares)
	if err != nil {
		o.failed = err
		return true
	}
	if (elder != nil || shared && !o.known.alone[p.kind]) && o.object.Status.Account != nil {
		forget()
	}
	o.known.note(p.kind, elder == nil)
	if elder == nil {
		return false
	}
	name := "ParentAccount " + client.ObjectKeyFromObject(elder).String()
	out := conditions.Outcome{
		Reason:  v1alpha1.ReasonDuplicateResource,
		Message: name + " is of the same account, is older, and declares spec." + field + ", too: this resource's is not applied",
		Next:    "Remove spec." + field + " from one of the two.",
	}
	if isOlder(o.object, elder) {
		out.Message = name + " is of the same account and declares spec." + field + ", too: this resource's is not applied while its condition Ready is False"
		out.Next = "Do what the condition Ready says, or remove spec." + field + " from one of the two."
	}
	o.say(p.kind, out)
	return true
}

// jsonOf is an object as account.FromObject takes it.
func jsonOf(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out := map[string]any{}
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// logOwn logs a write to the parent account itself.
func (o *own) logOwn(ctx context.Context, write, why string, err error, more ...any) {
	logWrite(ctx, write, why, o.approved || o.startApproved, o.dir.AccountName, o.dir.AccountID, err, more...)
}

// ownSubject is the parent's resource as Kind.Fleet asks for it: the account counts with those of its namespace.
type ownSubject struct {
	Managed
	object client.Object
	parent types.NamespacedName
}

// Object implements Managed.
func (s ownSubject) Object() client.Object { return s.object }

// Declaration implements Managed.
func (s ownSubject) Declaration() Declaration { return Declaration{Parent: s.parent} }
