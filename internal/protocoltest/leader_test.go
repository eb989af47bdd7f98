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
	noIntent, noReadAfterUnknownOutcome, noClaimCheck, noLock bool
}

// leader is a process that takes itself for the leader: what it has in memory.
type leader struct {
	*machine
	cache map[string]object
	dir   *directory.Directory
}

// start forgets everything, as a process does that is killed, and reads the resources; the accounts are listed later.
func (l *leader) start() {
	l.dir = directory.New(l.remote, l.clock)
	l.cache = maps.Clone(l.objects)
}

// reconcile is what the controllers do for a ChildAccount, as far as creation goes.
func (l *leader) reconcile(name string) {
	o, ok := l.cache[name]
	if !ok {
		return
	}
	l.actor, l.actsFor = l, o.uid
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
		Claim: claimOf(o.name), Name: o.accountName, ID: o.bound, Intent: o.intent && !l.without.noIntent, Desired: desired(o),
	}
}

func claimOf(name string) account.Claim {
	return account.Claim{Installation: "blue", Namespace: "telephony", Name: name}
}

func desired(o object) account.State { return account.State{"email": o.accountName + "@acme.example"} }

// asSeen is the view, spoilt where the step that would have cared is left out.
func (l *leader) asSeen(o object, view account.View) account.View {
	if l.without.noReadAfterUnknownOutcome { // neither after a lost answer nor because of an intent
		view.OutcomeUnknown, view.Fresh = false, view.Fresh || view.Listed
	}
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
		return l.read(*o)
	case account.StepCreate:
		return l.create(o)
	case account.StepNone, account.StepUpdate:
		if o.bound == "" {
			l.bind(o, *d.Account)
		}
	}
	return account.View{}, false
}

func (l *leader) read(o object) (account.View, bool) {
	view, err := l.dir.Read(context.Background(), key(o))
	return view, err == nil
}

func (l *leader) create(o *object) (account.View, bool) {
	if !l.mark(o) {
		return account.View{}, false
	}
	l.interrupt()
	if l.actor != l {
		return account.View{}, false
	}
	created, err := l.dir.Create(context.Background(), provider.NewAccount{
		Name: o.accountName, Password: "Pa55word!", CustomData: claimOf(o.name).CustomData(), Desired: desired(*o),
	})
	switch {
	case account.ClassOf(err) == account.NameTaken:
		return l.read(*o)
	case err != nil:
		return account.View{}, false
	}
	l.bind(o, created.Account)
	return l.dir.Observe(key(*o)), true
}

// mark stores the intent, in one patch with the finalizer.
func (l *leader) mark(o *object) bool {
	intent := !l.without.noIntent
	if o.finalizer && (o.intent || !intent) {
		return true
	}
	return l.kept(o, func() (object, error) { return l.store.mark(*o, intent) })
}

func (l *leader) bind(o *object, a account.Account) {
	l.kept(o, func() (object, error) { return l.store.bind(*o, a.ID) })
}

// kept keeps what the API server answered, as a cache does sooner or later.
func (l *leader) kept(o *object, write func() (object, error)) bool {
	stored, err := write()
	if err != nil {
		return false
	}
	*o = stored
	l.cache[o.name] = stored
	return true
}
