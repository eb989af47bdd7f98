package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Masked stands wherever a secret value would be printed or exported.
const Masked = "********"

// isSecret tells by its name whether a parameter or a field must never be shown.
// It goes by parts of the name, so that a misspelt or unknown parameter is covered too.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"password", "api_key", "salt", "token", "secret", "private_key", "session_id", "authorization"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func maskMap[V any](m map[string]V) map[string]any {
	masked := make(map[string]any, len(m))
	for name, value := range m {
		if isSecret(name) {
			masked[name] = Masked
		} else {
			masked[name] = value
		}
	}
	return masked
}

// Params are the parameters of a call as they were sent, secrets included.
// Printed in any way (fmt, JSON), the secrets are masked.
type Params map[string]string

// MarshalJSON writes the parameters with the secrets masked.
func (p Params) MarshalJSON() ([]byte, error) { return json.Marshal(maskMap(p)) }

// Format prints the parameters with the secrets masked, whatever the verb.
func (p Params) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, fmt.Sprint(maskMap(p))) }

// Fields are the values of an account by their wire name (AccountInfo of the Management API),
// along with those it never shows, such as account_password: string, bool, int64 or float64.
// Printed in any way (fmt, JSON), the secrets are masked.
type Fields map[string]any

// MarshalJSON writes the fields with the secrets masked.
func (v Fields) MarshalJSON() ([]byte, error) { return json.Marshal(maskMap(v)) }

// Format prints the fields with the secrets masked, whatever the verb.
func (v Fields) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, fmt.Sprint(maskMap(v))) }
