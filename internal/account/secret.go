package account

import "fmt"

// redacted stands wherever a Secret would be printed.
const redacted = "[redacted]"

// Secret is a password, key or token. Printed, logged or marshalled it shows as "[redacted]"; Reveal is the way to its
// value. fmt can't be told about unexported fields: a type that holds Secrets in such fields and may be printed needs a
// Format of its own.
type Secret string

// Reveal returns the value itself. Call it only where the value leaves for the provider or for a Secret.
func (s Secret) Reveal() string { return string(s) }

// Format implements fmt.Formatter, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler, and by it json.Marshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
