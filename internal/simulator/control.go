package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Parent is an account that can have children.
type Parent struct {
	// ID is the account_id. Default: the next one.
	ID int64 `json:"id"`
	// Name and Email are the account's; they must be free.
	Name  string `json:"name"`
	Email string `json:"email"`
	// APIKey is the api_key. Default: a random one.
	APIKey string `json:"apiKey,omitempty"`
	// Password is the account's password. Default: a random one.
	Password string `json:"password,omitempty"`
	// Currency is what its children have too. Default: USD.
	Currency string `json:"currency,omitempty"`
	// ChildrenDisabled: the service has not enabled child accounts for it, AddAccount answers 104.
	ChildrenDisabled bool `json:"childrenDisabled,omitempty"`
	// Inactive: the account is deactivated, every call answers 131.
	Inactive bool `json:"inactive,omitempty"`
}

// String and GoString leave the API key and the password out.
func (p Parent) String() string { return fmt.Sprintf("parent %d %s <%s>", p.ID, p.Name, p.Email) }

// GoString is String.
func (p Parent) GoString() string { return p.String() }

// AddParent adds a parent account and returns it with its id, API key and password.
// It panics if the name or the e-mail is taken.
func (s *Simulator) AddParent(p Parent) Parent {
	added, err := s.addParent(p)
	if err != nil {
		panic(err)
	}
	return added
}

func (s *Simulator) addParent(p Parent) (Parent, error) {
	if p.Name == "" || p.Email == "" {
		return Parent{}, errors.New("a parent needs a name and an e-mail")
	}
	p.APIKey = cmp.Or(p.APIKey, newAPIKey())
	p.Password = cmp.Or(p.Password, newPassword())
	p.Currency = cmp.Or(p.Currency, "USD")
	a, err := s.put(Account{ID: p.ID, Fields: Fields{
		"account_name": p.Name, "account_email": p.Email, "api_key": p.APIKey, "account_password": p.Password,
		"currency": p.Currency, "active": !p.Inactive, childrenEnabled: !p.ChildrenDisabled,
	}})
	p.ID = a.ID
	return p, err
}

// newPassword meets the rules for passwords.
func newPassword() string { return "Aa1!" + newAPIKey() }

// AddStranger adds an account that belongs to nobody here, so that its name and e-mail are taken.
// It panics if they already are.
func (s *Simulator) AddStranger(name, email string) Account {
	return s.PutAccount(Account{Fields: Fields{"account_name": name, "account_email": email, "active": true}})
}

// PutAccount adds an account that exists already, whatever the rules for new ones: a child of the ParentID, with these
// fields over those of a new account. ID, api_key and created are made up where they are not given.
// It panics if the id, the name or the e-mail is taken, or a field is none.
func (s *Simulator) PutAccount(a Account) Account {
	added, err := s.put(a)
	if err != nil {
		panic(err)
	}
	return added
}

func (s *Simulator) put(a Account) (Account, error) {
	fields, err := coerceAll(a.Fields)
	if err != nil {
		return Account{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayPut(a); err != nil {
		return Account{}, err
	}
	a.Fields = initialFields()
	maps.Copy(a.Fields, fields)
	maps.DeleteFunc(a.Fields, func(_ string, value any) bool { return value == nil })
	added := s.insert(a)
	s.save()
	return added.clone(), nil
}

func (s *Simulator) mayPut(a Account) error {
	switch {
	case s.accounts[a.ID] != nil:
		return fmt.Errorf("account %d exists", a.ID)
	case a.ParentID != 0 && s.accounts[a.ParentID] == nil:
		return fmt.Errorf("no parent account %d", a.ParentID)
	case a.Name() == "" || s.byName[indexKey(a.Name())] != nil:
		return fmt.Errorf("account name %q is empty or taken", a.Name())
	case a.Email() == "" || s.byEmail[indexKey(a.Email())] != nil:
		return fmt.Errorf("account e-mail %q is empty or taken", a.Email())
	}
	return nil
}

func coerceAll(values map[string]any) (Fields, error) {
	fields := Fields{}
	for name, value := range values {
		typed, err := coerce(name, value)
		if err != nil {
			return nil, err
		}
		fields[name] = typed
	}
	return fields, nil
}

// Account returns the account of this name.
func (s *Simulator) Account(name string) (Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyOf(s.byName[indexKey(name)])
}

// AccountByID returns the account of this id.
func (s *Simulator) AccountByID(id int64) (Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyOf(s.accounts[id])
}

func copyOf(a *Account) (Account, bool) {
	if a == nil {
		return Account{}, false
	}
	return a.clone(), true
}

// Accounts returns the children of a parent by id; for 0, all accounts there are, parents and strangers too.
func (s *Simulator) Accounts(parentID int64) []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.children[parentID]
	if parentID == 0 {
		list = slices.Collect(maps.Values(s.accounts))
	}
	accounts := make([]Account, len(list))
	for i, a := range list {
		accounts[i] = a.clone()
	}
	slices.SortFunc(accounts, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	return accounts
}

// SetField changes a value behind everybody's back, by its wire name; nil unsets it. Also account_password,
// can_use_restricted, store_inbound_sms, store_outbound_sms, and children_enabled of a parent.
func (s *Simulator) SetField(id int64, wireName string, value any) error {
	return s.setFields(id, Fields{wireName: value})
}

// setFields changes all of the fields or none.
func (s *Simulator) setFields(id int64, values map[string]any) error {
	fields, err := coerceAll(values)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[id]
	if a == nil {
		return notFound(fmt.Sprintf("account %d", id))
	}
	if err := s.maySet(a, fields); err != nil {
		return err
	}
	for name, value := range fields {
		s.set(a, name, value)
	}
	s.save()
	return nil
}

func (s *Simulator) maySet(a *Account, fields Fields) error {
	for name, index := range map[string]map[string]*Account{"account_name": s.byName, "account_email": s.byEmail} {
		value, given := fields[name]
		if !given {
			continue
		}
		if holder := index[indexKey(value)]; value == nil || value == "" || holder != nil && holder != a {
			return fmt.Errorf("%s %q is empty or taken", name, value)
		}
	}
	return nil
}

// Freeze blocks the account, as the provider's admins do.
func (s *Simulator) Freeze(id int64) error { return s.SetField(id, "frozen", true) }

// Unfreeze lifts the block.
func (s *Simulator) Unfreeze(id int64) error { return s.SetField(id, "frozen", false) }

// Remove makes an account go, along with its keys and its children, and tells whether it was there.
func (s *Simulator) Remove(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[id]
	if a == nil {
		return false
	}
	for _, child := range slices.Clone(s.children[id]) {
		s.remove(child)
	}
	s.remove(a)
	s.save()
	return true
}

func (s *Simulator) remove(a *Account) {
	delete(s.accounts, a.ID)
	delete(s.byName, indexKey(a.Fields["account_name"]))
	delete(s.byEmail, indexKey(a.Fields["account_email"]))
	delete(s.children, a.ID)
	delete(s.plans, a.ID)
	delete(s.parts, a.ID)
	s.children[a.ParentID] = slices.DeleteFunc(s.children[a.ParentID], func(b *Account) bool { return a == b })
	maps.DeleteFunc(s.keys, func(_ string, key *serviceKey) bool { return key.AccountID == a.ID })
}

// CheckPassword tells whether this is the account's password.
func (s *Simulator) CheckPassword(id int64, password string) bool {
	a, ok := s.AccountByID(id)
	return ok && password != "" && a.Text("account_password") == password
}
