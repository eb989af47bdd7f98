package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// stopMassChange stops a decision that would be one change of too many. What a creation leaves to do is none.
func (r *ChildAccountReconciler) stopMassChange(ctx context.Context, s *childScope, d account.Decision) *conditions.Outcome {
	edits := slices.ContainsFunc(d.Changes, func(c account.Change) bool { return c.Origin == account.FromSpec })
	ownCreation := s.child.Status.Origin == v1alpha1.OriginCreated && len(s.child.Status.LastApplied) == 0
	if d.Step == account.StepLook {
		return nil // what it leads to is not known yet
	}
	if d.Step != account.StepUpdate || ownCreation || !edits && !account.Deactivates(d.Changes) {
		r.guard.Forget(s.child.UID)
		return nil
	}
	if _, held := r.attempts.InBackoff(s.child.UID, s.plan(d), r.Clock.Now()); held {
		r.guard.Withdraw(s.child.UID) // it was tried in vain and is not tried now: nothing to count, nothing to approve
		return nil
	}
	return r.govern(ctx, s, described(d.Changes), account.Deactivates(d.Changes))
}

// govern stops a change of an account that is one of too many; nil lets it pass, and counts it.
func (r *ChildAccountReconciler) govern(ctx context.Context, s *childScope, what string, deactivates bool) *conditions.Outcome {
	fleet, err := r.fleet(ctx, s)
	if err != nil {
		return &conditions.Outcome{Err: err}
	}
	r.loadDeactivations(s.parent)
	v := r.guard.Admit(s.change(fleet, what, deactivates), r.Clock.Now())
	if v.Allowed {
		return nil
	}
	out := &conditions.Outcome{}
	if v.Settled {
		*out = conditions.AwaitingApproval(what, v.Rule, v.List, fmt.Sprintf("To let exactly these pass: kubectl annotate parentaccount -n %s %s --overwrite %s=%s",
			s.parent.Namespace, s.parent.Name, v1alpha1.AnnotationApproveMassChange, v.Hash))
	}
	if v.Wait > 0 {
		out.After, out.Retry = v.Wait, conditions.Every(v.Wait)
	}
	return out
}

// refused says whether a change ended without having been made, for certain.
func refused(err error) bool { return err != nil && !account.AsError(err).Doubt }

// change is what a change of the account is judged by.
func (s *childScope) change(fleet changeguard.Fleet, what string, deactivates bool) changeguard.Change {
	limits := s.parent.MassChange()
	c := changeguard.Change{
		Parent: guardedParent(s.parent), Namespace: fleet.Namespace, Total: fleet.Total,
		UID: s.child.UID, Name: s.child.Name, Generation: s.child.Generation, Account: s.child.AccountName(),
		Text: what, Deactivates: deactivates,
		Limits: changeguard.Limits{
			Percent: limits.Percent, Minimum: limits.Minimum, Window: limits.Window,
			DeactivationsPerHour: s.parent.MaxDeactivationsPerHour(),
		},
		Waited: conditions.HadReason(s.was.Conditions, conditions.Children.Second(), v1alpha1.ReasonAwaitingApproval),
	}
	if approved := s.parent.Annotations[v1alpha1.AnnotationApproveMassChange]; approved != "" {
		c.Approvals = strings.Split(approved, ",")
	}
	return c
}

func guardedParent(p *v1alpha1.ParentAccount) changeguard.Parent {
	return changeguard.Parent{Key: client.ObjectKeyFromObject(p), UID: p.UID}
}

// fleet is what there is of the parent's children in the resource's namespace.
func (r *ChildAccountReconciler) fleet(ctx context.Context, s *childScope) (changeguard.Fleet, error) {
	return r.guard.Fleet(guardedParent(s.parent), s.child.Namespace, r.Clock.Now(), func() (changeguard.Fleet, error) {
		namespace, err := r.guardedNamespace(ctx, s.child)
		if err != nil {
			return changeguard.Fleet{}, err
		}
		total, err := r.countChildren(ctx, s.child.ParentKey(), s.child.Namespace)
		return changeguard.Fleet{Total: total, Namespace: namespace}, err
	})
}

// countChildren is how many accounts there are, or are to be: what has none and wants none makes no room for changes.
func (r *ChildAccountReconciler) countChildren(ctx context.Context, parent types.NamespacedName, namespace string) (int, error) {
	var children v1alpha1.ChildAccountList
	err := r.List(ctx, &children, append(childrenOfParent(parent), client.InNamespace(namespace), client.UnsafeDisableDeepCopy)...)
	count := 0
	for _, c := range children.Items {
		if c.Status.Origin != "" || !c.Suspended() {
			count++
		}
	}
	return count, err
}

// guardedNamespace is the resource's namespace, by its UID where the operator may read it. The cache may be behind: it may
// not have the namespace yet, or still have a former one of the same name, which was deleted before the resource was created.
func (r *ChildAccountReconciler) guardedNamespace(ctx context.Context, child *v1alpha1.ChildAccount) (changeguard.Namespace, error) {
	named := changeguard.Namespace{Name: child.Namespace}
	if r.Namespaces == nil {
		return named, nil
	}
	meta, key := NamespaceMetadata(), client.ObjectKey{Name: child.Namespace}
	err := r.Namespaces.Get(ctx, key, meta, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	former := err == nil && meta.DeletionTimestamp != nil && child.CreationTimestamp.After(meta.DeletionTimestamp.Time)
	if apierrors.IsNotFound(err) || former {
		meta = NamespaceMetadata()
		err = r.Connections.Live.Get(ctx, key, meta)
	}
	if apierrors.IsForbidden(err) {
		return named, nil
	}
	named.UID, named.Created = meta.UID, meta.CreationTimestamp.Time
	return named, err
}

// loadDeactivations has the guard know what the parent's status says.
func (s stores) loadDeactivations(p *v1alpha1.ParentAccount) {
	s.guard.Load(guardedParent(p), p.ResourceVersion, func() []changeguard.Deactivation { return deactivationsOf(p) })
}

func deactivationsOf(p *v1alpha1.ParentAccount) []changeguard.Deactivation {
	out := make([]changeguard.Deactivation, 0, len(p.Status.Deactivations))
	for _, d := range p.Status.Deactivations {
		out = append(out, changeguard.Deactivation{At: d.Time.Time, Namespace: d.Namespace, Name: d.Name})
	}
	return out
}

// noteDeactivation keeps in the parent's status that an account is being deactivated, before it is.
func (r *ChildAccountReconciler) noteDeactivation(ctx context.Context, s *childScope) error {
	ctx, cancel := context.WithTimeout(ctx, lastingFor)
	defer cancel()
	fleet, err := r.fleet(ctx, s)
	if err != nil {
		return err
	}
	r.loadDeactivations(s.parent)
	return r.guard.Note(ctx, s.change(fleet, "", true), r.Clock.Now(), deactivationStorage{r, s.parent})
}

// deactivationStorage keeps a parent's deactivations in its status.
type deactivationStorage struct {
	r      *ChildAccountReconciler
	parent *v1alpha1.ParentAccount
}

// Write implements changeguard.Storage.
func (d deactivationStorage) Write(ctx context.Context, s changeguard.Stored) (string, error) {
	before := d.parent.DeepCopy()
	before.ResourceVersion, before.Status.Deactivations = s.ResourceVersion, nil // whatever the cache has: all is written
	after := before.DeepCopy()
	for _, one := range s.Deactivations {
		after.Status.Deactivations = append(after.Status.Deactivations,
			v1alpha1.Deactivation{Time: metav1.NewTime(one.At).Rfc3339Copy(), Namespace: one.Namespace, Name: one.Name})
	}
	err := d.r.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		return "", changeguard.ErrConflict
	}
	return after.ResourceVersion, err
}

// Read implements changeguard.Storage.
func (d deactivationStorage) Read(ctx context.Context) (changeguard.Stored, error) {
	var parents v1alpha1.ParentAccountList
	err := d.r.Connections.Live.List(ctx, &parents, client.InNamespace(d.parent.Namespace), client.MatchingFields{"metadata.name": d.parent.Name})
	if err != nil {
		return changeguard.Stored{}, err
	}
	for i := range parents.Items {
		if p := &parents.Items[i]; p.UID == d.parent.UID {
			return changeguard.Stored{ResourceVersion: p.ResourceVersion, Deactivations: deactivationsOf(p)}, nil
		}
	}
	return changeguard.Stored{}, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("parentaccounts").GroupResource(), d.parent.Name)
}

// wakeStopped has resources whose changes are stopped looked at, as there is something to say of them now.
func (r *ChildAccountReconciler) wakeStopped(keys []types.NamespacedName) {
	for _, key := range keys {
		r.enqueue(ctrl.Request{NamespacedName: key}, false)
	}
}

// described says what would be written, for people. No secret is among the changes.
func described(changes []account.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, c.Field.Path+"="+c.To)
	}
	return strings.Join(parts, ", ")
}
