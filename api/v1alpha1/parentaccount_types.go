package v1alpha1

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProviderVoximplant is the name of the provider of spec.voximplant.
const ProviderVoximplant = "Voximplant"

// The defaults. They are applied when the spec is read and never written into it.
const (
	DefaultVoximplantEndpoint = "https://api.voximplant.com"
	DefaultCredentialsKey     = "credentials.json"
	DefaultAPIKeyKey          = "api-key"
	DefaultPasswordKey        = "password"
	DefaultResyncInterval     = 5 * time.Minute
	DefaultRequestsPerSecond  = 20
	DefaultMaxInFlight        = 8
	DefaultMaxBatchSize       = 100

	DefaultMaxDeactivationsPerHour = 50
	DefaultMassChangePercent       = 20
	DefaultMassChangeMinimum       = 5
	DefaultMassChangeWindow        = 10 * time.Minute
)

// ParentAccountSpec says who we are at the provider, and how much we may ask of it.
type ParentAccountSpec struct {
	// Voximplant is the account at Voximplant whose child accounts are kept.
	// +required
	Voximplant VoximplantParent `json:"voximplant"`

	// AllowedNamespaces says whose ChildAccounts may name this ParentAccount, and what they may do. Default: those of its
	// own namespace.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// ResyncInterval is how often the whole list of child accounts is read and compared. Default 5m, at least 1s, at most 24h.
	// ParentAccounts of one account share the list, at the shortest of their intervals.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="resyncInterval must be from 1s to 24h"
	ResyncInterval *metav1.Duration `json:"resyncInterval,omitempty"`

	// Limits bound what is asked of the provider on behalf of this account.
	// +optional
	Limits *Limits `json:"limits,omitempty"`

	// Suspend stops every call to the provider for this account and its children. Nothing is changed there.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// StartPolicy says what becomes of writes that are pending when the operator starts, as of the first complete list of child accounts.
	// Reconcile, which is what unset means, makes them. Observe holds them as one group, which status.pendingApprovals shows, until the
	// annotation accounts.cpaas.dev/approve-start: <hash> approves exactly these: for a cluster that is restored or cloned. Where nothing
	// is pending nothing waits, and neither do later edits and new ChildAccounts. The operator's flag --start-policy=Observe overrides
	// Reconcile.
	// +optional
	StartPolicy *StartPolicy `json:"startPolicy,omitempty"`
}

// StartPolicy says what becomes of writes that are pending when the operator starts.
// +kubebuilder:validation:Enum=Reconcile;Observe
type StartPolicy string

// The start policies.
const (
	// StartReconcile makes them.
	StartReconcile StartPolicy = "Reconcile"
	// StartObserve holds them until they are approved.
	StartObserve StartPolicy = "Observe"
)

// VoximplantParent is an account at Voximplant that has child accounts.
//
// The rule stands here and not at the field so that the API server does not repeat what somebody took for a caBundle.
// +kubebuilder:validation:XValidation:rule="!has(self.caBundle) || self.caBundle.replace('\\n', \"\").matches('^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$')",fieldPath=".caBundle",message="must be PEM in base64: base64 < ca.pem"
type VoximplantParent struct {
	// CredentialsSecretRef names the Secret with the service account's credentials.json. The service account needs the role Owner.
	// The Secret must carry the label accounts.cpaas.dev/input: "true".
	// +required
	CredentialsSecretRef SecretKeyReference `json:"credentialsSecretRef"`

	// APIKeySecretRef names the Secret with the parent account's own API key (key api-key unless given), labelled like the
	// credentials. It is sent to AddAccount, which may want it, and finds a child's API key again where it was lost.
	// +optional
	APIKeySecretRef *SecretKeyReference `json:"apiKeySecretRef,omitempty"`

	// Endpoint is the Management API's address: scheme and host, no path. Default https://api.voximplant.com.
	// It must be one of the operator's --allowed-endpoints.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[][A-Za-z0-9.:-]+$')",message="endpoint must be scheme and host, without a path, user or trailing slash: https://api.voximplant.com"
	Endpoint *string `json:"endpoint,omitempty"`

	// CABundle holds the certificate authorities to trust at the endpoint, as PEM in base64 like in webhook configurations.
	// They stand in for the system's, which are trusted where none are given. It is no secret: a private key has no place in it.
	// For a plain http endpoint it makes no difference.
	// +optional
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=262144
	CABundle []byte `json:"caBundle,omitempty"`
}

// AllowedNamespaces says which namespaces may use a ParentAccount. Its own always may.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) == (has(self.from) && self.from == 'Selector')",message="selector goes with from: Selector, and from: Selector needs a selector"
type AllowedNamespaces struct {
	// From is Same (default): only the ParentAccount's own namespace; All: every namespace; Selector: those that selector picks.
	// +optional
	From *FromNamespaces `json:"from,omitempty"`

	// Selector picks namespaces by their labels. An empty one picks all.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// Grants is what the resources of other namespaces may do besides creating accounts and changing their own. Adopt: take
	// over, or observe, accounts that were there before.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Grants []Grant `json:"grants,omitempty"`
}

// FromNamespaces is Same, All or Selector.
// +kubebuilder:validation:Enum=Same;All;Selector
type FromNamespaces string

// Grant is Adopt.
// +kubebuilder:validation:Enum=Adopt
type Grant string

// Which namespaces may use a ParentAccount, the default first, and what they may be granted.
const (
	NamespacesSame     FromNamespaces = "Same"
	NamespacesAll      FromNamespaces = "All"
	NamespacesSelector FromNamespaces = "Selector"

	GrantAdopt Grant = "Adopt"
)

// SecretKeyReference names a key of a Secret in the resource's own namespace.
type SecretKeyReference struct {
	// Name is the Secret's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// Key is the key in the Secret's data. Default: credentials.json for credentials, api-key for an API key, password for a password.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key *string `json:"key,omitempty"`
}

// Limits bound what is asked of the provider.
type Limits struct {
	// RequestsPerSecond is the highest rate of calls. Default 20.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond *int32 `json:"requestsPerSecond,omitempty"`

	// MaxInFlight is the highest number of calls at one time. Default 8.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxInFlight *int32 `json:"maxInFlight,omitempty"`

	// MaxBatchSize is for how many accounts one call may be that changes the same for all of them. Default 100; 1 makes a
	// call for each.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxBatchSize *int32 `json:"maxBatchSize,omitempty"`

	// MaxDeactivationsPerHour is how many accounts of a namespace may be switched off within an hour, by edits and by
	// deletions. Default 50.
	// What goes beyond waits, or is approved.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MaxDeactivationsPerHour *int32 `json:"maxDeactivationsPerHour,omitempty"`

	// MassChange stops changes that reach too many accounts of a namespace in too short a time, until they are approved. It also bounds how
	// many accounts are believed to be missing at once.
	// +optional
	MassChange *MassChange `json:"massChange,omitempty"`
}

// MassChange says how many accounts may be changed in how short a time: by edits, by deletions that deactivate them, and by corrections
// of drift. Of all ChildAccounts of the ParentAccount, no more are believed to be missing at once.
type MassChange struct {
	// Percent of the namespace's ChildAccounts of this parent may be changed within the window. Default 20; 100 stops nothing.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// Minimum is how many may be changed however few there are. Default 5.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Minimum *int32 `json:"minimum,omitempty"`

	// Window is how far back changes count. Default 10m, at least 1s, at most 24h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="window must be from 1s to 24h"
	Window *metav1.Duration `json:"window,omitempty"`
}

// ParentAccountStatus is what the operator knows of a parent account.
type ParentAccountStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Provider is the provider's name: Voximplant.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Provider string `json:"provider,omitempty"`

	// AccountID is the parent account's id at the provider. It is pinned: credentials of another account stop everything.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	AccountID string `json:"accountID,omitempty"`

	// AccountName is the parent account's name at the provider.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	AccountName string `json:"accountName,omitempty"`

	// EndpointHost is the host that the account was seen at; pinned like the id.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	EndpointHost string `json:"endpointHost,omitempty"`

	// ChildAccounts counts the child accounts as of the last resync.
	// +optional
	ChildAccounts *ChildAccountCounts `json:"childAccounts,omitempty"`

	// Deactivations are the resources whose accounts were switched off within the last hour, by edits and deletions; those
	// that limits.maxDeactivationsPerHour counts.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Deactivations []Deactivation `json:"deactivations,omitempty"`

	// NotDeactivated are the accounts of deleted ChildAccounts with deletionPolicy Deactivate that could not be deactivated in time
	// and may still be active, until they are acknowledged.
	// +optional
	NotDeactivated *NotDeactivated `json:"notDeactivated,omitempty"`

	// PendingApprovals are the groups of writes that wait for an approval, the largest first. It is unset while nothing waits, and lists at
	// most 32 groups; what waits beyond them is listed once others are approved.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	PendingApprovals []PendingApproval `json:"pendingApprovals,omitempty"`

	// ChangeBudget says how much of limits.massChange is used, of the namespace that has the least left. It is unset while no change
	// counts, and where the limit stops nothing. The operator updates it with the rest of the status, so it may be as old as the last resync.
	// +optional
	ChangeBudget *ChangeBudget `json:"changeBudget,omitempty"`

	// Conditions are Ready, APIAvailable, and while they apply Reconciling, Stalled and AccountsMissing.
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
	// Hash tells this group from any other. The value of the annotation that approves it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// Count is how many resources wait.
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
	// Used is how many accounts were changed within the window, without those whose changes were approved.
	// +required
	// +kubebuilder:validation:Minimum=0
	Used int32 `json:"used"`
	// Limit is how many may be changed within the window.
	// +required
	// +kubebuilder:validation:Minimum=0
	Limit int32 `json:"limit"`
	// FreesAt is when the last of the changes that count leaves the window, to the second: from then on all of the limit is free, unless
	// there are further changes.
	// +required
	FreesAt metav1.Time `json:"freesAt"`
}

// MaxNotDeactivated is how many accounts NotDeactivated lists.
const MaxNotDeactivated = 100

// NotDeactivated are accounts that should have been deactivated. The annotation acknowledge-not-deactivated with the hash removes them.
type NotDeactivated struct {
	// Hash tells these accounts from any others.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// Total is how many there are, listed or not.
	// +required
	// +kubebuilder:validation:Minimum=1
	Total int32 `json:"total"`
	// Accounts are the latest 100.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Accounts []NotDeactivatedAccount `json:"accounts"`
}

// NotDeactivatedAccount is an account whose ChildAccount was deleted, and which may still be active.
type NotDeactivatedAccount struct {
	// Time is when the ChildAccount was let go, to the second.
	// +required
	Time metav1.Time `json:"time"`
	// Namespace is the ChildAccount's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Name is the ChildAccount's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// AccountName is the account's name at the provider.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	AccountName string `json:"accountName"`
	// AccountID is the account's id at the provider; it is left out where it was never known.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	AccountID *string `json:"accountID,omitempty"`
	// Message is why it could not be deactivated.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message *string `json:"message,omitempty"`
}

// Deactivation is an account that was switched off.
type Deactivation struct {
	// Time is when, to the second.
	// +required
	Time metav1.Time `json:"time"`
	// Namespace is the ChildAccount's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Name is the account's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ChildAccountCounts counts child accounts.
type ChildAccountCounts struct {
	// Total is how many the provider listed.
	// +required
	Total int32 `json:"total"`
	// Managed is how many of them a ChildAccount is bound to.
	// +required
	Managed int32 `json:"managed"`
	// Unmanaged is how many of them nobody here declares.
	// +required
	Unmanaged int32 `json:"unmanaged"`
}

// ParentAccount is the account at a telephony provider whose child accounts are kept as declared.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=cpaas,shortName=parentacct
// +kubebuilder:printcolumn:name="Account ID",type=string,JSONPath=`.status.accountID`
// +kubebuilder:printcolumn:name="Account",type=string,JSONPath=`.status.accountName`
// +kubebuilder:printcolumn:name="Children",type=integer,JSONPath=`.status.childAccounts.total`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ParentAccount struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ParentAccountSpec `json:"spec"`
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

// Suspended says whether nothing is to be asked of the provider.
func (p *ParentAccount) Suspended() bool { return p.Spec.Suspend != nil && *p.Spec.Suspend }

// StartPolicy returns what becomes of writes that are pending when the operator starts.
func (p *ParentAccount) StartPolicy() StartPolicy {
	return valueOr(p.Spec.StartPolicy, StartReconcile)
}

// Endpoint returns the API's address in lower case, the default where none is given.
func (p *ParentAccount) Endpoint() string {
	return strings.ToLower(valueOr(p.Spec.Voximplant.Endpoint, DefaultVoximplantEndpoint))
}

// Provider returns the provider's name.
func (*ParentAccount) Provider() string { return ProviderVoximplant }

// CredentialsKey returns the key of the credentials in their Secret.
func (p *ParentAccount) CredentialsKey() string {
	return valueOr(p.Spec.Voximplant.CredentialsSecretRef.Key, DefaultCredentialsKey)
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

// Grants says whether resources of other namespaces may do what is named.
func (p *ParentAccount) Grants(g Grant) bool {
	return p.Spec.AllowedNamespaces != nil && slices.Contains(p.Spec.AllowedNamespaces.Grants, g)
}

// MaxBatchSize returns for how many accounts one change may be.
func (p *ParentAccount) MaxBatchSize() int {
	if p.Spec.Limits == nil {
		return DefaultMaxBatchSize
	}
	return int(valueOr(p.Spec.Limits.MaxBatchSize, DefaultMaxBatchSize))
}

// MaxDeactivationsPerHour returns how many accounts may be switched off within an hour.
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

// MassChange returns how many accounts may be changed in how short a time.
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
