package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
)

// What a person has just changed goes first, then what is new, then what changed at the provider; lists, which say nothing of
// how urgent they are, come last.
func TestUrgency(t *testing.T) {
	edit, drift := account.Change{Origin: account.FromSpec}, account.Change{Origin: account.FromRemote}
	update := func(changes ...account.Change) account.Decision {
		return account.Decision{Step: account.StepUpdate, Changes: changes}
	}
	for name, c := range map[string]struct {
		decision account.Decision
		want     pacing.Priority
	}{
		"a change of the spec":                     {update(edit), pacing.Edit},
		"a change of the spec, and drift":          {update(drift, edit), pacing.Edit},
		"what is left of it: password, connection": {account.Decision{Step: account.StepNone}, pacing.Edit},
		"a new account":                            {account.Decision{Step: account.StepCreate}, pacing.Creation},
		"the look before it":                       {account.Decision{Step: account.StepLook}, pacing.Creation},
		"one that is made anew":                    {account.Decision{Step: account.StepRecreate}, pacing.Creation},
		"drift":                                    {update(drift, drift), pacing.Drift},
	} {
		if got := urgency(c.decision); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	order := []pacing.Priority{pacing.Snapshot, pacing.Drift, pacing.Creation, pacing.Edit}
	if unsaid := pacing.Priority(0); unsaid != order[0] || !slices.IsSorted(order) {
		t.Errorf("from the least urgent: %v", order)
	}
}

func requested(kind string, i int) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "telephony", Name: fmt.Sprintf("%s-%d", kind, i)}}
}

// What a resync wakes stands in the queue behind all that people ask for, before it and after.
func TestQueueHasWhatIsNotUrgentLast(t *testing.T) {
	queue := priorityqueue.New[ctrl.Request](t.Name())
	defer queue.ShutDown()
	r := &ChildAccountReconciler{}
	r.enqueue(requested("early", 0), false) // not started: nothing to put it into
	asQueue := workqueue.TypedRateLimitingInterface[ctrl.Request](queue)
	r.queue.Store(&asQueue)
	queue.Add(requested("asked", 0))
	for i := range 100 {
		r.enqueue(requested("calm", i), false)
	}
	r.enqueue(requested("urgent", 0), true)
	queue.Add(requested("asked", 1)) // as the watch does with what is new or changed
	queue.Add(requested("calm", 70)) // as it does with one that a person edits meanwhile
	var got []ctrl.Request
	for range 103 {
		req, _ := queue.Get()
		got = append(got, req)
		queue.Done(req)
	}
	first := slices.SortedFunc(slices.Values(got[:4]), func(a, b ctrl.Request) int { return strings.Compare(a.Name, b.Name) })
	want := []ctrl.Request{requested("asked", 0), requested("asked", 1), requested("calm", 70), requested("urgent", 0)}
	if !slices.Equal(first, want) {
		t.Errorf("first come %v, want %v", first, want)
	}
}
