package directory

import "cpaas.dev/child-account-operator/internal/provider"

// ServiceKeysOf makes, lists and deletes the service-account keys of a directory's accounts. Nothing of them is kept in the directory,
// and a refusal of such a call says nothing about the list. Class Invalid: the provider's accounts have none.
func ServiceKeysOf(d *Directory) (provider.ServiceKeyer, error) { return d.connection.serviceKeyer() }
