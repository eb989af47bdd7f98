package v1alpha1

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// OwnAccount declares the parent account itself. Each field is managed independently: one that is not set is never written. The account's
// e-mail and password can't be declared: the provider refuses another e-mail under a service account's key, and nobody is to be locked
// out by an edit.
//
// +kubebuilder:validation:XValidation:rule="!has(self.location) || self.location in [TIME_ZONES]",message="location must be a time zone of the IANA database, by its exact name: Europe/Berlin, America/New_York, Etc/GMT+10",fieldPath=".location"
type OwnAccount struct {
	// LanguageCode is the language of the e-mails that the account gets, ISO 639-1. Unset: not managed; the language stays. Norwegian
	// needs quotes in YAML: "no". Example: de.
	// +optional
	// +kubebuilder:validation:Enum=aa;ab;af;am;ar;as;ay;az;ba;be;bg;bh;bi;bn;bo;br;ca;co;cs;cy;da;de;dz;el;en;eo;es;et;eu;fa;fi;fj;fo;fr;fy;ga;gd;gl;gn;gu;ha;hi;he;hr;hu;hy;ia;id;ie;ik;in;is;it;iu;iw;ja;ji;jw;ka;kk;kl;km;kn;ko;ks;ku;ky;la;ln;lo;lt;lv;mg;mi;mk;ml;mn;mo;mr;ms;mt;my;na;ne;nl;no;oc;om;or;pa;pl;ps;pt;qu;rm;rn;ro;ru;rw;sa;sd;sg;sh;si;sk;sl;sm;sn;so;sq;sr;ss;st;su;sv;sw;ta;te;tg;th;ti;tk;tl;tn;to;tr;ts;tt;tw;ug;uk;ur;uz;vi;vo;wo;xh;yi;yo;za;zh;zu
	LanguageCode *string `json:"languageCode,omitempty"`

	// Location is the account's time zone, by its exact name in the IANA time zone database. Former names, such as US/Eastern, count as the
	// same zone. Unset: not managed; the zone stays. Examples: Europe/Berlin, Etc/GMT+10.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="location must have no control characters, such as a line break"
	Location *string `json:"location,omitempty"`

	// Notifications says which e-mails the provider sends to the account's e-mail address. Each field is managed independently. Unset: none
	// of them is managed. Example: {account: true, news: false}.
	// +optional
	Notifications *OwnNotifications `json:"notifications,omitempty"`

	// MinBalanceToNotify is the balance below which the account is notified, in the account's currency: at most nine digits and four
	// decimal places. 0 notifies only of a balance below zero. Unset: not managed; the limit stays. Examples: "50.00", 50.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=14
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? int(self) >= 0 && int(self) <= 999999999 : string(self).matches('^[0-9]{1,9}([.][0-9]{1,4})?$')",message="minBalanceToNotify must be a decimal of at most nine digits and four decimal places, without a sign: \"5.00\""
	MinBalanceToNotify *intstr.IntOrString `json:"minBalanceToNotify,omitempty"`

	// Callback declares the URL at which the provider reports events of the account (callbacks), and the salt by which the receiver
	// verifies that the provider sent them. The salt also verifies callbacks that the operator receives (--callback-address): those of the
	// account, and of child accounts without a salt of their own. It replaces the key callback-salt in the Secret of apiKeySecretRef. Each field is managed independently. Unset: not
	// managed; a URL that was set stays. Example: {url: https://hooks.acme.example/voice, saltSecretRef: {name: acme-salt}}.
	// +optional
	Callback *Callback `json:"callback,omitempty"`

	// Profile declares the account's contact person, billing address and custom data, and what the provider stores and reports about
	// messages and scenarios. Each field is managed independently. Unset: none of them is managed. Example: {firstName: Ada, lastName: Lovelace}.
	// +optional
	Profile *OwnProfile `json:"profile,omitempty"`
}

// OwnNotifications says which e-mails the parent account gets.
type OwnNotifications struct {
	// Account says whether the provider sends e-mails about the account itself. Unset: not managed.
	// +optional
	Account *bool `json:"account,omitempty"`
	// TariffChanges says whether the provider sends e-mails about changes of the account's plan. Unset: not managed.
	// +optional
	TariffChanges *bool `json:"tariffChanges,omitempty"`
	// News says whether the provider sends its news. Unset: not managed.
	// +optional
	News *bool `json:"news,omitempty"`
}

// OwnProfile is the parent account's contact person, billing address and custom data, and what the provider stores and reports.
type OwnProfile struct {
	// FirstName is the first name of the account's contact person, at most 49 characters. Unset: not managed; a name that was set stays.
	// Example: Ada.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="firstName must have no control characters, such as a line break"
	FirstName *string `json:"firstName,omitempty"`

	// LastName is the last name of the account's contact person, at most 49 characters. Unset: not managed; a name that was set stays.
	// Example: Lovelace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="lastName must have no control characters, such as a line break"
	LastName *string `json:"lastName,omitempty"`

	// MobilePhone is the contact person's mobile phone number: 7 to 15 digits with the country code first, a plus before them if you like.
	// Unset: not managed; a number that was set stays. Quotes keep YAML from reading a number. Example: "+4915112345678".
	// +optional
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+]?[0-9]{7,15}$')",message="mobilePhone must be 7 to 15 digits with the country code first, a plus before them if you like: \"+4915112345678\""
	MobilePhone *string `json:"mobilePhone,omitempty"`

	// CustomData is text of your own that the provider keeps with the account, at most 8191 characters. Unset: not managed; a text that was
	// set stays. If a ChildAccount declares the same account, leave the field unset: the operator keeps its claim there. Example: '{"crm":
	// "4711"}'.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8191
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]')",message="customData must have no control characters but tabs and line breaks"
	CustomData *string `json:"customData,omitempty"`

	// SendJSErrors says whether the provider sends e-mails about errors of JavaScript scenarios. Unset: not managed.
	// +optional
	SendJSErrors *bool `json:"sendJSErrors,omitempty"`

	// StoreInboundSMS says whether the provider stores the texts of incoming messages. The provider never returns this value, so the
	// operator does not notice a change made elsewhere. Unset: not managed.
	// +optional
	StoreInboundSMS *bool `json:"storeInboundSMS,omitempty"`

	// StoreOutboundSMS says whether the provider stores the texts of outgoing messages. The provider never returns this value, so the
	// operator does not notice a change made elsewhere. Unset: not managed.
	// +optional
	StoreOutboundSMS *bool `json:"storeOutboundSMS,omitempty"`

	// BillingAddress is the address that the provider bills to. The provider keeps a billing address once it is set: the field can then be
	// changed and not removed.
	// Unset: not managed. Example: {name: Acme GmbH, countryCode: DE, address: "Hauptstr. 1, Berlin", zip: "10115"}.
	// +optional
	BillingAddress *BillingAddress `json:"billingAddress,omitempty"`
}

// OwnAccountStatus is what the operator knows of the parent account itself.
type OwnAccountStatus struct {
	// AccountID is the id of the account that this status is about. After a change of the account the operator uses nothing of it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AccountID string `json:"accountID,omitempty"`

	// LastApplied holds the declared, non-secret values by path below spec.account as the operator last wrote them or found them in place, and
	// the declared plans (plans.MAU). By them the operator tells an edit of the spec from a change at the provider. Example: {notifications.news: "true"}.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	LastApplied map[string]string `json:"lastApplied,omitempty"`

	// CallbackSaltDigest identifies the salt that the operator last gave the account for its callbacks. It is an HMAC-SHA256 of the salt
	// under a key made from the credentials, so that readers of the status can't test salts against it. After a change of the credentials
	// the operator writes the salt once more. It is unset while the operator knows of no salt in place.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CallbackSaltDigest string `json:"callbackSaltDigest,omitempty"`

	// Plans are the account's subscription plans as the operator last read or changed them. Unset if spec.plans is not set.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Plans []ObservedPlan `json:"plans,omitempty"`

	// PlanChanges are changes of plans that the operator has requested and that no read has confirmed yet. The operator stores an entry
	// before the request, so that it requests no change again before it has read the account's plans. While there is an entry that the provider
	// has accepted, the operator requests no plan of that type, whatever spec.plans has by then. An entry ends once a read returns the plan, or once
	// spec.plans has had no plan of that type for a minute. Unset while there are none.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	PlanChanges []PlanChange `json:"planChanges,omitempty"`

	// LastHandledReconcileAt is the value of the annotation accounts.cpaas.dev/reconcile-requested-at for which the operator last read the
	// account and its plans.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// CallbackSaltSecret returns the name and the key of the Secret with the salt of the account's callbacks; ok is false where none is declared.
func (a *OwnAccount) CallbackSaltSecret() (name, key string, ok bool) {
	if a == nil || a.Callback == nil || a.Callback.SaltSecretRef == nil {
		return "", "", false
	}
	ref := a.Callback.SaltSecretRef
	return ref.Name, valueOr(ref.Key, DefaultSaltKey), true
}

// SameService says whether two ParentAccounts are of one provider, at the same address, and trust the same authorities there: then the same
// account id is the same account.
func SameService(a, b *ParentAccount) bool {
	trustedByA, _ := a.CABundle()
	trustedByB, _ := b.CABundle()
	return a.Provider() == b.Provider() && a.Endpoint() == b.Endpoint() && slices.Equal(trustedByA, trustedByB)
}

// InputSecrets are the names of the Secrets that the spec refers to.
func (p *ParentAccount) InputSecrets() []string {
	credentials, _ := p.CredentialsSecret()
	names := []string{credentials}
	if name, _, ok := p.APIKeySecret(); ok {
		names = append(names, name)
	}
	if name, _, ok := p.Spec.Account.CallbackSaltSecret(); ok {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
