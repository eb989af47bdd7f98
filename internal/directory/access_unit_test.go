package directory

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// accessWorld is a snapshot, and the access of one of its users.
type accessWorld struct {
	*access
	cache *accountCache
	at    time.Time
	alone bool
}

func newAccessWorld(alone bool) *accessWorld {
	w := &accessWorld{cache: newAccountCache(voximplant.Fields()), at: time.Unix(100, 0), alone: alone}
	w.access = &access{cache: w.cache, exclusive: func() bool { return w.alone }}
	return w
}

// list has a list read completely, by this user or by another.
func (w *accessWorld) list(own bool) {
	w.at = w.at.Add(time.Minute)
	w.cache.listCompleted(readList{startedAt: w.at, startedRevision: w.cache.nextRevision(), ids: map[string]bool{"1": true}})
	if own {
		w.readList(w.at)
	}
}

// fail has a list of this user's end with a failure of a class.
func (w *accessWorld) fail(class account.Class) {
	w.at = w.at.Add(time.Minute)
	w.listFailed(w.at, &account.Error{Class: class})
}

// A failed attempt changes when a list was attempted and how that ended, nothing else; the next complete list ends it.
func TestFailedList(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w := newAccessWorld(alone)
		if w.cache.lists.covers(Key{ID: "1"}) {
			t.Error("covered before any list")
		}
		w.list(true)
		was := w.listings()
		w.fail(account.Throttled)
		l := w.listings()
		if account.ClassOf(l.Err) != account.Throttled || !l.AttemptedAt.Equal(w.at) {
			t.Errorf("%+v", l)
		}
		was.Err, was.AttemptedAt = l.Err, w.at
		if l != was || !w.cache.lists.covers(Key{ID: "1"}) {
			t.Errorf("%+v, want %+v", l, was)
		}
		w.list(true)
		if l = w.listings(); l.Err != nil || l.Complete != 2 || !l.CompleteAt.Equal(w.at) {
			t.Errorf("%+v", l)
		}
	}
}

// What of a snapshot a user may see, by what became of its own credentials. The first row is that of a user whom nobody has ever
// shared the snapshot with.
func TestAccess(t *testing.T) {
	for name, c := range map[string]struct {
		alone   bool
		steps   func(*accessWorld)
		granted bool
		// complete is how many complete lists the user knows of, err how its last one ended, due says that one is to be read.
		complete int
		err      account.Class
		due      bool
	}{
		"alone, nothing read":                    {true, func(*accessWorld) {}, true, 0, "", true},
		"alone, refused":                         {true, func(w *accessWorld) { w.list(true); w.fail(account.Unauthorized) }, true, 1, account.Unauthorized, false},
		"alone, a call refused":                  {true, func(w *accessWorld) { w.list(true); w.doubt() }, true, 1, "", false},
		"nothing read":                           {false, func(*accessWorld) {}, false, 0, "", true},
		"others have read":                       {false, func(w *accessWorld) { w.list(false); w.list(false) }, false, 0, "", true},
		"others have read, own refused":          {false, func(w *accessWorld) { w.list(false); w.fail(account.Unauthorized) }, false, 0, account.Unauthorized, false},
		"others have read, own not answered":     {false, func(w *accessWorld) { w.list(false); w.fail(account.Unavailable) }, false, 0, account.Unavailable, false},
		"others read after that":                 {false, func(w *accessWorld) { w.fail(account.Unavailable); w.list(false) }, false, 0, account.Unavailable, false},
		"own read":                               {false, func(w *accessWorld) { w.list(false); w.list(true) }, true, 2, "", false},
		"others read after the own":              {false, func(w *accessWorld) { w.list(true); w.list(false) }, true, 2, "", false},
		"own not answered after it":              {false, func(w *accessWorld) { w.list(true); w.list(false); w.fail(account.Throttled) }, true, 2, account.Throttled, false},
		"and others read after that":             {false, func(w *accessWorld) { w.list(true); w.fail(account.Incomplete); w.list(false) }, true, 2, "", false},
		"own refused after it":                   {false, func(w *accessWorld) { w.list(true); w.fail(account.Unauthorized) }, false, 1, account.Unauthorized, false},
		"and others read, which it does not see": {false, func(w *accessWorld) { w.list(true); w.fail(account.RoleMissing); w.list(false) }, false, 1, account.RoleMissing, false},
		"a failure that no table knows":          {false, func(w *accessWorld) { w.list(true); w.fail(account.Unknown); w.list(false) }, false, 1, account.Unknown, false},
		"refused, and then not answered": {false, func(w *accessWorld) {
			w.list(true)
			w.fail(account.Unauthorized)
			w.fail(account.Unavailable)
			w.list(false)
		}, false, 1, account.Unavailable, false},
		"refused, and read again":         {false, func(w *accessWorld) { w.list(true); w.fail(account.Unauthorized); w.list(false); w.list(true) }, true, 3, "", false},
		"a call refused":                  {false, func(w *accessWorld) { w.list(true); w.doubt(); w.list(false) }, false, 1, "", true},
		"a call refused, then the list":   {false, func(w *accessWorld) { w.list(true); w.doubt(); w.fail(account.Unauthorized) }, false, 1, account.Unauthorized, false},
		"a call refused, the list read":   {false, func(w *accessWorld) { w.list(true); w.doubt(); w.list(true) }, true, 2, "", false},
		"no longer alone, nothing read":   {true, func(w *accessWorld) { w.fail(account.Unavailable); w.alone = false; w.list(false) }, false, 0, account.Unavailable, false},
		"no longer alone, read before":    {true, func(w *accessWorld) { w.list(true); w.alone = false; w.list(false) }, true, 2, "", false},
		"no longer alone, refused before": {true, func(w *accessWorld) { w.list(true); w.fail(account.Unauthorized); w.alone = false; w.list(false) }, false, 1, account.Unauthorized, false},
	} {
		w := newAccessWorld(c.alone)
		c.steps(w)
		l := w.listings()
		err := account.Class("")
		if l.Err != nil {
			err = l.Err.Class
		}
		if w.granted() != c.granted || l.Complete != c.complete || err != c.err || l.AttemptedAt.IsZero() != c.due {
			t.Errorf("%s: granted %v, %+v; want %v, %d lists, %q, due %v", name, w.granted(), l, c.granted, c.complete, c.err, c.due)
		}
	}
}

// There is news once for each list, and none for those who may not see it.
func TestNews(t *testing.T) {
	w := newAccessWorld(false)
	for i, c := range []struct {
		happens func()
		want    bool
	}{
		{func() { w.list(false) }, false}, {func() { w.list(true) }, true}, {func() {}, false}, {func() { w.list(false) }, true}, {func() {}, false},
		{func() { w.list(false); w.fail(account.Unauthorized) }, false}, {func() { w.list(true) }, true},
	} {
		if c.happens(); w.news() != c.want {
			t.Errorf("step %d: want %v", i+1, c.want)
		}
	}
}
