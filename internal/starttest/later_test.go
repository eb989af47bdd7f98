package starttest

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// testKindsInstalledLater starts the operator before its kinds are installed.
func (c *cluster) testKindsInstalledLater(t *testing.T) {
	w := c.newWorld(t)
	w.grant("", "manager-role")
	w.grant("", "manager-cluster-role")
	o, stopped := w.run(), w.run()
	for _, o := range []*operator{o, stopped} {
		o.expectReady(http.StatusInternalServerError, line("[-]", "cache", "parentaccounts, childaccounts NotFound"))
	}
	w.Expect(o.metric("cache_synced", `namespace=""`)).To(BeZero())
	w.Expect(o.output.String()).To(ContainSubstring(`"reason":"NotFound"`))
	w.Expect(o.output.String()).To(ContainSubstring(`"next":"install the CRDs: make install`))
	stopped.expectPaced()
	stopped.stop()

	c.installKinds(t)
	o.expectReady(http.StatusOK, line("[+]", "cache", "ok"))
	w.Expect(o.metric("cache_synced", `namespace=""`)).To(BeEquivalentTo(1))
	w.declareParent(w.a)
	w.serve(w.a, "acme-"+w.a)
	o.stop()
}

// testKindGrantedLater starts the operator, for the whole cluster, before it may list one of the kinds, or may read the UID
// of kube-system.
func (c *cluster) testKindGrantedLater(t *testing.T) {
	w := c.newWorld(t)
	w.grant("", "manager-role")
	w.declareParent(w.a)
	child := w.declare(w.a, "acme-"+w.a)
	o := w.run()
	o.expectReady(http.StatusInternalServerError, line("[-]", "cache", "namespaces Forbidden"))
	w.Expect(o.metric("cache_synced", `namespace=""`)).To(BeZero())
	w.Expect(o.readyz().body).NotTo(ContainSubstring("installation-id"), "that could be read")
	w.Expect(w.sim.Calls()).To(BeEmpty())
	w.grant("", "manager-cluster-role")
	w.expectServed(child)
	o.expectReady(http.StatusOK)
	o.stop()
}

// testAPIComesLater starts the operator before the Kubernetes API.
func (c *cluster) testAPIComesLater(t *testing.T) {
	for name, away := range map[string]func(f *front, away bool){
		"refused": func(f *front, away bool) {
			if away {
				f.leave()
			} else {
				f.come()
			}
		},
		"silent": func(f *front, away bool) { f.fallSilent(away) },
	} {
		t.Run("a Kubernetes API that comes later, "+name, func(t *testing.T) {
			t.Parallel()
			w := c.newWorld(t)
			w.grant("", "manager-role")
			w.grant("", "manager-cluster-role")
			w.declareParent(w.a)
			child := w.declare(w.a, "acme-"+w.a)
			away(w.front, true)
			o := w.run()
			o.expectReady(http.StatusInternalServerError, line("[-]", "cache", ""), line("[-]", "installation-id", ""))
			away(w.front, false)
			w.expectServed(child)
			o.expectReady(http.StatusOK)
			away(w.front, true) // and once more, while it works
			away(w.front, false)
			w.edit(child, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "later@acme.example" })
			w.expectServed(child)
			o.stop()
		})
	}
}

// testNamespaceGrantedLater starts the operator for two namespaces, of which it may not read one yet; all of that one's
// resources are there already, and were served by an operator before.
func (c *cluster) testNamespaceGrantedLater(t *testing.T) {
	w := c.newWorld(t)
	w.grant(w.a, "manager-role")
	w.grant(w.b, "manager-role")
	w.declareParent(w.a)
	w.declareParent(w.b)
	earlier := w.runFor()
	first, second := w.serve(w.a, "acme-"+w.a), w.serve(w.b, "acme-"+w.b)
	earlier.stop()
	before := second.ResourceVersion
	w.revoke(w.b, "manager-role")
	w.edit(second, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "edited@acme.example" })
	waiting := w.declare(w.b, "acme-new-"+w.b)
	w.sim.ResetCalls()

	o := w.runFor()
	o.expectReady(http.StatusInternalServerError, line("[+]", "cache/"+w.a, "ok"), line("[-]", "cache/"+w.b, "Forbidden"))
	w.edit(first, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "first@acme.example" })
	w.expectServed(first)
	w.serve(w.a, "acme-new-"+w.a)
	w.Expect(o.metric("cache_synced", `namespace="`+w.a+`"`)).To(BeEquivalentTo(1))
	w.Expect(o.metric("cache_synced", `namespace="`+w.b+`"`)).To(BeZero())
	w.Expect(o.metric("resources", `kind="ChildAccount"`)).To(BeEquivalentTo(2), "those of a")
	w.Expect(o.metric("cache_requests_total", `namespace="`+w.b+`"`, `result="Forbidden"`)).To(BeNumerically(">=", 1))
	w.Expect(o.output.String()).To(MatchRegexp(`"namespace":"` + w.b + `".*"reason":"Forbidden"`))
	w.Expect(get("http://" + o.probes + "/readyz/cache/" + w.a).code).To(Equal(http.StatusOK))
	w.Expect(get("http://" + o.probes + "/readyz/cache/" + w.b).code).To(Equal(http.StatusInternalServerError))
	o.expectPaced()
	w.awaitLists(2)
	w.Expect(w.email("acme-" + w.b)).NotTo(Equal("edited@acme.example"))
	w.Expect(w.k8s.Get(t.Context(), client.ObjectKeyFromObject(second), second)).To(Succeed())
	w.Expect(second.Status.ObservedGeneration).NotTo(Equal(second.Generation), "%v", second.Status.Conditions)
	w.Expect(before).NotTo(BeEmpty())
	// One namespace does not keep the pod out of service for ever, and is not forgotten.
	o.expectReady(http.StatusOK, line("[+]", "cache/"+w.a, "ok"), line("[!]", "cache/"+w.b, "Forbidden"))
	w.Expect(get("http://" + o.probes + "/readyz/cache/" + w.b).code).To(Equal(http.StatusInternalServerError))

	w.grant(w.b, "manager-role")
	w.expectServed(second)
	w.expectServed(waiting)
	w.Expect(w.email("acme-" + w.b)).To(Equal("edited@acme.example"))
	o.expectReady(http.StatusOK, line("[+]", "cache/"+w.b, "ok"))
	w.Expect(o.metric("cache_synced", `namespace="`+w.b+`"`)).To(BeEquivalentTo(1))
	w.expectWatched(w.b)
	o.stop()
}

// testNamespaceCreatedLater starts an operator that may read all namespaces for one that does not exist yet.
func (c *cluster) testNamespaceCreatedLater(t *testing.T) {
	w := c.newWorld(t)
	w.grant("", "manager-role")
	w.declareParent(w.a)
	later := w.b + "-later"
	o := w.run("--namespaces="+w.a+","+later, "--installation-id=blue")
	o.expectReady(http.StatusInternalServerError, line("[+]", "cache/"+w.a, "ok"), line("[-]", "cache/"+later, "namespace NotFound"))
	w.serve(w.a, "acme-"+w.a)
	w.Expect(o.metric("cache_synced", `namespace="`+later+`"`)).To(BeZero())
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: later}})
	w.declareParent(later)
	w.serve(later, "acme-"+w.b)
	o.expectReady(http.StatusOK, line("[+]", "cache/"+later, "ok"))
	o.stop()
}

// expectWatched says that the events and the indexes of a namespace are as they should be.
func (w *world) expectWatched(ns string) {
	w.t.Helper()
	// An input Secret wakes, by an index, what refers to it.
	child := w.declare(ns, "acme-secret-"+ns, func(c *v1alpha1.ChildAccount) {
		c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: "password"}
	})
	w.eventually(func(g Gomega) {
		g.Expect(w.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(child), child)).To(Succeed())
		g.Expect(child.Status.Conditions).To(ContainElement(HaveField("Reason", v1alpha1.ReasonSecretMissing)))
	})
	w.create(input(ns, "password", "password", []byte("Correct-Horse-7-Battery")))
	w.expectServed(child)
	// A connection Secret that is deleted is made anew.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: child.ConnectionSecretName()}}
	w.Expect(w.k8s.Delete(w.t.Context(), secret)).To(Succeed())
	w.eventually(func(g Gomega) {
		g.Expect(w.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(secret), secret)).To(Succeed())
	})
}
