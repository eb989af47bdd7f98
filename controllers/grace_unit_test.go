package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

func TestLastSeen(t *testing.T) {
	nobody := fake.New(fake.Options{}).Remote() // a provider that has no accounts
	read := directory.New(nobody, clocktesting.NewFakeClock(noon))
	if err := read.Refresh(t.Context(), provider.Known{}); err != nil {
		t.Fatal(err)
	}
	unread := directory.New(nobody, clocktesting.NewFakeClock(noon))
	down := written(parentTable, outcome{reason: v1alpha1.ReasonAvailable}, outcome{reason: v1alpha1.ReasonAPIUnavailable}) // a minute past noon
	refused := written(parentTable, outcome{reason: v1alpha1.ReasonUnauthorized})
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		dir        *directory.Directory
		want       time.Time
	}{
		"new":                                  {nil, nil, time.Time{}},
		"down, nothing read yet":               {down, unread, noon.Add(time.Minute)},
		"down, and no connection":              {down, nil, noon.Add(time.Minute)},
		"down, and read before":                {down, read, noon},
		"new credentials refused":              {refused, read, noon},
		"new credentials refused, none before": {refused, nil, time.Time{}},
	} {
		p := &v1alpha1.ParentAccount{Status: v1alpha1.ParentAccountStatus{Conditions: c.conditions}}
		var dir *directory.Parent
		if c.dir != nil {
			dir = &directory.Parent{Directory: c.dir}
		}
		if got := lastSeen(p, dir); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		for after, want := range map[time.Duration]bool{15 * time.Minute: false, 15*time.Minute + time.Second: !c.want.IsZero()} {
			if got := stale(p, dir, c.want.Add(after)); got != want {
				t.Errorf("%s, %v after: %v", name, after, got)
			}
		}
	}
}
