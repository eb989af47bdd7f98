package secrets_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("rotate-password", func() {
	It("gives a new generated password once for each value, and never because of a restart or a lost Secret", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-rotate", testenv.Rotating("from the start"))
		first := testenv.ConnectionOf(ctx, c)["password"]
		w.AwaitLists(1)
		Expect(passwordCalls(w)).To(BeZero(), "it is as new as can be")

		testenv.Rotate(ctx, c, "2026-11")
		second := testenv.Rotated(ctx, w, c, first)
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(1))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("PasswordChanged: ")))

		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect(testenv.HasPassword(w, "acme-rotate", second)()).To(BeTrue())
		Expect(passwordCalls(w)).To(Equal(1))
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("password"), "nobody knows it any more")

		testenv.Rotate(ctx, c, "lost it")
		third := testenv.Rotated(ctx, w, c, "")
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-rotate").Fields["api_key"]), "found with the new password")
		expectUnseenElsewhere(ctx, w, first, second, third)
	})

	It("is settled by trying the password where the answer was lost, and keeps the old one where it was refused", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-doubt")
		first := testenv.ConnectionOf(ctx, c)["password"]
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		testenv.Rotate(ctx, c, "1")
		second := testenv.Rotated(ctx, w, c, first)
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))

		w.Sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = true })
		testenv.Rotate(ctx, c, "2")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordBlocked))
		Expect(testenv.ConnectionOf(ctx, c)).To(And(HaveKeyWithValue("password", second), HaveKey("passwordNext")))
		Expect(testenv.HasPassword(w, "acme-doubt", second)()).To(BeTrue())
		w.Sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = false })
		testenv.Rotate(ctx, c, "3")
		testenv.Rotated(ctx, w, c, second)
	})

	It("finds a lost API key with the new password, also where it is rotated as soon as the account is found again", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.AwaitLists(1) // the parent asked for itself before
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo"})
		c := w.Child("acme-again")
		Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
		var first string
		Eventually(func(g Gomega) {
			var secret corev1.Secret
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
			g.Expect(secret.Data).To(HaveKey("accountID"))
			first = string(secret.Data["password"])
		}).Should(Succeed())
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, client.ObjectKeyFromObject(c), &v1alpha1.ChildAccount{}) }).Should(Satisfy(apierrors.IsNotFound))
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("apiKey"))

		w.Sim.RemoveFault(down)
		again := w.Child(c.Name)
		testenv.Rotating("at once")(again)
		Expect(testenv.K8s.Create(ctx, again)).To(Succeed())
		testenv.Rotated(ctx, w, again, first)
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, again) }).Should(HaveKeyWithValue("apiKey", w.Account("acme-again").Fields["api_key"]))
		Expect(w.Sim.Counters().Outcomes["GetAccountInfo"]).NotTo(HaveKey("100"), "asked with the former password")
	})

	It("survives a crash between the phases, asked for still or not any more", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		for i, again := range []bool{true, false} {
			c := w.ApplyReady(ctx, fmt.Sprintf("acme-crash%d", i))
			first := testenv.ConnectionOf(ctx, c)["password"]
			// Carried out, and then nothing can be found out until the end.
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
			down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo"})
			testenv.Rotate(ctx, c, "1")
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
			Expect(testenv.ConnectionOf(ctx, c)).To(And(HaveKeyWithValue("password", first), HaveKey("passwordNext")))
			w.Stop()
			w.Sim.RemoveFault(down)
			if !again {
				testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
					delete(c.Annotations, v1alpha1.AnnotationRotatePassword)
				})
			}
			w.Start(ctx)
			testenv.Rotated(ctx, w, c, first)
		}
	})

	It("of an adopted account asks for nothing at first, and finds its API key later", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := testenv.SimulatorChild(w, "acme-taken", "acme-taken@acme.example")
		a.Fields["account_password"] = "Theirs-before-3x"
		w.Sim.PutAccount(a)
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-taken", testenv.Rotating("1"), func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		w.AwaitLists(1)
		Expect(testenv.HasPassword(w, "acme-taken", "Theirs-before-3x")()).To(BeTrue())
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(Or(HaveKey("password"), HaveKey("apiKey")))
		testenv.Rotate(ctx, c, "2")
		testenv.Rotated(ctx, w, c, "")
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKeyWithValue("apiKey", w.Account("acme-taken").Fields["api_key"]))
	})

	It("is left aside, and says so, where the password is declared", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-both", testenv.WithPassword("declared"))
		testenv.Rotate(ctx, c, "1")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(func(g Gomega) string {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady).Message
		}).Should(ContainSubstring("rotate-password is ignored"))
		Expect(testenv.HasPassword(w, "acme-both", testenv.FirstPassword)()).To(BeTrue())
		Expect(passwordCalls(w)).To(BeZero())
	})
})

// expectUnseenElsewhere is expectUnseen for passwords that are in a connection Secret's data, where they belong.
func expectUnseenElsewhere(ctx context.Context, w *testenv.World, passwords ...string) {
	GinkgoHelper()
	Expect(testenv.K8s.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(w.NS), client.MatchingLabels{v1alpha1.LabelConnection: "true"})).To(Succeed())
	expectUnseen(ctx, w, passwords...)
}

var _ = Describe("The connection Secret", func() {
	metadata := func(ctx context.Context, c *v1alpha1.ChildAccount) (labels, annotations map[string]string) {
		var s corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &s)).To(Succeed())
		return s.Labels, s.Annotations
	}

	It("carries the declared labels and annotations, from the start and when they change", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-dressed", func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{
				Labels:      map[string]v1alpha1.LabelValue{"team": "a", "app.example/part": ""},
				Annotations: map[string]v1alpha1.AnnotationValue{"example.org/note": "any text: ü, {}"},
			}
		})
		labels, annotations := metadata(ctx, c)
		Expect(labels).To(And(HaveKeyWithValue("team", "a"), HaveKeyWithValue("app.example/part", "")))
		Expect(annotations).To(HaveKeyWithValue("example.org/note", "any text: ü, {}"))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Labels: map[string]v1alpha1.LabelValue{"team": "b"}}
		})
		Eventually(func(g Gomega) {
			labels, annotations := metadata(ctx, c)
			g.Expect(labels).To(And(HaveKeyWithValue("team", "b"), Not(HaveKey("app.example/part")), HaveKeyWithValue(v1alpha1.LabelConnection, "true")))
			g.Expect(annotations).NotTo(HaveKey("example.org/note"))
		}).Should(Succeed())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKey("password"))
	})

	It("gets back a key that somebody took away", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-torn")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}}
		testenv.Edit(ctx, secret, func(s *corev1.Secret) { delete(s.Data, "apiKey") })
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKeyWithValue("apiKey", w.Account("acme-torn").Fields["api_key"]))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("of a name that is given again has what changed meanwhile", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		name := func(name string) func(c *v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: &name} }
		}
		c := w.ApplyReady(ctx, "acme-names", name("first"))
		old := testenv.ConnectionOf(ctx, c)["password"]
		testenv.Edit(ctx, c, name("second"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", old))
		testenv.Rotate(ctx, c, "1")
		now := testenv.Rotated(ctx, w, c, old)
		testenv.Edit(ctx, c, name("first"))
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKeyWithValue("password", now))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(passwordCalls(w)).To(Equal(1))

		By("a password that was declared meanwhile does not let an older one come back")
		testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
		testenv.Edit(ctx, c, testenv.WithPassword("declared"))
		Eventually(testenv.HasPassword(w, "acme-names", testenv.FirstPassword)).Should(BeTrue())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.PasswordSecretRef = nil
			name("third")(c)
		})
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "third"}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("password"))
	})
})
