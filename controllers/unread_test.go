package controllers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// veil refuses an operator what is in some namespaces.
type veil struct {
	mu      sync.Mutex
	over    map[string]bool
	streams map[string][]io.Closer
}

// veiled has a world's operator look through a veil, from its next start on.
func veiled(w *testenv.World) *veil {
	v := &veil{over: map[string]bool{}, streams: map[string][]io.Closer{}}
	w.Config.Wrap(v.refusing)
	return v
}

// draw refuses what is in a namespace from now on, and ends what was allowed before; lift allows it again.
func (v *veil) draw(ns string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over[ns] = true
	for _, stream := range v.streams[ns] {
		_ = stream.Close()
	}
	delete(v.streams, ns)
}

func (v *veil) lift(ns string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over[ns] = false
}

func (v *veil) refusing(next http.RoundTripper) http.RoundTripper {
	return testenv.RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
		_, ns, _ := strings.Cut(r.URL.Path, "/namespaces/")
		ns, _, _ = strings.Cut(ns, "/")
		v.mu.Lock()
		veiled := v.over[ns]
		v.mu.Unlock()
		if veiled {
			const status = `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Forbidden","code":403,"message":"veiled"}`
			return &http.Response{
				StatusCode: http.StatusForbidden, Request: r, ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(status)),
			}, nil
		}
		response, err := next.RoundTrip(r)
		if err == nil && r.URL.Query().Get("watch") != "" {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.streams[ns] = append(v.streams[ns], response.Body)
		}
		return response, err
	})
}

// pair is a world with an operator for its namespace and a neighbour's.
func newPair(ctx context.Context) (a, b *testenv.World, v *veil) {
	a = testenv.NewWorld(ctx)
	b = a.Neighbour(ctx)
	a.Options.Namespaces, a.Options.InstallationID = []string{a.NS, b.NS}, "pair"
	return a, b, veiled(a)
}

// ofParentIn names the ParentAccount of another namespace.
func ofParentIn(ns string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = ptr.To(ns) }
}

func takingOver(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }

func accountNamed(name string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To(name) }
}

var awaitApproval = Satisfy(func(s testenv.State) bool { return s.Second == "False/"+v1alpha1.ReasonAwaitingApproval })

func countsOf(ctx context.Context, p *v1alpha1.ParentAccount) func(Gomega) string {
	return func(g Gomega) string {
		g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		if p.Status.ChildAccounts == nil {
			return ""
		}
		return fmt.Sprintf("%d of %d", p.Status.ChildAccounts.Managed, p.Status.ChildAccounts.Total)
	}
}

var _ = Describe("A namespace that can't be read", func() {
	It("is not taken for an empty one: what it has stays counted, and nobody takes its accounts", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		p := a.ApplyParent(ctx, testenv.Sharing(v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}))
		for _, name := range []string{"acme-adopted", "acme-unowned"} {
			a.Sim.PutAccount(testenv.SimulatorChild(a, name, name+"@acme.example"))
		}
		a.Start(ctx)
		mine, theirs := a.ApplyReady(ctx, "acme-mine"), b.ApplyReady(ctx, "acme-theirs", ofParentIn(a.NS))
		adopted := b.ApplyReady(ctx, "acme-adopted", ofParentIn(a.NS), takingOver)
		Eventually(countsOf(ctx, p)).Should(Equal("3 of 4"))
		a.Stop()
		Expect(a.Sim.SetField(a.Account("acme-adopted").ID, "account_custom_data", "")).To(Succeed()) // as where the claim can't be written

		veil.draw(b.NS)
		a.Start(ctx)
		testenv.Edit(ctx, mine, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "mine@acme.example" })
		Eventually(testenv.StateOf(ctx, mine)).Should(testenv.BeAvailable())
		a.ApplyReady(ctx, "acme-new")
		Eventually(countsOf(ctx, p)).Should(Equal("3 of 5"), "of which one is another one now")
		a.Sim.ResetCalls()
		thief, heir := a.Apply(ctx, "acme-thief", takingOver, accountNamed("acme-adopted")), a.Apply(ctx, "acme-heir", takingOver, accountNamed("acme-unowned"))
		for _, c := range []*v1alpha1.ChildAccount{thief, heir} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("the operator can't read all of its namespaces"))
			Expect(testenv.StateOf(ctx, c)(Default).Message).NotTo(ContainSubstring(b.NS))
		}
		a.AwaitLists(3)
		Expect(a.Changes()).To(BeEmpty())
		Expect(countsOf(ctx, p)(Default)).To(Equal("3 of 5"))

		veil.lift(b.NS)
		Eventually(testenv.StateOf(ctx, thief)).WithTimeout(testenv.Patience).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Eventually(testenv.StateOf(ctx, heir)).Should(testenv.BeAvailable())
		Eventually(countsOf(ctx, p)).Should(Equal("5 of 5"))
		for _, c := range []*v1alpha1.ChildAccount{theirs, adopted} {
			Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		}
	})

	It("has the resources of its ParentAccounts say so, in other namespaces too, and go on when it can be read", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		b.ApplyParent(ctx, testenv.Sharing(testenv.FromAll))
		veil.draw(b.NS)
		a.Start(ctx)
		c := a.Apply(ctx, "acme-guest", ofParentIn(b.NS))
		nowhere := a.Apply(ctx, "acme-nowhere", ofParentIn(b.NS), func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		Eventually(testenv.StateOf(ctx, nowhere)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		same := func(c *v1alpha1.ChildAccount) string {
			return strings.ReplaceAll(testenv.StateOf(ctx, c)(Default).Message, c.Spec.ParentRef.Name, "NAME")
		}
		Expect(same(c)).To(And(Equal(same(nowhere)), ContainSubstring("can't read namespace "+b.NS)))
		Expect(a.Sim.Calls()).To(BeEmpty())

		veil.lift(b.NS)
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, nowhere)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))

		By("and is not worked for by what was known of it")
		veil.draw(b.NS)
		Eventually(func(g Gomega) {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = fmt.Sprintf("guest-%d@acme.example", c.Generation) })
			g.Eventually(testenv.StateOf(ctx, c)).WithTimeout(2 * time.Second).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		}).WithTimeout(testenv.Patience).Should(Succeed())
		a.AwaitSilence()
		a.Sim.ResetCalls()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "guest@acme.example" })
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation))
		}).Should(Succeed())
		Expect(a.Sim.Calls()).To(BeEmpty())
		veil.lift(b.NS)
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
		Expect(a.Account("acme-guest").Text("account_email")).To(Equal("guest@acme.example"))
	})

	It("leaves what may be another operator's alone", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		a.Options.ParentSelector = "shard=a"
		b.ApplyParent(ctx, testenv.Sharing(testenv.FromAll), labelled("shard", "a"))
		veil.draw(b.NS)
		a.Start(ctx)
		c := a.Apply(ctx, "acme-shared", ofParentIn(b.NS))
		Consistently(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			g.Expect(c.Status.Conditions).To(BeEmpty())
		}).WithTimeout(2 * time.Second).Should(Succeed())
		veil.lift(b.NS)
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
	})

	It("keeps what the governor counts: of the accounts of another namespace as many may change as ever", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		a.ApplyParent(ctx, testenv.Sharing(testenv.FromAll), func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Minimum: ptr.To[int32](1), Percent: ptr.To[int32](50)}
		})
		a.Start(ctx)
		var mine, theirs []*v1alpha1.ChildAccount
		for i := range 4 {
			mine = append(mine, a.ApplyReady(ctx, fmt.Sprintf("acme-mine-%d", i)))
			theirs = append(theirs, b.ApplyReady(ctx, fmt.Sprintf("acme-theirs-%d", i), ofParentIn(a.NS)))
		}
		veil.draw(b.NS)
		for _, c := range theirs[:2] {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
		}
		for _, c := range mine[:2] {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		testenv.Edit(ctx, mine[2], func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
		Eventually(testenv.StateOf(ctx, mine[2])).Should(awaitApproval)
		Expect(testenv.StateOf(ctx, mine[2])(Default).Message).To(ContainSubstring("of 4"))
		a.AwaitLists(2)
		veil.lift(b.NS)
		for _, c := range theirs[:2] {
			Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
			Eventually(func() string { return a.Account(c.Name).Text("account_email") }).Should(Equal(c.Spec.Email))
		}
		testenv.Edit(ctx, theirs[2], func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
		Eventually(testenv.StateOf(ctx, theirs[2])).Should(awaitApproval)
		Expect(testenv.StateOf(ctx, theirs[2])(Default).Message).To(ContainSubstring("of 4"))
	})
})
