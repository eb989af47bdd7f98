// Package pacing bounds the calls to a provider: how many a second and at one time, the most urgent first, and hardly any
// while the provider does not answer. It knows no provider: it learns from the classes of errors alone.
package pacing
