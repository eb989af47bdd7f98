// Package simulator is a stateful simulator of two providers' APIs, the Voximplant Management API (Simulator) and the 2sms admin API
// (TwoSMS): the methods for accounts with their rules, errors and authentication, and faults on demand. It is strict where the vendors'
// documents are definite, so that a client's mistake shows, and has a setting where they leave a question open.
//
// It serves the APIs under /platform_api and /2sms, and a control API under /_simulator; the control API hands out credentials,
// so a simulator must never be reachable by anybody but its user.
package simulator

import (
	"crypto/rsa"
	"log/slog"
	"sync"
	"time"
)

// Options are what a simulator is made with. The zero value is a simulator in memory with the defaults.
type Options struct {
	// Settings at the start; see Simulator.Update.
	Settings Settings
	// Clock tells the time for tokens, the daily and the rate limit, and time stamps. Default: time.Now.
	// Delays always run in real time.
	Clock func() time.Time
	// Key is used for every service-account key made. Default: each gets a new one of 2048 bits, which takes a while.
	Key *rsa.PrivateKey
	// StateFile keeps accounts and keys: loaded if it exists, written after each change. Default: in memory only.
	StateFile string
	// MaxCalls is how many calls the log keeps, the newest ones. Default: 10,000. The counters count all.
	MaxCalls int
	// KeepWire makes the log keep Call.Wire too, for tests that compare clients.
	KeepWire bool
	// Logger hears of a state file that cannot be written. Default: nobody does.
	Logger *slog.Logger
}

// Simulator is one simulated service. All its methods may be called at any time from any goroutine.
type Simulator struct {
	// TwoSMS is the other provider's service. It is empty until a master account is added.
	TwoSMS *TwoSMS

	clock     func() time.Time
	stateFile string
	keepWire  bool
	logger    *slog.Logger
	calls     *callLog

	// mu guards everything below; a method of the API runs as a whole under it.
	mu       sync.Mutex
	settings Settings
	key      *rsa.PrivateKey
	nextID   int64
	accounts map[int64]*Account
	children map[int64][]*Account
	byName   map[string]*Account
	byEmail  map[string]*Account
	keys     map[string]*serviceKey
	plans    accountPlans
	parts    map[int64]Parts
	created  map[int64]dayCount
	buckets  map[int64]*bucket
	faults   faultList
}

// dayCount is how many children AddAccount made for a parent on a day (UTC).
type dayCount struct {
	Day   string `json:"day"`
	Count int    `json:"count"`
}

const (
	// Above 2^32, so that a client that keeps ids in 32 bits shows.
	firstID = 5_000_000_011
	// Not 1, so that an id is never mistaken for an index.
	idStep = 7

	defaultMaxCalls = 10_000
)

// New makes a simulator. It panics where Open would return an error, which needs a StateFile that cannot be used.
func New(options Options) *Simulator {
	s, err := Open(options)
	if err != nil {
		panic(err)
	}
	return s
}

// Open makes a simulator and loads its state file, if there is one.
func Open(options Options) (*Simulator, error) {
	s := &Simulator{
		clock:     options.Clock,
		stateFile: options.StateFile,
		keepWire:  options.KeepWire,
		logger:    options.Logger,
		settings:  options.Settings,
		key:       options.Key,
		nextID:    firstID,
		accounts:  map[int64]*Account{},
		children:  map[int64][]*Account{},
		byName:    map[string]*Account{},
		byEmail:   map[string]*Account{},
		keys:      map[string]*serviceKey{},
		plans:     accountPlans{},
		parts:     map[int64]Parts{},
		created:   map[int64]dayCount{},
		buckets:   map[int64]*bucket{},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if options.MaxCalls <= 0 {
		options.MaxCalls = defaultMaxCalls
	}
	s.calls = newCallLog(options.MaxCalls)
	s.TwoSMS = newTwoSMS(s, options.MaxCalls)
	if s.stateFile == "" {
		return s, nil
	}
	return s, s.load()
}
