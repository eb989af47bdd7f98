package account_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
)

// failer is a test, or one round of a property.
type failer interface {
	Errorf(format string, args ...any)
}

// diffRules hold for every comparison, whatever the values are.
var diffRules = map[string]func(t failer, desired, observed, applied account.State){
	"names only what is declared": func(t failer, desired, observed, applied account.State) {
		last := -1
		for _, c := range account.Diff(schema, desired, observed, applied) {
			to, declared := desired[c.Field.Path]
			if !declared || c.To != to {
				t.Errorf("%s -> %q, but declared is %q (%v)", c.Field.Path, c.To, to, declared)
			}
			if !c.Field.Updatable {
				t.Errorf("%s can't be written", c.Field.Path)
			}
			at := slices.IndexFunc(schema, func(f account.Field) bool { return f.Path == c.Field.Path })
			if at <= last {
				t.Errorf("%s is out of the table's order", c.Field.Path)
			}
			last = at
		}
	},
	"misses nothing": func(t failer, desired, observed, applied account.State) {
		named := account.Applied(account.Diff(schema, desired, observed, applied))
		for path, to := range desired {
			f, ok := schema.Field(path)
			if !ok || !f.Updatable {
				continue
			}
			from, known := observed[path]
			if f.WriteOnly() && !known {
				from, known = applied[path]
			}
			_, changes := named[path]
			if want := !known || f.Normal(from) != f.Normal(to); changes != want {
				t.Errorf("%s: seen %q (%v), declared %q: written %v, want %v", path, from, known, to, changes, want)
			}
		}
	},
	"is the same the second time, in whatever order the states were put together": func(t failer, desired, observed, applied account.State) {
		again := func(s account.State) account.State {
			out := account.State{}
			for _, path := range slices.Backward(slices.Sorted(maps.Keys(s))) {
				out[path] = s[path]
			}
			return out
		}
		one := account.Diff(schema, desired, observed, applied)
		two := account.Diff(schema, again(desired), again(observed), again(applied))
		if render(one) != render(two) {
			t.Errorf("the same states, but\n%s\nand\n%s", render(one), render(two))
		}
	},
	// Whether the account shows what was written or only lastApplied knows.
	"leaves nothing to do once it is written, and changes nothing else": func(t failer, desired, observed, applied account.State) {
		observed = maps.Clone(observed)
		for path := range observed { // a write-only field is never seen
			if f, ok := schema.Field(path); ok && f.WriteOnly() {
				delete(observed, path)
			}
		}
		left := account.Applied(account.Diff(schema, desired, observed, applied))
		if rest := account.Diff(schema, desired, observed.With(left), applied); len(rest) != 0 {
			t.Errorf("left to do where all is seen:\n%s", render(rest))
		}
		shown := account.State{}
		for path, v := range observed.With(left) {
			if f, ok := schema.Field(path); !ok || !f.WriteOnly() {
				shown[path] = v
			}
		}
		if rest := account.Diff(schema, desired, shown, applied.With(left)); len(rest) != 0 {
			t.Errorf("left to do where only lastApplied knows:\n%s", render(rest))
		}
		for path, v := range observed {
			if _, declared := desired[path]; !declared && shown[path] != v {
				t.Errorf("%s is not declared and became %q", path, shown[path])
			}
		}
	},
	// Drift is what was applied and is declared still; everything else is an edit.
	"tells drift from edits": func(t failer, desired, observed, applied account.State) {
		for _, c := range account.Diff(schema, desired, observed, applied) {
			was, ok := applied[c.Field.Path]
			want := account.FromSpec
			if ok && c.Known && c.Field.Normal(was) == c.Field.Normal(c.To) {
				want = account.FromRemote
			}
			if c.Origin != want {
				t.Errorf("%s: from %s, want %s", c.Field.Path, c.Origin, want)
			}
		}
	},
}

func TestDiffRules(t *testing.T) {
	for name, holds := range diffRules {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				holds(t, drawState(t, "desired"), drawState(t, "observed"), drawState(t, "applied"))
			})
		})
	}
}

// FuzzDiff tries the rules with values that no table has, as lines of path=value.
func FuzzDiff(f *testing.F) {
	f.Add("email=A@B\nactive=true", "email=a@b\nactive=0", "")
	f.Add("minBalanceToNotify=05.0\ncanUseRestricted=yes", "minBalanceToNotify=5", "canUseRestricted=1\nminBalanceToNotify=6")
	f.Add("frozen=true\nno.such=x", "location=UTC", "location=Etc/GMT")
	f.Fuzz(func(t *testing.T, desired, observed, applied string) {
		for _, holds := range diffRules {
			holds(t, stateOf(desired), stateOf(observed), stateOf(applied))
		}
	})
}

func stateOf(lines string) account.State {
	state := account.State{}
	for line := range strings.SplitSeq(lines, "\n") {
		if path, value, ok := strings.Cut(line, "="); ok {
			state[path] = value
		}
	}
	return state
}

func drawSubject(t *rapid.T) account.Subject {
	return account.Subject{
		Claim: ourClaim, Name: "acme-support",
		ID:          rapid.SampledFrom([]string{"", "17", "18"}).Draw(t, "id"),
		Intent:      rapid.Bool().Draw(t, "intent"),
		Desired:     drawState(t, "desired"),
		LastApplied: drawState(t, "applied"),
	}
}

func drawView(t *rapid.T) account.View {
	v := account.View{
		Listed: rapid.Bool().Draw(t, "listed"), Partial: rapid.Bool().Draw(t, "partial"), Fresh: rapid.Bool().Draw(t, "fresh"),
		OutcomeUnknown: rapid.Bool().Draw(t, "outcome unknown"), Absences: rapid.IntRange(0, 5).Draw(t, "absences"),
		NotKept: schema.Normal(drawState(t, "not kept")),
	}
	if rapid.Bool().Draw(t, "has account") {
		v.Account = &account.Account{
			ID:         rapid.SampledFrom([]string{"17", "18"}).Draw(t, "account id"),
			Name:       rapid.SampledFrom([]string{"acme-support", "Acme-Support", "acme-support-2"}).Draw(t, "account name"),
			CustomData: claims[rapid.SampledFrom(slices.Sorted(maps.Keys(claims))).Draw(t, "claim")],
			State:      drawState(t, "state"),
		}
	}
	return v
}

// Never two accounts for one resource, never one account for two.
func TestDecideIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, v := drawSubject(t), drawView(t)
		d := account.Decide(schema, s, v)
		switch d.Step {
		case account.StepCreate:
			switch {
			case v.Account != nil:
				t.Error("creates where an account is seen")
			case s.ID != "":
				t.Error("creates although the resource is bound")
			case !v.Listed && !v.Fresh:
				t.Error("creates in the dark")
			case (v.OutcomeUnknown || s.Intent) && !v.Fresh:
				t.Error("creates while the outcome of an earlier write is unknown")
			}
		case account.StepUpdate, account.StepNone:
			claim, _ := v.Account.Claim()
			switch {
			case v.Account.Name != s.Name:
				t.Errorf("takes account %s for %s", v.Account.Name, s.Name)
			case s.ID == "" && claim != s.Claim:
				t.Errorf("takes an account of %v", claim)
			case v.OutcomeUnknown && !v.Fresh:
				t.Error("believes what was known before a write whose outcome is unknown")
			case (d.Step == account.StepNone) != (len(d.Changes) == 0):
				t.Errorf("%s with %d changes", d.Step, len(d.Changes))
			}
			// Each difference is either written or left alone.
			for _, c := range account.Diff(schema, s.Desired, v.Account.State, s.LastApplied) {
				kept, vain := v.NotKept[c.Field.Path]
				vain = vain && kept == c.Field.Normal(c.To)
				if written, left := names(d.Changes, c), names(d.NotKept, c); written == vain || left != vain {
					t.Errorf("%s: written %v, left alone %v, in vain %v", c.Field.Path, written, left, vain)
				}
			}
		case account.StepMissing:
			if v.Account == nil && v.Absences < 2 {
				t.Errorf("gives up after %d lists", v.Absences)
			}
		}
		if again := account.Decide(schema, s, v); !reflect.DeepEqual(steps(d), steps(again)) {
			t.Errorf("decided twice: %v and %v", steps(d), steps(again))
		}
	})
}

func names(changes []account.Change, c account.Change) bool {
	return slices.ContainsFunc(changes, func(o account.Change) bool { return o.Field.Path == c.Field.Path && o.To == c.To })
}

func steps(d account.Decision) []any {
	return []any{d.Step, d.Account, render(d.Changes), render(d.NotKept), d.Holder}
}
