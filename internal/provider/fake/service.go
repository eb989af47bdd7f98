package fake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Options are the variations. The zero value has ids at creation, claims, passwords and updates of single fields.
type Options struct {
	// FullReplace wants every value of the account in each update, and its password: what is left out is lost. So updates are
	// for one account only.
	FullReplace bool
	// NoID answers a creation without the id.
	NoID bool
	// FoundByEmail finds an account without an id by its e-mail, which can be changed, instead of by its name.
	FoundByEmail bool
	// NoClaims keeps no custom data.
	NoClaims bool
	// NoPasswords has accounts without passwords, API keys and service-account keys.
	NoPasswords bool
	// NoPlans has accounts without plans, and none that can be cloned: only services with claims and passwords have that. ForgetfulPlans accepts a change of a plan and
	// shows the former one.
	NoPlans, ForgetfulPlans bool
	// PageSize is how many accounts a page of the list has; 0: 3.
	PageSize int
	// NamesRepeat makes a second account with the value of the Identity field.
	NamesRepeat bool
	// Hidden is how many reads don't show an account that was just created.
	Hidden int
}

// The methods, as Call.Method and Fault.Method have them.
const (
	MethodSelf          = "Self"
	MethodList          = "List"
	MethodGet           = "Get"
	MethodCreate        = "Create"
	MethodUpdate        = "Update"
	MethodSetPassword   = "SetPassword"
	MethodCheckPassword = "CheckPassword"
	MethodRecoverKey    = "RecoverKey"
	MethodSetCustomData = "SetCustomData"

	MethodCreateServiceKey = "CreateServiceKey"
	MethodServiceKeys      = "ServiceKeys"
	MethodDeleteServiceKey = "DeleteServiceKey"
	MethodPlans            = "Plans"
	MethodPlanOffers       = "PlanOffers"
	MethodChangePlan       = "ChangePlan"
	MethodSetSalt          = "SetCallbackSalt"
	MethodClone            = "Clone"
	MethodUpdateOwn        = "UpdateOwn" // acting as the account itself
)

// Call is a call that came in.
type Call struct {
	Method string
	// IDs are the accounts it was for, Names those that were asked for by name.
	IDs, Names []string
	// Paths are the fields that it changed, in the order of the table.
	Paths []string
	// Failed is the class it was answered with, "" for success.
	Failed account.Class
}

// Fault is what goes wrong with calls.
type Fault struct {
	// Method is which calls; "" for all.
	Method string
	// After is how many of them pass first. Times is how many go wrong then; 0 is one.
	After, Times int
	// Done carries the call out all the same.
	Done bool
	// Error is what the caller gets.
	Error account.Error
}

// LoseAnswer carries the next call of the method out and loses its answer.
func LoseAnswer(method string) Fault {
	return Fault{Method: method, Done: true, Error: account.Error{Class: account.Unavailable, Message: "no answer in time", OutcomeUnknown: true}}
}

// LoseRequest loses the next call of the method on its way: the caller can't tell that from a lost answer.
func LoseRequest(method string) Fault {
	f := LoseAnswer(method)
	f.Done = false
	return f
}

// Refuse answers the next call of the method with an error and does nothing.
func Refuse(method string, class account.Class) Fault {
	return Fault{Method: method, Error: account.Error{Class: class, Message: "refused", Answered: true}}
}

// stored is an account with all its values, hidden ones too.
type stored struct {
	account.Account
	password, key account.Secret
	salt          account.Secret
	former        []account.Secret
	hidden        int
	// serviceKeys are in the order of their creation.
	serviceKeys []provider.ServiceKey
	plans       map[string]account.Plan
	parts       Parts
}

// Service is the provider's side: its accounts, what was called, and what goes wrong. It is safe for concurrent use.
type Service struct {
	options Options
	schema  account.Schema

	mu       sync.Mutex
	accounts map[string]*stored
	last     int
	calls    []Call
	faults   []*Fault
	during   map[string]func()
}

// New makes a service without accounts.
func New(o Options) *Service {
	if o.PageSize == 0 {
		o.PageSize = 3
	}
	return &Service{options: o, schema: o.schema(), accounts: map[string]*stored{}, during: map[string]func(){}}
}

// Fields is the field table.
func (s *Service) Fields() account.Schema { return s.schema }

// Add has a fault happen, after those that were added before.
func (s *Service) Add(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// Heal takes all faults away.
func (s *Service) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// During has something happen elsewhere while the next call of the method is carried out. It must not call the Service.
func During(s *Service, method string, happens func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.during[method] = happens
}

// Calls are those that came in so far.
func (s *Service) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count is how many calls of the method came in.
func (s *Service) Count(method string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

// Put adds an account that nobody has created, and returns its id.
func (s *Service) Put(name string, state account.State, customData string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(name, state, customData).ID
}

func (s *Service) put(name string, state account.State, customData string) *stored {
	s.last++
	values := account.State{PathOpened: fmt.Sprintf("day %d", s.last), PathBarred: "false", PathEnabled: "false", PathCredit: "0", PathTongue: "en", PathRegion: "north"}
	a := &stored{
		Account: account.Account{ID: strconv.Itoa(s.last), CustomData: customData, State: values.With(state)},
		key:     account.Secret(fmt.Sprintf("key-of-%d", s.last)),
	}
	a.State[s.schema.Identity().Path] = name
	s.accounts[a.ID] = a
	return a
}

// Set changes a value behind everybody's back.
func (s *Service) Set(id, path, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[id].State[path] = value
}

// Remove takes an account away.
func (s *Service) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accounts, id)
}

// Hide has the next reads not show an account; 0 shows it again.
func Hide(s *Service, id string, reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[id].hidden = reads
}

// Account is an account with all its values, hidden ones too; false where there is none.
func (s *Service) Account(id string) (account.Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[id]
	if !ok {
		return account.Account{}, false
	}
	out := a.Account
	out.Name = s.nameOf(a)
	out.State = maps.Clone(a.State)
	if f, ok := s.schema.Marked(account.MarkCustomData); ok && a.CustomData != "" {
		out.State[f.Path] = a.CustomData
	}
	return out, true
}

// Accounts are the ids of all accounts, in order.
func (s *Service) Accounts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids()
}

// Password is the account's password.
func (s *Service) Password(id string) account.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[id].password
}

// SaltOf is the salt of the account's callbacks.
func SaltOf(s *Service, id string) account.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[id].salt
}

func (s *Service) ids() []string {
	return slices.SortedFunc(maps.Keys(s.accounts), func(a, b string) int { return number(a) - number(b) })
}

func number(id string) int {
	n, _ := strconv.Atoi(id)
	return n
}

func (s *Service) nameOf(a *stored) string { return a.State[s.schema.Identity().Path] }

// byName are the accounts of a name, by id.
func (s *Service) byName(name string) (found []*stored) {
	f := s.schema.Identity()
	for _, id := range s.ids() {
		if a := s.accounts[id]; f.Normal(s.nameOf(a)) == f.Normal(name) {
			found = append(found, a)
		}
	}
	return found
}

// show is an account as reads show it; false where they don't yet.
func (s *Service) show(a *stored) (account.Account, bool) {
	if a.hidden > 0 {
		a.hidden--
		return account.Account{}, false
	}
	out := account.Account{ID: a.ID, Name: s.nameOf(a), State: account.State{}}
	if !s.options.NoClaims {
		out.CustomData = a.CustomData
	}
	for _, f := range s.schema {
		if v, ok := a.State[f.Path]; ok && f.Readable && !f.NameOnly() {
			out.State[f.Path] = f.Normal(v)
		}
		if f.Mark == account.MarkCustomData && a.CustomData != "" {
			out.State[f.Path] = a.CustomData
		}
	}
	return out, true
}

// fault takes the fault of a call, nil where none is left.
func (s *Service) fault(method string) *Fault {
	for i, f := range s.faults {
		if f.Method != "" && f.Method != method {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

// serve takes a call in, does what it asks for unless a fault is in the way, and answers.
func (s *Service) serve(c Call, write bool, do func() *account.Error) *account.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if happens := s.during[c.Method]; happens != nil {
		delete(s.during, c.Method)
		happens()
	}
	f := s.fault(c.Method)
	var err *account.Error
	if f == nil || f.Done {
		err = do()
	}
	if f != nil && err == nil {
		failed := f.Error
		failed.OutcomeUnknown = failed.OutcomeUnknown && write
		err = &failed
	}
	if err != nil {
		err.Method = c.Method
		c.Failed = err.Class
	}
	s.calls = append(s.calls, c)
	return err
}

// Remote is a connection to the service without a gate.
func (s *Service) Remote() provider.Parent { return s.connect(nil) }

// Connect implements provider.Connect. Any credentials are good.
func (s *Service) Connect(c provider.Connection) (provider.Parent, error) {
	return s.connect(c.Gate), nil
}

// connect is a Remote with the interfaces that the options leave it.
func (s *Service) connect(g provider.Gate) provider.Parent {
	r := &remote{service: s, gate: g}
	claims, passwords := !s.options.NoClaims, !s.options.NoPasswords
	switch {
	case claims && passwords && !s.options.NoPlans:
		return struct {
			*remote
			claimer
			passworder
			planner
			cloner
		}{r, claimer{r}, passworder{r}, planner{r}, cloner{r}}
	case claims && passwords:
		return struct {
			*remote
			claimer
			passworder
		}{r, claimer{r}, passworder{r}}
	case claims:
		return struct {
			*remote
			claimer
		}{r, claimer{r}}
	case passwords:
		return struct {
			*remote
			passworder
		}{r, passworder{r}}
	}
	return r
}
