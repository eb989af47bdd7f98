package engine_test

import (
	"testing"

	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// What a resync costs for each resource that is at rest.
func BenchmarkNeedsWorkAtRest(b *testing.B) {
	w := newWorld(b, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	l := w.line(name)
	w.lines.indexed = true
	b.ReportAllocs()
	for b.Loop() {
		if w.engine.NeedsWork(b.Context(), managedLine{l}) {
			b.Fatal("it is not at rest")
		}
	}
}
