package directory

import "cpaas.dev/child-account-operator/internal/provider"

// Capabilities says what the provider has beyond what every provider has to have.
type Capabilities struct {
	// Passwords: its accounts have passwords that can be set. Keys: they have API keys, which can be found again.
	Passwords, Keys bool
}

// CapabilitiesOf says what the provider of a directory has.
func CapabilitiesOf(d *Directory) Capabilities {
	remote := d.current()
	_, passwords := remote.(provider.PasswordSetter)
	_, keys := remote.(provider.KeyRecoverer)
	return Capabilities{Passwords: passwords, Keys: keys}
}
