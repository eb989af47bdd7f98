package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A SubAccount", func() {
	adopting := func(c *v1alpha1.SubAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }
	rarely := func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour} }
	message := func(c *v1alpha1.SubAccount) string {
		return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionSynced).Message
	}
	password := func(ctx context.Context, w *testenv.TwoSMSWorld, value string) func(*v1alpha1.SubAccount) {
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "declared", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			Data:       map[string][]byte{"password": []byte(value)},
		})).To(Succeed())
		return func(c *v1alpha1.SubAccount) {
			c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: "declared"}
		}
	}
	counts := func(w *testenv.TwoSMSWorld) map[string]int {
		n := w.SMS().Counts()
		delete(n, simulator.TwoSMSToken)
		return n
	}

	It("gets its account in three calls, and a change in two", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx, rarely)
		p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-sms"}}
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(p.Status.AccountID).To(Equal(w.Master.ID))
		w.SMS().ResetCalls()
		c := w.ApplySub(ctx, "support")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(counts(w)).To(Equal(map[string]int{simulator.TwoSMSList: 2, simulator.TwoSMSCreate: 1}))
		subs := w.Subs()
		Expect(subs).To(HaveLen(1))
		secret := testenv.SecretOf(ctx, w.NS, "support-connection")
		Expect(secret).To(HaveKeyWithValue("accountID", subs[0].ID))
		Expect(secret).To(HaveKeyWithValue("password", subs[0].Values["Password"]))
		Expect(subs[0].Values["Password"]).NotTo(BeEmpty())
		Expect(c.Status.Creation).To(BeNil())
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
		Expect(c.Finalizers).To(BeEmpty())

		w.SMS().ResetCalls()
		testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) { c.Spec.LastName, c.Spec.Username = "King", "ada" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(counts(w)).To(Equal(map[string]int{simulator.TwoSMSList: 1, simulator.TwoSMSUpdate: 1}))
		a, _ := w.SMS().Account(subs[0].ID)
		Expect(a.Values).To(And(HaveKeyWithValue("Lastname", "King"), HaveKeyWithValue("Username", "ada"), HaveKeyWithValue("Firstname", "Ada"),
			HaveKeyWithValue("Password", secret["password"]), HaveKeyWithValue("MobilePhone", "+44 1234 567890")))

		w.SMS().ResetCalls()
		testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) { c.Spec.Email = "other@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		a, _ = w.SMS().Account(subs[0].ID)
		Expect(a.Values).To(HaveKeyWithValue("Email", "other@acme.example"))
		Expect(testenv.SecretOf(ctx, w.NS, "support-connection")).To(And(HaveKeyWithValue("email", "other@acme.example"), HaveKeyWithValue("password", secret["password"])))
		Expect(w.Subs()).To(HaveLen(1))

		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		testenv.ExpectGone(ctx, c)
		Expect(w.Subs()).To(HaveLen(1), "the account stays")
	})

	It("shares the lists with others that are created at the same time", func(ctx SpecContext) {
		w := testenv.NewTwoSMSWorld(ctx)
		w.ApplyMaster(ctx, rarely)
		const n = 40
		var all []*v1alpha1.SubAccount
		for i := range n {
			all = append(all, w.ApplySub(ctx, "many-"+string(rune('a'+i/26))+string(rune('a'+i%26))))
		}
		w.Start(ctx)
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Expect(w.Subs()).To(HaveLen(n))
		Expect(counts(w)[simulator.TwoSMSCreate]).To(Equal(n))
		Expect(counts(w)[simulator.TwoSMSList]).To(BeNumerically("<=", n), "two for each would be %d", 2*n)
	})

	It("costs one list a resync at rest, however many there are, and two calls for each change", func(ctx SpecContext) {
		const n, resyncs = 20, 3
		meter := testenv.NewRequestMeter()
		w := testenv.NewTwoSMSWorld(ctx)
		w.Config = meter.On(testenv.OperatorConfig())
		p := w.ApplyMaster(ctx, rarely, testenv.AllowMassChange)
		w.Start(ctx)
		var all []*v1alpha1.SubAccount
		for i := range n {
			all = append(all, w.ApplySub(ctx, fmt.Sprintf("rest-%02d", i)))
		}
		available := func() {
			GinkgoHelper()
			for _, c := range all {
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			}
		}
		spent := func() testenv.Costs {
			GinkgoHelper()
			return testenv.AtRest(500*time.Millisecond, func() testenv.Costs {
				costs := meter.Costs(w.World)
				maps.Copy(costs, counts(w))
				return costs
			})
		}
		resync := func() {
			GinkgoHelper()
			before := counts(w)[simulator.TwoSMSList]
			testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, time.Now().Format(time.RFC3339Nano))
			})
			Eventually(func() int { return counts(w)[simulator.TwoSMSList] }).Should(BeNumerically(">", before))
		}
		available()
		resync() // the first since their creation: the parent's status counts them
		before := spent()
		for range resyncs {
			resync()
		}
		after := spent()
		Expect(after.Since(before)).To(And(HaveKeyWithValue(simulator.TwoSMSList, resyncs), Not(HaveKey(simulator.TwoSMSUpdate)), Not(HaveKey(simulator.TwoSMSCreate)),
			Not(HaveKey("patch subaccounts/status")), Not(HaveKey("patch secrets")), Not(HaveKey("get secrets"))))

		for _, c := range all {
			testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) { c.Spec.LastName = "King" })
		}
		available()
		changed := spent().Since(after)
		Expect(changed).To(HaveKeyWithValue(simulator.TwoSMSUpdate, n))
		Expect(changed).To(HaveKeyWithValue(simulator.TwoSMSList, n), "one read right before each update")
	})

	It("recognises its account after a lost answer, and creates none beside it", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		w.SMS().AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: simulator.TwoSMSCreate, Times: 1})
		c := w.ApplySub(ctx, "lost")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Subs()).To(HaveLen(1))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
		Expect(testenv.SecretOf(ctx, w.NS, "lost-connection")).To(And(HaveKeyWithValue("password", w.Subs()[0].Values["Password"]), Not(HaveKey("passwordNext"))))
	})

	It("recognises its account after a lost answer though its e-mail was edited meanwhile", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		w.SMS().AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: simulator.TwoSMSCreate, Times: 1})
		w.SMS().AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: simulator.TwoSMSList, After: 1, Times: 3})
		c := w.ApplySub(ctx, "moved")
		Eventually(func() int { return len(w.Subs()) }).Should(Equal(1))
		testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) { c.Spec.Email = "edited@acme.example" })
		w.SMS().ClearFaults()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Subs()).To(HaveLen(1))
		Expect(w.Subs()[0].Values).To(HaveKeyWithValue("Email", "edited@acme.example"))
	})

	It("takes no account that it has not made, and none of two", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		first := w.PutSub("taken", nil)
		c := w.ApplySub(ctx, "taken")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(message(c)).To(And(ContainSubstring(first.ID), ContainSubstring("spec.email"), Not(ContainSubstring("takeover")), Not(ContainSubstring("accountName"))))
		second := w.PutSub("TAKEN", map[string]string{"Email": "TAKEN@acme.example"})
		testenv.Edit(ctx, c, adopting)
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
			g.Expect(message(c)).To(And(ContainSubstring(first.ID), ContainSubstring(second.ID)))
		}).Should(Succeed())
		Expect(counts(w)).NotTo(Or(HaveKey(simulator.TwoSMSCreate), HaveKey(simulator.TwoSMSUpdate)))
		Expect(w.SMS().Remove(second.ID)).To(BeTrue())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonAdoptedReadOnly))
	})

	It("only reads an adopted account until its password is declared", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		theirs := w.PutSub("adopted", nil)
		c := w.ApplySub(ctx, "adopted", func(c *v1alpha1.SubAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonAdoptedReadOnly))
		Expect(message(c)).To(ContainSubstring("spec.passwordSecretRef"))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) { c.Spec.LastName = "King" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordRequired))
		Expect(message(c)).To(And(ContainSubstring("lastName"), ContainSubstring("spec.passwordSecretRef")))
		Expect(counts(w)).NotTo(HaveKey(simulator.TwoSMSUpdate))
		Expect(w.Subs()[0].Values).To(Equal(theirs.Values))

		w.SMS().ResetCalls()
		testenv.Edit(ctx, c, password(ctx, w, "Declared-1"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(counts(w)).To(HaveKeyWithValue(simulator.TwoSMSUpdate, 1))
		Expect(w.Subs()[0].Values).To(And(HaveKeyWithValue("Lastname", "King"), HaveKeyWithValue("Username", "adopted"), HaveKeyWithValue("Password", "Declared-1")))
	})

	It("settles a rotation whose answer was lost and that nobody asks for any more", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		c := w.ApplySub(ctx, "rotated")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		before := w.Subs()[0].Values["Password"]
		w.SMS().AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: simulator.TwoSMSUpdate, Times: 1})
		w.SMS().AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: simulator.TwoSMSUpdate, After: 1, Times: 1000})
		testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: "1"}
		})
		Eventually(func() string { return w.Subs()[0].Values["Password"] }).ShouldNot(Equal(before))
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g).Second).To(HavePrefix("False/"))
			ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)
			g.Expect(ready.Status).To(Equal(metav1.ConditionFalse))
			g.Expect(ready.Message).To(ContainSubstring("password"))
		}).Should(Succeed())
		testenv.Edit(ctx, c, func(c *v1alpha1.SubAccount) { c.Annotations = nil })
		Consistently(func(g Gomega) metav1.ConditionStatus {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady).Status
		}, "1s").Should(Equal(metav1.ConditionFalse), "nobody knows which password the account has")
		w.SMS().ClearFaults()
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			secret := testenv.SecretOf(ctx, w.NS, "rotated-connection")
			g.Expect(secret).To(And(HaveKeyWithValue("password", w.Subs()[0].Values["Password"]), Not(HaveKey("passwordNext"))))
			g.Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)).To(BeTrue())
		}).WithTimeout(time.Minute).Should(Succeed())
	})

	It("needs a ParentAccount of its provider, as a ChildAccount does", func(ctx SpecContext) {
		w := testenv.NewTwoSMSWorld(ctx)
		w.ApplyMaster(ctx)
		w.ApplyParent(ctx)
		sub := w.ApplySub(ctx, "wrong", func(c *v1alpha1.SubAccount) { c.Spec.ParentRef.Name = "acme" })
		child := w.Apply(ctx, "wrong-child", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "acme-sms" })
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, sub)).Should(testenv.BeStalledAs(v1alpha1.ReasonProviderMismatch))
		Eventually(testenv.StateOf(ctx, child)).Should(testenv.BeStalledAs(v1alpha1.ReasonProviderMismatch))
		Expect(message(sub)).To(And(ContainSubstring("spec.parentRef"), ContainSubstring("ChildAccount")))
		Expect(meta.FindStatusCondition(child.Status.Conditions, v1alpha1.ConditionSynced).Message).To(ContainSubstring("declare the account as a SubAccount"))
		Expect(counts(w)).NotTo(HaveKey(simulator.TwoSMSCreate))
		Expect(w.Count("AddAccount")).To(BeZero())
		testenv.Edit(ctx, sub, func(c *v1alpha1.SubAccount) { c.Spec.ParentRef.Name = "acme-sms" })
		Eventually(testenv.StateOf(ctx, sub)).Should(testenv.BeAvailable())
	})

	It("of another namespace adopts only with the grant", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll)}
		})
		w.PutSub("tenant", nil)
		tenant := w.NewTenant(ctx, nil)
		c := w.Sub("tenant", adopting)
		c.Namespace, c.Spec.ParentRef.Namespace = tenant.NS, ptr.To(w.NS)
		Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
		made := w.Sub("made")
		made.Namespace, made.Spec.ParentRef.Namespace = tenant.NS, ptr.To(w.NS)
		Expect(testenv.K8s.Create(ctx, made)).To(Succeed())
		Eventually(testenv.StateOf(ctx, made)).Should(testenv.BeAvailable())
		p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-sms"}}
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Grants = []v1alpha1.Grant{v1alpha1.GrantAdopt}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonAdoptedReadOnly))
		Expect(testenv.K8s.DeleteAllOf(ctx, &v1alpha1.SubAccount{}, client.InNamespace(tenant.NS))).To(Succeed())
	})

	It("corrects drift without changing what the provider does not return", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		c := w.ApplySub(ctx, "drift")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		a := w.Subs()[0]
		Expect(w.SMS().SetValue(a.ID, "CompanyName", "Elsewhere")).To(Succeed())
		Eventually(func() string { return w.Subs()[0].Values["CompanyName"] }).Should(Equal("Acme Ltd"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Subs()[0].Values).To(Equal(a.Values))
	})

	It("that has a twin is refused, and says by whom", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		c := w.ApplySub(ctx, "twin")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		twin := w.ApplySub(ctx, "twin-too", adopting, func(o *v1alpha1.SubAccount) { o.Spec.Email = strings.ToUpper(c.Spec.Email) })
		Eventually(testenv.StateOf(ctx, twin)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(message(twin)).To(And(ContainSubstring("twin"), ContainSubstring("SubAccount")))
		Consistently(testenv.StateOf(ctx, c), "1s").Should(testenv.BeAvailable())
	})
})
