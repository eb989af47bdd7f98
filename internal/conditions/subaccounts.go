package conditions

import (
	"maps"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// SubAccounts says what each reason means on a SubAccount: what it means on a ChildAccount, but for what accounts of that kind can't be, and for
// what only they can be.
var SubAccounts = Table{
	second: Children.second, renamed: Children.renamed, noEvent: Children.noEvent,
	rows: altered(Children.rows, notOfSubAccounts, map[string]Verdict{
		v1alpha1.ReasonPasswordRequired: {ready: no, second: no, stalled: true, retry: none, help: "The account differs from the spec and can't be changed: the provider's API requires the account's password with each change, and the operator does not know it. The account is pre-existing and spec.passwordSecretRef is not set, or the generated password was lost. The message has the differing fields."},
		v1alpha1.ReasonAdoptedReadOnly:  {ready: yes, second: yes, help: "The account is the resource's, all that the provider returns of it matches the spec, and it is only read: each change needs the account's password, which the operator does not know. The operator can't check the username, as the provider does not return it."},

		v1alpha1.ReasonAvailable:         {ready: yes, second: yes, help: "The account matches the spec."},
		v1alpha1.ReasonEmailTaken:        {ready: no, second: no, stalled: true, retry: slow, help: "The provider refuses the e-mail, or the username, as another account has it."},
		v1alpha1.ReasonAdoptionRefused:   {ready: no, second: no, stalled: true, retry: none, help: "The master account already has an account with this e-mail, which this resource is not known to have created. Or it has several: the message names their ids. Or the account belonged to a deleted resource of another namespace, and this resource has to accept the account (see guide.md). The accounts are unchanged."},
		v1alpha1.ReasonClaimedElsewhere:  {ready: no, second: no, stalled: true, retry: none, help: "The account belonged until recently to a resource of another namespace, which may be applied again. The account is unchanged."},
		v1alpha1.ReasonDuplicateResource: {ready: no, second: no, stalled: true, retry: none, help: "Another SubAccount of this cluster has the same account, or declares the same e-mail."},
		v1alpha1.ReasonAccountMissing:    {ready: no, second: no, stalled: true, retry: none, help: "The account is missing at the provider. Under Observe: there is no account with this e-mail."},
		v1alpha1.ReasonUpdating:          {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The account is being changed. Or somebody changed it at the provider between the operator's read and its request: then nothing was written, and the operator reads it again."},
		v1alpha1.ReasonCreating:          {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The account is being created, or its creation was confirmed and the provider does not return it yet."},
		v1alpha1.ReasonRoleMissing:       {ready: no, second: no, stalled: true, retry: slow, help: "The client credentials of the master account may not do this."},
	}),
	next: altered(nextOfChildren, notOfSubAccounts, map[string]string{
		v1alpha1.ReasonPasswordRequired:  "Put the account's password into a Secret, and set spec.passwordSecretRef. The account gets that password and the declared username with its first change.",
		v1alpha1.ReasonAdoptedReadOnly:   "To have the account changed with the spec, put its password into a Secret, and set spec.passwordSecretRef. The account gets that password and the declared username at once.",
		v1alpha1.ReasonEmailTaken:        "Declare another spec.email or spec.username, or change those of the account that has it." + retriesSlowly,
		v1alpha1.ReasonAdoptionRefused:   "Declare another spec.email, or a spec.adoptionPolicy that allows to adopt the account.",
		v1alpha1.ReasonClaimedElsewhere:  "Declare another spec.email, or ask the owner of the ParentAccount which resource has the account.",
		v1alpha1.ReasonDuplicateResource: "Delete this resource, or the owner, or declare another spec.email.",
		v1alpha1.ReasonRoleMissing:       "Have the client credentials of the master account allowed to do this at the provider, or ask the owner of the ParentAccount to." + retriesSlowly,
	}),
}

// notOfSubAccounts are the reasons that a SubAccount never has.
var notOfSubAccounts = []string{
	v1alpha1.ReasonDeactivated, v1alpha1.ReasonDeactivatedEarlier, v1alpha1.ReasonFrozen, v1alpha1.ReasonAPIKeyMissing, v1alpha1.ReasonBlockedDailyLimit,
	v1alpha1.ReasonBlockedNotEnabled, v1alpha1.ReasonBlockedVerification, v1alpha1.ReasonBalanceTooLow, v1alpha1.ReasonNameTaken,
}

// altered is a map without some keys, and with others.
func altered[V any](in map[string]V, without []string, with map[string]V) map[string]V {
	out := maps.Clone(in)
	for _, key := range without {
		delete(out, key)
	}
	maps.Copy(out, with)
	return out
}
