package secrets

import (
	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/internal/account"
)

// publicKeys are the keys of a connection Secret whose values are no secrets.
var publicKeys = map[string]bool{KeyAccountID: true, KeyAccountName: true, KeyEmail: true, KeyEndpoint: true}

// redactedError is an error of the Kubernetes API without what the Secrets hold that it is about.
type redactedError struct {
	cause error
	text  string
}

// Error implements error.
func (h redactedError) Error() string { return h.text }

// Unwrap gives what kind of error it is; its text is not to be shown.
func (h redactedError) Unwrap() error { return h.cause }

// redactError takes what the Secrets hold out of an error about them: an admission webhook may repeat all that it was given.
func redactError(err error, secrets ...*corev1.Secret) error {
	if err == nil {
		return nil
	}
	var r account.Redactor
	for _, s := range secrets {
		for key, value := range s.Data {
			if !publicKeys[key] {
				r = append(r, account.Secret(value))
			}
		}
	}
	return redactedError{err, r.Redact(err.Error())}
}
