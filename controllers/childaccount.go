package controllers

import (
	"encoding/json"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/engine"
)

// childAccount is a ChildAccount as the engine knows it. Its observed plans are the ChildAccount's own methods.
type childAccount struct{ *v1alpha1.ChildAccount }

var (
	_ engine.Managed      = childAccount{}
	_ engine.PlanObserver = childAccount{}
)

// Object implements Managed.
func (c childAccount) Object() client.Object { return c.ChildAccount }

// Status implements Managed.
func (c childAccount) Status() *v1alpha1.AccountStatus { return &c.ChildAccount.Status.AccountStatus }

// Copy implements Managed.
func (c childAccount) Copy() engine.Managed { return childAccount{c.DeepCopy()} }

// Observed implements Observing.
func (c childAccount) Observed() any {
	if c.ChildAccount.Status.Observed == nil {
		return nil
	}
	return c.ChildAccount.Status.Observed
}

// SetObserved implements Observing.
func (c childAccount) SetObserved(observed any) {
	c.ChildAccount.Status.Observed, _ = observed.(*v1alpha1.ObservedAccount) // nil is none
}

// ReadObserved implements Observing.
func (c childAccount) ReadObserved(object []byte) (any, error) {
	observed := &v1alpha1.ObservedAccount{Plans: c.ObservedPlans()} // a list has none
	return observed, json.Unmarshal(object, observed)
}

// Declaration implements Managed.
func (c childAccount) Declaration() engine.Declaration {
	d := engine.Declaration{
		Kind:           ChildAccounts.name,
		AccountName:    c.AccountName(),
		Parent:         c.ParentKey(),
		Fields:         &c.Spec,
		Policy:         policyOf(c.AdoptionPolicy(), c),
		Deactivate:     c.Deactivates(),
		Suspended:      c.Suspended(),
		CloneFrom:      c.Template(),
		PasswordSecret: secretKey(c.PasswordSecret()), CallbackSaltSecret: secretKey(c.CallbackSaltSecret()),
		ConnectionSecret: engine.SecretDeclaration{Name: c.ConnectionSecretName()},
	}
	if s := c.Spec.ConnectionSecret; s != nil {
		d.ConnectionSecret.Labels, d.ConnectionSecret.Annotations = plain(s.Labels), plain(s.Annotations)
	}
	if roles, rotateAfter, ok := c.ServiceAccountKey(); ok {
		d.ConnectionSecret.ServiceKey = &engine.ServiceKeyDeclaration{Roles: roles, RotateAfter: rotateAfter}
	}
	for _, p := range c.Spec.Plans {
		d.Plans = append(d.Plans, account.Plan{Type: string(p.Type), ID: p.TemplateID})
	}
	return d
}

// policyOf is what a resource allows.
func policyOf(adopts v1alpha1.AdoptionPolicy, c interface {
	Observes() bool
	ReportsDrift() bool
	Recreates() bool
}) account.Policy {
	return account.Policy{Adopt: account.Adoption(adopts), Observe: c.Observes(), ReportDrift: c.ReportsDrift(), Recreate: c.Recreates()}
}

// secretKey is the key of a Secret that a resource names; nil where it names none.
func secretKey(name, key string, ok bool) *engine.SecretKey {
	if !ok {
		return nil
	}
	return &engine.SecretKey{Name: name, Key: key}
}

func plain[T ~string](m map[string]T) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}
