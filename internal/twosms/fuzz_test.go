package twosms

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
)

var listBody = `{"Error":{"ErrorCode":"","ErrorReason":""},"ResponseData":{"Identification":{"UserId":"5"},"Result":"Success","Detail":[{"ID":"` + masterID +
	`","Name":"Acme"},{"ID":"` + childID + `","Name":"Engines","FirstName":"Ada","LastName":"Lovelace","EmailAddress":"child-1@example.com","ContactNumber":12345}]}}`

func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range []string{
		listBody, `{"Error":null,"ResponseData":null}`, `{"ResponseData":{"Detail":null}}`, envelope("17", "no"), `{"Error":"x"}`, `{"Message":"denied"}`, `<html>`, ``, `{"ResponseData":{"Detail":[null,5]}}`,
		"\xef\xbb\xbf{\"Error\":{}}", `{"Error":null} {`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plain, plainErr := decodeAnswer(bytes.NewReader(body), false)
		a, err := decodeAnswer(bytes.NewReader(body), true)
		if (a == nil) != (err != nil) || (plain == nil) != (plainErr != nil) {
			t.Fatalf("%v, %v; %v, %v", a, err, plain, plainErr)
		}
		if err != nil {
			return
		}
		if plainErr != nil || plain.code != a.code || plain.reason != a.reason {
			t.Errorf("read otherwise as a list: %v", plainErr)
		}
		for _, is := range a.accounts {
			seen := accountOf(is)
			for path, value := range seen.State {
				if row, ok := schema.Field(path); !ok || row.Normal(value) != value || value == "" {
					t.Errorf("%s is %q", path, value)
				}
			}
			if seen.ID != "" && canonicalID(seen.ID) != seen.ID {
				t.Errorf("id %q", seen.ID)
			}
		}
	})
}

func FuzzParseCredentials(f *testing.F) {
	f.Add([]byte(`{"accountID":"` + masterID + `","clientID":"c","clientSecret":"CANARY"}`))
	f.Add([]byte(`{"accountID":"CANARY","clientID":["CANARY"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCredentials(data)
		switch {
		case err == nil && !c.valid():
			t.Errorf("accepted %v", c)
		case err != nil && (c != Credentials{} || strings.Contains(err.Error(), "CANARY")):
			t.Errorf("%v", err)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"A@B", " x ", "+49 (30) 12345", "()", "İ@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, row := range schema {
			once := row.Normal(value)
			if twice := row.Normal(once); twice != once {
				t.Errorf("%s: %q is %q is %q", row.Path, value, once, twice)
			}
			if row.Check(value) != nil {
				continue
			}
			// What may be declared must stay valid in its canonical spelling: that is what a plan shows.
			if err := row.Check(once); err != nil {
				t.Errorf("%s: %q is %q: %v", row.Path, value, once, err)
			}
		}
	})
}

// canned gives every request the same answer, in which ECHO stands for all that was sent; requests for a token get one.
type canned struct {
	status                              int
	contentType, location, waited, body string
}

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
	sent := ""
	if req.Body != nil {
		text, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		sent = string(text)
	}
	if strings.HasSuffix(req.URL.Path, "/Token") {
		c = canned{200, "application/json", "", "", `{"access_token":"canary-token"}`}
	}
	echo := strings.NewReplacer("ECHO", fmt.Sprint(req.Header, sent)).Replace
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
		{200, "application/json", "", "", listBody},
		{200, "application/json", "", "", `{"Error":null,"ResponseData":{"Detail":null}}`},
		{200, "application/json", "", "", envelope("17", "ECHO")},
		{400, "application/json", "", "", envelope("", "The Lastname field ECHO")},
		{401, "text/html", "", "", "<html>ECHO"},
		{404, "application/json", "", "", envelope("X", "no ECHO")},
		{429, "application/json", "", "Wed, 21 Oct 2037 07:28:00 GMT", "{}"},
		{500, "text/x; x=ECHO", "", "3", "ECHO"},
		{302, "", "http://ECHO", "", ""},
		{200, "", "", "", `{"Error":"ECHO`},
	} {
		f.Add(seed.status, seed.contentType, seed.location, seed.waited, seed.body)
	}
	credentials := Credentials{AccountID: masterID, ClientID: "client", ClientSecret: clientSecret}
	f.Fuzz(func(t *testing.T, status int, contentType, location, waited, body string) {
		if status < 200 || status > 599 {
			return
		}
		r, err := New(Config{BaseURL: "http://api.example", Credentials: credentials, Transport: canned{status, contentType, location, waited, body}})
		if err != nil {
			t.Fatal(err)
		}
		created, err := r.Create(background, newAccount(1))
		sensible(t, status, true, err, created.Account.ID == "")
		a := account.Account{ID: childID, State: account.State{"firstName": "Ada"}}
		sensible(t, status, false, readsFirst(r.Update(background, updateOf(target(a, 1), change("lastName", "Byron")))), true)
		sensible(t, status, false, readsFirst(r.SetPassword(background, target(a, 1), otherPassword)), true)
		self, err := r.Self(background)
		sensible(t, status, false, err, self.ID == masterID)
		ordered := true
		err = r.List(background, provider.Known{}, func(p provider.Page) {
			ordered = slices.IsSortedFunc(p.Accounts, func(a, b account.Account) int { return strings.Compare(a.ID, b.ID) })
		})
		sensible(t, status, false, err, ordered)
	})
}

// readsFirst is an error whose outcome may be unknown: that is for the write, which is made only after a read.
func readsFirst(err error) error {
	if e := account.AsError(err); e != nil {
		settled := *e
		settled.OutcomeUnknown = false
		return &settled
	}
	return nil
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
	if !errors.As(err, &e) || e.Class == "" || e.Message == "" || e.RetryAfter < 0 || e.RetryAfter > apihttp.LongestWait {
		t.Fatalf("%#v", err)
	}
	refused := status >= 400 && status < 500 && (e.Answered || status == http.StatusUnauthorized) && status != http.StatusRequestTimeout || status == http.StatusTooManyRequests
	if write != e.OutcomeUnknown && !refused {
		t.Errorf("OutcomeUnknown is %v after HTTP %d, %v", e.OutcomeUnknown, status, err)
	}
	for _, secret := range []account.Secret{goodPassword, otherPassword, clientSecret, "canary-token"} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret.Reveal()) {
			t.Errorf("a secret shows: %v", err)
		}
	}
}
