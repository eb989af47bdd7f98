package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Remote is what the controllers need of a provider.
type Remote interface {
	provider.Remote
	provider.Identifier
}

// Connection is what a connection to a provider is made of.
type Connection struct {
	// Endpoint is the API's address.
	Endpoint string
	// CABundle holds the authorities to trust there, as PEM; empty: those of the system. It is good for trust.Parse.
	CABundle []byte
	// Credentials is the service account's credentials.json.
	Credentials []byte
	// APIKey is the parent account's own API key, "" where none is given.
	APIKey account.Secret
	// Gate bounds the calls.
	Gate *pacing.Gate
}

// fingerprint tells one connection from another without giving anything away.
func (c Connection) fingerprint() string {
	return digest(c.Endpoint, string(c.CABundle), c.APIKey.Reveal(), string(c.Credentials))
}

// target says where the connection leads, whatever its credentials, and on whose behalf.
func (c Connection) target(p *v1alpha1.ParentAccount) string {
	return digest(string(p.UID), c.Endpoint, string(c.CABundle))
}

func digest(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:8])
}

// Format implements fmt.Formatter: a Connection is made of secrets.
func (c Connection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "connection to %s", c.Endpoint)
}

// Connect makes a connection to the provider. An error says what is wrong with the credentials; nothing is asked of the
// provider yet.
type Connect func(Connection) (Remote, error)
