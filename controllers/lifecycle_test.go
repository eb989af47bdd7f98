package controllers_test

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
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// patience is for what takes its own time: the namespace controller lets five seconds pass before it begins, and a watch
// of a kind that was away comes back within half a minute.
const patience = time.Minute

// deactivating declares that the account is switched off when the resource goes.
func deactivating(c *v1alpha1.ChildAccount) {
	c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate)
}

// waitingForItsAccount is a resource that is kept back because its account is to be switched off first.
func waitingForItsAccount(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Eventually(state(ctx, c)).Should(HaveField("String()", ContainSubstring(`"reason": "Deleting"`)))
}

// gone waits until an object is no more.
func gone(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Eventually(func() error { return k8s.Get(ctx, clientKey(o), o) }).WithTimeout(patience).Should(beNotFound())
}

// expectUntouched says that no account was made or changed since the calls were last reset, and that these are on.
func (w *world) expectUntouched(names ...string) {
	GinkgoHelper()
	Expect(w.writes()).To(BeZero())
	for _, name := range names {
		Expect(w.account(name).Active()).To(BeTrue(), "account %s was switched off", name)
	}
}

func (w *world) namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}
}

// neighbour is the same world in a namespace of its own.
func (w *world) neighbour(ctx context.Context) *world {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(k8s.Create(ctx, ns)).To(Succeed())
	n := *w
	n.ns, n.stop = ns.Name, nil
	DeferCleanup(n.cleanUp)
	return &n
}

// take deletes all objects of a kind, as the namespace controller does, and waits until the operator has noticed.
func (w *world) take(ctx context.Context, kind client.Object) {
	GinkgoHelper()
	Expect(k8s.DeleteAllOf(ctx, kind, client.InNamespace(w.ns))).To(Succeed())
	var children v1alpha1.ChildAccountList
	remaining := func(g Gomega) []v1alpha1.ChildAccount {
		g.Expect(k8s.List(ctx, &children, client.InNamespace(w.ns))).To(Succeed())
		return children.Items
	}
	switch kind.(type) {
	case *v1alpha1.ChildAccount:
		Eventually(remaining).Should(BeEmpty())
	case *v1alpha1.ParentAccount:
		for _, c := range remaining(Default) {
			Eventually(state(ctx, &c)).Should(BeStalledAs(v1alpha1.ReasonParentNotFound))
		}
	case *corev1.Secret:
		if p := w.parentAccount(); k8s.Get(ctx, clientKey(p), p) == nil {
			Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonSecretMissing))
		}
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
var _ = Describe("Beside a real kube-controller-manager", Ordered, ContinueOnFailure, takesLong, func() {
	var manager *controllerManager
	BeforeAll(func() { manager = startControllerManager() })

	Describe("a namespace that is deleted", func() {
		It("goes, its accounts stay as they are, and applied again they are found", func(ctx SpecContext) {
			w := startWorld(ctx)
			kept, off := w.applyReady(ctx, "acme-kept"), w.applyReady(ctx, "acme-off", deactivating)
			w.sim.ResetCalls()
			Expect(k8s.Delete(ctx, w.namespace())).To(Succeed())
			gone(ctx, w.namespace())
			w.expectUntouched("acme-kept", "acme-off")

			Expect(k8s.Create(ctx, w.namespace())).To(Succeed())
			w.applyParent(ctx)
			Expect(w.applyReady(ctx, "acme-kept").Status.AccountID).To(Equal(kept.Status.AccountID))
			Expect(w.applyReady(ctx, "acme-off", deactivating).Status.AccountID).To(Equal(off.Status.AccountID))
			w.expectUntouched("acme-kept", "acme-off")
		})

		It("goes in whatever order its content is taken", func(ctx SpecContext) {
			w := startWorld(ctx)
			var names []string
			neighbours := make([]*world, len(orders))
			for i := range orders {
				n := w.neighbour(ctx)
				n.applyParent(ctx)
				kept, off := fmt.Sprintf("acme-kept-%d", i), fmt.Sprintf("acme-off-%d", i)
				n.applyReady(ctx, kept)
				n.applyReady(ctx, off, deactivating)
				neighbours[i], names = n, append(names, kept, off)
			}
			w.sim.ResetCalls()
			manager.freeze()
			for i, n := range neighbours {
				Expect(k8s.Delete(ctx, n.namespace())).To(Succeed())
				for _, kind := range orders[i] {
					By(fmt.Sprintf("order %d: %T", i, kind))
					n.take(ctx, kind)
				}
			}
			manager.thaw()
			for _, n := range neighbours {
				gone(ctx, n.namespace())
			}
			w.expectUntouched(names...)
		})

		It("goes while the provider is down, with a resource that was kept back for it", func(ctx SpecContext) {
			w := startWorld(ctx)
			w.applyReady(ctx, "acme-kept")
			w.applyReady(ctx, "acme-off", deactivating)
			c := w.applyReady(ctx, "acme-late", deactivating)
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
			Expect(k8s.Delete(ctx, c)).To(Succeed())
			waitingForItsAccount(ctx, c)
			w.sim.ResetCalls()
			Expect(k8s.Delete(ctx, w.namespace())).To(Succeed())
			gone(ctx, w.namespace())
			w.sim.ClearFaults()
			w.expectUntouched("acme-kept", "acme-off", "acme-late")
		})

		It("goes under a parent of another namespace, by which the account could be switched off", func(ctx SpecContext) {
			w, _ := startShared(ctx, fromAll)
			t := w.tenant(ctx, nil)
			c := t.apply(ctx, "acme-tenant", deactivating)
			Eventually(state(ctx, c)).Should(BeAvailable())
			w.sim.ResetCalls()
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.ns}}
			Expect(k8s.Delete(ctx, ns)).To(Succeed())
			gone(ctx, ns)
			w.awaitLists(1)
			w.expectUntouched("acme-tenant")
		})

		It("goes while accounts are just being made: one each, and left on", func(ctx SpecContext) {
			w := startWorld(ctx)
			Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
			// Longer than the namespace controller waits.
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Match: map[string]string{"account_name": "acme-slow"}, Delay: 8 * time.Second})
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Match: map[string]string{"account_name": "acme-lost"}})
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: "GetChildrenAccounts"})
			w.apply(ctx, "acme-slow", deactivating)
			w.apply(ctx, "acme-lost", deactivating)
			Eventually(func() int { return w.count("AddAccount") }).Should(Equal(2))
			Expect(k8s.Delete(ctx, w.namespace())).To(Succeed())
			gone(ctx, w.namespace())
			Expect(w.sim.Accounts(w.parent.ID)).To(HaveLen(2))
			Expect(w.writes()).To(Equal(2))
			Expect(w.account("acme-slow").Active() && w.account("acme-lost").Active()).To(BeTrue())
		})

		DescribeTable("goes without accounts that were still to be made",
			func(ctx SpecContext, method string) {
				w := newWorld(ctx)
				w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: method})
				w.applyParent(ctx)
				w.start(ctx)
				w.applyPassword(ctx, "declared", firstPassword)
				children := []*v1alpha1.ChildAccount{w.apply(ctx, "acme-early"), w.apply(ctx, "acme-given", withPassword("declared"))}
				for _, c := range children {
					Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
				}
				manager.freeze()
				Expect(k8s.Delete(ctx, w.namespace())).To(Succeed())
				w.sim.ResetCalls()
				w.sim.ClearFaults()
				for _, c := range children {
					Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
					Expect(state(ctx, c)(Default).message).To(ContainSubstring("is being"))
				}
				manager.thaw()
				gone(ctx, w.namespace())
				w.expectUntouched()
			},
			Entry("for the first time", "GetChildrenAccounts"),
			Entry("after a first try", "AddAccount"),
		)
	})

	DescribeTable("a connection Secret outlives its resource",
		func(ctx SpecContext, propagation metav1.DeletionPropagation) {
			w := startWorld(ctx)
			c := w.applyReady(ctx, "acme-left", deactivating)
			secret := connectionOf(ctx, c)
			// What has the resource as its owner shows when the garbage collector has been there.
			dependent := w.dependent("witness", owner(c, v1alpha1.GroupVersion.WithKind("ChildAccount")))
			Expect(k8s.Create(ctx, dependent)).To(Succeed())
			Expect(k8s.Delete(ctx, c, client.PropagationPolicy(propagation))).To(Succeed())
			gone(ctx, c)
			if propagation == metav1.DeletePropagationOrphan {
				Expect(k8s.Get(ctx, clientKey(dependent), dependent)).To(Succeed())
				Expect(dependent.OwnerReferences).To(BeEmpty())
			} else {
				gone(ctx, dependent)
			}
			Consistently(func() map[string]string { return connectionOf(ctx, c) }).Should(Equal(secret))
			Expect(w.account("acme-left").Active()).To(BeFalse())
			Expect(w.count("SetChildAccountInfo")).To(Equal(1))
		},
		Entry("that is deleted in the background", metav1.DeletePropagationBackground),
		Entry("that is deleted in the foreground", metav1.DeletePropagationForeground),
		Entry("whose dependents are left behind", metav1.DeletePropagationOrphan),
	)

	DescribeTable("a resource that is collected with its owner is as one that is deleted by hand",
		func(ctx SpecContext, policy v1alpha1.DeletionPolicy, off int) {
			w := startWorld(ctx)
			o := w.dependent("owner")
			Expect(k8s.Create(ctx, o)).To(Succeed())
			c := w.applyReady(ctx, "acme-owned", func(c *v1alpha1.ChildAccount) {
				c.OwnerReferences = []metav1.OwnerReference{owner(o, configMapKind)}
				c.Spec.DeletionPolicy = &policy
			})
			Expect(k8s.Delete(ctx, o)).To(Succeed())
			gone(ctx, c)
			Expect(w.account("acme-owned").Active()).To(Equal(off == 0))
			Expect(w.count("SetChildAccountInfo")).To(Equal(off))
		},
		Entry("under Retain", v1alpha1.DeletionRetain, 0),
		Entry("under Deactivate", v1alpha1.DeletionDeactivate, 1),
	)

	It("an owner that goes in the foreground waits until the account is off", func(ctx SpecContext) {
		w := startWorld(ctx)
		o := w.dependent("owner")
		Expect(k8s.Create(ctx, o)).To(Succeed())
		c := w.applyReady(ctx, "acme-owned", deactivating, func(c *v1alpha1.ChildAccount) {
			c.OwnerReferences = []metav1.OwnerReference{owner(o, configMapKind)}
		})
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(k8s.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		Eventually(state(ctx, c)).WithTimeout(patience).Should(HaveField("String()", ContainSubstring(`"reason": "Deleting"`)))
		Consistently(func() error { return k8s.Get(ctx, clientKey(o), o) }).Should(Succeed())
		w.sim.ClearFaults()
		gone(ctx, o)
		gone(ctx, c)
		Expect(w.account("acme-owned").Active()).To(BeFalse())
	})

	// Last: the kinds are away for a while.
	It("the kinds that are deleted go, their accounts stay as they are, and installed again the operator goes on", func(ctx SpecContext) {
		DeferCleanup(installKinds)
		w := startWorld(ctx)
		kept, off := w.applyReady(ctx, "acme-kept"), w.applyReady(ctx, "acme-off", deactivating)
		late := w.applyReady(ctx, "acme-late", deactivating)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(k8s.Delete(ctx, late)).To(Succeed())
		waitingForItsAccount(ctx, late)
		w.sim.ResetCalls()
		Expect(envtest.UninstallCRDs(config, kinds)).To(Succeed())
		gone(ctx, kind("childaccounts"))
		gone(ctx, kind("parentaccounts"))
		w.sim.ClearFaults()
		w.expectUntouched("acme-kept", "acme-off", "acme-late")
		for _, c := range []*v1alpha1.ChildAccount{kept, off, late} {
			Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}

		installKinds(ctx)
		Expect(k8s.Create(ctx, w.parentAccount())).To(Succeed())
		for name, before := range map[string]*v1alpha1.ChildAccount{"acme-kept": kept, "acme-off": off, "acme-late": late} {
			c := w.apply(ctx, name)
			Eventually(state(ctx, c)).WithTimeout(patience).Should(BeAvailable())
			Expect(c.Status.AccountID).To(Equal(before.Status.AccountID))
		}
		w.expectUntouched("acme-kept", "acme-off", "acme-late")
	})
})

// dependent is an object without a meaning of its own, that is not created yet.
func (w *world) dependent(name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name, OwnerReferences: owners}}
}

var configMapKind = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// owner refers to an object as one whose deletion in the foreground waits for the dependent.
func owner(o client.Object, kind schema.GroupVersionKind) metav1.OwnerReference {
	ref := metav1.NewControllerRef(o, kind)
	ref.Controller = nil
	return *ref
}

// kinds are what `kubectl apply -k config/crd` installs.
var kinds = envtest.CRDInstallOptions{Paths: []string{"../config/crd/bases"}, ErrorIfPathMissing: true}

// installKinds makes sure that the kinds are there, once none is going any more.
func installKinds(ctx context.Context) {
	GinkgoHelper()
	for _, name := range []string{"childaccounts", "parentaccounts"} {
		Eventually(func() *metav1.Time {
			crd := kind(name)
			_ = k8s.Get(ctx, clientKey(crd), crd)
			return crd.GetDeletionTimestamp()
		}).Should(BeNil())
	}
	_, err := envtest.InstallCRDs(config, kinds)
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
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-down", deactivating)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		waitingForItsAccount(ctx, c)
		Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionReconciling)).To(BeTrue(), "nobody has to act")
		Expect(w.account("acme-down").Active()).To(BeTrue())
		w.sim.ClearFaults()
		gone(ctx, c)
		Expect(w.account("acme-down").Active()).To(BeFalse())
		Expect(w.count("SetChildAccountInfo")).To(BeNumerically(">=", 1))
	})

	same, generated := v1alpha1.AllowedNamespaces{}, func(*v1alpha1.ChildAccount) {}
	DescribeTable("leaves no account on that was just being made",
		func(ctx SpecContext, allowed v1alpha1.AllowedNamespaces, password func(*v1alpha1.ChildAccount), fault simulator.Fault) {
			w, _ := startShared(ctx, allowed)
			w.applyPassword(ctx, "passwords", firstPassword)
			Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
			fault.Method, fault.Times = "AddAccount", 1
			w.sim.AddFault(fault)
			down := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: "GetChildrenAccounts"})
			c := w.apply(ctx, "acme-brief", deactivating, password)
			Eventually(func() int { return w.count("AddAccount") }).Should(Equal(1))
			Expect(k8s.Delete(ctx, c)).To(Succeed())
			waitingForItsAccount(ctx, c)
			w.sim.RemoveFault(down)
			gone(ctx, c)
			Expect(w.account("acme-brief").Active()).To(BeFalse())
			Expect(w.count("AddAccount")).To(Equal(1))
			Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("Deactivated: ")))
		},
		Entry("the answer comes after the deletion", same, generated, simulator.Fault{Kind: simulator.FaultSlow, Delay: time.Second}),
		Entry("the answer is lost", same, generated, simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Entry("the answer is lost, under a shared parent", fromAll, generated, simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Entry("the answer is lost, under a shared parent, with a declared password", fromAll, withPassword("passwords"), simulator.Fault{Kind: simulator.FaultLoseAnswer}),
	)

	It("that has no account asks nobody", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
		c := w.apply(ctx, "acme-never", deactivating)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonBalanceTooLow))
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		gone(ctx, c)
	})

	It("is let go after the hour even where the provider asks for more patience", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.clock = ahead{w.clock, time.Hour - 8*time.Second}
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-patient", deactivating)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503, Header: map[string]string{"Retry-After": "7200"}})
		Eventually(state(ctx, w.parentAccount())).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		waitingForItsAccount(ctx, c)
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
	})

	It("asks a provider that wants patience no earlier, whatever wakes it", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-patient", deactivating)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "SetChildAccountInfo", Status: 503, Header: map[string]string{"Retry-After": "600"}})
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		waitingForItsAccount(ctx, c)
		w.awaitLists(3)
		Expect(w.count("SetChildAccountInfo")).To(Equal(1))

		By("but when somebody asks")
		w.sim.ClearFaults()
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Annotations[v1alpha1.AnnotationReconcileRequestedAt] = "now" })
		gone(ctx, c)
		Expect(w.account("acme-patient").Active()).To(BeFalse())
	})

	DescribeTable("is let go after an hour, with a word, where the way to the provider went before it",
		func(ctx SpecContext, before func(*world) client.Object) {
			w := newWorld(ctx)
			fake := clocktesting.NewFakeClock(time.Now())
			w.clock = fake
			w.applyParent(ctx)
			w.start(ctx)
			c := w.applyReady(ctx, "acme-hour", deactivating)
			Expect(k8s.Delete(ctx, before(w))).To(Succeed())
			Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool { return s.flags == v1alpha1.ConditionStalled }))
			Expect(k8s.Delete(ctx, c)).To(Succeed())
			waitingForItsAccount(ctx, c)
			Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionStalled)).To(BeTrue(), "somebody has to act")
			advance := func(d time.Duration) {
				fake.Step(d)
				edit(ctx, c, func(c *v1alpha1.ChildAccount) {
					c.Annotations[v1alpha1.AnnotationReconcileRequestedAt] = fake.Now().String()
				})
			}
			advance(58 * time.Minute)
			Consistently(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(Succeed())
			advance(3 * time.Minute)
			gone(ctx, c)
			Expect(w.account("acme-hour").Active()).To(BeTrue())
			Expect(w.count("SetChildAccountInfo")).To(BeZero())
			Eventually(eventsOf(ctx, c)).Should(ContainElement(And(HavePrefix("NotDeactivated: "), ContainSubstring(c.Status.AccountID))))
		},
		Entry("the credentials", func(w *world) client.Object { return w.credentials() }),
		Entry("the ParentAccount", func(w *world) client.Object { return w.parentAccount() }),
	)
})
