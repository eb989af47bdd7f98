package protocoltest

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// Few names, so that they meet.
var (
	resources = []string{"one", "two"}
	accounts  = []string{"acme-a", "acme-b"}
	names     = []string{"-account", "-renamed"} // of connection Secrets, after the resource's
)

// machine is the world that the leaders live in.
type machine struct {
	store
	t       judge
	chance  chance
	without steps
	clock   *clocktesting.FakeClock
	sim     *simulator.Simulator
	service http.Handler // the simulator's
	parent  simulator.Parent
	remote  *voximplant.Remote
	leaders [2]*leader
	// late are calls that were given up and may still be carried out.
	late []call
	// makers are the resources that accounts were made for, by the accounts' ids; bound are the accounts that resources
	// were ever bound to.
	makers map[int64]int
	// tampered are the resources whose connection Secret somebody deleted or forged while there was no status yet.
	tampered map[int]bool
	// tried are the resources that each leader has tried to create an account for.
	tried [2]map[int]bool
	bound map[int]string

	// actor is whose turn it is, and actsFor the resource.
	actor   *leader
	actsFor int
	// interrupting is set while somebody else has a turn in the middle of another one.
	interrupting bool
}

func newMachine(t judge, c chance, without steps) *machine {
	m := &machine{
		store: newStore(), t: t, chance: c, without: without,
		clock:  clocktesting.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		makers: map[int64]int{}, bound: map[int]string{}, tampered: map[int]bool{},
	}
	m.sim = simulator.New(simulator.Options{Key: simulator.SharedKey(), Clock: m.clock.Now})
	m.service = m.sim.Handler()
	m.parent = m.sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@acme.example"})
	credentials, err := voximplant.ParseCredentials(m.sim.Credentials(m.parent.ID))
	if err == nil {
		m.remote, err = voximplant.New(voximplant.Config{Endpoint: "http://provider.test", Credentials: credentials, Transport: m, Clock: m.clock.Now})
	}
	if err != nil {
		t.Fatal(err)
	}
	m.declare(resources[0], draw(m, "account", accounts), resources[0]+names[0]) // a game without a resource is none
	for i := range m.leaders {
		m.tried[i] = map[int]bool{}
		m.leaders[i] = &leader{machine: m}
		m.leaders[i].start()
	}
	return m
}

// notef tells of what happens, for whoever reads a counter-example.
func (m *machine) notef(format string, args ...any) { m.t.Logf(format, args...) }

func (l *leader) number() int { return slices.Index(l.leaders[:], l) }

// judge is told of what happens, and of what must not.
type judge interface {
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// chance is who makes the choices: rapid, or a script.
type chance interface {
	// choose returns the index of one of n choices; name has their names.
	choose(label string, n int, name func(int) string) int
	// happens says whether something does that happens once in n times.
	happens(label string, n int) bool
}

var indices = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// drawn is the chance of a random game.
type drawn struct{ *rapid.T }

func (d drawn) choose(label string, n int, _ func(int) string) int {
	return rapid.SampledFrom(indices[:n]).Draw(d.T, label)
}

func (d drawn) happens(label string, n int) bool {
	return rapid.IntRange(0, n-1).Draw(d.T, label) == n-1
}

func draw[T any](m *machine, label string, of []T) T {
	return of[m.chance.choose(label, len(of), func(i int) string { return fmt.Sprint(of[i]) })]
}

// rarely keeps rare what ends the interesting part of a game.
func (m *machine) rarely() bool { return m.chance.happens("rarely", 10) }

// declares applies a resource, anew with another account name perhaps.
func (m *machine) declares(*rapid.T) {
	name := draw(m, "resource", resources)
	if _, there := m.objects[name]; !there {
		m.declare(name, draw(m, "account", accounts), name+names[0])
		m.notef("%s declares %s", name, m.objects[name].accountName)
	}
}

// leader draws one of the two.
func (m *machine) leader() *leader { return m.leaders[draw(m, "leader", []int{0, 1})] }

// deletes deletes a resource; its account stays.
func (m *machine) deletes(*rapid.T) {
	if name := draw(m, "resource", resources); m.rarely() {
		delete(m.objects, name)
		m.notef("%s is deleted", name)
	}
}

// renames gives a resource's connection Secret another name.
func (m *machine) renames(*rapid.T) {
	name := draw(m, "resource", resources)
	if o, there := m.objects[name]; there {
		to := name + draw(m, "name", names)
		if to != o.secretName {
			m.edit(name, to)
			m.notef("the connection Secret of %s is renamed to %s", name, to)
		}
	}
}

// tampers deletes a connection Secret, or has it say that there were attempts for another resource. Whoever does it while there is
// no status leaves nothing that tells of an attempt, but for the provider's refusal of a second name.
func (m *machine) tampers(*rapid.T) {
	name := draw(m, "resource", resources)
	o, there := m.objects[name]
	s, has := m.secrets[o.secretName]
	if !there || !has || !m.rarely() {
		return
	}
	m.tampered[o.uid] = m.tampered[o.uid] || !o.observed
	if m.chance.happens("forges", 2) {
		m.notef("somebody forges %s", o.secretName)
		s.uid = m.next()
		m.put(o.secretName, s)
		return
	}
	m.notef("somebody deletes %s", o.secretName)
	delete(m.secrets, o.secretName)
}

// reconciles gives a leader its turn, with what it has in its cache and knows of the provider, old or new.
func (m *machine) reconciles(*rapid.T) {
	l, name := m.leader(), draw(m, "resource", resources)
	if m.chance.happens("watches", 3) {
		l.watch(name)
	}
	l.reconcile(name)
	m.actor = nil
}

// sees brings a leader up to date.
func (m *machine) sees(*rapid.T) {
	l := m.leader()
	for _, name := range resources {
		l.watch(name)
	}
	l.list()
}

// watch brings the cache up to date for one resource.
func (l *leader) watch(name string) {
	delete(l.cache, name)
	if o, there := l.objects[name]; there {
		l.cache[name] = o
		l.watchSecret(o.secretName)
	}
	l.notef("leader %d sees %s as it is", l.number(), name)
}

// watchSecret brings the cache up to date for one connection Secret.
func (l *leader) watchSecret(name string) {
	delete(l.intents, name)
	if s, there := l.secrets[name]; there {
		l.intents[name] = s
	}
}

// list reads the whole list.
func (l *leader) list() {
	l.notef("leader %d lists", l.number())
	_ = l.dir.Refresh(context.Background(), directory.Known{}) // it may get no answer
}

// crashes kills a leader and starts another in its place.
func (m *machine) crashes(*rapid.T) {
	if l := m.leader(); m.chance.happens("now and then", 4) {
		m.notef("leader %d is killed", l.number())
		l.start()
	}
}

// lands has a late call carried out.
func (m *machine) lands(*rapid.T) {
	if len(m.late) > 0 {
		m.notef("a late %s is carried out", m.late[0].method)
		_ = m.carryOut(m.late[0]).Body.Close() // nobody waits for the answer
		m.late = m.late[1:]
	}
}

// stranger makes an account that is nobody's.
func (m *machine) stranger(*rapid.T) {
	name := draw(m, "account", accounts)
	if _, there := m.sim.Account(name); !there && m.rarely() {
		m.notef("somebody makes %s by hand", name)
		m.sim.PutAccount(simulator.Account{ParentID: m.parent.ID, Fields: simulator.Fields{
			"account_name": name, "account_email": name + "@else.example", "active": true,
		}})
	}
}

// interruption is what comes in between in a turn.
type interruption string

const (
	nobody      interruption = "nobody"
	killed      interruption = "kill"
	otherLeader interruption = "the other leader"
)

var interruptions = append(slices.Repeat([]interruption{nobody}, 14), killed, otherLeader)

// interrupt may end the turn by a crash, or let the other leader have one in the middle of it. Between the record of the attempt and
// the call even the best protocol has nothing but the provider's refusal of a second name.
func (m *machine) interrupt() {
	if m.interrupting {
		return
	}
	me, uid := m.actor, m.actsFor
	switch draw(m, "interrupted by", interruptions) {
	case killed:
		m.notef("  leader %d is killed in the middle", me.number())
		me.start()
		m.actor = nil
	case otherLeader:
		m.interrupting, me.interrupted = true, true
		m.notef("  meanwhile:")
		m.leaders[1-me.number()].reconcile(draw(m, "resource", resources))
		m.interrupting = false
		m.actor, m.actsFor = me, uid
	}
}

// check says what must hold whatever happens.
func (m *machine) check(*rapid.T) {
	holders := map[string]string{}
	for _, name := range resources {
		o := m.objects[name]
		if o.bound == "" {
			continue
		}
		if other := holders[o.bound]; other != "" {
			m.t.Fatalf("one account for two resources: %s is bound to %s and %s", o.bound, other, name)
		}
		holders[o.bound] = name
		if before, ever := m.bound[o.uid]; ever && before != o.bound {
			m.t.Fatalf("two accounts for one resource: %s was bound to %s and is to %s", name, before, o.bound)
		}
		m.bound[o.uid] = o.bound
		m.checkAccount(o)
	}
}

// checkAccount says that the account that a resource is bound to is its own.
func (m *machine) checkAccount(o object) {
	a, there := m.sim.Account(o.accountName)
	if !there || text(a.ID) != o.bound || a.Text("account_custom_data") != claimOf(o.name).CustomData() {
		m.t.Fatalf("%s is bound to account %s, which is not its own", o.name, o.bound)
	}
}

// play is a game of the machine.
func play(without steps) func(*rapid.T) {
	return func(t *rapid.T) {
		m := newMachine(t, drawn{t}, without)
		t.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"declare": m.declares, "delete": m.deletes, "stranger": m.stranger, "rename": m.renames, "tamper": m.tampers,
			"reconcile": m.reconciles, "reconcile too": m.reconciles, "reconcile again": m.reconciles,
			"see": m.sees, "crash": m.crashes, "land": m.lands,
		})
	}
}

func TestOneAccountForOneResource(t *testing.T) {
	if flag.Lookup("rapid.checks").Value.String() == "100" { // the default: enough to find a violation in most runs only
		t.Cleanup(set("rapid.checks", "1000"))
	}
	rapid.Check(t, play(steps{}))
}

// set sets a flag, as rapid has no other way, and returns what sets it back.
func set(name, value string) (back func()) {
	given := flag.Lookup(name).Value.String()
	_ = flag.Set(name, value) // both are of rapid's own
	return func() { _ = flag.Set(name, given) }
}
