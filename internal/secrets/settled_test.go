package secrets

import "testing"

func TestSettled(t *testing.T) {
	s := NewSettled()
	madeOf := func(want string) {
		t.Helper()
		if got, ok := s.MadeOf("a"); got != want || ok != (want != "") {
			t.Errorf("made of %q, %v; want %q", got, ok, want)
		}
	}
	madeOf("")
	s.Set("a", "name, labels")
	s.Set("b", "other")
	madeOf("name, labels")
	if s.NeedsRecheck("a") {
		t.Error("nobody asked for a recheck")
	}
	s.Recheck("a")
	if !s.NeedsRecheck("a") || s.NeedsRecheck("b") {
		t.Error("the wrong one is rechecked")
	}
	madeOf("name, labels")
	s.Rechecking("a")
	if s.NeedsRecheck("a") {
		t.Error("it is read, and yet to be read")
	}
	s.Unset("a")
	madeOf("")
	s.Set("a", "name, labels")
	s.Recheck("a")
	s.Forget("a")
	madeOf("")
	if s.NeedsRecheck("a") || len(s.madeOf) != 1 || len(s.recheck) != 0 {
		t.Errorf("remembered: %v %v", s.madeOf, s.recheck)
	}
}
