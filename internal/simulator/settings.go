package simulator

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"
)

// Settings choose between the answers that the documents leave open, and set the limits of the service.
// The zero value is the friendliest service: everything allowed, no limits.
type Settings struct {
	// RequireParentCredentials makes AddAccount refuse (100) a call without a valid parent_account_api_key or
	// parent_account_password beside the parent's id, name or e-mail. Default: a JWT and the right parent_account_id do.
	RequireParentCredentials bool `json:"requireParentCredentials"`
	// NoActAsChild refuses (100) tokens that a parent's key signed for a child's account id.
	NoActAsChild bool `json:"noActAsChild"`
	// MissingRoleCode is the error of a key without the role that a method needs. Default: 100; 104 is as likely.
	MissingRoleCode int `json:"missingRoleCode"`
	// RefuseInactiveChildren answers 131 to calls that run as a child that is not active. Parents always get it.
	RefuseInactiveChildren bool `json:"refuseInactiveChildren"`
	// ChildrenPerDay is how many accounts AddAccount makes for a parent in a UTC day before it answers 397. Default: no limit.
	ChildrenPerDay int `json:"childrenPerDay"`
	// RefuseAll makes GetChildrenAccounts refuse child_account_id=all (194).
	RefuseAll bool `json:"refuseAll"`
	// RefuseUnfiltered makes GetChildrenAccounts refuse a call without id, name and e-mail (485).
	RefuseUnfiltered bool `json:"refuseUnfiltered"`
	// RefuseLongLists makes GetChildrenAccounts refuse more than 1,000 ids (101).
	RefuseLongLists bool `json:"refuseLongLists"`
	// HideChildAPIKeys leaves api_key out of GetChildrenAccounts even where the call has an API key or a password.
	HideChildAPIKeys bool `json:"hideChildAPIKeys"`
	// KeyInList makes CreateKey answer with a list that has the key as its only element, as the vendor's Node.js client has it. Default:
	// the key itself.
	KeyInList bool `json:"keyInList"`
	// HideKeyTotal leaves total_count and count out of GetKeys, as the vendor's Node.js client knows neither.
	HideKeyTotal bool `json:"hideKeyTotal"`
	// PasswordChangeBlocked answers 230 to every change of a password.
	PasswordChangeBlocked bool `json:"passwordChangeBlocked"`
	// ForbidPlanChange answers 379 to every change of a plan.
	ForbidPlanChange bool `json:"forbidPlanChange"`
	// PaymentInProgress answers 516 to every change of a plan.
	PaymentInProgress bool `json:"paymentInProgress"`
	// OfferAllPlans has GetAvailablePlans list all plans, those too that cost no more than the account's own.
	OfferAllPlans bool `json:"offerAllPlans"`
	// ChargePlans takes the fee of a new plan from the account's balance, and answers 127 where that is too low.
	ChargePlans bool `json:"chargePlans"`
	// IgnorePlanChange answers a change of a plan with success, and returns the former plan as before.
	IgnorePlanChange bool `json:"ignorePlanChange"`
	// TwinLanguages stores a language code as its older or newer twin: he as iw, iw as he, and so on.
	TwinLanguages bool `json:"twinLanguages"`
	// ErrorsList answers every error as {"errors": [{...}]} instead of {"error": {...}}.
	ErrorsList bool `json:"errorsList"`
	// RateLimit is how many requests a second an account may make, in bursts of as many, before the answer is 340. Default: no limit.
	RateLimit float64 `json:"rateLimit"`
	// Latency passes before every call runs; JSON "20ms". Default: none.
	Latency time.Duration `json:"latency"`
	// ClockOffset is how far the service's clock is ahead of the simulator's, behind where negative; JSON "2m". It shows in the answers'
	// Date and in what becomes of tokens. Default: none.
	ClockOffset time.Duration `json:"clockOffset"`
	// TokenTimeCode is the error of a token from another time. Default: 455 for one from the future, 456 for one that has expired.
	TokenTimeCode int `json:"tokenTimeCode"`
	// APIAddress is GetAccountInfo's api_address. Default: the host that was asked.
	APIAddress string `json:"apiAddress"`
}

// MarshalJSON writes durations as strings.
func (s Settings) MarshalJSON() ([]byte, error) {
	type plain Settings
	return json.Marshal(struct {
		plain
		Latency     string `json:"latency"`
		ClockOffset string `json:"clockOffset"`
	}{plain(s), s.Latency.String(), s.ClockOffset.String()})
}

// UnmarshalJSON reads over the settings as they are: what the JSON leaves out stays. Unknown names are refused.
func (s *Settings) UnmarshalJSON(data []byte) error {
	type plain Settings
	read := struct {
		*plain
		Latency     string `json:"latency"`
		ClockOffset string `json:"clockOffset"`
	}{plain: (*plain)(s), Latency: s.Latency.String(), ClockOffset: s.ClockOffset.String()}
	if err := decodeStrictly(data, &read); err != nil {
		return err
	}
	latency, err := time.ParseDuration(cmp.Or(read.Latency, "0s"))
	if err != nil {
		return err
	}
	offset, err := time.ParseDuration(cmp.Or(read.ClockOffset, "0s"))
	s.Latency, s.ClockOffset = latency, offset
	return err
}

// Settings returns the settings as they are.
func (s *Simulator) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// serviceTime is the service's time by a clock.
func (s Settings) serviceTime(clock func() time.Time) time.Time { return clock().Add(s.ClockOffset) }

// date is the service's time as in an answer's header.
func (s Settings) date(clock func() time.Time) string {
	return s.serviceTime(clock).UTC().Format(http.TimeFormat)
}

// Update changes the settings; the calls that come after it see all of the change.
func (s *Simulator) Update(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
}

// bucket is a token bucket: a second's worth of requests, filled at the rate.
type bucket struct {
	tokens float64
	filled time.Time
}

// overRate takes one request from the account's bucket and tells whether there was none left.
func (s *Simulator) overRate(account int64) bool {
	rate := s.settings.RateLimit
	if rate <= 0 {
		return false
	}
	now := s.clock()
	b, ok := s.buckets[account]
	if !ok {
		b = &bucket{tokens: max(rate, 1), filled: now}
		s.buckets[account] = b
	}
	b.tokens = min(max(rate, 1), b.tokens+now.Sub(b.filled).Seconds()*rate)
	b.filled = now
	if b.tokens < 1 {
		return true
	}
	b.tokens--
	return false
}
