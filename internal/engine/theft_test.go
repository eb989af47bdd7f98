package engine_test

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("An account that somebody wants who has no right to it", func() {
	takingOver := func(c *v1alpha1.ChildAccount) {
		c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "other"}
	}
	// theirs is an account whose custom data has this claim.
	theirs := func(w *testenv.World, claim account.Claim) {
		w.Options.InstallationID = "mine"
		w.Sim.PutAccount(claimed(w, "acme-theirs", claim))
	}
	others := account.Claim{Installation: "other", Namespace: "ns", Name: "acme-theirs"}

	It("is not a tenant's for a claim and an intent, nor for a Secret, which anybody may have written", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		t := w.NewTenant(ctx, nil)
		theirs(w, account.Claim{Installation: "mine", Namespace: t.NS, Name: "acme-theirs"})
		p := w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll))
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		id := fmt.Sprint(w.Account("acme-theirs").ID)
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: t.NS, Name: "acme-theirs-connection",
				Labels: map[string]string{v1alpha1.LabelConnection: "true"},
				Annotations: map[string]string{
					v1alpha1.AnnotationResource: "ChildAccount/acme-theirs",
					v1alpha1.AnnotationAccount:  fmt.Sprint(w.Parent.ID, "/acme-theirs"),
				},
			},
			StringData: map[string]string{"accountID": id, "accountName": "acme-theirs", "password": "a guess"},
		})).To(Succeed())
		c := t.Apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) {
			c.Spec.Email = "thief@acme.example"
			c.Annotations = map[string]string{v1alpha1.AnnotationCreateIntent: fmt.Sprint(w.Parent.ID, "/acme-theirs"), v1alpha1.AnnotationRotatePassword: "now"}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.AwaitLists(2)
		Expect(w.Writes()).To(BeZero())
		looks := w.Count("GetAccountInfo")
		w.AwaitLists(2)
		Expect(w.Count("GetAccountInfo")).To(Equal(looks), "the password is tried once")
	})

	It("is the rightful holder's again, that is deleted and applied anew, whoever waits for it", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		b, v := w.NewTenant(ctx, nil), w.NewTenant(ctx, nil)
		victim := v.Apply(ctx, "acme-wanted")
		Eventually(testenv.StateOf(ctx, victim)).Should(testenv.BeAvailable())
		squatter := b.Apply(ctx, "acme-squatter", testenv.WithAccountName("acme-wanted"))
		Eventually(testenv.StateOf(ctx, squatter)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		testenv.AwaitNextSecond(squatter)
		Expect(v.Delete(ctx, victim)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(victim), victim) }).Should(testenv.BeNotFound())
		w.AwaitLists(1)
		again := v.Apply(ctx, "acme-wanted")
		Eventually(testenv.StateOf(ctx, again)).Should(testenv.BeAvailable())
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, again)(Default)).To(testenv.BeAvailable())
	})

	It("is not taken over from a holder that only looks at it for a while", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "mine"
		w.ApplyParent(ctx, testenv.Sharing(v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}))
		t := w.NewTenant(ctx, nil)
		w.Start(ctx)
		owner := w.ApplyReady(ctx, "acme-wanted")
		testenv.Edit(ctx, owner, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) })
		Eventually(testenv.StateOf(ctx, owner)).Should(testenv.BeReadyAs(v1alpha1.ReasonObserved))
		writes := w.Writes()
		thief := t.Apply(ctx, "acme-thief", testenv.WithAccountName("acme-wanted"), func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "mine", v1alpha1.AnnotationRotatePassword: "now"}
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(testenv.StateOf(ctx, thief)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		w.AwaitLists(2)
		Expect(w.Writes()).To(Equal(writes))
		testenv.Edit(ctx, owner, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = nil })
		Eventually(testenv.StateOf(ctx, owner)).Should(testenv.BeAvailable())
	})

	It("has no claim of its former holder's left, once taken over, though the claim could not be written at first", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		theirs(w, others)
		w.ApplyParent(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "SetAccountInfo", Times: 1})
		w.Start(ctx)
		c := w.Apply(ctx, "acme-theirs", takingOver)
		Eventually(func() string { return w.Account("acme-theirs").Text("account_custom_data") }).Should(ContainSubstring("mine"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("is switched off with whoever took it over, though its first change was refused", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		theirs(w, others)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-bystander", "taken@acme.example"))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-theirs", takingOver, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.DeletionPolicy = "taken@acme.example", ptr.To(v1alpha1.DeletionDeactivate)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonEmailTaken))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "free@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-theirs").Text("account_custom_data")).To(ContainSubstring("mine"))
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-theirs").Active()).To(BeFalse())
	})

	It("is not switched off by the deletion of a resource that forges everything but the password", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "mine"
		w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll))
		v, b := w.NewTenant(ctx, nil), w.NewTenant(ctx, nil)
		w.Start(ctx)
		victim := v.Apply(ctx, "acme-wanted")
		Eventually(testenv.StateOf(ctx, victim)).Should(testenv.BeAvailable())
		forged := account.Claim{Installation: "mine", Namespace: b.NS, Name: "acme-thief"}
		Expect(w.Sim.SetField(w.Account("acme-wanted").ID, "account_custom_data", forged.CustomData())).To(Succeed())
		w.AwaitLists(2)
		theft := func(reason string) {
			GinkgoHelper()
			thief := b.Apply(ctx, "acme-thief", testenv.WithAccountName("acme-wanted"), testenv.Deactivating, func(c *v1alpha1.ChildAccount) {
				c.Finalizers = []string{v1alpha1.Finalizer}
				c.Annotations = map[string]string{v1alpha1.AnnotationCreateIntent: fmt.Sprint(w.Parent.ID, "/acme-wanted")}
			})
			Eventually(testenv.StateOf(ctx, thief)).Should(testenv.BeStalledAs(reason))
			Expect(b.Delete(ctx, thief)).To(Succeed())
			testenv.ExpectGone(ctx, thief)
			Expect(w.Account("acme-wanted").Active()).To(BeTrue())
			Eventually(func(g Gomega) []string {
				return slices.DeleteFunc(testenv.EventsOf(ctx, thief)(g), func(e string) bool { return !strings.HasPrefix(e, "NotDeactivated: ") })
			}).Should(ContainElement(ContainSubstring(map[string]string{
				v1alpha1.ReasonDuplicateResource: "is owned by another ChildAccount", v1alpha1.ReasonAdoptionRefused: "does not prove it",
			}[reason])))
		}
		theft(v1alpha1.ReasonDuplicateResource)
		Expect(testenv.StateOf(ctx, victim)(Default)).To(testenv.BeAvailable())

		By("doing it again once the account is nobody's")
		Expect(v.Delete(ctx, victim)).To(Succeed())
		testenv.ExpectGone(ctx, victim)
		theft(v1alpha1.ReasonAdoptionRefused)
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
	})

	It("is had by whoever comes after a suspended resource that has never had one", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		b := w.NewTenant(ctx, nil)
		squatter := b.Apply(ctx, "acme-squatter", testenv.WithAccountName("acme-wanted"), func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		testenv.AwaitNextSecond(squatter)
		owner := w.ApplyReady(ctx, "acme-wanted")
		testenv.Edit(ctx, squatter, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = nil })
		Eventually(testenv.StateOf(ctx, squatter)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, owner)(Default)).To(testenv.BeAvailable())
	})

	It("is not taken over from a suspended resource of which a cluster built anew does not know yet that it has one", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		theirs(w, account.Claim{Installation: "mine", Namespace: w.NS, Name: "acme-owner"})
		w.ApplyParent(ctx, testenv.Sharing(v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}))
		t := w.NewTenant(ctx, nil)
		w.Start(ctx)
		w.Apply(ctx, "acme-owner", testenv.WithAccountName("acme-theirs"), func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		thief := t.Apply(ctx, "acme-thief", testenv.WithAccountName("acme-theirs"), func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "mine"}
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(testenv.StateOf(ctx, thief)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		w.AwaitLists(2)
		Expect(w.Writes()).To(BeZero())
	})

	DescribeTable("has a claim that nobody writes, which is none", func(ctx SpecContext, installation string) {
		w := testenv.NewWorld(ctx)
		theirs(w, account.Claim{Installation: installation, Namespace: w.NS, Name: "n"})
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-theirs")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(testenv.StateOf(ctx, c)(Default).Message).NotTo(ContainSubstring("kubectl delete"))
	},
		Entry("of words", "x. Run: kubectl delete secret"),
		Entry("with control characters", "x\n\x1b[2J\u202ekubectl delete secret"),
		Entry("too long", strings.Repeat("y", 40_000)),
	)
})
