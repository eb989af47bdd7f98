package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// secondLater waits until what is made now is younger than a resource, as far as creationTimestamp tells.
func secondLater(c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Eventually(time.Now).Should(BeTemporally(">=", c.CreationTimestamp.Add(time.Second)))
}

func ofAccount(name string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To(name) }
}

var _ = Describe("An account that somebody wants who has no right to it", func() {
	takingOver := func(c *v1alpha1.ChildAccount) {
		c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "other"}
	}
	// theirs is an account whose custom data has this claim.
	theirs := func(w *world, claim account.Claim) {
		w.options.InstallationID = "mine"
		w.sim.PutAccount(claimed(w, "acme-theirs", claim))
	}
	others := account.Claim{Installation: "other", Namespace: "ns", Name: "acme-theirs"}

	It("is not a tenant's for a claim and an intent, nor for a Secret, which anybody may have written", func(ctx SpecContext) {
		w := newWorld(ctx)
		t := w.tenant(ctx, nil)
		theirs(w, account.Claim{Installation: "mine", Namespace: t.ns, Name: "acme-theirs"})
		p := w.applyParent(ctx, sharing(fromAll))
		w.start(ctx)
		Eventually(state(ctx, p)).Should(BeAvailable())
		id := fmt.Sprint(w.account("acme-theirs").ID)
		Expect(k8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: t.ns, Name: "acme-theirs-connection",
				Labels: map[string]string{v1alpha1.LabelConnection: "true"},
				Annotations: map[string]string{
					v1alpha1.AnnotationResource: "ChildAccount/acme-theirs",
					v1alpha1.AnnotationAccount:  fmt.Sprint(w.parent.ID, "/acme-theirs"),
				},
			},
			StringData: map[string]string{"accountID": id, "accountName": "acme-theirs", "password": "a guess"},
		})).To(Succeed())
		c := t.apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) {
			c.Spec.Email = "thief@acme.example"
			c.Annotations = map[string]string{v1alpha1.AnnotationCreateIntent: fmt.Sprint(w.parent.ID, "/acme-theirs"), v1alpha1.AnnotationRotatePassword: "now"}
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.awaitLists(2)
		Expect(w.writes()).To(BeZero())
		looks := w.count("GetAccountInfo")
		w.awaitLists(2)
		Expect(w.count("GetAccountInfo")).To(Equal(looks), "the password is tried once")
	})

	It("is the rightful holder's again, that is deleted and applied anew, whoever waits for it", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		b, v := w.tenant(ctx, nil), w.tenant(ctx, nil)
		victim := v.apply(ctx, "acme-wanted")
		Eventually(state(ctx, victim)).Should(BeAvailable())
		squatter := b.apply(ctx, "acme-squatter", ofAccount("acme-wanted"))
		Eventually(state(ctx, squatter)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		secondLater(squatter)
		Expect(v.Delete(ctx, victim)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(victim), victim) }).Should(beNotFound())
		w.awaitLists(1)
		again := v.apply(ctx, "acme-wanted")
		Eventually(state(ctx, again)).Should(BeAvailable())
		w.awaitLists(2)
		Expect(state(ctx, again)(Default)).To(BeAvailable())
	})

	It("is not taken over from a holder that only looks at it for a while", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.InstallationID = "mine"
		w.applyParent(ctx, sharing(v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}))
		t := w.tenant(ctx, nil)
		w.start(ctx)
		owner := w.applyReady(ctx, "acme-wanted")
		edit(ctx, owner, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) })
		Eventually(state(ctx, owner)).Should(BeReadyAs(v1alpha1.ReasonObserved))
		writes := w.writes()
		thief := t.apply(ctx, "acme-thief", ofAccount("acme-wanted"), func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "mine", v1alpha1.AnnotationRotatePassword: "now"}
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(state(ctx, thief)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		w.awaitLists(2)
		Expect(w.writes()).To(Equal(writes))
		edit(ctx, owner, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = nil })
		Eventually(state(ctx, owner)).Should(BeAvailable())
	})

	It("has no claim of its former holder's left, once taken over, though the claim could not be written at first", func(ctx SpecContext) {
		w := newWorld(ctx)
		theirs(w, others)
		w.applyParent(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "SetAccountInfo", Times: 1})
		w.start(ctx)
		c := w.apply(ctx, "acme-theirs", takingOver)
		Eventually(func() string { return w.account("acme-theirs").Text("account_custom_data") }).Should(ContainSubstring("mine"))
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("is switched off with whoever took it over, though its first change was refused", func(ctx SpecContext) {
		w := newWorld(ctx)
		theirs(w, others)
		w.sim.PutAccount(simulatorChild(w, "acme-bystander", "taken@acme.example"))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-theirs", takingOver, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.DeletionPolicy = "taken@acme.example", ptr.To(v1alpha1.DeletionDeactivate)
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonEmailTaken))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "free@acme.example" })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-theirs").Text("account_custom_data")).To(ContainSubstring("mine"))
		remove(ctx, w, c)
		Expect(w.account("acme-theirs").Active()).To(BeFalse())
	})

	It("is not switched off by the deletion of a resource that forges everything but the password", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.InstallationID = "mine"
		w.applyParent(ctx, sharing(fromAll))
		v, b := w.tenant(ctx, nil), w.tenant(ctx, nil)
		w.start(ctx)
		victim := v.apply(ctx, "acme-wanted")
		Eventually(state(ctx, victim)).Should(BeAvailable())
		forged := account.Claim{Installation: "mine", Namespace: b.ns, Name: "acme-thief"}
		Expect(w.sim.SetField(w.account("acme-wanted").ID, "account_custom_data", forged.CustomData())).To(Succeed())
		w.awaitLists(2)
		theft := func(reason string) {
			GinkgoHelper()
			thief := b.apply(ctx, "acme-thief", ofAccount("acme-wanted"), deactivating, func(c *v1alpha1.ChildAccount) {
				c.Finalizers = []string{v1alpha1.Finalizer}
				c.Annotations = map[string]string{v1alpha1.AnnotationCreateIntent: fmt.Sprint(w.parent.ID, "/acme-wanted")}
			})
			Eventually(state(ctx, thief)).Should(BeStalledAs(reason))
			Expect(b.Delete(ctx, thief)).To(Succeed())
			gone(ctx, thief)
			Expect(w.account("acme-wanted").Active()).To(BeTrue())
			Eventually(func(g Gomega) []string {
				return slices.DeleteFunc(eventsOf(ctx, thief)(g), func(e string) bool { return !strings.HasPrefix(e, "NotDeactivated: ") })
			}).Should(ContainElement(ContainSubstring(map[string]string{
				v1alpha1.ReasonDuplicateResource: "belongs to another ChildAccount", v1alpha1.ReasonAdoptionRefused: "does not prove it",
			}[reason])))
		}
		theft(v1alpha1.ReasonDuplicateResource)
		Expect(state(ctx, victim)(Default)).To(BeAvailable())

		By("doing it again once the account is nobody's")
		Expect(v.Delete(ctx, victim)).To(Succeed())
		gone(ctx, victim)
		theft(v1alpha1.ReasonAdoptionRefused)
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
	})

	It("is had by whoever comes after a suspended resource that has never had one", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		b := w.tenant(ctx, nil)
		squatter := b.apply(ctx, "acme-squatter", ofAccount("acme-wanted"), func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		secondLater(squatter)
		owner := w.applyReady(ctx, "acme-wanted")
		edit(ctx, squatter, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = nil })
		Eventually(state(ctx, squatter)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		w.awaitLists(2)
		Expect(state(ctx, owner)(Default)).To(BeAvailable())
	})

	It("is not taken over from a suspended resource of which a cluster built anew does not know yet that it has one", func(ctx SpecContext) {
		w := newWorld(ctx)
		theirs(w, account.Claim{Installation: "mine", Namespace: w.ns, Name: "acme-owner"})
		w.applyParent(ctx, sharing(v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}))
		t := w.tenant(ctx, nil)
		w.start(ctx)
		w.apply(ctx, "acme-owner", ofAccount("acme-theirs"), func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		thief := t.apply(ctx, "acme-thief", ofAccount("acme-theirs"), func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "mine"}
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(state(ctx, thief)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		w.awaitLists(2)
		Expect(w.writes()).To(BeZero())
	})

	DescribeTable("has a claim that nobody writes, which is none", func(ctx SpecContext, installation string) {
		w := newWorld(ctx)
		theirs(w, account.Claim{Installation: installation, Namespace: w.ns, Name: "n"})
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-theirs")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(state(ctx, c)(Default).message).NotTo(ContainSubstring("kubectl delete"))
	},
		Entry("of words", "x. Run: kubectl delete secret"),
		Entry("with control characters", "x\n\x1b[2J\u202ekubectl delete secret"),
		Entry("too long", strings.Repeat("y", 40_000)),
	)
})
