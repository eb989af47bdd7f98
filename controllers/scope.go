package controllers

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// childScope is what one reconcile of a ChildAccount works with.
type childScope struct {
	child *v1alpha1.ChildAccount
	// was is the status as it was found.
	was v1alpha1.ChildAccountStatus
	// parent and its directory; set by the gate.
	parent *v1alpha1.ParentAccount
	dir    *directory.Parent
	schema account.Schema
	// desired holds the declared values.
	desired account.State
	claim   account.Claim
	// password is the declared one, "" where none is; passwordMark tells it from others.
	password     account.Secret
	passwordMark string
	// rotation is the value of the annotation that asks for a new generated password, "" where none is to be generated.
	rotation string
	// promoted is the generated password that took the former one's place in this reconcile, "" where none did.
	promoted account.Secret
	// applied is set where the account is known to have the declared password.
	applied bool
	// foundOff is set where the account was found by its claim, switched off, and whether it is to be on is not declared.
	foundOff bool
	// silent is set where another operator, if any, speaks of the resource (--parent-selector).
	silent bool
	// created and written are what this reconcile did at the provider.
	created bool
	written []account.Change
	// held are values for the connection Secret that nobody else knows any more.
	held secrets.Values
	// latest is the connection Secret as this reconcile last saw it.
	latest secrets.Latest
	// stored is what the connection Secret holds, once this reconcile has written it.
	stored secrets.Values
}

func newChildScope(child *v1alpha1.ChildAccount, installation string) *childScope {
	return &childScope{
		child: child,
		was:   *child.Status.DeepCopy(),
		claim: account.Claim{Installation: installation, Namespace: child.Namespace, Name: child.Name},
	}
}

// enter takes up the parent that the gate found, and reads what is declared by its field table.
func (s *childScope) enter(dir *directory.Parent) error {
	s.dir = dir
	s.schema = dir.Fields()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&s.child.Spec)
	if err != nil {
		return err
	}
	s.desired = account.FromObject(s.schema, object)
	return nil
}

// key is how the directory finds the account.
func (s *childScope) key() directory.Key {
	return directory.Key{ID: s.boundID(), Name: s.child.AccountName()}
}

// boundID is the account that is the resource's, "" before that. An account that is only observed is not.
func (s *childScope) boundID() string {
	if s.child.Status.Origin == "" {
		return ""
	}
	return s.child.Status.AccountID
}

// target names the account beyond doubt: "<parent account id>/<account name>".
func (s *childScope) target() string { return s.dir.AccountID + "/" + s.child.AccountName() }

// intends says whether an earlier try may have created the account.
func (s *childScope) intends() bool {
	return s.child.Annotations[v1alpha1.AnnotationCreateIntent] == s.target()
}

// subject is what the resource says, for account.Decide.
func (s *childScope) subject() account.Subject {
	return account.Subject{
		Claim:       s.claim,
		Name:        s.child.AccountName(),
		ID:          s.boundID(),
		Intent:      s.intends(),
		Takeover:    s.annotation(v1alpha1.AnnotationTakeover),
		Desired:     s.desired,
		LastApplied: s.child.Status.LastApplied,
		Policy: account.Policy{
			Adopt:       account.Adoption(s.child.AdoptionPolicy()),
			Observe:     s.child.Observes(),
			ReportDrift: s.child.ReportsDrift(),
			Recreate:    s.child.Recreates(),
		},
	}
}

// plan tells one try from another: the generation, the connection it would use, and what it would write, the declared
// password included.
func (s *childScope) plan(d account.Decision) string {
	step := d.Step
	if step == account.StepLook && s.boundID() == "" {
		step = account.StepCreate // the look that an intent asks for is a part of creating
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s %s %s", s.child.Generation, s.requested(), s.dir.Connection, s.passwordMark, step)
	for _, c := range d.Changes {
		fmt.Fprintf(&b, " %s=%q>%q", c.Field.Path, c.From, c.To)
	}
	return b.String()
}

// bind notes which account is the resource's from now on.
func (s *childScope) bind(a account.Account) {
	st := &s.child.Status
	if s.boundID() == a.ID {
		return
	}
	st.AccountID, st.ParentAccountID, st.Origin = a.ID, s.dir.AccountID, v1alpha1.OriginAdopted
	if s.claimed(a) && s.intends() {
		st.Origin = v1alpha1.OriginCreated
		return
	}
	s.foundOff = s.claimed(a) && !s.declares(account.MarkActive) && s.schema.Deactivated(a.State)
}

// declares says whether the spec has a value for the marked field.
func (s *childScope) declares(m account.Mark) bool {
	_, declared := s.schema.Value(s.desired, m)
	return declared
}

// email is the declared e-mail address, "" where none is.
func (s *childScope) email() string {
	email, _ := s.schema.Value(s.desired, account.MarkEmail)
	return email
}

// claimed says whether the account carries the resource's claim.
func (s *childScope) claimed(a account.Account) bool {
	claim, ok := a.Claim()
	return ok && claim == s.claim
}

// takesOver says whether the account carries the claim of a holder that the resource takes it from: bound or not, as long as
// that claim stands, it has to be replaced.
func (s *childScope) takesOver(a account.Account) bool {
	claim, ok := a.Claim()
	return ok && claim != s.claim && claim.Installation == s.annotation(v1alpha1.AnnotationTakeover)
}

// unbind gives up an account that is gone.
func (s *childScope) unbind() {
	st := &s.child.Status
	st.AccountID, st.ParentAccountID, st.Origin, st.LastApplied, st.Observed = "", "", "", nil, nil
}

// requested is the value of the annotation that asks for a look now.
func (s *childScope) requested() string { return s.annotation(v1alpha1.AnnotationReconcileRequestedAt) }

// annotation is the value that a person gave to one of our annotations, as much of it as is kept.
func (s *childScope) annotation(name string) string {
	v := s.child.Annotations[name]
	return strings.ToValidUTF8(v[:min(len(v), longestObserved)], "")
}

// asked says whether somebody asks for a look that was not done yet.
func (s *childScope) asked() bool {
	return s.requested() != "" && s.requested() != s.child.Status.LastHandledReconcileAt
}

// settled says whether the account is the resource's, the resource still has its finalizer (kubectl replace takes it
// away) and the connection Secret needs no look.
func (r *ChildAccountReconciler) settled(ctx context.Context, s *childScope, d account.Decision) bool {
	return s.boundID() == d.Account.ID && controllerutil.ContainsFinalizer(s.child, v1alpha1.Finalizer) && r.secretSettled(ctx, s)
}
