package voximplant

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func selectNames(names ...string) provider.Selector { return provider.Selector{Names: names} }

// values draws a valid value for each field that can be declared.
var values = map[string]func(*rapid.T, string) string{
	"languageCode": func(t *rapid.T, label string) string {
		return rapid.SampledFrom([]string{"en", "de", "he", "iw", "in", "id", "ji", "yi", "mo", "ro", "sh", "sr", "jw"}).Draw(t, label)
	},
	"location": func(t *rapid.T, label string) string {
		return rapid.SampledFrom([]string{"Europe/Kiev", "Europe/Kyiv", "UTC", "GMT", "Etc/GMT", "Etc/GMT-8", "US/Pacific", "America/Los_Angeles"}).Draw(t, label)
	},
	"callback.url": func(t *rapid.T, label string) string {
		return rapid.SampledFrom([]string{"https://a.example.com", "http://b.example.com:8080/x?y=z&a;b"}).Draw(t, label)
	},
	"profile.mobilePhone": func(t *rapid.T, label string) string {
		return rapid.StringMatching(`[+]?[0-9]{7,15}`).Draw(t, label)
	},
	"profile.billingAddress.countryCode": func(t *rapid.T, label string) string {
		return rapid.SampledFrom([]string{"DE", "FR", "AX"}).Draw(t, label)
	},
	"minBalanceToNotify": func(t *rapid.T, label string) string {
		return rapid.StringMatching(`[0-9]{1,9}(\.[0-9]{1,4})?`).Draw(t, label)
	},
}

// drawState draws a declaration; the e-mail is unique by n.
func drawState(t *rapid.T, label string, n int) account.State {
	state := account.State{"email": fmt.Sprintf("Child-%d-%s@example.com", n, label)}
	for _, f := range schema {
		if f.ReadOnly() || f.NameOnly() || f.Path == fieldEmail || !rapid.Bool().Draw(t, label+" has "+f.Path) {
			continue
		}
		if draw, ok := values[f.Path]; ok {
			state[f.Path] = draw(t, label+" "+f.Path)
		} else {
			state[f.Path] = fmt.Sprint(rapid.Bool().Draw(t, label+" "+f.Path))
		}
	}
	return state
}

// Whatever is declared is as declared after AddAccount and one Update, and again after a change of the declaration.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		twins := rapid.Bool().Draw(t, "twins")
		w.Simulator.Update(func(s *simulator.Settings) { s.TwinLanguages = twins })
		name := fmt.Sprintf("child-%d", n)
		first := drawState(t, "first", n)
		created, err := w.Create(background, provider.NewAccount{Name: name, Password: goodPassword, Desired: first})
		if err != nil {
			t.Fatal(err)
		}
		for path, value := range created.Account.State {
			if f, _ := schema.Field(path); f.Normal(value) != value {
				t.Fatalf("%s is %q, which is not canonical", path, value)
			}
		}
		applied := converge(t, w, created.Account.ID, first, created.Account.State)
		applied = converge(t, w, created.Account.ID, drawState(t, "second", n), applied)
		converge(t, w, created.Account.ID, first, applied)
	})
}

// converge writes what differs and checks that nothing does then; it returns what was applied.
func converge(t *rapid.T, w *world, id string, desired, applied account.State) account.State {
	for try := 0; ; try++ {
		found, err := w.Get(background, provider.Selector{IDs: []string{id}})
		if err != nil || len(found) != 1 {
			t.Fatalf("%v, %v", found, err)
		}
		changes := account.Diff(schema, desired, found[0].State, applied)
		if len(changes) == 0 {
			return applied
		}
		if try > 0 {
			t.Fatalf("after writing still different: %s, observed %v", account.FieldNames(changes), found[0].State)
		}
		own, delegated := account.Split(changes)
		for _, group := range [][]account.Change{own, delegated} {
			if err := w.Remote.Update(background, updateOf([]string{id}, group)); err != nil {
				t.Fatal(err)
			}
		}
		applied = applied.With(account.Applied(changes))
	}
}
