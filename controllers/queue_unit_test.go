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
)

// What a resync wakes stands in the queue behind all that people ask for, before it and after.
func TestQueueHasWhatIsNotUrgentLast(t *testing.T) {
	queue := priorityqueue.New[ctrl.Request](t.Name())
	defer queue.ShutDown()
	r := &AccountReconciler{}
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

// requested is the request for a resource of this kind.
func requested(kind string, i int) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "telephony", Name: fmt.Sprintf("%s-%d", kind, i)}}
}
