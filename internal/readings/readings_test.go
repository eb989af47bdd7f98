package readings

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// remote is a provider that answers what a test says, and notes what it was asked for.
type remote struct {
	provider.Remote
	asked   []string
	refused map[Capability]error
	states  map[string]account.VerificationState
	balance float64
}

func (r *remote) ask(c Capability) error {
	r.asked = append(r.asked, string(c))
	return r.refused[c]
}

func (r *remote) Verifications(context.Context) (map[string][]account.Verification, error) {
	if err := r.ask(Verification); err != nil {
		return nil, err
	}
	out := map[string][]account.Verification{}
	for id, state := range r.states {
		out[id] = []account.Verification{{Name: "DE", Status: state.String(), State: state}}
	}
	return out, nil
}

func (r *remote) Balance(context.Context) (account.Balance, error) {
	return account.Balance{Amount: r.balance, Currency: "EUR"}, r.ask(Balance)
}

func (r *remote) AmountToCharge(context.Context) (account.Charge, error) {
	return account.Charge{Amount: 20, Minimum: 10}, r.ask(AmountToCharge)
}

func (r *remote) ExchangeRates(context.Context) (map[string]float64, error) {
	return map[string]float64{"EUR": 0.9}, r.ask(ExchangeRates)
}

// fixture is a Store with a ParentAccount.
type fixture struct {
	*Store
	*remote
	t     *testing.T
	clock *clocktesting.FakeClock
	from  Source
}

var (
	key        = types.NamespacedName{Namespace: "telephony", Name: "acme"}
	everything = Options{Verifications: true, Money: true}
	missing    = &account.Error{Class: account.RoleMissing, Method: "Read", Message: "Authorization failed", Code: 100, Answered: true}
	outage     = &account.Error{Class: account.Unavailable, Message: "no answer"}
)

func newFixture(t *testing.T, options Options) *fixture {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC))
	r := &remote{refused: map[Capability]error{}, states: map[string]account.VerificationState{"1": account.VerificationRequired}, balance: 5}
	return &fixture{New(options, clock), r, t, clock, Source{
		Key: key, AccountID: "7", Connection: "first", Remote: r, Balance: &account.Balance{Amount: 4, Currency: "EUR"},
		Has: func(id string) bool { return id != "gone" },
	}}
}

// list has the list be read, and then what is due beside it; it returns what was asked for.
func (f *fixture) list(after time.Duration) string {
	f.t.Helper()
	f.clock.Step(after)
	f.from.ListedAt = f.clock.Now()
	return f.again(0)
}

// again has what is due be read without a new list.
func (f *fixture) again(after time.Duration) string {
	f.t.Helper()
	f.clock.Step(after)
	f.asked = nil
	f.Read(context.Background(), f.from)
	return strings.Join(f.asked, " ")
}

func (f *fixture) want(what, got, want string) {
	f.t.Helper()
	if got != want {
		f.t.Errorf("%s: asked for %q, want %q", what, got, want)
	}
}

func TestNothingIsReadUnlessAnOptionSaysSo(t *testing.T) {
	f := newFixture(t, Options{})
	f.want("without options", f.list(time.Hour), "")
	if f.Remembers(key) {
		t.Error("something is remembered")
	}
	if refusals, settled := f.Refusals(key); refusals != nil || !settled {
		t.Error("a condition of an earlier option would stay")
	}
	f = newFixture(t, Options{Verifications: true})
	f.want("verifications", f.list(time.Hour), "Verification")
	f = newFixture(t, Options{Money: true})
	f.want("money", f.list(time.Hour), "AmountToCharge ExchangeRates")
	f = newFixture(t, everything)
	f.from.Remote = nil // of a provider that has neither
	f.want("a provider without", f.list(time.Hour), "")
	var none *Store
	none.Read(context.Background(), f.from)
	none.Forget(key)
}

func TestVerificationsAreReadOnceForEachOwnList(t *testing.T) {
	f := newFixture(t, Options{Verifications: true})
	f.want("before any list", f.again(time.Hour), "")
	f.want("a list", f.list(time.Minute), "Verification")
	f.want("no new list", f.again(time.Hour), "")
	f.want("a list", f.list(time.Minute), "Verification")
	f.refused[Verification] = outage
	f.want("a list amid an outage", f.list(time.Minute), "Verification")
	f.want("no new list", f.again(time.Hour), "")
	if _, _, known := f.VerificationsOf(key, "1"); !known {
		t.Error("an outage makes verifications unknown")
	}
	f.want("the next list", f.list(time.Minute), "Verification")
	for range 2 * answersUntilNone {
		f.list(time.Minute)
	}
	if list, _, known := f.VerificationsOf(key, "1"); !known || len(list) != 1 {
		t.Error("lists amid an outage take verifications away")
	}
}

func TestMoneyIsAtMostTwoCallsAnHour(t *testing.T) {
	f := newFixture(t, Options{Money: true})
	var calls []time.Time
	asked := map[string]int{}
	for range 72 * 12 { // three days of lists every five minutes
		for range strings.Fields(f.list(5 * time.Minute)) {
			calls = append(calls, f.clock.Now())
		}
		for _, c := range f.asked {
			asked[c]++
		}
	}
	for i, at := range calls {
		if i >= 2 && at.Sub(calls[i-2]) < time.Hour {
			t.Fatalf("three calls within %s", at.Sub(calls[i-2]))
		}
	}
	if asked["Balance"] < 65 || asked["AmountToCharge"] < 65 || asked["ExchangeRates"] != 3 {
		t.Errorf("in three days: %v", asked)
	}
}

func TestMoneyIsReadWithoutALongIntervalsList(t *testing.T) {
	f := newFixture(t, Options{Money: true})
	f.list(0)
	if got := f.Read(context.Background(), f.from).Next; got <= 0 || got > time.Hour {
		t.Errorf("the next read is in %s", got)
	}
	f.want("an hour later", f.again(time.Hour), "Balance AmountToCharge")
}

func TestMoneyOf(t *testing.T) {
	f := newFixture(t, Options{Money: true})
	f.list(0)
	if m, read := f.MoneyOf(key); !read || m.Balance.Amount != 4 || m.Currency != "EUR" || m.Charge.Minimum != 10 || m.Rates["EUR"] != 0.9 {
		t.Errorf("at first %+v", m)
	}
	f.again(time.Hour)
	if m, _ := f.MoneyOf(key); m.Balance.Amount != 5 {
		t.Errorf("an hour later %+v", m)
	}
	f.refused[Balance], f.refused[AmountToCharge] = outage, outage
	f.again(2 * time.Hour)
	if m, _ := f.MoneyOf(key); m.Balance == nil || m.Charge == nil {
		t.Errorf("amid an outage %+v", m)
	}
	f.again(time.Hour)
	if m, _ := f.MoneyOf(key); m.Balance != nil || m.Charge != nil || m.Rates == nil || m.Currency != "EUR" {
		t.Errorf("what is three hours old is still there: %+v", m)
	}
	f.from.AccountID = "8" // another account: nothing of the first may show
	f.from.Balance = nil
	f.refused[ExchangeRates] = outage
	f.again(0)
	if m, _ := f.MoneyOf(key); m.Rates != nil || m.Currency != "" {
		t.Errorf("of another account: %+v", m)
	}
}

func TestARefusedCapabilityIsReportedAndNotTriedWithEachList(t *testing.T) {
	f := newFixture(t, everything)
	f.refused[Verification], f.refused[AmountToCharge] = missing, missing
	if _, settled := f.Refusals(key); settled {
		t.Error("it is settled before anything was read")
	}
	f.list(0)
	refusals, settled := f.Refusals(key)
	if len(refusals) != 2 || !settled {
		t.Fatalf("%v, %v", refusals, settled)
	}
	text := Message(refusals)
	for _, part := range []string{verification.about, money[1].about, "Authorization failed (code 100)"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
	if got := fmt.Sprint(f.Granted(key)); got != "map[AmountToCharge:false Balance:true ExchangeRates:true Verification:false]" {
		t.Error(got)
	}
	for range 22 {
		f.want("a list later", strings.Join(slices.DeleteFunc(strings.Fields(f.list(time.Hour)), func(c string) bool { return c == "Balance" }), " "), "")
	}
	f.from.Requested = "now"
	f.want("a requested reconcile", f.list(time.Minute), "Verification AmountToCharge")
	f.from.Connection = "second"
	f.want("other credentials", f.list(time.Minute), "Verification AmountToCharge")
	delete(f.refused, Verification)
	delete(f.refused, AmountToCharge)
	f.want("before a day is over", f.list(time.Minute), "")
	f.clock.Step(24 * time.Hour)
	f.from.ListedAt = f.clock.Now()
	if changed := f.Read(context.Background(), f.from); !changed.Refusals || !changed.Accounts {
		t.Errorf("a day later: %+v", changed)
	}
	f.again(time.Hour) // of three that were due, two were read
	if refusals, settled := f.Refusals(key); len(refusals) != 0 || !settled || Message(refusals) != "" {
		t.Errorf("%v", refusals)
	}
}

// An outage while a refusal is tried again does not put the next try off.
func TestARefusalThatCouldNotBeTriedAgain(t *testing.T) {
	f := newFixture(t, Options{Verifications: true})
	f.refused[Verification] = missing
	f.list(0)
	f.refused[Verification] = errors.New("cut off")
	f.from.Requested = "now"
	f.want("a requested reconcile", f.list(time.Minute), "Verification")
	f.want("the next list", f.list(time.Minute), "Verification")
	if refusals, _ := f.Refusals(key); len(refusals) != 1 {
		t.Errorf("%v: an outage grants nothing", refusals)
	}
}

func TestVerificationsAreThoseOfListedAccounts(t *testing.T) {
	f := newFixture(t, Options{Verifications: true})
	state := func(id string) string {
		list, _, known := f.VerificationsOf(key, id)
		if !known {
			return "unknown"
		}
		if len(list) == 0 {
			return "none"
		}
		return list[0].Status
	}
	step := func(what string, states map[string]account.VerificationState, changed bool, want string) {
		t.Helper()
		f.states = states
		f.clock.Step(time.Minute)
		f.from.ListedAt = f.clock.Now()
		if got := f.Read(context.Background(), f.from).Accounts; got != changed {
			t.Errorf("%s: changed %v", what, got)
		}
		if got := state("1") + " " + state("2"); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	if got := state("1"); got != "unknown" {
		t.Error(got)
	}
	required := map[string]account.VerificationState{"1": account.VerificationRequired, "gone": account.VerificationDone}
	step("the first answer", required, true, "Required unknown")
	if _, _, known := f.VerificationsOf(key, "gone"); known {
		t.Error("an account that no list has is known")
	}
	if got := f.CountVerifications(key); len(got) != 1 || got[account.VerificationRequired] != 1 {
		t.Errorf("%v", got)
	}
	step("the second answer", required, true, "Required none")
	step("the same again", required, false, "Required none")
	step("another state, another account", map[string]account.VerificationState{"1": account.VerificationDone, "2": account.VerificationRequired}, true, "Verified Required")
	step("an answer that is empty once", nil, false, "Verified Required")
	step("whole again", map[string]account.VerificationState{"1": account.VerificationDone, "2": account.VerificationRequired}, false, "Verified Required")
	step("without one", map[string]account.VerificationState{"1": account.VerificationDone}, false, "Verified Required")
	step("without it twice", map[string]account.VerificationState{"1": account.VerificationDone}, true, "Verified none")
	f.Forget(key)
	if f.Remembers(key) || len(slices.Collect(maps.Keys(f.CountVerifications(key)))) != 0 {
		t.Error("something is left after Forget")
	}
}

// What ends the same each time is refused, whatever the reason; what may pass, and what the list tells of, is not.
func TestWhatIsARefusal(t *testing.T) {
	for class, want := range map[account.Class]bool{
		account.RoleMissing: true, account.BlockedNotEnabled: true, account.BlockedVerification: true, account.Invalid: true, account.Unknown: true,
		account.Unavailable: false, account.Throttled: false, account.Incomplete: false, account.Unauthorized: false,
	} {
		f := newFixture(t, Options{Verifications: true})
		f.refused[Verification] = &account.Error{Class: class, Answered: true, Message: "no"}
		f.list(0)
		refusals, settled := f.Refusals(key)
		if got := len(refusals) == 1; got != want || settled != want {
			t.Errorf("%s: %v, settled %v", class, refusals, settled)
		}
		if want && Roles(refusals) != (class == account.RoleMissing) {
			t.Errorf("%s: a role is missing: %v", class, Roles(refusals))
		}
	}
	f := newFixture(t, Options{Verifications: true})
	f.refused[Verification] = &account.Error{Class: account.Invalid, Message: "nothing that the provider said"}
	f.list(0)
	if refusals, _ := f.Refusals(key); refusals != nil {
		t.Errorf("%v", refusals)
	}
}

// Nothing follows from a call that ended because the operator stops.
func TestReadWhileStopping(t *testing.T) {
	f := newFixture(t, everything)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.refused[Verification] = missing
	f.from.ListedAt = f.clock.Now()
	f.Read(ctx, f.from)
	if refusals, _ := f.Refusals(key); refusals != nil || len(f.asked) > 1 {
		t.Errorf("%v after %v", refusals, f.asked)
	}
}
