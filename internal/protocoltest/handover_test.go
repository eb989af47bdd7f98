package protocoltest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// This file has the protocol of handing over, as a machine of its own: resources of three names declare one account, are applied and
// deleted in any order, and two leaders with caches of any age plan for them (plan.For), and carry out one step at a time.

// handoverSteps are the steps of handing over that can be left out.
type handoverSteps struct {
	noRecipient, noPermission, noReadOfOwner, noPrecedence bool
}

// declarer is a resource that declares the account.
type declarer struct {
	name string
	// created and deleted are when; deleted is 0 for one that is not. version changes with each write.
	created, deleted, version int
	deactivates, finalizer    bool
	bound                     bool
}

// teller is told how a game goes, and what is wrong.
type teller interface {
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// handovers is the world: the Kubernetes API, the provider's only account, and two leaders.
type handovers struct {
	t       teller
	without handoverSteps
	last    int
	objects map[string]declarer
	active  bool
	owner   string // whom the account's claim names
	leaders [2]*handler
}

// handler is a leader: its cache, and what it is about.
type handler struct {
	cache map[string]declarer
	of    declarer
	plan  plan.Plan
	at    int
	fresh bool
	// takes is set between the read of the previous owner and the status.
	takes bool
}

// hostile may not have the account of another one.
const hostile = "hostile"

var declarers = []string{"old", "new", "newer", hostile}

func (h *handovers) next() int { h.last++; return h.last }

func (h *handovers) permitted(name string) bool { return name != hostile || h.without.noPermission }

// apply creates a resource. While somebody is taking the account over nobody applies one anew: between the read and the status nothing
// stands in its way.
func (h *handovers) apply(name string, deactivates bool) {
	taken := slices.ContainsFunc(h.leaders[:], func(l *handler) bool { return l.takes })
	if _, there := h.objects[name]; there || taken {
		return
	}
	h.objects[name] = declarer{name: name, created: h.next(), version: h.next(), deactivates: deactivates}
	h.t.Logf("%s is applied: %+v", name, h.objects[name])
}

func (h *handovers) delete(name string) {
	o, there := h.objects[name]
	switch {
	case !there || o.deleted > 0:
		return
	case o.finalizer:
		o.deleted, o.version = h.next(), h.next()
		h.objects[name] = o
	default:
		delete(h.objects, name)
	}
	h.t.Logf("%s is deleted", name)
}

// watch brings a cache up to date: one watch has all resources, in their order.
func (h *handovers) watch(n int) {
	h.leaders[n].cache = maps.Clone(h.objects)
	h.t.Logf("leader %d watches", n)
}

func (h *handovers) kill(n int) {
	h.leaders[n] = &handler{cache: maps.Clone(h.objects)}
	h.t.Logf("leader %d is killed", n)
}

// idle says whether a leader is about nothing.
func (l *handler) idle() bool { return l.at >= len(l.plan.Steps) }

// begin has a leader plan for a resource that its cache has.
func (h *handovers) begin(n int, name string) {
	l := h.leaders[n]
	o, known := l.cache[name]
	if !known {
		return
	}
	l.of, l.fresh, l.takes = o, false, false
	l.plan, l.at = plan.For(h.observe(l)), 0
	h.t.Logf("leader %d plans for %s: %s", n, o.name, l.plan)
}

// goOn has a leader carry out the next step of its plan.
func (h *handovers) goOn(n int) {
	l := h.leaders[n]
	step := l.plan.Steps[l.at]
	l.at++
	h.t.Logf("leader %d, for %s: %s", n, l.of.name, step)
	if !h.carryOut(l, step) {
		l.plan, l.at, l.takes = plan.Plan{}, 0, false
	}
}

// reconcile has a leader plan for a resource and carry out all of it; takeUp ends once nobody has the account any more, as far as the
// leader has read.
func (h *handovers) reconcile(n int, name string) {
	for h.begin(n, name); !h.leaders[n].idle(); {
		h.goOn(n)
	}
}

func (h *handovers) takeUp(n int, name string) {
	for h.begin(n, name); !h.leaders[n].idle() && !h.leaders[n].takes; {
		h.goOn(n)
	}
}

// observe is what a leader knows.
func (h *handovers) observe(l *handler) plan.Input {
	o := l.of
	claim := claimOf(o.name)
	in := plan.Input{
		Now: time.Unix(0, 0), Schema: voximplant.Fields(), SeesAll: true,
		Resource: plan.Resource{Kind: "ChildAccount", Namespace: claim.Namespace, Name: o.name, Finalizer: o.finalizer, NeedsFinalizer: o.deactivates},
		Subject:  account.Subject{Claim: claim, Name: "acme-a"},
		View:     account.View{Listed: true, Fresh: l.fresh, Account: &account.Account{ID: "1", Name: "acme-a", CustomData: claimOf(h.owner).CustomData(), State: account.State{"active": "false"}}},
	}
	if h.active {
		in.View.Account.State["active"] = "true"
	}
	if o.bound {
		in.Subject.ID, in.Resource.Origin, in.Resource.ObservedID = "1", plan.Adopted, "1"
		in.Secret.Settled = h.owner == o.name
	}
	owner := claimOf(h.owner)
	if _, known := l.cache[h.owner]; !known && h.owner != o.name && h.permitted(o.name) {
		in.Subject.PreviousOwner = &owner
	}
	if h.duplicate(l) && !h.without.noPrecedence {
		in.Duplicate = &plan.Stop{Reason: "DuplicateResource"}
	}
	if o.deleted > 0 {
		in.Deletion = &plan.Deletion{Deactivate: o.deactivates, Surroundings: plan.SurroundingsStay}
		if to := h.recipient(l); to != "" && !h.without.noRecipient {
			in.Recipient = &plan.Recipient{Namespace: claim.Namespace, Name: to}
		}
	}
	return in
}

func (h *handovers) claimant(o declarer) account.Claimant {
	return account.Claimant{
		Bound: o.bound, Claimed: h.owner == o.name, Permitted: h.permitted(o.name), Created: time.Unix(int64(o.created), 0), Namespace: "telephony", Name: o.name,
	}
}

// duplicate says whether another resource that the cache has precedes.
func (h *handovers) duplicate(l *handler) bool {
	for _, other := range l.cache {
		if other.name != l.of.name && h.claimant(other).Precedes(h.claimant(l.of)) {
			return true
		}
	}
	return false
}

// recipient is the one of the cache that the account is handed over to.
func (h *handovers) recipient(l *handler) string {
	var first declarer
	for _, other := range l.cache {
		if other.name != l.of.name && other.deleted == 0 && h.permitted(other.name) && (first.name == "" || other.created < first.created) {
			first = other
		}
	}
	return first.name
}

// carryOut says whether the leader goes on with its plan.
func (h *handovers) carryOut(l *handler, step plan.Step) bool {
	switch step.Kind {
	case plan.Read:
		l.fresh = true
		l.plan, l.at = plan.For(h.observe(l)), 0
		h.t.Logf("  plans then: %s", l.plan)
	case plan.AddFinalizer:
		return h.write(l, func(o *declarer) { o.finalizer = true })
	case plan.RemoveFinalizer:
		return h.write(l, func(o *declarer) { o.finalizer = false })
	case plan.ReadPreviousOwner:
		_, there := h.objects[h.owner]
		bound := slices.ContainsFunc(slices.Collect(maps.Values(h.objects)), func(o declarer) bool { return o.bound && o.name != l.of.name })
		l.takes = true
		return h.without.noReadOfOwner || !there && !bound
	case plan.Bind, plan.Adopt:
		l.of.bound = true
	case plan.Claim:
		h.owner = l.of.name
	case plan.Deactivate:
		h.checkDeactivation(l)
		h.active = false
	case plan.HandOver:
		h.checkHandover(l)
	case plan.ReleaseFinalizer:
		if live := h.objects[l.of.name]; live.created == l.of.created && live.version == l.of.version {
			delete(h.objects, l.of.name)
		}
	case plan.Report:
		bound := l.of.bound
		h.write(l, func(o *declarer) { o.bound = bound })
		return false
	}
	return !step.Kind.StatusOnly() || step.Kind == plan.Confirm
}

// write is refused where the resource is not the one that was read.
func (h *handovers) write(l *handler, change func(*declarer)) bool {
	o, there := h.objects[l.of.name]
	if !there || o.version != l.of.version {
		return false
	}
	bound := l.of.bound
	change(&o)
	o.version = h.next()
	h.objects[o.name] = o
	l.cache[o.name], l.of = o, o // a cache has what the Kubernetes API answered sooner or later
	l.of.bound = bound
	return true
}

// checkDeactivation: nobody who may have the account had declared it before the resource was deleted.
func (h *handovers) checkDeactivation(l *handler) {
	for _, o := range h.objects {
		if o.name != l.of.name && o.name != hostile && o.deleted == 0 && o.created < l.of.deleted {
			h.t.Fatalf("the account is switched off with %s, though %s declares it", l.of.name, o.name)
		}
	}
}

// checkHandover: the account stays active only for one that may have it.
func (h *handovers) checkHandover(l *handler) {
	if l.plan.Steps[l.at-1].Message != "" && h.recipient(l) == hostile {
		h.t.Fatalf("the account of %s stays active for one that may not have it", l.of.name)
	}
}

// check says what must hold whatever happens.
func (h *handovers) check() {
	var bound []string
	for _, o := range h.objects {
		if o.bound {
			bound = append(bound, o.name)
		}
	}
	if slices.Sort(bound); len(bound) > 1 {
		h.t.Fatalf("one account for %v", bound)
	}
	if slices.Contains(bound, hostile) {
		h.t.Fatalf("%s has the account of another one", hostile)
	}
}

// newHandovers is the world at first: "old" has the account, and is to deactivate it.
func newHandovers(t teller, without handoverSteps) *handovers {
	h := &handovers{t: t, without: without, active: true, owner: "old", objects: map[string]declarer{}}
	h.objects["old"] = declarer{name: "old", created: h.next(), version: h.next(), bound: true, deactivates: true, finalizer: true}
	for i := range h.leaders {
		h.leaders[i] = &handler{cache: maps.Clone(h.objects)}
	}
	return h
}

// Whatever happens, an account has one owner at a time, who may have it, and is not switched off while another one is to have it.
func TestHandover(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := newHandovers(r, handoverSteps{})
		name := func() string { return rapid.SampledFrom(declarers).Draw(r, "name") }
		leader := func() int { return rapid.IntRange(0, 1).Draw(r, "leader") }
		act := func(*rapid.T) {
			if n := leader(); h.leaders[n].idle() {
				h.begin(n, name())
			} else {
				h.goOn(n)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"":       func(*rapid.T) { h.check() },
			"apply":  func(*rapid.T) { h.apply(name(), rapid.Bool().Draw(r, "deactivates")) },
			"delete": func(*rapid.T) { h.delete(name()) },
			"watch":  func(*rapid.T) { h.watch(leader()) },
			"crash": func(*rapid.T) {
				if rapid.IntRange(0, 5).Draw(r, "now and then") == 5 {
					h.kill(leader())
				}
			},
			"act": act, "act on": act, "act further": act, "act still": act,
		})
	})
}

// handoverCounterExamples show why each step is needed: what goes wrong without it, and does not go wrong with the whole protocol.
var handoverCounterExamples = map[string]struct {
	without handoverSteps
	play    func(h *handovers)
	wrong   string
}{
	"handing over": {handoverSteps{noRecipient: true}, func(h *handovers) {
		h.apply("new", true)
		h.delete("old")
		h.watch(0)
		h.reconcile(0, "old")
	}, "the account is switched off with old, though new declares it"},
	"the question who may have it": {handoverSteps{noPermission: true}, func(h *handovers) {
		h.apply(hostile, true)
		h.delete("old")
		h.watch(0)
		h.reconcile(0, "old")
	}, "the account of old stays active for one that may not have it"},
	"the live read of the former owner": {handoverSteps{noReadOfOwner: true}, func(h *handovers) {
		h.apply("new", false)
		h.delete("old")
		h.watch(0)
		h.reconcile(0, "old")
		h.watch(1) // to which old is gone
		h.apply("old", false)
		h.watch(0)
		h.reconcile(0, "old")
		h.reconcile(1, "new")
	}, "one account for [new old]"},
	"an order of those that declare it": {handoverSteps{noPrecedence: true}, func(h *handovers) {
		h.apply("new", false)
		h.apply("newer", false)
		h.delete("old")
		h.watch(0)
		h.reconcile(0, "old")
		h.watch(0)
		h.watch(1)
		h.takeUp(1, "newer")
		h.reconcile(0, "new")
		for !h.leaders[1].idle() {
			h.goOn(1)
		}
	}, "one account for [new newer]"},
}

func TestEachStepOfHandoverIsNeeded(t *testing.T) {
	for name, c := range handoverCounterExamples {
		t.Run("without "+name, func(t *testing.T) {
			play := func(without handoverSteps) (wrong, story string) {
				return told(func(s *script) {
					h := newHandovers(s, without)
					c.play(h)
					h.check()
				})
			}
			if wrong, story := play(c.without); wrong != c.wrong {
				t.Errorf("without the step: %q, want %q:\n%s", wrong, c.wrong, story)
			}
			if wrong, story := play(handoverSteps{}); wrong != "" {
				t.Errorf("with the whole protocol: %s:\n%s", wrong, story)
			}
		})
	}
}
