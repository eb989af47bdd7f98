package conditions

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// Every reason that there is has a next step, in each table that has the reason; where somebody has to act it is no "nothing to do".
func TestEveryReasonHasANextStep(t *testing.T) {
	for name, reason := range allReasons(t) {
		_, child := nextOfChildren[reason]
		_, parent := nextOfParents[reason]
		_, secret := nextOfSecrets[reason]
		if _, sub := SubAccounts.next[reason]; sub {
			child = true
		}
		if !child && !parent && !secret {
			t.Errorf("%s has no next step", name)
		}
	}
	for kind, table := range both {
		for reason, v := range table.rows {
			next, ok := table.next[reason]
			if !ok {
				t.Errorf("%s, %s: no next step", kind, reason)
			}
			if acts := v.ready == no || v.second == no || v.stalled || v.reconciling; acts && next == NothingToDo {
				t.Errorf("%s, %s: there is something to do, or to wait for", kind, reason)
			}
		}
		for reason := range table.next {
			if _, ok := table.rows[reason]; !ok {
				t.Errorf("%s: the next step of %s is of no row", kind, reason)
			}
		}
	}
	for kind, steps := range map[string]map[string]string{"ChildAccount": nextOfChildren, "SubAccount": SubAccounts.next, "ParentAccount": nextOfParents, "connection Secret": nextOfSecrets} {
		for reason, next := range steps {
			if len(next) < len(NothingToDo) || !strings.HasSuffix(next, ".") || strings.ToUpper(next[:1]) != next[:1] || strings.TrimSpace(next) != next {
				t.Errorf("%s, %s: %q is no sentence", kind, reason, next)
			}
		}
	}
}

// Whatever the provider answers, and whatever is said of that on either kind, the condition and the event end with what to do next.
func TestEveryFailureHasANextStep(t *testing.T) {
	for kind, table := range both {
		for _, class := range allClasses(t) {
			out := table.Failed(&account.Error{Class: class, Method: "AddAccount", Field: "email", Message: strings.Repeat("the provider's words ", 100), Code: 7})
			next := table.nextStep(out)
			if next == "" {
				t.Errorf("%s, %s: %s has no next step", kind, class, out.Reason)
			}
			for _, c := range written(table, out) {
				if !strings.HasSuffix(c.Message, next) || !strings.HasPrefix(c.Message, "AddAccount: spec.email: the provider's words") {
					t.Errorf("%s, %s: %s says %q, want %q at its end", kind, class, c.Type, c.Message, next)
				}
			}
			var got emitted
			table.EmitEvent(NewEventRecorder(&got), nil, nil, out)
			if quiet := slices.Contains(table.noEvent, out.Reason) || !table.Row(out.Reason).stalled && table.Row(out.Reason).second != no; !quiet && !strings.HasSuffix(got.note, next) {
				t.Errorf("%s, %s: the event says %q", kind, class, got.note)
			}
		}
	}
}

func TestOwnNextStepComesFirst(t *testing.T) {
	for next, want := range map[string]string{
		"":             "not enough. " + nextOfChildren[v1alpha1.ReasonBalanceTooLow],
		"Pay acme.":    "not enough. Pay acme.",
		NothingToDo:    "not enough",
		"Run: kubectl": "not enough. Run: kubectl",
	} {
		out := Outcome{Reason: v1alpha1.ReasonBalanceTooLow, Message: "not enough", Next: next}
		for _, c := range written(Children, out) {
			if c.Message != want {
				t.Errorf("%q: %s says %q, want %q", next, c.Type, c.Message, want)
			}
		}
	}
}

func TestAdvise(t *testing.T) {
	for _, test := range [][3]string{
		{"it failed", "Mend it.", "it failed. Mend it."},
		{"it failed.", "Mend it.", "it failed. Mend it."},
		{"is the endpoint right?", "Mend it.", "is the endpoint right? Mend it."},
		{"cut" + ellipsis, "Mend it.", "cut" + ellipsis + " Mend it."},
		{"it failed", "", "it failed"},
		{"all is well", NothingToDo, "all is well"},
		{"", "Mend it.", "Mend it."},
	} {
		if got := Advise(test[0], test[1]); got != test[2] {
			t.Errorf("%q, %q: %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

// However long a message is, what is said has room, is text, and ends with the whole next step.
func TestTextIsWithinBounds(t *testing.T) {
	reasons := slices.Sorted(maps.Keys(Children.rows))
	rapid.Check(t, func(t *rapid.T) {
		out := Outcome{Reason: rapid.SampledFrom(reasons).Draw(t, "reason"), Message: texts.Draw(t, "message"), Brief: texts.Draw(t, "brief")}
		if rapid.Bool().Draw(t, "own step") {
			out.Next = texts.Draw(t, "next")
		}
		for _, most := range []int{longestNote, longestMessage} {
			text := Children.Text(out, most)
			if len(text) > most || !utf8.ValidString(text) {
				t.Fatalf("%d bytes for %d: %q", len(text), most, text)
			}
			if next := Children.nextStep(out); len(next) < most/2 && utf8.ValidString(next) && !strings.HasSuffix(text, next) {
				t.Fatalf("%q does not end with %q", text, next)
			}
		}
	})
}
