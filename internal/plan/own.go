package plan

import (
	"slices"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
)

// ownPrefix is where the fields of the parent account itself stand below spec.
const ownPrefix = "account."

// OwnSalt is the field of the salt of the parent account's own callbacks.
const OwnSalt = ownPrefix + "callback.saltSecretRef"

// OwnText says which fields of the parent account itself are to be changed, for people and the change guard; salt is set where its callbacks get
// another salt, too, of which nothing is said.
func OwnText(changes []account.Change, salt bool) string {
	var parts []string
	if len(changes) > 0 {
		parts = append(parts, changeText(ownPaths(changes)))
	}
	if salt {
		parts = append(parts, OwnSalt)
	}
	return strings.Join(parts, ", ")
}

// OwnNotKept says of each field of the parent account itself what was written, and what the provider returned.
func OwnNotKept(changes []account.Change) string { return notKept(ownPaths(changes)) }

// OwnPath is the path below spec of a field of the parent account itself.
func OwnPath(path string) string { return ownPrefix + path }

// ownPaths are the changes with their paths below spec.
func ownPaths(changes []account.Change) []account.Change {
	out := slices.Clone(changes)
	for i := range out {
		out[i].Field.Path = OwnPath(out[i].Field.Path)
	}
	return out
}
