package account

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPrecedes(t *testing.T) {
	created := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	later := Claimant{Created: created.Add(time.Second), Namespace: "a", Name: "a"}
	older := Claimant{Created: created, Namespace: "b", Name: "b"}
	with := func(c Claimant, change func(*Claimant)) Claimant { change(&c); return c }
	bound, claimed := func(c *Claimant) { c.Bound = true }, func(c *Claimant) { c.Claimed = true }
	named, permitted := func(c *Claimant) { c.Named, c.Permitted = true, true }, func(c *Claimant) { c.Permitted = true }
	for name, c := range map[string]struct{ first, second Claimant }{
		"the older":                             {older, later},
		"the one that the claim names":          {with(later, claimed), older},
		"the one that has it, whoever's claim":  {with(later, bound), with(older, claimed)},
		"of two that have it the older":         {with(older, bound), with(later, func(c *Claimant) { c.Bound, c.Claimed = true, true })},
		"the one that the claim's owner names":  {with(later, named), with(older, permitted)},
		"the one that may have it":              {with(later, permitted), older},
		"the claim before a name":               {with(later, claimed), with(older, named)},
		"of two that have it still the older":   {with(older, bound), with(later, func(c *Claimant) { c.Bound, c.Named, c.Permitted = true, true, true })},
		"of two of one age the lesser name":     {with(later, func(c *Claimant) { c.Created = created }), older},
		"of one namespace by name":              {with(older, func(c *Claimant) { c.Name = "a" }), older},
		"of namespaces, one the other's prefix": {with(older, func(c *Claimant) { c.Namespace = "b-" }), older},
	} {
		if !c.first.Precedes(c.second) || c.second.Precedes(c.first) {
			t.Errorf("%s: %v, and the other way round %v", name, c.first.Precedes(c.second), c.second.Precedes(c.first))
		}
	}
	if older.Precedes(older) {
		t.Error("one precedes itself")
	}
}

// The better right is an order: of any that differ, exactly one comes first.
func TestPrecedesIsAnOrder(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) Claimant {
		return Claimant{
			Bound: rapid.Bool().Draw(t, "bound"), Claimed: rapid.Bool().Draw(t, "claimed"),
			Named: rapid.Bool().Draw(t, "named"), Permitted: rapid.Bool().Draw(t, "permitted"),
			Created:   time.Unix(rapid.Int64Range(0, 2).Draw(t, "created"), 0),
			Namespace: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := draw.Draw(t, "a"), draw.Draw(t, "b"), draw.Draw(t, "c")
		same := a.Namespace == b.Namespace && a.Name == b.Name
		if a.Precedes(b) && b.Precedes(a) || !same && !a.Precedes(b) && !b.Precedes(a) {
			t.Fatalf("%+v and %+v", a, b)
		}
		if a.Precedes(b) && b.Precedes(c) && !a.Precedes(c) {
			t.Fatalf("%+v, %+v and %+v", a, b, c)
		}
	})
}
