// Package starttest starts and stops the operator, as a process of its own, before a real Kubernetes API that is away, says
// nothing, refuses what the operator asks for, or lacks its kinds, as a whole or in one namespace of several. The package has
// tests alone.
package starttest
