// Package gauges serves the metrics that are read off what the operator knows, whenever somebody asks. Each metric that a documented alert
// asks for has its series from the start: those of a ParentAccount from when it is known until it is deleted, whatever its state.
package gauges

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/readings"
)

// Gauges are the metrics that are read off what the operator knows whenever somebody asks. They are safe for concurrent use.
type Gauges struct {
	// Cache has the resources, Statuses says of which namespaces.
	Cache    client.Reader
	Statuses func() []namespacecache.Status
	// Parents are those that can be worked with.
	Parents *directory.Registry
	// Readings has what is read beside the lists; nil reads nothing.
	Readings *readings.Store
	// Selects says whether this operator works for a ParentAccount (--parent-selector).
	Selects func(*v1alpha1.ParentAccount) bool
	// Clock is the time.
	Clock clock.Clock

	// leads is when this replica began to work, nil while it waits for the lease.
	leads atomic.Pointer[time.Time]
}

// served are the gauges of the manager that was made last; tests make several in one process.
var served atomic.Pointer[Gauges]

func init() { ctrlmetrics.Registry.MustRegister(latest{}) }

// Serve has these gauges served.
func (g *Gauges) Serve() { served.Store(g) }

// Start implements manager.Runnable: a manager starts it once the replica leads.
func (g *Gauges) Start(context.Context) error {
	now := g.Clock.Now()
	g.leads.Store(&now)
	return nil
}

type latest struct{}

// Describe implements prometheus.Collector.
func (latest) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range metrics.Gauges() {
		ch <- d.Desc()
	}
}

// Collect implements prometheus.Collector.
func (latest) Collect(ch chan<- prometheus.Metric) {
	if g := served.Load(); g != nil {
		g.collect(func(d metrics.Definition, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d.Desc(), prometheus.GaugeValue, value, labels...)
		})
	}
}

// put serves a value of a metric.
type put func(d metrics.Definition, value float64, labels ...string)

func (g *Gauges) collect(put put) {
	g.collectConnections(put)
	for _, s := range g.Statuses() {
		put(metrics.CacheSynced, number(s.Synced), s.Namespace)
	}
	ctx := context.Background() // the cache answers at once
	resources, drift := states(), map[string]int{}
	var parents v1alpha1.ParentAccountList
	if g.Cache.List(ctx, &parents, client.UnsafeDisableDeepCopy) == nil {
		for i := range parents.Items {
			resources[stateOf("ParentAccount", conditions.Parents, parents.Items[i].Status.Conditions)]++
			g.collectParent(put, &parents.Items[i])
		}
	}
	var children v1alpha1.ChildAccountList
	if g.Cache.List(ctx, &children, client.UnsafeDisableDeepCopy) == nil {
		for i := range children.Items {
			resources[stateOf("ChildAccount", conditions.Children, children.Items[i].Status.Conditions)]++
			g.collectChildMoney(put, &children.Items[i])
			for _, d := range children.Items[i].Status.Drift {
				drift[d.Field]++
			}
		}
	}
	var subs v1alpha1.SubAccountList
	if g.Cache.List(ctx, &subs, client.UnsafeDisableDeepCopy) == nil {
		for i := range subs.Items {
			resources[stateOf("SubAccount", conditions.SubAccounts, subs.Items[i].Status.Conditions)]++
			for _, d := range subs.Items[i].Status.Drift {
				drift[d.Field]++
			}
		}
	}
	for of, n := range resources {
		put(metrics.Resources, float64(n), of[:]...)
	}
	for field, n := range drift {
		put(metrics.Drift, float64(n), field)
	}
}

// collectConnections has what is known of the ParentAccounts that are connected.
func (g *Gauges) collectConnections(put put) {
	for key, p := range g.Parents.All() {
		g.collectReadings(put, key)
		put(metrics.Rate, p.Budget.Rate(), key.Namespace, key.Name)
		if method := p.ListMethod(); method != "" {
			put(metrics.ListMethod, 1, key.Namespace, key.Name, method)
		}
		if l := p.Listings(); l.Complete > 0 {
			put(metrics.SnapshotAccounts, float64(l.Total), key.Namespace, key.Name)
		}
	}
}

// collectParent has what there is to say of each ParentAccount, connected or not.
func (g *Gauges) collectParent(put put, p *v1alpha1.ParentAccount) {
	left, waits := int32(0), int32(0)
	if n := p.Status.NotDeactivated; n != nil {
		left = n.Total
	}
	put(metrics.NotDeactivated, float64(left), p.Namespace, p.Name)
	for _, group := range p.Status.PendingApprovals {
		waits += group.Count
	}
	if n := p.Status.PendingResources; n != nil {
		waits = max(waits, *n)
	}
	put(metrics.PendingApprovals, float64(waits), p.Namespace, p.Name)
	if g.Selects(p) { // else another operator says so
		put(metrics.Unavailable, number(g.unavailable(p)), p.Namespace, p.Name)
		put(metrics.SnapshotAge, g.snapshotAge(p).Seconds(), p.Namespace, p.Name)
	}
}

// unavailable says whether the provider does not answer: what the ParentAccount's status says, and what calls have shown since. After a
// restart amid an outage there is only the status.
func (g *Gauges) unavailable(p *v1alpha1.ParentAccount) bool {
	if p.Suspended() {
		return false
	}
	if dir := g.Parents.Get(client.ObjectKeyFromObject(p)); dir != nil {
		if down, _ := dir.Budget.Unavailable(); down {
			return true
		}
	}
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAPIAvailable)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == v1alpha1.ReasonAPIUnavailable
}

// snapshotAge is for how long nothing was compared, as far as this process knows: since the last complete list, or since the replica leads
// and there is the ParentAccount. 0 where nothing is to be compared.
func (g *Gauges) snapshotAge(p *v1alpha1.ParentAccount) time.Duration {
	leads := g.leads.Load()
	if leads == nil || p.Suspended() || conditions.HadReason(p.Status.Conditions, v1alpha1.ConditionAPIAvailable, v1alpha1.ReasonSuspended) {
		return 0
	}
	since := g.Parents.LastListed(client.ObjectKeyFromObject(p))
	if since.IsZero() {
		since = *leads
	}
	if created := p.CreationTimestamp.Time; created.After(since) {
		since = created
	}
	return max(g.Clock.Since(since), 0)
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// states are all states that the condition tables know, each with no resource yet.
func states() map[[3]string]int {
	out := map[[3]string]int{}
	for kind, table := range map[string]conditions.Table{"ParentAccount": conditions.Parents, "ChildAccount": conditions.Children, "SubAccount": conditions.SubAccounts} {
		out[[3]string{kind, "", ""}] = 0
		for reason, ready := range table.States() {
			out[[3]string{kind, string(ready), reason}] = 0
		}
	}
	return out
}

// stateOf is the kind, the status of the Ready condition, and the reason of the one beside it, which is always the last.
func stateOf(kind string, t conditions.Table, conditions []metav1.Condition) [3]string {
	of := [3]string{kind}
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c != nil {
		of[1] = string(c.Status)
	}
	if c := meta.FindStatusCondition(conditions, t.Second()); c != nil {
		of[2] = c.Reason
	}
	return of
}
