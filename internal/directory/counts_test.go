package directory_test

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// The accounts that were created since the last list count beside those that it had, until the next list has them.
func TestListingsCountWhatWasCreatedSince(t *testing.T) {
	w := newFakeWorld(fake.Options{})
	expect := func(when string, total, created int) {
		t.Helper()
		if l := w.Listings(); l.Total != total || l.Created != created {
			t.Errorf("%s: %d in the list and %d created since, want %d and %d", when, l.Total, l.Created, total, created)
		}
	}
	create := func(name string) {
		t.Helper()
		if _, err := w.Create(background, fakeAccount(name)); err != nil {
			t.Fatal(err)
		}
	}
	refresh := func() {
		t.Helper()
		if err := w.Refresh(background, directory.Known{}); err != nil {
			t.Fatal(err)
		}
	}
	create("acme-early")
	expect("before the first list", 0, 0)
	refresh()
	expect("the first list", 1, 0)
	create("acme-one")
	create("acme-two")
	expect("two were created", 1, 2)
	refresh()
	expect("the second list", 3, 0)
}

// When a parent was last listed is remembered while it can't be worked with, and forgotten with its resource.
func TestRegistryRemembersTheLastList(t *testing.T) {
	w := newSharedWorld()
	key := named("a")
	if at := w.LastListed(key); !at.IsZero() {
		t.Errorf("listed at %v before there was a parent", at)
	}
	d := w.Join(key, source, w.Remote(), w.clock)
	w.Registry.Put(key, &directory.Parent{Directory: d, AccountID: "1"})
	if at := w.LastListed(key); !at.IsZero() {
		t.Errorf("listed at %v before there was a list", at)
	}
	if err := d.Refresh(background, directory.Known{}); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(time.Minute)
	for when, change := range map[string]func(){
		"connected":     func() {},
		"not usable":    func() { w.Registry.Put(key, nil) },
		"not connected": func() { w.Registry.Put(key, nil) },
		"again": func() {
			w.Registry.Put(key, &directory.Parent{Directory: w.Join(key, source, w.Remote(), w.clock), AccountID: "1"})
		},
	} {
		if change(); !w.LastListed(key).Equal(begin) {
			t.Errorf("%s: listed at %v, want %v", when, w.LastListed(key), begin)
		}
	}
	w.Forget(key)
	if at := w.LastListed(key); !at.IsZero() || w.Former(key) != nil {
		t.Errorf("listed at %v, and the resource is deleted", at)
	}
}
