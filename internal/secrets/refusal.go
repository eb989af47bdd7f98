package secrets

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/internal/refusal"
)

// refused says whether the Kubernetes API has refused to create an object, although the object may exist: it does (AlreadyExists), or
// something else stands in the way, which looks at each request before anybody looks for the object: a quota, a webhook, a policy.
func refused(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return false
	}
	return apierrors.IsAlreadyExists(err) || refusal.OfRequest(err)
}

// afterRefusal reads the connection Secret that could not be created. Where it is missing, the refusal is what there is to say.
func afterRefusal(ctx context.Context, s Store, c Connection, refused error) (*corev1.Secret, error) {
	there, err := s.get(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case there != nil:
		return there, nil
	case apierrors.IsAlreadyExists(refused):
		return nil, fmt.Errorf("secret %s/%s came and went", c.Namespace, c.Name)
	}
	return nil, refused
}

// dryRunName is the name of a Secret that is never stored.
const dryRunName = "child-account-operator-dry-run"

// maySecretsBeCreated is an error where the Kubernetes API creates nothing in the namespace any more, as the namespace is being deleted: no
// account is made for a resource there, though its connection Secret is there. It needs no other right than to create Secrets, changes
// nothing, and counts in no quota.
func maySecretsBeCreated(ctx context.Context, s Store, namespace string) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: dryRunName}, Type: corev1.SecretTypeOpaque}
	err := s.Client.Create(ctx, secret, client.DryRunAll)
	if isOfTheRequest(err) {
		return nil
	}
	return err
}

// isOfTheRequest says whether a dry run was refused for what it would create, or for being a dry run, and not for its namespace: the
// Kubernetes API looks at the namespace before it asks quotas, policies and webhooks.
func isOfTheRequest(err error) bool {
	switch {
	case err == nil, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return false
	case apierrors.IsForbidden(err): // the request, or whoever sends it
		return strings.Contains(err.Error(), "quota: ") || refusal.ByAdmission(err)
	}
	return refused(err)
}
