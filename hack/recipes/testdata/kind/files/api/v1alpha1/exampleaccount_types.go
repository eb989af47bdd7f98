package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExampleAccountSpec declares an account. A field that is not set is not managed.
type ExampleAccountSpec struct {
	// ParentRef names the ParentAccount that this is an account of. Example: {name: acme}.
	// +required
	ParentRef ParentReference `json:"parentRef"`

	// Email is the account's e-mail address, unique at the provider. Example: support@acme.example.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	Email string `json:"email"`

	// Active activates the account (true) or deactivates it (false). Unset: not managed.
	// +optional
	Active *bool `json:"active,omitempty"`

	// Language is the account's language, 2 to 8 characters. Unset: not managed. Example: en.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=8
	Language *string `json:"language,omitempty"`
}

// ObservedExample is an account as the provider returned it.
type ObservedExample struct {
	// Email is the account's e-mail address.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Email *string `json:"email,omitempty"`
	// Active tells whether the account is active.
	// +optional
	Active *bool `json:"active,omitempty"`
	// Language is the account's language.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Language *string `json:"language,omitempty"`
}

// ExampleAccountStatus is what is known of the account.
type ExampleAccountStatus struct {
	AccountStatus `json:",inline"`

	// Observed is the account as the provider returned it.
	// +optional
	Observed *ObservedExample `json:"observed,omitempty"`
}

// ExampleAccount is one account, which the operator keeps as the spec declares.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
type ExampleAccount struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ExampleAccountSpec `json:"spec"`
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status ExampleAccountStatus `json:"status,omitempty"`
}

// ExampleAccountList is a list of ExampleAccounts.
//
// +kubebuilder:object:root=true
type ExampleAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExampleAccount `json:"items"`
}
