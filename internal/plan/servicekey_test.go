package plan_test

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/plan"
)

// What is to be done for a service-account key, and when, follows from what the connection Secret says of it.
func TestServiceKey(t *testing.T) {
	made := now.Add(-time.Hour)
	for name, c := range map[string]struct {
		key            plan.ServiceKey
		create, remove string
		next           time.Time
	}{
		"none":           {key: plan.ServiceKey{}},
		"none, unlisted": {key: plan.ServiceKey{Unlisted: true}},
		"declared":       {key: plan.ServiceKey{Declared: true}, create: plan.ReasonKeyDeclared},
		"declared, not listed yet": {
			key: plan.ServiceKey{Declared: true, Unlisted: true}, create: plan.ReasonKeyDeclared, remove: plan.ReasonKeyUnconfirmed,
		},
		"in its place":           {key: plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: made}},
		"in its place, unlisted": {key: plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: made, Unlisted: true}},
		"ages": {
			key: plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: made, RotateAfter: 2 * time.Hour}, next: now.Add(time.Hour),
		},
		"expires": {
			key:    plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: made, RotateAfter: time.Hour},
			create: plan.ReasonKeyExpired, next: now,
		},
		"lost before it expires": {
			key: plan.ServiceKey{Declared: true, Stored: true, Created: made, RotateAfter: time.Hour}, create: plan.ReasonKeyLost, next: now,
		},
		"another is deleted before it expires": {
			key: plan.ServiceKey{
				Declared: true, Stored: true, Intact: true, Created: made, RotateAfter: 3 * time.Hour, NextDeletion: now.Add(time.Minute),
			}, next: now.Add(time.Minute),
		},
		"another is to be deleted": {
			key: plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: made, NextDeletion: now}, remove: plan.ReasonOverlapEnded, next: now,
		},
		"unconfirmed": {
			key: plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: made, Pending: true}, remove: plan.ReasonKeyUnconfirmed,
		},
		"not declared any more": {key: plan.ServiceKey{Stored: true, Created: made, RotateAfter: time.Hour}, remove: plan.ReasonKeyNotDeclared},
		"not declared any more, another is to be deleted later": {
			key: plan.ServiceKey{NextDeletion: now.Add(time.Minute)}, remove: plan.ReasonKeyNotDeclared, next: now.Add(time.Minute),
		},
		"not declared any more, unconfirmed": {key: plan.ServiceKey{Pending: true}, remove: plan.ReasonKeyNotDeclared},
		"refused": {
			key: plan.ServiceKey{Declared: true, Blocked: now.Add(time.Minute)}, create: plan.ReasonKeyDeclared, next: now.Add(time.Minute),
		},
		"refused before": {key: plan.ServiceKey{Declared: true, Blocked: now}, create: plan.ReasonKeyDeclared},
	} {
		create, remove, next := c.key.Create(now), c.key.Delete(now), c.key.Next(now)
		if create != c.create || remove != c.remove || !next.Equal(c.next) {
			t.Errorf("%s: create %q, delete %q, next %v; want %q, %q, %v", name, create, remove, next, c.create, c.remove, c.next)
		}
	}
}
