package conditions

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

func TestStale(t *testing.T) {
	var never time.Time
	down := written(Parents, Outcome{Reason: v1alpha1.ReasonAvailable}, Outcome{Reason: v1alpha1.ReasonAPIUnavailable}) // a minute past noon
	refused := written(Parents, Outcome{Reason: v1alpha1.ReasonUnauthorized})
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		listed     time.Time
		want       time.Time
	}{
		"new":                                  {nil, never, time.Time{}},
		"down, nothing read yet":               {down, never, noon.Add(time.Minute)},
		"down, and read before":                {down, noon, noon},
		"new credentials refused":              {refused, noon, noon},
		"new credentials refused, none before": {refused, never, time.Time{}},
	} {
		if got := lastSeen(c.listed, c.conditions); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		for after, want := range map[time.Duration]bool{15 * time.Minute: false, 15*time.Minute + time.Second: !c.want.IsZero()} {
			if got := Stale(c.listed, c.conditions, time.Minute, c.want.Add(after)); got != want {
				t.Errorf("%s, %v after: %v", name, after, got)
			}
		}
	}
}

func TestGrace(t *testing.T) {
	for resync, want := range map[time.Duration]time.Duration{
		time.Second: 15 * time.Minute, 5 * time.Minute: 15 * time.Minute, 6 * time.Minute: 18 * time.Minute, time.Hour: 3 * time.Hour,
	} {
		if got := Grace(resync); got != want {
			t.Errorf("resync %v: %v, want %v", resync, got, want)
		}
	}
}
