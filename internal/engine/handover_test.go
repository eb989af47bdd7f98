package engine_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// readSeldom has the list read once only: nothing waits for it.
func readSeldom(p *v1alpha1.ParentAccount) {
	p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
}

// adoptGranted lets resources of all namespaces have accounts that were there before.
var adoptGranted = v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll), Grants: []v1alpha1.Grant{v1alpha1.GrantAdopt}}

// moved is what the old one and the new one have in common.
func moved(c *v1alpha1.ChildAccount) {
	c.Spec.AccountName, c.Spec.Email = ptr.To("acme-moved"), "moved@acme.example"
}

func handingOverTo(c *v1alpha1.ChildAccount) func(*v1alpha1.ChildAccount) {
	return func(o *v1alpha1.ChildAccount) {
		metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha1.AnnotationHandOverTo, client.ObjectKeyFromObject(c).String())
	}
}

// expectHandedOver says that a resource has the account, active, with its claim, and nothing was made or switched off.
func expectHandedOver(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount, id string) {
	GinkgoHelper()
	Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	Expect(c.Status.AccountID).To(Equal(id))
	Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
	a := w.Account(c.AccountName())
	Expect(a.Active()).To(BeTrue())
	Expect(a.Text("account_custom_data")).To(ContainSubstring(fmt.Sprintf(`"namespace":%q,"name":%q`, c.Namespace, c.Name)))
	for _, call := range w.Sim.Calls() {
		Expect(call.Params).NotTo(HaveKeyWithValue("active", "false"), "%s switches the account off", call.Method)
	}
	Expect(w.Count("AddAccount")).To(Equal(1), "the one of the previous owner")
}

// expectCredentials compares what the connection Secret of the new owner holds with what that of the previous one held.
func expectCredentials(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount, before map[string]string) {
	GinkgoHelper()
	held := testenv.ConnectionOf(ctx, c)
	Expect(held).To(Equal(before))
	Expect(w.Sim.CheckPassword(w.Account(c.AccountName()).ID, held[secrets.KeyPassword])).To(BeTrue())
}

// expectLeftActive says that an event and the ParentAccount tell of the account of a deleted resource, which nobody has, and what to do.
func expectLeftActive(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount, next string) {
	GinkgoHelper()
	Eventually(testenv.EventsOf(ctx, c)).Should(beEvent("NotDeactivated", "(id "+c.Status.AccountID+") stays active", next))
	Expect(testenv.EventsOf(ctx, c)(Default)).NotTo(beEvent("HandedOver"))
	p := w.ParentAccount()
	Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(p), p)).To(Succeed())
	Expect(p.Status.NotDeactivated).NotTo(BeNil())
	Expect(p.Status.NotDeactivated.Accounts).To(ConsistOf(And(HaveField("Name", c.Name), HaveField("AccountID", HaveValue(Equal(c.Status.AccountID))))))
}

func beEvent(reason string, parts ...string) types.GomegaMatcher {
	all := []types.GomegaMatcher{HavePrefix(reason + ": ")}
	for _, part := range parts {
		all = append(all, ContainSubstring(part))
	}
	return ContainElement(And(all...))
}

var _ = Describe("A ChildAccount that is renamed", func() {
	// renames applies the old one, and then the new one and deletes the old one in either order.
	renames := func(ctx context.Context, newFirst bool, change ...func(*v1alpha1.ChildAccount)) (w *testenv.World, was, is *v1alpha1.ChildAccount) {
		w = testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		change = append(change, moved)
		was = w.ApplyReady(ctx, "old", change...)
		before := testenv.ConnectionOf(ctx, was)
		id := was.Status.AccountID
		is = w.Child("new", change...)
		if newFirst {
			Expect(testenv.K8s.Create(ctx, is)).To(Succeed())
			Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		}
		testenv.Remove(ctx, w, was)
		if !newFirst {
			Expect(testenv.K8s.Create(ctx, is)).To(Succeed())
		}
		expectHandedOver(ctx, w, is, id)
		expectCredentials(ctx, w, is, before)
		Eventually(testenv.EventsOf(ctx, is)).Should(beEvent("TakenOver", "acme-moved (id "+id+")", w.NS+"/old"))
		return w, was, is
	}

	It("keeps its account active under Deactivate, with claim, password and API key", func(ctx SpecContext) {
		w, was, is := renames(ctx, true, testenv.Deactivating)
		Eventually(testenv.EventsOf(ctx, was)).Should(beEvent("HandedOver", "acme-moved (id "+is.Status.AccountID+")", w.NS+"/new", "not deactivated"))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		testenv.StateOf(ctx, is)(Default)
		Expect(is.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionConnectionSecretReady),
			HaveField("Message", ContainSubstring("previous owner, which the operator does not update any more: old-connection. Delete that one")))))

		By("deleting the new one, which nobody declares beside it")
		testenv.Remove(ctx, w, is)
		Expect(w.Account("acme-moved").Active()).To(BeFalse())
	})

	It("keeps a connection Secret whose name both declare", func(ctx SpecContext) {
		named := func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("acme-login")}
		}
		w, _, is := renames(ctx, true, testenv.Deactivating, named)
		var login corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "acme-login"}, &login)).To(Succeed())
		Expect(login.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationResource, "ChildAccount/"+is.Name))
		Expect(is.Status.Conditions).NotTo(ContainElement(HaveField("Message", ContainSubstring("previous owner"))), "its own Secret")
	})

	It("keeps its account active where the ParentAccount of the new one is not connected yet", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", moved, testenv.Deactivating)
		id := was.Status.AccountID
		second := w.ParentAccount()
		second.Name = "second"
		readSeldom(second)
		second.Spec.Voximplant.CredentialsSecretRef.Name = "later"
		Expect(testenv.K8s.Create(ctx, second)).To(Succeed())
		is := w.Apply(ctx, "new", moved, testenv.Deactivating, func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = second.Name })
		Eventually(testenv.StateOf(ctx, is)).Should(HaveField("Second", HaveSuffix("/"+v1alpha1.ReasonParentNotReady)))
		Expect(testenv.K8s.Delete(ctx, was)).To(Succeed())
		Eventually(testenv.StateOf(ctx, was)).Should(HaveField("Message", ContainSubstring("whether another ChildAccount declares the account")))
		later := w.Credentials()
		later.Name = "later"
		Expect(testenv.K8s.Create(ctx, later)).To(Succeed())
		expectHandedOver(ctx, w, is, id)
	})

	DescribeTable("keeps its account although a finalizer of others keeps the old one", func(ctx SpecContext, change func(*v1alpha1.ChildAccount)) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", moved, change, func(c *v1alpha1.ChildAccount) { c.Finalizers = []string{"example.org/hold"} })
		before, id := testenv.ConnectionOf(ctx, was), was.Status.AccountID
		is := w.Apply(ctx, "new", moved, change)
		Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(testenv.K8s.Delete(ctx, was)).To(Succeed())
		expectHandedOver(ctx, w, is, id)
		expectCredentials(ctx, w, is, before)
		Eventually(testenv.StateOf(ctx, was)).Should(And(HaveField("Ready", "False/Deleting"), HaveField("Message", ContainSubstring("is active"))))
	},
		Entry("under Retain", func(*v1alpha1.ChildAccount) {}),
		Entry("under Deactivate", testenv.Deactivating),
	)

	It("is switched off after a minute where no ParentAccount of the other one gets connected", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", moved, testenv.Deactivating)
		never := w.ParentAccount()
		never.Name = "never"
		never.Spec.Voximplant.CredentialsSecretRef.Name = "missing"
		Expect(testenv.K8s.Create(ctx, never)).To(Succeed())
		w.Apply(ctx, "new", moved, func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = never.Name })
		Expect(testenv.K8s.Delete(ctx, was)).To(Succeed())
		Eventually(testenv.StateOf(ctx, was)).Should(HaveField("Message", ContainSubstring("whether another ChildAccount declares the account")))
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
		Eventually(func() bool { return w.Account("acme-moved").Active() }).WithTimeout(3 * time.Minute).Should(BeFalse())
		testenv.ExpectGone(ctx, was)
	})

	It("keeps its account under Retain, whichever comes first", func(ctx SpecContext) {
		w, was, _ := renames(ctx, true)
		Eventually(testenv.EventsOf(ctx, was)).Should(beEvent("HandedOver", w.NS+"/new"))
	})

	It("finds its account again under Retain, where the old one was deleted before", func(ctx SpecContext) {
		renames(ctx, false)
	})

	It("finds its account switched off where the old one was deleted before under Deactivate, and says so", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", testenv.Deactivating, moved)
		before := testenv.ConnectionOf(ctx, was)
		testenv.Remove(ctx, w, was)
		Expect(w.Account("acme-moved").Active()).To(BeFalse())
		is := w.Apply(ctx, "new", testenv.Deactivating, moved)
		Eventually(testenv.StateOf(ctx, is)).Should(HaveField("Ready", HaveSuffix("/"+v1alpha1.ReasonDeactivatedEarlier)))
		Expect(is.Status.AccountID).To(Equal(was.Status.AccountID))
		expectCredentials(ctx, w, is, before)
		Expect(w.Account("acme-moved").Active()).To(BeFalse(), "nobody has declared that it is to be active")

		By("declaring it")
		testenv.Edit(ctx, is, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
	})

	It("is taken over by the oldest of several, and the others wait", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", testenv.Deactivating, moved)
		id := was.Status.AccountID
		oldest := w.Apply(ctx, "zz-oldest", testenv.Deactivating, moved)
		testenv.AwaitNextSecond(oldest)
		younger := w.Apply(ctx, "aa-younger", testenv.Deactivating, moved)
		for _, c := range []*v1alpha1.ChildAccount{oldest, younger} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		}
		testenv.Remove(ctx, w, was)
		expectHandedOver(ctx, w, oldest, id)
		Expect(testenv.StateOf(ctx, younger)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Eventually(testenv.EventsOf(ctx, was)).Should(beEvent("HandedOver", w.NS+"/zz-oldest"))

		By("deleting that one too")
		testenv.Remove(ctx, w, oldest)
		expectHandedOver(ctx, w, younger, id)
	})

	It("hands its account over where it waits for an approval to switch it off", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom, func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](0) })
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", testenv.Deactivating, moved)
		Expect(testenv.K8s.Delete(ctx, was)).To(Succeed())
		Eventually(testenv.StateOf(ctx, was)).Should(HaveField("Second", HaveSuffix(v1alpha1.ReasonAwaitingApproval)))
		is := w.Apply(ctx, "new", moved)
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(was), was) }).Should(testenv.BeNotFound())
		expectHandedOver(ctx, w, is, was.Status.AccountID)
	})

	DescribeTable("loses its account to nobody who would not keep it", func(ctx SpecContext, change func(*v1alpha1.ChildAccount)) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", testenv.Deactivating, moved)
		is := w.Apply(ctx, "new", moved, change)
		Eventually(testenv.StateOf(ctx, is)).Should(HaveField("Observed", true))
		testenv.Remove(ctx, w, was)
		Expect(w.Account("acme-moved").Active()).To(BeFalse())
		Expect(testenv.EventsOf(ctx, was)(Default)).NotTo(beEvent("HandedOver"))
	},
		Entry("suspended", func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) }),
		Entry("observing", func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) }),
	)

	It("takes nothing from an owner that is there, though the cache of its claim says otherwise", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", moved)
		is := w.Apply(ctx, "new", moved)
		Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		testenv.Edit(ctx, is, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, is)(g)).To(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
			g.Expect(is.Status.LastHandledReconcileAt).To(Equal("now"))
		}).Should(Succeed())
		Expect(testenv.StateOf(ctx, was)(Default)).To(testenv.BeAvailable())
		Expect(w.Changes()).To(Equal([]string{"AddAccount"}))
	})

	It("is not refused for good where the old one's Secret is gone, and says how to get a new password", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, readSeldom)
		w.Start(ctx)
		was := w.ApplyReady(ctx, "old", moved)
		testenv.Remove(ctx, w, was)
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "old-connection"}})).To(Succeed())
		is := w.Apply(ctx, "new", moved)
		Eventually(func(g Gomega) {
			testenv.StateOf(ctx, is)(g)
			g.Expect(is.Status.AccountID).To(Equal(was.Status.AccountID))
		}).Should(Succeed())
		Expect(testenv.ConnectionOf(ctx, is)).NotTo(HaveKey(secrets.KeyPassword))
		Expect(secretMessage(is)).To(ContainSubstring(v1alpha1.AnnotationRotatePassword))
		testenv.Edit(ctx, is, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationRotatePassword, "now")
		})
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, is) }).Should(HaveKey(secrets.KeyPassword))
		Eventually(func() bool {
			return w.Sim.CheckPassword(w.Account("acme-moved").ID, testenv.ConnectionOf(ctx, is)[secrets.KeyPassword])
		}).Should(BeTrue())
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, is) }).Should(HaveKey(secrets.KeyAPIKey))
	})
})

var _ = Describe("A ChildAccount that is moved to another namespace", func() {
	// tenancy is an account of a tenant, which is switched off with its resource.
	tenancy := func(ctx context.Context, allowed v1alpha1.AllowedNamespaces, change ...func(*v1alpha1.ChildAccount)) (*testenv.World, *testenv.Tenant, *v1alpha1.ChildAccount) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = thisInstallation
		w.ApplyParent(ctx, readSeldom, testenv.Sharing(allowed))
		t := w.NewTenant(ctx, nil)
		w.Start(ctx)
		was := t.Apply(ctx, "old", append(change, testenv.Deactivating, moved)...)
		Eventually(testenv.StateOf(ctx, was)).Should(testenv.BeAvailable())
		return w, t, was
	}
	waiting := func(ctx context.Context, c *v1alpha1.ChildAccount) {
		GinkgoHelper()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
	}

	It("keeps its account, with password and API key, where the old one hands it over to the ParentAccount's namespace", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll)
		before := testenv.ConnectionOf(ctx, was)
		is := w.Apply(ctx, "new", moved, adoptingIfIdentical)
		waiting(ctx, is)
		testenv.Edit(ctx, was, handingOverTo(is))
		testenv.Remove(ctx, w, was)
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		expectCredentials(ctx, w, is, before)
		Eventually(testenv.EventsOf(ctx, is)).Should(beEvent("CredentialsKnownElsewhere", "users of namespace "+t.NS, "password and API key", "ask the provider to replace the API key", v1alpha1.AnnotationRotatePassword))
		Expect(secretMessage(is)).To(ContainSubstring("users of namespace %s, the account's former one, know its password and API key", t.NS))
	})

	It("is not planted on the ParentAccount's namespace: its resource has to accept it", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll, func(*v1alpha1.ChildAccount) {})
		testenv.Edit(ctx, was, func(c *v1alpha1.ChildAccount) {
			c.Spec.DeletionPolicy = nil
			handingOverTo(w.Child("new"))(c)
		})
		is := w.Apply(ctx, "new", moved)
		waiting(ctx, is)
		Expect(testenv.StateOf(ctx, is)(Default).Message).To(And(ContainSubstring(t.NS+"/old; the users of that namespace know"),
			ContainSubstring("before the owner is deleted, set spec.adoptionPolicy: IfIdentical"), Not(ContainSubstring("Delete this resource, or the owner"))))
		testenv.Remove(ctx, w, was)
		Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(testenv.StateOf(ctx, is)(Default).Message).To(And(ContainSubstring(t.NS+"/old, which is deleted"), ContainSubstring("still know the account's password and API key"),
			ContainSubstring("To accept the account, set spec.adoptionPolicy: IfIdentical (or Always), or the annotation %s: %q", v1alpha1.AnnotationTakeover, thisInstallation),
			HaveSuffix(`%s="$(date +%%s)"`, v1alpha1.AnnotationRotatePassword)))
		Expect(w.Writes()).To(Equal(1), "the AddAccount of the previous owner")
		Expect(w.Account("acme-moved").Text("account_custom_data")).To(ContainSubstring(t.NS))

		By("accepting it")
		testenv.Edit(ctx, is, adoptingIfIdentical)
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		Eventually(testenv.EventsOf(ctx, is)).Should(beEvent("CredentialsKnownElsewhere", t.NS))
	})

	It("keeps its account without them where the old one says nothing, and its connection Secret can say so later", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll)
		before := testenv.ConnectionOf(ctx, was)
		is := w.Apply(ctx, "new", moved, takingOverHere)
		waiting(ctx, is)
		testenv.Remove(ctx, w, was)
		Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(testenv.StateOf(ctx, is)(Default).Message).To(And(ContainSubstring("is shared"), ContainSubstring("%s: %s/new", v1alpha1.AnnotationHandOverTo, w.NS)))
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
		Expect(w.Writes()).To(Equal(1), "the AddAccount of the previous owner")
		expectLeftActive(ctx, w, was, v1alpha1.AnnotationHandOverTo)

		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.NS, Name: "old-connection"}}
		testenv.Edit(ctx, secret, func(s *corev1.Secret) {
			metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationHandOverTo, w.NS+"/new")
		})
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		expectCredentials(ctx, w, is, before)
	})

	It("says that its account stays active where nothing proves to the new one that the account is to be had", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll)
		is := t.Apply(ctx, "new", moved)
		waiting(ctx, is)
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.NS, Name: "old-connection"}})).To(Succeed())
		testenv.Remove(ctx, w, was)
		Eventually(testenv.StateOf(ctx, is)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
		expectLeftActive(ctx, w, was, "restore the connection Secret")
	})

	It("is had without password by whoever adopts it, who is told how to get a new one", func(ctx SpecContext) {
		w, _, was := tenancy(ctx, testenv.FromAll)
		is := w.Apply(ctx, "new", moved, adoptingAlways)
		waiting(ctx, is)
		testenv.Remove(ctx, w, was)
		Eventually(func(g Gomega) {
			testenv.StateOf(ctx, is)(g)
			g.Expect(is.Status.AccountID).To(Equal(was.Status.AccountID))
		}).Should(Succeed())
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
		Expect(testenv.ConnectionOf(ctx, is)).NotTo(HaveKey(secrets.KeyPassword))
		Expect(secretMessage(is)).To(ContainSubstring(v1alpha1.AnnotationRotatePassword))
		testenv.Edit(ctx, is, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationRotatePassword, "now")
		})
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, is) }).Should(HaveKey(secrets.KeyPassword))
		Eventually(func() bool {
			return w.Sim.CheckPassword(w.Account("acme-moved").ID, testenv.ConnectionOf(ctx, is)[secrets.KeyPassword])
		}).Should(BeTrue())
	})

	It("keeps its account in another tenant's namespace with the grant Adopt", func(ctx SpecContext) {
		w, _, was := tenancy(ctx, adoptGranted)
		before := testenv.ConnectionOf(ctx, was)
		other := w.NewTenant(ctx, nil)
		is := other.Apply(ctx, "new", moved, takingOverHere)
		waiting(ctx, is)
		testenv.Edit(ctx, was, handingOverTo(is))
		testenv.Remove(ctx, w, was)
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		expectCredentials(ctx, w, is, before)
		Eventually(testenv.EventsOf(ctx, is)).Should(beEvent("TakenOver", "names another ChildAccount as its owner"))
		Eventually(testenv.EventsOf(ctx, was)).Should(beEvent("HandedOver", "to another ChildAccount"))
	})

	It("is left to the namespace of the old one for a while, whoever waits for it with the grant Adopt", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, adoptGranted)
		id := was.Status.AccountID
		thief := w.NewTenant(ctx, nil).Apply(ctx, "thief", moved, adoptingAlways)
		waiting(ctx, thief)
		testenv.Remove(ctx, w, was)
		Eventually(testenv.StateOf(ctx, thief)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(testenv.StateOf(ctx, thief)(Default).Message).To(And(ContainSubstring("of another namespace, which may be applied again"), Not(ContainSubstring(t.NS))))
		w.Stop()
		w.Start(ctx)
		w.AwaitSilence()
		Expect(testenv.StateOf(ctx, thief)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		again := t.Apply(ctx, "old", testenv.Deactivating, moved)
		expectHandedOver(ctx, w, again, id)
		testenv.Edit(ctx, thief, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		Eventually(testenv.StateOf(ctx, thief)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
	})

	It("under Retain hands over what it says before it is deleted", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll, func(c *v1alpha1.ChildAccount) {})
		testenv.Edit(ctx, was, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = nil })
		is := w.Apply(ctx, "new", moved, adoptingIfIdentical)
		waiting(ctx, is)
		testenv.Edit(ctx, was, handingOverTo(is))
		Eventually(func(g Gomega) map[string]string {
			secret := &corev1.Secret{}
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: t.NS, Name: "old-connection"}, secret)).To(Succeed())
			return secret.Annotations
		}).Should(HaveKeyWithValue(v1alpha1.AnnotationHandOverTo, w.NS+"/new"))
		before := testenv.ConnectionOf(ctx, was)
		testenv.Remove(ctx, w, was)
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		expectCredentials(ctx, w, is, before)
	})

	DescribeTable("is switched off though a tenant without the grant declares its account", func(ctx SpecContext, change func(*v1alpha1.ChildAccount)) {
		w, t, was := tenancy(ctx, testenv.FromAll)
		hostile := w.NewTenant(ctx, nil)
		theirs := hostile.Child("keep", moved)
		change(theirs)
		Expect(hostile.Create(ctx, theirs)).To(Succeed())
		Eventually(testenv.StateOf(ctx, theirs)).Should(HaveField("Flags", v1alpha1.ConditionStalled))
		Expect(t.Delete(ctx, was)).To(Succeed())
		testenv.ExpectGone(ctx, was)
		Expect(w.Account("acme-moved").Active()).To(BeFalse())
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))

		By("waiting for what becomes of theirs")
		w.Stop()
		w.Start(ctx)
		testenv.Edit(ctx, theirs, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, theirs)(g)).To(Or(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere), testenv.BeStalledAs(v1alpha1.ReasonNotPermitted)))
			g.Expect(theirs.Status.LastHandledReconcileAt).To(Equal("now"))
		}).Should(Succeed())
		Expect(w.Writes()).To(Equal(2), "nothing was written for theirs")
	},
		Entry("plainly", func(*v1alpha1.ChildAccount) {}),
		Entry("to adopt it", adoptingAlways),
		Entry("to take it over", func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "any"}
		}),
		Entry("and says that it is handed over to it", func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationHandOverTo: c.Namespace + "/" + c.Name}
		}),
	)

	It("is not kept from the one that may have it by an older one that may not", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll)
		hostile := w.NewTenant(ctx, nil)
		squatter := hostile.Apply(ctx, "squatter", moved)
		waiting(ctx, squatter)
		testenv.AwaitNextSecond(squatter)
		is := t.Apply(ctx, "new", moved)
		waiting(ctx, is)
		testenv.Remove(ctx, w, was)
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		Expect(testenv.StateOf(ctx, squatter)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
	})

	It("goes to the one that it names of several, before an older one", func(ctx SpecContext) {
		w, _, was := tenancy(ctx, testenv.FromAll)
		older := w.Apply(ctx, "aa-older", moved, takingOverHere)
		testenv.AwaitNextSecond(older)
		is := w.Apply(ctx, "new", moved, takingOverHere)
		waiting(ctx, older)
		waiting(ctx, is)
		testenv.Edit(ctx, was, handingOverTo(is))
		testenv.Remove(ctx, w, was)
		expectHandedOver(ctx, w, is, was.Status.AccountID)
		Expect(testenv.StateOf(ctx, older)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
	})

	It("takes along nothing that a Secret holds which is not the account's password", func(ctx SpecContext) {
		w, t, was := tenancy(ctx, testenv.FromAll)
		is := w.Apply(ctx, "new", moved, adoptingAlways)
		waiting(ctx, is)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.NS, Name: "old-connection"}}
		testenv.Remove(ctx, w, was)
		Eventually(func(g Gomega) {
			testenv.StateOf(ctx, is)(g)
			g.Expect(is.Status.AccountID).To(Equal(was.Status.AccountID))
		}).Should(Succeed())
		By("having it bound anew, with a forged Secret of the previous owner")
		testenv.Remove(ctx, w, is)
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "new-connection"}})).To(Succeed())
		testenv.Edit(ctx, secret, func(s *corev1.Secret) {
			metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationHandOverTo, w.NS+"/again")
			s.Data[secrets.KeyPassword], s.Data[secrets.KeyAPIKey] = []byte("a guess"), []byte("forged")
		})
		claim := account.Claim{Installation: installationOf(w, is), Namespace: t.NS, Name: "old"}
		Expect(w.Sim.SetField(w.Account("acme-moved").ID, "account_custom_data", claim.CustomData())).To(Succeed())
		w.Stop()
		w.Start(ctx)
		again := w.Apply(ctx, "again", moved, adoptingAlways)
		Eventually(func(g Gomega) {
			testenv.StateOf(ctx, again)(g)
			g.Expect(again.Status.AccountID).To(Equal(was.Status.AccountID))
		}).Should(Succeed())
		held := testenv.ConnectionOf(ctx, again)
		Expect(held).NotTo(HaveKey(secrets.KeyPassword))
		Expect(held[secrets.KeyAPIKey]).NotTo(Equal("forged"))
	})
})

// installationOf is the id in the claim of a resource's account.
func installationOf(w *testenv.World, c *v1alpha1.ChildAccount) string {
	claim, ok := account.ParseClaim(w.Account(c.AccountName()).Text("account_custom_data"))
	Expect(ok).To(BeTrue())
	return claim.Installation
}

// thisInstallation is the id of the installation where accounts are moved between namespaces.
const thisInstallation = "mine"

// adoptingIfIdentical and takingOverHere have a resource accept the account of another namespace.
func adoptingIfIdentical(c *v1alpha1.ChildAccount) {
	c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical)
}

func takingOverHere(c *v1alpha1.ChildAccount) {
	metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationTakeover, thisInstallation)
}

func adoptingAlways(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }

// secretMessage is what is said of the connection Secret.
func secretMessage(c *v1alpha1.ChildAccount) string {
	GinkgoHelper()
	said := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)
	Expect(said).NotTo(BeNil())
	return said.Message
}
