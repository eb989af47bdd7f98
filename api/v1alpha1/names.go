package v1alpha1

// Condition types. Reconciling and Stalled are abnormal-true: they are absent when there is nothing to say.
const (
	// ConditionReady says whether the account exists, can be used and matches the spec.
	ConditionReady = "Ready"
	// ConditionSynced says whether the last comparison with the provider ended with nothing left to do.
	ConditionSynced = "Synced"
	// ConditionReconciling is present while the operator continues automatically.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present while somebody has to act. The operator may retry all the same, as the condition tables say.
	ConditionStalled = "Stalled"
	// ConditionConnectionSecretReady says whether the connection Secret holds everything that is known of the account.
	ConditionConnectionSecretReady = "ConnectionSecretReady"
	// ConditionServiceAccountKeyReady says whether the connection Secret holds the declared service-account key; on ChildAccounts that
	// declare one, and where one that is not declared any more could not be deleted.
	ConditionServiceAccountKeyReady = "ServiceAccountKeyReady"
	// ConditionAccountSynced says whether the parent account itself matches spec.account; on ParentAccounts with spec.account.
	ConditionAccountSynced = "AccountSynced"
	// ConditionPlansSynced says whether the account has the declared plans; on ChildAccounts and ParentAccounts with spec.plans.
	ConditionPlansSynced = "PlansSynced"
	// ConditionProfileSynced says whether the account has the declared profile, which is written acting as the account itself. It is absent
	// where none is declared.
	ConditionProfileSynced = "ProfileSynced"
	// ConditionAPIAvailable says whether the provider's API answers; on ParentAccounts.
	ConditionAPIAvailable = "APIAvailable"
	// ConditionAccountsMissing is present while more accounts are missing from the provider's list at once than is believed; on
	// ParentAccounts.
	ConditionAccountsMissing = "AccountsMissing"
	// ConditionCapabilityMissing is present while the provider refuses calls that the operator can do without; on ParentAccounts.
	ConditionCapabilityMissing = "CapabilityMissing"
)

// Reasons of conditions. docs/conditions.md says of each what it means and what to do.
const (
	ReasonCreating            = "Creating"
	ReasonUpdating            = "Updating"
	ReasonAvailable           = "Available"
	ReasonDriftDetected       = "DriftDetected"
	ReasonObserved            = "Observed"
	ReasonDeactivatedEarlier  = "DeactivatedEarlier"
	ReasonSuspended           = "Suspended"
	ReasonDeactivated         = "Deactivated"
	ReasonFrozen              = "Frozen"
	ReasonParentNotFound      = "ParentNotFound"
	ReasonParentNotReady      = "ParentNotReady"
	ReasonParentChanged       = "ParentChanged"
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	ReasonNotPermitted        = "NotPermitted"
	ReasonSecretMissing       = "SecretMissing"
	ReasonSecretNotLabelled   = "SecretNotLabelled"
	ReasonSecretInvalid       = "SecretInvalid"
	ReasonPasswordRejected    = "PasswordRejected"
	ReasonPasswordBlocked     = "PasswordBlocked"
	ReasonNameTaken           = "NameTaken"
	ReasonEmailTaken          = "EmailTaken"
	ReasonAdoptionRefused     = "AdoptionRefused"
	ReasonClaimedElsewhere    = "ClaimedElsewhere"
	ReasonDuplicateResource   = "DuplicateResource"
	ReasonRejected            = "Rejected"
	ReasonBalanceTooLow       = "BalanceTooLow"
	ReasonBlockedVerification = "BlockedVerification"
	ReasonBlockedNotEnabled   = "BlockedNotEnabled"
	ReasonBlockedDailyLimit   = "BlockedDailyLimit"
	ReasonValueNotKept        = "ValueNotKept"
	ReasonAccountMissing      = "AccountMissing"
	ReasonAPIKeyMissing       = "APIKeyMissing"
	ReasonPartialAdopted      = "PartialAdopted"
	ReasonPasswordUnknown     = "PasswordUnknown"
	ReasonRateLimited         = "RateLimited"
	ReasonAPIUnavailable      = "APIUnavailable"
	ReasonUnauthorized        = "Unauthorized"
	ReasonRoleMissing         = "RoleMissing"
	ReasonEndpointNotAllowed  = "EndpointNotAllowed"
	ReasonInvalidSelector     = "InvalidSelector"
	ReasonAwaitingApproval    = "AwaitingApproval"
	ReasonDeleting            = "Deleting"
	ReasonCABundleInvalid     = "CABundleInvalid"
	ReasonWriteRefused        = "WriteRefused"
	ReasonProviderMismatch    = "ProviderMismatch"
	ReasonPasswordRequired    = "PasswordRequired"
	ReasonAdoptedReadOnly     = "AdoptedReadOnly"
)

// Labels and annotations.
const (
	// LabelInput marks a Secret that the operator may read: "true".
	LabelInput = "accounts.cpaas.dev/input"
	// LabelConnection marks a connection Secret that the operator wrote: "true".
	LabelConnection = "accounts.cpaas.dev/connection"
	// AnnotationResource names the resource that a connection Secret belongs to: "ChildAccount/name".
	AnnotationResource = "accounts.cpaas.dev/resource"
	// AnnotationAccount names the account that a connection Secret belongs to: "<parent account id>/<account name>".
	AnnotationAccount = "accounts.cpaas.dev/account"
	// AnnotationPasswordDigest on a connection Secret remembers the declared password that the account was last given:
	// "<salt>:<HMAC-SHA256 of account and password>", both in hex.
	AnnotationPasswordDigest = "accounts.cpaas.dev/password-digest"
	// AnnotationCallbackSaltDigest on a connection Secret remembers the salt that the account was last given for its callbacks, as
	// AnnotationPasswordDigest does the password.
	AnnotationCallbackSaltDigest = "accounts.cpaas.dev/callback-salt-digest"
	// AnnotationRotatePassword requests a new generated password with each new value.
	AnnotationRotatePassword = "accounts.cpaas.dev/rotate-password"
	// AnnotationPasswordRotated on a connection Secret is the value of rotate-password that was last acted on.
	AnnotationPasswordRotated = "accounts.cpaas.dev/password-rotated"
	// AnnotationPasswordUnknown on a connection Secret is the id of the account whose password was known once and is not in the Secret.
	AnnotationPasswordUnknown = "accounts.cpaas.dev/password-unknown"
	// AnnotationVerified on a connection Secret that others than the operator wrote to is a digest of who wrote what when (managedFields), as it was
	// when the operator last verified what the Secret holds. No value is in it.
	AnnotationVerified = "accounts.cpaas.dev/verified"
	// AnnotationPasswordSerial on a connection Secret counts the passwords that the account was given, so that of several
	// Secrets of one account the one with the present password is known.
	AnnotationPasswordSerial = "accounts.cpaas.dev/password-serial"
	// AnnotationServiceKeys on a connection Secret is the record of the account's service-account keys, as JSON: the ids, names and times
	// of the keys that the operator made, and of an attempt to make one. No secret is in it.
	AnnotationServiceKeys = "accounts.cpaas.dev/service-account-keys"
	// AnnotationMetadata on a connection Secret names the labels and annotations that were declared for it.
	AnnotationMetadata = "accounts.cpaas.dev/declared-metadata"
	// AnnotationApproveMassChange on a ParentAccount approves the changes that the hash in their conditions names; several
	// hashes are separated by commas.
	AnnotationApproveMassChange = "accounts.cpaas.dev/approve-mass-change"
	// AnnotationApproveStart on a ParentAccount approves the writes that were pending at the operator's start (startPolicy Observe) and
	// that the hash in status.pendingApprovals names; several hashes are separated by commas.
	AnnotationApproveStart = "accounts.cpaas.dev/approve-start"
	// AnnotationAcknowledgeNotDeactivated on a ParentAccount removes the accounts in status.notDeactivated that the hash names.
	AnnotationAcknowledgeNotDeactivated = "accounts.cpaas.dev/acknowledge-not-deactivated"
	// AnnotationCreateIntent on a connection Secret records the attempts to create an account, before each:
	// "<UID of the resource>/<number of attempts>/<parent account id>/<account name>". Earlier versions set it on the ChildAccount:
	// "<parent account id>/<account name>".
	AnnotationCreateIntent = "accounts.cpaas.dev/create-intent"
	// AnnotationAcceptParent on a ParentAccount or ChildAccount accepts that the credentials now belong to the account with this id.
	AnnotationAcceptParent = "accounts.cpaas.dev/accept-parent"
	// AnnotationTakeover on a ChildAccount allows it to take over the account of a deleted resource of the installation with this id.
	AnnotationTakeover = "accounts.cpaas.dev/takeover"
	// AnnotationHandOverTo on a ChildAccount, or on its connection Secret, names the ChildAccount of another namespace, "namespace/name",
	// that gets the account's password and API key when this one is deleted and that one may have the account. The operator copies it
	// from the ChildAccount to the connection Secret.
	AnnotationHandOverTo = "accounts.cpaas.dev/hand-over-to"
	// AnnotationReconcileRequestedAt requests a reconcile with each new value (echoed in status.lastHandledReconcileAt).
	AnnotationReconcileRequestedAt = "accounts.cpaas.dev/reconcile-requested-at"
	// Finalizer on a ChildAccount with deletionPolicy Deactivate has its account deactivated before the ChildAccount is deleted.
	Finalizer = "accounts.cpaas.dev/child-account"
	// ParentFinalizer keeps a ParentAccount while a ChildAccount has Finalizer, at most an hour after its deletion.
	ParentFinalizer = "accounts.cpaas.dev/parent-account"
)
