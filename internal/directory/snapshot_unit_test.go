package directory

import (
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

func newTestSnapshot() *snapshot {
	s := newSnapshot(voximplant.Fields())
	return &s
}

func testAccount(id, name, language string) account.Account {
	return account.Account{ID: id, Name: name, State: account.State{"languageCode": language}}
}

// A row is found by id and by name, and by its last name only.
func TestSnapshotFinds(t *testing.T) {
	s := newTestSnapshot()
	s.put(testAccount("1", "one", "en"), 1, 0)
	s.put(testAccount("2", "two", "de"), 2, 0)
	s.put(testAccount("1", "new-one", "fr"), 3, 0)
	for key, want := range map[Key]string{
		{ID: "1"}: "1", {ID: "1", Name: "two"}: "1", {Name: "new-one"}: "1", {Name: "two"}: "2", {Name: "one"}: "", {ID: "3", Name: "two"}: "", {}: "",
	} {
		got := ""
		if r := s.find(key); r != nil {
			got = r.account.ID
		}
		if got != want {
			t.Errorf("%+v: account %q, want %q", key, got, want)
		}
	}
	if a := s.accountOf(s.byID["1"]); a.State["languageCode"] != "fr" || a.Name != "new-one" {
		t.Errorf("%+v", a)
	}
}

// A name that another account has taken over stays with that account when the former one is renamed or forgotten.
func TestSnapshotNameThatMoved(t *testing.T) {
	s := newTestSnapshot()
	s.put(testAccount("1", "shared", "en"), 1, 0)
	s.put(testAccount("2", "shared", "en"), 2, 0)
	s.put(testAccount("1", "other", "en"), 3, 0)
	if r := s.find(Key{Name: "shared"}); r == nil || r.account.ID != "2" {
		t.Errorf("after the former one was renamed: %+v", r)
	}
	s.put(testAccount("1", "shared", "en"), 4, 0)
	s.put(testAccount("2", "shared", "en"), 5, 0)
	s.forget(s.byID["1"])
	if r := s.find(Key{Name: "shared"}); r == nil || r.account.ID != "2" || s.find(Key{ID: "1"}) != nil {
		t.Errorf("after the former one was forgotten: %+v", r)
	}
}

// The revision of a row is that of the last read or write, and says what may replace it.
func TestSnapshotRevisions(t *testing.T) {
	s := newTestSnapshot()
	if s.isNewer("1", 0) {
		t.Error("an unknown account is newer")
	}
	s.put(testAccount("1", "one", "en"), 5, 0)
	s.write(s.byID["1"], account.State{"languageCode": "de"}, 7)
	for than, want := range map[revision]bool{6: true, 7: false, 8: false} {
		if s.isNewer("1", than) != want {
			t.Errorf("newer than %d: want %v", than, want)
		}
	}
	if got := s.accountOf(s.byID["1"]).State["languageCode"]; got != "de" {
		t.Errorf("written: %q", got)
	}
	s.addSent(s.byID["1"], account.State{"languageCode": "it", "location": "Europe/Berlin"})
	if a := s.accountOf(s.byID["1"]); a.State["languageCode"] != "de" || a.State["location"] != "Europe/Berlin" {
		t.Errorf("what was sent replaces what was read: %+v", a.State)
	}
}

// An unknown outcome is settled by a read that was requested after it; a read that returns nothing marks the row, and no more.
func TestSnapshotConfirm(t *testing.T) {
	for _, c := range []struct {
		requested                   revision
		outcomeUnknown, notReturned bool
	}{{4, true, false}, {5, false, false}, {6, false, true}} {
		s := newTestSnapshot()
		s.put(testAccount("1", "one", "en"), 1, 0)
		s.setOutcomeUnknown(s.byID["1"], 5)
		s.confirm(Key{Name: "one"}, c.requested)
		s.confirm(Key{ID: "2"}, c.requested)
		if r := s.byID["1"]; r == nil || r.outcomeUnknown != c.outcomeUnknown || r.notReturned != c.notReturned {
			t.Errorf("read at revision %d: %+v, want %+v", c.requested, r, c)
		}
	}
}

// Rows that a complete list had, that were read or written since it was requested, or that it would not have had, are up to date;
// the others are absent, and forgotten after as many lists as keepAbsent and one more.
func TestSnapshotConclude(t *testing.T) {
	s := newTestSnapshot()
	for i, id := range []string{"present", "written", "uncovered", "absent"} {
		s.put(testAccount(id, "name of "+id, "en"), revision(i+1), 0)
	}
	s.byID["written"].asOf = 50
	present := func(r *row) bool { return r.account.ID == "present" }
	covered := func(r *row) bool { return r.account.ID != "uncovered" }
	for list := 1; list <= keepAbsent; list++ {
		if forgotten := s.conclude(list, 10, present, covered); len(forgotten) > 0 {
			t.Fatalf("list %d: forgotten %v", list, forgotten)
		}
		for id, want := range map[string]int{"present": list, "written": list, "uncovered": list, "absent": 0} {
			if got := s.byID[id].inList; got != want {
				t.Errorf("list %d: %s is in list %d, want %d", list, id, got, want)
			}
		}
	}
	if forgotten := s.conclude(keepAbsent+1, 10, present, covered); !slices.Equal(forgotten, []string{"absent"}) || s.find(Key{Name: "name of absent"}) != nil {
		t.Errorf("forgotten %v", forgotten)
	}
}
