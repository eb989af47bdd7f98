package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	orderByID    = "child_account_id"
	orderByName  = "child_account_name"
	orderByEmail = "child_account_email"

	defaultPage = 20
	maxPage     = 1000
	// maxIDs is how many ids a list may have under RefuseLongLists.
	maxIDs = 1000
)

// getChildrenAccounts is GetChildrenAccounts.
func (s *Simulator) getChildrenAccounts(c *invocation) (map[string]any, *apiError) {
	comeAndGo(s, c)
	found, err := s.selectChildren(c)
	if err != nil {
		return nil, err
	}
	if c.plan.emptyList {
		found = nil
	}
	orderChildren(found, c.values.text("order_by"))
	offset, count := int(c.values.number("offset", 0)), int(c.values.number("count", defaultPage))
	from := min(offset, len(found))
	page := slices.Clone(found[from:min(from+count, len(found))])
	total := len(found)
	if c.plan.repeatRow && from > 0 && len(page) > 0 {
		page[0] = found[from-1]
	}
	if c.plan.shiftTotal && from > 0 {
		total++
	}
	rows := make([]map[string]any, len(page))
	for i, a := range page {
		rows[i] = s.childRow(c, a)
	}
	return map[string]any{"result": rows, "total_count": total, "count": len(rows)}, nil
}

// comeAndGo has accounts come and go between two pages, as the faults of the call say.
func comeAndGo(s *Simulator, c *invocation) {
	for range c.plan.come {
		name := fmt.Sprintf("added-%d", s.nextID)
		s.makeChild(c.who.account, Fields{"account_name": name, "account_email": name + "@simulator.example", "active": true})
	}
	children := s.children[c.who.account.ID]
	for _, a := range slices.Clone(children[:min(c.plan.leave, len(children))]) {
		s.remove(a)
	}
	if c.plan.come+c.plan.leave > 0 {
		s.save()
	}
}

// childRow is a row of the answer in the extent that the call asks for.
func (s *Simulator) childRow(c *invocation, a *Account) map[string]any {
	row := map[string]any{"account_id": a.ID}
	switch {
	case c.values.flag("brief_output", false):
	case c.values.flag("medium_output", false):
		row["account_name"], row["account_email"] = a.Name(), a.Email()
	default:
		row = a.info(c.who, c.values.flag("return_live_balance", true))
		if s.settings.HideChildAPIKeys {
			delete(row, "api_key")
		}
	}
	return row
}

// selectChildren has the caller's children that meet all the filters of the call.
func (s *Simulator) selectChildren(c *invocation) ([]*Account, *apiError) {
	candidates, err := s.childCandidates(c)
	if err != nil {
		return nil, err
	}
	found := slices.Clone(candidates)
	// client: the filters take a part of the name; that they do of the e-mail and whatever the case is a guess.
	for param, field := range map[string]string{"child_account_name": "account_name", "child_account_email": "account_email"} {
		if part, ok := c.values[param].(string); ok {
			part = strings.ToLower(part)
			found = slices.DeleteFunc(found, func(a *Account) bool { return !strings.Contains(strings.ToLower(a.Text(field)), part) })
		}
	}
	for _, field := range []string{"active", "frozen"} {
		if want, ok := c.values[field].(bool); ok {
			found = slices.DeleteFunc(found, func(a *Account) bool { return a.Flag(field) != want })
		}
	}
	return found, nil
}

// childCandidates has the children by child_account_id, all of them where that is not given.
func (s *Simulator) childCandidates(c *invocation) ([]*Account, *apiError) {
	children := s.children[c.who.account.ID]
	list, byID := c.values["child_account_id"].(idList)
	switch {
	case !byID && s.settings.RefuseUnfiltered && c.values["child_account_name"] == nil && c.values["child_account_email"] == nil:
		return nil, fail(codeSpecify, "child_account_id")
	case list.all && s.settings.RefuseAll:
		return nil, fail(codeChildID)
	case !byID || list.all:
		return children, nil
	case s.settings.RefuseLongLists && len(list.ids) > maxIDs:
		return nil, fail(codeInvalidArguments)
	}
	return s.childrenByID(c.who.account.ID, list.ids, c.values.flag("ignore_invalid_accounts", false))
}

// childrenByID has the parent's children of these ids; an id that is none of them is refused or ignored.
func (s *Simulator) childrenByID(parent int64, ids []int64, ignoreInvalid bool) ([]*Account, *apiError) {
	var found []*Account
	seen := map[int64]bool{}
	for _, id := range ids {
		a := s.accounts[id]
		if a == nil || a.ParentID != parent {
			if ignoreInvalid {
				continue
			}
			return nil, fail(codeChildID)
		}
		if !seen[id] {
			seen[id] = true
			found = append(found, a)
		}
	}
	return found, nil
}

func orderChildren(found []*Account, by string) {
	slices.SortFunc(found, func(a, b *Account) int {
		switch by {
		case orderByID:
			return cmp.Compare(a.ID, b.ID)
		case orderByEmail:
			return cmp.Or(cmp.Compare(a.Email(), b.Email()), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.ID, b.ID))
	})
}
