// Package fake is a provider in memory, for tests of what is above the seam: with the variations that the contracts of package
// provider allow, and with faults. It passes package providertest.
package fake
