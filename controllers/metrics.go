package controllers

import (
	"context"
	"sync/atomic"

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
)

// Gauges are the metrics that are read off what the operator knows whenever somebody asks.
type Gauges struct {
	// Cache has the resources, Read says of which namespaces.
	Cache client.Reader
	Read  Read
	// Parents are those that can be worked with.
	Parents *directory.Registry
	// Clock is the time.
	Clock clock.Clock
}

// shown are the gauges of the manager that was made last; tests make several in one process.
var shown atomic.Pointer[Gauges]

func init() { ctrlmetrics.Registry.MustRegister(latest{}) }

// Show has these gauges served.
func (g *Gauges) Show() { shown.Store(g) }

type latest struct{}

// Describe implements prometheus.Collector.
func (latest) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range metrics.Gauges() {
		ch <- d.Desc()
	}
}

// Collect implements prometheus.Collector.
func (latest) Collect(ch chan<- prometheus.Metric) {
	if g := shown.Load(); g != nil {
		g.collect(func(d metrics.Definition, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d.Desc(), prometheus.GaugeValue, value, labels...)
		})
	}
}

func (g *Gauges) collect(put func(d metrics.Definition, value float64, labels ...string)) {
	g.collectParents(put)
	for _, s := range g.Read.Statuses() {
		put(metrics.CacheSynced, map[bool]float64{true: 1}[s.Synced], s.Namespace)
	}
	ctx := context.Background() // the cache answers at once
	resources, drift := map[[3]string]int{}, map[string]int{}
	var parents v1alpha1.ParentAccountList
	if g.Cache.List(ctx, &parents, client.UnsafeDisableDeepCopy) == nil {
		for i := range parents.Items {
			p := &parents.Items[i]
			resources[stateOf("ParentAccount", conditions.Parents, p.Status.Conditions)]++
			left := int32(0)
			if n := p.Status.NotDeactivated; n != nil {
				left = n.Total
			}
			put(metrics.NotDeactivated, float64(left), p.Namespace, p.Name)
			waits := int32(0)
			for _, group := range p.Status.PendingApprovals {
				waits += group.Count
			}
			put(metrics.PendingApprovals, float64(waits), p.Namespace, p.Name)
		}
	}
	var children v1alpha1.ChildAccountList
	if g.Cache.List(ctx, &children, client.UnsafeDisableDeepCopy) == nil {
		for i := range children.Items {
			resources[stateOf("ChildAccount", conditions.Children, children.Items[i].Status.Conditions)]++
			for _, d := range children.Items[i].Status.Drift {
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

func (g *Gauges) collectParents(put func(d metrics.Definition, value float64, labels ...string)) {
	for key, p := range g.Parents.All() {
		put(metrics.Rate, p.Budget.Rate(), key.Namespace, key.Name)
		down, _ := p.Budget.Unavailable()
		put(metrics.Unavailable, map[bool]float64{true: 1}[down], key.Namespace, key.Name)
		if method := p.ListMethod(); method != "" {
			put(metrics.ListMethod, 1, key.Namespace, key.Name, method)
		}
		if l := p.Listings(); l.Complete > 0 {
			put(metrics.SnapshotAge, g.Clock.Since(l.CompleteAt).Seconds(), key.Namespace, key.Name)
			put(metrics.SnapshotAccounts, float64(l.Total), key.Namespace, key.Name)
		}
	}
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
