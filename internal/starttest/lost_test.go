package starttest

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// lose takes the operator's rights in a namespace away, and ends the watches that were allowed before.
func (w *world) lose(ns string) {
	w.t.Helper()
	w.revoke(ns, "manager-role")
	w.front.cut()
}

// testNamespaceLost has the operator lose a namespace, and get it back.
func (c *cluster) testNamespaceLost(t *testing.T) {
	w := c.newWorld(t)
	w.grant(w.a, "manager-role")
	w.grant(w.b, "manager-role")
	w.declareParent(w.a)
	w.declareParent(w.b)
	o := w.runFor()
	first, edited := w.serve(w.a, "acme-"+w.a), w.serve(w.b, "acme-"+w.b)
	drifted, deleted := w.serve(w.b, "acme-drift-"+w.b), w.serve(w.b, "acme-gone-"+w.b)
	o.expectReady(http.StatusOK, line("[+]", "cache/"+w.b, "ok"))

	w.lose(w.b)
	o.expectReady(http.StatusOK, line("[+]", "cache/"+w.a, "ok"), line("[!]", "cache/"+w.b, "Forbidden"))
	w.Expect(o.metric("cache_synced", `namespace="`+w.b+`"`)).To(BeZero())
	w.edit(edited, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "edited@acme.example" })
	w.edit(deleted, func(c *v1alpha1.ChildAccount) { c.Finalizers = nil })
	w.Expect(w.k8s.Delete(t.Context(), deleted)).To(Succeed())
	w.declare(w.b, "acme-new-"+w.b)
	account, _ := w.sim.Account("acme-drift-" + w.b)
	w.Expect(w.sim.SetField(account.ID, "account_email", "drifted@acme.example")).To(Succeed())
	w.edit(first, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "first@acme.example" })
	w.expectServed(first)
	w.awaitLists(3)
	w.Expect(w.email("acme-drift-"+w.b)).To(Equal("drifted@acme.example"), "nothing is corrected by a spec that may be old")
	o.expectPaced()

	w.grant(w.b, "manager-role")
	w.expectServed(edited)
	w.Expect(w.email("acme-" + w.b)).To(Equal("edited@acme.example"))
	w.eventually(func(g Gomega) { g.Expect(w.email("acme-drift-" + w.b)).To(Equal(drifted.Spec.Email)) })
	w.expectServed(&v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.b, Name: "acme-new-" + w.b, Generation: 1}})
	o.expectReady(http.StatusOK, line("[+]", "cache/"+w.b, "ok"))
	w.expectWatched(w.b)

	// And all of it: then there is nothing to be in service for.
	w.lose(w.a)
	w.lose(w.b)
	o.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.a, "Forbidden"), line("[-]", "cache/"+w.b, "Forbidden"))
	w.grant(w.a, "manager-role")
	w.edit(first, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "again@acme.example" })
	w.expectServed(first)
	o.expectReady(http.StatusOK)
	w.lose(w.a)
	o.expectReady(http.StatusInternalServerError)
	o.stop()
}

// testNamespaceLostQuietly takes the operator's rights away and leaves it the watches that were allowed before.
func (c *cluster) testNamespaceLostQuietly(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("make test-all runs it: a watch lasts two minutes")
	}
	w := c.newWorld(t)
	w.grant(w.a, "manager-role")
	w.grant(w.b, "manager-role")
	o := w.runFor()
	o.expectReady(http.StatusOK)
	w.revoke(w.b, "manager-role")
	w.Eventually(func() string { return o.readyz().body }).WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(MatchRegexp(line("[!]", "cache/"+w.b, "Forbidden")))
	o.stop()
}

// testReplicas has a replica that stands by lose, and lack, what it needs.
func (c *cluster) testReplicas(t *testing.T) {
	w := c.newWorld(t)
	w.grant(w.a, "leader-election-role")
	lease := w.holdLease(w.a)
	w.declareParent(w.a)
	child := w.declare(w.a, "acme-"+w.a)
	standby := w.runReplica(w.a)
	standby.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.a, "Forbidden"), line("[+]", "leader-election", "ok"))
	w.grant(w.a, "manager-role")
	w.grant(w.b, "manager-role")
	standby.expectReady(http.StatusOK, line("[+]", "cache/"+w.a, "ok"))
	w.lose(w.a)
	w.lose(w.b)
	standby.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.a, "Forbidden"))
	w.Expect(w.sim.Calls()).To(BeEmpty())

	// It leads although it can read nothing, and works as soon as it can.
	w.yieldLease(lease)
	w.eventually(func(g Gomega) { g.Expect(standby.output.String()).To(ContainSubstring("uccessfully acquired lease")) })
	standby.expectReady(http.StatusInternalServerError)
	w.grant(w.a, "manager-role")
	w.expectServed(child)

	// A leader that loses its rights waits for them.
	w.lose(w.a)
	standby.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.a, "Forbidden"))
	w.grant(w.a, "manager-role")
	w.edit(child, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "again@acme.example" })
	w.expectServed(child)
	standby.stop()
}

// testAPIRestart restarts the API server while a namespace is not allowed.
func (c *cluster) testAPIRestart(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("make test-all runs it")
	}
	w := c.newWorld(t)
	w.grant(w.a, "manager-role")
	w.declareParent(w.a)
	w.declareParent(w.b)
	o := w.runFor()
	first, second := w.serve(w.a, "acme-"+w.a), w.declare(w.b, "acme-"+w.b)
	c.restart(t)
	w.edit(first, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "first@acme.example" })
	w.expectServed(first)
	w.Expect(o.readyz().body).To(MatchRegexp(`cache/` + w.b + ` .*Forbidden`))
	w.grant(w.b, "manager-role")
	w.expectServed(second)
	c.restart(t)
	for _, child := range []*v1alpha1.ChildAccount{first, second} {
		w.edit(child, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "again-" + c.Spec.Email })
		w.expectServed(child)
	}
	o.expectReady(http.StatusOK, line("[+]", "cache/"+w.b, "ok"))
	o.stop()
}

// testNamespaceRecreated has a namespace come, go with all that is in it, and come again, as Kubernetes itself does that.
func (c *cluster) testNamespaceRecreated(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("make test-all runs it: it needs a kube-controller-manager")
	}
	w := c.newWorld(t)
	c.startControllerManager(t)
	w.grant(w.a, "manager-role")
	w.declareParent(w.a)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.b}}
	w.Expect(w.k8s.Delete(t.Context(), ns)).To(Succeed())
	w.gone(ns)
	o := w.runFor()
	o.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.b, "Forbidden"))
	first := w.serve(w.a, "acme-"+w.a)
	for range 2 {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.b}})
		w.declareParent(w.b)
		second := w.declare(w.b, "acme-"+w.b)
		w.grant(w.b, "manager-role")
		w.expectServed(second)
		o.expectReady(http.StatusOK, line("[+]", "cache/"+w.b, "ok"))

		w.Expect(w.k8s.Delete(t.Context(), second)).To(Succeed()) // before the namespace, as docs/operations.md has it
		w.gone(second)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.b}}
		w.Expect(w.k8s.Delete(t.Context(), ns)).To(Succeed())
		w.gone(ns)
		w.front.cut()
		o.expectReady(http.StatusOK, line("[!]", "cache/"+w.b, "Forbidden"))
		w.edit(first, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "again-" + c.Spec.Email })
		w.expectServed(first)
	}
	_, there := w.sim.Account("acme-" + w.b)
	w.Expect(there).To(BeTrue(), "the account stays")
	w.Expect(w.sim.Counts()["AddAccount"]).To(Equal(2), "and is found again")
	o.stop()
}

// startControllerManager starts the part of a real one that deletes what is in namespaces.
func (c *cluster) startControllerManager(t *testing.T) {
	g := NewWithT(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(kubeconfig, c.control.KubeConfig, 0o600)).To(Succeed())
	cmd := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"), "--kubeconfig="+kubeconfig,
		"--controllers=namespace-controller", "--leader-elect=false", "--secure-port=0", "--bind-address=127.0.0.1",
		"--kube-api-qps=200", "--kube-api-burst=400")
	g.Expect(cmd.Start()).To(Succeed(), "KUBEBUILDER_ASSETS must hold a kube-controller-manager: hack/controlplane/assets --with controller-manager")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}
