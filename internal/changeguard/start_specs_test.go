package changeguard_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// observingStart declares startPolicy Observe.
func observingStart(p *v1alpha1.ParentAccount) {
	p.Spec.StartPolicy = ptr.To(v1alpha1.StartObserve)
}

// sinceStart is what the ParentAccount's status has of writes that wait since the start; Count is 0 where there is nothing.
func sinceStart(ctx context.Context, w *testenv.World) func(Gomega) v1alpha1.PendingApproval {
	return func(g Gomega) v1alpha1.PendingApproval {
		p := w.ParentAccount()
		g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		for _, one := range p.Status.PendingApprovals {
			if strings.Contains(one.Message, v1alpha1.AnnotationApproveStart) {
				return one
			}
		}
		return v1alpha1.PendingApproval{}
	}
}

// approveStart gives the ParentAccount the annotation.
func approveStart(ctx context.Context, w *testenv.World, hash string) {
	GinkgoHelper()
	testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
		if p.Annotations == nil {
			p.Annotations = map[string]string{}
		}
		p.Annotations[v1alpha1.AnnotationApproveStart] = hash
	})
}

// startWaits is the state of a resource whose write waits since the start.
func startWaits(text string) func(testenv.State) bool {
	return func(s testenv.State) bool {
		return s.Second == "False/AwaitingApproval" && s.Flags == v1alpha1.ConditionStalled && strings.HasPrefix(s.Message, text+" waits: ")
	}
}

// moveAhead changes accounts at the provider, as they are where the cluster is put back to an earlier state.
func moveAhead(w *testenv.World, children ...*v1alpha1.ChildAccount) {
	GinkgoHelper()
	for _, c := range children {
		Expect(w.Sim.SetField(w.Account(c.AccountName()).ID, "account_email", "later-"+c.Name+"@acme.example")).To(Succeed())
	}
}

// signIns counts the sign-ins with an account's password.
func signIns(w *testenv.World, c *v1alpha1.ChildAccount) func() int {
	id := strconv.FormatInt(w.Account(c.AccountName()).ID, 10)
	return func() (n int) {
		for _, call := range w.Sim.Calls() {
			if call.Method == "GetAccountInfo" && call.Params["account_password"] != "" && call.Params["account_id"] == id {
				n++
			}
		}
		return n
	}
}

func expectEmails(w *testenv.World, prefix string, children ...*v1alpha1.ChildAccount) {
	GinkgoHelper()
	for _, c := range children {
		Expect(w.Account(c.AccountName()).Fields["account_email"]).To(Equal(prefix+c.Name+"@acme.example"), c.Name)
	}
}

var _ = Describe("A start under startPolicy Observe", func() {
	It("writes nothing of what differs before that is approved, and then all of it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 30)
		w.Stop()
		differ, same := all[:26], all[26:]
		testenv.Edit(ctx, p, observingStart)
		moveAhead(w, differ...)
		before := len(w.Changes())

		w.Start(ctx)
		Eventually(sinceStart(ctx, w)).Should(HaveField("Count", BeEquivalentTo(26)))
		for _, c := range differ {
			Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(startWaits("email=" + c.Spec.Email)))
		}
		w.AwaitLists(3)
		Expect(w.Changes()).To(HaveLen(before))
		for _, c := range same {
			Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		}
		waits := sinceStart(ctx, w)(Default)
		Expect(waits.Message).To(And(ContainSubstring("acme-fleet00 (email="), ContainSubstring("and 21 more"),
			HaveSuffix("kubectl annotate parentaccount -n %s acme --overwrite accounts.cpaas.dev/approve-start=%s", w.NS, waits.Hash)))
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(And(HavePrefix("AwaitingApproval: "), ContainSubstring("approve-start="+waits.Hash))))
		Expect(testenv.EventsOf(ctx, differ[0])(Default)).NotTo(ContainElement(HavePrefix("AwaitingApproval: ")))

		By("not by another hash, and says the current one")
		approveStart(ctx, w, strings.Repeat("f", 32))
		Eventually(sinceStart(ctx, w)).Should(HaveField("Message", And(ContainSubstring("approves something else"), HaveSuffix(waits.Hash))))
		w.AwaitLists(2)
		Expect(w.Changes()).To(HaveLen(before))

		By("nor after a restart")
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(3)
		Expect(w.Changes()).To(HaveLen(before))
		Eventually(sinceStart(ctx, w)).Should(HaveField("Hash", waits.Hash))

		By("and not once more by the limits of mass changes")
		approveStart(ctx, w, waits.Hash)
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		expectEmails(w, "", all...)
		Eventually(sinceStart(ctx, w)).Should(HaveField("Count", BeZero()))

		By("with the passwords of all verified, which may be as old")
		for _, c := range all {
			Eventually(signIns(w, c)).Should(BeNumerically(">=", 1), c.Name)
		}
	})

	It("holds nothing where nothing is pending, and later nothing of what came to rest", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		Expect(testenv.K8s.Create(ctx, password(w, "First-pass-1x"))).To(Succeed())
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-rest")
		declared := w.ApplyReady(ctx, "acme-password", withPassword)
		rotated := w.ApplyReady(ctx, "acme-rotated")
		testenv.Edit(ctx, rotated, func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: "1"}
		})
		Eventually(testenv.EventsOf(ctx, rotated)).Should(ContainElement(HavePrefix("PasswordChanged: ")))
		w.AwaitLists(2)
		w.Stop()
		testenv.Edit(ctx, w.ParentAccount(), observingStart)
		before := len(w.Changes())

		w.Start(ctx)
		w.AwaitLists(3)
		Expect(w.Changes()).To(HaveLen(before))
		Expect(sinceStart(ctx, w)(Default)).To(BeZero())

		By("drift, edits and new resources")
		moveAhead(w, c)
		testenv.Edit(ctx, declared, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		w.ApplyReady(ctx, "acme-new")
		Eventually(func() any { return w.Account(declared.AccountName()).Fields["language_code"] }).Should(Equal("de"))
		Eventually(func() any { return w.Account(c.AccountName()).Fields["account_email"] }).Should(Equal(c.Spec.Email))
	})

	It("is what the operator's flag says, whatever the spec does, and ends without it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.StartPolicy = ptr.To(v1alpha1.StartReconcile) })
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-flag")
		w.Stop()
		moveAhead(w, c)
		w.Options.StartPolicy = "Observe"
		w.Start(ctx)
		Eventually(sinceStart(ctx, w)).Should(HaveField("Message", ContainSubstring("--start-policy=Observe")))
		w.AwaitLists(2)
		expectEmails(w, "later-", c)

		By("a resource that is new meanwhile is created")
		w.ApplyReady(ctx, "acme-meanwhile")
		w.Stop()
		w.Options.StartPolicy = ""
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		expectEmails(w, "", c)
		Eventually(sinceStart(ctx, w)).Should(BeZero())
	})

	It("holds creations, adoptions, passwords and deletions, and what is edited of them", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		Expect(testenv.K8s.Create(ctx, password(w, "First-pass-1x"))).To(Succeed())
		w.Start(ctx)
		declared := w.ApplyReady(ctx, "acme-password", withPassword)
		rotating := w.ApplyReady(ctx, "acme-rotating")
		deleted := w.ApplyReady(ctx, "acme-deleted", testenv.Deactivating)
		edited := w.ApplyReady(ctx, "acme-edited")
		w.Stop()
		testenv.Edit(ctx, w.ParentAccount(), observingStart)
		created := w.Apply(ctx, "acme-created")
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-adopted", "acme-adopted@acme.example"))
		adopted := w.Apply(ctx, "acme-adopted", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		testenv.Edit(ctx, password(w, ""), func(s *corev1.Secret) { s.Data["password"] = []byte("Second-pass-2x") })
		testenv.Edit(ctx, rotating, func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: "1"}
		})
		Expect(testenv.K8s.Delete(ctx, deleted)).To(Succeed())
		moveAhead(w, edited)
		before := w.Changes()

		w.Start(ctx)
		Eventually(sinceStart(ctx, w)).Should(HaveField("Count", BeEquivalentTo(6)))
		named := func(c *v1alpha1.ChildAccount) string {
			return fmt.Sprintf("%s (id %d)", c.AccountName(), w.Account(c.AccountName()).ID)
		}
		for c, text := range map[*v1alpha1.ChildAccount]string{
			created: "create account acme-created", adopted: "adopt account " + named(adopted) + ", write the claim into account " + named(adopted),
			declared: "set the declared password of account " + named(declared), rotating: "rotate the generated password of account " + named(rotating),
			deleted: "deactivated by deletion", edited: "email=" + edited.Spec.Email,
		} {
			Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(startWaits(text)), c.Name)
		}
		var secrets corev1.SecretList
		Expect(testenv.K8s.List(ctx, &secrets, client.InNamespace(w.NS), client.MatchingLabels{v1alpha1.LabelConnection: "true"})).To(Succeed())
		Expect(secrets.Items).To(HaveLen(4), "none for what waits")

		By("an edit waits too, and changes the hash")
		hash := sinceStart(ctx, w)(Default).Hash
		testenv.Edit(ctx, edited, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(sinceStart(ctx, w)).ShouldNot(HaveField("Hash", hash))
		approveStart(ctx, w, hash)
		Eventually(sinceStart(ctx, w)).Should(HaveField("Message", ContainSubstring("approves something else")))
		w.AwaitLists(2)
		Expect(w.Changes()).To(Equal(before))

		By("and all of it is done by the approval")
		approveStart(ctx, w, sinceStart(ctx, w)(Default).Hash)
		for _, c := range []*v1alpha1.ChildAccount{created, adopted, declared, rotating, edited} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable(), c.Name)
		}
		testenv.ExpectGone(ctx, deleted)
		Expect(w.Account(deleted.AccountName()).Active()).To(BeFalse())
		Expect(w.Account(edited.AccountName()).Fields["language_code"]).To(Equal("de"))
		Eventually(sinceStart(ctx, w)).Should(BeZero())
	})

	It("is that of a ParentAccount's first list, however late, and tells a tenant of its own resources alone", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		tenant := w.Neighbour(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll)}
		})
		w.Start(ctx)
		ofParent := func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = ptr.To(w.NS) }
		own := w.ApplyReady(ctx, "acme-own")
		theirs := tenant.ApplyReady(ctx, "acme-theirs", ofParent)
		w.Stop()
		testenv.Edit(ctx, w.ParentAccount(), observingStart)
		moveAhead(w, own, theirs)
		Expect(testenv.K8s.Delete(ctx, w.Credentials())).To(Succeed())
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, own)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))

		Expect(testenv.K8s.Create(ctx, w.Credentials())).To(Succeed())
		Eventually(sinceStart(ctx, w)).Should(HaveField("Count", BeEquivalentTo(2)))
		Eventually(testenv.StateOf(ctx, theirs)).Should(Satisfy(startWaits("email=" + theirs.Spec.Email)))
		waits := sinceStart(ctx, w)(Default)
		Expect(waits.Message).To(And(ContainSubstring("%s/acme-theirs (email=", tenant.NS), ContainSubstring("acme-own (email=")))
		Expect(testenv.StateOf(ctx, theirs)(Default).Message).NotTo(Or(ContainSubstring("acme-own"), ContainSubstring(waits.Hash)))

		By("a resource that is applied after that list is created at once")
		tenant.ApplyReady(ctx, "acme-later", ofParent)
		expectEmails(w, "later-", own, theirs)
		approveStart(ctx, w, waits.Hash)
		Eventually(testenv.StateOf(ctx, own)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, theirs)).Should(testenv.BeAvailable())
		expectEmails(w, "", own, theirs)
	})

	It("gives a deletion that it holds an hour from the start on", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-week-old", testenv.Deactivating)
		w.Stop()
		testenv.Edit(ctx, w.ParentAccount(), observingStart)
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		ahead := &steppedClock{Clock: clock.RealClock{}}
		ahead.by.Store(int64(7 * 24 * time.Hour))
		w.Clock = ahead
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(startWaits("deactivated by deletion")))
		w.AwaitLists(2)
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(w.Account(c.AccountName()).Active()).To(BeTrue())

		By("and then lets it go, and says which account stays")
		ahead.by.Add(int64(time.Hour))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		})
		testenv.ExpectGone(ctx, c)
		Expect(w.Account(c.AccountName()).Active()).To(BeTrue())
		p := w.ParentAccount()
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.Status.NotDeactivated.Accounts).To(ConsistOf(HaveField("AccountName", c.AccountName())))
	})
})

// steppedClock is ahead of another clock, by more whenever a spec says so.
type steppedClock struct {
	clock.Clock

	by atomic.Int64
}

// Now implements clock.PassiveClock.
func (c *steppedClock) Now() time.Time { return c.Clock.Now().Add(time.Duration(c.by.Load())) }

// password is a Secret with a declared password.
func password(w *testenv.World, value string) *corev1.Secret {
	s := &corev1.Secret{Data: map[string][]byte{"password": []byte(value)}}
	s.Namespace, s.Name, s.Labels = w.NS, "declared", map[string]string{v1alpha1.LabelInput: "true"}
	return s
}

func withPassword(c *v1alpha1.ChildAccount) {
	c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: "declared"}
}
