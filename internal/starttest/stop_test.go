package starttest

import (
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// phase is something that a start waits for.
type phase struct {
	name string
	// reach starts the operator, and waits until it waits.
	reach func(w *world) *operator
}

var phases = []phase{
	{"the Kubernetes API refuses connections", func(w *world) *operator {
		w.front.leave()
		o := w.run()
		o.expectReady(http.StatusInternalServerError, line("[-]", "installation-id", "namespace kube-system Unreachable"), line("[-]", "cache", "Unreachable"))
		return o
	}},
	{"the Kubernetes API accepts connections and says nothing", func(w *world) *operator {
		w.front.fallSilent(true)
		o := w.run()
		w.eventually(func(g Gomega) { g.Expect(w.front.connections()).To(BeNumerically(">", 0)) })
		o.expectReady(http.StatusInternalServerError, line("[-]", "installation-id", "Reading"), line("[-]", "cache", "Reading"))
		return o
	}},
	{"nothing is allowed", func(w *world) *operator {
		o := w.run()
		o.expectReady(http.StatusInternalServerError, line("[-]", "installation-id", "namespace kube-system Forbidden"), line("[-]", "cache", "Forbidden"))
		return o
	}},
	{"nothing but the installation's id is known", func(w *world) *operator {
		o := w.run("--installation-id=blue")
		o.expectReady(http.StatusInternalServerError, line("[-]", "cache", "Forbidden"))
		w.Expect(o.readyz().body).NotTo(ContainSubstring("installation-id"))
		return o
	}},
	{"the UID of kube-system must not be read", func(w *world) *operator {
		w.grant("", withoutNamespaces)
		w.grant("", "manager-cluster-role")
		o := w.run()
		o.expectReady(http.StatusInternalServerError, line("[-]", "installation-id", "namespace kube-system Forbidden"), line("[-]", "cache", "Waiting"))
		return o
	}},
	{"no namespace of several is allowed", func(w *world) *operator {
		o := w.runFor()
		o.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.a, "Forbidden"), line("[-]", "cache/"+w.b, "Forbidden"))
		return o
	}},
	{"one namespace of several is not allowed", func(w *world) *operator {
		w.grant(w.a, "manager-role")
		o := w.runFor()
		o.expectReady(http.StatusInternalServerError, line("[+]", "cache/"+w.a, "ok"), line("[-]", "cache/"+w.b, "Forbidden"))
		return o
	}},
	{"another replica leads", func(w *world) *operator {
		w.grant(w.a, "manager-role")
		w.grant(w.b, "manager-role")
		w.grant(w.a, "leader-election-role")
		w.holdLease(w.a)
		o := w.runReplica(w.a)
		o.expectReady(http.StatusOK, line("[+]", "leader-election", "ok"), line("[+]", "cache/"+w.b, "ok"))
		return o
	}},
	{"another replica leads and nothing is allowed", func(w *world) *operator {
		w.grant(w.a, "leader-election-role")
		w.holdLease(w.a)
		o := w.runReplica(w.a)
		o.expectReady(http.StatusInternalServerError, line("[-]", "cache/"+w.a, "Forbidden"))
		return o
	}},
	{"the lease is not allowed", func(w *world) *operator {
		w.grant(w.a, "manager-role")
		w.grant(w.b, "manager-role")
		o := w.runReplica(w.a)
		o.expectReady(http.StatusInternalServerError, line("[-]", "leader-election", "Forbidden"), line("[+]", "cache/"+w.a, "ok"))
		return o
	}},
	{"nothing: it works", func(w *world) *operator {
		w.grant("", "manager-role")
		w.grant("", "manager-cluster-role")
		o := w.run()
		o.expectReady(http.StatusOK, line("[+]", "cache", "ok"))
		w.declareParent(w.a)
		w.serve(w.a, "acme-"+w.a)
		return o
	}},
	{"the Kubernetes API, which went away meanwhile", func(w *world) *operator {
		w.grant("", "manager-role")
		w.grant("", "manager-cluster-role")
		o := w.run()
		o.expectReady(http.StatusOK)
		w.front.leave()
		w.eventually(func(g Gomega) {
			g.Expect(o.metric("cache_requests_total", `result="Unreachable"`)).To(BeNumerically(">=", 10))
		})
		return o
	}},
}

// testStops has the operator stop while it waits for something. That it leaves the processors alone meanwhile is looked at
// beside, as each phase has its own process.
func (c *cluster) testStops(t *testing.T) {
	for _, p := range slices.Concat(phases, proxyPhases) {
		t.Run("it stops while it waits, "+p.name, func(t *testing.T) {
			t.Parallel()
			o := p.reach(c.newWorld(t))
			o.expectPaced()
			o.stop()
		})
	}
}

// runReplica starts one of several replicas, whose lease is in a namespace.
func (w *world) runReplica(lease string) *operator {
	w.t.Helper()
	return w.start(w.t, w.front, w.user, []string{leaseNamespace + "=" + lease},
		"--allowed-endpoints="+w.endpoint, "--namespaces="+w.a+","+w.b, "--installation-id=blue", "--leader-elect")
}

// holdLease has another replica hold the lease.
func (w *world) holdLease(ns string) *coordinationv1.Lease {
	w.t.Helper()
	now := metav1.NewMicroTime(time.Now())
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "child-account-operator.cpaas.dev"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("another replica"), LeaseDurationSeconds: ptr.To[int32](3600), AcquireTime: &now, RenewTime: &now},
	}
	w.create(lease)
	return lease
}

// yieldLease has the other replica give the lease back.
func (w *world) yieldLease(lease *coordinationv1.Lease) {
	w.t.Helper()
	w.eventually(func(g Gomega) {
		g.Expect(w.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(lease), lease)).To(Succeed())
		lease.Spec.HolderIdentity = ptr.To("")
		g.Expect(w.k8s.Update(w.t.Context(), lease)).To(Succeed())
	})
}
