package directory

import (
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// connection is the Remote that calls go to. It is safe for concurrent use; its lock is held only to read or replace the
// Remote, so a call ends on the Remote that it began on.
type connection struct {
	mu     sync.Mutex
	remote provider.Remote
}

// current is the Remote for the next call.
func (c *connection) current() provider.Remote {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}

// replace has later calls go to another Remote of the same parent account.
func (c *connection) replace(remote provider.Remote) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remote = remote
}

// listMethod is the method of listing in use, "" where the provider has only one.
func (c *connection) listMethod() string {
	if remote, ok := c.current().(provider.ListMethoder); ok {
		return remote.ListMethod()
	}
	return ""
}

// hasClaims says whether the provider's accounts carry claims.
func (c *connection) hasClaims() bool {
	_, ok := c.current().(provider.Claimer)
	return ok
}

// getsTogether says whether one call reads any number of accounts by name.
func (c *connection) getsTogether() bool {
	remote, ok := c.current().(provider.Gatherer)
	return ok && remote.GetsTogether()
}

// claimer is the Remote where it can write claims, else an error of class Invalid; so with the methods below.
func (c *connection) claimer() (provider.Claimer, error) {
	return capability[provider.Claimer](c, account.Error{Message: "this provider keeps no custom data"})
}

func (c *connection) passwordSetter() (provider.PasswordSetter, error) {
	return capability[provider.PasswordSetter](c, account.Error{Field: "passwordSecretRef", Message: "this provider's passwords can't be set"})
}

func (c *connection) passwordChecker() (provider.PasswordChecker, error) {
	return capability[provider.PasswordChecker](c, account.Error{Field: "passwordSecretRef", Message: "this provider's passwords can't be checked"})
}

func (c *connection) keyRecoverer() (provider.KeyRecoverer, error) {
	return capability[provider.KeyRecoverer](c, account.Error{Message: "this provider returns an API key only once"})
}

func (c *connection) serviceKeyer() (provider.ServiceKeyer, error) {
	return capability[provider.ServiceKeyer](c, account.Error{Field: "connectionSecret.serviceAccountKey", Message: "this provider's accounts have no service-account keys"})
}

// capability is the Remote as an optional interface; where the Remote does not implement the interface, missing as an error.
func capability[T any](c *connection, missing account.Error) (T, error) {
	remote, ok := c.current().(T)
	if !ok {
		missing.Class = account.Invalid
		return remote, &missing
	}
	return remote, nil
}

// Capabilities are what the provider has beyond what every provider has to have.
type Capabilities struct {
	// Passwords: its accounts have passwords that can be set. Keys: they have API keys, which can be read again.
	Passwords, Keys bool
	// SignIns: whether an account has a password can be checked. KeysShown: a sign-in shows the API key, too.
	SignIns, KeysShown bool
	// ServiceKeys: its accounts can have keys of service accounts.
	ServiceKeys bool
	// Plans: its accounts have subscription plans.
	Plans bool
	// Clones: an account can be made as a clone of another one.
	Clones bool
	// Claims: its accounts carry the claim of the resource that they belong to.
	Claims bool
	// Replaces: each update replaces the whole account, the password included.
	Replaces bool
}

// CapabilitiesOf returns what the provider of a directory has.
func CapabilitiesOf(d *Directory) Capabilities {
	remote := d.connection.current()
	_, passwords := remote.(provider.PasswordSetter)
	_, keys := remote.(provider.KeyRecoverer)
	_, signIns := remote.(provider.PasswordChecker)
	_, shown := remote.(provider.KeyShower)
	_, serviceKeys := remote.(provider.ServiceKeyer)
	_, plans := remote.(provider.Planner)
	_, clones := remote.(provider.Cloner)
	_, claims := remote.(provider.Claimer)
	replacer, _ := remote.(provider.Replacer)
	return Capabilities{
		Claims: claims, Replaces: replacer != nil && replacer.ReplacesAll(),
		Passwords: passwords, Keys: keys, SignIns: signIns, KeysShown: shown, ServiceKeys: serviceKeys, Plans: plans, Clones: clones,
	}
}
