package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"cpaas.dev/child-account-operator/internal/account"
)

// Parent is the account API of a parent account that says whose it is.
type Parent interface {
	Remote
	Identifier
}

// Gate is what each call of a connection goes through.
type Gate interface {
	// Acquire waits until a call may be made; release is called once it has ended. After an error no call is made.
	Acquire(ctx context.Context) (release func(), err error)
	// Learn is told how a call ended, with nil after success.
	Learn(failed *account.Error)
}

// Connection is what a connection to a provider is made of.
type Connection struct {
	// Endpoint is the API's address.
	Endpoint string
	// CABundle holds the authorities to trust there, as PEM; empty: those of the system. It is good for trust.Parse.
	CABundle []byte
	// Credentials is the text of the credentials, in the provider's own form.
	Credentials []byte
	// APIKey is the parent account's own API key, "" where none is given.
	APIKey account.Secret
	// Follow has calls go to the address that the provider prefers, where that is below the Endpoint's registrable domain.
	Follow bool
	// Gate bounds the calls. It is never nil.
	Gate Gate
}

// Fingerprint tells one connection from another without giving anything away.
func (c Connection) Fingerprint() string {
	return digest(c.leadsTo(), string(c.CABundle), c.APIKey.Reveal(), string(c.Credentials))
}

// leadsTo is the endpoint, and whether the provider may lead on from there.
func (c Connection) leadsTo() string {
	if c.Follow {
		return c.Endpoint + " and further"
	}
	return c.Endpoint
}

// KeyFingerprint tells one API key from another without giving anything away.
func (c Connection) KeyFingerprint() string { return digest(c.APIKey.Reveal()) }

// TargetFor says where the connection leads, whatever its credentials, and on whose behalf: owner tells one from another.
func (c Connection) TargetFor(owner string) string {
	return digest(owner, c.leadsTo(), string(c.CABundle))
}

func digest(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:8])
}

// Format implements fmt.Formatter: a Connection is made of secrets.
func (c Connection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "connection to %s", c.Endpoint)
}

// Connect makes a connection to a provider. An error says what is wrong with the credentials and has no secret in it;
// nothing is asked of the provider yet.
type Connect func(Connection) (Parent, error)

// Registry has the providers that there are, by name.
type Registry map[string]Connect

// Connect makes a connection to the provider of that name.
func (r Registry) Connect(name string, c Connection) (Parent, error) {
	connect, ok := r[name]
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", name)
	}
	return connect(c)
}
