package directory

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// Several accounts of one name are all known, until they are not there any more or have another name.
func TestNamesakes(t *testing.T) {
	s := fake.New(fake.Options{FoundByEmail: true, NoClaims: true, NoID: true, NamesRepeat: true})
	first := s.Put("a@acme.example", account.State{}, "")
	second := s.Put("A@acme.example", account.State{}, "")
	third := s.Put("a@acme.example", account.State{}, "")
	d := New(s.Remote(), clocktesting.NewFakeClock(time.Now()))
	list := func() {
		for range account.AbsencesUntilMissing {
			if err := d.Refresh(t.Context(), Known{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	key := Key{Name: "a@ACME.example"}
	expect := func(when string, v account.View, want ...string) {
		t.Helper()
		switch {
		case len(want) == 0 && v.Account == nil && len(v.Namesakes) == 0, len(want) == 1 && v.Account != nil && v.Account.ID == want[0] && len(v.Namesakes) == 0:
		case len(want) < 2 || v.Account == nil || v.Account.ID != want[0] || !slices.Equal(v.Namesakes, want):
			t.Errorf("%s: %+v and %v, want %v", when, v.Account, v.Namesakes, want)
		}
	}
	list()
	expect("three", d.Observe(key), first, second, third)
	if v := d.Observe(Key{ID: second, Name: key.Name}); v.Account == nil || v.Account.ID != second || v.Namesakes != nil {
		t.Errorf("by id: %+v", v)
	}
	s.Remove(first)
	v, err := d.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	expect("one removed, and read", v, second, third)
	s.Set(third, fake.PathContact, "b@acme.example")
	list()
	expect("one renamed, and listed", d.Observe(key), second)
	expect("the renamed one", d.Observe(Key{Name: "b@acme.example"}), third)
	s.Remove(second)
	list()
	expect("none left", d.Observe(key))
	_, err = d.Create(t.Context(), provider.NewAccount{Name: "b@acme.example", Password: "a-Secret-1", Desired: account.State{fake.PathLogin: "b", fake.PathContact: "b@acme.example"}})
	if e := account.AsError(err); e == nil || !e.OutcomeUnknown {
		t.Errorf("created beside another one: %v; nobody can tell which one is new", err)
	}
	_, err = d.Create(t.Context(), provider.NewAccount{Name: "c@acme.example", Password: "a-Secret-1", Others: []string{"5"}, Desired: account.State{fake.PathLogin: "c", fake.PathContact: "c@acme.example"}})
	if e := account.AsError(err); e == nil || !e.OutcomeUnknown {
		t.Errorf("only an account that was there before has the name: %v", err)
	}
}

// Reads by name that come while one is under way share the next call, where one call reads all of them.
func TestReadsByNameShareACall(t *testing.T) {
	var mu sync.Mutex
	var calls [][]Key
	release := make(chan struct{})
	began := make(chan struct{}, 10)
	c := readCoalescer{together: func() bool { return true }, call: func(_ context.Context, keys []Key) error {
		mu.Lock()
		calls = append(calls, keys)
		mu.Unlock()
		began <- struct{}{}
		<-release
		return nil
	}}
	var all sync.WaitGroup
	read := func(name string) { all.Go(func() { _ = c.read(t.Context(), Key{Name: name}) }) }
	read("first")
	<-began
	for _, name := range []string{"second", "third", "fourth"} {
		read(name)
	}
	joined := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.next == nil {
			return 0
		}
		return len(c.next.keys)
	}
	NewWithT(t).Eventually(joined).WithTimeout(time.Minute).Should(Equal(3))
	close(release)
	all.Wait()
	if len(calls) != 2 || len(calls[0]) != 1 || len(calls[1]) != 3 {
		t.Errorf("calls %v", calls)
	}
}
