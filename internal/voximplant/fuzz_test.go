package voximplant

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func FuzzParseCredentials(f *testing.F) {
	f.Add([]byte(`{"account_id": 1, "key_id": "k", "private_key": "-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----"}`))
	f.Add([]byte(`{"account_id": "1"}`))
	f.Add([]byte(`[1]`))
	f.Add([]byte(`{"account_id": 1, "key_id": ["CANARY"], "private_key": 5}`))
	f.Add([]byte(`"CANARY`))
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
	whole := string(sim.Credentials(sim.AddParent(simulator.Parent{Name: "CANARY", Email: "canary@example.com"}).ID))
	for _, mark := range []string{"", "\ufeff"} {
		f.Add([]byte(mark + whole))
		f.Add(inUTF16(mark+whole, binary.LittleEndian))
		f.Add(inUTF16(mark+whole, binary.BigEndian))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCredentials(data)
		switch {
		case err == nil && (!validID(c.AccountID) || c.KeyID == "" || c.privateKey == nil):
			t.Errorf("accepted %v", c)
		case err != nil && (c.privateKey != nil || strings.Contains(err.Error(), "CANARY")):
			t.Errorf("%v", err)
		}
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range []string{page, emptyPage, `{"result": 1}`, `{"error": {"code": "101", "msg": "x"}}`, `{"errors": [{"code": 1}]}`, `{"result": {"account_id": 1e3}}`, `<html>`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plain, plainErr := decodeAnswer(bytes.NewReader(body), false)
		a, err := decodeAnswer(bytes.NewReader(body), true)
		if plainErr == nil && err == nil && a.TotalCount != plain.TotalCount {
			t.Error("read otherwise as a list")
		}
		if err != nil {
			if a != nil {
				t.Error("an answer along with an error")
			}
			return
		}
		if failure := a.failure(); failure != nil {
			if _, ok := failure.Code.integer(); !ok {
				t.Errorf("code %q", failure.Code)
			}
			return
		}
		var accounts []AccountInfo
		if plainErr == nil && json.Unmarshal(plain.Result, &accounts) == nil && accounts != nil && len(accounts) != len(a.Rows.accounts) {
			t.Errorf("%d accounts, one by one %d", len(accounts), len(a.Rows.accounts))
		}
		for _, info := range a.Rows.accounts {
			if !validID(info.ID) {
				t.Errorf("id %q", info.ID)
			}
			for path, value := range stateOf(info) {
				if row, ok := schema.Field(path); !ok || row.Normal(value) != value {
					t.Errorf("%s is %q", path, value)
				}
			}
		}
	})
}

// canned gives every request the same answer, in which ECHO stands for all that was sent.
type canned struct {
	status                              int
	contentType, location, waited, body string
}

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(sent))
	if err != nil {
		return nil, err
	}
	echo := strings.NewReplacer("ECHO", fmt.Sprint(req.Header, form)).Replace
	return &http.Response{
		StatusCode: c.status, Body: io.NopCloser(strings.NewReader(echo(c.body))), ContentLength: -1,
		Header: http.Header{"Content-Type": {echo(c.contentType)}, "Location": {echo(c.location)}, "Retry-After": {c.waited}},
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
	}, nil
}

// FuzzAnswers has every call answered with anything at all: whatever comes, it is an answer that makes sense, or an error
// of the table that shows nothing secret and says where an outcome is unknown.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []canned{
		{200, "application/json", "", "", page},
		{200, "application/json", "", "", emptyPage},
		{200, "application/json", "", "", `{"result": 1, "account_id": 17, "api_key": "k", "active": true}`},
		{200, "application/json", "", "", `{"result": {"account_id": 5, "api_key": "k"}, "api_address": "api.example"}`},
		{200, "application/json", "", "", `{"error": {"code": 464, "msg": "ECHO"}}`},
		{200, "application/json", "", "", `{"error": {"code": 101, "msg": "no ECHO"}}`},
		{200, "application/json", "", "", `{"error": {"code": 455, "msg": "expired"}}`},
		{403, "application/json", "", "", `{"error": {"code": 100, "msg": "Authorization failed"}}`},
		{429, "application/json", "", "Wed, 21 Oct 2037 07:28:00 GMT", `{"errors": [{"code": "340", "msg": "Repeat after 9 seconds"}]}`},
		{401, "text/html", "", "", "<html>ECHO"},
		{500, "text/x; x=ECHO", "", "3", "ECHO"},
		{302, "", "http://ECHO", "", ""},
		{307, "", "%zzECHO", "", ""},
		{200, "", "", "", `{"result": "ECHO`},
	} {
		f.Add(seed.status, seed.contentType, seed.location, seed.waited, seed.body)
	}
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
	config := Config{Credentials: credentials(f, sim.Credentials(sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@example.com"}).ID))}
	withParentKey(&config)
	f.Fuzz(func(t *testing.T, status int, contentType, location, waited, body string) {
		if status < 200 || status > 599 {
			return
		}
		config.Transport = canned{status, contentType, location, waited, body}
		r, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		presign(r)
		created, err := r.Create(background, newAccount("child-1"))
		sensible(t, status, true, err, validID(created.Account.ID))
		sensible(t, status, true, r.Update(background, updateOf([]string{"5"}, []account.Change{change(t, "active", "true")})), true)
		sensible(t, status, true, r.SetPassword(background, provider.Target{ID: "5"}, goodPassword), true)
		sensible(t, status, true, r.SetCustomData(background, "5", "claim"), true)
		self, err := r.Self(background)
		sensible(t, status, false, err, validID(self.ID))
		has, err := r.CheckPassword(background, "5", goodPassword)
		if has || err != nil { // that a password is wrong is said by a refusal, which may have any status
			sensible(t, status, false, err, true)
		}
		key, err := r.RecoverKey(background, "5", goodPassword)
		sensible(t, status, false, err, key != "")
		last, ascending := 0, true
		err = r.List(background, provider.Known{IDs: []string{"5"}}, func(p provider.Page) {
			for _, a := range p.Accounts {
				id, err := strconv.Atoi(a.ID)
				ascending, last = ascending && err == nil && (id > last || p.Partial), id
			}
		})
		sensible(t, status, false, err, ascending)
	})
}

// presign spares the signing, which takes longer than all the rest.
func presign(r *Remote) {
	tokens := r.client.tokens
	for _, issuer := range []string{r.client.config.Credentials.AccountID, "5"} {
		tokens.keep(issuer, signedToken{text: "canary-token-of-" + account.Secret(issuer), expires: time.Now().Add(time.Hour)}, time.Now())
	}
}

// sensible checks one outcome; good says whether what came without an error is what it should be.
func sensible(t *testing.T, status int, write bool, err error, good bool) {
	t.Helper()
	if err == nil {
		if !good || status >= 300 {
			t.Errorf("HTTP %d is taken for an answer", status)
		}
		return
	}
	var e *account.Error
	if !errors.As(err, &e) || e.Class == "" || e.RetryAfter < 0 || e.RetryAfter > apihttp.LongestWait {
		t.Fatalf("%#v", err)
	}
	if write && e.Code == 0 && status != http.StatusTooManyRequests && !e.OutcomeUnknown {
		t.Errorf("OutcomeUnknown is not set after %v", err)
	}
	noSecrets(t, fmt.Sprintf("%v %+v %#v", err, err, err), []string{goodPassword.Reveal(), testAPIKey.Reveal(), "canary-token-of-"})
}

func FuzzRefusalText(f *testing.F) {
	f.Add(416, "Repeat after 5 seconds")
	f.Add(493, "The 'account_name' is not unique.")
	f.Fuzz(func(t *testing.T, code int, msg string) {
		e := refusal("M", true, code, apihttp.NewRedactor("CANARY").Clean(msg))
		if e.Class == "" || e.RetryAfter < 0 || e.RetryAfter > apihttp.LongestWait || strings.Contains(e.Message, "CANARY") {
			t.Errorf("%#v", e)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"Europe/Kiev", " UTC ", "iw", "5.00", "TRUE", "A@B", "-0.0", "İ@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, row := range schema {
			once := row.Normal(value)
			if twice := row.Normal(once); twice != once {
				t.Errorf("%s: %q is %q is %q", row.Path, value, once, twice)
			}
			if row.Check == nil || row.Check(value) != nil {
				continue
			}
			// What may be declared must stay valid in its canonical spelling: that is what a plan shows.
			if err := row.Check(once); err != nil {
				t.Errorf("%s: %q is %q: %v", row.Path, value, once, err)
			}
		}
	})
}
