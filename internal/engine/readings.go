package engine

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/readings"
)

// verified is what a kind's status says of an account where the kind has verifications.
type verified interface {
	Verifications() []v1alpha1.ObservedVerification
	SetVerifications(list []v1alpha1.ObservedVerification)
}

// observeVerification adds to what was observed of an account how the account is verified. Until that was read, by this process too, what
// the status said of the account stays, so neither a restart nor a failed call writes a status.
func observeVerification(s *scope, observed any, id string) {
	into, ok := observed.(verified)
	if !ok || s.parent == nil {
		return
	}
	list, read, known := s.readings.VerificationsOf(s.parent.Key, id)
	switch {
	case !read:
	case known:
		var out []v1alpha1.ObservedVerification
		for _, v := range list {
			out = append(out, v1alpha1.ObservedVerification{Name: v.Name, Status: textOrNil(v.Status), HoldUntil: textOrNil(v.HoldUntil)})
		}
		into.SetVerifications(out)
	case s.was.AccountID == id:
		if was, ok := s.wasObserved.(verified); ok {
			into.SetVerifications(was.Verifications())
		}
	}
}

// textOrNil is a text in a status, absent where it is empty.
func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return ptr.To(text)
}

// ReadBesideList makes the calls that are due beside a parent's list, once its resources were woken: they wait for none of these calls. wake
// wakes them again where something about them has changed. It returns when it is to be called again, at most pause.
func ReadBesideList(ctx context.Context, e *Engine, key types.NamespacedName, requested string, pause time.Duration, wake func()) time.Duration {
	dir := e.Connected.Get(key)
	if !e.Readings.Reads() || dir == nil || dir.Directory == nil || dir.Listings().Err != nil || dir.Listings().Complete == 0 {
		return pause
	}
	changed := e.Readings.Read(ctx, readings.Source{
		Key: key, AccountID: dir.AccountID, Connection: dir.Connection, Requested: requested, Remote: directory.RemoteOf(dir.Directory), ListedAt: directory.OwnListAt(dir.Directory),
		Balance: dir.Balance, Has: func(id string) bool { return dir.Observe(directory.Key{ID: id}).Account != nil },
	})
	if changed.Accounts {
		wake()
	}
	if changed.Refusals && e.Alarm != nil {
		e.Alarm(key) // its condition says so
	}
	if changed.Next > 0 && (pause <= 0 || changed.Next < pause) {
		return changed.Next
	}
	return pause
}

// WriteCapabilities has a parent's conditions say which capabilities the provider refuses.
func WriteCapabilities(e *Engine, key types.NamespacedName, conds *[]metav1.Condition, generation int64) {
	refusals, settled := e.Readings.Refusals(key)
	reason := v1alpha1.ReasonRoleMissing
	if !readings.Roles(refusals) {
		reason = v1alpha1.ReasonRejected
	}
	conditions.WriteCapabilityMissing(conds, generation, reason, readings.Message(refusals), settled, e.Clock.Now())
}
