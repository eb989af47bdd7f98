package readyourwrites

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestBehind(t *testing.T) {
	for name, c := range map[string]struct {
		uid     string
		version string
		after   time.Duration
		want    bool
	}{
		"the cache is older":                {"a", "9", 0, true},
		"the cache has what was written":    {"a", "10", 0, false},
		"the cache is newer":                {"a", "11", 0, false},
		"older for as long as is waited":    {"a", "9", patience - 1, true},
		"older for longer than is waited":   {"a", "9", patience, false},
		"an object that was not written":    {"b", "1", 0, false},
		"a resource version of another API": {"a", "etag", 0, false},
	} {
		w := New()
		w.Note("a", "10", noon)
		if got := w.Behind("a", "9", noon); !got {
			t.Fatal("nothing is remembered")
		}
		if c.uid == "b" {
			if w.Behind("b", c.version, noon) {
				t.Errorf("%s: behind", name)
			}
			continue
		}
		if got := w.Behind("a", c.version, noon.Add(c.after)); got != c.want || w.Remembers("a") != c.want {
			t.Errorf("%s: %v, remembered %v, want %v", name, got, w.Remembers("a"), c.want)
		}
	}
}

func TestForget(t *testing.T) {
	w := New()
	w.Note("a", "10", noon)
	w.Note("b", "10", noon)
	w.Forget("a")
	if w.Behind("a", "9", noon) || w.Remembers("a") || !w.Behind("b", "9", noon) {
		t.Error("forgotten is the wrong one")
	}
}
