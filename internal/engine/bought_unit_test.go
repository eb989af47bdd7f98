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
	if all, restored := b.sync(leftKey{"parent", "7"}, nil, declared, nil, noon.Add(21*24*time.Hour)); !restored || len(all) != 1 || all[0].TemplateID != "11" {
		t.Errorf("restored %t: %+v", restored, all)
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
	all, restored := b.sync(key, nil, []account.Plan{{Type: "MAU", ID: "11"}}, nil, noon.Add(time.Hour))
	if !b.knows(key) || !restored || len(all) != 1 {
		t.Errorf("restored %t: %+v", restored, all)
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
	if all, restored := b.sync(key, nil, declared, nil, noon.Add(time.Hour)); !restored || len(all) != 1 || !accepted(all[0]) {
		t.Errorf("restored %t: %+v", restored, all)
	}
}
