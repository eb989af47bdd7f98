package attempts

import (
	"testing"
	"time"
)

func TestRefusals(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	r := NewRefusals()
	if r.Remaining("a", "1", at) != 0 || r.Remembers("a") {
		t.Error("a status that was never refused waits")
	}
	r.Until("a", at.Add(time.Minute))
	if r.Remembers("a") {
		t.Error("a time makes a refusal")
	}
	if since, first := r.Note("a", "1", at); !first || !since.Equal(at) {
		t.Errorf("the first: %v, %v", since, first)
	}
	r.Until("a", at.Add(time.Minute))
	for version, want := range map[string]time.Duration{"1": time.Minute, "2": 0} {
		if got := r.Remaining("a", version, at); got != want {
			t.Errorf("version %s waits for %s, want %s", version, got, want)
		}
	}
	if got := r.Remaining("a", "1", at.Add(time.Hour)); got != 0 {
		t.Errorf("its time has come, and it waits for %s", got)
	}
	if since, first := r.Note("a", "2", at.Add(time.Minute)); first || !since.Equal(at) {
		t.Errorf("the second, of another version: %v, %v", since, first)
	}
	if _, first := r.Note("b", "1", at); !first {
		t.Error("another resource's is not the first")
	}
	r.Forget("a")
	if r.Remembers("a") || !r.Remembers("b") {
		t.Error("the wrong one was forgotten")
	}
	if _, first := r.Note("a", "2", at); !first {
		t.Error("after the status was stored, the next refusal is not the first")
	}
}
