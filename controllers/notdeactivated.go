package controllers

import (
	"context"

	kuberetry "k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/engine"
)

// noteNotDeactivated adds an account to the ParentAccount's status.notDeactivated, as it is stored.
func noteNotDeactivated(ctx context.Context, c client.Client, live client.Reader, parent *v1alpha1.ParentAccount, a v1alpha1.NotDeactivatedAccount) error {
	return kuberetry.RetryOnConflict(kuberetry.DefaultBackoff, func() error {
		p, err := liveParent(ctx, live, parent)
		if err != nil {
			return err
		}
		before := p.DeepCopy()
		if !engine.AddNotDeactivated(&p.Status, a) {
			return nil
		}
		return c.Status().Patch(ctx, p, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
}
