package simulator

import "strings"

// setChildAccountInfo is SetChildAccountInfo: changes some children of the account that the call runs as, or none.
func (s *Simulator) setChildAccountInfo(c *invocation) (map[string]any, *apiError) {
	targets, err := s.targets(c)
	if err != nil {
		return nil, err
	}
	if mail, ok := c.values["new_child_account_email"].(string); ok {
		for _, a := range targets {
			if len(targets) > 1 || s.emailTaken(mail, a) {
				return nil, fail(codeEmailTaken)
			}
		}
	}
	if err := s.checkNewPassword(c.values["new_child_account_password"], targets...); err != nil {
		return nil, err
	}
	for _, a := range targets {
		s.apply(c, a)
	}
	return map[string]any{"result": 1}, nil
}

// targets are the children that the call names, by exactly one of id, name and e-mail.
func (s *Simulator) targets(c *invocation) ([]*Account, *apiError) {
	kinds := []string{"child_account_id", "child_account_name", "child_account_email"}
	given := ""
	for _, kind := range kinds {
		if c.values[kind] == nil {
			continue
		}
		if given != "" {
			return nil, fail(codeOneOf, strings.Join(kinds, ", "))
		}
		given = kind
	}
	parent := c.who.account.ID
	switch given {
	case "child_account_id":
		list, _ := c.values[given].(idList)
		if list.all {
			return s.children[parent], nil
		}
		return s.childrenByID(parent, list.ids, false)
	case "child_account_name":
		return childrenByText(parent, c.values[given], codeChildName, func(name string) *Account {
			if a := s.byName[name]; a != nil && a.Name() == name {
				return a
			}
			return nil
		})
	case "child_account_email":
		return childrenByText(parent, c.values[given], codeChildEmail, func(mail string) *Account {
			return s.byEmail[indexKey(mail)]
		})
	}
	return nil, fail(codeOneOf, strings.Join(kinds, ", "))
}

// childrenByText has the parent's children of a stringlist; one that is none of them is refused with the code.
func childrenByText(parent int64, list any, code int, find func(string) *Account) ([]*Account, *apiError) {
	texts, _ := list.([]string)
	var found []*Account
	seen := map[*Account]bool{}
	for _, text := range texts {
		a := find(text)
		if a == nil || a.ParentID != parent {
			return nil, fail(code)
		}
		if !seen[a] {
			seen[a] = true
			found = append(found, a)
		}
	}
	return found, nil
}
