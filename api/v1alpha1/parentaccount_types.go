package v1alpha1

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The names of the providers: of spec.voximplant and of spec.twoSMS.
const (
	ProviderVoximplant = "Voximplant"
	ProviderTwoSMS     = "2sms"
)

// The defaults. They are applied when the spec is read and never written into it.
const (
	DefaultVoximplantEndpoint = "https://api.voximplant.com"
	DefaultCredentialsKey     = "credentials.json"
	DefaultAPIKeyKey          = "api-key"
	DefaultPasswordKey        = "password"
	DefaultSaltKey            = "salt"
	ClientIDKey               = "clientID"
	ClientSecretKey           = "clientSecret"
	DefaultResyncInterval     = 5 * time.Minute
	DefaultRequestsPerSecond  = 20
	DefaultMaxInFlight        = 8
	DefaultMaxBatchSize       = 100

	DefaultMaxDeactivationsPerHour = 50
	DefaultMassChangePercent       = 20
	DefaultMassChangeMinimum       = 5
	DefaultMassChangeWindow        = 10 * time.Minute
)

// ParentAccountSpec declares an account at a provider, who may use the account, and the limits of calls and changes.
//
// +kubebuilder:validation:XValidation:rule="has(self.voximplant) != has(self.twoSMS)",message="declare exactly one of voximplant and twoSMS: a ParentAccount is one account at one provider",fieldPath=".voximplant"
// +kubebuilder:validation:XValidation:rule="has(self.twoSMS) == has(oldSelf.twoSMS)",message="a ParentAccount can't change from voximplant to twoSMS or back: its resources belong to accounts at the former provider. Make a new ParentAccount instead",fieldPath=".twoSMS"
// +kubebuilder:validation:XValidation:rule="!has(self.twoSMS) || !has(self.account)",message="account can't be declared together with twoSMS: the provider's API does not change the parent account itself. Remove account",fieldPath=".account"
// +kubebuilder:validation:XValidation:rule="!has(self.twoSMS) || !has(self.plans)",message="plans can't be declared together with twoSMS: the provider's accounts have no plans. Remove plans",fieldPath=".plans"
// +kubebuilder:validation:XValidation:rule="!has(self.twoSMS) || !has(self.followAPIAddress)",message="followAPIAddress can't be declared together with twoSMS: the provider names no other address. Remove followAPIAddress",fieldPath=".followAPIAddress"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.account) || !has(oldSelf.account.profile) || !has(oldSelf.account.profile.billingAddress) || has(self.account) && has(self.account.profile) && has(self.account.profile.billingAddress)",message="account.profile.billingAddress can't be removed: the provider keeps a billing address once it is set, and only changes it. Declare the address that is to be in its place",fieldPath=".account"
type ParentAccountSpec struct {
	// Voximplant is the account at Voximplant whose child accounts ChildAccounts declare: its credentials, and the address of the API.
	// Exactly one of voximplant and twoSMS must be set, and neither can take the place of the other later. Unset: twoSMS is set.
	// +optional
	Voximplant VoximplantParent `json:"voximplant,omitzero"`

	// TwoSMS is the master account at 2sms whose sub-accounts SubAccounts declare: its credentials, and the address of the API. Exactly one
	// of voximplant and twoSMS must be set, and neither can take the place of the other later. Unset: voximplant is set. Example: {baseURL: https://api.2sms.example/v2, accountID:
	// 86e51d05-20a3-486c-adf1-a98ca194c74c, clientSecretRef: {name: twosms}}.
	// +optional
	TwoSMS *TwoSMSParent `json:"twoSMS,omitempty"`

	// AllowedNamespaces says from which namespaces ChildAccounts and SubAccounts may name this ParentAccount, and what they may do. Unset:
	// only those of its own namespace may. Example: {from: Selector, selector: {matchLabels: {telephony: allowed}}}.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// FollowAPIAddress says where the operator makes its calls. true: at the address that the provider prefers for this account, which the
	// provider returns when the operator connects. That address must have the endpoint's scheme and port, and a host of the same
	// registrable domain, such as api-2.voximplant.com with the endpoint https://api.voximplant.com; and it must lead to the same account.
	// Otherwise, and once the address stops answering, calls go to the endpoint. --allowed-endpoints has to allow the endpoint alone. true
	// costs one more call when the operator connects. false and unset: all calls go to the endpoint.
	// +optional
	FollowAPIAddress *bool `json:"followAPIAddress,omitempty"`

	// Account declares the parent account itself: its language, time zone, notifications, callback and profile. Its e-mail and its password
	// can't be declared. The operator writes the fields with the account's own key. If the key lacks the role for that, the condition
	// AccountSynced is False (reason RoleMissing), and everything else works as before. If several ParentAccounts of one account declare
	// this field, that of the oldest ParentAccount applies. To notice changes made at the provider the operator reads the account once an
	// hour, which is one call. A change counts for limits.massChange. Unset: not managed; the operator makes no call for it. Example: {languageCode: de, location: Europe/Berlin}.
	// +optional
	Account *OwnAccount `json:"account,omitempty"`

	// Plans are the parent account's own subscription plans: at most one of each type, at most 8. A plan costs money: the provider reserves
	// the fee and taxes for the coming month. The operator reads the account's plans when this field is set or changes, and on request
	// (accounts.cpaas.dev/reconcile-requested-at), never at rest. If the account lacks a declared plan, the operator changes to that plan,
	// provided that the provider offers it and that it costs more than the present plan. The operator refuses any other plan: the condition
	// PlansSynced is False (reason Rejected), and its message lists the plans that are offered. Changes count for limits.massChange. A
	// frozen account keeps its plans. If several ParentAccounts of one account declare plans, those of the oldest ParentAccount apply.
	// Unset, or a type that is not listed: not managed; a plan that is removed here stays with the account. Example: [{type: MAU, templateID: "11"}].
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Plans []DeclaredPlan `json:"plans,omitempty"`

	// ResyncInterval is how often the operator reads the whole list of child accounts and compares it with the specs: a duration in
	// hours (h), minutes (m), seconds (s) or milliseconds (ms), from 1s to 24h; 0 is refused. Default 5m. Each resync costs one call per
	// 1,000 accounts. ParentAccounts of one account share the list, at the shortest of their intervals. Example: 10m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="resyncInterval must be from 1s to 24h"
	ResyncInterval *metav1.Duration `json:"resyncInterval,omitempty"`

	// Limits bound the calls to the provider for this account, and how many accounts may change in a short time without an approval.
	// Unset: each limit has its default.
	// +optional
	Limits *Limits `json:"limits,omitempty"`

	// Suspend stops, when true, every call to the provider for this account and its child accounts. Nothing changes at the provider, and
	// Ready stays as it was. A ChildAccount that is deleted meanwhile leaves its account unchanged. false and unset: the operator works.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// StartPolicy says what happens to writes that are pending when the operator starts, as of the first complete list of child
	// accounts. Reconcile (default): the operator makes the writes. Observe: the writes wait as one group, which status.pendingApprovals
	// lists, until the annotation accounts.cpaas.dev/approve-start: <hash> approves exactly these writes. Observe is for a cluster that is
	// restored or cloned. Later edits and new ChildAccounts do not wait. The operator's flag --start-policy=Observe overrides Reconcile.
	// +optional
	StartPolicy *StartPolicy `json:"startPolicy,omitempty"`
}

// StartPolicy says what happens to writes that are pending when the operator starts.
// +kubebuilder:validation:Enum=Reconcile;Observe
type StartPolicy string

// The start policies.
const (
	// StartReconcile makes them.
	StartReconcile StartPolicy = "Reconcile"
	// StartObserve holds them until they are approved.
	StartObserve StartPolicy = "Observe"
)

// The rule of caBundle stands at the type and not at the field, so that the Kubernetes API does not repeat what somebody took for a caBundle.

// VoximplantParent is an account at Voximplant that has child accounts.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caBundle) || self.caBundle.replace('\\n', \"\").matches('^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$')",fieldPath=".caBundle",message="must be PEM in base64: base64 < ca.pem"
type VoximplantParent struct {
	// CredentialsSecretRef names the Secret with the service account's credentials file, under the key credentials.json unless another
	// is given. The Secret must be in this namespace, with the label accounts.cpaas.dev/input: "true". The service account needs the
	// role Owner. A change of the Secret is applied without a restart. If the provider refuses the new credentials, the operator continues
	// with the former ones until it restarts. Example: {name: voximplant}.
	// +required
	CredentialsSecretRef SecretKeyReference `json:"credentialsSecretRef"`

	// APIKeySecretRef names the Secret with the parent account's own API key, under the key api-key unless another is given. The Secret
	// must be in this namespace, with the label accounts.cpaas.dev/input: "true". The operator sends the API key with AddAccount, which may
	// require it, and recovers lost API keys of child accounts with it. A salt under the key callback-salt of the same Secret verifies
	// callbacks of the account, and of child accounts without a salt of their own (--callback-address), unless spec.account.callback has a
	// salt. Unset: the operator does none of these. Example: {name: voximplant-api-key}.
	// +optional
	APIKeySecretRef *SecretKeyReference `json:"apiKeySecretRef,omitempty"`

	// Endpoint is the address of the Management API: scheme and host, without a path. It must be one of the operator's
	// --allowed-endpoints. Default https://api.voximplant.com. Another host counts as another account (reason ParentChanged) until the
	// annotation accounts.cpaas.dev/accept-parent accepts the account. Example: https://api.voximplant.com.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[][A-Za-z0-9.:-]+$')",message="endpoint must be scheme and host, without a path, user or trailing slash: https://api.voximplant.com"
	Endpoint *string `json:"endpoint,omitempty"`

	// CABundle holds the certificate authorities to trust at the endpoint, as PEM in base64 like in webhook configurations, up to 256
	// KiB. They replace the system's authorities. Unset: the operator trusts the system's authorities. The field is no secret: never put a
	// private key into it. It has no effect on a plain http endpoint. Example: the output of base64 < ca.pem.
	// +optional
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=262144
	CABundle []byte `json:"caBundle,omitempty"`
}

// TwoSMSParent is a master account at 2sms, which has sub-accounts.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caBundle) || self.caBundle.replace('\\n', \"\").matches('^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$')",fieldPath=".caBundle",message="must be PEM in base64: base64 < ca.pem"
type TwoSMSParent struct {
	// BaseURL is the address of the admin API, as 2sms has named it to you: scheme and host, and a path if the address has one. There is no
	// default, as 2sms serves the API on several hosts. Scheme, host and port must be those of one of the operator's --allowed-endpoints.
	// Another host counts as another account (reason ParentChanged) until the annotation accounts.cpaas.dev/accept-parent accepts the
	// account. Example: https://api.2sms.example/v2.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[][A-Za-z0-9.:-]+(/[A-Za-z0-9._~-]+)*$')",message="baseURL must be scheme and host, and a path if there is one, without a user, query or trailing slash: https://api.2sms.example/v2"
	BaseURL string `json:"baseURL"`

	// AccountID is the id of the master account, a guid. Example: 86e51d05-20a3-486c-adf1-a98ca194c74c.
	// +required
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$')",message="accountID must be the guid of the master account: 86e51d05-20a3-486c-adf1-a98ca194c74c"
	AccountID string `json:"accountID"`

	// ClientSecretRef names the Secret with the client credentials of the API, under the keys clientID and clientSecret. The Secret must be
	// in this namespace, with the label accounts.cpaas.dev/input: "true". A change of the Secret is applied without a restart. If the
	// provider refuses the new credentials, the operator continues with the former ones until it restarts. Example: {name: twosms}.
	// +required
	ClientSecretRef SecretReference `json:"clientSecretRef"`

	// CABundle holds the certificate authorities to trust at the address, as PEM in base64 like in webhook configurations, up to 256 KiB.
	// They replace the system's authorities. Unset: the operator trusts the system's authorities. The field is no secret: never put a private
	// key into it. It has no effect on a plain http address. Example: the output of base64 < ca.pem.
	// +optional
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=262144
	CABundle []byte `json:"caBundle,omitempty"`
}

// SecretReference names a Secret in the resource's own namespace.
type SecretReference struct {
	// Name is the Secret's name. The Secret is in the same namespace, with the label accounts.cpaas.dev/input: "true". Example: twosms.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// AllowedNamespaces says which namespaces may use a ParentAccount. Its own always may.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) == (has(self.from) && self.from == 'Selector')",message="selector is valid only with from: Selector, and from: Selector needs a selector"
type AllowedNamespaces struct {
	// From says which other namespaces may use this ParentAccount. Same (default): none. All: every namespace. Selector: those whose
	// labels match selector. Once a namespace is not allowed any more, the operator stops writing to its accounts, which stay as they are
	// (reason NamespaceNotAllowed).
	// +optional
	From *FromNamespaces `json:"from,omitempty"`

	// Selector selects namespaces by their labels; only valid with from: Selector. An empty selector ({}) selects all namespaces. Unset:
	// none is selected. Whoever may label a namespace decides whether it is selected. Example: {matchLabels: {telephony: allowed}}.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// Grants are what resources of other namespaces may do besides creating accounts and changing their own. Adopt: adopt, take over or
	// observe pre-existing accounts, of whatever namespace. Clone: create accounts as clones (spec.cloneFrom) of accounts that
	// ChildAccounts of their own namespace or of the ParentAccount's namespace have. Plan: declare plans (spec.plans), which cost money.
	// Unset or empty: nothing more. Example: [Adopt].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Grants []Grant `json:"grants,omitempty"`
}

// FromNamespaces is Same, All or Selector.
// +kubebuilder:validation:Enum=Same;All;Selector
type FromNamespaces string

// Grant is Adopt, Clone or Plan.
// +kubebuilder:validation:Enum=Adopt;Clone;Plan
type Grant string

// Which namespaces may use a ParentAccount, the default first, and what they may be granted.
const (
	NamespacesSame     FromNamespaces = "Same"
	NamespacesAll      FromNamespaces = "All"
	NamespacesSelector FromNamespaces = "Selector"

	GrantAdopt Grant = "Adopt"
	GrantClone Grant = "Clone"
	GrantPlan  Grant = "Plan"
)

// SecretKeyReference names a key of a Secret in the resource's own namespace.
type SecretKeyReference struct {
	// Name is the Secret's name. The Secret is in the same namespace, with the label accounts.cpaas.dev/input: "true". Example:
	// acme-input.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// Key is the key in the Secret's data whose value is read. Default: credentials.json in credentialsSecretRef, api-key in
	// apiKeySecretRef, password in passwordSecretRef, salt in saltSecretRef. Example: token.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key *string `json:"key,omitempty"`
}

// Limits bound the calls to the provider, and the changes that need no approval.
type Limits struct {
	// RequestsPerSecond is the highest rate of calls to the provider, in calls per second, from 1 to 10000; 0 is refused. Default 20.
	// While the provider rate-limits, the rate is lower. ParentAccounts of one account share the rate: the lowest limit counts. Example:
	// 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond *int32 `json:"requestsPerSecond,omitempty"`

	// MaxInFlight is the highest number of calls that are under way at one time, from 1 to 1000; 0 is refused. Default 8. ParentAccounts
	// of one account share it: the lowest limit counts. Example: 4.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxInFlight *int32 `json:"maxInFlight,omitempty"`

	// MaxBatchSize is the highest number of accounts to which one call makes the same change, from 1 to 1000; 0 is refused. Default 100.
	// 1: each account has a call of its own. Example: 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxBatchSize *int32 `json:"maxBatchSize,omitempty"`

	// MaxDeactivationsPerHour is how many accounts of a namespace may be deactivated within an hour, by edits and by deletions, from 0
	// to 1000. Default 50. 0: each deactivation waits for an approval. A deactivation that exceeds the limit waits until the limit allows
	// it or until it is approved; a deletion waits an hour at most. Example: 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MaxDeactivationsPerHour *int32 `json:"maxDeactivationsPerHour,omitempty"`

	// MassChange limits how many accounts of a namespace may change in a short time; further changes wait until they are approved. It also
	// limits how many accounts the operator believes to be missing at once. Unset: 20 percent, at least 5, within 10 minutes. Example:
	// {percent: 10, window: 1h}.
	// +optional
	MassChange *MassChange `json:"massChange,omitempty"`
}

// MassChange limits how many accounts may change within a window: by edits, by deletions that deactivate them, and by corrections
// of drift. The operator also believes no more of the ParentAccount's accounts to be missing at once.
type MassChange struct {
	// Percent is how many percent of the namespace's ChildAccounts of this parent may change within the window, from 0 to 100. Default
	// 20. 100: no change waits. 0: minimum is the only limit. Example: 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// Minimum is how many accounts may change within the window even if percent allows fewer, from 0 to 10000. Default 5. 0: percent alone
	// decides; together with percent 0 each change waits for an approval. Example: 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Minimum *int32 `json:"minimum,omitempty"`

	// Window is for how long a change counts: a duration in hours (h), minutes (m), seconds (s) or milliseconds (ms), from 1s to 24h; 0
	// is refused. After a restart the operator counts from 0 again. Default 10m. Example: 1h30m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="window must be from 1s to 24h"
	Window *metav1.Duration `json:"window,omitempty"`
}

// ParentAccountStatus is what the operator knows of a parent account.
type ParentAccountStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of. -1: the operator has not reconciled the resource yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Provider is the provider's name: Voximplant or 2sms. It is unset before the first connection.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Provider string `json:"provider,omitempty"`

	// AccountID is the parent account's id at the provider, as the provider returned it. It is pinned: with credentials of another
	// account the operator stops everything (reason ParentChanged) until the annotation accounts.cpaas.dev/accept-parent names the new
	// id.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	AccountID string `json:"accountID,omitempty"`

	// AccountName is the parent account's name at the provider.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	AccountName string `json:"accountName,omitempty"`

	// EndpointHost is the host at which the operator found the account. It is pinned as accountID is. Example: api.voximplant.com.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	EndpointHost string `json:"endpointHost,omitempty"`

	// WasShared is true once other namespaces could have accounts of the parent account: by spec.allowedNamespaces, or by that of another ParentAccount of
	// the same account. It stays true after that has ended, as a former tenant can have written any owner into an account's custom data. So a ChildAccount
	// finds its account again only with the account's password, or with a spec.adoptionPolicy that allows to adopt accounts. Unset: the account was never
	// shared while this ParentAccount existed.
	// +optional
	WasShared *bool `json:"wasShared,omitempty"`

	// ChildAccounts counts the child accounts as of the last complete list. It is unset before the first one.
	// +optional
	ChildAccounts *ChildAccountCounts `json:"childAccounts,omitempty"`

	// Deactivations are the accounts that were deactivated within the last hour, by edits and deletions: those that
	// limits.maxDeactivationsPerHour counts.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Deactivations []Deactivation `json:"deactivations,omitempty"`

	// NotDeactivated are the accounts of deleted ChildAccounts with deletionPolicy Deactivate that were not deactivated (suspended, for example, or
	// not in time) and may still be active, until they are acknowledged.
	// +optional
	NotDeactivated *NotDeactivated `json:"notDeactivated,omitempty"`

	// PendingApprovals are the groups of writes that wait for an approval, the largest first. It is unset while nothing waits, and lists at
	// most 32 groups; what waits beyond them is listed once others are approved.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	PendingApprovals []PendingApproval `json:"pendingApprovals,omitempty"`

	// PendingResources is how many resources wait for an approval, in all groups, including groups that pendingApprovals has no room for.
	// It is unset while nothing waits.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PendingResources *int32 `json:"pendingResources,omitempty"`

	// ChangeBudget says how much of limits.massChange is used, in the namespace that has the least left. It is unset while no change
	// counts, and if the limit stops nothing. The operator updates it with the rest of the status, so it may be as old as the last resync.
	// +optional
	ChangeBudget *ChangeBudget `json:"changeBudget,omitempty"`

	// Account is what the operator knows of the parent account itself. It is unset where neither spec.account nor spec.plans is set.
	// +optional
	Account *OwnAccountStatus `json:"account,omitempty"`

	// Conditions say how the account is. Ready: whether the operator can work with it. APIAvailable: whether the provider's API answers.
	// AccountSynced, where spec.account is set: whether the account matches it. PlansSynced, where spec.plans is set: whether the account has
	// the declared plans.
	// Only while they are True: Reconciling, while the operator continues automatically; Stalled, while somebody has to act;
	// AccountsMissing, while more accounts are missing at once than the operator believes; CapabilityMissing, while the provider refuses
	// calls that the operator can do without. Each message says what happened, why, and what to do next.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// The bounds of PendingApprovals, and of each one's message.
const (
	MaxPendingApprovals       = 32
	MaxPendingApprovalMessage = 2048
)

// PendingApproval is a group of writes that wait until exactly these are approved.
type PendingApproval struct {
	// Hash tells this group of writes from any other. It is the value of the annotation that approves the group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// Count is how many resources wait in this group.
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int32 `json:"count"`
	// Message says what waits and why, and has the command that approves it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message"`
}

// ChangeBudget says how many accounts of a namespace were changed within the window of limits.massChange.
type ChangeBudget struct {
	// Used is how many accounts changed within the window, without those whose changes were approved.
	// +required
	// +kubebuilder:validation:Minimum=0
	Used int32 `json:"used"`
	// Limit is how many accounts may change within the window.
	// +required
	// +kubebuilder:validation:Minimum=0
	Limit int32 `json:"limit"`
	// FreesAt is when the last counted change leaves the window, to the second. From then on the whole limit is free, unless there are
	// further changes.
	// +required
	FreesAt metav1.Time `json:"freesAt"`
}

// MaxNotDeactivated is how many accounts NotDeactivated lists.
const MaxNotDeactivated = 100

// NotDeactivated are accounts that should have been deactivated. The annotation acknowledge-not-deactivated with the hash removes them from the status.
type NotDeactivated struct {
	// Hash tells these accounts from any others. As the value of the annotation accounts.cpaas.dev/acknowledge-not-deactivated it
	// removes them from the status.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// Total is how many accounts there are, including those that accounts does not list.
	// +required
	// +kubebuilder:validation:Minimum=1
	Total int32 `json:"total"`
	// Accounts are the latest of these accounts, at most 100.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Accounts []NotDeactivatedAccount `json:"accounts"`
}

// NotDeactivatedAccount is an account whose ChildAccount was deleted, and which may still be active.
type NotDeactivatedAccount struct {
	// Time is when the operator gave up deactivating the account and allowed the ChildAccount to be deleted, to the second.
	// +required
	Time metav1.Time `json:"time"`
	// Namespace is the namespace of the deleted ChildAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Name is the name of the deleted ChildAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// AccountName is the account's name at the provider.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	AccountName string `json:"accountName"`
	// AccountID is the account's id at the provider; absent if the operator never knew it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	AccountID *string `json:"accountID,omitempty"`
	// Message says why the account could not be deactivated.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message *string `json:"message,omitempty"`
}

// Deactivation is an account that was deactivated.
type Deactivation struct {
	// Time is when the account was deactivated, to the second.
	// +required
	Time metav1.Time `json:"time"`
	// Namespace is the namespace of the account's ChildAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Name is the account's name at the provider.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ChildAccountCounts counts child accounts.
type ChildAccountCounts struct {
	// Total is how many child accounts the provider listed.
	// +required
	Total int32 `json:"total"`
	// Managed is how many of them belong to a ChildAccount, of this ParentAccount or of another one of the same account.
	// +required
	Managed int32 `json:"managed"`
	// Unmanaged is how many of them belong to no ChildAccount.
	// +required
	Unmanaged int32 `json:"unmanaged"`
}

// ParentAccount is an account at a telephony provider whose child accounts ChildAccounts declare. It has the credentials, says who may use
// them, and limits the calls to the provider and the changes in a short time. Deleting it changes nothing at the provider.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=cpaas,shortName=parentacct
// +kubebuilder:printcolumn:name="Account ID",type=string,JSONPath=`.status.accountID`
// +kubebuilder:printcolumn:name="Account",type=string,JSONPath=`.status.accountName`
// +kubebuilder:printcolumn:name="Children",type=integer,JSONPath=`.status.childAccounts.total`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="APIAvailable")].reason`,description="How the last reconcile ended: the reason of APIAvailable. Ready may be as before, during an outage for example."
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pendingResources`,description="How many resources wait for an approval: see status.pendingApprovals."
// +kubebuilder:printcolumn:name="Deleting",type=date,JSONPath=`.metadata.deletionTimestamp`,description="For how long the resource has been waiting to be deleted."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Unmanaged",type=integer,JSONPath=`.status.childAccounts.unmanaged`,priority=1,description="How many child accounts belong to no ChildAccount."
// +kubebuilder:printcolumn:name="Changed",type=integer,JSONPath=`.status.changeBudget.used`,priority=1,description="How many accounts were changed within the window of limits.massChange, in the namespace that has the least left."
// +kubebuilder:printcolumn:name="Limit",type=integer,JSONPath=`.status.changeBudget.limit`,priority=1,description="How many accounts of that namespace may be changed within the window."
// +kubebuilder:printcolumn:name="Frees At",type=string,JSONPath=`.status.changeBudget.freesAt`,priority=1,description="When the last of these changes leaves the window."
// +kubebuilder:printcolumn:name="Left Active",type=integer,JSONPath=`.status.notDeactivated.total`,priority=1,description="How many accounts of deleted resources could not be deactivated: see status.notDeactivated."
// +kubebuilder:printcolumn:name="Account Synced",type=string,JSONPath=`.status.conditions[?(@.type=="AccountSynced")].reason`,priority=1,description="Whether the parent account itself matches spec.account: the reason of AccountSynced."
// +kubebuilder:printcolumn:name="Plans Synced",type=string,JSONPath=`.status.conditions[?(@.type=="PlansSynced")].reason`,priority=1,description="Whether the parent account has the plans in spec.plans: the reason of PlansSynced."
// +kubebuilder:printcolumn:name="Capability Missing",type=string,JSONPath=`.status.conditions[?(@.type=="CapabilityMissing")].reason`,priority=1,description="Why the provider refuses calls that the operator can do without: the reason of CapabilityMissing."
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="APIAvailable")].message`,priority=1,description="The message of APIAvailable."
type ParentAccount struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec declares the account at the provider that has the child accounts, who may use it, and the limits of calls and changes.
	// +required
	Spec ParentAccountSpec `json:"spec"`
	// Status is what the operator knows of the account. It is written by the operator alone.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status ParentAccountStatus `json:"status,omitempty"`
}

// ParentAccountList is a list of ParentAccounts.
//
// +kubebuilder:object:root=true
type ParentAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ParentAccount `json:"items"`
}

// GetConditions returns the conditions for reading and changing.
func (p *ParentAccount) GetConditions() *[]metav1.Condition { return &p.Status.Conditions }

// Suspended says whether the operator makes no calls to the provider.
func (p *ParentAccount) Suspended() bool { return p.Spec.Suspend != nil && *p.Spec.Suspend }

// StartPolicy returns what happens to writes that are pending when the operator starts.
func (p *ParentAccount) StartPolicy() StartPolicy {
	return valueOr(p.Spec.StartPolicy, StartReconcile)
}

// Endpoint returns the API's address, the default where none is given: scheme and host in lower case, and a path if it has one.
func (p *ParentAccount) Endpoint() string {
	if p.Spec.TwoSMS == nil {
		return strings.ToLower(valueOr(p.Spec.Voximplant.Endpoint, DefaultVoximplantEndpoint))
	}
	host := p.EndpointOrigin()
	return host + p.Spec.TwoSMS.BaseURL[len(host):]
}

// EndpointOrigin returns scheme, host and port of the API's address, in lower case.
func (p *ParentAccount) EndpointOrigin() string {
	if p.Spec.TwoSMS == nil {
		return p.Endpoint()
	}
	scheme, rest, _ := strings.Cut(p.Spec.TwoSMS.BaseURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(scheme + "://" + host)
}

// EndpointField names the field with the API's address, for messages.
func EndpointField(p *ParentAccount) string {
	if p.Spec.TwoSMS != nil {
		return "spec.twoSMS.baseURL"
	}
	return "spec.voximplant.endpoint"
}

// CABundle returns the authorities to trust at the API's address, and the field that has them.
func (p *ParentAccount) CABundle() (bundle []byte, field string) {
	if p.Spec.TwoSMS != nil {
		return p.Spec.TwoSMS.CABundle, "spec.twoSMS.caBundle"
	}
	return p.Spec.Voximplant.CABundle, "spec.voximplant.caBundle"
}

// FollowsAPIAddress says whether calls go to the address that the provider prefers.
func (p *ParentAccount) FollowsAPIAddress() bool { return valueOr(p.Spec.FollowAPIAddress, false) }

// Provider returns the provider's name.
func (p *ParentAccount) Provider() string {
	if p.Spec.TwoSMS != nil {
		return ProviderTwoSMS
	}
	return ProviderVoximplant
}

// CredentialsSecret returns the name of the Secret with the credentials, and their key in it: of several the one that is secret.
func (p *ParentAccount) CredentialsSecret() (name, key string) {
	if p.Spec.TwoSMS != nil {
		return p.Spec.TwoSMS.ClientSecretRef.Name, ClientSecretKey
	}
	ref := p.Spec.Voximplant.CredentialsSecretRef
	return ref.Name, valueOr(ref.Key, DefaultCredentialsKey)
}

// CredentialsKeys returns the keys of the credentials in their Secret.
func CredentialsKeys(p *ParentAccount) []string {
	if p.Spec.TwoSMS != nil {
		return []string{ClientIDKey, ClientSecretKey}
	}
	_, key := p.CredentialsSecret()
	return []string{key}
}

// CredentialsOf returns the credentials as the provider's client reads them, of the values under CredentialsKeys.
func CredentialsOf(p *ParentAccount, values map[string][]byte) []byte {
	if p.Spec.TwoSMS == nil {
		_, key := p.CredentialsSecret()
		return values[key]
	}
	text, err := json.Marshal(map[string]string{
		"accountID": p.Spec.TwoSMS.AccountID, ClientIDKey: string(values[ClientIDKey]), ClientSecretKey: string(values[ClientSecretKey]),
	})
	if err != nil { // a map of strings always marshals
		panic(err)
	}
	return text
}

// APIKeySecret returns the name and the key of the Secret with the account's own API key; ok is false where none is given.
func (p *ParentAccount) APIKeySecret() (name, key string, ok bool) {
	ref := p.Spec.Voximplant.APIKeySecretRef
	if ref == nil {
		return "", "", false
	}
	return ref.Name, valueOr(ref.Key, DefaultAPIKeyKey), true
}

// ResyncInterval returns how often the whole list is read.
func (p *ParentAccount) ResyncInterval() time.Duration {
	if p.Spec.ResyncInterval == nil {
		return DefaultResyncInterval
	}
	return max(p.Spec.ResyncInterval.Duration, time.Second)
}

// RequestsPerSecond returns the highest rate of calls.
func (p *ParentAccount) RequestsPerSecond() int {
	if p.Spec.Limits == nil {
		return DefaultRequestsPerSecond
	}
	return int(valueOr(p.Spec.Limits.RequestsPerSecond, DefaultRequestsPerSecond))
}

// MaxInFlight returns the highest number of calls at one time.
func (p *ParentAccount) MaxInFlight() int {
	if p.Spec.Limits == nil {
		return DefaultMaxInFlight
	}
	return int(valueOr(p.Spec.Limits.MaxInFlight, DefaultMaxInFlight))
}

// AllowedFrom returns which namespaces may use the account besides its own.
func (p *ParentAccount) AllowedFrom() FromNamespaces {
	if p.Spec.AllowedNamespaces == nil {
		return NamespacesSame
	}
	return valueOr(p.Spec.AllowedNamespaces.From, NamespacesSame)
}

// Shared says whether other namespaces may use the account, or could.
func (p *ParentAccount) Shared() bool {
	return p.AllowedFrom() != NamespacesSame || valueOr(p.Status.WasShared, false)
}

// Grants says whether resources of other namespaces may do what is named.
func (p *ParentAccount) Grants(g Grant) bool {
	return p.Spec.AllowedNamespaces != nil && slices.Contains(p.Spec.AllowedNamespaces.Grants, g)
}

// MaxBatchSize returns the highest number of accounts to which one call makes the same change.
func (p *ParentAccount) MaxBatchSize() int {
	if p.Spec.Limits == nil {
		return DefaultMaxBatchSize
	}
	return int(valueOr(p.Spec.Limits.MaxBatchSize, DefaultMaxBatchSize))
}

// MaxDeactivationsPerHour returns how many accounts of a namespace may be deactivated within an hour.
func (p *ParentAccount) MaxDeactivationsPerHour() int {
	if p.Spec.Limits == nil {
		return DefaultMaxDeactivationsPerHour
	}
	return int(valueOr(p.Spec.Limits.MaxDeactivationsPerHour, DefaultMaxDeactivationsPerHour))
}

// MassChangeLimits are the limits of MassChange, with the defaults for what is not given.
type MassChangeLimits struct {
	Percent, Minimum int
	Window           time.Duration
}

// MassChange returns the limits of mass changes.
func (p *ParentAccount) MassChange() MassChangeLimits {
	var given MassChange
	if p.Spec.Limits != nil {
		given = valueOr(p.Spec.Limits.MassChange, given)
	}
	return MassChangeLimits{
		Percent: int(valueOr(given.Percent, DefaultMassChangePercent)),
		Minimum: int(valueOr(given.Minimum, DefaultMassChangeMinimum)),
		Window:  max(valueOr(given.Window, metav1.Duration{Duration: DefaultMassChangeWindow}).Duration, time.Second),
	}
}

func valueOr[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}
