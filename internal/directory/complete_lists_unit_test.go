package directory

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// Which accounts the last complete list would have had, and for how many in a row that is so.
func TestCompleteLists(t *testing.T) {
	l := completeLists{identity: voximplant.Fields().Identity()}
	both := Known{IDs: []string{"1", "2"}, Names: []string{"one"}}
	for i, c := range []struct {
		partial  bool
		known    Known
		covers   map[Key]bool
		absences map[Key]int
	}{
		{true, both, map[Key]bool{{ID: "1"}: true, {ID: "9", Name: "one"}: true, {ID: "3"}: false, {Name: "two"}: false}, map[Key]int{{ID: "1"}: 1, {Name: "one"}: 1}},
		{true, both, map[Key]bool{{ID: "1"}: true}, map[Key]int{{ID: "1"}: 2, {ID: "2"}: 2, {Name: "one"}: 2}},
		{true, Known{IDs: []string{"2", "3"}}, map[Key]bool{{ID: "1"}: false, {Name: "one"}: false, {ID: "3"}: true}, map[Key]int{{ID: "2"}: 3, {ID: "3"}: 1}},
		{true, both, map[Key]bool{{ID: "1"}: true, {ID: "3"}: false}, map[Key]int{{ID: "1"}: 1, {ID: "2"}: 4}}, // not requested in between
		{false, Known{}, map[Key]bool{{ID: "1"}: true, {Name: "anything"}: true}, map[Key]int{{ID: "1"}: 5, {ID: "77"}: 5}},
	} {
		l.complete(time.Time{}, 0, c.partial, c.known)
		for key, want := range c.covers {
			if l.covers(key) != want {
				t.Errorf("list %d: covers %+v: want %v", i+1, key, want)
			}
		}
		for key, want := range c.absences {
			if got := l.absences(key); got != want {
				t.Errorf("list %d: %+v is absent from %d lists, want %d", i+1, key, got, want)
			}
		}
	}
}

// A failed attempt changes when a list was attempted and how that ended, nothing else; the next complete list ends it.
func TestFailedList(t *testing.T) {
	first, second := time.Unix(100, 0), time.Unix(200, 0)
	l := completeLists{}
	if l.covers(Key{ID: "1"}) {
		t.Error("covered before any list")
	}
	l.complete(first, 3, false, Known{})
	was := l.Listings
	l.fail(second, &account.Error{Class: account.Throttled})
	if account.ClassOf(l.Err) != account.Throttled || !l.AttemptedAt.Equal(second) {
		t.Errorf("%+v", l.Listings)
	}
	was.Err, was.AttemptedAt = l.Err, second
	if l.Listings != was || !l.covers(Key{ID: "1"}) {
		t.Errorf("%+v, want %+v", l.Listings, was)
	}
	if l.complete(second, 4, false, Known{}); l.Err != nil || l.Complete != 2 || !l.CompleteAt.Equal(second) {
		t.Errorf("%+v", l.Listings)
	}
}
