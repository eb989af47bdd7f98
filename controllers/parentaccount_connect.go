package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/trust"
)

// connection returns the parent's directory, connected with the present credentials, or with former ones where those can't
// be used. Where neither can the parent is taken out of the registry, so that nothing more is written.
func (r *ParentAccountReconciler) connection(ctx context.Context, s *parentScope) (*directory.Parent, *conditions.Outcome) {
	bundle, bundleField := s.parent.CABundle()
	c := provider.Connection{Endpoint: s.parent.Endpoint(), CABundle: bundle, Follow: s.parent.FollowsAPIAddress()}
	if !slices.Contains(r.AllowedEndpoints, s.parent.EndpointOrigin()) {
		return nil, r.unusable(s, conditions.Outcome{Reason: v1alpha1.ReasonEndpointNotAllowed, Message: fmt.Sprintf("%s %s is not one of the operator's --allowed-endpoints: %s", v1alpha1.EndpointField(s.parent), c.Endpoint, strings.Join(r.AllowedEndpoints, ", "))})
	}
	if _, err := trust.Parse(c.CABundle); err != nil {
		return nil, r.unusable(s, conditions.Outcome{Reason: v1alpha1.ReasonCABundleInvalid, Message: bundleField + " " + err.Error()})
	}
	dir, out := r.present(ctx, s, &c)
	if out != nil {
		dir, out = r.former(s, c, *out)
	}
	if out != nil {
		return nil, out
	}
	return r.enter(s, dir)
}

// present is the connection with the present credentials: the one that there is, or a new one.
func (r *ParentAccountReconciler) present(ctx context.Context, s *parentScope, c *provider.Connection) (*directory.Parent, *conditions.Outcome) {
	var err error
	c.Credentials, c.APIKey, err = r.Secrets.OfParent(ctx, s.parent)
	if p, ok := errors.AsType[*secrets.Problem](err); ok {
		return nil, &conditions.Outcome{Reason: p.Reason, Message: p.Message, Next: p.Next}
	} else if err != nil {
		return nil, &conditions.Outcome{Err: err}
	}
	dir := r.Parents.Former(s.key())
	if dir != nil && dir.Connection == c.Fingerprint() {
		dir.Refused = nil
		return dir, nil
	}
	if out := r.refusedBefore(s, dir, *c); out != nil {
		return nil, out
	}
	return r.connect(ctx, s, *c, dir)
}

// refusedBefore is why the very connection did not come about, as long as it is not time to try again.
func (r *ParentAccountReconciler) refusedBefore(s *parentScope, old *directory.Parent, c provider.Connection) *conditions.Outcome {
	if old == nil || old.Refused == nil || old.Refused.Connection != c.Fingerprint() || old.Requested != s.requested() {
		return nil
	}
	out := r.failed(s, old.Refused.Err)
	since := conditions.TroubledSince(s.was.Conditions, old.Refused.At)
	out.After = old.Refused.At.Add(conditions.Parents.Pause(out, since, old.Refused.At)).Sub(r.Clock.Now())
	out.InBackoff = true
	if out.After <= 0 {
		return nil
	}
	return &out
}

// connect makes a new connection, reads which account it is of before any other call, and has it take the old one's place
// where that leads to the same account.
func (r *ParentAccountReconciler) connect(ctx context.Context, s *parentScope, c provider.Connection, old *directory.Parent) (*directory.Parent, *conditions.Outcome) {
	own := pacing.NewBudget(s.parent.RequestsPerSecond(), s.parent.MaxInFlight())
	gate := pacing.NewGate(own)
	c.Gate = gate
	remote, err := r.Providers.Connect(s.parent.Provider(), c)
	if err != nil {
		name, key := s.parent.CredentialsSecret()
		return nil, &conditions.Outcome{Reason: v1alpha1.ReasonSecretInvalid, Message: fmt.Sprintf("Secret %s, key %s: %v", name, key, err)}
	}
	dir := &directory.Parent{
		Budget: own, Endpoint: c.Endpoint, Requested: s.requested(),
		Connection: c.Fingerprint(), Target: c.TargetFor(string(s.parent.UID)), APIKey: c.KeyFingerprint(),
	}
	if err := r.identify(ctx, s, gate, dir, remote); err != nil {
		if old != nil {
			old.Refused = &directory.Refusal{Connection: dir.Connection, At: r.Clock.Now(), Err: err}
		}
		out := r.failed(s, err)
		return nil, &out
	}
	if c.APIKey != "" && (old == nil || old.APIKey != dir.APIKey) {
		accountsOf(r, s.parent).recheckSecrets(s.children, lacksKey)
	}
	return dir, nil
}

// lacksKey says whether the account was there before and its API key is not known, for which nobody asks again by himself.
func lacksKey(c engine.Managed) bool {
	return conditions.HadReason(c.Status().Conditions, v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonPartialAdopted) ||
		conditions.HadReason(c.Status().Conditions, v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonPasswordUnknown)
}

// identify reads which account the connection is of, and has it share that account's budget. In the place of another connection to the
// same account it has to show first that it may list; else the first resync finds out.
func (r *ParentAccountReconciler) identify(ctx context.Context, s *parentScope, gate *pacing.Gate, dir *directory.Parent, remote provider.Parent) error {
	s.wakes = true
	self, err := remote.Self(ctx)
	if err != nil {
		return err
	}
	dir.AccountID, dir.AccountName, dir.Balance, dir.Own = self.ID, self.Name, self.Balance, directory.OwnAccount{State: self.State, At: r.Clock.Now()}
	engine.ReportAddress(ctx, accountsOf(r, s.parent).engine, s.parent, remote)
	dir.Budget = r.Parents.Budget(dir.Endpoint, self.ID, dir.Budget)
	gate.Use(dir.Budget)
	old, source := r.Parents.Former(s.key()), sourceOf(s.parent, dir)
	if old == nil || old.AccountID != self.ID || hostOf(old.Endpoint) != hostOf(dir.Endpoint) {
		dir.Directory = r.Parents.Join(s.key(), source, remote, r.Clock)
		return nil
	}
	if r.Parents.Of(old.Directory, source) {
		dir.Directory = old.Directory
		err = dir.Switch(ctx, remote, knownTo(ctx, r, s, dir))
	} else {
		dir.Directory = r.Parents.Join(s.key(), source, remote, r.Clock)
		if err = dir.Refresh(ctx, knownTo(ctx, r, s, dir)); err != nil {
			r.Parents.Put(s.key(), old) // it stays with its former snapshot
		}
	}
	if err != nil {
		return err
	}
	r.Recorder.Eventf(s.parent, nil, corev1.EventTypeNormal, "Reconnected", "Connect", "connected as the ParentAccount and its Secrets are now; former credentials are only used by calls that are under way")
	return nil
}

// former is the older connection of this process that continues where the present credentials can't be used: whoever mistypes
// them, in the Secret or in one that replaces it, is not locked out. Credentials that were taken away, and a change of where the
// connection leads, leave none.
func (r *ParentAccountReconciler) former(s *parentScope, c provider.Connection, out conditions.Outcome) (*directory.Parent, *conditions.Outcome) {
	old := r.Parents.Former(s.key())
	switch {
	case out.Err != nil:
		return nil, &out
	case takenAway(out.Reason):
		return nil, withdraw(r, s, out)
	case old != nil && old.Target == c.TargetFor(string(s.parent.UID)) && (old.Withdrawn == nil || untilBelieved(r, old.Withdrawn.Since) > 0):
		s.refused = &out
		return old, nil
	case conditions.Parents.Row(out.Reason).Stalled():
		return nil, r.unusable(s, out)
	}
	return nil, &out
}

// takenAway says whether a reason is that the Secret with the credentials is missing, or may not be read.
func takenAway(reason string) bool {
	return reason == v1alpha1.ReasonSecretMissing || reason == v1alpha1.ReasonSecretNotLabelled
}

// BelievedAfter is how long a Secret has to be missing, or to lack its label, until that is believed: who replaces it deletes it first.
const BelievedAfter = 30 * time.Second

// untilBelieved is how long it takes until a withdrawal is believed; 0 once it is.
func untilBelieved(r *ParentAccountReconciler, since time.Time) time.Duration {
	return max(since.Add(cmp.Or(r.BelievedAfter, BelievedAfter)).Sub(r.Clock.Now()), 0)
}

// withdraw stops all calls with credentials that were taken away. It is not said before it is believed.
func withdraw(r *ParentAccountReconciler, s *parentScope, out conditions.Outcome) *conditions.Outcome {
	since, connected := r.Parents.Withdraw(s.key(), out.Reason == v1alpha1.ReasonSecretMissing, r.Clock.Now())
	if silent := untilBelieved(r, since); connected && silent > 0 {
		return &conditions.Outcome{After: silent, Retry: conditions.Every(silent)}
	}
	return &out
}

// overlapping is the outcome where former credentials continue: they read the list as ever, which ended as resynced, and the
// present ones are retried in their own time.
func overlapping(s *parentScope, resynced conditions.Outcome, now time.Time) conditions.Outcome {
	out := *s.refused
	switch v := conditions.Parents.Row(resynced.Reason); {
	case v.Stalled():
		out.Message += "; the former credentials are of no use either: " + resynced.Message
	case v.Unsynced():
		out.Message += "; the former credentials continue until the operator restarts, with their own trouble: " + resynced.Message
	default:
		out.Message += "; the former credentials continue until the operator restarts"
	}
	since := conditions.TroubledSince(s.was.Conditions, now)
	out.After = min(conditions.Parents.Pause(out, since, now), conditions.Parents.Pause(resynced, since, now))
	out.InBackoff = true
	return out
}

// enter makes sure that the connection leads to the same account as ever, and makes it known.
func (r *ParentAccountReconciler) enter(s *parentScope, dir *directory.Parent) (*directory.Parent, *conditions.Outcome) {
	host := hostOf(dir.Endpoint)
	if out := changed(s, dir.AccountID, host); out != nil {
		return nil, r.unusable(s, *out)
	}
	st := &s.parent.Status
	if st.EndpointHost != "" && st.EndpointHost != host {
		accountsOf(r, s.parent).recheckSecrets(s.children, func(engine.Managed) bool { return true }) // the endpoint stands in them
	}
	st.Provider, st.AccountID, st.AccountName, st.EndpointHost = s.parent.Provider(), dir.AccountID, dir.AccountName, host
	dir.Budget.Set(s.key().String(), s.parent.RequestsPerSecond(), s.parent.MaxInFlight())
	dir.SetMaxBatch(s.parent.MaxBatchSize())
	dir.SetLeastBatchDelay(r.LeastBatchDelay)
	known := *dir
	known.UID, known.Resync = s.parent.UID, s.parent.ResyncInterval()
	if known.Verified = verified(s.parent); known.Withdrawn != nil {
		known.Withdrawn, s.wakes = nil, true // the children that waited continue
	}
	r.Parents.Put(s.key(), &known)
	return &known, nil
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.Host
}

// verified names the state of the resource that a connection is good for.
func verified(p *v1alpha1.ParentAccount) string { return fmt.Sprintf("%s/%d", p.UID, p.Generation) }

// changed stops everything where the credentials or the endpoint lead to another account than before, unless accepted.
func changed(s *parentScope, id, host string) *conditions.Outcome {
	st := s.parent.Status
	same := (st.AccountID == "" || st.AccountID == id) && (st.EndpointHost == "" || st.EndpointHost == host)
	if same || s.parent.Annotations[v1alpha1.AnnotationAcceptParent] == id {
		return nil
	}
	return &conditions.Outcome{
		Reason:  v1alpha1.ReasonParentChanged,
		Message: fmt.Sprintf("this was account %s at %s, the credentials and the endpoint lead to account %s at %s", st.AccountID, st.EndpointHost, id, host),
		Next:    fmt.Sprintf("Restore them, or accept the new account with the annotation %s: %q.", v1alpha1.AnnotationAcceptParent, id),
	}
}

func (r *ParentAccountReconciler) unusable(s *parentScope, out conditions.Outcome) *conditions.Outcome {
	r.Parents.Put(s.key(), nil)
	return &out
}
