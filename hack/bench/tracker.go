package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// tracker sees when each ChildAccount becomes Ready, by a watch.
type tracker struct {
	mu sync.Mutex
	// ready is, by name, the newest generation that was Ready and when it first was.
	ready map[string]readiness
}

type readiness struct {
	generation int64
	at         time.Time
}

// startTracker starts to watch, until ctx ends.
func startTracker(ctx context.Context, cluster *stack.Cluster) (*tracker, error) {
	c, err := cache.New(cluster.Config, cache.Options{Scheme: cluster.Scheme(), DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, err
	}
	informer, err := c.GetInformer(ctx, &v1alpha1.ChildAccount{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	t := &tracker{ready: map[string]readiness{}}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { t.see(o.(*v1alpha1.ChildAccount)) },
		UpdateFunc: func(_, o any) { t.see(o.(*v1alpha1.ChildAccount)) },
	})
	if err != nil {
		return nil, err
	}
	go func() { _ = c.Start(ctx) }() // fails only where it is started twice
	if !c.WaitForCacheSync(ctx) {
		return nil, context.Cause(ctx)
	}
	return t, nil
}

func (t *tracker) see(c *v1alpha1.ChildAccount) {
	if !ready(c) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready[c.Name].generation < c.Generation {
		t.ready[c.Name] = readiness{c.Generation, time.Now()}
	}
}

// ready is what kubectl wait --for=condition=Ready waits for.
func ready(c *v1alpha1.ChildAccount) bool {
	cond := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
	return cond != nil && cond.Status == metav1.ConditionTrue && cond.ObservedGeneration == c.Generation
}

// patience is how long nothing may become Ready before that is an error.
const patience = 2 * time.Minute

// await waits until each of the names is Ready at its generation, and returns when each was.
func (t *tracker) await(ctx context.Context, generations map[string]int64) ([]time.Time, error) {
	var times []time.Time
	progress := time.Now()
	err := stack.Poll(ctx, 20*time.Millisecond, func() (bool, error) {
		before := len(times)
		if times = t.times(generations); len(times) > before {
			progress = time.Now()
		}
		if time.Since(progress) > patience {
			return false, fmt.Errorf("%d of %d are Ready, and no more for %s", len(times), len(generations), patience)
		}
		return len(times) == len(generations), nil
	})
	return times, err
}

func (t *tracker) times(generations map[string]int64) (times []time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, generation := range generations {
		if r := t.ready[name]; r.generation >= generation {
			times = append(times, r.at)
		}
	}
	return times
}
