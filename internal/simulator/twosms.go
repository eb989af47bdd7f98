package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// TwoSMSPath is where the 2sms admin API is served: its base URL is the server's URL with this path.
const TwoSMSPath = "/2sms"

// The methods of the 2sms admin API, as Call.Method and Fault.Method have them.
const (
	TwoSMSToken  = "POST Token"
	TwoSMSList   = "GET accounts"
	TwoSMSCreate = "POST accounts"
	TwoSMSUpdate = "PUT children"
)

// TwoSMS is the simulated 2sms admin API: tokens for client credentials, a master account's list, the creation of a sub-account and the
// update that replaces all of it. Its methods may be called at any time from any goroutine.
type TwoSMS struct {
	sim   *Simulator // its clock and state file, and mu, which guards everything below calls
	calls *callLog

	settings TwoSMSSettings
	masters  map[string]*Master
	accounts map[string]*SubAccount
	tokens   map[string]accessToken
	faults   faultList
}

// Master is a master account, which has sub-accounts.
type Master struct {
	// ID is its guid. Default: a random one.
	ID string `json:"id"`
	// CompanyName and Email are the account's; both are required.
	CompanyName string `json:"companyName"`
	Email       string `json:"email"`
	// ClientID and ClientSecret get tokens for it. Defaults: random ones.
	ClientID     string `json:"clientID,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
}

// String and GoString leave the secret out.
func (m Master) String() string { return fmt.Sprintf("master account %s %s", m.ID, m.CompanyName) }

// GoString is String.
func (m Master) GoString() string { return m.String() }

// SubAccount is an account under a master.
type SubAccount struct {
	// ID is its guid. Default: a random one.
	ID string `json:"id"`
	// MasterID is the master account's.
	MasterID string `json:"masterID"`
	// Values are what was written, by the names of the body's members, the password too; a value that an update left out is not there.
	// Printed in any way, the password is masked.
	Values Params `json:"values"`
	// Created is when it was made.
	Created time.Time `json:"created"`
}

func (a *SubAccount) clone() SubAccount {
	out := *a
	out.Values = maps.Clone(a.Values)
	return out
}

// accessToken is what a token is good for.
type accessToken struct {
	master  string
	expires time.Time
}

// bodyMember is a member of a body.
type bodyMember struct {
	name     string
	required bool // at creation
	changed  bool // by an update, which replaces it
}

// bodyMembers are those of a creation; an update has those that it changes, and ID.
var bodyMembers = []bodyMember{
	{"Email", true, true},
	{"Username", true, true},
	{"Firstname", true, true},
	{"Lastname", true, true},
	{"Password", true, true},
	{"CompanyName", false, true},
	{"MobilePhone", false, true},
	{"Address", false, false},
	{"LanguageID", false, false},
	{"TimeZone", false, false},
	{"TimeZoneInJavaFormat", false, false},
	{"WebSite", false, false},
}

func isMember(name string) bool {
	return slices.ContainsFunc(bodyMembers, func(m bodyMember) bool { return m.name == name })
}

var (
	guid      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	phoneText = regexp.MustCompile(`^\+?[0-9 ()-]{5,20}$`)
)

// isPhone is the documented rule: at least five digits, an optional leading +, 5 to 20 characters of digits, blanks, hyphens, brackets.
func isPhone(text string) bool {
	count := 0
	for _, c := range text {
		if '0' <= c && c <= '9' {
			count++
		}
	}
	return phoneText.MatchString(text) && len(text) <= 20 && count >= 5
}

func newTwoSMS(sim *Simulator, maxCalls int) *TwoSMS {
	return &TwoSMS{
		sim: sim, calls: newCallLog(maxCalls),
		masters: map[string]*Master{}, accounts: map[string]*SubAccount{}, tokens: map[string]accessToken{},
	}
}

// AddMaster adds a master account and returns it with its guid and credentials. It panics if that can't be.
func (t *TwoSMS) AddMaster(m Master) Master {
	added, err := addMaster(t, m)
	if err != nil {
		panic(err)
	}
	return added
}

func addMaster(t *TwoSMS, m Master) (Master, error) {
	m.ID = cmp.Or(strings.ToLower(m.ID), newAPIKey())
	m.ClientID, m.ClientSecret = cmp.Or(m.ClientID, newAPIKey()), cmp.Or(m.ClientSecret, newPassword())
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	switch {
	case m.CompanyName == "" || m.Email == "":
		return Master{}, errors.New("a master account needs companyName and email")
	case !guid.MatchString(m.ID):
		return Master{}, fmt.Errorf("the id %q is no guid", m.ID)
	case t.masters[m.ID] != nil || t.accounts[m.ID] != nil:
		return Master{}, fmt.Errorf("account %s exists", m.ID)
	}
	for _, other := range t.masters {
		if other.ClientID == m.ClientID {
			return Master{}, fmt.Errorf("client id %q is taken", m.ClientID)
		}
	}
	t.masters[m.ID] = &m
	t.sim.save()
	return m, nil
}

// PutAccount adds a sub-account that exists already, whatever the rules for new ones. It panics if the guid is taken, the master unknown, or
// a value is none.
func (t *TwoSMS) PutAccount(a SubAccount) SubAccount {
	added, err := putSubAccount(t, a)
	if err != nil {
		panic(err)
	}
	return added
}

func putSubAccount(t *TwoSMS, a SubAccount) (SubAccount, error) {
	a.ID = cmp.Or(strings.ToLower(a.ID), newAPIKey())
	for name := range a.Values {
		if !isMember(name) {
			return SubAccount{}, fmt.Errorf("a sub-account has no %q", name)
		}
	}
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	switch {
	case !guid.MatchString(a.ID):
		return SubAccount{}, fmt.Errorf("the id %q is no guid", a.ID)
	case t.masters[a.ID] != nil || t.accounts[a.ID] != nil:
		return SubAccount{}, fmt.Errorf("account %s exists", a.ID)
	case t.masters[a.MasterID] == nil:
		return SubAccount{}, fmt.Errorf("no master account %s", a.MasterID)
	}
	insertSubAccount(t, &a)
	t.sim.save()
	return a.clone(), nil
}

// insertSubAccount adds an account. The caller holds the lock.
func insertSubAccount(t *TwoSMS, a *SubAccount) {
	if a.Created.IsZero() {
		a.Created = t.sim.clock().UTC()
	}
	a.Values = maps.Clone(a.Values)
	if a.Values == nil {
		a.Values = Params{}
	}
	t.accounts[a.ID] = a
}

// Account returns the sub-account of this guid.
func (t *TwoSMS) Account(id string) (SubAccount, bool) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	a := t.accounts[id]
	if a == nil {
		return SubAccount{}, false
	}
	return a.clone(), true
}

// Accounts returns the sub-accounts of a master, or of all for "", in the order in which the API lists them.
func (t *TwoSMS) Accounts(masterID string) []SubAccount {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	out := []SubAccount{}
	for _, a := range subAccountsOf(t, masterID) {
		out = append(out, a.clone())
	}
	return out
}

// subAccountsOf are the sub-accounts of a master, or all for "", by company name. The caller holds the lock.
func subAccountsOf(t *TwoSMS, masterID string) []*SubAccount {
	list := slices.Collect(maps.Values(t.accounts))
	list = slices.DeleteFunc(list, func(a *SubAccount) bool { return masterID != "" && a.MasterID != masterID })
	slices.SortFunc(list, func(a, b *SubAccount) int {
		return cmp.Or(cmp.Compare(a.Values["CompanyName"], b.Values["CompanyName"]), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// SetValue changes a value behind everybody's back, by the name of the body's member; "" unsets it.
func (t *TwoSMS) SetValue(id, name, value string) error {
	return setSubAccountValues(t, id, map[string]string{name: value})
}

// setSubAccountValues changes all of the values or none.
func setSubAccountValues(t *TwoSMS, id string, values map[string]string) error {
	for name := range values {
		if !isMember(name) {
			return fmt.Errorf("a sub-account has no %q", name)
		}
	}
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	a := t.accounts[id]
	if a == nil {
		return notFound("account " + id)
	}
	maps.Copy(a.Values, values)
	maps.DeleteFunc(a.Values, func(_, v string) bool { return v == "" })
	t.sim.save()
	return nil
}

// Remove makes a sub-account go, and tells whether it was there.
func (t *TwoSMS) Remove(id string) bool {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	there := t.accounts[id] != nil
	delete(t.accounts, id)
	t.sim.save()
	return there
}

// RevokeTokens makes all tokens that were issued so far invalid, and returns how many were valid.
func (t *TwoSMS) RevokeTokens() int {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	n := 0
	for _, token := range t.tokens {
		if t.sim.clock().Before(token.expires) {
			n++
		}
	}
	clear(t.tokens)
	return n
}

// AddFault makes something go wrong from now on, and returns the id to remove it by. It panics if the fault lacks what its kind needs.
func (t *TwoSMS) AddFault(f Fault) int {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return mustAdd(&t.faults, f)
}

// ClearFaults removes all faults.
func (t *TwoSMS) ClearFaults() {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.faults.armed = nil
}

// Calls returns the newest calls, oldest first.
func (t *TwoSMS) Calls() []Call { return t.calls.newest() }

// Counts returns how many calls each method had.
func (t *TwoSMS) Counts() map[string]int { return t.calls.count().Methods }

// ResetCalls empties the log and sets the counters to nothing.
func (t *TwoSMS) ResetCalls() { t.calls.reset() }

// Settings returns the settings as they are.
func (t *TwoSMS) Settings() TwoSMSSettings {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.settings
}

// Update changes the settings; the calls that come after it see all of the change.
func (t *TwoSMS) Update(change func(*TwoSMSSettings)) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	change(&t.settings)
}

// twoSMSState is what the state file keeps: everything but settings, faults, tokens and the log, secrets in the clear.
type twoSMSState struct {
	Masters  []Master          `json:"masters"`
	Accounts []savedSubAccount `json:"accounts"`
}

// savedSubAccount is a SubAccount whose values are written as they are.
type savedSubAccount struct {
	SubAccount
	Values map[string]string `json:"values"`
}

// savedTwoSMS is what the state file gets, nil where there is nothing. The caller holds the lock.
func savedTwoSMS(t *TwoSMS) *twoSMSState {
	if len(t.masters) == 0 {
		return nil
	}
	out := &twoSMSState{}
	for _, id := range slices.Sorted(maps.Keys(t.masters)) {
		out.Masters = append(out.Masters, *t.masters[id])
	}
	for _, a := range subAccountsOf(t, "") {
		out.Accounts = append(out.Accounts, savedSubAccount{*a, a.Values})
	}
	return out
}

func restoreTwoSMS(t *TwoSMS, file *twoSMSState) {
	if file == nil {
		return
	}
	for _, m := range file.Masters {
		t.masters[m.ID] = &m
	}
	for _, saved := range file.Accounts {
		a := saved.SubAccount
		a.Values = saved.Values
		insertSubAccount(t, &a)
	}
}
