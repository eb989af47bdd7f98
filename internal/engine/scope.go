package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/readings"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// longestObserved bounds what is copied from the provider into a status (ObservedAccount's longest field).
const longestObserved = 1024

// scope is what one reconcile of a resource works with.
type scope struct {
	// managed is the resource, obj the same as an object of Kubernetes, status its status and declared its spec.
	managed  Managed
	obj      client.Object
	status   *v1alpha1.AccountStatus
	declared Declaration
	// was and wasObserved are the status as it was found.
	was         v1alpha1.AccountStatus
	wasObserved any
	// parent and its directory; nil where it can't be worked with.
	parent *Parent
	dir    *directory.Parent
	schema account.Schema
	// readings has what is read beside the lists.
	readings *readings.Store
	// desired holds the declared values.
	desired account.State
	claim   account.Claim
	// password is the declared one, "" where none is; passwordMark tells it from others.
	password     account.Secret
	passwordMark string
	// salt is the declared one of the account's callbacks, "" where none is; saltMark tells it from others.
	salt     account.Secret
	saltMark string
	// storedBinding is the account that this reconcile has stored in the status as the resource's.
	storedBinding string
	// profile is what there is to say of the account's profile; nil leaves that as it is. retryProfile is when to try again to write what
	// was not granted, 0 where all was.
	profile      *conditions.State
	retryProfile time.Duration
	// rotation is the value of the annotation that asks for a new generated password, "" where none is to be generated.
	rotation string
	// promoted is the generated password that took the former one's place in this reconcile, "" where none did.
	promoted account.Secret
	// applied is set where the account is known to have the declared password.
	applied bool
	// foundInactive is set where the account was found by its claim, inactive, and whether it is to be active is not declared.
	foundInactive bool
	// orphan is set where another operator, if any, reports on the resource (--parent-selector).
	orphan bool
	// deletion is what is known of the resource's deletion.
	deletion plan.Deletion
	// left is for how long the resource may still be kept back.
	left time.Duration
	// startApproved is set where what the resource needs was approved as pending at a start, approved where the change was otherwise.
	startApproved, approved bool
	// startApproval is the text of what was approved as pending at a start.
	startApproval string
	// recreated is set where this reconcile created the account in the place of one that is missing.
	recreated bool
	// created and written are what this reconcile did at the provider.
	created bool
	written []account.Change
	// held are values for the connection Secret that nobody else knows any more.
	held secrets.Values
	// latest is the connection Secret as this reconcile last saw it.
	latest secrets.Latest
	// stored is what the connection Secret holds, once this reconcile has written it.
	stored secrets.Values
	// connected is what there is to say of the connection Secret then.
	connected *conditions.SecretState
	// read is set once the account was to be read: what was asked for is being done.
	read bool
	// readRequest is the request for a read that this reconcile answers, 0 for none.
	readRequest uint64
	// former is the binding to an account that was given up, as it is missing; nil where there is none, or no more.
	former *binding
	// serviceKey is what was done for the service-account key.
	serviceKey keyProgress
	// trials are the passwords that were tried in this reconcile.
	trials map[trial]trialResult
	// unverified is set where the password and the API key are to be verified; verified once they were, or are as new as can be.
	unverified secrets.Mark
	verified   bool
	// given is set once this reconcile gave the account its password.
	given bool
	// shown is the API key that the account was shown when its password was verified, "" where none was.
	shown account.Secret
	// tookOut is told the resource version of a connection Secret that the operator has taken something out of.
	tookOut func(resourceVersion string)
	// found is set where this reconcile found the account by its claim, or that of its previous owner, and the resource may not adopt any.
	found bool
	// recorded says, without a call, whether a connection Secret records an attempt to create the account.
	recorded func() bool
	// previous is the owner, gone by now, that the account's claim names and whose account the resource may have; nil for none.
	previous *account.Claim
	// unaccepted is set where there is such an owner, of another namespace, and the resource does not accept its account.
	unaccepted bool
	// lastOwner is the resource of another namespace that had the account last, as this process knows; nil for none.
	lastOwner *lastOwner
	// previousSecrets are that one's connection Secrets whose content goes along, once previousRead is set.
	previousSecrets []corev1.Secret
	previousRead    bool
	// waitsFor is the resource with the better right to the account where that is being deleted and waits; it may hand the account over.
	waitsFor client.Object
	// plans is what is known of the account's plans.
	plans scopePlans
	// cloned is what this reconcile has cloned the account from, and what the clone got; nil where it cloned none.
	cloned *v1alpha1.ClonedFrom
	// template is the name of the account that the resource waits for, to have its own cloned from it; "" where it waits for none.
	template string
	// seeks is set while the account is looked for by the name of an earlier attempt to create it, which the resource does not declare any more.
	seeks bool
	// provedOwn is set where an account that is not the resource's has a password that was prepared for it.
	provedOwn bool
}

func newScope(m Managed, installation string) *scope {
	obj, status := m.Object(), m.Status()
	was := *status
	*status = *was.DeepCopy() // what was found may be the cache's own
	return &scope{
		managed: m, obj: obj, status: status, declared: m.Declaration(), was: was, wasObserved: m.Observed(),
		claim: account.Claim{Installation: installation, Namespace: obj.GetNamespace(), Name: obj.GetName()},
	}
}

// enter takes up the parent's directory, and reads what is declared by its field table.
func (s *scope) enter(dir *directory.Parent) {
	s.dir, s.schema = dir, dir.Fields()
	s.desired = plan.Declared(s.schema, s.declared.Fields)
	seek(s)
}

func (s *scope) uid() types.UID { return s.obj.GetUID() }

// key is how the directory finds the account.
func (s *scope) key() directory.Key {
	return directory.Key{ID: s.boundID(), Name: s.declared.AccountName}
}

// boundID is the account that is the resource's, "" before that. An account that is only observed is not.
func (s *scope) boundID() string {
	if s.status.Origin == "" {
		return ""
	}
	return s.status.AccountID
}

// target names the account unambiguously: "<parent account id>/<account name>".
func (s *scope) target() string { return s.dir.AccountID + "/" + s.declared.AccountName }

// intends says whether an earlier attempt may have created the account: the connection Secret says so, or the resource itself, where
// earlier versions of the operator had it.
func (s *scope) intends() bool {
	if claimless(s) {
		return openAttempt(s) != nil
	}
	if s.obj.GetAnnotations()[v1alpha1.AnnotationCreateIntent] == s.target() {
		return true
	}
	return s.latest.Intends(s.connection()) || s.recorded != nil && s.recorded()
}

// untouched says whether nothing hints at an earlier attempt to create the account: no status, no stored attempt, no mark, no edit that
// may have given the connection Secret another name.
func untouched(s *scope) bool {
	return s.was.ObservedGeneration <= 0 && len(s.was.Conditions) == 0 && s.was.AccountID == "" && s.was.Creation == nil && s.obj.GetGeneration() <= 1 &&
		s.obj.GetAnnotations()[v1alpha1.AnnotationCreateIntent] == "" && !hasFinalizer(s.obj)
}

// bind notes which account is the resource's from now on; made says that it was created for the resource.
func (s *scope) bind(a account.Account, made bool) {
	st := s.status
	if s.boundID() == a.ID {
		return
	}
	s.former, st.PlanChanges, st.ClonedFrom = nil, nil, nil
	s.declared.AccountName, s.seeks = s.managed.Declaration().AccountName, false
	if st.LastApplied = nil; made && st.Creation != nil {
		st.LastApplied = st.Creation.Sent
	}
	st.Creation = nil
	if o, ok := s.managed.(PlanObserver); ok && o.ObservedPlans() != nil { // of another account
		o.SetObservedPlans(nil)
	}
	st.AccountID, st.ParentAccountID, st.Origin = a.ID, s.dir.AccountID, v1alpha1.OriginAdopted
	if made {
		st.Origin, st.ClonedFrom = v1alpha1.OriginCreated, clonedFrom(s)
		return
	}
	_, declared := s.schema.Value(s.desired, account.MarkActive)
	s.foundInactive = (s.claimed(a) || s.previous != nil) && !declared && s.schema.Deactivated(a.State)
}

// claimed says whether the account carries the resource's claim.
func (s *scope) claimed(a account.Account) bool {
	claim, ok := a.Claim()
	return ok && claim == s.claim
}

// takesOver says whether the account carries the claim of an owner that the resource takes it from: bound or not, as long as
// that claim stands, it has to be replaced.
func (s *scope) takesOver(a account.Account) bool {
	claim, ok := a.Claim()
	return ok && claim != s.claim && claim.Installation == s.annotation(v1alpha1.AnnotationTakeover)
}

// unbind has the resource look for its account anew.
func (s *scope) unbind() {
	binding{}.into(s)
}

// requested is the value of the annotation that asks for a reconcile now.
func (s *scope) requested() string { return s.annotation(v1alpha1.AnnotationReconcileRequestedAt) }

// annotation is the value that a person gave to one of our annotations, as much of it as is kept.
func (s *scope) annotation(name string) string {
	return cut(s.obj.GetAnnotations()[name], longestObserved)
}

// cut is as much of a text as there is room for.
func cut(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// cutOrNone is cut, and nil of an empty text.
func cutOrNone(text string, most int) *string {
	if text = cut(text, most); text == "" {
		return nil
	}
	return &text
}

// canSee says whether the resource may be told of those in a namespace: one that uses another namespace's ParentAccount
// hears of its own alone.
func (s *scope) canSee(namespace string) bool {
	return s.obj.GetNamespace() == namespace || s.obj.GetNamespace() == s.parent.Key.Namespace
}

// givesPassword says whether the account is to have the declared password: one that was there before the resource keeps
// its own, unless it may be adopted whatever it is, or could not be changed without a password.
func (s *scope) givesPassword() bool {
	return s.password != "" && (s.status.Origin != v1alpha1.OriginAdopted || s.declared.Policy.Adopt == account.AdoptAlways || sendsPassword(s))
}

// hadReason says whether a condition had a reason when the resource was found.
func (s *scope) hadReason(kind, reason string) bool {
	return conditions.HadReason(s.was.Conditions, kind, reason)
}

// observe notes what the provider shows of the account.
func (s *scope) observe(a account.Account) {
	shown := account.State{}
	for path, v := range a.State {
		if f, ok := s.schema.Field(path); ok && f.Readable {
			shown[path] = v[:min(len(v), longestObserved)]
		}
	}
	object, err := json.Marshal(account.ToObject(s.schema, shown))
	if err != nil { // a map of strings and booleans always marshals
		panic(err)
	}
	if observed, err := s.managed.ReadObserved(object); err == nil {
		observeVerification(s, observed, a.ID)
		s.managed.SetObserved(observed)
	}
}

// drift notes the differences that are not changed, each since it was first seen.
func (s *scope) drift(changes []plan.FieldChange, now time.Time) {
	since := map[string]metav1.Time{}
	for _, d := range s.was.Drift {
		since[d.Field] = d.Since
	}
	var out []v1alpha1.DriftedField
	for _, c := range changes {
		d := v1alpha1.DriftedField{Field: c.Field, Desired: cut(c.To, longestObserved), Since: metav1.NewTime(now).Rfc3339Copy()}
		if first, ok := since[d.Field]; ok {
			d.Since = first
		}
		if c.From != nil {
			observed := (*c.From)[:min(len(*c.From), longestObserved)]
			d.Observed = &observed
		}
		out = append(out, d)
	}
	s.status.Drift = out
}

// confirm notes an account that matches the spec: all that is declared counts as applied.
func (s *scope) confirm(a account.Account, differs []plan.FieldChange, now time.Time) {
	s.status.Creation = nil
	s.observe(a)
	s.drift(differs, now)
	applied := s.schema.Normal(s.desired)
	if len(s.declared.Plans) > 0 {
		applied = applied.With(appliedPlans(s))
	}
	if len(applied) == 0 {
		applied = nil
	}
	s.status.LastApplied = applied
}

// connection names the connection Secret.
func (s *scope) connection() secrets.Connection {
	c := secrets.Connection{
		Namespace:   s.obj.GetNamespace(),
		Name:        s.declared.ConnectionSecret.Name,
		Resource:    s.declared.Kind + "/" + s.obj.GetName(),
		Account:     s.target(),
		UID:         s.uid(),
		Rotation:    s.rotation,
		Latest:      &s.latest,
		TookOut:     s.tookOut,
		Labels:      s.declared.ConnectionSecret.Labels,
		Annotations: s.declared.ConnectionSecret.Annotations,
		Renames:     s.schema.Identity().Updatable,
	}
	if s.previous != nil && s.previous.Namespace == c.Namespace {
		c.FormerResource = s.declared.Kind + "/" + s.previous.Name
	}
	if to := s.annotation(v1alpha1.AnnotationHandOverTo); to != "" { // under Retain nobody is asked before the resource is gone
		c.Annotations = maps.Clone(c.Annotations)
		if c.Annotations == nil {
			c.Annotations = map[string]string{}
		}
		c.Annotations[v1alpha1.AnnotationHandOverTo] = to
	}
	if s.applied {
		c.Applied = s.password
	}
	if s.givesPassword() {
		c.Declared = s.password
	}
	if s.was.Origin != "" {
		c.Bound = account.Secret(s.was.AccountID)
	}
	c.HadPassword = hadPassword(s)
	return c
}

// knownValues are those that need no account yet.
func knownValues(s *scope) secrets.Values {
	return secrets.Values{
		secrets.KeyAccountName: account.Secret(s.declared.AccountName),
		secrets.KeyEmail:       account.Secret(email(s)),
		secrets.KeyEndpoint:    account.Secret(s.dir.Endpoint),
	}
}

// email is the declared e-mail address, "" where none is.
func email(s *scope) string {
	email, _ := s.schema.Value(s.desired, account.MarkEmail)
	return email
}

// connectionValues are those that are known of the account.
func connectionValues(s *scope) secrets.Values {
	values := knownValues(s)
	values[secrets.KeyAccountID] = account.Secret(s.status.AccountID)
	return values
}

// connectionMark tells what the connection Secret is made of, and what is said of it, from anything else.
func connectionMark(s *scope) string {
	c := s.connection()
	return fmt.Sprint(c.Name, c.Labels, c.Annotations, c.Account, s.status.AccountID, email(s), s.dir.Endpoint,
		s.declared.Policy.Adopt, s.passwordMark, s.annotation(v1alpha1.AnnotationRotatePassword))
}

// keyKnown says whether the connection Secret has the API key.
func keyKnown(s *scope) bool {
	return meta.IsStatusConditionTrue(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
}

// secretAsBefore is what was said of the connection Secret, which is settled, and holds for this generation too.
func secretAsBefore(s *scope) *conditions.SecretState {
	was := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
	return &conditions.SecretState{Status: was.Status, Reason: was.Reason, Message: was.Message}
}

// hasFinalizer says whether the resource has the operator's finalizer.
func hasFinalizer(o client.Object) bool {
	return slices.Contains(o.GetFinalizers(), v1alpha1.Finalizer)
}
