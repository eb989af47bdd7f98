package engine

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// What was requested is remembered by account for a month after a status of the account was last seen, and not for good.
func TestBoughtPlansAreForgotten(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b, requested := newBoughtPlans(), v1alpha1.PlanChange{Type: "MAU", TemplateID: "11", RequestedAt: metav1.NewTime(noon), Accepted: ptr.To(true)}
	declared := []account.Plan{{Type: "MAU", ID: "11"}}
	for _, id := range []string{"7", "8", "9"} {
		b.sync(leftKey{"parent", id}, []v1alpha1.PlanChange{requested}, declared, nil, noon)
	}
	b.see(leftKey{"parent", "7"}, nil, noon.Add(20*24*time.Hour)) // its status was seen: the last one, which a cache has, adds nothing
	if is := b.sync(leftKey{"parent", "7"}, nil, declared, nil, noon.Add(21*24*time.Hour)); !is.restored || len(is.changes) != 1 || is.changes[0].TemplateID != "11" {
		t.Errorf("%+v", is)
	}
	b.see(leftKey{"parent", "8"}, nil, noon.Add(40*24*time.Hour))
	if b.knows(leftKey{"parent", "9"}) || !b.knows(leftKey{"parent", "7"}) || len(b.by) != 2 {
		t.Errorf("%+v", b.by)
	}
}

// Of an account whose resource this process has not reconciled the status counts with which the resource was deleted.
func TestBoughtPlansOfADeletedResource(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b, key := newBoughtPlans(), leftKey{"parent", "7"}
	b.see(key, []v1alpha1.PlanChange{{Type: "MAU", TemplateID: "11", RequestedAt: metav1.NewTime(noon)}}, noon)
	is := b.sync(key, nil, []account.Plan{{Type: "MAU", ID: "11"}}, nil, noon.Add(time.Hour))
	if !b.knows(key) || !is.restored || len(is.changes) != 1 {
		t.Errorf("%+v", is)
	}
}

// Another status of the account, a restored copy for instance, may have been seen before that records nothing: what a deleted resource's status
// records counts all the same.
func TestBoughtPlansOfADeletedResourceAfterACopyOfIt(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b, key, declared := newBoughtPlans(), leftKey{"parent", "7"}, []account.Plan{{Type: "MAU", ID: "11"}}
	b.sync(key, nil, nil, nil, noon)
	b.see(key, []v1alpha1.PlanChange{{Type: "MAU", TemplateID: "11", RequestedAt: metav1.NewTime(noon), Accepted: ptr.To(true)}}, noon)
	if is := b.sync(key, nil, declared, nil, noon.Add(time.Hour)); !is.restored || len(is.changes) != 1 || !accepted(is.changes[0]) {
		t.Errorf("%+v", is)
	}
}

// A change ends once no plan of its type was declared for a minute on end: a declaration in between, of whichever plan, begins the minute anew, and so
// does a restart.
func TestBoughtPlansEnd(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b, key := newBoughtPlans(), leftKey{"parent", "7"}
	status := []v1alpha1.PlanChange{{Type: "MAU", TemplateID: "11", RequestedAt: metav1.NewTime(noon), Accepted: ptr.To(true)}}
	for _, c := range []struct {
		at       time.Duration
		declared []account.Plan
		restart  bool
		ends     time.Duration
		over     bool
	}{
		{at: 0, declared: []account.Plan{{Type: "MAU", ID: "12"}}},
		{at: 10 * time.Second, ends: time.Minute},
		{at: 30 * time.Second, declared: []account.Plan{{Type: "IM", ID: "21"}}, ends: 40 * time.Second},
		{at: 2 * time.Minute, declared: []account.Plan{{Type: "MAU", ID: "10"}}},
		{at: 3 * time.Minute, ends: time.Minute},
		{at: 210 * time.Second, restart: true, ends: time.Minute},
		{at: 260 * time.Second, ends: 10 * time.Second},
		{at: 270 * time.Second, over: true},
	} {
		if c.restart {
			b = newBoughtPlans()
		}
		is := b.sync(key, status, c.declared, nil, noon.Add(c.at))
		if is.ends != c.ends || (is.changes == nil) != c.over || is.restored {
			t.Errorf("after %s: %+v", c.at, is)
		}
		status = is.changes
	}
	if left := b.requested(key, noon); len(left) > 0 {
		t.Errorf("remembered: %+v", left)
	}
}

// Of a status that is as old as a backup the record that was made later counts.
func TestBoughtPlansOfAnOldStatus(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b, key, declared := newBoughtPlans(), leftKey{"parent", "7"}, []account.Plan{{Type: "MAU", ID: "11"}}
	old := v1alpha1.PlanChange{Type: "MAU", TemplateID: "11", RequestedAt: metav1.NewTime(noon)}
	b.note(key, v1alpha1.PlanChange{Type: "MAU", TemplateID: "12", RequestedAt: metav1.NewTime(noon.Add(time.Hour)), Accepted: ptr.To(true)})
	is := b.sync(key, []v1alpha1.PlanChange{old}, declared, nil, noon.Add(2*time.Hour))
	if !is.restored || len(is.changes) != 1 || is.changes[0].TemplateID != "12" || !accepted(is.changes[0]) {
		t.Errorf("%+v", is)
	}
}
