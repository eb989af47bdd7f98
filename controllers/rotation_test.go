package controllers_test

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
)

func rotate(ctx context.Context, c *v1alpha1.ChildAccount, token string) {
	GinkgoHelper()
	edit(ctx, c, rotating(token))
}

func rotating(token string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) {
		if c.Annotations == nil {
			c.Annotations = map[string]string{}
		}
		c.Annotations[v1alpha1.AnnotationRotatePassword] = token
	}
}

// rotated is the password in the connection Secret once it is another one than before and the account's, with nothing left under way.
func (w *world) rotated(ctx context.Context, c *v1alpha1.ChildAccount, before string) string {
	GinkgoHelper()
	var now string
	Eventually(func(g Gomega) {
		data := connectionOf(ctx, c)
		now = data["password"]
		g.Expect(now).NotTo(Or(BeEmpty(), Equal(before)))
		g.Expect(data).NotTo(HaveKey("passwordNext"))
		g.Expect(w.has(c.AccountName(), now)()).To(BeTrue())
	}).Should(Succeed())
	Eventually(state(ctx, c)).Should(BeAvailable())
	return now
}

var _ = Describe("rotate-password", func() {
	It("gives a new generated password once for each value, and never because of a restart or a lost Secret", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-rotate", rotating("from the start"))
		first := connectionOf(ctx, c)["password"]
		w.awaitLists(1)
		Expect(w.passwordCalls()).To(BeZero(), "it is as new as can be")

		rotate(ctx, c, "2026-11")
		second := w.rotated(ctx, c, first)
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(1))
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("PasswordChanged: ")))

		w.stop()
		w.start(ctx)
		w.awaitLists(2)
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())
		w.stop()
		w.start(ctx)
		w.awaitLists(2)
		Expect(w.has("acme-rotate", second)()).To(BeTrue())
		Expect(w.passwordCalls()).To(Equal(1))
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("password"), "nobody knows it any more")

		rotate(ctx, c, "lost it")
		third := w.rotated(ctx, c, "")
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-rotate").Fields["api_key"]), "found with the new password")
		expectUnseenElsewhere(ctx, w, first, second, third)
	})

	It("is settled by trying the password where the answer was lost, and keeps the old one where it was refused", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-doubt")
		first := connectionOf(ctx, c)["password"]
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		rotate(ctx, c, "1")
		second := w.rotated(ctx, c, first)
		Expect(w.count("SetChildAccountInfo")).To(Equal(1))

		w.sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = true })
		rotate(ctx, c, "2")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordBlocked))
		Expect(connectionOf(ctx, c)).To(And(HaveKeyWithValue("password", second), HaveKey("passwordNext")))
		Expect(w.has("acme-doubt", second)()).To(BeTrue())
		w.sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = false })
		rotate(ctx, c, "3")
		w.rotated(ctx, c, second)
	})

	It("finds a lost API key with the new password, also where it is rotated as soon as the account is found again", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.awaitLists(1) // the parent asked for itself before
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		down := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo"})
		c := w.child("acme-again")
		Expect(k8s.Create(ctx, c)).To(Succeed())
		var first string
		Eventually(func(g Gomega) {
			var secret corev1.Secret
			g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
			g.Expect(secret.Data).To(HaveKey("accountID"))
			first = string(secret.Data["password"])
		}).Should(Succeed())
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(c), &v1alpha1.ChildAccount{}) }).Should(Satisfy(apierrors.IsNotFound))
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("apiKey"))

		w.sim.RemoveFault(down)
		again := w.child(c.Name)
		rotating("at once")(again)
		Expect(k8s.Create(ctx, again)).To(Succeed())
		w.rotated(ctx, again, first)
		Eventually(func() map[string]string { return connectionOf(ctx, again) }).Should(HaveKeyWithValue("apiKey", w.account("acme-again").Fields["api_key"]))
		Expect(w.sim.Counters().Outcomes["GetAccountInfo"]).NotTo(HaveKey("100"), "asked with the former password")
	})

	It("survives a crash between the phases, asked for still or not any more", func(ctx SpecContext) {
		w := startWorld(ctx)
		for i, again := range []bool{true, false} {
			c := w.applyReady(ctx, fmt.Sprintf("acme-crash%d", i))
			first := connectionOf(ctx, c)["password"]
			// Carried out, and then nothing can be found out until the end.
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
			down := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo"})
			rotate(ctx, c, "1")
			Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
			Expect(connectionOf(ctx, c)).To(And(HaveKeyWithValue("password", first), HaveKey("passwordNext")))
			w.stop()
			w.sim.RemoveFault(down)
			if !again {
				edit(ctx, c, func(c *v1alpha1.ChildAccount) {
					delete(c.Annotations, v1alpha1.AnnotationRotatePassword)
				})
			}
			w.start(ctx)
			w.rotated(ctx, c, first)
		}
	})

	It("of an adopted account asks for nothing at first, and finds its API key later", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := simulatorChild(w, "acme-taken", "acme-taken@acme.example")
		a.Fields["account_password"] = "Theirs-before-3x"
		w.sim.PutAccount(a)
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-taken", rotating("1"), func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		w.awaitLists(1)
		Expect(w.has("acme-taken", "Theirs-before-3x")()).To(BeTrue())
		Expect(connectionOf(ctx, c)).NotTo(Or(HaveKey("password"), HaveKey("apiKey")))
		rotate(ctx, c, "2")
		w.rotated(ctx, c, "")
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(HaveKeyWithValue("apiKey", w.account("acme-taken").Fields["api_key"]))
	})

	It("is left aside, and says so, where the password is declared", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyPassword(ctx, "declared", firstPassword)
		c := w.applyReady(ctx, "acme-both", withPassword("declared"))
		rotate(ctx, c, "1")
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(func(g Gomega) string {
			g.Expect(state(ctx, c)(g)).To(BeAvailable())
			return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady).Message
		}).Should(ContainSubstring("rotate-password is left aside"))
		Expect(w.has("acme-both", firstPassword)()).To(BeTrue())
		Expect(w.passwordCalls()).To(BeZero())
	})
})

// expectUnseenElsewhere is expectUnseen for passwords that are in a connection Secret's data, where they belong.
func expectUnseenElsewhere(ctx context.Context, w *world, passwords ...string) {
	GinkgoHelper()
	Expect(k8s.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(w.ns), client.MatchingLabels{v1alpha1.LabelConnection: "true"})).To(Succeed())
	expectUnseen(ctx, w, passwords...)
}

var _ = Describe("The connection Secret", func() {
	metadata := func(ctx context.Context, c *v1alpha1.ChildAccount) (labels, annotations map[string]string) {
		var s corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &s)).To(Succeed())
		return s.Labels, s.Annotations
	}

	It("carries the declared labels and annotations, from the start and when they change", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-dressed", func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{
				Labels:      map[string]v1alpha1.LabelValue{"team": "a", "app.example/part": ""},
				Annotations: map[string]v1alpha1.AnnotationValue{"example.org/note": "any text: ü, {}"},
			}
		})
		labels, annotations := metadata(ctx, c)
		Expect(labels).To(And(HaveKeyWithValue("team", "a"), HaveKeyWithValue("app.example/part", "")))
		Expect(annotations).To(HaveKeyWithValue("example.org/note", "any text: ü, {}"))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Labels: map[string]v1alpha1.LabelValue{"team": "b"}}
		})
		Eventually(func(g Gomega) {
			labels, annotations := metadata(ctx, c)
			g.Expect(labels).To(And(HaveKeyWithValue("team", "b"), Not(HaveKey("app.example/part")), HaveKeyWithValue(v1alpha1.LabelConnection, "true")))
			g.Expect(annotations).NotTo(HaveKey("example.org/note"))
		}).Should(Succeed())
		Expect(connectionOf(ctx, c)).To(HaveKey("password"))
	})

	It("gets back a key that somebody took away", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-torn")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}}
		edit(ctx, secret, func(s *corev1.Secret) { delete(s.Data, "apiKey") })
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(HaveKeyWithValue("apiKey", w.account("acme-torn").Fields["api_key"]))
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("of a name that is given again has what changed meanwhile", func(ctx SpecContext) {
		w := startWorld(ctx)
		name := func(name string) func(c *v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: &name} }
		}
		c := w.applyReady(ctx, "acme-names", name("first"))
		old := connectionOf(ctx, c)["password"]
		edit(ctx, c, name("second"))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("password", old))
		rotate(ctx, c, "1")
		now := w.rotated(ctx, c, old)
		edit(ctx, c, name("first"))
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(HaveKeyWithValue("password", now))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.passwordCalls()).To(Equal(1))

		By("a password that was declared meanwhile does not let an older one come back")
		w.applyPassword(ctx, "declared", firstPassword)
		edit(ctx, c, withPassword("declared"))
		Eventually(w.has("acme-names", firstPassword)).Should(BeTrue())
		Eventually(state(ctx, c)).Should(BeAvailable())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.PasswordSecretRef = nil
			name("third")(c)
		})
		Eventually(func(g Gomega) {
			g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "third"}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("password"))
	})
})
