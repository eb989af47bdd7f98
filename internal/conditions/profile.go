package conditions

import "cpaas.dev/child-account-operator/api/v1alpha1"

// Profiles are the reasons of ProfileSynced, but for those of calls that failed otherwise: these are in Children, and Ready says the same.
var Profiles = map[string]Row{
	v1alpha1.ReasonAvailable:           {yes, "The account has the declared profile. Nothing to do. Where profile.customData is declared, the message says what follows from that."},
	v1alpha1.ReasonRoleMissing:         {no, "The key of the parent account may not act as the child account, so the operator does not write the profile. The operator keeps the rest of the account in sync, and Ready does not depend on the profile. The message names the roles. The operator retries after 10 minutes to 6 hours, and at once when the spec, the credentials or the annotation accounts.cpaas.dev/reconcile-requested-at change."},
	v1alpha1.ReasonBlockedNotEnabled:   {no, "The provider has not enabled this for the account; the rest is as under RoleMissing."},
	v1alpha1.ReasonBlockedVerification: {no, "The account is not active, or not verified, so the operator can't act as the account; the rest is as under RoleMissing."},
	v1alpha1.ReasonDriftDetected:       {no, "The profile was changed at the provider and driftPolicy is Report. status.drift has the differing fields."},
	v1alpha1.ReasonValueNotKept:        {no, "The provider accepts a value of the profile and does not keep it. Synced names the field and both values."},
}
