package plan

import (
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// The reasons of steps for the service-account key.
const (
	ReasonKeyDeclared    = "KeyDeclared"    // the connection Secret has none
	ReasonKeyNotDeclared = "KeyNotDeclared" // the resource declares none any more
	ReasonKeyLost        = "KeyLost"        // the connection Secret has not the key that was stored there
	ReasonKeyRoles       = "KeyRoles"       // the key has other roles than those that are declared
	ReasonKeyExpired     = "KeyExpired"     // it is as old as a key may be
	ReasonKeyUnconfirmed = "KeyUnconfirmed" // an earlier attempt may have made a key whose private key is lost
	ReasonOverlapEnded   = "OverlapEnded"   // a key that was replaced is not needed any more
)

// ServiceKey is what is known of the account's service-account key, by the connection Secret.
type ServiceKey struct {
	// Declared is set where the resource declares one, Unsupported where the provider's accounts have none.
	Declared, Unsupported bool
	// RotateAfter is the age at which it is replaced; 0 for never.
	RotateAfter time.Duration
	// Unlisted is set where it is not known which keys the account has: nobody has recorded one, and the account was not created just now.
	Unlisted bool
	// Pending is set where a key may have been made that the connection Secret does not hold.
	Pending bool
	// Stored is set where a key was stored, Intact where the connection Secret still holds it.
	Stored, Intact bool
	// OtherRoles is set where it has other roles than those that are declared.
	OtherRoles bool
	// Created is when it was stored.
	Created time.Time
	// NextDeletion is when the first of the keys that were replaced is to be deleted; zero where there is none.
	NextDeletion time.Time
	// Blocked is until when nothing is tried, as the last attempt was refused; zero where nothing is in the way.
	Blocked time.Time
}

// Create is why a key is to be made now; "" where none is.
func (k *ServiceKey) Create(now time.Time) string {
	switch {
	case !k.Declared:
		return ""
	case !k.Stored:
		return ReasonKeyDeclared
	case !k.Intact:
		return ReasonKeyLost
	case k.OtherRoles:
		return ReasonKeyRoles
	case k.RotateAfter > 0 && !now.Before(k.Created.Add(k.RotateAfter)):
		return ReasonKeyExpired
	}
	return ""
}

// Delete is why the account's keys are to be listed now, and those of the operator deleted that are not needed; "" where they are not.
func (k *ServiceKey) Delete(now time.Time) string {
	switch {
	case !k.Declared && (k.Pending || k.Stored || !k.NextDeletion.IsZero()):
		return ReasonKeyNotDeclared
	case !k.Declared:
		return ""
	case k.Pending, k.Unlisted && k.Create(now) != "":
		return ReasonKeyUnconfirmed
	case !k.NextDeletion.IsZero() && !now.Before(k.NextDeletion):
		return ReasonOverlapEnded
	}
	return ""
}

// Next is when something is to be done for the key, although nothing changes; zero for never.
func (k *ServiceKey) Next(now time.Time) time.Time {
	next := k.NextDeletion
	if due := k.Created.Add(k.RotateAfter); k.Declared && k.Stored && k.RotateAfter > 0 && (next.IsZero() || due.Before(next)) {
		next = due
	}
	if now.Before(k.Blocked) && next.Before(k.Blocked) {
		return k.Blocked
	}
	return next
}

// ofNone is what is known of the key of an account that is still to be created.
func (k *ServiceKey) ofNone() ServiceKey {
	return ServiceKey{Declared: k.Declared, Unsupported: k.Unsupported, RotateAfter: k.RotateAfter}
}

// settlesServiceKey says whether anything is left to do for the service-account key.
func settlesServiceKey(in *Input, d account.Decision) bool { return len(serviceKey(in, d)) > 0 }

// serviceKey is what is left to do for the service-account key of an account that matches the spec. While the account can't be used
// nothing is tried: the provider may refuse calls that run as the account.
func serviceKey(in *Input, d account.Decision) []Step {
	k := &in.ServiceKey
	if k.Unsupported || in.Schema.Deactivated(d.Account.State) || in.Schema.Frozen(d.Account.State) || in.Now.Before(k.Blocked) {
		return nil
	}
	var steps []Step
	add := func(kind Kind, reason string) {
		s := step(kind, in, d.Account)
		s.Reason = reason
		steps = append(steps, s)
	}
	remove, create := k.Delete(in.Now), k.Create(in.Now)
	if remove != "" {
		add(DeleteServiceKeys, remove)
	}
	if create != "" {
		add(CreateServiceKey, create)
	}
	if len(steps) == 0 && k.Declared && in.Secret.Verify {
		add(VerifyServiceKey, ReasonUnverified)
	}
	return steps
}

// unsupportedServiceKey is the end for a resource that declares a key where accounts have none; nil for any other.
func unsupportedServiceKey(in *Input) *Step {
	if !in.ServiceKey.Declared || !in.ServiceKey.Unsupported || in.Subject.Policy.Observe {
		return nil
	}
	return &Step{Kind: Refuse, Reason: v1alpha1.ReasonRejected, Message: "spec.connectionSecret.serviceAccountKey: this provider's accounts have no service-account keys"}
}
