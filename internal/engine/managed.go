package engine

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
)

// Managed is a resource of whatever kind whose account the engine keeps as the resource declares it.
type Managed interface {
	// Object is the resource itself.
	Object() client.Object
	// Declaration is what its spec says.
	Declaration() Declaration
	// Status is the part of its status that all kinds have, for reading and changing.
	Status() *v1alpha1.AccountStatus
	// Copy is a deep copy of it.
	Copy() Managed
	Observing
}

// Kind is what the engine asks of a kind of resources, from a cache.
type Kind interface {
	// CRD is the name of the kind's CRD.
	CRD() string
	// Named are the resources of all namespaces whose accounts have a name. They must not be changed.
	Named(ctx context.Context, accountName string) ([]Managed, error)
	// Bound are the resources of all namespaces that are bound to an account of a parent account. They must not be changed.
	Bound(ctx context.Context, parentAccountID, accountID string) ([]Managed, error)
	// Complete says whether the resources of all namespaces are known: some may not be readable, and what is there unknown.
	Complete() bool
	// Fleet is what there is of the parent's resources in the resource's namespace.
	Fleet(ctx context.Context, m Managed) (changeguard.Fleet, error)
}

// Observing is what a kind's status says of the account itself: an object of the kind's own type.
type Observing interface {
	// Observed is what was observed last, nil where nothing was. It is never changed, only replaced.
	Observed() any
	// SetObserved replaces it with what Observed or ReadObserved have returned.
	SetObserved(observed any)
	// ReadObserved makes one of its JSON.
	ReadObserved(object []byte) (any, error)
}

// Declaration is what a resource's spec says that the engine has to know.
type Declaration struct {
	// Kind is the resource's kind, for people.
	Kind string
	// AccountName is the account's unique name.
	AccountName string
	// Parent names the resource of the parent account.
	Parent types.NamespacedName
	// Fields holds the declared fields: a pointer to a struct that the field table's paths lead into.
	Fields any
	// Policy is what the resource allows.
	Policy account.Policy
	// Deactivate is set where the account is deactivated before the resource is deleted.
	Deactivate bool
	// Suspended is set where nothing is to be done for the resource.
	Suspended bool
	// ConnectionSecret is the Secret that gets what is known of the account.
	ConnectionSecret SecretDeclaration
	// CloneFrom is the name of the account that the account is cloned from when it is created; "" where it is created empty.
	CloneFrom string
	// Plans are the declared subscription plans, one of a type: their types and ids.
	Plans []account.Plan
	// CallbackSaltSecret names the Secret with the salt of the account's callbacks; nil where none is declared.
	CallbackSaltSecret *SecretKey
	// PasswordSecret names the Secret with the account's password; nil where none is declared.
	PasswordSecret *SecretKey
}

// SecretDeclaration says what a connection Secret is to be like.
type SecretDeclaration struct {
	Name                string
	Labels, Annotations map[string]string
	// ServiceKey is the service-account key that it is to hold; nil where none is declared.
	ServiceKey *ServiceKeyDeclaration
}

// ServiceKeyDeclaration says what a service-account key is to be like.
type ServiceKeyDeclaration struct {
	// Roles are the names of its roles at the provider.
	Roles []string
	// RotateAfter is the age at which it is replaced; 0 for never.
	RotateAfter time.Duration
}

// SecretKey names a key of a Secret in the resource's namespace.
type SecretKey struct {
	Name, Key string
}
