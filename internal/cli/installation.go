package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/controllers"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// identify finds out the installation's id, and lets the work begin. Until it knows the id, or ctx ends, it asks again.
func (op *operator) identify(ctx context.Context) {
	id := op.options.InstallationID
	log := ctrl.Log.WithName("installation")
	for pauses := (wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 5, Cap: 15 * time.Second}); id == ""; {
		var err error
		if id, err = clusterID(ctx, op.mgr.GetAPIReader()); err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		if op.installation.add(err) {
			log.Error(err, "the installation's id is not known", "reason", namespacecache.ReasonOf(err))
		}
		select {
		case <-time.After(pauses.Step()):
		case <-ctx.Done():
			return
		}
	}
	op.installation.end()
	log.Info("the installation's id is known", "installationID", id, "given", op.options.InstallationID != "")
	op.subs.Identify(id)
	op.children.Identify(id) // nobody reads it before the cache is open
	op.cache.Open()
}

// askTimeout is how long one request for the installation's id may take.
const askTimeout = 30 * time.Second

// clusterID is the UID of the namespace kube-system, by which a cluster is commonly known.
func clusterID(ctx context.Context, reader client.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var ns corev1.Namespace
	err := reader.Get(ctx, client.ObjectKey{Name: "kube-system"}, &ns)
	if answer := apierrors.APIStatus(nil); errors.As(err, &answer) {
		return "", fmt.Errorf("can't read the UID of namespace kube-system (give --installation-id instead): %w", err)
	}
	if err != nil { // no option helps
		return "", fmt.Errorf("can't read the UID of namespace kube-system: %w", err)
	}
	if id := string(ns.UID); account.PlainWord(id) {
		return id, nil
	}
	return "", fmt.Errorf("namespace kube-system has the UID %q, which is none (give --installation-id instead)", ns.UID)
}

// findNamespace says whether a namespace exists, as far as the operator may know.
func (op *operator) findNamespace(ctx context.Context, name string) error {
	return op.mgr.GetAPIReader().Get(ctx, client.ObjectKey{Name: name}, controllers.NamespaceMetadata())
}
