package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// scenario is something that happens to a fleet.
type scenario struct {
	name string
	run  func(*fleet, context.Context) (measured, error)
}

// The names of the scenarios.
const (
	creation    = "creation"
	backlog     = "backlog"
	firstResync = "first resync"
	rest        = "rest"
	change      = "change"
	restart     = "restart"
	newcomers   = "newcomers"

	// The scenarios of accounts with a profile: the operator's start before there are any, their creation, and resyncs.
	profilesStart = "start with readings"
	profiles      = "profiles"
	profilesRest  = "profiles at rest"

	// The scenarios of SubAccounts: their creation, resyncs, and a change of each.
	subAccounts       = "SubAccounts"
	subAccountsRest   = "SubAccounts at rest"
	subAccountsChange = "SubAccounts changed"
)

// scenarios are tried in this order, each on what the one before it has left.
var scenarios = []scenario{
	{creation, (*fleet).create},
	{firstResync, (*fleet).resyncOnce},
	{rest, (*fleet).watchRest},
	{change, (*fleet).changeAll},
	{restart, (*fleet).restart},
	{newcomers, (*fleet).addNewcomers},
}

// backlogAlone is tried on a stack of its own.
var backlogAlone = []scenario{{backlog, (*fleet).workOff}}

const (
	// resyncs is how many resyncs at rest are looked at.
	resyncs = 5
	// newcomerCount is how many resources are added one after another.
	newcomerCount = 10
	// shortInterval is the shortest resyncInterval there is.
	shortInterval = `{"spec": {"resyncInterval": "1s"}}`
	usualInterval = `{"spec": {"resyncInterval": null}}`
)

// create applies all at once.
func (f *fleet) create(ctx context.Context) (measured, error) {
	return f.measure(ctx, func(m *measured) error {
		applied, ready, err := forAll(ctx, f, func(c *v1alpha1.ChildAccount) error { return f.cluster.Create(ctx, c) })
		m.Applied, m.Ready = applied.Seconds(), seconds(ready)
		return err
	})
}

// workOff applies all while no operator runs, and then starts one. The clock starts with the operator's process.
func (f *fleet) workOff(ctx context.Context) (m measured, err error) {
	if err := f.stopOperator(); err != nil {
		return m, err
	}
	generations, err := changeEach(f, func(c *v1alpha1.ChildAccount) error { return f.cluster.Create(ctx, c) })
	if err != nil {
		return m, err
	}
	before, err := f.settle(ctx)
	if err != nil {
		return m, err
	}
	start := time.Now()
	if err := f.startOperator(ctx); err != nil {
		return m, err
	}
	times, err := f.tracker.await(ctx, generations)
	if err != nil {
		return m, err
	}
	m.Ready = seconds(since(start, times))
	after, err := f.settle(ctx)
	m.spending = after.since(before)
	return m, err
}

// resyncOnce has the list read for the first time since the accounts were created.
func (f *fleet) resyncOnce(ctx context.Context) (measured, error) {
	return f.measure(ctx, func(m *measured) error {
		m.Resyncs = 1
		return f.request(ctx)
	})
}

// request has the list read now, and waits until that has begun.
func (f *fleet) request(ctx context.Context) error {
	calls, err := f.calls(ctx)
	if err != nil {
		return err
	}
	if err := f.cluster.Patch(ctx, f.parent(), readNow()); err != nil {
		return err
	}
	return f.awaitCalls(ctx, listing, calls[listing])
}

// readNow has the list of a ParentAccount read now.
func readNow() client.Patch {
	now := time.Now().Format(time.RFC3339Nano)
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata": {"annotations": {"accounts.cpaas.dev/reconcile-requested-at": %q}}}`, now))
}

// listing is the method by which the list is read.
const listing = "GetChildrenAccounts"

// watchRest looks at some resyncs of accounts that are as declared.
func (f *fleet) watchRest(ctx context.Context) (m measured, err error) {
	err = f.resyncOften(ctx, func() error {
		if err := f.simulator.Control(ctx, http.MethodDelete, "calls", nil, nil); err != nil {
			return err
		}
		before, err := f.spent(ctx)
		if err != nil {
			return err
		}
		calls, err := f.wholeResyncs(ctx, resyncs)
		if err != nil {
			return err
		}
		after, err := f.spent(ctx)
		m.spending, m.Resyncs = after.since(before), resyncs
		m.Calls = calls
		m.Peak = after.Peak
		return err
	})
	return m, err
}

// resyncOften does something while the list is read every second.
func (f *fleet) resyncOften(ctx context.Context, do func() error) error {
	if err := f.patchParent(ctx, shortInterval); err != nil {
		return err
	}
	calls, err := f.calls(ctx)
	if err != nil {
		return err
	}
	pages := (f.n + 999) / 1000
	if err := f.awaitCalls(ctx, listing, calls[listing]+2*pages); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if err := f.patchParent(ctx, usualInterval); err != nil {
		return err
	}
	_, err = f.settle(ctx)
	return err
}

// wholeResyncs waits for so many resyncs, each from one first page of the list to the next, and counts all calls in them.
func (f *fleet) wholeResyncs(ctx context.Context, n int) (map[string]int, error) {
	for {
		var log []struct {
			Method string
			Params map[string]string
		}
		if err := f.simulator.Control(ctx, http.MethodGet, "calls", nil, &log); err != nil {
			return nil, err
		}
		counts, begun := map[string]int{}, 0
		for _, call := range log {
			if call.Method == listing && call.Params["offset"] == "" {
				begun++
			}
			if begun > n {
				return counts, nil
			}
			if begun > 0 {
				counts[call.Method]++
			}
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// changeAll changes the same field of all to the same value.
func (f *fleet) changeAll(ctx context.Context) (measured, error) {
	return f.measure(ctx, func(m *measured) error {
		applied, ready, err := f.patchAll(ctx, `{"spec": {"location": "Europe/Lisbon"}}`)
		m.Applied, m.Ready = applied.Seconds(), seconds(ready)
		return err
	})
}

// restart stops the operator and starts it again.
func (f *fleet) restart(ctx context.Context) (m measured, err error) {
	if err := f.stopOperator(); err != nil {
		return m, err
	}
	before, err := f.spent(ctx)
	if err != nil {
		return m, err
	}
	if err := f.startOperator(ctx); err != nil {
		return m, err
	}
	if err := f.awaitCalls(ctx, listing, before.Calls[listing]); err != nil {
		return m, err
	}
	after, err := f.settle(ctx)
	m.spending = after.since(before)
	return m, err
}

// addNewcomers adds resources one after another while the rest is resynced all the time.
func (f *fleet) addNewcomers(ctx context.Context) (m measured, err error) {
	err = f.resyncOften(ctx, func() error {
		for i := range newcomerCount {
			if err := pause(ctx, 300*time.Millisecond); err != nil { // so that each comes at another moment between two resyncs
				return err
			}
			c := child(nameOf(f.n + i))
			start := time.Now()
			if err := f.cluster.Create(ctx, c); err != nil {
				return err
			}
			times, err := f.tracker.await(ctx, map[string]int64{c.Name: c.Generation})
			if err != nil {
				return err
			}
			m.Ready = append(m.Ready, times[0].Sub(start).Seconds())
		}
		return nil
	})
	return m, err
}

// measure measures what something costs until all is at rest again.
func (f *fleet) measure(ctx context.Context, do func(*measured) error) (m measured, err error) {
	before, err := f.spent(ctx)
	if err != nil {
		return m, err
	}
	if err := do(&m); err != nil {
		return m, err
	}
	after, err := f.settle(ctx)
	m.spending = after.since(before)
	return m, err
}

func seconds(list []time.Duration) (out []float64) {
	for _, d := range list {
		out = append(out, d.Seconds())
	}
	return out
}

// pause waits a while, or says why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
