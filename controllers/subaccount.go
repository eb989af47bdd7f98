package controllers

import (
	"encoding/json"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/engine"
)

// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=subaccounts,verbs=get;list;watch
// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=subaccounts/status,verbs=patch

// subAccount is a SubAccount as the engine knows it.
type subAccount struct{ *v1alpha1.SubAccount }

var _ engine.Managed = subAccount{}

// emailsOf are the e-mail that a SubAccount declares, and the one that its account was last seen with: the account may not have the declared one yet.
func emailsOf(o client.Object) []string {
	c := o.(*v1alpha1.SubAccount)
	emails := []string{account.CanonicalEmail(c.Spec.Email)}
	if seen := c.Status.Observed; seen != nil && seen.Email != nil {
		emails = append(emails, account.CanonicalEmail(*seen.Email))
	}
	return slices.Compact(emails)
}

// Object implements Managed.
func (c subAccount) Object() client.Object { return c.SubAccount }

// Status implements Managed.
func (c subAccount) Status() *v1alpha1.AccountStatus { return &c.SubAccount.Status.AccountStatus }

// Copy implements Managed.
func (c subAccount) Copy() engine.Managed { return subAccount{c.DeepCopy()} }

// Observed implements Observing.
func (c subAccount) Observed() any {
	if c.SubAccount.Status.Observed == nil {
		return nil
	}
	return c.SubAccount.Status.Observed
}

// SetObserved implements Observing.
func (c subAccount) SetObserved(observed any) {
	c.SubAccount.Status.Observed, _ = observed.(*v1alpha1.ObservedSubAccount) // nil is none
}

// ReadObserved implements Observing.
func (subAccount) ReadObserved(object []byte) (any, error) {
	observed := &v1alpha1.ObservedSubAccount{}
	return observed, json.Unmarshal(object, observed)
}

// Declaration implements Managed.
func (c subAccount) Declaration() engine.Declaration {
	d := engine.Declaration{
		Kind: SubAccounts.name, AccountName: c.Spec.Email, Parent: c.ParentKey(), Fields: &c.Spec, Suspended: c.Suspended(),
		Policy: policyOf(c.AdoptionPolicy(), c), PasswordSecret: secretKey(c.PasswordSecret()),
		ConnectionSecret: engine.SecretDeclaration{Name: c.ConnectionSecretName()},
	}
	if s := c.Spec.ConnectionSecret; s != nil {
		d.ConnectionSecret.Labels, d.ConnectionSecret.Annotations = plain(s.Labels), plain(s.Annotations)
	}
	return d
}
