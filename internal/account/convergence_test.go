package account_test

import (
	"maps"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
)

// service is a provider in memory: what the field table says of creating, changing and showing, and no more.
type service struct {
	accounts map[string]*account.Account // by id, with all values, hidden ones too
	created  map[string]int              // how many accounts a name was given
	// losses is what becomes of the next writes; "" or none left: carried out and answered.
	losses []loss
}

// loss is how a write gets no answer.
type loss string

const (
	answered    loss = ""
	answerLost  loss = "the answer is lost"
	requestLost loss = "the request is lost"
)

func newService() *service {
	return &service{accounts: map[string]*account.Account{}, created: map[string]int{}}
}

// carry says whether the next write is carried out, and whether it is answered.
func (p *service) carry() (done, told bool) {
	next := answered
	if len(p.losses) > 0 {
		next, p.losses = p.losses[0], p.losses[1:]
	}
	return next != requestLost, next == answered
}

// newState is what an account has that nothing is said of.
func newState() account.State {
	state := account.State{}
	for _, f := range schema {
		switch {
		case f.NameOnly():
		case f.Kind == account.KindBool:
			state[f.Path] = "false"
		case f.Kind == account.KindDecimal:
			state[f.Path] = "0"
		default:
			state[f.Path] = "of the service"
		}
	}
	return state
}

func (p *service) byName(name string) *account.Account {
	for _, a := range p.accounts {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// create makes an account, as a provider would by its parameters. That the name is taken counts as no proper answer:
// whose it is has to be looked at.
func (p *service) create(s account.Subject) (id string, told bool) {
	done, told := p.carry()
	if !done || p.byName(s.Name) != nil {
		return "", told && p.byName(s.Name) == nil
	}
	a := &account.Account{ID: strconv.Itoa(len(p.accounts) + 1), Name: s.Name, CustomData: s.Claim.CustomData(), State: newState()}
	for _, f := range schema {
		v, declared := s.Desired[f.Path]
		if !declared {
			v = f.CreateDefault
		}
		if f.Settable && v != "" {
			a.State[f.Path] = v
		}
	}
	p.accounts[a.ID] = a
	p.created[s.Name]++
	return a.ID, told
}

func (p *service) update(id string, changes []account.Change) (told bool) {
	done, told := p.carry()
	if done {
		for _, c := range changes {
			p.accounts[id].State[c.Field.Path] = c.To
		}
	}
	return told
}

// show is an account as the service shows it: in any spelling, and without what it never shows.
func (p *service) show(t *rapid.T, a *account.Account) *account.Account {
	out := *a
	out.State = account.State{}
	for _, f := range schema {
		if f.Readable && !f.NameOnly() {
			out.State[f.Path] = respell(t, f, a.State[f.Path])
		}
	}
	return &out
}

// resource is one resource with its status, and what is known of its account.
type resource struct {
	account.Subject
	view account.View
	// writes counts the writes that were answered; lost those that were not.
	writes, lost int
}

// read is a complete list, or a look at this account where fresh is set.
func (r *resource) read(t *rapid.T, p *service, fresh bool) {
	absences := r.view.Absences
	r.view = account.View{Listed: true, Fresh: fresh, Absences: absences}
	a := p.accounts[r.ID]
	if r.ID == "" {
		a = p.byName(r.Name)
	}
	switch {
	case a != nil:
		r.view.Account, r.view.Absences = p.show(t, a), 0
	case !fresh:
		r.view.Absences++
	}
}

// converge decides and acts until there is nothing to do, as a controller does. It returns the last step.
func (r *resource) converge(t *rapid.T, p *service) account.Step {
	r.read(t, p, false)
	for range 30 {
		d := account.Decide(schema, r.Subject, r.view)
		var told, wrote bool
		switch d.Step {
		case account.StepRead:
			r.read(t, p, true)
			continue
		case account.StepCreate:
			r.Intent, wrote = true, true
			if r.ID, told = p.create(r.Subject); !told {
				r.ID = ""
			}
		case account.StepUpdate:
			r.ID, wrote = d.Account.ID, true
			if told = p.update(r.ID, d.Changes); told {
				r.LastApplied = r.LastApplied.With(account.Applied(d.Changes))
			}
		case account.StepNone:
			r.ID, r.LastApplied = d.Account.ID, schema.Normal(r.Desired)
			return d.Step
		default:
			return d.Step
		}
		switch {
		case wrote && told:
			r.writes++
			r.read(t, p, false)
		case wrote:
			r.lost++
			r.view.OutcomeUnknown, r.view.Fresh = true, false
		}
	}
	t.Fatalf("%s does not come to rest", r.Name)
	return ""
}

// asDeclared fails where a declared field has another value, or an undeclared one has changed.
func (r *resource) asDeclared(t *rapid.T, p *service, before account.State) {
	a := p.accounts[r.ID]
	for _, f := range schema {
		to, declared := r.Desired[f.Path]
		switch got := a.State[f.Path]; {
		case declared && f.CreationOnly(): // as the account was created, by whomever
		case declared && f.Updatable:
			if f.Normal(got) != f.Normal(to) {
				t.Errorf("%s is %q, declared is %q", f.Path, got, to)
			}
		case got != before[f.Path]:
			t.Errorf("%s is not declared and became %q from %q", f.Path, got, before[f.Path])
		}
	}
}

func drawLosses(t *rapid.T) []loss {
	return rapid.SliceOfN(rapid.SampledFrom([]loss{answered, answerLost, requestLost}), 0, 5).Draw(t, "losses")
}

// From nothing to as declared, whatever gets lost on the way: two rounds of writes, one account, no undeclared field touched.
func TestConvergesFromNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newService()
		p.losses = drawLosses(t)
		r := &resource{Subject: account.Subject{Claim: ourClaim, Name: "acme-support", Desired: drawState(t, "desired")}}
		if step := r.converge(t, p); step != account.StepNone {
			t.Fatalf("ends with %s", step)
		}
		if r.writes > 2 {
			t.Errorf("%d writes were answered, and %d lost", r.writes, r.lost)
		}
		if n := p.created[r.Name]; n != 1 {
			t.Errorf("%d accounts", n)
		}
		before := newState()
		for _, f := range schema {
			if f.CreateDefault != "" {
				before[f.Path] = f.CreateDefault
			}
		}
		r.asDeclared(t, p, before)
		r.staysAtRest(t, p)
	})
}

// staysAtRest fails where the next list, in whatever spelling, gives something to write.
func (r *resource) staysAtRest(t *rapid.T, p *service) {
	writes := r.writes + r.lost
	if step := r.converge(t, p); step != account.StepNone || r.writes+r.lost != writes {
		t.Errorf("at rest, but then %s after %d more writes", step, r.writes+r.lost-writes)
	}
}

// Edits and drift are brought back in one round of writes; what is not declared keeps the value that somebody gave it.
func TestConvergesAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newService()
		r := &resource{Subject: account.Subject{Claim: ourClaim, Name: "acme-support", Desired: drawState(t, "desired")}}
		r.converge(t, p)
		r.Desired = drawState(t, "edited")
		a := p.accounts[r.ID]
		for path, v := range drawState(t, "drift") {
			if f, ok := schema.Field(path); ok && f.Readable {
				a.State[path] = v
			}
		}
		before := maps.Clone(a.State)
		p.losses = drawLosses(t)
		r.writes, r.lost = 0, 0
		if step := r.converge(t, p); step != account.StepNone {
			t.Fatalf("ends with %s", step)
		}
		if r.writes > 1 {
			t.Errorf("%d writes were answered, and %d lost", r.writes, r.lost)
		}
		r.asDeclared(t, p, before)
		r.staysAtRest(t, p)
	})
}

// Of two resources for one name at most one gets the account, and the account is that one's.
func TestTwoResourcesNeverShareAnAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newService()
		p.losses = drawLosses(t)
		sibling := ourClaim
		sibling.Name = "acme-other"
		pair := []*resource{
			{Subject: account.Subject{Claim: ourClaim, Name: "acme-support", Desired: drawState(t, "one")}},
			{Subject: account.Subject{Claim: sibling, Name: "acme-support", Desired: drawState(t, "two")}},
		}
		first := rapid.IntRange(0, 1).Draw(t, "first")
		winner, loser := pair[first], pair[1-first]
		if step := winner.converge(t, p); step != account.StepNone {
			t.Fatalf("the first ends with %s", step)
		}
		held := maps.Clone(p.accounts[winner.ID].State)
		for range 3 {
			if step := loser.converge(t, p); step != account.StepRefuse {
				t.Fatalf("the second ends with %s", step)
			}
		}
		if loser.ID != "" || loser.writes+loser.lost != 0 || !maps.Equal(held, p.accounts[winner.ID].State) || p.created["acme-support"] != 1 {
			t.Error("the second did something to the account")
		}
	})
}

// An account that is gone stays gone.
func TestAMissingAccountIsNotMadeAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newService()
		r := &resource{Subject: account.Subject{Claim: ourClaim, Name: "acme-support", Desired: drawState(t, "desired")}}
		r.converge(t, p)
		delete(p.accounts, r.ID)
		r.Intent = rapid.Bool().Draw(t, "intent stands still")
		for list := 1; list <= 4; list++ {
			want := account.StepMissing
			if list == 1 {
				want = account.StepWait
			}
			if step := r.converge(t, p); step != want {
				t.Fatalf("after list %d: %s, want %s", list, step, want)
			}
		}
		if p.created[r.Name] != 1 {
			t.Errorf("made %d times", p.created[r.Name])
		}
	})
}
