package crashtest

import (
	"crypto/rand"
	"crypto/rsa"
	"flag"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var (
	config *rest.Config
	k8s    client.Client
	key    *rsa.PrivateKey
)

const (
	// mostScenarios is how many are gone through at one time, mostWorlds how many worlds share an operator. Mostly they wait.
	mostScenarios, mostWorlds = 8, 16
	// unbounded is how many tests may run at one time: the worlds of a group wait for each other.
	unbounded = "1000"
)

// beOperator in the environment makes the operator of this test's binary: so it is the present one, and has the race
// detector where the test has it.
const beOperator = "CRASHTEST_BE_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(beOperator) != "" {
		go func() { // ends where the test ends, whatever way that is
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		os.Exit(cli.Main(os.Args[1:]))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", unbounded); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestEveryCrash(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("make test-all runs it: the operator is started some hundred times")
	}
	setUp(t)
	tellPairs(t)
	m := &matrix{}
	slots := make(chan struct{}, mostScenarios)
	t.Run("of", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				s.killEverywhere(t, m)
			})
		}
	})
	m.compare(t)
	m.expectAgain(t)
}

// killEverywhere records the scenario's boundaries and has the operator killed at each of them, and at some of the recovery from that.
func (s scenario) killEverywhere(t *testing.T, m *matrix) {
	boundaries := s.boundariesOf(s.record(t))
	m.plan(s, boundaries)
	var mu sync.Mutex
	again := map[boundary][]boundary{}
	for part := range slices.Chunk(boundaries, mostWorlds) {
		t.Run("once", func(t *testing.T) {
			g := newGroup(t, false)
			for _, b := range part {
				t.Run(b.String(), func(t *testing.T) {
					w := newWorld(t, g)
					defer w.leave()
					t.Parallel() // once all worlds of the group are there
					recovery, killed := s.crash(w, b)
					m.note(s, b, recovery, killed)
					mu.Lock()
					defer mu.Unlock()
					again[b] = s.chosen(b, recovery)
				})
			}
		})
	}
	var twice [][2]boundary
	for _, first := range boundaries {
		for _, second := range again[first] {
			twice = append(twice, [2]boundary{first, second})
		}
	}
	for part := range slices.Chunk(twice, mostWorlds) {
		t.Run("twice", func(t *testing.T) {
			g := newGroup(t, false)
			for _, pair := range part {
				t.Run(pair[0].String()+" and "+pair[1].String(), func(t *testing.T) {
					w := newWorld(t, g)
					defer w.leave()
					t.Parallel()
					_, killed := s.crash(w, pair[:]...)
					m.noteAgain(killed)
				})
			}
		})
	}
}

// setUp starts an API server that all worlds share.
func setUp(t *testing.T) {
	g := NewWithT(t)
	control := testenv.ControlPlane()
	t.Cleanup(func() { _ = control.Stop() })
	var err error
	config, k8s, err = testenv.StartControlPlane(control)
	g.Expect(err).NotTo(HaveOccurred())
	key, err = rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
}

// begin gives the operator its work, in which it is held at the boundaries.
func (s scenario) begin(w *world, at ...boundary) {
	w.meet(w.group.start)
	if s.before != nil {
		s.before(w)
		w.eventually(func(g Gomega) {
			w.expectParent(g)
			if s.was.reason != "" {
				s.expect(w, g, s.was)
			}
		})
	}
	w.tap.arm(at...)
	if !s.atOnce {
		s.act(w)
		return
	}
	w.meet(w.group.operator.freeze)
	s.act(w)
	w.meet(w.group.operator.thaw)
}

// expect says how all of the scenario's resources must be.
func (s scenario) expect(w *world, g Gomega, want want) {
	if s.sub {
		w.expectSub(g, want)
		return
	}
	for _, name := range s.names() {
		w.expect(g, name, want)
	}
}

func (s scenario) names() []string {
	if s.resources == nil {
		return []string{name}
	}
	return s.resources
}

// accounts are how many child accounts there are to be of them in the end.
func (s scenario) accounts() int {
	if s.then.stalled || s.sub {
		return 0
	}
	return len(s.names())
}

// record goes through the scenario without a crash and returns the operator's steps.
func (s scenario) record(t *testing.T) []step {
	g := newGroup(t, true)
	defer func() { _ = g.operator.kill() }()
	w := newWorld(t, g)
	defer w.leave()
	s.begin(w)
	w.eventually(func(g Gomega) {
		g.Expect(w.tap.taken()).NotTo(BeEmpty())
		s.expectEnd(w, g)
	})
	steps := w.tap.taken()
	s.expectInvariants(w)
	return steps
}

// crash goes through the scenario with the operator killed at each of the boundaries and started again, and returns what
// it did in the end. How many resources share a step, or how often a recovery looks, depends on the moment: killed is false
// where this run had no such boundary.
func (s scenario) crash(w *world, at ...boundary) (recovery []step, killed bool) {
	s.begin(w, at...)
	killed = true
	for i := range at { // whoever does not come to a boundary is killed with the others, but at rest
		killed = s.comesTo(w, i+1) && killed
		w.meet(w.group.operator.kill)
		if killed && s.meanwhile != nil {
			s.meanwhile(w)
		}
		w.meet(w.group.start)
	}
	w.eventually(func(g Gomega) { s.expectEnd(w, g) })
	recovery, _ = w.tap.recovery()
	w.tap.disarm()
	s.expectInvariants(w)
	return recovery, killed
}

// comesTo waits until the operator is held for the nth time; false where it came to rest without.
func (s scenario) comesTo(w *world, nth int) bool {
	crashes := 0
	w.eventually(func(g Gomega) {
		if _, crashes = w.tap.recovery(); crashes < nth {
			g.Expect(s.atOnce || nth > 1).To(BeTrue(), "the operator has not come to this boundary")
			s.expectEnd(w, g)
		}
	})
	if crashes < nth { // at rest by all that is seen: on a busy machine its last step may come all the same, and is no boundary any more
		w.tap.disarm()
		_, crashes = w.tap.recovery()
	}
	return crashes == nth
}

// expectEnd says that all is as it is to be in the end, and the operator at rest: one that has just started is not yet.
func (s scenario) expectEnd(w *world, g Gomega) {
	g.Expect(w.tap.quiet()).To(BeNumerically(">", pause)) // before anything that costs a request
	if steps, restarted := w.tap.ofProcess(); restarted {
		connected := slices.ContainsFunc(steps, func(s step) bool { return isEveryList(s.what) })
		g.Expect(connected).To(BeTrue(), "the new process has not read the list yet")
	}
	if s.over != nil {
		s.over(w, g)
	}
	s.expect(w, g, s.then)
	w.expectParent(g)
	g.Expect(w.tap.quiet()).To(BeNumerically(">", pause))
}

func (s scenario) expectInvariants(w *world) {
	w.expectInvariants(s.accounts())
	w.expectSound()
	if s.also != nil {
		s.also(w)
	}
}

// counting is the write of how many accounts a parent has. It follows a list at its own pace, so that it comes before, amid or
// after the work on a resource, or not at all: a boundary is only where it is all the work.
const counting = "patch ParentAccount/status"

// holding is the write of a ParentAccount's finalizer, which follows that of its children at its own pace.
const holding = "patch ParentAccount: finalizers"

// boundariesOf are the moments before and after each step.
func (s scenario) boundariesOf(steps []step) (out []boundary) {
	count := map[string]int{}
	for _, step := range steps {
		if step.what == counting && len(s.names()) > 0 || step.what == holding {
			continue
		}
		count[step.what]++
		out = append(out, boundary{step.what, count[step.what], false}, boundary{step.what, count[step.what], true})
	}
	return out
}
