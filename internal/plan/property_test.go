package plan_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
)

// The same inputs give the same steps, and planning changes none of them.
func TestPlanIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawWorld(t).observe()
		before, err := json.Marshal(in.Subject)
		if err != nil {
			t.Fatal(err)
		}
		first, second := plan.For(in), plan.For(in)
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("once %s\nonce %s", first, second)
		}
		if after, _ := json.Marshal(in.Subject); string(after) != string(before) {
			t.Fatalf("the inputs changed from %s to %s", before, after)
		}
	})
}

// Executing a plan, and what it leads to, leaves nothing to do after two rounds. A plan that ends with a read, or with giving
// up an account that is missing, is one round with the next.
func TestPlanConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		var done []string
		for range 2 {
			for open := 0; ; open++ {
				p := plan.For(w.observe())
				done = append(done, p.String())
				w.run(p.Steps)
				if !opens(p.Last().Kind) {
					break
				}
				if open == 3 {
					t.Fatalf("reads again and again\n%s", strings.Join(done, "\n"))
				}
			}
			w.in.Secret.Content, w.fresh = nil, false // the next reconcile
		}
		if p := plan.For(w.observe()); p.Work() && !w.released {
			t.Fatalf("after two rounds there is still: %s\n%s", p, strings.Join(done, "\n"))
		}
	})
}

// opens says whether what a step finds decides how to go on.
func opens(k plan.Kind) bool {
	return k == plan.Read || k == plan.ReadSuccessor || k == plan.ReadSurroundings || k == plan.StoreBinding
}

// What is planned anew after each round is what the plan has foreseen.
func TestPlanForesees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		if w.secret != nil {
			w.secret.NextPassword = false // what the Secret holds is seen only when it is read
		}
		for range 6 {
			p := plan.For(w.observe())
			round := p.Round()
			w.run(round)
			rest := p.Steps[len(round):]
			if len(rest) == 0 || rest[0].Kind == plan.Read {
				continue
			}
			if next := plan.For(w.observe()); !reflect.DeepEqual(foreseen(next.Steps), foreseen(rest)) {
				t.Fatalf("planned %s\ndid %s\nplanned then %s", p, plan.Plan{Steps: round}, next)
			}
		}
	})
}

// foreseen leaves out what can't be: the id of an account before it is created, and how long ago its creation was.
func foreseen(steps []plan.Step) []plan.Step {
	out := slices.Clone(steps)
	for i := range out {
		out[i].AccountID = ""
	}
	return out
}

// No step writes, compares or reports a field that is not declared. Deactivation by deletion is declared by the policy.
func TestPlanTouchesNothingUnmanaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawWorld(t).observe()
		for _, s := range plan.For(in).Steps {
			for _, c := range slices.Concat(s.Changes, s.Differs, s.NotKept, s.NotGranted) {
				if account.IsPlanPath(c.Field) {
					if !account.HasPlan(in.Plans.Declared, account.Plan{Type: "MAU", ID: c.To}) || c.Field != "plans.MAU" {
						t.Fatalf("plan %s is not declared: %s", c.To, s)
					}
					continue
				}
				if to, declared := in.Subject.Desired[c.Field]; !declared && s.Kind != plan.Deactivate || declared && s.Kind != plan.Deactivate && to != c.To {
					t.Fatalf("%s is not declared as %q: %s", c.Field, c.To, s)
				}
			}
		}
	})
}

// An account that belongs to another owner, and one that may not be adopted, is never written to. No plan creates an account
// where one is known, nor a second one before a read could tell, unless it gives up one that is missing.
func TestPlanKeepsTheProtocol(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawWorld(t).observe()
		p := plan.For(in)
		has := func(k plan.Kind) bool {
			return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Kind == k })
		}
		a := in.View.Account
		missing := in.Subject.Policy.Recreate && !in.View.Doubted && in.View.Absences >= account.AbsencesUntilMissing
		bound := in.Subject.ID != "" && !(missing && p.Begins(plan.Recreate))
		if (has(plan.Create) || has(plan.Clone)) && (a != nil || bound || in.View.OutcomeUnknown || in.Subject.Intent && !in.View.Fresh || in.Subject.Policy.Observe) {
			t.Fatalf("creates a second account: %s", p)
		}
		if a == nil {
			return
		}
		claim, claimed := a.Claim()
		foreign := claimed && claim != ours && claim.Installation != in.Subject.Takeover && !in.Subject.Succeeds(claim)
		writes := has(plan.Update) || has(plan.Claim) || has(plan.SetPassword) || has(plan.SetSalt) || has(plan.RotatePassword) || has(plan.Deactivate)
		if writes && in.Subject.ID == "" && foreign {
			t.Fatalf("writes to an account of %s: %s", claim, p)
		}
		if unasked := !claimed && in.Subject.Policy.Adopt != account.AdoptAlways && in.Subject.Policy.Adopt != account.AdoptIfIdentical; has(plan.Adopt) && unasked {
			t.Fatalf("adopts what nobody allows: %s", p)
		}
		if writes && in.Subject.Policy.Observe {
			t.Fatalf("writes although it observes: %s", p)
		}
	})
}

// An account that another resource is to have is never switched off with its resource. Nobody takes a previous owner's account before a
// read of it and of that owner, nor under a shared parent without a proof or the policy to adopt.
func TestPlanHandsOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawWorld(t).observe()
		p := plan.For(in)
		at := func(k plan.Kind) int {
			return slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Kind == k })
		}
		if in.Recipient != nil && at(plan.Deactivate) >= 0 {
			t.Fatalf("switches off what another one is to have: %s", p)
		}
		if in.Recipient == nil && at(plan.HandOver) >= 0 {
			t.Fatalf("hands over to nobody: %s", p)
		}
		if i := at(plan.HandOver); i >= 0 && (in.Recipient.Lacks == "") != (p.Steps[i].Reason == plan.ReasonHandedOver) {
			t.Fatalf("says that it is handed over to one that does not get it, or the other way round: %s", p)
		}
		if i := at(plan.HandOver); i >= 0 && in.Recipient.Lacks != "" && p.Last().Reason != plan.ReasonNotDeactivated {
			t.Fatalf("leaves the account active and says nothing of it: %s", p)
		}
		adopt := at(plan.Adopt)
		if adopt < 0 || p.Steps[adopt].Reason != plan.ReasonHandedOver {
			return
		}
		read, proof := at(plan.ReadPreviousOwner), at(plan.ProveOwnership)
		adopts := in.Subject.Policy.Adopt == account.AdoptAlways || in.Subject.Policy.Adopt == account.AdoptIfIdentical
		if !in.View.Fresh || read < 0 || read > adopt || in.Shared && !adopts && (proof < 0 || proof > adopt) {
			t.Fatalf("takes without a look: %s", p)
		}
		if stored, claimed := at(plan.StoreSecret), at(plan.Claim); claimed >= 0 && stored > claimed {
			t.Fatalf("forgets the previous owner before its Secret was read: %s", p)
		}
	})
}

// The claim is replaced by custom data only where the status names the account, and after the connection Secret was stored: a crash before
// leaves the account to be found by its claim.
func TestPlanReplacesNoClaimThatIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.in.Deletion, w.in.ReadRequested, w.in.Subject.Policy.Observe, w.in.View.OutcomeUnknown = nil, false, false, false // else it is seldom about this
		w.in.Subject.Desired[customData], w.fresh = "ours", true
		in := w.observe()
		stored := in.Delegated.BindingStored
		for _, s := range plan.For(in).Steps {
			stored = stored && !s.Kind.Creates() && s.Kind != plan.Recreate && s.Kind != plan.Bind && s.Kind != plan.Adopt || s.Kind == plan.StoreBinding
			if !stored && slices.ContainsFunc(s.Changes, func(c plan.FieldChange) bool { return c.Field == customData }) && s.Kind == plan.Update {
				t.Fatalf("nobody would find the account any more: %s", plan.For(in))
			}
		}
	})
}

// Neither the text nor the JSON of a plan has a secret, or what stands for one.
func TestPlanHoldsNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		if w.in.Password.Mark != "" {
			w.in.Password.Mark = "s3cret-mark"
		}
		if w.in.Salt.Mark != "" {
			w.in.Salt.Mark = "s3cret-salt"
		}
		w.in.Attempts.Connection = "s3cret-connection"
		for _, a := range w.accounts {
			if _, claimed := a.Claim(); !claimed && a.CustomData != "" {
				a.CustomData = "s3cret-data"
			}
		}
		p := plan.For(w.observe())
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if text := p.String() + string(raw); strings.Contains(text, "s3cret") {
			t.Fatal(text)
		}
	})
}

// A plan comes back from JSON as it was.
func TestPlanRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.For(drawWorld(t).observe())
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back plan.Plan
		if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, p) {
			t.Fatalf("%s\ncame back as %s (%v)", p, back, err)
		}
	})
}

// While a start holds them, no write to the provider is planned but those whose steps find out whether there is anything to write, and
// hold that; before the first list not even these. What needs no write is planned as ever.
func TestPlanHoldsWhatIsPendingAtAStart(t *testing.T) {
	writing := []plan.Kind{plan.Create, plan.Clone, plan.Adopt, plan.Update, plan.Claim, plan.SetPassword, plan.SetSalt, plan.RotatePassword, plan.Recreate, plan.Deactivate}
	writes := func(s plan.Step) bool { return slices.Contains(writing, s.Kind) }
	rapid.Check(t, func(t *rapid.T) {
		in := drawWorld(t).observe()
		free := plan.For(in)
		in.Start = &plan.Start{Awaited: rapid.Bool().Draw(t, "awaited")}
		p := plan.For(in)
		if !slices.ContainsFunc(free.Steps, writes) {
			if !reflect.DeepEqual(p, free) {
				t.Fatalf("needs no write: %s\nwith a start: %s", free, p)
			}
			return
		}
		for _, s := range p.Steps {
			asks := s.Held && (s.Kind == plan.SetPassword || s.Kind == plan.SetSalt || s.Kind == plan.RotatePassword) && !in.Start.Awaited
			if writes(s) && !asks && s.If != plan.PasswordRotated {
				t.Fatalf("writes: %s", p)
			}
		}
		if last := p.Last(); !in.Start.Awaited && !p.Work() && !last.Held {
			t.Fatalf("does not wait: %s", p)
		}
	})
}
