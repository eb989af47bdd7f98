// Package secrets reads the Secrets that people give to the operator and keeps the connection Secrets that it gives
// to people. It never logs a value, and never reads a Secret that is not marked for it.
package secrets
