package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// statusTap counts, by resource, the statuses that the operator stores, and has some of them overtaken.
type statusTap struct {
	mu     sync.Mutex
	stored testenv.Costs
	// texts are what was stored, for the message of a spec that fails.
	texts map[string][]string
	// overtake is how many of each resource's are still to be refused, as if somebody else had been faster.
	overtake map[string]int
}

// on returns a configuration whose statuses go through the tap.
func (t *statusTap) on(config *rest.Config) *rest.Config {
	tapped := rest.CopyConfig(config)
	tapped.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return testenv.RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
			path := strings.Split(r.URL.Path, "/")
			if r.Method != http.MethodPatch || path[len(path)-1] != "status" {
				return next.RoundTrip(r)
			}
			name := path[len(path)-2]
			if !t.pass(name) {
				return conflict(r), nil
			}
			text := textOf(r)
			response, err := next.RoundTrip(r)
			if err == nil && response.StatusCode == http.StatusOK {
				t.count(name, text)
			}
			return response, err
		})
	})
	return tapped
}

func (t *statusTap) pass(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.overtake[name] > 0 {
		t.overtake[name]--
		return false
	}
	return true
}

func (t *statusTap) count(name, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stored[name]++
	t.texts[name] = append(t.texts[name], text)
}

// textOf is a request's body, which can still be read.
func textOf(r *http.Request) string {
	body, err := r.GetBody()
	if err != nil {
		return err.Error()
	}
	defer body.Close()
	text, _ := io.ReadAll(body)
	return string(text)
}

// onceEach says of whom not one status was stored, and what was. Those that were edited may have one before, which says what was
// sent, if that was answered before the list was: until then their accounts are not known to be there.
func (t *statusTap) onceEach(n int, since testenv.Costs, edited ...string) {
	GinkgoHelper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, times := range since {
		if texts := t.texts[name]; times == 2 && slices.Contains(edited, name) {
			Expect(texts[len(texts)-2]).NotTo(ContainSubstring(`"status":"True","type":"Ready"`), name)
			continue
		}
		Expect(times).To(Equal(1), "one write each; %s: %q", name, t.texts[name])
	}
	Expect(since).To(HaveLen(n), "one write each")
}

// overtakeNext has the next n statuses of a resource overtaken.
func (t *statusTap) overtakeNext(name string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.overtake[name] = n
}

// left is how many are still to be overtaken.
func (t *statusTap) left() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, left := range t.overtake {
		n += left
	}
	return n
}

// children are the statuses that were stored so far, but for the ParentAccount's.
func (t *statusTap) children() testenv.Costs {
	t.mu.Lock()
	defer t.mu.Unlock()
	stored := maps.Clone(t.stored)
	delete(stored, "acme")
	return stored
}

// settled waits until no child's status is stored any more and nothing is being worked on, and returns how many were.
func (t *statusTap) settled() testenv.Costs {
	GinkgoHelper()
	return testenv.AtRest(time.Second, t.children)
}

func conflict(r *http.Request) *http.Response {
	body := `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409, "message": "the object has been modified"}`
	return &http.Response{
		StatusCode: http.StatusConflict, Status: "409 Conflict", Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(body)), ContentLength: int64(len(body)),
	}
}

// timed is a world whose clock a spec sets.
type timed struct {
	*testenv.World
	fake *clocktesting.FakeClock
	p    *v1alpha1.ParentAccount
	tap  *statusTap
}

func newTimed(ctx context.Context, change ...func(*v1alpha1.ParentAccount)) *timed {
	GinkgoHelper()
	t := &timed{World: testenv.NewWorld(ctx), fake: clocktesting.NewFakeClock(time.Now()), tap: &statusTap{stored: testenv.Costs{}, texts: map[string][]string{}, overtake: map[string]int{}}}
	t.Clock = t.fake
	t.Config = t.tap.on(testenv.OperatorConfig())
	t.p = t.ApplyParent(ctx, change...)
	t.Start(ctx)
	Eventually(testenv.StateOf(ctx, t.p)).Should(testenv.BeAvailable())
	return t
}

// advance lets time pass. The resync comes when both the timer and the operator's clock say so.
func (t *timed) advance(ctx context.Context, d time.Duration) {
	GinkgoHelper()
	t.fake.Step(d)
	testenv.Edit(ctx, t.p, func(p *v1alpha1.ParentAccount) {
		p.Spec.Limits.RequestsPerSecond = ptr.To(*p.Spec.Limits.RequestsPerSecond + 1)
	})
}

// warnings are the Warnings about anything in the spec's namespace, as "kind/name reason", and how often each was sent.
func (t *timed) warnings(ctx context.Context) func(Gomega) testenv.Costs {
	return func(g Gomega) testenv.Costs {
		var list corev1.EventList
		g.Expect(testenv.K8s.List(ctx, &list, client.InNamespace(t.NS))).To(Succeed())
		sent := testenv.Costs{}
		for _, e := range list.Items {
			if e.Type != corev1.EventTypeWarning {
				continue
			}
			what := fmt.Sprintf("%s/%s %s", e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason)
			sent[what]++
			if e.Series != nil { // the same again is not a new one
				sent[what] += int(max(e.Series.Count, 1))
			}
		}
		return sent
	}
}

var _ = Describe("An outage", func() {
	It("leaves Ready as before, then Unknown past the grace, and heals", func(ctx SpecContext) {
		w := newTimed(ctx)
		c := w.ApplyReady(ctx, "acme-dark")

		down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503})
		w.advance(ctx, 2*time.Second)
		Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable(), "nothing is written to the children while there is hope")
		version := c.ResourceVersion

		w.advance(ctx, 14*time.Minute)
		Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(c.ResourceVersion).To(Equal(version))

		w.advance(ctx, 2*time.Minute)
		Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))

		w.Sim.RemoveFault(down)
		w.advance(ctx, 2*time.Minute)
		Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("costs one event, one write of each status each way, and few calls", Label("slow"), func(ctx SpecContext) {
		const n, edited = 100, 40
		w := newTimed(ctx, testenv.AllowMassChange)
		testenv.InParallel(n, func(i int) error { return testenv.K8s.Create(ctx, w.Child(fmt.Sprintf("acme-%d", i))) })
		awaitAllReady(ctx, w.World, n)
		w.advance(ctx, 11*time.Minute)
		Eventually(func() int { return w.Count("GetChildrenAccounts") }).Should(BeNumerically(">", 1))
		before := w.tap.settled()

		By("it begins")
		down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		began, calls := time.Now(), len(w.Sim.Calls())
		w.tap.overtakeNext("acme", 2)
		w.advance(ctx, 2*time.Second)
		Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		w.advance(ctx, 14*time.Minute)
		Expect(w.tap.left()).To(BeZero())
		after := w.tap.settled()
		Expect(after).To(Equal(before), "nothing is written to the children while there is hope")

		By("it goes on")
		w.advance(ctx, 2*time.Minute)
		w.awaitAll(ctx, n, "Unknown/APIUnavailable")
		w.tap.onceEach(n, w.tap.settled().Since(after))

		By("edits meanwhile cost a call each no more than anything else")
		var names []string
		for i := range edited {
			names = append(names, fmt.Sprintf("acme-%d", i))
		}
		testenv.InParallel(edited, func(i int) error {
			patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec": {"email": "new-%d@acme.example"}}`, i))
			return testenv.K8s.Patch(ctx, w.Child(fmt.Sprintf("acme-%d", i)), patch)
		})
		Eventually(func(g Gomega) {
			for i := range edited {
				c := w.Child(fmt.Sprintf("acme-%d", i))
				g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
			}
		}).Should(Succeed())
		after = w.tap.settled()
		// Three calls find out, those that are under way then are as many as may be at a time, and then one tries every ten seconds
		// at most, after two, four and eight.
		most := 3 + 10 + 4 + int(time.Since(began)/(10*time.Second))
		Expect(len(w.Sim.Calls()) - calls).To(BeNumerically("<=", most))

		By("it ends")
		w.Sim.RemoveFault(down)
		w.advance(ctx, 2*time.Minute)
		Eventually(testenv.StateOf(ctx, w.p)).WithTimeout(time.Minute).Should(testenv.BeAvailable())
		w.tap.settled()               // amid a call no two minutes pass
		w.advance(ctx, 2*time.Minute) // who was refused a call just before waits a minute
		awaitAllReady(ctx, w.World, n)
		w.tap.onceEach(n, w.tap.settled().Since(after), names...)
		Consistently(w.warnings(ctx)).Should(Equal(testenv.Costs{"ParentAccount/acme APIUnavailable": 1}))
	}, NodeTimeout(5*time.Minute))

	DescribeTable("is also a list that never gets complete, though all else is answered",
		func(ctx SpecContext, fault simulator.Fault, why string) {
			w := newTimed(ctx)
			c := w.ApplyReady(ctx, "acme-dark")
			for _, name := range manyNames(1100) { // two pages
				w.Sim.PutAccount(testenv.SimulatorChild(w.World, name, name+"@bulk.example"))
			}
			fault.Method = "GetChildrenAccounts"
			broken := w.Sim.AddFault(fault)
			w.advance(ctx, 2*time.Second)
			Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))

			By("for a while")
			w.advance(ctx, 14*time.Minute)
			w.ApplyReady(ctx, "acme-new")
			Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())

			By("for too long")
			w.advance(ctx, 2*time.Minute)
			Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
			Expect(testenv.StateOf(ctx, w.p)(Default).Message).To(ContainSubstring(why))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("see ParentAccount acme"))

			By("it is complete again")
			w.Sim.RemoveFault(broken)
			w.advance(ctx, 2*time.Minute)
			Eventually(testenv.StateOf(ctx, w.p)).Should(testenv.BeAvailable())
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		},
		Entry("as its pages contradict each other", Label("slow"), simulator.Fault{Kind: simulator.FaultTotal}, "contradicts itself"),
		Entry("as one page is never answered", simulator.Fault{Kind: simulator.FaultReset, Match: map[string]string{"offset": "1000"}}, "GetChildrenAccounts"),
	)

	It("is believed for no longer where only former credentials are left", func(ctx SpecContext) {
		w := newTimed(ctx)
		c := w.ApplyReady(ctx, "acme-dark")
		testenv.PutCredentials(ctx, w.World, map[string][]byte{"credentials.json": []byte("hunter2")})
		testenv.ExpectFormerCredentials(ctx, w.p, v1alpha1.ReasonSecretInvalid)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: http.StatusBadGateway, Method: "GetChildrenAccounts"})
		w.advance(ctx, 2*time.Second)
		Eventually(func(g Gomega) string { return testenv.StateOf(ctx, w.p)(g).Message }).Should(MatchRegexp("JSON object.*; the former credentials .*trouble: .*502"))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		w.advance(ctx, 16*time.Minute)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		w.Sim.ClearFaults()
		w.advance(ctx, 2*time.Minute)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("is no event of a child, but its refusals are, once, though its status is overtaken", func(ctx SpecContext) {
		w := newTimed(ctx)
		w.Sim.AddStranger("acme-taken", "stranger@else.example")
		w.tap.overtakeNext("acme-taken", 2)
		taken := w.Apply(ctx, "acme-taken")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: http.StatusBadGateway, Method: "AddAccount", Match: map[string]string{"account_name": "acme-dark"}})
		dark := w.Apply(ctx, "acme-dark")
		Eventually(testenv.StateOf(ctx, dark)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Eventually(func(g Gomega) testenv.State {
			w.fake.Step(time.Second) // what was overtaken is tried again by the workqueue, and found on hold
			return testenv.StateOf(ctx, taken)(g)
		}).Should(testenv.BeStalledAs(v1alpha1.ReasonNameTaken))
		Eventually(w.warnings(ctx)).Should(Not(BeEmpty()))
		Consistently(w.warnings(ctx)).Should(Equal(testenv.Costs{"ChildAccount/acme-taken NameTaken": 1}))
	})

	It("at the start is told to those who wait", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		p := w.ApplyParent(ctx)
		c := w.Apply(ctx, "acme-early")
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		w.Sim.ClearFaults()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})
})

// awaitAll waits until n ChildAccounts have a Ready condition like "Unknown/APIUnavailable".
func (t *timed) awaitAll(ctx context.Context, n int, ready string) {
	GinkgoHelper()
	Eventually(func(g Gomega) (as int) {
		var list v1alpha1.ChildAccountList
		g.Expect(testenv.K8s.List(ctx, &list, client.InNamespace(t.NS))).To(Succeed())
		for i := range list.Items {
			if testenv.Summarize(g, &list.Items[i]).Ready == ready {
				as++
			}
		}
		return as
	}).WithPolling(250 * time.Millisecond).WithTimeout(3 * time.Minute).Should(Equal(n))
}
