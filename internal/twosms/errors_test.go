package twosms

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// refusing answers like so.
func refusing(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func envelope(code, reason string) string {
	return fmt.Sprintf(`{"Error":{"ErrorCode":%q,"ErrorReason":%q},"ResponseData":null}`, code, reason)
}

// Each status and body has its class; a write whose fate nobody knows says so.
func TestErrorsHaveTheirClass(t *testing.T) {
	const html = "<html>no</html>"
	for _, c := range []struct {
		status        int
		body          string
		write, read   account.Class
		unknown       bool // whether a write's outcome is
		field, inText string
	}{
		{400, envelope("17", "The Lastname field is required."), account.Invalid, account.Unknown, false, "lastName", "(code 17)"},
		{400, envelope("E1", "Firstname and Lastname are wrong"), account.Invalid, account.Unknown, false, "", "(E1)"},
		{422, envelope("", "no"), account.Invalid, account.Unknown, false, "", "no"},
		{400, envelope("X", "The Password is too short."), account.PasswordRejected, account.Unknown, false, "passwordSecretRef", "too short"},
		{400, html, account.Unavailable, account.Unavailable, true, "", "check the endpoint"},
		{401, html, account.Unauthorized, account.Unauthorized, false, "", "the token was refused"},
		{401, envelope("X", "expired"), account.Unauthorized, account.Unauthorized, false, "", "expired"},
		{403, envelope("X", "no"), account.RoleMissing, account.RoleMissing, false, "", "no"},
		{404, envelope("X", ""), account.NotFound, account.Unknown, false, "", "without a reason (X)"},
		{404, html, account.Unavailable, account.Unavailable, true, "", "no answer of the 2sms API"},
		{408, envelope("X", "slow"), account.Unavailable, account.Unavailable, true, "", "slow"},
		{409, envelope("X", "no"), account.Unknown, account.Unknown, false, "", "no"},
		{429, html, account.Throttled, account.Throttled, false, "", "HTTP 429"},
		{500, envelope("X", "broken"), account.Unavailable, account.Unavailable, true, "", "broken"},
		{503, html, account.Unavailable, account.Unavailable, true, "", "HTTP 503"},
		{200, envelope("X", "no"), account.Unknown, account.Unknown, true, "", "no (X)"},
		{200, html, account.Unavailable, account.Unavailable, true, "", "not a JSON object"},
		{200, "", account.Unavailable, account.Unavailable, true, "", "empty"},
		{200, `{"ResponseData":{"Detail":{}}}`, "", account.Unavailable, false, "", "JSON object"},
		{200, `{"Error":null}`, "", account.Unavailable, false, "", "no list"},
		{302, "", account.Unavailable, account.Unavailable, true, "", "redirects"},
	} {
		r := stub(t, refusing(c.status, c.body))
		_, failed := r.client.do(background, call{method: methodUpdate, verb: http.MethodPut, path: "/children/" + childID, body: map[string]string{"ID": childID}})
		_, readFailed := r.client.do(background, call{method: methodList, verb: http.MethodGet, path: "/accounts", list: true})
		if readFailed == nil || readFailed.Class != c.read || readFailed.OutcomeUnknown {
			t.Errorf("HTTP %d %s: a read: %#v", c.status, c.body, readFailed)
		}
		if c.write == "" {
			if failed != nil {
				t.Errorf("HTTP %d %s: %v", c.status, c.body, failed)
			}
			failed = readFailed
		} else if failed == nil || failed.Class != c.write || failed.OutcomeUnknown != c.unknown || failed.Field != c.field {
			t.Errorf("HTTP %d %s: %#v", c.status, c.body, failed)
		}
		if failed != nil && !strings.Contains(failed.Error(), c.inText) {
			t.Errorf("HTTP %d %s: %v, want %q in it", c.status, c.body, failed, c.inText)
		}
		if c.status >= 400 && c.status != 401 && readFailed != nil && readFailed.RetryAfter != 7*time.Second {
			t.Errorf("HTTP %d: %v", c.status, readFailed.RetryAfter)
		}
	}
}

// A new account is nobody's where its creation is answered so.
func TestCreationRefused(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{UniqueUsernames: true})
	w.created(t, 1)
	again := newAccount(2)
	again.Desired["username"] = newAccount(1).Desired["username"]
	_, err := w.Create(background, again)
	if e := wantError(t, err, account.Invalid, false); e.Field != "username" {
		t.Errorf("%#v", e)
	}
	w.sms.Update(func(s *simulator.TwoSMSSettings) { s.ErrorsAsOK = true })
	_, err = w.Create(background, again)
	wantError(t, err, account.Unknown, true)
	for field, alter := range map[string]func(*provider.NewAccount){
		"companyName": func(n *provider.NewAccount) { delete(n.Desired, "companyName") },
		"email":       func(n *provider.NewAccount) { delete(n.Desired, "email"); n.Name = "nobody" },
		"mobilePhone": func(n *provider.NewAccount) { n.Desired["mobilePhone"] = "12-34" },
	} {
		n := newAccount(3)
		alter(&n)
		w.called()
		_, err := w.Create(background, n)
		if e := wantError(t, err, account.Invalid, false); e.Field != field || w.called() != "" {
			t.Errorf("%s: %#v", field, e)
		}
	}
	n := newAccount(3)
	n.Password = ""
	_, err = w.Create(background, n)
	wantError(t, err, account.PasswordRejected, false)
}

// A service that gives back all it was sent shows no secret in any error.
func TestAnswersThatEchoSecrets(t *testing.T) {
	for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 500} {
		r := stub(t, func(w http.ResponseWriter, req *http.Request) {
			var body strings.Builder
			_ = req.Write(&body)
			w.Header().Set("Location", "http://"+clientSecret.Reveal()+"/")
			w.Header().Set("Content-Type", "text/"+goodPassword.Reveal())
			w.WriteHeader(status)
			_, _ = w.Write([]byte(envelope(req.Header.Get("Authorization"), body.String()+clientSecret.Reveal())))
		})
		_, err := r.Create(background, newAccount(1))
		noSecrets(t, fmt.Sprintf("%v %+v %#v", err, err, err))
		if err == nil {
			t.Errorf("HTTP %d is no error", status)
		}
		noSecrets(t, fmt.Sprintf("%v %+v %#v %s", r, r, r.client, r.client.config.Credentials))
	}
}

// No answer is read that is larger than it may be, and no redirect is followed.
func TestBounds(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{}, func(c *Config) { c.MaxAnswer, c.MaxList = 1000, 3000 })
	a := w.created(t, 1)
	for method, calls := range map[string]func() error{
		simulator.TwoSMSList:   func() error { _, err := w.Self(background); return err },
		simulator.TwoSMSUpdate: func() error { return w.Update(background, updateOf(target(a, 1), change("lastName", "Byron"))) },
	} {
		w.sms.AddFault(simulator.Fault{Kind: simulator.FaultHuge, Bytes: 3001, Method: method, Times: 1})
		if e := wantError(t, calls(), account.Unavailable, method == simulator.TwoSMSUpdate); !strings.Contains(e.Message, "larger than") {
			t.Error(e)
		}
		w.sms.AddFault(simulator.Fault{Kind: simulator.FaultTruncate, Method: method, Times: 1})
		if e := wantError(t, calls(), account.Unavailable, method == simulator.TwoSMSUpdate); !strings.Contains(e.Message, "broke off") {
			t.Error(e)
		}
		w.sms.AddFault(simulator.Fault{Kind: simulator.FaultRedirect, URL: w.url + "/elsewhere", Method: method, Times: 1})
		w.called()
		if e := wantError(t, calls(), account.Unavailable, method == simulator.TwoSMSUpdate); !strings.Contains(e.Message, "not followed") || strings.Contains(w.called(), "elsewhere") {
			t.Error(e)
		}
	}
}
