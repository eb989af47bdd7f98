package provider_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

func TestRegistry(t *testing.T) {
	s := fake.New(fake.Options{})
	r := provider.Registry{"One": s.Connect}
	remote, err := r.Connect("One", provider.Connection{})
	if err != nil {
		t.Fatal(err)
	}
	if self, err := remote.Self(t.Context()); err != nil || self.ID != "parent" {
		t.Errorf("%+v, %v", self, err)
	}
	if _, err := r.Connect("Two", provider.Connection{}); err == nil || !strings.Contains(err.Error(), "Two") {
		t.Errorf("a provider that nobody knows: %v", err)
	}
}

// What a connection is made of tells it from others, and never shows.
func TestConnection(t *testing.T) {
	c := provider.Connection{Endpoint: "https://one.example", CABundle: []byte("bundle"), Credentials: []byte("canary-credentials"), APIKey: "canary-key"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, "canary") || !strings.Contains(text, "one.example") {
			t.Errorf("%s: %s", format, text)
		}
	}
	marks := func(c provider.Connection, owner string) [3]string {
		return [3]string{c.Fingerprint(), c.KeyFingerprint(), c.TargetFor(owner)}
	}
	was := marks(c, "me")
	for name, change := range map[string]struct {
		change func(*provider.Connection)
		owner  string
		want   [3]bool // which of the marks change
	}{
		"nothing":                             {func(*provider.Connection) {}, "me", [3]bool{}},
		"endpoint":                            {func(c *provider.Connection) { c.Endpoint = "https://two.example" }, "me", [3]bool{true, false, true}},
		"whether another address is followed": {func(c *provider.Connection) { c.Follow = true }, "me", [3]bool{true, false, true}},
		"authorities":                         {func(c *provider.Connection) { c.CABundle = nil }, "me", [3]bool{true, false, true}},
		"credentials":                         {func(c *provider.Connection) { c.Credentials = []byte("x") }, "me", [3]bool{true, false, false}},
		"API key":                             {func(c *provider.Connection) { c.APIKey = account.Secret("x") }, "me", [3]bool{true, true, false}},
		"owner":                               {func(*provider.Connection) {}, "you", [3]bool{false, false, true}},
	} {
		other := c
		change.change(&other)
		is := marks(other, change.owner)
		got := map[int]bool{}
		for i := range is {
			got[i] = is[i] != was[i]
		}
		if want := map[int]bool{0: change.want[0], 1: change.want[1], 2: change.want[2]}; !maps.Equal(got, want) {
			t.Errorf("%s: changed %v, want %v", name, got, want)
		}
	}
}
