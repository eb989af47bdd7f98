package metrics_test

import (
	"testing"

	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"cpaas.dev/child-account-operator/internal/metrics"
)

// What a method may end with that an alert asks for has a series before the first call.
func TestWillCall(t *testing.T) {
	name := metrics.Prefix + metrics.Calls.Name
	count := func() int {
		t.Helper()
		families, err := ctrlmetrics.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				return len(f.GetMetric())
			}
		}
		return 0
	}
	before := count()
	metrics.WillCall("ExampleOne", "ExampleTwo")
	if n := count(); n != before+6 {
		t.Errorf("%d series, there were %d", n, before)
	}
	metrics.WillCall("ExampleOne") // by another manager of this process
	metrics.Called("ExampleOne", 0, nil)
	if n := count(); n != before+6 {
		t.Errorf("%d series after a call, there were %d", n, before)
	}
}
