package engine

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kuberetry "k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
)

// StorageOf keeps a ParentAccount's deactivations in its status. live asks the Kubernetes API.
func StorageOf(c client.Client, live client.Reader, p *v1alpha1.ParentAccount) changeguard.Storage {
	return deactivationStorage{c, live, p}
}

// DeactivationsOf are the deactivations in a ParentAccount's status.
func DeactivationsOf(p *v1alpha1.ParentAccount) []changeguard.Deactivation {
	out := make([]changeguard.Deactivation, 0, len(p.Status.Deactivations))
	for _, d := range p.Status.Deactivations {
		out = append(out, changeguard.Deactivation{At: d.Time.Time, Namespace: d.Namespace, Name: d.Name})
	}
	return out
}

// deactivationStorage keeps a parent's deactivations in its status.
type deactivationStorage struct {
	client client.Client
	live   client.Reader
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
	err := d.client.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		return "", changeguard.ErrConflict
	}
	return after.ResourceVersion, err
}

// Read implements changeguard.Storage.
func (d deactivationStorage) Read(ctx context.Context) (changeguard.Stored, error) {
	p, err := liveParent(ctx, d.live, d.parent)
	if err != nil {
		return changeguard.Stored{}, err
	}
	return changeguard.Stored{ResourceVersion: p.ResourceVersion, Deactivations: DeactivationsOf(p)}, nil
}

// liveParent reads a ParentAccount from the Kubernetes API, by a list: the operator has no right to get one.
func liveParent(ctx context.Context, live client.Reader, parent *v1alpha1.ParentAccount) (*v1alpha1.ParentAccount, error) {
	var parents v1alpha1.ParentAccountList
	err := live.List(ctx, &parents, client.InNamespace(parent.Namespace), client.MatchingFields{"metadata.name": parent.Name})
	if err != nil {
		return nil, err
	}
	for i := range parents.Items {
		if p := &parents.Items[i]; p.UID == parent.UID {
			return p, nil
		}
	}
	return nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("parentaccounts").GroupResource(), parent.Name)
}

// NoteNotDeactivated adds an account to the ParentAccount's status.notDeactivated, as it is stored.
func NoteNotDeactivated(ctx context.Context, c client.Client, live client.Reader, parent *v1alpha1.ParentAccount, a v1alpha1.NotDeactivatedAccount) error {
	return kuberetry.RetryOnConflict(kuberetry.DefaultBackoff, func() error {
		p, err := liveParent(ctx, live, parent)
		if err != nil {
			return err
		}
		before := p.DeepCopy()
		if !AddNotDeactivated(&p.Status, a) {
			return nil
		}
		return c.Status().Patch(ctx, p, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
}
