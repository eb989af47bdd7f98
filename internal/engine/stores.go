package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/readyourwrites"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// stores are what is remembered between reconciles, each owned by a package of its own. After a restart they are empty, and
// nothing depends on that.
type stores struct {
	// changes stops mass changes and deactivations beyond the budget.
	changes *changeguard.Guard
	// starts hold what is pending when a parent's first complete list was read.
	starts *changeguard.Starts
	// absences says which missing accounts are believed to be.
	absences *changeguard.Absences
	// attempts are those that failed.
	attempts *attempts.Store
	// grants are attempts at what is not granted, which stop nothing else.
	grants *attempts.Grants
	// delegations are the changes acting as the account itself that were not granted.
	delegations *attempts.Delegations
	// refusals are the statuses that the Kubernetes API refuses.
	refusals *attempts.Refusals
	// troubles are those of parents that are in the log, told those of resources that events have told of.
	troubles *troubles[types.NamespacedName]
	told     *troubles[types.UID]
	// values are those that resources apply for, and that one account at a time can have.
	values *attempts.Values
	// clones are the resources that wait for the account that theirs is cloned from.
	clones *attempts.Waiters
	// left are the accounts whose resources were deleted a short while ago.
	left *leftAccounts
	// bought are the changes of plans that were requested, by account.
	bought *boughtPlans
	// owners are those whose accounts the resources of this process have had, by account.
	owners *lastOwners
	// releases are how resources came to be gone.
	releases *releases
	// ownWrites are what the cache may not have yet.
	ownWrites *readyourwrites.Writes
	// passwords are those that accounts are known to have.
	passwords *secrets.KnownPasswords
	// salts are those of callbacks that accounts are known to have.
	salts *secrets.KnownPasswords
	// settledSecrets are what the connection Secrets are known to be made of.
	settledSecrets *secrets.Settled
	// unverified are the resources whose password and API key are to be verified.
	unverified *secrets.Unverified
	// serviceKeys are what the connection Secrets are known to say of service-account keys.
	serviceKeys *secrets.KnownServiceKeys
	// readRequests are the resources whose accounts are to be read, as the provider has reported something.
	readRequests *readRequests
	// owns is what is known of the parent accounts themselves.
	owns *ownAccounts
}

// newStores returns empty ones. wakeStopped has resources reconciled whose changes are stopped, and their parent.
func newStores(wakeStopped func(changeguard.Parent, []types.NamespacedName)) stores {
	return stores{
		changes:        changeguard.New(wakeStopped, nil),
		absences:       changeguard.NewAbsences(),
		attempts:       attempts.New(),
		grants:         attempts.NewGrants(),
		delegations:    attempts.NewDelegations(),
		refusals:       attempts.NewRefusals(),
		troubles:       &troubles[types.NamespacedName]{},
		told:           &troubles[types.UID]{},
		values:         attempts.NewValues(),
		clones:         &attempts.Waiters{},
		left:           &leftAccounts{},
		bought:         newBoughtPlans(),
		owners:         newLastOwners(),
		releases:       newReleases(),
		ownWrites:      readyourwrites.New(),
		passwords:      secrets.NewKnownPasswords(),
		salts:          secrets.NewKnownPasswords(),
		settledSecrets: secrets.NewSettled(),
		unverified:     secrets.NewUnverified(),
		serviceKeys:    secrets.NewKnownServiceKeys(),
		readRequests:   newReadRequests(),
		owns:           newOwnAccounts(),
	}
}

// forget drops all that is remembered of a resource that is deleted.
func (s stores) forget(uid types.UID) {
	s.changes.Forget(uid)
	s.starts.Forget(uid)
	s.absences.Forget(uid)
	s.attempts.Forget(uid)
	s.grants.Forget(uid)
	s.delegations.Forget(uid)
	s.refusals.Forget(uid)
	s.told.forget(uid)
	s.values.Forget(uid)
	s.clones.Forget(uid)
	s.ownWrites.Forget(uid)
	s.passwords.Forget(uid)
	s.salts.Forget(uid)
	s.settledSecrets.Forget(uid)
	s.unverified.Forget(uid)
	s.serviceKeys.Forget(uid)
	s.readRequests.forget(uid)
}

// forgetAnothers drops what may not hold when a resource that is another operator's comes back.
func (s stores) forgetAnothers(uid types.UID) {
	s.refusals.Forget(uid)
	s.told.forget(uid)
	s.attempts.Forget(uid)
	s.grants.Forget(uid)
	s.delegations.Forget(uid)
	s.values.Forget(uid)
	s.clones.Forget(uid)
	s.passwords.Forget(uid)
	s.salts.Forget(uid)
	s.settledSecrets.Unset(uid)
	s.unverified.Forget(uid)
	s.serviceKeys.Forget(uid)
	s.readRequests.forget(uid)
}

// Forget drops all that is remembered of a resource that is deleted, and the connection Secret that was prepared for an account that
// was certainly never created. After an error it is to be called again.
func (e *Engine) Forget(ctx context.Context, req ctrl.Request, uid types.UID) error {
	if secret, ok := e.attempts.Unused(uid); ok {
		if err := secretStays(ctx, e.Connections.DiscardUnused(ctx, secret)); err != nil {
			return err
		}
	}
	if err := tellLeftActive(ctx, e, uid); err != nil {
		return err
	}
	e.forget(uid)
	e.releases.forget(uid)
	e.works.Forget(req)
	e.statuses.Forget(req)
	return nil
}

// ForgetNamespace drops what is remembered of a namespace that is deleted.
func (e *Engine) ForgetNamespace(name string) {
	e.changes.ForgetNamespace(name)
	e.owners.forgetNamespace(name)
}

// ForgetParent drops what is remembered of a parent that is deleted.
func (e *Engine) ForgetParent(key types.NamespacedName) {
	e.changes.ForgetParent(key)
	e.starts.ForgetParent(key)
	e.absences.ForgetParent(key)
	ParentStatusStored(e, key)
	e.troubles.forget(key)
	e.owns.forget(key)
	e.Readings.Forget(key)
}

// RecheckSecret has a resource's connection Secret read again, although nothing of the resource changed.
func (e *Engine) RecheckSecret(uid types.UID) { e.settledSecrets.Recheck(uid) }

// SecretEdited has a resource's connection Secret read again, which somebody edited or deleted, and what it holds verified.
func (e *Engine) SecretEdited(uid types.UID, edit secrets.Edit) {
	e.unverified.Edited(uid, edit.Version, edit.HadPassword)
	e.settledSecrets.Recheck(uid)
}

// Remembers says where something is remembered of a resource.
func (e *Engine) Remembers(uid types.UID) (in []string) {
	_, failed := e.attempts.Last(uid)
	_, notGranted := e.grants.Last(uid)
	_, told := e.told.last(uid)
	_, profile := e.delegations.Last(uid)
	_, madeOf := e.settledSecrets.MadeOf(uid)
	for where, is := range map[string]bool{
		"failed attempt": failed, "not granted": notGranted, "uncreated": e.attempts.Uncreated(uid), "own write": e.ownWrites.Remembers(uid), "change": e.changes.Remembers(uid), "start": e.starts.Remembers(uid),
		"missing account": e.absences.Remembers(uid), "refused status": e.refusals.Remembers(uid), "trouble": told, "value": e.values.Remembers(uid), "template": e.clones.Remembers(uid),
		"recheck": e.settledSecrets.NeedsRecheck(uid), "connection Secret": madeOf, "password": e.passwords.Remembers(uid),
		"unverified": e.unverified.Remembers(uid), "service-account key": e.serviceKeys.Remembers(uid), "profile": profile, "salt": e.salts.Remembers(uid),
		"requested read": e.readRequests.of(uid) > 0,
	} {
		if is {
			in = append(in, where)
		}
	}
	return in
}
