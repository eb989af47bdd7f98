package v1alpha1

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ChildAccountSpec declares a child account. A field that is not set is not managed.
//
// +kubebuilder:validation:XValidation:rule="has(self.managementPolicy) && self.managementPolicy == 'Observe' || has(self.adoptionPolicy) && self.adoptionPolicy != 'Never' || size(self.email) <= 254 && self.email.matches(r'^[a-zA-Z0-9.!#$%&\\x27*+/=?^_\\x60{|}~-]{1,64}@[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$') && self.email.matches('@.{1,190}$')",messageExpression="'email must be one e-mail address, such as support@acme.example: ' + (self.email.matches(r'[ \\t\\n\\f\\r]') ? 'it has a space. Remove the space' : !self.email.contains('@') ? 'it has no @' : self.email.matches('@.*@') ? 'it has more than one @. Declare one address, not a list' : self.email.startsWith('@') ? 'nothing is before the @' : self.email.endsWith('@') ? 'nothing is after the @' : self.email.matches(r'[^\\x00-\\x7f].*@') ? 'characters other than ASCII before the @ are not possible. Choose another address' : self.email.matches(r'[^\\x00-\\x7f]') ? 'its domain has characters other than ASCII. Declare the ASCII form of the domain, which begins with xn--' : self.email.endsWith('.') ? 'it ends with a dot. Remove the dot' : size(self.email) > 254 || self.email.matches('^[^@]{65}') || self.email.matches('@.{191}') ? 'it is too long. Choose one of at most 254 characters, of which at most 64 are before the @ and at most 190 after it' : !self.email.matches(r'^[a-zA-Z0-9.!#$%&\\x27*+/=?^_\\x60{|}~-]+@') ? 'before the @ only letters, digits and .!#$%&\\'*+/=?^_`{|}~- are possible. Choose another address' : 'after the @ there must be names of at most 63 letters, digits and hyphens, which neither begin nor end with a hyphen, with one dot between two. Correct the domain')",message="email must be one e-mail address: support@acme.example",fieldPath=".email"
// +kubebuilder:validation:XValidation:rule="!has(self.location) || has(self.managementPolicy) && self.managementPolicy == 'Observe' || has(self.adoptionPolicy) && self.adoptionPolicy != 'Never' || self.location in [TIME_ZONES]",message="location must be a time zone of the IANA database, by its exact name: Europe/Berlin, America/New_York, Etc/GMT+10",fieldPath=".location"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.profile) || !has(oldSelf.profile.billingAddress) || has(self.profile) && has(self.profile.billingAddress)",message="profile.billingAddress can't be removed: the provider keeps a billing address once it is set, and only changes it. Declare the address that is to be in its place",fieldPath=".profile"
// +kubebuilder:validation:XValidation:rule="has(self.recordStorage) == has(oldSelf.recordStorage)",message="recordStorage can't be added or removed: the provider takes it when it creates the account. Make a new ChildAccount with another account name instead",fieldPath=".recordStorage"
// +kubebuilder:validation:XValidation:rule="has(self.cloneFrom) == has(oldSelf.cloneFrom)",message="cloneFrom can't be added or removed: it says how the account is created. Make a new ChildAccount with another account name instead",fieldPath=".cloneFrom"
// +kubebuilder:validation:XValidation:rule="!has(self.cloneFrom) || !has(self.recordStorage)",message="recordStorage can't be declared together with cloneFrom: the provider takes no record storage when it clones an account. Remove one of the two",fieldPath=".recordStorage"
type ChildAccountSpec struct {
	// ParentRef names the ParentAccount of this child account. The reference may be changed to another ParentAccount of the same account
	// at the provider. If the new ParentAccount is of another account, the operator does nothing (reason ParentChanged): an account stays
	// with its parent. Example: {name: acme}.
	// +required
	ParentRef ParentReference `json:"parentRef"`

	// AccountName is the account's unique name at the provider: 5 to 20 characters, lower-case latin letters, digits and hyphens, a
	// letter first. The name can't be changed. Default: metadata.name, which must then be such a name. Example: acme-support.
	// +optional
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9-]*$')",message="accountName must be lower-case latin letters, digits and hyphens, a letter first: acme-support"
	AccountName *string `json:"accountName,omitempty"`

	// Email is the account's e-mail address. No other account at the provider may have the address, not even one of another parent
	// account (reason EmailTaken). A change is applied to the account. An address that the operator has to write must be one that HTML
	// accepts (input type=email), of at most 254 characters, with the domain in ASCII (xn--…). With managementPolicy Observe, or an
	// adoptionPolicy other than Never, any address that the account has may be declared. Example: support@acme.example.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="email must have no control characters, such as a line break"
	Email string `json:"email"`

	// Active activates the account (true) or deactivates it (false); a deactivated account can't be used. Unset: the operator creates the
	// account active, and neither activates nor deactivates it later. Deactivations count for the ParentAccount's
	// limits.maxDeactivationsPerHour.
	// +optional
	Active *bool `json:"active,omitempty"`

	// LanguageCode is the language of the e-mails that the account gets, ISO 639-1. Unset: not managed; the provider's default is en.
	// Norwegian needs quotes in YAML: "no". Example: de.
	// +optional
	// +kubebuilder:validation:Enum=aa;ab;af;am;ar;as;ay;az;ba;be;bg;bh;bi;bn;bo;br;ca;co;cs;cy;da;de;dz;el;en;eo;es;et;eu;fa;fi;fj;fo;fr;fy;ga;gd;gl;gn;gu;ha;hi;he;hr;hu;hy;ia;id;ie;ik;in;is;it;iu;iw;ja;ji;jw;ka;kk;kl;km;kn;ko;ks;ku;ky;la;ln;lo;lt;lv;mg;mi;mk;ml;mn;mo;mr;ms;mt;my;na;ne;nl;no;oc;om;or;pa;pl;ps;pt;qu;rm;rn;ro;ru;rw;sa;sd;sg;sh;si;sk;sl;sm;sn;so;sq;sr;ss;st;su;sv;sw;ta;te;tg;th;ti;tk;tl;tn;to;tr;ts;tt;tw;ug;uk;ur;uz;vi;vo;wo;xh;yi;yo;za;zh;zu
	LanguageCode *string `json:"languageCode,omitempty"`

	// Location is the account's time zone, by its exact name in the IANA time zone database. Former names, such as US/Eastern, count as the
	// same zone. Unset: not managed; the provider chooses a zone at creation. With managementPolicy Observe, or an adoptionPolicy other
	// than Never, any zone that the account has may be declared. Examples: Europe/Berlin, Etc/GMT+10.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="location must have no control characters, such as a line break"
	Location *string `json:"location,omitempty"`

	// Notifications says which e-mails the provider sends to the account's e-mail address. Each field is managed independently. Unset: none
	// of them is managed; a new account gets none. Example: {account: true, news: false}.
	// +optional
	Notifications *Notifications `json:"notifications,omitempty"`

	// MinBalanceToNotify is the balance below which the account is notified, in the account's currency: at most nine digits and four
	// decimal places. 0 notifies only of a balance below zero. Unset: not managed. Examples: "5.00", 5.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=14
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? int(self) >= 0 && int(self) <= 999999999 : string(self).matches('^[0-9]{1,9}([.][0-9]{1,4})?$')",message="minBalanceToNotify must be a decimal of at most nine digits and four decimal places, without a sign: \"5.00\""
	MinBalanceToNotify *intstr.IntOrString `json:"minBalanceToNotify,omitempty"`

	// Payments says how the account may pay the provider. Each field is managed independently, and set right after the account is created.
	// Unset: none of them is managed; the provider's defaults apply to a new account. Example: {bankCard: true, invoice: false}.
	// +optional
	Payments *Payments `json:"payments,omitempty"`

	// CanUseRestricted allows calls to the directions that the provider restricts. The provider never returns this value, so the
	// operator does not notice a change made elsewhere. Unset: not managed; the provider's default applies to a new account.
	// +optional
	CanUseRestricted *bool `json:"canUseRestricted,omitempty"`

	// Plans are the account's subscription plans: at most one of each type, at most 8. A plan costs money: the provider reserves the fee and
	// taxes for the coming month, on this account's balance. The operator reads the account's plans when the account is created or adopted,
	// when this field changes, and on request (accounts.cpaas.dev/reconcile-requested-at), but not with each list. If the account lacks a
	// declared plan, the operator changes to that plan, provided that the provider offers it and that it costs more than the present plan.
	// The operator refuses any other plan (reason Rejected); the message lists the plans that are offered. Changes count for the
	// ParentAccount's limits.massChange, also those of new accounts. A frozen or deactivated account keeps its plans. Under
	// managementPolicy Observe the operator neither reads nor changes plans. Under another namespace's ParentAccount this field needs the
	// grant Plan. Unset, or a type that is not listed: not managed; a plan that is removed here stays with the account. Example: [{type:
	// MAU, templateID: "11"}].
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Plans []DeclaredPlan `json:"plans,omitempty"`

	// Profile declares the account's contact person, billing address and custom data, and what the provider stores and reports about
	// messages and scenarios. The operator writes the profile acting as the account itself, which the parent account's key must be allowed
	// to do. If the key is not, the condition ProfileSynced is False (reason RoleMissing), and the operator keeps the rest of the account in
	// sync. Each field is managed independently. Unset: none of them is managed. Example: {firstName: Ada, lastName: Lovelace}.
	// +optional
	Profile *Profile `json:"profile,omitempty"`

	// Callback declares the URL at which the provider reports events of the account (callbacks), and the salt by which the receiver
	// verifies that the provider sent them. Each field is managed independently, and set right after the account is created. Unset: not
	// managed; a URL that was set stays. Example: {url: https://hooks.acme.example/voice, saltSecretRef: {name: acme-salt}}.
	// +optional
	Callback *Callback `json:"callback,omitempty"`

	// RecordStorage names the storage of the account's recordings. It is used when the account is created, and can't be changed, added or
	// removed later. A pre-existing account keeps its own storage; adoptionPolicy IfIdentical adopts the account only if that storage is
	// the declared one. Unset: the provider chooses. Example: {name: eu-records}.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="recordStorage can't be changed: the provider takes it when it creates the account. Make a new ChildAccount with another account name instead"
	RecordStorage *RecordStorage `json:"recordStorage,omitempty"`

	// CloneFrom names another child account of the same parent account, the template. The operator creates the account as a clone of the
	// template: with its users, scenarios and applications, and with its settings, as far as the provider copies them. Declared fields are
	// applied to the clone all the same. The operator waits until the template exists; status.clonedFrom lists what the clone got. The
	// field is used when the account is created, and can't be changed, added or removed later. It does not change a pre-existing account.
	// Under another namespace's ParentAccount this field needs the grant Clone, and a ChildAccount in this namespace or in the
	// ParentAccount's must have the template. Unset: the account is created empty. Example: {accountName: acme-template}.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cloneFrom can't be changed: it says how the account is created. Make a new ChildAccount with another account name instead"
	CloneFrom *CloneFrom `json:"cloneFrom,omitempty"`

	// PasswordSecretRef names the Secret with the account's password, under the key password unless another is given. The Secret must be
	// in this namespace, with the label accounts.cpaas.dev/input: "true". The operator creates the account with the password, and changes
	// the account's password whenever the Secret changes. The password needs at least 8 characters, among them an upper-case and a
	// lower-case letter, a digit and a special character. It has no spaces, and is not one that the account has had. It is one line of
	// text in UTF-8 of at most 256 characters; a newline at its end is ignored. A pre-existing account gets the password only under
	// adoptionPolicy Always. Unset: the operator generates a password into the connection Secret; if the field is removed later, the
	// account keeps its password. Example: {name: acme-support-password}.
	// +optional
	PasswordSecretRef *SecretKeyReference `json:"passwordSecretRef,omitempty"`

	// ConnectionSecret names the Secret into which the operator writes the account's id, name, e-mail, API key and generated password.
	// Unset: the Secret <metadata.name>-connection. While the account exists the operator does not delete the Secret, as it may hold the
	// only copy of a password. Example: {name: acme-login, labels: {team: voice}}.
	// +optional
	ConnectionSecret *ConnectionSecret `json:"connectionSecret,omitempty"`

	// AdoptionPolicy says whether this resource adopts a pre-existing account with this name, which this resource did not create.
	// Never (default): the account stays unchanged (reason AdoptionRefused). IfIdentical: the account is adopted only if all declared
	// fields that can be read match. Always: the account is adopted, and the spec is applied to it, with the password if
	// passwordSecretRef is set. Under another namespace's ParentAccount IfIdentical and Always need the grant Adopt.
	// Both also accept the account of a deleted ChildAccount of another namespace, whose users know the account's password and API key.
	// +optional
	AdoptionPolicy *AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// DeletionPolicy says what happens to the account when this resource is deleted. Retain (default): the account stays as it is, and
	// the deletion never waits for the operator. Deactivate: the operator deactivates the account first, which delays the deletion by
	// an hour at most. The account stays active if the namespace or the CRD is deleted too, or if another ChildAccount declares the
	// account and may have it.
	// The provider's API can't delete accounts. The connection Secret stays.
	// +optional
	DeletionPolicy *DeletionPolicy `json:"deletionPolicy,omitempty"`

	// MissingPolicy says what to do when two complete lists in a row lack an account that this resource has had. Report (default): the
	// operator reports AccountMissing, and creates nothing. Recreate: the operator creates an account of the same name in its place, with
	// another id and another API key, and with the password in the connection Secret. If many accounts are missing at once, the operator
	// does neither before an approval.
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
	// does Ready. Deleting the resource then leaves the account unchanged, even under deletionPolicy Deactivate (the event NotDeactivated and
	// status.notDeactivated of the ParentAccount say so). false and unset: the operator works.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`
}

// AdoptionPolicy is Never, IfIdentical or Always.
// +kubebuilder:validation:Enum=Never;IfIdentical;Always
type AdoptionPolicy string

// DeletionPolicy is Retain or Deactivate.
// +kubebuilder:validation:Enum=Retain;Deactivate
type DeletionPolicy string

// MissingPolicy is Report or Recreate.
// +kubebuilder:validation:Enum=Report;Recreate
type MissingPolicy string

// ManagementPolicy is Manage or Observe.
// +kubebuilder:validation:Enum=Manage;Observe
type ManagementPolicy string

// DriftPolicy is Correct or Report.
// +kubebuilder:validation:Enum=Correct;Report
type DriftPolicy string

// The policies. The first value of each is the default.
const (
	AdoptNever       AdoptionPolicy = "Never"
	AdoptIfIdentical AdoptionPolicy = "IfIdentical"
	AdoptAlways      AdoptionPolicy = "Always"

	DeletionRetain     DeletionPolicy = "Retain"
	DeletionDeactivate DeletionPolicy = "Deactivate"

	MissingReport   MissingPolicy = "Report"
	MissingRecreate MissingPolicy = "Recreate"

	ManagementManage  ManagementPolicy = "Manage"
	ManagementObserve ManagementPolicy = "Observe"

	DriftCorrect DriftPolicy = "Correct"
	DriftReport  DriftPolicy = "Report"
)

// ParentReference names a ParentAccount.
type ParentReference struct {
	// Namespace is the ParentAccount's namespace. That ParentAccount's spec.allowedNamespaces must allow this resource's namespace.
	// Unset: this resource's own namespace. Example: telephony.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string `json:"namespace,omitempty"`

	// Name is the ParentAccount's name. The ParentAccount may be created later. Example: acme.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// Notifications says which e-mails an account gets.
type Notifications struct {
	// Account says whether the provider sends e-mails about the account itself. Unset: not managed; false for a new account.
	// +optional
	Account *bool `json:"account,omitempty"`
	// TariffChanges says whether the provider sends e-mails about changes of the account's plan. Unset: not managed; false for a new
	// account.
	// +optional
	TariffChanges *bool `json:"tariffChanges,omitempty"`
	// News says whether the provider sends its news. Unset: not managed; false for a new account.
	// +optional
	News *bool `json:"news,omitempty"`
}

// PlanType is MAU or IM.
// +kubebuilder:validation:Enum=MAU;IM
type PlanType string

// DeclaredPlan is a subscription plan that an account is to have.
type DeclaredPlan struct {
	// Type is the plan's type: MAU, for monthly active users, or IM, for instant messaging.
	// +required
	Type PlanType `json:"type"`
	// TemplateID is the id of the plan at the provider, its plan_subscription_template_id. The message of the reason Rejected lists the ids
	// that are offered. Example: "11".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=19
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]*$')",message="templateID must be the id of a plan at the provider, a positive whole number in quotes: \"11\""
	TemplateID string `json:"templateID"`
}

// Payments says how an account may pay.
type Payments struct {
	// BankCard says whether the account may pay by bank card. Unset: not managed; the provider's default applies to a new account.
	// +optional
	BankCard *bool `json:"bankCard,omitempty"`
	// Invoice says whether the account may pay by bank invoice. Unset: not managed; the provider's default applies to a new account.
	// +optional
	Invoice *bool `json:"invoice,omitempty"`
	// Robokassa says whether the account may pay through the payment service Robokassa. Unset: not managed; the provider's default
	// applies to a new account.
	// +optional
	Robokassa *bool `json:"robokassa,omitempty"`
}

// Profile is an account's contact person, billing address and custom data, and what the provider stores and reports.
type Profile struct {
	// FirstName is the first name of the account's contact person, at most 49 characters. It is sent when the account is created. Unset: not
	// managed; a name that was set stays. Example: Ada.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="firstName must have no control characters, such as a line break"
	FirstName *string `json:"firstName,omitempty"`

	// LastName is the last name of the account's contact person, at most 49 characters. It is sent when the account is created. Unset: not
	// managed; a name that was set stays. Example: Lovelace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="lastName must have no control characters, such as a line break"
	LastName *string `json:"lastName,omitempty"`

	// MobilePhone is the contact person's mobile phone number: 7 to 15 digits with the country code first, a plus before them if you like. Unset:
	// not managed; a number that was set stays. Quotes keep YAML from reading a number. Example: "+4915112345678".
	// +optional
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+]?[0-9]{7,15}$')",message="mobilePhone must be 7 to 15 digits with the country code first, a plus before them if you like: \"+4915112345678\""
	MobilePhone *string `json:"mobilePhone,omitempty"`

	// CustomData is text of your own that the provider keeps with the account, at most 8191 characters. Warning: it replaces the claim by
	// which the operator recognises the account as this resource's. From then on only status.accountID says so: a rebuilt cluster, or a
	// resource that the account is handed over to, gets the account only with an adoptionPolicy other than Never. It is written once
	// status.accountID is stored. Unset: the claim stays, or whatever was written. Example: '{"crm": "4711"}'.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8191
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]')",message="customData must have no control characters but tabs and line breaks"
	CustomData *string `json:"customData,omitempty"`

	// SendJSErrors says whether the provider sends e-mails about errors of JavaScript scenarios. Unset: not managed; the provider's
	// default applies to a new account.
	// +optional
	SendJSErrors *bool `json:"sendJSErrors,omitempty"`

	// StoreInboundSMS says whether the provider stores the texts of incoming messages. The provider never returns this value, so the
	// operator does not notice a change made elsewhere. Unset: not managed; false for a new account.
	// +optional
	StoreInboundSMS *bool `json:"storeInboundSMS,omitempty"`

	// StoreOutboundSMS says whether the provider stores the texts of outgoing messages. The provider never returns this value, so the
	// operator does not notice a change made elsewhere. Unset: not managed; false for a new account.
	// +optional
	StoreOutboundSMS *bool `json:"storeOutboundSMS,omitempty"`

	// BillingAddress is the address that the provider bills to. The provider keeps a billing address once it is set: the field can then be
	// changed and not removed.
	// Unset: not managed. Example: {name: Acme GmbH, countryCode: DE, address: "Hauptstr. 1, Berlin", zip: "10115"}.
	// +optional
	BillingAddress *BillingAddress `json:"billingAddress,omitempty"`
}

// BillingAddress is the address that the provider bills to. Each field is managed independently, and can be changed but not removed.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.name) || has(self.name)",message="billingAddress.name can't be removed: the provider only changes it. Declare the name that is to be in its place"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.countryCode) || has(self.countryCode)",message="billingAddress.countryCode can't be removed: the provider only changes it. Declare the code that is to be in its place"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.address) || has(self.address)",message="billingAddress.address can't be removed: the provider only changes it. Declare the address that is to be in its place"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.zip) || has(self.zip)",message="billingAddress.zip can't be removed: the provider only changes it. Declare the ZIP code that is to be in its place"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.phone) || has(self.phone)",message="billingAddress.phone can't be removed: the provider only changes it. Declare the number that is to be in its place"
type BillingAddress struct {
	// Name is the name of the company or the person, at most 199 characters. Unset: not managed. Example: Acme GmbH.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=199
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="billingAddress.name must have no control characters, such as a line break"
	Name *string `json:"name,omitempty"`

	// CountryCode is the country, ISO 3166-1 alpha-2, in capitals. Unset: not managed. Example: DE.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=2
	// +kubebuilder:validation:XValidation:rule="self in ['AF','AL','DZ','AS','AD','AO','AI','AQ','AG','AR','AM','AW','AU','AT','AZ','BH','BD','BB','BY','BE','BZ','BJ','BM','BT','BO','BA','BW','BV','BR','IO','BN','BG','BF','BI','KH','CM','CA','CV','KY','CF','TD','CL','CN','CX','CO','KM','CG','CK','CR','HR','CU','CY','CZ','DK','DJ','DM','DO','EC','EG','SV','GQ','ER','EE','ET','FO','FJ','FI','FR','GF','PF','TF','GA','GE','DE','GH','GI','GR','GL','GD','GP','GU','GT','GG','GN','GY','HT','HM','HN','HU','IS','IN','ID','IR','IQ','IE','IL','IT','JM','JP','JE','JO','KZ','KE','KI','KR','KW','KG','LA','LV','LB','LS','LR','LY','LI','LT','LU','MG','MW','MY','MV','ML','MT','MH','MQ','MR','MU','YT','MX','FM','MD','MC','MN','ME','MS','MA','MZ','MM','NA','NR','NP','NL','AN','NC','NZ','NI','NE','NG','NU','NF','KP','MP','NO','OM','PK','PW','PS','PA','PG','PY','PE','PH','PN','PL','PT','PR','QA','RE','RO','RU','RW','WS','SM','SA','SN','RS','SC','SL','SG','SK','SI','SB','SO','ZA','GS','ES','LK','SD','SR','SZ','SE','CH','SY','ST','TW','TJ','TZ','TH','TG','TK','TO','TT','TN','TR','TM','TC','TV','UG','UA','AE','GB','US','UY','UZ','VU','VA','VE','VN','VI','WF','EH','YE','ZM','ZW','AX']",message="billingAddress.countryCode must be an ISO 3166-1 alpha-2 code that the provider knows, in capitals: DE"
	CountryCode *string `json:"countryCode,omitempty"`

	// Address is street, number and place, at most 511 characters. The provider checks it. Unset: not managed. Example: "Hauptstr. 1,
	// Berlin".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=511
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="billingAddress.address must have no control characters, such as a line break"
	Address *string `json:"address,omitempty"`

	// Zip is the ZIP code, at most 29 characters. Quotes keep YAML from reading a number. Unset: not managed. Example: "10115".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="billingAddress.zip must have no control characters, such as a line break"
	Zip *string `json:"zip,omitempty"`

	// Phone is the office's phone number, at most 29 characters. Unset: not managed. Example: "+49 30 1234567".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="billingAddress.phone must have no control characters, such as a line break"
	Phone *string `json:"phone,omitempty"`
}

// Callback declares where the provider reports events of an account.
type Callback struct {
	// URL is where the provider POSTs the account's callbacks to: http or https, at most 1024 characters, without a user and a password.
	// Unset: not managed; a URL that was set stays. Example: https://hooks.acme.example/voice.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && self.matches('^[!-~]+$') && !self.matches('^[a-z]+://[^/?#]*@')",message="callback.url must be an http or https URL in ASCII, with a host, without a user and a password: https://hooks.acme.example/voice"
	URL *string `json:"url,omitempty"`

	// SaltSecretRef names the Secret with the salt that the provider signs callbacks with, under the key salt unless another is given. The
	// Secret must be in this namespace, with the label accounts.cpaas.dev/input: "true". The salt is one line of text of at most 39
	// characters; a newline at its end is ignored. The account gets it whenever the Secret changes. The operator never reads the salt
	// back, so it does not notice a change made elsewhere. Unset: not managed; a salt that was set stays. Example: {name: acme-salt}.
	// +optional
	SaltSecretRef *SecretKeyReference `json:"saltSecretRef,omitempty"`
}

// RecordStorage names a storage of recordings at the provider.
type RecordStorage struct {
	// Name is the storage's name at the provider, at most 255 characters. Example: eu-records.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="recordStorage.name must have no control characters, such as a line break"
	Name string `json:"name"`
}

// CloneFrom names the account that an account is cloned from.
type CloneFrom struct {
	// AccountName is the account name of the template: 5 to 20 lower-case latin letters, digits and hyphens, a letter first. It must
	// differ from this account's name. Example: acme-template.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9-]*$')",message="cloneFrom.accountName must be lower-case latin letters, digits and hyphens, a letter first: acme-template"
	AccountName string `json:"accountName"`
}

// ConnectionSecret names the Secret with the account's connection details.
type ConnectionSecret struct {
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

	// ServiceAccountKey declares a service-account key of the child account. The operator creates the key, and stores its credentials.json
	// in the Secret, ready for the provider's clients. The key acts as this account alone. Unset: no key is created. If the field is
	// removed, the operator deletes the key at the provider at once, and credentials.json from the Secret. To create and delete keys the
	// parent's own key needs a role; if the role is missing, the condition ServiceAccountKeyReady says so, and the rest stays as it is.
	// Example: {roles: [Developer], rotateAfter: 720h}.
	// +optional
	ServiceAccountKey *ServiceAccountKey `json:"serviceAccountKey,omitempty"`
}

// ServiceAccountKey declares a service-account key of the child account.
type ServiceAccountKey struct {
	// Roles are the key's roles at the provider, by the provider's names, at most 16. They limit what the key may do. After a change of
	// the roles the operator replaces the key, as after rotateAfter. Example: [Developer, Accountant].
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Roles []KeyRole `json:"roles"`

	// RotateAfter is the age at which the operator replaces a key by a new one: a duration in hours (h), minutes (m), seconds (s) or milliseconds
	// (ms), from 120m to 87600h (two hours to ten years); 0 is refused. The operator puts the new key into the Secret first, and deletes
	// the former one an hour later. Unset: the key is not replaced because of its age. Example: 720h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('2h') && duration(self) <= duration('87600h')",message="rotateAfter must be from 2h to 87600h"
	RotateAfter *metav1.Duration `json:"rotateAfter,omitempty"`
}

// KeyRole is the name of a role at the provider.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[^\s;[:cntrl:]]([^;[:cntrl:]]*[^\s;[:cntrl:]])?$`
type KeyRole string

// LabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
type LabelValue string

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=1024
type AnnotationValue string

// Origin says how a resource came to its account.
type Origin string

// The origins.
const (
	// OriginCreated: the operator created the account for this very resource.
	OriginCreated Origin = "Created"
	// OriginAdopted: the account is pre-existing, was found again, or was taken over.
	OriginAdopted Origin = "Adopted"
)

// ChildAccountStatus is what the operator knows of a child account.
type ChildAccountStatus struct {
	AccountStatus `json:",inline"`

	// Observed is what the provider last returned of the account, in canonical spelling. It is unset before the first read. It may be as
	// old as the last complete list.
	// +optional
	Observed *ObservedAccount `json:"observed,omitempty"`
}

// AccountStatus is what the operator knows of an account, whatever custom resource declares it.
type AccountStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of. -1: the operator has not reconciled the resource yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// AccountID is the account's id at the provider. It is unset before there is an account. Example: "12345".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AccountID string `json:"accountID,omitempty"`

	// ParentAccountID is the id of the parent account under which the account was created or found. It is pinned: where the
	// ParentAccount in spec.parentRef leads to another account, the operator stops (reason ParentChanged) until the annotation
	// accounts.cpaas.dev/accept-parent names the new id.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ParentAccountID string `json:"parentAccountID,omitempty"`

	// Origin says how this resource came to its account. Created: the operator created the account for this resource. Adopted: the
	// account was pre-existing, or was found again or taken over; its password may be unknown. Unset: the resource has no account, or
	// only observes one.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Origin Origin `json:"origin,omitempty"`

	// ClonedFrom is the account that this account was cloned from, and what the clone got, if the operator created the account as a clone
	// (spec.cloneFrom). It is not updated later.
	// +optional
	ClonedFrom *ClonedFrom `json:"clonedFrom,omitempty"`

	// Creation is the attempt to create the account that the operator stored before the request, if the provider's accounts do not say which
	// resource created them. After an answer that was lost, the operator recognizes the account by it: an account of this name that was not there
	// before, and that has every value as sent. Unset while no attempt is open, and always for a ChildAccount.
	// +optional
	Creation *CreationAttempt `json:"creation,omitempty"`

	// LastApplied holds the declared, non-secret values by path as the operator last wrote them or found them in place. By them the
	// operator tells an edit of the spec from a change at the provider. Example: {notifications.news: "true"}.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	LastApplied map[string]string `json:"lastApplied,omitempty"`

	// PlanChanges are changes of plans that the operator has requested and that no read has confirmed yet. The operator stores an entry
	// before the request, so that it requests no change again before it has read the account's plans. While there is an entry that the provider
	// has accepted, the operator requests no plan of that type, whatever spec.plans has by then. An entry ends once a read returns the plan, or once
	// spec.plans has had no plan of that type for a minute. Unset while there are none.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	PlanChanges []PlanChange `json:"planChanges,omitempty"`

	// Drift lists the declared fields that differ at the provider and that the operator does not correct: under driftPolicy Report or
	// managementPolicy Observe. It is unset while nothing differs.
	// +optional
	// +listType=map
	// +listMapKey=field
	// +kubebuilder:validation:MaxItems=64
	Drift []DriftedField `json:"drift,omitempty"`

	// LastHandledReconcileAt is the value of the annotation accounts.cpaas.dev/reconcile-requested-at that the operator last acted on.
	// The request is done once the two are equal.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`

	// Conditions say how the account is. Ready: whether the account exists, can be used and matches the spec. Synced: how the last
	// comparison with the provider ended. ConnectionSecretReady: whether the connection Secret holds all that is known of the account.
	// ServiceAccountKeyReady, where a key is declared: whether the connection Secret holds one.
	// PlansSynced, where plans are declared: whether the account has them.
	// ProfileSynced, where a profile is declared: whether the account has it.
	// Only while they are True: Reconciling, while the operator continues automatically, and Stalled, while somebody has to act. Each
	// message says what happened, why, and what to do next.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// CreationAttempt is an attempt to create an account.
type CreationAttempt struct {
	// Attempt counts the attempts, each of which comes after another read of the list.
	// +required
	Attempt int32 `json:"attempt"`
	// ParentAccountID is the id of the parent account under which the account is created.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ParentAccountID string `json:"parentAccountID"`
	// AccountName is the account's name, as it was declared then.
	// +required
	// +kubebuilder:validation:MaxLength=320
	AccountName string `json:"accountName"`
	// OtherIDs are the ids of the accounts that had this name before the attempt, or that the resource had: none of them is its result.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=64
	OtherIDs []string `json:"otherIDs,omitempty"`
	// Sent holds the non-secret values that the request had, by path, in canonical spelling.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Sent map[string]string `json:"sent,omitempty"`
}

// ClonedFrom is the account that an account was cloned from, and what it got from there. Users, scenarios and applications are unset where the
// answer of the provider was lost.
type ClonedFrom struct {
	// AccountName is the template's account name. Example: acme-template.
	// +required
	// +kubebuilder:validation:MaxLength=64
	AccountName string `json:"accountName"`
	// AccountID is the template's account id at the provider. It is unset where the answer of the provider was lost. Example: "12345".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AccountID *string `json:"accountID,omitempty"`
	// Users are the users that the account got.
	// +optional
	Users *ClonedParts `json:"users,omitempty"`
	// Scenarios are the scenarios that the account got.
	// +optional
	Scenarios *ClonedParts `json:"scenarios,omitempty"`
	// Applications are the applications that the account got.
	// +optional
	Applications *ClonedParts `json:"applications,omitempty"`
}

// ClonedParts are the users, scenarios or applications that an account got from the account that it was cloned from.
type ClonedParts struct {
	// Count is how many there are.
	// +required
	Count int32 `json:"count"`
	// Names are the first 16 names, each truncated to 128 bytes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=128
	Names []string `json:"names,omitempty"`
}

// PlanChange is a change of a plan that was requested.
type PlanChange struct {
	// Type is the plan's type. Example: MAU.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Type string `json:"type"`
	// TemplateID is the id of the plan to change to. Example: "11".
	// +required
	// +kubebuilder:validation:MaxLength=64
	TemplateID string `json:"templateID"`
	// RequestedAt is when the operator stored this entry, right before the request. Where earlierResource is true it is when this resource
	// got the account.
	// +required
	RequestedAt metav1.Time `json:"requestedAt"`
	// Accepted is true if the provider has accepted the change and no read has returned the plan since: the operator requests no plan of this type.
	// False: earlierResource is true, and a read has found that the account lacks the plan. Unset: the change is under way, or its answer
	// was lost, or the plans were not read yet.
	// +optional
	Accepted *bool `json:"accepted,omitempty"`
	// EarlierResource is true where a deleted resource of the same account may have requested the change. The operator does not know whether that
	// one did, so it requests no plan of this type. To have it requested, remove the plan from spec.plans, wait until this entry is dropped, and
	// declare the plan again. Unset: this resource requested the change.
	// +optional
	EarlierResource *bool `json:"earlierResource,omitempty"`
}

// DriftedField is a declared field that differs at the provider. No secret is ever among them.
type DriftedField struct {
	// Field is the path below spec. Example: notifications.news.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Field string `json:"field"`
	// Desired is the declared value, as text. Example: "true".
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Desired string `json:"desired"`
	// Observed is the value that the provider returned, as text. It is absent where the provider does not return the field.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Observed *string `json:"observed,omitempty"`
	// Since is when the operator first read this difference. It stays the same until the difference ends.
	// +required
	Since metav1.Time `json:"since"`
}

// ObservedAccount is what the provider returned of an account. A field is absent where the provider did not return it.
type ObservedAccount struct {
	// Email is the account's e-mail address at the provider.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Email *string `json:"email,omitempty"`
	// Active is true if the account is active, false if it is deactivated.
	// +optional
	Active *bool `json:"active,omitempty"`
	// Frozen is true where the provider has blocked the account. Only the provider can unblock it.
	// +optional
	Frozen *bool `json:"frozen,omitempty"`
	// Created is when the account was created, UTC, YYYY-MM-DD HH:MM:SS.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Created *string `json:"created,omitempty"`
	// Currency is the currency of the account's balance. Example: USD.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Currency *string `json:"currency,omitempty"`
	// LanguageCode is the language of the e-mails that the account gets, ISO 639-1.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LanguageCode *string `json:"languageCode,omitempty"`
	// Location is the account's time zone as the provider names it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Location *string `json:"location,omitempty"`
	// Notifications says which e-mails the provider sends to the account.
	// +optional
	Notifications *Notifications `json:"notifications,omitempty"`
	// MinBalanceToNotify is the balance below which the account is notified, in its currency.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	MinBalanceToNotify *string `json:"minBalanceToNotify,omitempty"`
	// Payments says how the account may pay the provider.
	// +optional
	Payments *Payments `json:"payments,omitempty"`
	// Plans are the account's subscription plans as the operator last read or changed them. The list that the operator reads at rest has no
	// plans. The field is unset if the operator has not read them, because spec.plans is not set.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Plans []ObservedPlan `json:"plans,omitempty"`
	// Verification lists what the provider verifies about the account, for example before the account may have phone numbers of some
	// countries. Verifications that somebody has to act on come first; there are at most 16. The list is as old as the last list of
	// accounts, and unset unless the operator reads verifications (its flag --read-verifications).
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Verification []ObservedVerification `json:"verification,omitempty"`
}

// ObservedPlan is a subscription plan that an account had when it was last read.
type ObservedPlan struct {
	// Type is the plan's type. Example: MAU.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Type string `json:"type"`
	// TemplateID is the plan's id at the provider. Example: "11".
	// +required
	// +kubebuilder:validation:MaxLength=64
	TemplateID string `json:"templateID"`
	// Name is what the provider calls the plan.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Name *string `json:"name,omitempty"`
	// PeriodicCharge is the plan's fee of a period, as a decimal in the account's currency. Example: "50".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PeriodicCharge *string `json:"periodicCharge,omitempty"`
}

// ObservedVerification is something that the provider verifies about an account, such as who its owner is.
type ObservedVerification struct {
	// Name is what the provider calls the verification.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`
	// Status is how the verification stands, as the provider returned it: REQUIRED, IN_PROGRESS, VERIFIED, NOT_REQUIRED.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Status *string `json:"status,omitempty"`
	// HoldUntil is the day until which the provider holds what needs the verification, such as phone numbers, for the account. It is absent
	// where the provider names none. Example: "2026-12-31".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	HoldUntil *string `json:"holdUntil,omitempty"`
}

// Verifications returns what is verified about the account.
func (o *ObservedAccount) Verifications() []ObservedVerification { return o.Verification }

// SetVerifications replaces what is verified about the account.
func (o *ObservedAccount) SetVerifications(list []ObservedVerification) { o.Verification = list }

// ChildAccount is one child account of a parent account: the operator creates the account and keeps it as the spec declares.
// Deleting the ChildAccount leaves the account at the provider as it is, unless spec.deletionPolicy is Deactivate: then the operator
// deactivates the account first. The provider's API can't delete accounts.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=cpaas,shortName=childacct
// +kubebuilder:printcolumn:name="Account ID",type=string,JSONPath=`.status.accountID`
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.status.observed.email`
// +kubebuilder:printcolumn:name="Active",type=boolean,JSONPath=`.status.observed.active`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].reason`,description="How the last reconcile ended: the reason of Synced. Ready may be as before, during an outage for example."
// +kubebuilder:printcolumn:name="Deleting",type=date,JSONPath=`.metadata.deletionTimestamp`,description="For how long the resource has been waiting to be deleted."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.conditions[?(@.type=="ConnectionSecretReady")].reason`,priority=1,description="The reason of ConnectionSecretReady."
// +kubebuilder:printcolumn:name="Service Key",type=string,JSONPath=`.status.conditions[?(@.type=="ServiceAccountKeyReady")].reason`,priority=1,description="Whether the connection Secret has the declared service-account key: the reason of ServiceAccountKeyReady."
// +kubebuilder:printcolumn:name="Profile Synced",type=string,JSONPath=`.status.conditions[?(@.type=="ProfileSynced")].reason`,priority=1,description="Whether the account has the profile in spec.profile: the reason of ProfileSynced."
// +kubebuilder:printcolumn:name="Plans Synced",type=string,JSONPath=`.status.conditions[?(@.type=="PlansSynced")].reason`,priority=1,description="Whether the account has the plans in spec.plans: the reason of PlansSynced."
// +kubebuilder:printcolumn:name="Drift",type=string,JSONPath=`.status.drift[0].field`,priority=1,description="The first field that differs from the spec and stays so: see status.drift."
// +kubebuilder:printcolumn:name="Verification",type=string,JSONPath=`.status.observed.verification[0].status`,priority=1,description="How the most urgent verification stands, where the operator reads them: see status.observed.verification."
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].message`,priority=1,description="The message of Synced."
// +kubebuilder:validation:XValidation:rule="has(self.spec.accountName) || self.metadata.name.matches('^[a-z][a-z0-9-]{4,19}$')",message="metadata.name can't serve as the account name (5 to 20 lower-case letters, digits and hyphens, a letter first): set spec.accountName",fieldPath=".spec.accountName"
// +kubebuilder:validation:XValidation:rule="has(self.spec.connectionSecret) && has(self.spec.connectionSecret.name) || size(self.metadata.name) <= 242",message="metadata.name is too long to make the name of the connection Secret from it: set spec.connectionSecret.name",fieldPath=".spec.connectionSecret"
// +kubebuilder:validation:XValidation:rule="(has(self.spec.accountName) ? self.spec.accountName : self.metadata.name) == (has(oldSelf.spec.accountName) ? oldSelf.spec.accountName : oldSelf.metadata.name)",message="the account name can't be changed: the provider can't rename accounts; make a new ChildAccount instead",fieldPath=".spec.accountName"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.cloneFrom) || self.spec.cloneFrom.accountName != (has(self.spec.accountName) ? self.spec.accountName : self.metadata.name)",message="an account can't be cloned from itself: set cloneFrom.accountName to the account name of another ChildAccount",fieldPath=".spec.cloneFrom.accountName"
type ChildAccount struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec declares the account. A field that is not set is not managed: the operator never writes it, and nothing is written back into
	// spec.
	// +required
	Spec ChildAccountSpec `json:"spec"`
	// Status is what the operator knows of the account. It is written by the operator alone.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status ChildAccountStatus `json:"status,omitempty"`
}

// ChildAccountList is a list of ChildAccounts.
//
// +kubebuilder:object:root=true
type ChildAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ChildAccount `json:"items"`
}

// GetConditions returns the conditions for reading and changing.
func (c *ChildAccount) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }

// Suspended says whether nothing is to be done for this resource.
func (c *ChildAccount) Suspended() bool { return c.Spec.Suspend != nil && *c.Spec.Suspend }

// ParentKey names the ParentAccount.
func (c *ChildAccount) ParentKey() types.NamespacedName {
	return types.NamespacedName{Namespace: valueOr(c.Spec.ParentRef.Namespace, c.Namespace), Name: c.Spec.ParentRef.Name}
}

// AccountName returns the account's name at the provider.
func (c *ChildAccount) AccountName() string { return valueOr(c.Spec.AccountName, c.Name) }

// Observes says whether the account is only read.
func (c *ChildAccount) Observes() bool {
	return valueOr(c.Spec.ManagementPolicy, ManagementManage) == ManagementObserve
}

// Deactivates says whether the account is deactivated when the resource is deleted.
func (c *ChildAccount) Deactivates() bool {
	return valueOr(c.Spec.DeletionPolicy, DeletionRetain) == DeletionDeactivate
}

// AdoptionPolicy returns what accounts may be adopted.
func (c *ChildAccount) AdoptionPolicy() AdoptionPolicy {
	return valueOr(c.Spec.AdoptionPolicy, AdoptNever)
}

// ReportsDrift says whether changes at the provider are only reported.
func (c *ChildAccount) ReportsDrift() bool {
	return valueOr(c.Spec.DriftPolicy, DriftCorrect) == DriftReport
}

// Recreates says whether an account that is missing is recreated.
func (c *ChildAccount) Recreates() bool {
	return valueOr(c.Spec.MissingPolicy, MissingReport) == MissingRecreate
}

// ConnectionSecretName returns the name of the connection Secret.
func (c *ChildAccount) ConnectionSecretName() string {
	if c.Spec.ConnectionSecret == nil {
		return c.Name + "-connection"
	}
	return valueOr(c.Spec.ConnectionSecret.Name, c.Name+"-connection")
}

// PasswordSecret returns the name and the key of the Secret with the account's password; ok is false where none is given.
func (c *ChildAccount) PasswordSecret() (name, key string, ok bool) {
	ref := c.Spec.PasswordSecretRef
	if ref == nil {
		return "", "", false
	}
	return ref.Name, valueOr(ref.Key, DefaultPasswordKey), true
}

// ServiceAccountKey returns the roles of the declared service-account key and the age at which it is replaced, 0 for never; ok is false
// where none is declared.
func (c *ChildAccount) ServiceAccountKey() (roles []string, rotateAfter time.Duration, ok bool) {
	if c.Spec.ConnectionSecret == nil || c.Spec.ConnectionSecret.ServiceAccountKey == nil {
		return nil, 0, false
	}
	key := c.Spec.ConnectionSecret.ServiceAccountKey
	for _, role := range key.Roles {
		roles = append(roles, string(role))
	}
	return roles, valueOr(key.RotateAfter, metav1.Duration{}).Duration, true
}

// ObservedPlans are the account's plans as they were last read; nil where they never were.
func (c *ChildAccount) ObservedPlans() []ObservedPlan {
	if c.Status.Observed == nil {
		return nil
	}
	return c.Status.Observed.Plans
}

// SetObservedPlans replaces what was observed by a copy with these plans.
func (c *ChildAccount) SetObservedPlans(plans []ObservedPlan) {
	observed := ObservedAccount{}
	if c.Status.Observed != nil {
		observed = *c.Status.Observed
	}
	observed.Plans = plans
	c.Status.Observed = &observed
}

// Template returns the account name of the account that this one is cloned from; "" where none is declared.
func (c *ChildAccount) Template() string {
	if c.Spec.CloneFrom == nil {
		return ""
	}
	return c.Spec.CloneFrom.AccountName
}

// InputSecrets are the names of the Secrets that the spec refers to.
func (c *ChildAccount) InputSecrets() (names []string) {
	if name, _, ok := c.PasswordSecret(); ok {
		names = append(names, name)
	}
	if name, _, ok := c.CallbackSaltSecret(); ok && !slices.Contains(names, name) {
		names = append(names, name)
	}
	return names
}

// CallbackSaltSecret returns the name and the key of the Secret with the salt of the account's callbacks; ok is false where none is given.
func (c *ChildAccount) CallbackSaltSecret() (name, key string, ok bool) {
	if c.Spec.Callback == nil || c.Spec.Callback.SaltSecretRef == nil {
		return "", "", false
	}
	ref := c.Spec.Callback.SaltSecretRef
	return ref.Name, valueOr(ref.Key, DefaultSaltKey), true
}
