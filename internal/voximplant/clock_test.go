package voximplant

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// A refusal of the token by a service whose clock differs says by how much, and in which direction.
func TestClockThatIsOff(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 400_000_000, time.UTC)
	for _, test := range []struct {
		theirs time.Duration // ahead of ours
		says   string        // "" for nothing
	}{
		{0, ""},
		{30 * time.Second, ""},
		{-30 * time.Second, ""},
		{42 * time.Second, "is about 40s behind the Voximplant API's"},
		{-42 * time.Second, "is about 40s ahead of the Voximplant API's"},
		{12*time.Minute + 20*time.Second, "is about 12m behind the Voximplant API's"},
		{-3 * time.Hour, "is about 3h ahead of the Voximplant API's"},
		{-(3*time.Hour + 10*time.Minute), "is about 3h10m ahead of the Voximplant API's"},
		{365 * 24 * time.Hour, "is about 8760h behind the Voximplant API's"},
	} {
		for _, code := range []int{100, 455, 456} {
			for _, method := range []string{"read", "write"} {
				r := stub(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Date", now.Add(test.theirs).Format(http.TimeFormat))
					_, _ = w.Write([]byte(errorBody(code)))
				}, func(c *Config) { c.Clock = func() time.Time { return now } })
				read, write := both(r)
				err := map[string]error{"read": read, "write": write}[method]
				e := wantError(t, err, account.Unauthorized, false)
				if got := tellsOfClock(e); got != (test.says != "") || got != e.MayPass || !strings.Contains(e.Message, test.says) {
					t.Errorf("%s, code %d, %v ahead: %v", method, code, test.theirs, e)
				}
				if test.says != "" && (!strings.Contains(e.Next, "NTP") || strings.Contains(e.Message, "clock of this machine")) {
					t.Errorf("%v; want what to do, once", e)
				}
			}
		}
	}
}

func errorBody(code int) string {
	return `{"error": {"code": ` + map[int]string{100: "100", 104: "104", 455: "455", 456: "456"}[code] + `, "msg": "Authorization failed"}}`
}

// Nothing is said of the clock where the service does not tell its time, where something else is refused, and where no token was sent. An
// answer that took long was written at some time in between.
func TestClockThatMayBeRight(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	e := func(code int) *account.Error { return &account.Error{Code: code, Message: "Authorization failed"} }
	for name, test := range map[string]struct {
		code      int
		date      string
		sent, now time.Time
		told      bool
	}{
		"an hour off":   {100, now.Add(time.Hour).Format(http.TimeFormat), now, now, true},
		"no date":       {100, "", now, now, false},
		"no time":       {100, "yesterday", now, now, false},
		"another code":  {104, now.Add(time.Hour).Format(http.TimeFormat), now, now, false},
		"a slow answer": {100, now.Add(45 * time.Second).Format(http.TimeFormat), now, now.Add(time.Minute), false},
		"a late answer": {100, now.Format(http.TimeFormat), now, now.Add(time.Minute), false},
		"slow and off":  {100, now.Add(2 * time.Minute).Format(http.TimeFormat), now, now.Add(time.Minute), true},
	} {
		if got := tellsOfClock(withClock(e(test.code), test.date, test.sent, test.now)); got != test.told {
			t.Errorf("%s: told %v", name, got)
		}
	}
	r := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		_, _ = w.Write([]byte(errorBody(100)))
	}, func(c *Config) { c.Clock = func() time.Time { return now.Add(time.Hour) } })
	_, err := r.CheckPassword(background, "5", testPassword)
	if err != nil && strings.Contains(err.Error(), clockIsOff) {
		t.Error(err)
	}
}

// A method that was not used before the clock went wrong does not lack its role.
func TestClockThatIsOffIsNoMissingRole(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		t.Fatal(err)
	}
	w.setting(t, `{"clockOffset": "20m", "tokenTimeCode": 100}`)
	_, err := w.Create(background, newAccount("child-1"))
	if e := wantError(t, err, account.Unauthorized, false); !tellsOfClock(e) || strings.Contains(e.Message, "apiKeySecretRef") {
		t.Error(e)
	}
	w.setting(t, `{"clockOffset": "0s"}`)
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 100, Times: 1})
	_, err = w.Create(background, newAccount("child-1"))
	wantError(t, err, account.RoleMissing, false)
}

// The simulator's clock can be set, by its control API too.
func TestClockOfTheSimulator(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(1)
	w.setting(t, `{"clockOffset": "-2m", "tokenTimeCode": 100}`)
	_, _, err := list(w.Remote, provider.Known{})
	if e := wantError(t, err, account.Unauthorized, false); e.Code != 100 || !strings.Contains(e.Message, "is about 2m ahead of") {
		t.Error(e)
	}
	w.setting(t, `{"clockOffset": "20m", "tokenTimeCode": 0}`)
	_, _, err = list(w.Remote, provider.Known{})
	if e := wantError(t, err, account.Unauthorized, false); e.Code != 456 || !strings.Contains(e.Message, "is about 20m behind") {
		t.Error(e)
	}
	w.setting(t, `{"clockOffset": "0s"}`)
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		t.Error(err)
	}
}
