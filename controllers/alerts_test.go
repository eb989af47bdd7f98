package controllers_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

var (
	// selector finds the metric in an alert's expression, and what its labels have to be.
	selector = regexp.MustCompile(`(` + metrics.Prefix + `\w+)(?:\{([^}]*)\})?`)
	// sample is a line of what Prometheus reads.
	sample = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? (\S+)$`)
)

// values are the values of the series that an alert asks for, those of one ParentAccount alone where they are about ParentAccounts.
func values(expr string, parent client.Object) (found []float64) {
	GinkgoHelper()
	m := selector.FindStringSubmatch(expr)
	Expect(m).NotTo(BeNil(), expr)
	for line := range strings.SplitSeq(testenv.Scrape(), "\n") {
		s := sample.FindStringSubmatch(line)
		if s == nil || s[1] != m[1] {
			continue
		}
		labels := "," + s[2] + ","
		of := fmt.Sprintf(`,namespace=%q,parent=%q,`, parent.GetNamespace(), parent.GetName())
		if strings.Contains(labels, `,parent="`) && !strings.Contains(labels, of) {
			continue
		}
		matches := true
		for _, label := range strings.Split(m[2], ",") {
			matches = matches && (label == "" || strings.Contains(labels, ","+label+","))
		}
		if matches {
			value, err := strconv.ParseFloat(s[3], 64)
			Expect(err).NotTo(HaveOccurred())
			found = append(found, value)
		}
	}
	return found
}

// ofParents are the alerts about each ParentAccount.
func ofParents(expr string) bool {
	for _, d := range metrics.Definitions {
		if strings.Contains(expr, metrics.Prefix+d.Name) && strings.HasPrefix(strings.Join(d.Labels, ","), "namespace,parent") {
			return true
		}
	}
	return false
}

// expectSeries finds the series of each alert, or says of which it finds none.
func expectSeries(state string, parent client.Object, known bool) {
	GinkgoHelper()
	for _, alert := range metrics.Alerts {
		if ofParents(alert.Expr) && !known {
			Eventually(func() []float64 { return values(alert.Expr, parent) }).Should(BeEmpty(), "%s: %s", state, alert.Expr)
			continue
		}
		Eventually(func() []float64 { return values(alert.Expr, parent) }).ShouldNot(BeEmpty(), "%s: %s", state, alert.Expr)
	}
}

// valueOf is the value of the one series of a metric that is about a ParentAccount.
func valueOf(d metrics.Definition, parent client.Object) func() float64 {
	return func() float64 {
		found := values(metrics.Prefix+d.Name, parent)
		if len(found) != 1 {
			return -1
		}
		return found[0]
	}
}

var _ = Describe("The alerts that are documented", func() {
	It("have their series from the start, in every state of a ParentAccount, and lose them with it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ParentAccount()
		w.Start(ctx)
		expectSeries("there is no ParentAccount", p, false)
		for _, method := range voximplant.Methods() { // whatever other specs of this process have called
			Expect(values(metrics.Prefix+metrics.Calls.Name+`{class="Throttled",method="`+method+`"}`, p)).To(HaveLen(1), method)
		}

		state := func(name, reason string, change func()) {
			By(name)
			change()
			Eventually(testenv.ColumnsOf(ctx, p)).Should(HaveKeyWithValue("Reason", reason))
			expectSeries(name, p, true)
		}
		edit := func(change func(*v1alpha1.ParentAccount)) func() {
			return func() { testenv.Edit(ctx, p, change) }
		}
		state("its Secret is missing", "SecretMissing", func() { Expect(testenv.K8s.Create(ctx, p)).To(Succeed()) })
		state("available", "Available", func() { Expect(testenv.K8s.Create(ctx, w.Credentials())).To(Succeed()) })
		state("suspended", "Suspended", edit(func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) }))
		Expect(valueOf(metrics.SnapshotAge, p)()).To(BeZero(), "nothing is to be compared")
		state("the endpoint is not allowed", "EndpointNotAllowed", edit(func(p *v1alpha1.ParentAccount) {
			p.Spec.Suspend, p.Spec.Voximplant.Endpoint = nil, ptr.To("https://elsewhere.example")
		}))
		state("available again", "Available", edit(func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = ptr.To(testenv.ProviderServer.URL) }))
		fault := 0
		state("the credentials are refused", "Unauthorized", func() {
			fault = w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 100})
		})
		w.Sim.RemoveFault(fault)
		state("an outage", "APIUnavailable", func() {
			fault = w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
			testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
			})
		})
		w.Sim.RemoveFault(fault)
		state("after the outage", "Available", func() {})

		By("deleted")
		Expect(testenv.K8s.Delete(ctx, p)).To(Succeed())
		expectSeries("deleted", p, false)
	})

	It("fire where the operator is restarted amid an outage", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		fake := clocktesting.NewFakeClock(time.Now())
		w.Clock = fake
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(valueOf(metrics.Unavailable, p)).Should(BeZero())
		w.Stop()
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		w.Start(ctx)
		Eventually(valueOf(metrics.Unavailable, p)).Should(BeEquivalentTo(1))
		fake.Step(2 * time.Hour)
		Eventually(valueOf(metrics.SnapshotAge, p)).Should(BeNumerically(">", 3600))

		By("and after another one")
		w.Stop()
		w.Start(ctx)
		Eventually(func(g Gomega) { // the metrics of the former process are served until this one has read something
			g.Expect(valueOf(metrics.SnapshotAge, p)()).To(BeNumerically("<", 60))
			g.Expect(valueOf(metrics.Unavailable, p)()).To(BeEquivalentTo(1))
		}).Should(Succeed())
	})

	It("are quiet on a replica that waits for the lease", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		fake := clocktesting.NewFakeClock(time.Now())
		w.Clock = fake
		p := w.ApplyParent(ctx)
		w.Options.LeaderElect, w.Options.LeaderElectionNamespace = true, testenv.OperatorNamespace
		testenv.HoldLease(ctx, testenv.OperatorNamespace)
		w.Start(ctx)
		expectSeries("waiting for the lease", p, true)
		fake.Step(2 * time.Hour)
		Expect(valueOf(metrics.SnapshotAge, p)()).To(BeZero())
	})
})
