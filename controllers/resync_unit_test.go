package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

// The next list is never much sooner or later than an interval away, after the first always an interval, and many parents
// do not meet.
func TestNextResync(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(time.Second), int64(24*time.Hour)).Draw(t, "interval"))
		last := noon.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "last")))
		uid := types.UID(rapid.String().Draw(t, "uid"))
		next := nextResync(last, interval, uid)
		if away := next.Sub(last); away < interval/2 || away > interval*3/2 {
			t.Fatalf("%v away, of an interval of %v", away, interval)
		}
		if second := nextResync(next, interval, uid); second.Sub(next) != interval {
			t.Fatalf("the second after %v, of an interval of %v", second.Sub(next), interval)
		}
	})
	moments := map[time.Time]bool{}
	for i := range 1000 {
		moments[nextResync(noon, 5*time.Minute, types.UID(rune('a'+i))).Truncate(time.Second)] = true
	}
	if len(moments) < 200 {
		t.Errorf("a thousand parents meet at %d moments", len(moments))
	}
}
