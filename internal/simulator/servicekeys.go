package simulator

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// keyManagers are the roles that a token's key needs for the methods about keys. Guess: the documents name none.
var keyManagers = []Role{RoleOwner, RoleAdmin}

// keyRoles are the roles that a key can have, with their ids. Guess: the documents name these among others, and no ids.
var keyRoles = []struct {
	id   int64
	name Role
}{{1, RoleOwner}, {2, RoleAdmin}, {3, RoleDeveloper}, {4, RoleAccountant}, {5, RolePayer}, {6, "Supervisor"}, {7, "Support"}}

const (
	// longestKeyName is how many characters a key's name may have (client).
	longestKeyName = 50
	// defaultKeys and maxKeys are how many keys GetKeys returns: as GetChildrenAccounts (a guess).
	defaultKeys, maxKeys = 20, 1000
)

var (
	createKeyMethod = method{
		name: "CreateKey", roles: keyManagers, run: createKey,
		params: []param{
			{name: "description", parse: asText},
			{name: "key_name", parse: asKeyName, blank: codeEmptyParameter},
			{name: "role_id", parse: asIDs(codeInvalidParameter)},
			{name: "role_name", parse: asTexts(codeInvalidParameter)},
		},
	}
	getKeysMethod = method{
		name: "GetKeys", roles: keyManagers, run: getKeys,
		params: []param{
			{name: "key_id", parse: asText},
			{name: "with_roles", parse: asBool},
			{name: "offset", parse: asNumber(0, 1<<31)},
			{name: "count", parse: asNumber(1, maxKeys)},
		},
	}
	deleteKeyMethod = method{
		name: "DeleteKey", roles: keyManagers, run: deleteKey,
		params: []param{{name: "key_id", parse: asText, required: true}},
	}
)

func asKeyName(name, raw string) (any, *apiError) {
	if utf8.RuneCountInString(raw) > longestKeyName {
		return nil, fail(codeTooLong, name, longestKeyName)
	}
	return raw, nil
}

// createKey is CreateKey: a key of the account that the call runs as. Without roles it may do what needs none.
func createKey(s *Simulator, c *invocation) (map[string]any, *apiError) {
	roles, failure := rolesOf(c.values)
	if failure != nil {
		return nil, failure
	}
	key, err := newServiceKey(s.key, c.who.account.ID, roles)
	if err != nil {
		return nil, fail(2)
	}
	key.Name, key.Description, key.Serial = c.values.text("key_name"), c.values.text("description"), nextSerial(s)
	s.keys[key.ID] = key
	c.changed = true
	info := map[string]any{
		"account_email": c.who.account.Email(), "account_id": c.who.account.ID, "key_id": key.ID, "private_key": key.PEM,
	}
	if s.settings.KeyInList {
		return map[string]any{"result": []any{info}}, nil
	}
	return map[string]any{"result": info}, nil
}

// rolesOf are the roles that a call gives a key, by id or by name.
func rolesOf(v values) ([]Role, *apiError) {
	list, byID := v["role_id"].(idList)
	names, byName := v["role_name"].([]string)
	switch {
	case byID && byName:
		return nil, fail(codeOneOf, "role_id, role_name")
	case list.all:
		return nil, fail(codeInvalidParameter, "role_id")
	}
	roles := []Role{}
	for _, id := range list.ids {
		i := slices.IndexFunc(keyRoles, func(r struct {
			id   int64
			name Role
		}) bool {
			return r.id == id
		})
		if i < 0 {
			return nil, fail(codeInvalidParameter, "role_id")
		}
		roles = append(roles, keyRoles[i].name)
	}
	for _, name := range names {
		if roleID(Role(name)) == 0 {
			return nil, fail(codeInvalidParameter, "role_name")
		}
		roles = append(roles, Role(name))
	}
	slices.Sort(roles)
	return slices.Compact(roles), nil
}

// roleID is the id of a role, 0 where there is no such role.
func roleID(name Role) int64 {
	for _, r := range keyRoles {
		if r.name == name {
			return r.id
		}
	}
	return 0
}

// nextSerial is greater than that of any key; the caller holds the lock.
func nextSerial(s *Simulator) int {
	last := 0
	for _, key := range s.keys {
		last = max(last, key.Serial)
	}
	return last + 1
}

// keysOf are the keys of an account, the oldest first; the caller holds the lock.
func keysOf(s *Simulator, accountID int64) []*serviceKey {
	own := slices.Collect(maps.Values(s.keys))
	own = slices.DeleteFunc(own, func(k *serviceKey) bool { return k.AccountID != accountID })
	slices.SortFunc(own, func(a, b *serviceKey) int {
		return cmp.Or(cmp.Compare(a.Serial, b.Serial), strings.Compare(a.ID, b.ID))
	})
	return own
}

// getKeys is GetKeys: the keys of the account that the call runs as.
func getKeys(s *Simulator, c *invocation) (map[string]any, *apiError) {
	own := keysOf(s, c.who.account.ID)
	if id := c.values.text("key_id"); id != "" {
		if own = slices.DeleteFunc(own, func(k *serviceKey) bool { return k.ID != id }); len(own) == 0 {
			return nil, fail(codeInvalidParameter, "key_id")
		}
	}
	total := len(own)
	own = own[min(int(c.values.number("offset", 0)), total):]
	own = own[:min(int(c.values.number("count", defaultKeys)), len(own))]
	rows := make([]any, len(own))
	for i, key := range own {
		row := map[string]any{"key_id": key.ID, "key_name": key.Name, "description": key.Description}
		if c.values.flag("with_roles", false) {
			var roles []any
			for _, role := range key.Roles {
				roles = append(roles, map[string]any{"role_id": roleID(role), "role_name": string(role), "gui_only": false})
			}
			row["roles"] = roles
		}
		rows[i] = row
	}
	if s.settings.HideKeyTotal {
		return map[string]any{"result": rows}, nil
	}
	return map[string]any{"result": rows, "total_count": total, "count": len(rows)}, nil
}

// deleteKey is DeleteKey: tokens that the key signed are refused from then on.
func deleteKey(s *Simulator, c *invocation) (map[string]any, *apiError) {
	key := s.keys[c.values.text("key_id")]
	if key == nil || key.AccountID != c.who.account.ID {
		return nil, fail(codeInvalidParameter, "key_id")
	}
	delete(s.keys, key.ID)
	c.changed = true
	return map[string]any{"result": 1}, nil
}

// ServiceKey is a key of an account, without its private key.
type ServiceKey struct {
	ID, Name, Description string
	Roles                 []Role
}

// ServiceKeys are the keys of an account, the oldest first: those of CreateKey, and those that Credentials made.
func ServiceKeys(s *Simulator, accountID int64) []ServiceKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []ServiceKey
	for _, key := range keysOf(s, accountID) {
		out = append(out, ServiceKey{key.ID, key.Name, key.Description, slices.Clone(key.Roles)})
	}
	return out
}
