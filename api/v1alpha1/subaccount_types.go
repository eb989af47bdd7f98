package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SubAccountSpec declares a sub-account of a master account at 2sms. The provider's API replaces the whole account with each change, so the fields
// that it wants are required.
//
// +kubebuilder:validation:XValidation:rule="has(self.managementPolicy) && self.managementPolicy == 'Observe' || has(self.adoptionPolicy) && self.adoptionPolicy != 'Never' || size(self.email) <= 254 && self.email.matches(r'^[a-zA-Z0-9.!#$%&\\x27*+/=?^_\\x60{|}~-]{1,64}@[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$') && self.email.matches('@.{1,190}$')",messageExpression="'email must be one e-mail address, such as support@acme.example: ' + (self.email.matches(r'[ \\t\\n\\f\\r]') ? 'it has a space. Remove the space' : !self.email.contains('@') ? 'it has no @' : self.email.matches('@.*@') ? 'it has more than one @. Declare one address, not a list' : self.email.startsWith('@') ? 'nothing is before the @' : self.email.endsWith('@') ? 'nothing is after the @' : self.email.matches(r'[^\\x00-\\x7f].*@') ? 'characters other than ASCII before the @ are not possible. Choose another address' : self.email.matches(r'[^\\x00-\\x7f]') ? 'its domain has characters other than ASCII. Declare the ASCII form of the domain, which begins with xn--' : self.email.endsWith('.') ? 'it ends with a dot. Remove the dot' : size(self.email) > 254 || self.email.matches('^[^@]{65}') || self.email.matches('@.{191}') ? 'it is too long. Choose one of at most 254 characters, of which at most 64 are before the @ and at most 190 after it' : !self.email.matches(r'^[a-zA-Z0-9.!#$%&\\x27*+/=?^_\\x60{|}~-]+@') ? 'before the @ only letters, digits and .!#$%&\\'*+/=?^_`{|}~- are possible. Choose another address' : 'after the @ there must be names of at most 63 letters, digits and hyphens, which neither begin nor end with a hyphen, with one dot between two. Correct the domain')",message="email must be one e-mail address: support@acme.example",fieldPath=".email"
type SubAccountSpec struct {
	// ParentRef names the ParentAccount of this sub-account, which must have spec.twoSMS. The reference may be changed to another
	// ParentAccount of the same account at the provider. If the new ParentAccount is of another account, the operator does nothing (reason
	// ParentChanged): an account stays with its parent. Example: {name: acme-sms}.
	// +required
	ParentRef ParentReference `json:"parentRef"`

	// Username is the name with which the account's user signs in. The provider never returns it, so the operator does not notice a change
	// made elsewhere: the next change by the operator writes the declared username again. 1 to 256 characters. Example: acme-support.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches(r'\\S') && !self.matches('[[:cntrl:]]')",message="username must not be blank, and must have no control characters, such as a line break"
	Username string `json:"username"`

	// Email is the account's e-mail address. While this resource has no account, the operator recognizes one by exactly this address. If
	// several accounts of the master account have it, the operator takes none (reason AdoptionRefused). A change is applied to the account.
	// The address must be one that HTML accepts (input type=email), of at most 254 characters, with the domain in ASCII (xn--…). With
	// managementPolicy Observe, or an adoptionPolicy other than Never, any address that the account has may be declared. Example:
	// support@acme.example.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="email must have no control characters, such as a line break"
	Email string `json:"email"`

	// FirstName is the first name of the account's user, 1 to 256 characters. Example: Ada.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches(r'\\S') && !self.matches('[[:cntrl:]]')",message="firstName must not be blank, and must have no control characters, such as a line break"
	FirstName string `json:"firstName"`

	// LastName is the last name of the account's user, 1 to 256 characters. Example: Lovelace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches(r'\\S') && !self.matches('[[:cntrl:]]')",message="lastName must not be blank, and must have no control characters, such as a line break"
	LastName string `json:"lastName"`

	// CompanyName is the account's company, 1 to 256 characters. Example: Acme Ltd.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches(r'\\S') && !self.matches('[[:cntrl:]]')",message="companyName must not be blank, and must have no control characters, such as a line break"
	CompanyName string `json:"companyName"`

	// MobilePhone is the account's mobile phone number: 5 to 20 characters with at least five digits; digits, blanks, hyphens and brackets,
	// with a plus before them if you like. Numbers with the same digits count as the same. Example: +44 1234 567890.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+]?[-0-9 ()]+$') && self.matches('([0-9][^0-9]*){5}')",message="mobilePhone must have at least five digits: digits, blanks, hyphens and brackets, with a plus before them if you like, such as +44 1234 567890"
	MobilePhone string `json:"mobilePhone"`

	// PasswordSecretRef names the Secret with the account's password, under the key password unless another is given. The Secret must be
	// in this namespace, with the label accounts.cpaas.dev/input: "true". The operator creates the account with the password, and changes
	// the account's password whenever the Secret changes. Each change of the account sends the password too, as the provider's API wants it:
	// a pre-existing account gets this password with its first change. Unset: the operator generates a password into the connection Secret;
	// a pre-existing account is only read until this field is set (reasons AdoptedReadOnly, PasswordRequired). Example: {name:
	// acme-support-password}.
	// +optional
	PasswordSecretRef *SecretKeyReference `json:"passwordSecretRef,omitempty"`

	// ConnectionSecret names the Secret into which the operator writes the account's id, e-mail and generated password. Unset: the Secret
	// <metadata.name>-connection. While the account exists the operator does not delete the Secret, as it may hold the only copy of a
	// password. Example: {name: acme-login, labels: {team: sms}}.
	// +optional
	ConnectionSecret *SubAccountSecret `json:"connectionSecret,omitempty"`

	// AdoptionPolicy says whether this resource adopts a pre-existing account with this e-mail, which this resource did not create. Never
	// (default): the account stays unchanged (reason AdoptionRefused). IfIdentical: the account is adopted only if all declared fields that
	// can be read match. Always: the account is adopted, and the spec is applied to it. Either way the account is only read until
	// passwordSecretRef is set. Under another namespace's ParentAccount IfIdentical and Always need the grant Adopt. The provider's accounts do not
	// say which resource created them: a resource whose status is lost, in a cluster that is rebuilt for example, finds its account by this
	// policy alone.
	// +optional
	AdoptionPolicy *AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// DeletionPolicy says what happens to the account when this resource is deleted. Retain (default) is the only policy: the account stays
	// as it is, and the deletion never waits for the operator. The provider's API neither deletes sub-accounts nor documents how to
	// deactivate them. The connection Secret stays.
	// +optional
	DeletionPolicy *SubAccountDeletionPolicy `json:"deletionPolicy,omitempty"`

	// MissingPolicy says what to do when two complete lists in a row lack an account that this resource has had. Report (default): the
	// operator reports AccountMissing, and creates nothing. Recreate: the operator creates an account with the same e-mail in its place, with
	// another id, and with the password in the connection Secret. If many accounts are missing at once, the operator does neither before an
	// approval.
	// +optional
	MissingPolicy *MissingPolicy `json:"missingPolicy,omitempty"`

	// ManagementPolicy says whether the operator writes to the account. Manage (default): the spec is applied. Observe: the operator only
	// reads the account; status.observed has what the provider returns, and status.drift what differs from the spec. The operator creates
	// neither an account nor a connection Secret. Under another namespace's ParentAccount, observing an account that this resource did not create
	// needs the grant Adopt.
	// +optional
	ManagementPolicy *ManagementPolicy `json:"managementPolicy,omitempty"`

	// DriftPolicy says what to do about changes made at the provider to declared fields. Correct (default): the operator applies the spec
	// again; many corrections at once wait for an approval. Report: the operator lists the differences in status.drift, with the reason
	// DriftDetected. A change of the spec is applied either way.
	// +optional
	DriftPolicy *DriftPolicy `json:"driftPolicy,omitempty"`

	// Suspend stops, when true, all reads and writes for this resource; the account and the connection Secret stay as they are, and so
	// does Ready. false and unset: the operator works.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`
}

// SubAccountDeletionPolicy is Retain.
// +kubebuilder:validation:Enum=Retain
type SubAccountDeletionPolicy string

// SubAccountSecret names a connection Secret, and what people want on it.
type SubAccountSecret struct {
	// Name is the Secret's name, in this namespace. Default: <metadata.name>-connection. After a change of the name the operator creates
	// a Secret with all that the former Secret holds; the former Secret stays, and the operator does not update it any more. The operator
	// refuses the name of another existing Secret (reason SecretInvalid). Example: acme-login.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name *string `json:"name,omitempty"`

	// Labels are added to the Secret, at most 32. A label that is removed here is removed from the Secret; other labels of the Secret are
	// unchanged. Unset: none are added. The prefix accounts.cpaas.dev/ is the operator's own. Example: {team: voice}.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('accounts.cpaas.dev/'))",message="labels with the prefix accounts.cpaas.dev/ are the operator's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="a label's key must be a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and a slash before it if you like: example.org/team"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// Annotations are added to the Secret, at most 32. An annotation that is removed here is removed from the Secret; other annotations
	// are unchanged. Unset: none are added. The prefix accounts.cpaas.dev/ is the operator's own. Example: {example.org/used-by: checkout}.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('accounts.cpaas.dev/'))",message="annotations with the prefix accounts.cpaas.dev/ are the operator's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="an annotation's key must be a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and a slash before it if you like: example.org/team"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// SubAccountStatus is what the operator knows of a sub-account.
type SubAccountStatus struct {
	AccountStatus `json:",inline"`

	// Observed is what the provider last returned of the account, in canonical spelling. It is unset before the first read. It may be as
	// old as the last complete list.
	// +optional
	Observed *ObservedSubAccount `json:"observed,omitempty"`
}

// ObservedSubAccount is what the provider returned of a sub-account. A field is absent where the provider did not return it; the username and the
// password never are returned.
type ObservedSubAccount struct {
	// Email is the account's e-mail address at the provider.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Email *string `json:"email,omitempty"`
	// FirstName is the first name of the account's user.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	FirstName *string `json:"firstName,omitempty"`
	// LastName is the last name of the account's user.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastName *string `json:"lastName,omitempty"`
	// CompanyName is the account's company.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	CompanyName *string `json:"companyName,omitempty"`
	// MobilePhone is the account's mobile phone number, its digits alone.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	MobilePhone *string `json:"mobilePhone,omitempty"`
}

// SubAccount is one sub-account of a master account at 2sms: the operator creates the account and keeps it as the spec declares. Deleting the
// SubAccount leaves the account at the provider as it is.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=cpaas,shortName=subacct
// +kubebuilder:printcolumn:name="Account ID",type=string,JSONPath=`.status.accountID`
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.status.observed.email`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].reason`,description="How the last reconcile ended: the reason of Synced. Ready may be as before, during an outage for example."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.conditions[?(@.type=="ConnectionSecretReady")].reason`,priority=1,description="The reason of ConnectionSecretReady."
// +kubebuilder:printcolumn:name="Drift",type=string,JSONPath=`.status.drift[0].field`,priority=1,description="The first field that differs from the spec and stays so: see status.drift."
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].message`,priority=1,description="The message of Synced."
// +kubebuilder:validation:XValidation:rule="has(self.spec.connectionSecret) && has(self.spec.connectionSecret.name) || size(self.metadata.name) <= 242",message="metadata.name is too long to make the name of the connection Secret from it: set spec.connectionSecret.name",fieldPath=".spec.connectionSecret"
type SubAccount struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec declares the account. Nothing is written back into spec.
	// +required
	Spec SubAccountSpec `json:"spec"`
	// Status is what the operator knows of the account. It is written by the operator alone.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status SubAccountStatus `json:"status,omitempty"`
}

// SubAccountList is a list of SubAccounts.
//
// +kubebuilder:object:root=true
type SubAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SubAccount `json:"items"`
}

// GetConditions returns the conditions for reading and changing.
func (c *SubAccount) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }

// Suspended says whether nothing is to be done for this resource.
func (c *SubAccount) Suspended() bool { return valueOr(c.Spec.Suspend, false) }

// ParentKey names the ParentAccount.
func (c *SubAccount) ParentKey() types.NamespacedName {
	return types.NamespacedName{Namespace: valueOr(c.Spec.ParentRef.Namespace, c.Namespace), Name: c.Spec.ParentRef.Name}
}

// Observes says whether the account is only read.
func (c *SubAccount) Observes() bool {
	return valueOr(c.Spec.ManagementPolicy, ManagementManage) == ManagementObserve
}

// AdoptionPolicy returns what accounts may be adopted.
func (c *SubAccount) AdoptionPolicy() AdoptionPolicy {
	return valueOr(c.Spec.AdoptionPolicy, AdoptNever)
}

// ReportsDrift says whether changes at the provider are only reported.
func (c *SubAccount) ReportsDrift() bool {
	return valueOr(c.Spec.DriftPolicy, DriftCorrect) == DriftReport
}

// Recreates says whether an account that is missing is recreated.
func (c *SubAccount) Recreates() bool {
	return valueOr(c.Spec.MissingPolicy, MissingReport) == MissingRecreate
}

// ConnectionSecretName returns the name of the connection Secret.
func (c *SubAccount) ConnectionSecretName() string {
	if c.Spec.ConnectionSecret == nil {
		return c.Name + "-connection"
	}
	return valueOr(c.Spec.ConnectionSecret.Name, c.Name+"-connection")
}

// PasswordSecret returns the name and the key of the Secret with the account's password; ok is false where none is given.
func (c *SubAccount) PasswordSecret() (name, key string, ok bool) {
	ref := c.Spec.PasswordSecretRef
	if ref == nil {
		return "", "", false
	}
	return ref.Name, valueOr(ref.Key, DefaultPasswordKey), true
}

// InputSecrets are the names of the Secrets that the spec refers to.
func (c *SubAccount) InputSecrets() (names []string) {
	if name, _, ok := c.PasswordSecret(); ok {
		names = append(names, name)
	}
	return names
}
