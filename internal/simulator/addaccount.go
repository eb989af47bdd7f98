package simulator

import (
	"crypto/rand"
	"fmt"
	"maps"
	"time"
)

// addAccount is AddAccount: makes a child of the account that the call runs as.
func (s *Simulator) addAccount(c *invocation) (map[string]any, *apiError) {
	parent := c.who.account
	if err := s.mayHaveChildren(parent); err != nil {
		return nil, err
	}
	if err := s.checkParent(c, parent); err != nil {
		return nil, err
	}
	if c.values["record_storage_id"] != nil && c.values["record_storage_name"] != nil {
		return nil, fail(codeOneOf, "record_storage_id, record_storage_name")
	}
	if s.byName[c.values.text("account_name")] != nil {
		return nil, fail(codeNameTaken)
	}
	if s.emailTaken(c.values.text("account_email"), nil) {
		return nil, fail(codeEmailTaken)
	}
	if !s.countChild(parent.ID) {
		return nil, fail(codeDailyLimit)
	}
	child := s.makeChild(parent, s.changes(c))
	c.changed = true
	return map[string]any{"result": 1, "account_id": child.ID, "active": child.Active(), "api_key": child.APIKey()}, nil
}

// mayHaveChildren refuses a parent for whom child accounts are off, and a child (a guess: no grandchildren).
func (s *Simulator) mayHaveChildren(parent *Account) *apiError {
	if parent.ParentID != 0 || !parent.Flag(childrenEnabled) {
		return fail(codeForbidden)
	}
	return nil
}

// checkParent compares the parent_account parameters with the account that the call runs as.
func (s *Simulator) checkParent(c *invocation, parent *Account) *apiError {
	id, name, mail := c.values["parent_account_id"], c.values["parent_account_name"], c.values["parent_account_email"]
	switch {
	case id == nil && name == nil && mail == nil:
		return fail(codeSpecify, "parent_account_id")
	case id != nil && id != parent.ID:
		return fail(codeParentID)
	case name != nil && name != parent.Name():
		return fail(codeInvalidParameter, "parent_account_name")
	case mail != nil && indexKey(mail) != indexKey(parent.Email()):
		return fail(codeInvalidParameter, "parent_account_email")
	}
	key, password := c.values["parent_account_api_key"], c.values["parent_account_password"]
	switch {
	case key != nil && key != parent.Fields["api_key"],
		password != nil && password != parent.Fields["account_password"],
		key == nil && password == nil && s.settings.RequireParentCredentials:
		return fail(codeUnauthorized)
	}
	return nil
}

// countChild counts a child towards the parent's limit of the day, unless that is reached.
func (s *Simulator) countChild(parent int64) bool {
	today := s.clock().UTC().Format(time.DateOnly)
	count := s.created[parent]
	if count.Day != today {
		count = dayCount{Day: today}
	}
	if limit := s.settings.ChildrenPerDay; limit > 0 && count.Count >= limit {
		return false
	}
	count.Count++
	s.created[parent] = count
	return true
}

func (s *Simulator) makeChild(parent *Account, values Fields) *Account {
	fields := initialFields()
	fields["currency"] = parent.Fields["currency"]
	maps.Copy(fields, values)
	return s.insert(Account{ParentID: parent.ID, Fields: fields})
}

// insert adds an account, with an id, an API key and a creation time where it has none.
func (s *Simulator) insert(a Account) *Account {
	if a.ID == 0 {
		a.ID = s.nextID
	}
	// Ids only ever grow, whatever ids the accounts have that were put here.
	if a.ID >= s.nextID {
		s.nextID = a.ID + idStep
	}
	if a.Fields["api_key"] == nil {
		a.Fields["api_key"] = newAPIKey()
	}
	if a.Fields["created"] == nil {
		a.Fields["created"] = s.clock().UTC().Format(timeLayout)
	}
	s.index(&a)
	return &a
}

func (s *Simulator) index(a *Account) {
	s.accounts[a.ID] = a
	s.byName[indexKey(a.Fields["account_name"])] = a
	s.byEmail[indexKey(a.Fields["account_email"])] = a
	if a.ParentID != 0 {
		s.children[a.ParentID] = append(s.children[a.ParentID], a)
	}
}

// newAPIKey has the form of the service's keys, a random UUID.
func newAPIKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
