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
)

// veil refuses an operator what is in some namespaces.
type veil struct {
	mu      sync.Mutex
	over    map[string]bool
	streams map[string][]io.Closer
}

// veiled has a world's operator look through a veil, from its next start on.
func (w *world) veiled() *veil {
	v := &veil{over: map[string]bool{}, streams: map[string][]io.Closer{}}
	w.config.Wrap(v.refusing)
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
	return roundTripper(func(r *http.Request) (*http.Response, error) {
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
func newPair(ctx context.Context) (a, b *world, v *veil) {
	a = newWorld(ctx)
	b = a.neighbour(ctx)
	a.options.Namespaces, a.options.InstallationID = []string{a.ns, b.ns}, "pair"
	return a, b, a.veiled()
}

// ofParentIn names the ParentAccount of another namespace.
func ofParentIn(ns string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = ptr.To(ns) }
}

func takingOver(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }

func accountNamed(name string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To(name) }
}

var awaitApproval = Satisfy(func(s summary) bool { return s.second == "False/"+v1alpha1.ReasonAwaitingApproval })

func countsOf(ctx context.Context, p *v1alpha1.ParentAccount) func(Gomega) string {
	return func(g Gomega) string {
		g.Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
		if p.Status.ChildAccounts == nil {
			return ""
		}
		return fmt.Sprintf("%d of %d", p.Status.ChildAccounts.Managed, p.Status.ChildAccounts.Total)
	}
}

var _ = Describe("A namespace that can't be read", func() {
	It("is not taken for an empty one: what it has stays counted, and nobody takes its accounts", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		p := a.applyParent(ctx, sharing(v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}))
		for _, name := range []string{"acme-adopted", "acme-unowned"} {
			a.sim.PutAccount(simulatorChild(a, name, name+"@acme.example"))
		}
		a.start(ctx)
		mine, theirs := a.applyReady(ctx, "acme-mine"), b.applyReady(ctx, "acme-theirs", ofParentIn(a.ns))
		adopted := b.applyReady(ctx, "acme-adopted", ofParentIn(a.ns), takingOver)
		Eventually(countsOf(ctx, p)).Should(Equal("3 of 4"))
		a.stop()
		Expect(a.sim.SetField(a.account("acme-adopted").ID, "account_custom_data", "")).To(Succeed()) // as where the claim can't be written

		veil.draw(b.ns)
		a.start(ctx)
		edit(ctx, mine, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "mine@acme.example" })
		Eventually(state(ctx, mine)).Should(BeAvailable())
		a.applyReady(ctx, "acme-new")
		Eventually(countsOf(ctx, p)).Should(Equal("3 of 5"), "of which one is another one now")
		a.sim.ResetCalls()
		thief, heir := a.apply(ctx, "acme-thief", takingOver, accountNamed("acme-adopted")), a.apply(ctx, "acme-heir", takingOver, accountNamed("acme-unowned"))
		for _, c := range []*v1alpha1.ChildAccount{thief, heir} {
			Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
			Expect(state(ctx, c)(Default).message).To(ContainSubstring("the operator can't read all of its namespaces"))
			Expect(state(ctx, c)(Default).message).NotTo(ContainSubstring(b.ns))
		}
		a.awaitLists(3)
		Expect(a.changes()).To(BeEmpty())
		Expect(countsOf(ctx, p)(Default)).To(Equal("3 of 5"))

		veil.lift(b.ns)
		Eventually(state(ctx, thief)).WithTimeout(patience).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Eventually(state(ctx, heir)).Should(BeAvailable())
		Eventually(countsOf(ctx, p)).Should(Equal("5 of 5"))
		for _, c := range []*v1alpha1.ChildAccount{theirs, adopted} {
			Expect(state(ctx, c)(Default)).To(BeAvailable())
		}
	})

	It("has the resources of its ParentAccounts say so, in other namespaces too, and go on when it can be read", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		b.applyParent(ctx, sharing(fromAll))
		veil.draw(b.ns)
		a.start(ctx)
		c := a.apply(ctx, "acme-guest", ofParentIn(b.ns))
		nowhere := a.apply(ctx, "acme-nowhere", ofParentIn(b.ns), func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		Eventually(state(ctx, nowhere)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		same := func(c *v1alpha1.ChildAccount) string {
			return strings.ReplaceAll(state(ctx, c)(Default).message, c.Spec.ParentRef.Name, "NAME")
		}
		Expect(same(c)).To(And(Equal(same(nowhere)), ContainSubstring("can't read namespace "+b.ns)))
		Expect(a.sim.Calls()).To(BeEmpty())

		veil.lift(b.ns)
		Eventually(state(ctx, c)).WithTimeout(patience).Should(BeAvailable())
		Eventually(state(ctx, nowhere)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))

		By("and is not worked for by what was known of it")
		veil.draw(b.ns)
		Eventually(func(g Gomega) {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = fmt.Sprintf("guest-%d@acme.example", c.Generation) })
			g.Eventually(state(ctx, c)).WithTimeout(2 * time.Second).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		}).WithTimeout(patience).Should(Succeed())
		a.awaitSilence()
		a.sim.ResetCalls()
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "guest@acme.example" })
		Eventually(func(g Gomega) {
			g.Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
			g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation))
		}).Should(Succeed())
		Expect(a.sim.Calls()).To(BeEmpty())
		veil.lift(b.ns)
		Eventually(state(ctx, c)).WithTimeout(patience).Should(BeAvailable())
		Expect(a.account("acme-guest").Text("account_email")).To(Equal("guest@acme.example"))
	})

	It("leaves what may be another operator's alone", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		a.options.ParentSelector = "shard=a"
		b.applyParent(ctx, sharing(fromAll), labelled("shard", "a"))
		veil.draw(b.ns)
		a.start(ctx)
		c := a.apply(ctx, "acme-shared", ofParentIn(b.ns))
		Consistently(func(g Gomega) {
			g.Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
			g.Expect(c.Status.Conditions).To(BeEmpty())
		}).WithTimeout(2 * time.Second).Should(Succeed())
		veil.lift(b.ns)
		Eventually(state(ctx, c)).WithTimeout(patience).Should(BeAvailable())
	})

	It("keeps what the governor counts: of the accounts of another namespace as many may change as ever", func(ctx SpecContext) {
		a, b, veil := newPair(ctx)
		a.applyParent(ctx, sharing(fromAll), func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Minimum: ptr.To[int32](1), Percent: ptr.To[int32](50)}
		})
		a.start(ctx)
		var mine, theirs []*v1alpha1.ChildAccount
		for i := range 4 {
			mine = append(mine, a.applyReady(ctx, fmt.Sprintf("acme-mine-%d", i)))
			theirs = append(theirs, b.applyReady(ctx, fmt.Sprintf("acme-theirs-%d", i), ofParentIn(a.ns)))
		}
		veil.draw(b.ns)
		for _, c := range theirs[:2] {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
		}
		for _, c := range mine[:2] {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
			Eventually(state(ctx, c)).Should(BeAvailable())
		}
		edit(ctx, mine[2], func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
		Eventually(state(ctx, mine[2])).Should(awaitApproval)
		Expect(state(ctx, mine[2])(Default).message).To(ContainSubstring("of 4"))
		a.awaitLists(2)
		veil.lift(b.ns)
		for _, c := range theirs[:2] {
			Eventually(state(ctx, c)).WithTimeout(patience).Should(BeAvailable())
			Eventually(func() string { return a.account(c.Name).Text("account_email") }).Should(Equal(c.Spec.Email))
		}
		edit(ctx, theirs[2], func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new-" + c.Spec.Email })
		Eventually(state(ctx, theirs[2])).Should(awaitApproval)
		Expect(state(ctx, theirs[2])(Default).message).To(ContainSubstring("of 4"))
	})
})
