package cli

import "testing"

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		alive uint64
		want  int
	}{
		{0, 100},
		{20 << 20, 100},
		{40 << 20, 50},
		{80 << 20, 25},
		{400 << 20, 25},
	} {
		if got := gcPercent(c.alive); got != c.want {
			t.Errorf("%d MB alive: %d, want %d", c.alive>>20, got, c.want)
		}
	}
}
