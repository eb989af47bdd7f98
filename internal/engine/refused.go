package engine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// exempt is what to do about a refusal by the Kubernetes API.
const exempt = "Change what the refusal names, or have a cluster admin exempt the operator's ServiceAccount from that webhook, policy or quota, or give it the right. The operator retries automatically."

// refusedWrite is the outcome of a write to the resource, or to its parent's status, that failed: where the Kubernetes API refused the
// write, people have to know, and the operator can't do without it.
func refusedWrite(r *run, reason, what string, err error) *conditions.Outcome {
	words, refused := conditions.Refusal(err)
	if !refused {
		return broken(reason, err)
	}
	metrics.WriteRefused(metrics.RefusedResource)
	if reason != v1alpha1.ReasonDeleting {
		reason = v1alpha1.ReasonWriteRefused
	}
	out := conditions.WriteRefused(reason, fmt.Sprintf("the Kubernetes API refused to write %s: %s", what, redacted(r, words)))
	out.Next = whatNext(err)
	return &out
}

// refusedParent is refusedWrite of the status of the resource's parent. What the refusal says of that is for those alone who may see the
// parent; its own event has the words.
func refusedParent(r *run, reason string, err error) *conditions.Outcome {
	parent := r.s.parent.Key
	what := "the status of ParentAccount " + parent.Name
	if _, refused := conditions.Refusal(err); !refused || parent.Namespace == r.s.obj.GetNamespace() {
		return refusedWrite(r, reason, what, err)
	}
	return refusedWrite(r, reason, what, apierrors.NewBadRequest("its owner can see why"))
}

// whatNext is what to do about a refusal.
func whatNext(refusal error) string {
	if apierrors.HasStatusCause(refusal, corev1.NamespaceTerminatingCause) {
		return "Nothing to do: the resource is deleted with its namespace."
	}
	return exempt
}

// theResource is what is written where the resource itself is.
func theResource(s *scope) string {
	return fmt.Sprintf("%s %s", s.declared.Kind, s.obj.GetName())
}

// refusedSecret is what to say of a connection Secret that the Kubernetes API refuses to write; false where it does not.
func refusedSecret(err error) (*secrets.Problem, bool) {
	words, refused := conditions.Refusal(err)
	if !refused {
		return nil, false
	}
	metrics.WriteRefused(metrics.RefusedSecret)
	message := "the connection Secret can't be written: the Kubernetes API refused it: " + words
	return &secrets.Problem{Reason: v1alpha1.ReasonSecretInvalid, Message: message, Next: whatNext(err)}, true
}

// redacted takes out of a text what the resource's reconcile knows of secrets: a webhook sees those, too.
func redacted(r *run, text string) string {
	s := r.s
	known := account.Redactor{r.password, s.password, s.salt, s.promoted, s.shown}
	for _, values := range []secrets.Values{s.held, s.stored} {
		for _, key := range []string{secrets.KeyPassword, secrets.KeyPasswordNext, secrets.KeyAPIKey, secrets.KeyCredentials} {
			known = append(known, values[key])
		}
	}
	return known.Redact(text)
}

// secretMayExist says, without a call, whether the connection Secret may exist before the account is created: the operator has seen it,
// this process or an earlier one may have created it, or something has kept the resource from being served.
func secretMayExist(ctx context.Context, r *run) bool {
	s := r.s
	return !r.attempts.Uncreated(s.uid()) || r.attempts.Attempted(s.uid()) || len(s.was.Conditions) > 0 ||
		r.ConnectionSecrets != nil && r.ConnectionSecrets.Exists(ctx, connectionKey(s))
}

// ParentWriteRefused tells of a parent's resource that the Kubernetes API refuses to have written, or its status, so that nobody can read of
// it there: in an event and the log once, and in a metric. It returns when to try again; false where nothing was refused.
func ParentWriteRefused(ctx context.Context, e *Engine, parent client.Object, err error) (time.Duration, bool) {
	return statusRefused(ctx, &e.Config, e.refusals, refusalsOf(client.ObjectKeyFromObject(parent)), parent, err)
}

// ParentStatusStored notes that the Kubernetes API accepts the status of a parent's resource.
func ParentStatusStored(e *Engine, parent types.NamespacedName) {
	e.refusals.Forget(refusalsOf(parent))
}

// refusalsOf is by what the refusals of a parent's status are known: when the parent is deleted, its name is all that is known.
func refusalsOf(parent types.NamespacedName) types.UID { return types.UID(parent.String()) }

// statusRefused tells of the status of a resource, as ParentWriteRefused does.
func statusRefused(ctx context.Context, c *Config, refusals *attempts.Refusals, uid types.UID, o client.Object, err error) (time.Duration, bool) {
	words, refused := conditions.Refusal(err)
	if !refused {
		return 0, false
	}
	metrics.WriteRefused(metrics.RefusedStatus)
	now := c.Clock.Now()
	since, first := refusals.Note(uid, o.GetResourceVersion(), now)
	pause := conditions.StatusPause(since, now)
	refusals.Until(uid, now.Add(pause))
	if !first {
		log.FromContext(ctx).V(1).Info("the status is still refused", "cause", words, "retryAfter", pause.String())
		return pause, true
	}
	log.FromContext(ctx).Info("the Kubernetes API refused a status, which is out of date", "cause", words, "retryAfter", pause.String())
	c.Recorder.Eventf(o, nil, corev1.EventTypeWarning, "StatusRefused", "Reconcile",
		"the Kubernetes API refused what the operator has to write, so the status is out of date: %s. %s", words, whatNext(err))
	return pause, true
}

// secretStays logs that a connection Secret stays which nobody needs, as the Kubernetes API refused to delete it: that is no reason to keep
// the resource. An error that is no refusal is returned.
func secretStays(ctx context.Context, err error) error {
	words, refused := conditions.Refusal(err)
	if !refused {
		return err
	}
	metrics.WriteRefused(metrics.RefusedSecret)
	log.FromContext(ctx).Info("a connection Secret that was prepared for no account stays", "cause", words)
	return nil
}

// untilStatus is for how long nothing is done for a resource whose status the Kubernetes API has refused, as long as nobody changes the
// resource: all that is left is to write the status, or the status has never said which account is the resource's, and each try reads that
// account.
func untilStatus(e *Engine, s *scope, onlyStatus bool) time.Duration {
	if !onlyStatus && s.boundID() != "" {
		return 0
	}
	return e.refusals.Remaining(s.uid(), s.obj.GetResourceVersion(), e.Clock.Now())
}
