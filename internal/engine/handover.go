package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// An account whose resource is deleted is handed over to another resource that declares it and may have it: it is not deactivated, and the
// other resource binds to it once the previous owner is deleted. Who may have it is decided in one place, mayHave, for both of the two:
// whatever anybody else declares counts for nothing. Whether a resource accepts the account is decided in consent.go.

// mayHave says whether a resource of a namespace, under a parent that it may use, may have the account of a resource of the namespace owner
// once that one is deleted: in the same namespace, in the parent's own, or with the grant Adopt.
func mayHave(namespace string, parent *Parent, owner string) bool {
	return namespace == owner || namespace == parent.Key.Namespace || parent.GrantsAdopt
}

// mayAdopt says whether a resource of a namespace may adopt accounts that it has not made: in the parent's own namespace, or with the grant Adopt.
func mayAdopt(namespace string, parent *Parent) bool {
	return namespace == parent.Key.Namespace || parent.GrantsAdopt
}

// adoptStep is the step to have the account adopted: policy is the field, or the field and the value that it needs. It follows "or ".
func adoptStep(s *scope, policy string) string {
	return adoptStepOf(s.obj.GetNamespace(), s.parent, policy)
}

// adoptStepOf is that step for a resource of a namespace under a parent.
func adoptStepOf(namespace string, parent *Parent, policy string) string {
	if mayAdopt(namespace, parent) {
		return "set " + policy
	}
	return plan.AskForGrant(parent.Key.Name) + ", and then set " + policy
}

// candidate is a resource that wants the account of another one, and may have it; accepts is set where it accepts the account, too, waits where the
// account is left to others for a while before (left.go).
type candidate struct {
	managed        Managed
	parent         *Parent
	accepts, waits bool
}

// candidateFor is a resource where it wants the account of one of the namespace owner, and may have it; nil where it does not, or where that
// can't be known, which is an error.
func candidateFor(ctx context.Context, e *observer, m Managed, owner string) (*candidate, error) {
	d, o := m.Declaration(), m.Object()
	if d.Suspended || d.Policy.Observe || !o.GetDeletionTimestamp().IsZero() {
		return nil, nil
	}
	parent, stop, err := e.Parents.Find(ctx, m, d.Parent)
	if err != nil || stop != nil || parent.Suspended || !mayHave(o.GetNamespace(), parent, owner) {
		return nil, err
	}
	return &candidate{managed: m, parent: parent, accepts: accepts(m, parent, owner, e.Installation)}, nil
}

// unknownFor is how long a deletion waits for what may stand in its way and is not known yet: after the deletion, or after the operator's
// start. It is short, as what anybody may declare must not keep accounts active.
const unknownFor = time.Minute

// recipientOf finds the resource that gets the account of one that is being deleted, or that nobody knows yet whether there is one.
func recipientOf(ctx context.Context, e *observer, s *scope, in *plan.Input) error {
	others, err := e.Kind.Named(ctx, s.declared.AccountName)
	if err != nil {
		return err
	}
	if a := in.View.Account; a != nil {
		in.HeldByAnother = heldByAnother(s, others, a.ID)
		if _, claimed := a.Claim(); !claimed && declaresCustomData(s.schema, s.declared) {
			others = adopters(others)
		}
	}
	if to := e.recipient(ctx, s.managed, others, s.dir.AccountID); to != nil {
		in.Recipient = asRecipient(to)
		if err := noteUnprovable(ctx, e, s, to, in.Recipient); err != nil {
			return err
		}
	}
	since := s.obj.GetDeletionTimestamp().Time
	if e.began.After(since) {
		since = e.began
	}
	in.RecipientUnknown = in.Recipient == nil && in.Now.Before(since.Add(unknownFor)) && (!e.Kind.Complete() || slices.ContainsFunc(others, func(other Managed) bool {
		return other.Object().GetUID() != s.uid() && mayTurnOut(ctx, e, other, s.obj.GetNamespace())
	}))
	return nil
}

// declaresCustomData says whether a resource declares custom data, which replaces the claim.
func declaresCustomData(schema account.Schema, d Declaration) bool {
	f, ok := schema.Marked(account.MarkCustomData)
	if !ok {
		return false
	}
	_, declared := plan.Declared(schema, d.Fields)[f.Path]
	return declared
}

// adopters are the resources that adopt pre-existing accounts: an account without a claim is one for everybody else.
func adopters(others []Managed) []Managed {
	return slices.DeleteFunc(slices.Clone(others), func(m Managed) bool {
		adopt := m.Declaration().Policy.Adopt
		return adopt != account.AdoptIfIdentical && adopt != account.AdoptAlways
	})
}

// mayTurnOut says whether a resource wants an account of the namespace owner, and it is not known yet whether it may have it, or of which
// parent account it is.
func mayTurnOut(ctx context.Context, e *observer, m Managed, owner string) bool {
	if m.Status().Origin != "" {
		return false
	}
	c, err := candidateFor(ctx, e, m, owner)
	return err != nil || c != nil && e.Connected.Get(m.Declaration().Parent) == nil
}

// recipient is the resource that gets the account of one that is being deleted, or is gone: of those that declare the account and may have
// it, those that accept it come first, and of those the one that the owner names (hand-over-to), else the oldest, else the one with the lesser
// namespace and name, as among those that wait for it (claimants). Nil where there is none.
func (e *observer) recipient(ctx context.Context, m Managed, others []Managed, parentAccountID string) (first *candidate) {
	o, to := m.Object(), e.handedOverTo(ctx, m)
	var firstClaimant account.Claimant
	for _, other := range others {
		rival := other.Object()
		if rival.GetUID() == o.GetUID() {
			continue
		}
		c, _ := candidateFor(ctx, e, other, o.GetNamespace())
		if c == nil || e.parentAccountOf(ctx, other) != parentAccountID {
			continue
		}
		named := to == client.ObjectKeyFromObject(rival).String()
		c.waits = !named && leftWithout(rival.GetNamespace(), c.parent, o.GetNamespace())
		claimant := account.Claimant{
			Created: rival.GetCreationTimestamp().Time, Namespace: rival.GetNamespace(), Name: rival.GetName(),
			Named: c.accepts && named, Permitted: c.accepts,
		}
		if first == nil || claimant.Precedes(firstClaimant) {
			first, firstClaimant = c, claimant
		}
	}
	return first
}

// asRecipient is the resource that the account goes to, with what keeps it from getting the account.
func asRecipient(to *candidate) *plan.Recipient {
	o := to.managed.Object()
	r := &plan.Recipient{Namespace: o.GetNamespace(), Name: o.GetName()}
	switch {
	case !to.accepts:
		r.Lacks, r.Next = notAcceptedText, "To have the account, have that resource accept it: "+acceptStep+" there."
	case to.waits: // it may be deleted before it has the account: that keeps nobody's account active unsaid
		r.Lacks = fmt.Sprintf("the account is left to the namespace of this resource for %d minutes, as this resource may be applied again", leftFor/time.Minute)
		r.Next = fmt.Sprintf("To let that resource have the account at once, give the connection Secret of this resource the annotation %s with the name of that resource.", v1alpha1.AnnotationHandOverTo)
	}
	return r
}

// handedOverTo is whom a resource, or its connection Secret, names as the one that the account is handed over to; "" for nobody.
func (e *observer) handedOverTo(ctx context.Context, m Managed) string {
	o := m.Object()
	if to := o.GetAnnotations()[v1alpha1.AnnotationHandOverTo]; to != "" {
		return to
	}
	return e.secretHandedOverTo(ctx, m.Declaration().Kind, client.ObjectKeyFromObject(o))
}

// secretHandedOverTo is whom the connection Secret of a resource names, which may be gone.
func (e *observer) secretHandedOverTo(ctx context.Context, kind string, owner types.NamespacedName) string {
	if e.ConnectionSecrets == nil {
		return ""
	}
	return e.ConnectionSecrets.HandedOverTo(ctx, secrets.Connection{Namespace: owner.Namespace, Resource: kind + "/" + owner.Name})
}

// saysHandOver says, without a call, whether the connection Secret says of handing over what the resource does.
func (e *observer) saysHandOver(ctx context.Context, s *scope) bool {
	c := secrets.Connection{Namespace: s.obj.GetNamespace(), Name: s.declared.ConnectionSecret.Name}
	return e.ConnectionSecrets == nil || e.ConnectionSecrets.SaysHandOver(ctx, c, s.annotation(v1alpha1.AnnotationHandOverTo))
}

// previousOwner is the claim of an account where it is that of a deleted resource of this installation, as far as the cache knows, and
// whose account the resource may have; nil where it is not.
func (e *observer) previousOwner(ctx context.Context, s *scope, a *account.Account) *account.Claim {
	if a == nil || s.declared.Policy.Observe {
		return nil
	}
	claim, ok := a.Claim()
	if !ok || claim == s.claim || claim.Installation != e.Installation || !mayHave(s.obj.GetNamespace(), s.parent, claim.Namespace) {
		return nil
	}
	if gone, err := isGone(ctx, e.Client, s, claim); err != nil || !gone { // what can't be read is not gone
		return nil
	}
	return &claim
}

// observePrevious notes the previous owner of the account. Once its connection Secret names the resource, what failed without is tried
// again.
func (e *observer) observePrevious(ctx context.Context, s *scope, in *plan.Input) {
	s.previous = e.previousOwner(ctx, s, in.View.Account)
	observeLastOwner(e, s, in.View.Account)
	in.NotAccepted = notAcceptedFrom(e, s, in.View.Account)
	if in.NotAccepted == nil && s.previous != nil && s.boundID() == "" && !accepts(s.managed, s.parent, s.previous.Namespace, e.Installation) {
		in.NotAccepted = notAccepted(s, *in.View.Account)
	}
	if s.unaccepted = in.NotAccepted != nil; s.unaccepted {
		s.previous = nil
	}
	in.Subject.PreviousOwner = s.previous
	if s.previous == nil {
		return
	}
	owner := types.NamespacedName{Namespace: s.previous.Namespace, Name: s.previous.Name}
	if e.secretHandedOverTo(ctx, s.declared.Kind, owner) == client.ObjectKeyFromObject(s.obj).String() {
		in.Attempts.Connection += " handed over"
	}
}

// isGone says whether there is no resource any more that has the name which a claim gives and declares the account, but for one that was
// released and that only finalizers of others keep.
func isGone(ctx context.Context, from client.Reader, s *scope, claim account.Claim) (bool, error) {
	owner := blank(s.managed)
	err := from.Get(ctx, client.ObjectKey{Namespace: claim.Namespace, Name: claim.Name}, owner.Object())
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return err == nil && (isReleased(owner.Object()) || owner.Declaration().AccountName != s.declared.AccountName), err
}

// blank is an empty resource of the same kind, to read one into.
func blank(m Managed) Managed {
	m = m.Copy()
	v := reflect.ValueOf(m.Object()).Elem()
	v.SetZero()
	return m
}

// readPreviousOwner reads from the Kubernetes API whether the previous owner is deleted, and whether nobody else has its account by now: the
// cache may be behind.
func readPreviousOwner(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	claim, ok := r.view.Account.Claim()
	gone, err := isGone(ctx, r.Connections.Live, r.s, claim)
	if err == nil && ok && gone {
		gone, err = r.unbound(ctx)
	}
	switch {
	case err != nil:
		return broken(r.working(), err)
	case gone:
		return nil
	case !r.s.obj.GetDeletionTimestamp().IsZero():
		return broken(r.working(), errOwned)
	}
	return &conditions.Outcome{Err: apierrors.NewConflict(schema.GroupResource{Resource: r.Kind.CRD()}, r.s.obj.GetName(), errOwned)}
}

var errOwned = errors.New("another resource has the account")

// unbound says whether no other resource that declares the account has it.
func (r *run) unbound(ctx context.Context) (bool, error) {
	others, err := r.Kind.Named(ctx, r.s.declared.AccountName)
	if err != nil {
		return false, err
	}
	for _, other := range others {
		if other.Object().GetUID() == r.s.uid() {
			continue
		}
		live := blank(other)
		err := r.Connections.Live.Get(ctx, client.ObjectKeyFromObject(other.Object()), live.Object())
		if client.IgnoreNotFound(err) != nil {
			return false, err
		}
		if st := live.Status(); err == nil && !isReleased(live.Object()) && st.Origin != "" && st.AccountID == r.view.Account.ID {
			return false, nil
		}
	}
	return true, nil
}

// previousSecrets are the connection Secrets of the previous owner whose content goes along: those of another namespace only where a
// password of theirs is the account's, or they remember that it was given the declared one. Whoever may write a Secret there may write
// anything into it.
func (r *run) previousSecrets(ctx context.Context) ([]corev1.Secret, error) {
	s := r.s
	if s.previous == nil || s.previousRead {
		return s.previousSecrets, nil
	}
	c := secrets.Connection{Namespace: s.previous.Namespace, Resource: s.declared.Kind + "/" + s.previous.Name, Account: s.target()}
	found, err := secrets.OfPrevious(ctx, r.Connections, c, s.obj.GetNamespace(), client.ObjectKeyFromObject(s.obj).String())
	if err != nil {
		return nil, err
	}
	for i := range found {
		known := found[i].Namespace == s.obj.GetNamespace() || secrets.RemembersDeclared(&found[i], c, s.password) ||
			hasAny(ctx, s, r.view.Account.ID, secrets.Passwords(&found[i]))
		if known {
			s.previousSecrets = append(s.previousSecrets, found[i])
		}
	}
	s.previousRead = true
	return s.previousSecrets, nil
}

// handOver reports that the account of a resource that is being deleted is another's from now on. What the resource says of the
// credentials is in its connection Secret before it is gone.
func handOver(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	if to := r.s.annotation(v1alpha1.AnnotationHandOverTo); to != "" {
		if err := secrets.NoteHandOver(ctx, r.Connections, r.s.connection(), to); err != nil && !isProblem(err) {
			return refusedWrite(r, v1alpha1.ReasonDeleting, "the connection Secret", err)
		}
	}
	if step.Reason == plan.ReasonHandedOver {
		r.Recorder.Eventf(r.s.obj, nil, corev1.EventTypeNormal, "HandedOver", "Delete", "%s", step.Message)
	}
	return nil
}

// tellTakenOver emits the event of an account that had a previous owner.
func (r *run) tellTakenOver(a account.Account) {
	from := "another " + r.s.declared.Kind
	if r.s.canSee(r.s.previous.Namespace) {
		from = fmt.Sprintf("%s %s/%s", r.s.declared.Kind, r.s.previous.Namespace, r.s.previous.Name)
	}
	r.Recorder.Eventf(r.s.obj, nil, corev1.EventTypeNormal, "TakenOver", "Adopt",
		"took over account %s (id %s), whose custom data names %s as its owner, which is deleted", a.Name, a.ID, from)
	r.tellKnownElsewhere(a)
}

// tellAdopted emits the event of an account that the resource has adopted.
func (r *run) tellAdopted(a account.Account) {
	from := ""
	if r.s.lastOwner != nil {
		from = ", which " + lastOwnerText(r.s) + " had before"
	}
	r.Recorder.Eventf(r.s.obj, nil, corev1.EventTypeNormal, "Adopted", "Adopt", "adopted account %s (id %s)%s", a.Name, a.ID, from)
	r.tellKnownElsewhere(a)
}

// withoutPassword has the connection Secret's condition say where the previous owner's password did not come along, with the command that makes a new
// one, which is the last that is said.
func withoutPassword(s *scope) {
	if s.previous == nil || s.stored == nil || s.password != "" || s.stored[secrets.KeyPassword] != "" {
		return
	}
	const lost, separator = "the account's password was not inherited from its previous owner", "; "
	if command := rotateCommand(s); !strings.Contains(s.connected.Message, command) {
		s.connected.Message += separator + lost + ". To have a new one generated: " + command
		return
	}
	s.connected.Message = lost + separator + s.connected.Message
}

// Gone tells of a resource that is gone without a finalizer, under Retain, while one of others, which declare its account too, is there
// that the account is handed over to.
func (e *Engine) Gone(ctx context.Context, m Managed, others []Managed) {
	e.noteLeft(m, e.Clock.Now())
	switch {
	case m.Status().Origin == "":
	case m.Declaration().Deactivate: // Forget says what is to be said of it, as that takes requests
		e.releases.noteGone(m)
	default:
		handedOver(ctx, e, m, others)
	}
}

// handedOver says whether one of others gets the account of a resource that is gone, and emits the event of that.
func handedOver(ctx context.Context, e *Engine, m Managed, others []Managed) bool {
	st, d := m.Status(), m.Declaration()
	if dir := e.Connected.Get(d.Parent); dir != nil && declaresCustomData(dir.Fields(), d) {
		others = adopters(others)
	}
	to := e.observer.recipient(ctx, m, others, st.ParentAccountID)
	if to == nil || !to.accepts || to.waits {
		return false
	}
	name, recipient := "another "+d.Kind, client.ObjectKeyFromObject(to.managed.Object())
	if o := m.Object(); recipient.Namespace == o.GetNamespace() || o.GetNamespace() == d.Parent.Namespace {
		name = fmt.Sprintf("%s %s", d.Kind, recipient)
	}
	e.Recorder.Eventf(m.Object(), nil, corev1.EventTypeNormal, "HandedOver", "Delete",
		"account %s (id %s) is handed over to %s, which declares it", d.AccountName, st.AccountID, name)
	return true
}

// unprovenPrevious is the outcome where no connection Secret proves that the account was the previous owner's.
func unprovenPrevious(s *scope, a account.Account) conditions.Outcome {
	secret := fmt.Sprintf("Restore the connection Secret of %s %s", s.declared.Kind, s.previous.Name)
	if s.previous.Namespace != s.obj.GetNamespace() {
		secret = fmt.Sprintf("Give the connection Secret of the previous owner, in its namespace, the annotation %s: %s/%s", v1alpha1.AnnotationHandOverTo, s.obj.GetNamespace(), s.obj.GetName())
	}
	return conditions.Outcome{
		Reason: v1alpha1.ReasonAdoptionRefused,
		Message: fmt.Sprintf("the custom data of account %s (id %s) names another %s as its owner, which is deleted; but ParentAccount %s %s, %s, and no connection Secret proves it with the account's password",
			a.Name, a.ID, s.declared.Kind, s.parent.Key.Name, s.parent.sharing(), anybodyWrites),
		Next: secret + ", or " + adoptStep(s, "spec.adoptionPolicy") + ".",
	}
}
