package cli

import "errors"

// The exit statuses. A wrong command line of the operator itself is exitFailed, as ever.
const (
	exitFailed       = 1 // something else: a file, the Kubernetes API
	exitUsage        = 2 // the command line or a parameter is wrong; nothing was called
	exitRefused      = 3 // the provider refused the call
	exitUnavailable  = 4 // the provider did not answer, or rate-limits; nothing was changed
	exitUnknown      = 5 // the answer to a call that changes something was lost: it may have been carried out
	exitNotConfirmed = 6 // the call was not confirmed, so not made
)

// exitError is an error with an exit status of its own.
type exitError struct {
	status int
	err    error
}

// Error implements error.
func (e *exitError) Error() string { return e.err.Error() }

// Unwrap returns the error itself.
func (e *exitError) Unwrap() error { return e.err }

// exitStatus is what the process exits with for an error.
func exitStatus(err error) int {
	if own, ok := errors.AsType[*exitError](err); ok {
		return own.status
	}
	return exitFailed
}

// usage is the error of a wrong command line.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}
