// Package directory keeps, for each parent account, what is known of its child accounts: the last complete list,
// what was read or written since, and what is in doubt. Look-ups that come together share one call, and so
// do equal changes. Controllers ask it instead of the provider.
package directory
