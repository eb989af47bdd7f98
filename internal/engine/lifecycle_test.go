package engine_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// waitingForItsAccount is a resource that is kept back because its account is to be switched off first.
func waitingForItsAccount(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Eventually(testenv.StateOf(ctx, c)).Should(HaveField("String()", ContainSubstring(`"reason": "Deleting"`)))
}

// expectUntouched says that no account was made or changed since the calls were last reset, and that these are on.
func expectUntouched(w *testenv.World, names ...string) {
	GinkgoHelper()
	Expect(w.Writes()).To(BeZero())
	for _, name := range names {
		Expect(w.Account(name).Active()).To(BeTrue(), "account %s was switched off", name)
	}
}

func namespaceOf(w *testenv.World) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.NS}}
}

// take deletes all objects of a kind, as the namespace controller does, and waits until the operator has noticed.
func take(ctx context.Context, w *testenv.World, kind client.Object) {
	GinkgoHelper()
	Expect(testenv.K8s.DeleteAllOf(ctx, kind, client.InNamespace(w.NS))).To(Succeed())
	var children v1alpha1.ChildAccountList
	remaining := func(g Gomega) []v1alpha1.ChildAccount {
		g.Expect(testenv.K8s.List(ctx, &children, client.InNamespace(w.NS))).To(Succeed())
		return children.Items
	}
	switch kind.(type) {
	case *v1alpha1.ChildAccount:
		Eventually(remaining).Should(BeEmpty())
	case *v1alpha1.ParentAccount:
		if p := w.ParentAccount(); len(remaining(Default)) > 0 { // it stays for them
			Eventually(func(g Gomega) string { return testenv.StateOf(ctx, p)(g).Message }).Should(ContainSubstring("is being deleted"))
		} else {
			testenv.ExpectGone(ctx, p)
		}
	case *corev1.Secret:
		Eventually(func(g Gomega) {
			p := w.ParentAccount()
			err := testenv.K8s.Get(ctx, testenv.KeyOf(p), p)
			g.Expect(client.IgnoreNotFound(err)).To(Succeed())
			if err == nil { // the last of its children may have let it go only just now
				g.Expect(testenv.Summarize(g, p).Message).To(ContainSubstring("does not exist"))
			}
		}).Should(Succeed())
	}
}

// orders are all in which the namespace controller may take what is in a namespace.
var orders = [][]client.Object{
	{&corev1.Secret{}, &v1alpha1.ParentAccount{}, &v1alpha1.ChildAccount{}},
	{&corev1.Secret{}, &v1alpha1.ChildAccount{}, &v1alpha1.ParentAccount{}},
	{&v1alpha1.ParentAccount{}, &corev1.Secret{}, &v1alpha1.ChildAccount{}},
	{&v1alpha1.ParentAccount{}, &v1alpha1.ChildAccount{}, &corev1.Secret{}},
	{&v1alpha1.ChildAccount{}, &corev1.Secret{}, &v1alpha1.ParentAccount{}},
	{&v1alpha1.ChildAccount{}, &v1alpha1.ParentAccount{}, &corev1.Secret{}},
}

// In order, in one process: it is there for this process's control plane, and for no other spec.
var _ = Describe("Beside a real kube-controller-manager", Ordered, ContinueOnFailure, testenv.TakesLong, func() {
	var manager *controllerManager
	BeforeAll(func() { manager = startControllerManager() })

	Describe("a namespace that is deleted", func() {
		It("goes, its accounts stay as they are, and applied again they are found", func(ctx SpecContext) {
			w := testenv.StartWorld(ctx)
			kept, off := w.ApplyReady(ctx, "acme-kept"), w.ApplyReady(ctx, "acme-off", testenv.Deactivating)
			w.Sim.ResetCalls()
			Expect(testenv.K8s.Delete(ctx, namespaceOf(w))).To(Succeed())
			testenv.ExpectGone(ctx, namespaceOf(w))
			expectUntouched(w, "acme-kept", "acme-off")

			Expect(testenv.K8s.Create(ctx, namespaceOf(w))).To(Succeed())
			w.ApplyParent(ctx)
			Expect(w.ApplyReady(ctx, "acme-kept").Status.AccountID).To(Equal(kept.Status.AccountID))
			Expect(w.ApplyReady(ctx, "acme-off", testenv.Deactivating).Status.AccountID).To(Equal(off.Status.AccountID))
			expectUntouched(w, "acme-kept", "acme-off")
		})

		It("goes in whatever order its content is taken", func(ctx SpecContext) {
			w := testenv.StartWorld(ctx)
			var names []string
			neighbours := make([]*testenv.World, len(orders))
			for i := range orders {
				n := w.Neighbour(ctx)
				n.ApplyParent(ctx)
				kept, off := fmt.Sprintf("acme-kept-%d", i), fmt.Sprintf("acme-off-%d", i)
				n.ApplyReady(ctx, kept)
				n.ApplyReady(ctx, off, testenv.Deactivating)
				neighbours[i], names = n, append(names, kept, off)
			}
			w.Sim.ResetCalls()
			manager.freeze()
			for i, n := range neighbours {
				Expect(testenv.K8s.Delete(ctx, namespaceOf(n))).To(Succeed())
				for _, kind := range orders[i] {
					By(fmt.Sprintf("order %d: %T", i, kind))
					take(ctx, n, kind)
				}
			}
			manager.thaw()
			for _, n := range neighbours {
				testenv.ExpectGone(ctx, namespaceOf(n))
			}
			expectUntouched(w, names...)
		})

		It("goes while the provider is down, with a resource that was kept back for it", func(ctx SpecContext) {
			w := testenv.StartWorld(ctx)
			w.ApplyReady(ctx, "acme-kept")
			w.ApplyReady(ctx, "acme-off", testenv.Deactivating)
			c := w.ApplyReady(ctx, "acme-late", testenv.Deactivating)
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
			Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
			waitingForItsAccount(ctx, c)
			w.Sim.ResetCalls()
			Expect(testenv.K8s.Delete(ctx, namespaceOf(w))).To(Succeed())
			testenv.ExpectGone(ctx, namespaceOf(w))
			w.Sim.ClearFaults()
			expectUntouched(w, "acme-kept", "acme-off", "acme-late")
		})

		It("goes under a parent of another namespace, by which the account could be switched off", func(ctx SpecContext) {
			w, _ := testenv.StartShared(ctx, testenv.FromAll)
			t := w.NewTenant(ctx, nil)
			c := t.Apply(ctx, "acme-tenant", testenv.Deactivating)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			w.Sim.ResetCalls()
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.NS}}
			Expect(testenv.K8s.Delete(ctx, ns)).To(Succeed())
			testenv.ExpectGone(ctx, ns)
			w.AwaitLists(1)
			expectUntouched(w, "acme-tenant")
		})

		It("goes while accounts are just being made: one each, and left on", func(ctx SpecContext) {
			w := testenv.StartWorld(ctx)
			Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
			// Longer than the namespace controller waits.
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Match: map[string]string{"account_name": "acme-slow"}, Delay: 8 * time.Second})
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Match: map[string]string{"account_name": "acme-lost"}})
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: "GetChildrenAccounts"})
			w.Apply(ctx, "acme-slow", testenv.Deactivating)
			w.Apply(ctx, "acme-lost", testenv.Deactivating)
			Eventually(func() int { return w.Count("AddAccount") }).Should(Equal(2))
			Expect(testenv.K8s.Delete(ctx, namespaceOf(w))).To(Succeed())
			testenv.ExpectGone(ctx, namespaceOf(w))
			Expect(w.Sim.Accounts(w.Parent.ID)).To(HaveLen(2))
			Expect(w.Writes()).To(Equal(2))
			Expect(w.Account("acme-slow").Active() && w.Account("acme-lost").Active()).To(BeTrue())
		})

		DescribeTable("goes without accounts that were still to be made",
			func(ctx SpecContext, method string) {
				w := testenv.NewWorld(ctx)
				w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: method})
				w.ApplyParent(ctx)
				w.Start(ctx)
				testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
				children := []*v1alpha1.ChildAccount{w.Apply(ctx, "acme-early"), w.Apply(ctx, "acme-given", testenv.WithPassword("declared"))}
				for _, c := range children {
					Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
				}
				manager.freeze()
				Expect(testenv.K8s.Delete(ctx, namespaceOf(w))).To(Succeed())
				w.Sim.ResetCalls()
				w.Sim.ClearFaults()
				for _, c := range children {
					Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
					Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("is being"))
				}
				manager.thaw()
				testenv.ExpectGone(ctx, namespaceOf(w))
				expectUntouched(w)
			},
			Entry("for the first time", "GetChildrenAccounts"),
			Entry("after a first try", "AddAccount"),
		)
	})

	DescribeTable("a connection Secret outlives its resource",
		func(ctx SpecContext, propagation metav1.DeletionPropagation) {
			w := testenv.StartWorld(ctx)
			c := w.ApplyReady(ctx, "acme-left", testenv.Deactivating)
			secret := testenv.ConnectionOf(ctx, c)
			// What has the resource as its owner shows when the garbage collector has been there.
			dependent := dependent(w, "witness", owner(c, v1alpha1.GroupVersion.WithKind("ChildAccount")))
			Expect(testenv.K8s.Create(ctx, dependent)).To(Succeed())
			Expect(testenv.K8s.Delete(ctx, c, client.PropagationPolicy(propagation))).To(Succeed())
			testenv.ExpectGone(ctx, c)
			if propagation == metav1.DeletePropagationOrphan {
				Expect(testenv.K8s.Get(ctx, testenv.KeyOf(dependent), dependent)).To(Succeed())
				Expect(dependent.OwnerReferences).To(BeEmpty())
			} else {
				testenv.ExpectGone(ctx, dependent)
			}
			Consistently(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(Equal(secret))
			Expect(w.Account("acme-left").Active()).To(BeFalse())
			Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
		},
		Entry("that is deleted in the background", metav1.DeletePropagationBackground),
		Entry("that is deleted in the foreground", metav1.DeletePropagationForeground),
		Entry("whose dependents are left behind", metav1.DeletePropagationOrphan),
	)

	DescribeTable("a resource that is collected with its owner is as one that is deleted by hand",
		func(ctx SpecContext, policy v1alpha1.DeletionPolicy, off int) {
			w := testenv.StartWorld(ctx)
			o := dependent(w, "owner")
			Expect(testenv.K8s.Create(ctx, o)).To(Succeed())
			c := w.ApplyReady(ctx, "acme-owned", func(c *v1alpha1.ChildAccount) {
				c.OwnerReferences = []metav1.OwnerReference{owner(o, configMapKind)}
				c.Spec.DeletionPolicy = &policy
			})
			Expect(testenv.K8s.Delete(ctx, o)).To(Succeed())
			testenv.ExpectGone(ctx, c)
			Expect(w.Account("acme-owned").Active()).To(Equal(off == 0))
			Expect(w.Count("SetChildAccountInfo")).To(Equal(off))
		},
		Entry("under Retain", v1alpha1.DeletionRetain, 0),
		Entry("under Deactivate", v1alpha1.DeletionDeactivate, 1),
	)

	It("an owner that goes in the foreground waits until the account is off", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		o := dependent(w, "owner")
		Expect(testenv.K8s.Create(ctx, o)).To(Succeed())
		c := w.ApplyReady(ctx, "acme-owned", testenv.Deactivating, func(c *v1alpha1.ChildAccount) {
			c.OwnerReferences = []metav1.OwnerReference{owner(o, configMapKind)}
		})
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(testenv.K8s.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(HaveField("String()", ContainSubstring(`"reason": "Deleting"`)))
		Consistently(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(o), o) }).Should(Succeed())
		w.Sim.ClearFaults()
		testenv.ExpectGone(ctx, o)
		testenv.ExpectGone(ctx, c)
		Expect(w.Account("acme-owned").Active()).To(BeFalse())
	})

	// Last: the kinds are away for a while.
	It("the kinds that are deleted go, their accounts stay as they are, and installed again the operator goes on", func(ctx SpecContext) {
		DeferCleanup(installKinds)
		w := testenv.StartWorld(ctx)
		kept, off := w.ApplyReady(ctx, "acme-kept"), w.ApplyReady(ctx, "acme-off", testenv.Deactivating)
		late := w.ApplyReady(ctx, "acme-late", testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(testenv.K8s.Delete(ctx, late)).To(Succeed())
		waitingForItsAccount(ctx, late)
		w.Sim.ResetCalls()
		Expect(envtest.UninstallCRDs(testenv.Config, kinds)).To(Succeed())
		testenv.ExpectGone(ctx, kind("childaccounts"))
		testenv.ExpectGone(ctx, kind("parentaccounts"))
		w.Sim.ClearFaults()
		expectUntouched(w, "acme-kept", "acme-off", "acme-late")
		for _, c := range []*v1alpha1.ChildAccount{kept, off, late} {
			Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}

		installKinds(ctx)
		Expect(testenv.K8s.Create(ctx, w.ParentAccount())).To(Succeed())
		for name, before := range map[string]*v1alpha1.ChildAccount{"acme-kept": kept, "acme-off": off, "acme-late": late} {
			c := w.Apply(ctx, name)
			Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
			Expect(c.Status.AccountID).To(Equal(before.Status.AccountID))
		}
		expectUntouched(w, "acme-kept", "acme-off", "acme-late")
	})
})

// dependent is an object without a meaning of its own, that is not created yet.
func dependent(w *testenv.World, name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name, OwnerReferences: owners}}
}

var configMapKind = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// owner refers to an object as one whose deletion in the foreground waits for the dependent.
func owner(o client.Object, kind schema.GroupVersionKind) metav1.OwnerReference {
	ref := metav1.NewControllerRef(o, kind)
	ref.Controller = nil
	return *ref
}

// kinds are what `kubectl apply -k config/crd` installs.
var kinds = envtest.CRDInstallOptions{Paths: []string{testenv.InTree("config/crd/bases")}, ErrorIfPathMissing: true}

// installKinds makes sure that the kinds are there, once none is going any more.
func installKinds(ctx context.Context) {
	GinkgoHelper()
	for _, name := range []string{"childaccounts", "parentaccounts"} {
		Eventually(func() *metav1.Time {
			crd := kind(name)
			_ = testenv.K8s.Get(ctx, testenv.KeyOf(crd), crd)
			return crd.GetDeletionTimestamp()
		}).Should(BeNil())
	}
	_, err := envtest.InstallCRDs(testenv.Config, kinds)
	Expect(err).NotTo(HaveOccurred())
}

// kind is the CustomResourceDefinition of one of ours, to be looked at.
func kind(plural string) client.Object {
	crd := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: plural + "." + v1alpha1.GroupVersion.Group}}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return crd
}

var _ = Describe("A resource under Deactivate, in a namespace that stays", func() {
	It("is kept while the provider is down, and goes with its account off when that is back", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-down", testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		waitingForItsAccount(ctx, c)
		Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionReconciling)).To(BeTrue(), "nobody has to act")
		Expect(w.Account("acme-down").Active()).To(BeTrue())
		w.Sim.ClearFaults()
		testenv.ExpectGone(ctx, c)
		Expect(w.Account("acme-down").Active()).To(BeFalse())
		Expect(w.Count("SetChildAccountInfo")).To(BeNumerically(">=", 1))
	})

	same, generated := v1alpha1.AllowedNamespaces{}, func(*v1alpha1.ChildAccount) {}
	DescribeTable("leaves no account on that was just being made",
		func(ctx SpecContext, allowed v1alpha1.AllowedNamespaces, password func(*v1alpha1.ChildAccount), fault simulator.Fault) {
			w, _ := testenv.StartShared(ctx, allowed)
			testenv.ApplyPassword(ctx, w, "passwords", testenv.FirstPassword)
			Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
			fault.Method, fault.Times = "AddAccount", 1
			w.Sim.AddFault(fault)
			down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: "GetChildrenAccounts"})
			c := w.Apply(ctx, "acme-brief", testenv.Deactivating, password)
			Eventually(func() int { return w.Count("AddAccount") }).Should(Equal(1))
			Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
			waitingForItsAccount(ctx, c)
			w.Sim.RemoveFault(down)
			testenv.ExpectGone(ctx, c)
			Expect(w.Account("acme-brief").Active()).To(BeFalse())
			Expect(w.Count("AddAccount")).To(Equal(1))
			Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("Deactivated: ")))
		},
		Entry("the answer comes after the deletion", same, generated, simulator.Fault{Kind: simulator.FaultSlow, Delay: time.Second}),
		Entry("the answer is lost", same, generated, simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Entry("the answer is lost, under a shared parent", testenv.FromAll, generated, simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Entry("the answer is lost, under a shared parent, with a declared password", testenv.FromAll, testenv.WithPassword("passwords"), simulator.Fault{Kind: simulator.FaultLoseAnswer}),
	)

	It("that has no account asks nobody", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
		c := w.Apply(ctx, "acme-never", testenv.Deactivating)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonBalanceTooLow))
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		testenv.ExpectGone(ctx, c)
	})

	It("is let go after the hour even where the provider asks for more patience", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Clock = testenv.Ahead{Clock: w.Clock, By: time.Hour - 8*time.Second}
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-patient", testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503, Header: map[string]string{"Retry-After": "7200"}})
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		waitingForItsAccount(ctx, c)
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))

		By("and its account is kept in mind until somebody has seen to it")
		p := w.ParentAccount()
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		left := p.Status.NotDeactivated
		Expect(left).NotTo(BeNil())
		Expect(left.Total).To(BeEquivalentTo(1))
		Expect(left.Accounts).To(ConsistOf(And(HaveField("Name", "acme-patient"), HaveField("AccountID", HaveValue(Equal(c.Status.AccountID))), HaveField("Namespace", w.NS), HaveField("Message", HaveValue(ContainSubstring("within an hour"))))))
		Eventually(testenv.Scrape).Should(ContainSubstring(`child_account_operator_not_deactivated{namespace="` + w.NS + `",parent="acme"} 1`))
		acknowledge := func(hash string) {
			testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationAcknowledgeNotDeactivated, hash)
			})
		}
		acknowledge("of something else")
		Consistently(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
			g.Expect(p.Status.NotDeactivated).To(Equal(left))
		}).Should(Succeed())
		acknowledge(left.Hash)
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
			g.Expect(p.Status.NotDeactivated).To(BeNil())
		}).Should(Succeed())
	})

	It("asks a provider that wants patience no earlier, whatever wakes it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-patient", testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "SetChildAccountInfo", Status: 503, Header: map[string]string{"Retry-After": "600"}})
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		waitingForItsAccount(ctx, c)
		w.AwaitLists(3)
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))

		By("but when somebody asks")
		w.Sim.ClearFaults()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		testenv.ExpectGone(ctx, c)
		Expect(w.Account("acme-patient").Active()).To(BeFalse())
	})

	DescribeTable("is let go after an hour, with a word, where the way to the provider went before it",
		func(ctx SpecContext, before func(context.Context, *testenv.World)) {
			w := testenv.NewWorld(ctx)
			fake := clocktesting.NewFakeClock(time.Now())
			w.Clock = fake
			w.ApplyParent(ctx)
			w.Start(ctx)
			c := w.ApplyReady(ctx, "acme-hour", testenv.Deactivating)
			before(ctx, w)
			Eventually(func(g Gomega) string {
				fake.Step(time.Second) // until it is believed
				return testenv.StateOf(ctx, c)(g).Flags
			}).WithPolling(time.Second).Should(Equal(v1alpha1.ConditionStalled))
			Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
			waitingForItsAccount(ctx, c)
			Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionStalled)).To(BeTrue(), "somebody has to act")
			advance := func(d time.Duration) {
				fake.Step(d)
				testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
					metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, fake.Now().String())
				})
			}
			advance(58 * time.Minute)
			Consistently(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(Succeed())
			advance(3 * time.Minute)
			testenv.ExpectGone(ctx, c)
			Expect(w.Account("acme-hour").Active()).To(BeTrue())
			Expect(w.Count("SetChildAccountInfo")).To(BeZero())
			Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(And(HavePrefix("NotDeactivated: "), ContainSubstring(c.Status.AccountID))))
		},
		Entry("the credentials' label", func(ctx context.Context, w *testenv.World) {
			testenv.Edit(ctx, w.Credentials(), func(s *corev1.Secret) { s.Labels = nil })
		}),
		Entry("the credentials, and a restart forgets them", func(ctx context.Context, w *testenv.World) {
			w.Stop()
			Expect(testenv.K8s.Delete(ctx, w.Credentials())).To(Succeed())
			w.Start(ctx)
		}),
		Entry("the ParentAccount", func(ctx context.Context, w *testenv.World) { w.LoseParent(ctx) }),
	)
})
