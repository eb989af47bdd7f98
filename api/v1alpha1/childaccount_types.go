package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ChildAccountSpec declares a child account. A field that is not set is not managed.
type ChildAccountSpec struct {
	// ParentRef names the ParentAccount that this is a child of. It may be changed to another ParentAccount of the same account at the
	// provider. With one of another account nothing is done (ParentChanged): an account stays with its parent.
	// +required
	ParentRef ParentReference `json:"parentRef"`

	// AccountName is the account's unique name at the provider: 5 to 20 characters, lower-case latin letters, digits and
	// hyphens, a letter first. It can't be changed. Default: metadata.name, which must then fit.
	// +optional
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9-]*$')",message="accountName must be lower-case latin letters, digits and hyphens, a letter first: acme-support"
	AccountName *string `json:"accountName,omitempty"`

	// Email is the account's e-mail address, unique at the provider.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9.!#$%&*+/=?^_{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$')",message="email must be one e-mail address, without blanks, quotes or separators: support@acme.example"
	Email string `json:"email"`

	// Active switches the account on or off. Not set: on at creation, not managed afterwards.
	// +optional
	Active *bool `json:"active,omitempty"`

	// LanguageCode is the language of notifications, ISO 639-1. Norwegian needs quotes in YAML: "no".
	// +optional
	// +kubebuilder:validation:Enum=aa;ab;af;am;ar;as;ay;az;ba;be;bg;bh;bi;bn;bo;br;ca;co;cs;cy;da;de;dz;el;en;eo;es;et;eu;fa;fi;fj;fo;fr;fy;ga;gd;gl;gn;gu;ha;hi;he;hr;hu;hy;ia;id;ie;ik;in;is;it;iu;iw;ja;ji;jw;ka;kk;kl;km;kn;ko;ks;ku;ky;la;ln;lo;lt;lv;mg;mi;mk;ml;mn;mo;mr;ms;mt;my;na;ne;nl;no;oc;om;or;pa;pl;ps;pt;qu;rm;rn;ro;ru;rw;sa;sd;sg;sh;si;sk;sl;sm;sn;so;sq;sr;ss;st;su;sv;sw;ta;te;tg;th;ti;tk;tl;tn;to;tr;ts;tt;tw;ug;uk;ur;uz;vi;vo;wo;xh;yi;yo;za;zh;zu
	LanguageCode *string `json:"languageCode,omitempty"`

	// Location is the account's time zone as IANA names it: Europe/Berlin, Etc/GMT+10.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')",message="location must be a time zone as IANA names it: Europe/Berlin"
	Location *string `json:"location,omitempty"`

	// Notifications says which e-mails the account gets.
	// +optional
	Notifications *Notifications `json:"notifications,omitempty"`

	// MinBalanceToNotify is the balance below which the account is notified, in the account's currency: "5.00" or 5.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=14
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? int(self) >= 0 && int(self) <= 999999999 : string(self).matches('^[0-9]{1,9}([.][0-9]{1,4})?$')",message="minBalanceToNotify must be a decimal of at most nine digits and four decimal places, without a sign: \"5.00\""
	MinBalanceToNotify *intstr.IntOrString `json:"minBalanceToNotify,omitempty"`

	// Payments says how the account may pay.
	// +optional
	Payments *Payments `json:"payments,omitempty"`

	// CanUseRestricted allows calls to restricted directions. The provider never shows it, so a change made elsewhere goes unseen.
	// +optional
	CanUseRestricted *bool `json:"canUseRestricted,omitempty"`

	// PasswordSecretRef names the Secret with the account's password (key password unless given), which must carry the label
	// accounts.cpaas.dev/input: "true". The account is created with it, and gets it again whenever it changes there. An account
	// that was there before gets it only under adoptionPolicy Always. Not set: a password is generated into the connection Secret.
	// +optional
	PasswordSecretRef *SecretKeyReference `json:"passwordSecretRef,omitempty"`

	// ConnectionSecret is the Secret that gets the account's id, API key and generated password.
	// +optional
	ConnectionSecret *ConnectionSecret `json:"connectionSecret,omitempty"`

	// AdoptionPolicy says whether an account that was there before the resource may become the resource's: Never (default),
	// IfIdentical (what is declared and can be read is as declared) or Always. Its password is not touched, but under Always
	// by passwordSecretRef.
	// +optional
	AdoptionPolicy *AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// DeletionPolicy says what becomes of the account when the resource is deleted: Retain (default) leaves it as it is,
	// Deactivate switches it off. Nothing can delete it.
	// +optional
	DeletionPolicy *DeletionPolicy `json:"deletionPolicy,omitempty"`

	// MissingPolicy says what to do when an account of ours is gone at the provider: Report (default) or Recreate.
	// +optional
	MissingPolicy *MissingPolicy `json:"missingPolicy,omitempty"`

	// ManagementPolicy says whether the account is written to: Manage (default), or Observe, which only reads.
	// +optional
	ManagementPolicy *ManagementPolicy `json:"managementPolicy,omitempty"`

	// DriftPolicy says what to do about changes made at the provider: Correct (default), or Report, which lists them in
	// status.drift. A change of the spec is applied either way.
	// +optional
	DriftPolicy *DriftPolicy `json:"driftPolicy,omitempty"`

	// Suspend stops everything for this resource; the account stays as it is.
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

// The policies. The first of each kind is the default.
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
	// Namespace is the ParentAccount's, where it is not the resource's own. Its spec.allowedNamespaces has to let the
	// resource's namespace in.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string `json:"namespace,omitempty"`

	// Name is the ParentAccount's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// Notifications says which e-mails an account gets.
type Notifications struct {
	// Account: notifications about the account itself.
	// +optional
	Account *bool `json:"account,omitempty"`
	// TariffChanges: e-mails about changes of the plan.
	// +optional
	TariffChanges *bool `json:"tariffChanges,omitempty"`
	// News: the provider's news.
	// +optional
	News *bool `json:"news,omitempty"`
}

// Payments says how an account may pay.
type Payments struct {
	// BankCard allows payments by bank card.
	// +optional
	BankCard *bool `json:"bankCard,omitempty"`
	// Invoice allows bank invoices.
	// +optional
	Invoice *bool `json:"invoice,omitempty"`
	// Robokassa allows payments by Robokassa.
	// +optional
	Robokassa *bool `json:"robokassa,omitempty"`
}

// ConnectionSecret says where the account's connection details go.
type ConnectionSecret struct {
	// Name is the Secret's name. Default <metadata.name>-connection.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name *string `json:"name,omitempty"`

	// Labels are put onto the Secret. Those that are taken away here are taken away there, others are left alone.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('accounts.cpaas.dev/'))",message="labels with the prefix accounts.cpaas.dev/ are the operator's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="a label's key must be a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and a slash before it if you like: example.org/team"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// Annotations are put onto the Secret, as labels are.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('accounts.cpaas.dev/'))",message="annotations with the prefix accounts.cpaas.dev/ are the operator's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="an annotation's key must be a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and a slash before it if you like: example.org/team"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

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
	// OriginAdopted: the account was there before the resource.
	OriginAdopted Origin = "Adopted"
)

// ChildAccountStatus is what the operator knows of a child account.
type ChildAccountStatus struct {
	AccountStatus `json:",inline"`

	// Observed is what the provider last showed of the account, in canonical spelling.
	// +optional
	Observed *ObservedAccount `json:"observed,omitempty"`
}

// AccountStatus is what the operator knows of an account of whatever kind.
type AccountStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// AccountID is the account's id at the provider.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AccountID string `json:"accountID,omitempty"`

	// ParentAccountID is the id of the parent account that the account belongs to. It is pinned.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ParentAccountID string `json:"parentAccountID,omitempty"`

	// Origin is Created or Adopted.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Origin Origin `json:"origin,omitempty"`

	// LastApplied holds the declared, non-secret values by path as they were last written or found in place.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	LastApplied map[string]string `json:"lastApplied,omitempty"`

	// Drift lists the differences that are left alone, by driftPolicy Report or managementPolicy Observe.
	// +optional
	// +listType=map
	// +listMapKey=field
	// +kubebuilder:validation:MaxItems=64
	Drift []DriftedField `json:"drift,omitempty"`

	// LastHandledReconcileAt is the value of the annotation accounts.cpaas.dev/reconcile-requested-at that was last acted on.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`

	// Conditions are Ready, Synced, ConnectionSecretReady, and while they apply Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DriftedField is a declared field that is not as declared. No secret is ever among them.
type DriftedField struct {
	// Field is the path below spec, notifications.news for example.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Field string `json:"field"`
	// Desired is the declared value.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Desired string `json:"desired"`
	// Observed is the provider's value; absent where it is not shown.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Observed *string `json:"observed,omitempty"`
	// Since is when the difference was first seen.
	// +required
	Since metav1.Time `json:"since"`
}

// ObservedAccount is what the provider shows of an account. A field is absent where the provider did not show it.
type ObservedAccount struct {
	// Email is the e-mail address.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Email *string `json:"email,omitempty"`
	// Active: switched on.
	// +optional
	Active *bool `json:"active,omitempty"`
	// Frozen: blocked by the provider.
	// +optional
	Frozen *bool `json:"frozen,omitempty"`
	// Created is when the account was created, UTC, YYYY-MM-DD HH:MM:SS.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Created *string `json:"created,omitempty"`
	// Currency is the currency that the account is kept in.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Currency *string `json:"currency,omitempty"`
	// LanguageCode is the language of notifications.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LanguageCode *string `json:"languageCode,omitempty"`
	// Location is the time zone.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Location *string `json:"location,omitempty"`
	// Notifications says which e-mails the account gets.
	// +optional
	Notifications *Notifications `json:"notifications,omitempty"`
	// MinBalanceToNotify is the balance below which the account is notified.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	MinBalanceToNotify *string `json:"minBalanceToNotify,omitempty"`
	// Payments says how the account may pay.
	// +optional
	Payments *Payments `json:"payments,omitempty"`
}

// ChildAccount is one child account of a parent account, kept as declared.
// Deleting it leaves the account at the provider as it is: the provider's API can't delete accounts.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=cpaas,shortName=childacct
// +kubebuilder:printcolumn:name="Account ID",type=string,JSONPath=`.status.accountID`
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.status.observed.email`
// +kubebuilder:printcolumn:name="Active",type=boolean,JSONPath=`.status.observed.active`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="has(self.spec.accountName) || self.metadata.name.matches('^[a-z][a-z0-9-]{4,19}$')",message="metadata.name can't serve as the account name (5 to 20 lower-case letters, digits and hyphens, a letter first): set spec.accountName",fieldPath=".spec.accountName"
// +kubebuilder:validation:XValidation:rule="has(self.spec.connectionSecret) && has(self.spec.connectionSecret.name) || size(self.metadata.name) <= 242",message="metadata.name is too long to make the name of the connection Secret from it: set spec.connectionSecret.name",fieldPath=".spec.connectionSecret"
// +kubebuilder:validation:XValidation:rule="(has(self.spec.accountName) ? self.spec.accountName : self.metadata.name) == (has(oldSelf.spec.accountName) ? oldSelf.spec.accountName : oldSelf.metadata.name)",message="the account name can't be changed: the provider can't rename accounts; make a new ChildAccount instead",fieldPath=".spec.accountName"
type ChildAccount struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ChildAccountSpec `json:"spec"`
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

// Deactivates says whether the account is switched off when the resource is deleted.
func (c *ChildAccount) Deactivates() bool {
	return valueOr(c.Spec.DeletionPolicy, DeletionRetain) == DeletionDeactivate
}

// AdoptionPolicy returns what accounts may be adopted.
func (c *ChildAccount) AdoptionPolicy() AdoptionPolicy {
	return valueOr(c.Spec.AdoptionPolicy, AdoptNever)
}

// ReportsDrift says whether changes at the provider are left alone.
func (c *ChildAccount) ReportsDrift() bool {
	return valueOr(c.Spec.DriftPolicy, DriftCorrect) == DriftReport
}

// Recreates says whether an account that is gone is made anew.
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
