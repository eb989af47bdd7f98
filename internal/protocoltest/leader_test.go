package protocoltest

import (
	"context"
	"maps"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
)

// steps are the steps of the protocol that can be left out.
type steps struct {
	noIntent, noReadAfterIntent, noReadWithStatus, noClaimCheck, noLock, noReadOfResource bool
}

// leader is a process that takes itself for the leader: what it has in memory.
type leader struct {
	*machine
	cache map[string]object
	// intents are the connection Secrets as the cache has them, read the one that was read before the account was.
	intents map[string]secret
	read    *secret
	// untried are the resources for which nobody has tried to create an account yet.
	untried map[int]bool
	dir     *directory.Directory
	// interrupted is set where the other leader had a turn since this one began, or recorded its attempt.
	interrupted bool
}

// start forgets everything, as a process does that is killed, and reads the resources; the accounts are listed later.
func (l *leader) start() {
	l.dir = directory.New(l.remote, l.clock)
	l.cache, l.intents, l.untried = maps.Clone(l.objects), maps.Clone(l.secrets), map[int]bool{}
	if n := l.number(); n >= 0 {
		l.tried[n] = map[int]bool{}
	}
}

// reconcile is what the controllers do for a ChildAccount, as far as creation goes.
func (l *leader) reconcile(name string) {
	o, ok := l.cache[name]
	if !ok {
		return
	}
	l.actor, l.actsFor, l.read, l.interrupted = l, o.uid, nil, false
	if !o.observed && o.generation == 1 {
		l.untried[o.uid] = true
	}
	view := l.dir.Observe(key(o))
	for range 6 {
		l.interrupt()
		if l.cache[name].uid != o.uid || l.actor != l { // killed meanwhile, or another one's turn ended ours
			return
		}
		d := account.Decide(l.remote.Fields(), l.subject(o), l.asSeen(o, view))
		l.notef("leader %d decides %s for %s (account %s)", l.number(), d.Step, name, o.accountName)
		var goesOn bool
		if view, goesOn = l.carryOut(&o, d); !goesOn {
			return
		}
	}
}

func key(o object) directory.Key { return directory.Key{ID: o.bound, Name: o.accountName} }

func (l *leader) subject(o object) account.Subject {
	return account.Subject{
		Claim: claimOf(o.name), Name: o.accountName, ID: o.bound, Intent: l.intends(o), Desired: desired(o),
		Retried: (!l.untried[o.uid] || o.generation > 1) && !l.without.noReadWithStatus,
	}
}

// intends says whether the resource's connection Secret records an attempt, as far as is known.
func (l *leader) intends(o object) bool {
	known, ok := l.intents[o.secretName]
	if l.read != nil {
		known, ok = *l.read, true
	}
	return ok && known.uid == o.uid && !l.without.noIntent && !l.without.noReadAfterIntent
}

func claimOf(name string) account.Claim {
	return account.Claim{Installation: "blue", Namespace: "telephony", Name: name}
}

func desired(o object) account.State { return account.State{"email": o.accountName + "@acme.example"} }

// asSeen is the view, spoilt where the step that would have cared is left out.
func (l *leader) asSeen(o object, view account.View) account.View {
	if l.without.noClaimCheck && view.Account != nil {
		a := *view.Account
		a.CustomData = claimOf(o.name).CustomData()
		view.Account = &a
	}
	return view
}

// carryOut carries out a decision.
func (l *leader) carryOut(o *object, d account.Decision) (view account.View, goesOn bool) {
	switch d.Step {
	case account.StepRead:
		return l.readAccount(*o)
	case account.StepCreate:
		return l.create(o)
	case account.StepNone, account.StepUpdate:
		if o.bound == "" {
			l.bind(o, *d.Account)
		}
	}
	return account.View{}, false
}

// readAccount reads the account, and before it the connection Secret that records an attempt: who renews that is the only one.
func (l *leader) readAccount(o object) (account.View, bool) {
	if there, ok := l.secrets[o.secretName]; ok && l.intends(o) {
		l.read = &there
	}
	view, err := l.dir.Read(context.Background(), key(o))
	return view, err == nil
}

func (l *leader) create(o *object) (account.View, bool) {
	there, err := l.createSecret(*o)
	if err != nil && l.read == nil && !l.without.noReadAfterIntent {
		if there.uid == o.uid && !l.tried[l.number()][o.uid] {
			delete(l.untried, o.uid)
		}
		l.read = &there
		return l.readAccount(*o)
	}
	if err != nil {
		if l.read == nil {
			l.read = &there
		}
		if _, err := l.renew(o.secretName, *l.read, o.uid, !l.without.noLock); err != nil {
			return account.View{}, false
		}
	}
	l.tried[l.number()][o.uid], l.interrupted = true, false
	if l.interrupt(); l.actor != l || !l.without.noReadOfResource && l.overtaken(*o) {
		return account.View{}, false
	}
	if l.interrupt(); l.actor != l {
		return account.View{}, false
	}
	created, err := l.dir.Create(context.Background(), provider.NewAccount{
		Name: o.accountName, Password: "Pa55word!", CustomData: claimOf(o.name).CustomData(), Desired: desired(*o),
	})
	if account.AsError(err) == nil || account.AsError(err).OutcomeUnknown {
		delete(l.untried, o.uid)
	}
	switch {
	case account.ClassOf(err) == account.NameTaken:
		return l.readAccount(*o)
	case err != nil:
		return account.View{}, false
	}
	l.bind(o, created.Account)
	return l.dir.Observe(key(*o)), true
}

// overtaken says whether the resource is gone, was edited, or has a status that was not read.
func (l *leader) overtaken(o object) bool {
	live, ok := l.objects[o.name]
	return !ok || live.uid != o.uid || live.generation != o.generation || live.bound != o.bound || live.observed != o.observed
}

// createSecret makes the connection Secret, unless there is one.
func (l *leader) createSecret(o object) (secret, error) {
	if l.without.noIntent {
		return secret{}, nil
	}
	return l.store.createSecret(o.secretName, o.uid)
}

func (l *leader) bind(o *object, a account.Account) {
	stored, err := l.store.bind(*o, a.ID)
	if err == nil { // a cache has what the API server answered sooner or later
		*o, l.cache[o.name] = stored, stored
	}
}
