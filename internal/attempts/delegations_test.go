package attempts

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// The pauses of the same attempt grow from ten minutes to six hours; another attempt begins anew.
func TestDelegations(t *testing.T) {
	d, now := NewDelegations(), noon
	out := conditions.Outcome{Reason: v1alpha1.ReasonRoleMissing, Message: "not granted"}
	if _, ok := d.Last("a"); ok {
		t.Error("something is remembered")
	}
	last := time.Duration(0)
	for range 12 {
		d.Refuse("a", conditions.Children, "first", out, now)
		r, ok := d.Last("a")
		pause := r.Until.Sub(now)
		if !ok || r.Fingerprint != "first" || r.Outcome.Message != "not granted" || !r.Since.Equal(noon) || pause < 10*time.Minute || pause > 6*time.Hour+36*time.Minute || pause*2 < last {
			t.Fatalf("%+v, after %s", r, last)
		}
		now, last = r.Until, pause
	}
	if last < 5*time.Hour {
		t.Errorf("after many refusals it is tried again in %s", last)
	}
	d.Refuse("a", conditions.Children, "second", out, now)
	if r, _ := d.Last("a"); !r.Since.Equal(now) || r.Until.Sub(now) > 11*time.Minute {
		t.Errorf("another attempt: %+v", r)
	}
	d.Refuse("b", conditions.Children, "first", out, now)
	d.Forget("a")
	if _, ok := d.Last("a"); ok {
		t.Error("it is not forgotten")
	}
	if _, ok := d.Last("b"); !ok {
		t.Error("another resource's is forgotten")
	}
	// The provider's own word counts, too.
	out.After = 20 * time.Hour
	d.Refuse("b", conditions.Children, "third", out, now)
	if r, _ := d.Last("b"); r.Until.Sub(now) < 20*time.Hour {
		t.Errorf("%+v", r)
	}
}
