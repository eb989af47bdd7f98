package directory

import (
	"fmt"
	"testing"
	"time"

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

// A list that was requested before the last one was concluded is no further one: nothing is missing twice by it. What it alone has
// requested was missing once.
func TestListsAtOneTime(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	list := func(requested revision, at time.Time, total int, known Known) readList {
		l := readList{known: known, startedAt: at, startedRevision: requested, ids: map[string]bool{}, partial: len(known.IDs) > 0}
		for i := range total {
			l.ids[fmt.Sprint(i)] = true
		}
		return l
	}
	l := completeLists{identity: voximplant.Fields().Identity()}
	l.conclude(list(1, early, 3, Known{IDs: []string{"1"}}), 10)
	l.conclude(list(9, late, 4, Known{IDs: []string{"1", "2"}}), 12)
	if l.Complete != 1 || l.concluded != 2 || !l.CompleteAt.Equal(late) || l.Total != 4 {
		t.Errorf("two at one time: %+v, %d concluded", l.Listings, l.concluded)
	}
	for id, want := range map[string]int{"1": 1, "2": 1} {
		if got := l.absences(Key{ID: id}); !l.covers(Key{ID: id}) || got != want {
			t.Errorf("%s is absent from %d lists, want %d", id, got, want)
		}
	}
	l.conclude(list(11, early, 5, Known{}), 13) // at the same time as the second one; the earlier clock has no say
	if l.Complete != 1 || !l.CompleteAt.Equal(late) || l.Total != 4 {
		t.Errorf("three at one time: %+v", l.Listings)
	}
	if l.conclude(list(14, late, 6, Known{IDs: []string{"1"}}), 20); l.Complete != 2 || l.Total != 6 || l.absences(Key{ID: "1"}) != 2 {
		t.Errorf("one after the other: %+v", l.Listings)
	}
}
