package twosms

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const childID = "00000000-0000-4000-8000-00000000000a"

// sentRequest is a request as it came in.
type sentRequest struct {
	method, uri, kind, authorization string
	body                             map[string]string
}

// What is sent is what the documents have, with all eight values in each update.
func TestRequests(t *testing.T) {
	var mu sync.Mutex
	var sent []sentRequest
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		s := sentRequest{method: req.Method, uri: req.RequestURI, kind: req.Header.Get("Content-Type"), authorization: req.Header.Get("Authorization")}
		if text, _ := io.ReadAll(req.Body); len(text) > 0 {
			if err := json.Unmarshal(text, &s.body); err != nil {
				t.Error(err)
			}
		}
		sent = append(sent, s)
		_, _ = fmt.Fprintf(w, `{"Error":null,"ResponseData":{"Detail":[{"ID":%q},{"ID":%q,"Name":" Engines","FirstName":"ADA","LastName":"Lovelace","EmailAddress":"Child-1@Example.com","ContactNumber":"(030) 12345"}]}}`,
			strings.ToUpper(masterID), strings.ToUpper(childID))
	})
	if _, err := r.Create(background, newAccount(1)); err != nil {
		t.Fatal(err)
	}
	found, err := r.Get(background, provider.Selector{IDs: []string{childID}})
	if err != nil || len(found) != 1 || found[0].ID != childID || found[0].Name != "Child-1@Example.com" {
		t.Fatalf("%v, %v", found, err)
	}
	if err := r.Update(background, updateOf(target(found[0], 1), change("lastName", "Byron"))); err != nil {
		t.Fatal(err)
	}
	const base = "/v2/api/v1/admin/accounts/" + masterID
	created := map[string]string{
		"Email": "child-1@example.com", "Username": "child-1", "Firstname": "Ada", "Lastname": "Lovelace", "CompanyName": "Engines",
		"MobilePhone": "+49 (30) 123-45", "Password": goodPassword.Reveal(),
	}
	changed := map[string]string{ // what was read and isn't changed stays as it is spelt
		"ID": childID, "Email": "Child-1@Example.com", "Username": "child-1", "Firstname": "ADA", "Lastname": "Byron", "CompanyName": " Engines",
		"MobilePhone": "(030) 12345", "Password": goodPassword.Reveal(),
	}
	want := []sentRequest{
		{"POST", base, "application/json", "Bearer canary-token", created},
		{"GET", base + "/accounts", "", "Bearer canary-token", nil},
		{"GET", base + "/accounts?EmailAddress=child-1%40example.com", "", "Bearer canary-token", nil},
		{"PUT", base + "/children/" + childID, "application/json", "Bearer canary-token", changed},
	}
	if fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("sent\n%v\nwant\n%v", sent, want)
	}
}

// An update is a read and a PUT; where the filter does not show the account, the whole list does.
func TestUpdateReadsFirst(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	a := w.created(t, 1)
	if err := w.Update(background, updateOf(target(a, 1), change("lastName", "Byron"))); err != nil || w.called() != "GET accounts, PUT children" {
		t.Fatal(err)
	}
	if err := w.sms.SetValue(a.ID, "Email", "other@example.com"); err != nil {
		t.Fatal(err)
	}
	err := w.Update(background, updateOf(target(a, 1), change("lastName", "Byron")))
	if e := wantError(t, err, account.Outdated, false); !strings.HasSuffix(e.Message, ": email") || w.called() != "GET accounts, GET accounts" {
		t.Error(e)
	}
	// That the account already is as the change wants it is no reason to plan again.
	if err := w.Update(background, updateOf(target(a, 1), change("email", "other@example.com"), change("lastName", "Byron"))); err != nil {
		t.Error(err)
	}
}

// A filter that the API does not take, or answers without a list, costs a call and prevents no update. What says nothing of the filter ends it.
func TestUpdateWithoutTheFilter(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		class  account.Class
		calls  string
	}{
		"unknown parameter":   {status: 400, body: envelope("InvalidRequest", "unknown parameter"), calls: "GET filtered, GET, PUT"},
		"no such account":     {status: 404, body: envelope("NotFound", "no such account"), calls: "GET filtered, GET, PUT"},
		"an error with 200":   {status: 200, body: envelope("5", "nothing found"), calls: "GET filtered, GET, PUT"},
		"no list":             {status: 200, body: `{"Error":null,"ResponseData":null}`, calls: "GET filtered, GET, PUT"},
		"too many calls":      {status: 429, body: envelope("", ""), class: account.Throttled, calls: "GET filtered"},
		"unwell":              {status: 503, body: envelope("", "down"), class: account.Unavailable, calls: "GET filtered"},
		"the role is missing": {status: 403, body: envelope("", "no"), class: account.RoleMissing, calls: "GET filtered"},
	} {
		t.Run(name, func(t *testing.T) {
			var calls []string
			r := stub(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.RawQuery != "" {
					calls = append(calls, req.Method+" filtered")
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
					return
				}
				calls = append(calls, req.Method)
				_, _ = io.WriteString(w, listBody)
			})
			seen := account.State{"email": "child-1@example.com", "lastName": "Lovelace"}
			err := r.Update(background, updateOf(target(account.Account{ID: childID, State: seen}, 1), change("lastName", "Byron")))
			if got := strings.Join(calls, ", "); account.ClassOf(err) != c.class || got != c.calls {
				t.Errorf("%v, calls %s, want %s", err, got, c.calls)
			}
		})
	}
}

// What was never read can't be compared, so nothing is written over it.
func TestUpdateWantsAnEarlierRead(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	unread := target(w.created(t, 1), 1)
	unread.Observed = nil
	for name, err := range map[string]error{
		"update":   w.Update(background, updateOf(unread, change("lastName", "Byron"))),
		"password": w.SetPassword(background, unread, otherPassword),
	} {
		if e := wantError(t, err, account.Outdated, false); !strings.Contains(e.Message, "nothing was written") || e.Answered {
			t.Errorf("%s: %#v", name, e)
		}
	}
	if got := w.called(); got != "" {
		t.Errorf("calls: %s", got)
	}
}

// A PUT without a value is never sent: the account would lose it.
func TestUpdateWantsEveryValue(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	a := w.created(t, 1)
	for field, alter := range map[string]func(*provider.Target){
		"username":          func(t *provider.Target) { t.Desired = account.State{"firstName": "x"} },
		"passwordSecretRef": func(t *provider.Target) { t.Password = known("") },
	} {
		for name, write := range map[string]func(provider.Target) error{
			"update": func(t provider.Target) error { return w.Update(background, updateOf(t, change("lastName", "Byron"))) },
			"password": func(t provider.Target) error {
				if field == "passwordSecretRef" {
					return w.SetPassword(background, t, "")
				}
				return w.SetPassword(background, t, otherPassword)
			},
		} {
			tt := target(a, 1)
			alter(&tt)
			err := write(tt)
			if e := account.AsError(err); e == nil || e.Class != account.Invalid && e.Class != account.PasswordRejected || e.Class == account.Invalid && e.Field != field || w.called() != "" {
				t.Errorf("%s, %s: %#v", field, name, err)
			}
		}
	}
	noPassword := target(a, 1)
	noPassword.Password = nil
	wantError(t, w.Update(background, updateOf(noPassword, change("lastName", "Byron"))), account.Invalid, false)

	// A value that the account lacks is taken from the spec; without one nothing is sent.
	if err := w.sms.SetValue(a.ID, "CompanyName", ""); err != nil {
		t.Fatal(err)
	}
	read, err := w.Get(background, provider.Selector{IDs: []string{a.ID}})
	if err != nil {
		t.Fatal(err)
	}
	bare := target(read[0], 1)
	bare.Desired = account.State{"username": "child-1"}
	w.called()
	if e := wantError(t, w.Update(background, updateOf(bare, change("lastName", "Byron"))), account.Invalid, false); e.Field != "companyName" || w.called() != "GET accounts" {
		t.Error(e)
	}
	if err := w.Update(background, updateOf(target(read[0], 1), change("lastName", "Byron"))); err != nil {
		t.Error(err)
	}
	if is, _ := w.sms.Account(a.ID); is.Values["CompanyName"] != "Engines" || is.Values["Lastname"] != "Byron" || len(is.Values) != 7 {
		t.Errorf("%v", is.Values)
	}
	bad := target(read[0], 1)
	bad.ID = "../accounts"
	wantError(t, w.Update(background, updateOf(bad, change("lastName", "Byron"))), account.Invalid, false)
}

// Two accounts with one e-mail are both returned, and a list is complete only with the master account.
func TestLists(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	for range 2 {
		if _, err := w.Create(background, newAccount(1)); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := w.Get(background, provider.Selector{Names: []string{newAccount(1).Name}}); err != nil || len(found) != 2 || found[0].ID >= found[1].ID {
		t.Errorf("%v, %v", found, err)
	}
	if self, err := w.Self(background); err != nil || self.Name != "Acme" || self.ID != w.master.ID {
		t.Errorf("%+v, %v", self, err)
	}
	for name, detail := range map[string]string{
		"nothing":          ``,
		"no master":        `{"ID":"` + childID + `"}`,
		"an account twice": `{"ID":"` + masterID + `"},{"ID":"` + childID + `"},{"ID":"` + strings.ToUpper(childID) + `"}`,
		"no guid":          `{"ID":"` + masterID + `"},{"ID":"5"}`,
		"null":             `{"ID":"` + masterID + `"},null`,
	} {
		r := stub(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"ResponseData":{"Detail":[` + detail + `]}}`))
		})
		yielded := false
		wantError(t, r.List(background, provider.Known{}, func(provider.Page) { yielded = true }), account.Incomplete, false)
		if yielded {
			t.Errorf("%s: a page", name)
		}
	}
}
