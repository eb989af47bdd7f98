// Package account is the neutral core: what a child account is declared to be, what it was seen to be,
// and what has to be done about the difference. It knows no provider, no Kubernetes and does no I/O,
// so that plan, drift and reconcile are one computation.
package account
