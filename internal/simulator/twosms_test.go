package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// twoSMSFixture is a simulator with a master account of the 2sms admin API, served.
type twoSMSFixture struct {
	*fixture
	sms    *TwoSMS
	master Master
	token  string
}

func newTwoSMSFixture(t *testing.T) *twoSMSFixture {
	t.Helper()
	f := &twoSMSFixture{fixture: newFixture(t)}
	f.sms = f.TwoSMS
	f.master = f.sms.AddMaster(Master{CompanyName: "Acme", Email: "owner@acme.example", ClientID: "acme-client", ClientSecret: "canary-client-secret"})
	f.token = f.newToken()
	return f
}

// send makes a request and returns the answer.
func (f *twoSMSFixture) send(method, path, kind, body string, header ...string) (status int, answer string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+TwoSMSPath+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := f.server.Client().Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = got.Body.Close() }()
	text, _ := io.ReadAll(got.Body)
	return got.StatusCode, string(text)
}

const asForm, asJSON = "application/x-www-form-urlencoded", "application/json"

func (f *twoSMSFixture) newToken() string {
	f.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {f.master.ClientID}, "client_secret": {f.master.ClientSecret}}
	status, answer := f.send("POST", "/Token", asForm, form.Encode())
	got := decode[struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}](f.t, answer)
	if status != http.StatusOK || got.AccessToken == "" || got.ExpiresIn != 8*3600-1 {
		f.t.Fatalf("HTTP %d %s", status, answer)
	}
	return got.AccessToken
}

// api makes a call with the token, and checks the status and the ErrorCode.
func (f *twoSMSFixture) api(method, path, body string, status int, code string) string {
	f.t.Helper()
	kind := ""
	if body != "" {
		kind = asJSON
	}
	got, answer := f.send(method, "/api/v1/admin/accounts/"+f.master.ID+path, kind, body, "Authorization", "Bearer "+f.token)
	var envelope struct{ Error struct{ ErrorCode string } }
	_ = json.Unmarshal([]byte(answer), &envelope)
	if got != status || envelope.Error.ErrorCode != code {
		f.t.Errorf("%s %s %s: HTTP %d %s; want %d %q", method, path, body, got, answer, status, code)
	}
	return answer
}

const smsBody = `{"Email":"ada@acme.example","Username":"ada","Firstname":"Ada","Lastname":"Lovelace","Password":"canary-password","CompanyName":"Engines","MobilePhone":"+49 (30) 123-45"}`

func (f *twoSMSFixture) only() SubAccount {
	f.t.Helper()
	all := f.sms.Accounts(f.master.ID)
	if len(all) != 1 {
		f.t.Fatalf("%v", all)
	}
	return all[0]
}

// rows are the accounts of a list.
func rows(t *testing.T, answer string) []map[string]any {
	t.Helper()
	return decode[struct {
		ResponseData struct{ Detail []map[string]any }
	}](t, answer).ResponseData.Detail
}

func TestTwoSMSTokens(t *testing.T) {
	f := newTwoSMSFixture(t)
	good := "grant_type=client_credentials&client_id=acme-client&client_secret=canary-client-secret"
	for name, c := range map[string]struct {
		path, kind, body string
		header           []string
		want             string
	}{
		"good":                          {"/Token", asForm, good, nil, "access_token"},
		"another secret":                {"/Token", asForm, good + "x", nil, "invalid_client"},
		"another grant":                 {"/Token", asForm, strings.Replace(good, "client_credentials", "password", 1), nil, "unsupported_grant_type"},
		"the secret in the query":       {"/Token?client_secret=canary-client-secret", asForm, "grant_type=client_credentials&client_id=acme-client", nil, "invalid_request"},
		"the credentials in a header":   {"/Token", asForm, good, []string{"Authorization", "Basic eA=="}, "invalid_request"},
		"a body that is JSON":           {"/Token", asJSON, `{"grant_type":"client_credentials"}`, nil, "invalid_request"},
		"a parameter that is not known": {"/Token", asForm, good + "&scope=all", nil, "invalid_request"},
	} {
		if status, answer := f.send("POST", c.path, c.kind, c.body, c.header...); !strings.Contains(answer, c.want) || (status == 200) != (name == "good") {
			t.Errorf("%s: HTTP %d %s", name, status, answer)
		}
	}

	f.api("GET", "/accounts", "", 200, "")
	f.now = f.now.Add(8*time.Hour - time.Second)
	f.api("GET", "/accounts", "", 200, "")
	f.now = f.now.Add(time.Second)
	f.api("GET", "/accounts", "", 401, "")
	f.token = f.newToken()
	f.api("GET", "/accounts", "", 200, "")
	if n := f.sms.RevokeTokens(); n != 1 {
		t.Errorf("%d tokens were valid", n)
	}
	f.api("GET", "/accounts", "", 401, "")
	f.token = f.newToken()
	other := f.sms.AddMaster(Master{CompanyName: "Other", Email: "owner@other.example"})
	if status, _ := f.send("GET", "/api/v1/admin/accounts/"+other.ID+"/accounts", "", "", "Authorization", "Bearer "+f.token); status != 401 {
		t.Errorf("another master's token: HTTP %d", status)
	}
	if logged := fmt.Sprintf("%+v %v", f.sms.Calls(), f.control("GET", "2sms/calls", "", 200)); strings.Contains(logged, "canary") {
		t.Errorf("a secret shows: %s", logged)
	}
}

func TestTwoSMSCreateAndList(t *testing.T) {
	f := newTwoSMSFixture(t)
	answer := f.api("POST", "", smsBody, 200, "")
	a := f.only()
	if strings.Contains(answer, a.ID) || a.Values["Password"] != "canary-password" {
		t.Errorf("%s, %v", answer, a.Values["Password"] == "canary-password")
	}
	f.api("POST", "", strings.NewReplacer("Engines", "Before").Replace(smsBody), 200, "")
	list := rows(t, f.api("GET", "/accounts", "", 200, ""))
	if len(list) != 3 || list[0]["ID"] != f.master.ID || list[1]["Name"] != "Before" || list[2]["ID"] != a.ID || list[2]["ContactNumber"] != "+49 (30) 123-45" {
		t.Errorf("%v", list)
	}
	for _, hidden := range []string{"Username", "Password", "canary"} {
		if strings.Contains(fmt.Sprint(list), hidden) {
			t.Errorf("%s shows", hidden)
		}
	}
	if found := rows(t, f.api("GET", "/accounts?EmailAddress=ADA%40acme.example", "", 200, "")); len(found) != 2 {
		t.Errorf("%v", found)
	}
	f.api("GET", "/accounts?Email=x", "", 400, "InvalidRequest")
	f.sms.Update(func(s *TwoSMSSettings) {
		s.IgnoreFilters, s.NullError, s.DetailHasID, s.UniqueEmails = true, true, true, true
	})
	if found := f.api("GET", "/accounts?EmailAddress=nobody%40acme.example", "", 200, ""); len(rows(t, found)) != 3 || !strings.Contains(found, `"Error":null`) {
		t.Errorf("%s", found)
	}
	f.api("POST", "", smsBody, 400, "AlreadyExists")
	f.sms.Update(func(s *TwoSMSSettings) { s.ErrorsAsOK = true })
	f.api("POST", "", smsBody, 200, "AlreadyExists")
	if answer := f.api("POST", "", strings.Replace(smsBody, "ada@", "eve@", 1), 200, ""); !strings.Contains(answer, `"Detail":{"ID"`) {
		t.Error(answer)
	}
}

func TestTwoSMSRefusesBodies(t *testing.T) {
	f := newTwoSMSFixture(t)
	for _, bad := range []string{
		strings.Replace(smsBody, `"Email":"ada@acme.example",`, "", 1), strings.Replace(smsBody, "canary-password", "", 1),
		strings.Replace(smsBody, "+49 (30) 123-45", "12-3", 1), strings.Replace(smsBody, "Engines", " ", 1),
		strings.Replace(smsBody, "Firstname", "FirstName", 1), strings.Replace(smsBody, `"ada"`, "5", 1), `[]`, `null`,
	} {
		f.api("POST", "", bad, 400, "InvalidRequest")
	}
	f.api("POST", "?Username=ada", strings.Replace(smsBody, `"Username":"ada",`, "", 1), 400, "InvalidRequest")
	if status, _ := f.send("POST", "/api/v1/admin/accounts/"+f.master.ID, asForm, "Email=x", "Authorization", "Bearer "+f.token); status != 400 {
		t.Errorf("a form: HTTP %d", status)
	}
	if n := len(f.sms.Accounts("")); n != 0 {
		t.Errorf("%d accounts were made", n)
	}
	f.api("DELETE", "", "", 404, "")
}

// An update replaces all of the account: what is left out is lost.
func TestTwoSMSUpdate(t *testing.T) {
	f := newTwoSMSFixture(t)
	f.api("POST", "", strings.Replace(smsBody, "{", `{"WebSite":"https://acme.example",`, 1), 200, "")
	a := f.only()
	path := "/children/" + a.ID
	whole := strings.Replace(smsBody, "{", `{"ID":"`+a.ID+`",`, 1)
	f.api("PUT", path, strings.Replace(whole, "Engines", "Looms", 1), 200, "")
	if v := f.only().Values; v["CompanyName"] != "Looms" || v["Username"] != "ada" || v["WebSite"] != "https://acme.example" || len(v) != 8 {
		t.Errorf("%v", v)
	}
	f.api("PUT", path, strings.Replace(whole, `"ada"`, `""`, 1), 400, "InvalidRequest")
	f.api("PUT", path, strings.Replace(whole, a.ID, f.master.ID, 1), 400, "InvalidRequest")
	f.api("PUT", path, strings.Replace(whole, "{", `{"WebSite":"x",`, 1), 400, "InvalidRequest")
	f.api("PUT", "/children/"+f.master.ID, whole, 404, "AccountNotFound")
	if v := f.only().Values; v["CompanyName"] != "Looms" || len(v) != 8 {
		t.Errorf("a refused update was made: %v", v)
	}
	f.api("PUT", path, `{"Firstname":"Eve","Lastname":null}`, 200, "")
	if v := f.only().Values; v["Firstname"] != "Eve" || v["Password"] != "" || v["Username"] != "" || len(v) != 2 {
		t.Errorf("what was left out is still there: %v", v)
	}
}

func TestTwoSMSFaults(t *testing.T) {
	f := newTwoSMSFixture(t)
	f.sms.AddFault(Fault{Kind: FaultLoseAnswer, Method: TwoSMSCreate, Times: 1})
	if status, answer := f.send("POST", "/api/v1/admin/accounts/"+f.master.ID, asJSON, smsBody, "Authorization", "Bearer "+f.token); status != 0 {
		t.Errorf("HTTP %d %s", status, answer)
	}
	a := f.only()
	f.sms.AddFault(Fault{Kind: FaultError, Code: 17, Message: "no", Status: 409, Times: 1})
	f.api("GET", "/accounts", "", 409, "17")
	f.sms.AddFault(Fault{Kind: FaultHTTP, Status: 503, Times: 1})
	f.api("GET", "/accounts", "", 503, "")
	f.sms.AddFault(Fault{Kind: FaultEmptyList, Times: 1})
	if list := rows(t, f.api("GET", "/accounts", "", 200, "")); len(list) != 1 {
		t.Errorf("%v", list)
	}
	f.sms.AddFault(Fault{Kind: FaultStore, Param: "CompanyName", Store: "Other"})
	f.sms.AddFault(Fault{Kind: FaultStore, Param: "Firstname"})
	f.api("PUT", "/children/"+a.ID, strings.Replace(strings.Replace(smsBody, "{", `{"ID":"`+a.ID+`",`, 1), "Ada", "Eve", 1), 200, "")
	if v := f.only().Values; v["CompanyName"] != "Other" || v["Firstname"] != "Ada" {
		t.Errorf("%v", v)
	}
	f.sms.ClearFaults()
	if n := f.sms.Counts()[TwoSMSList]; n != 3 {
		t.Errorf("%d lists", n)
	}
	f.sms.ResetCalls()
	if n := len(f.sms.Calls()) + len(f.Calls()); n != 0 {
		t.Errorf("%d calls in the logs", n)
	}
}

func TestTwoSMSControl(t *testing.T) {
	f := newTwoSMSFixture(t)
	m := decode[Master](t, f.control("POST", "2sms/masters", `{"companyName":"Other","email":"owner@other.example","clientSecret":"canary"}`, 200))
	if m.ClientSecret != Masked {
		t.Errorf("the secret shows: %s", m.ClientSecret)
	}
	f.control("POST", "2sms/masters", `{"companyName":"Other","email":"o@other.example","clientID":"`+m.ClientID+`"}`, 400)
	if got := decode[map[string]string](t, f.control("GET", "2sms/masters/"+m.ID+"/credentials", "", 200)); got["clientSecret"] != "canary" || got["accountID"] != m.ID || got["clientID"] != m.ClientID {
		t.Error("the credentials are incomplete")
	}
	a := decode[SubAccount](t, f.control("POST", "2sms/accounts", `{"masterID":"`+m.ID+`","values":{"Email":"a@b.example","Password":"canary"}}`, 200))
	path := "2sms/accounts/" + a.ID
	if got := f.control("PATCH", path, `{"Firstname":"Ada","Email":""}`, 200); !strings.Contains(got, "Ada") || strings.Contains(got, "a@b.example") || strings.Contains(got, "canary") {
		t.Error(got)
	}
	for _, bad := range []string{`{"FirstName":"x"}`, `{"Firstname":5}`} {
		f.control("PATCH", path, bad, 400)
	}
	f.control("POST", "2sms/accounts", `{"masterID":"nobody"}`, 400)
	if got := decode[[]SubAccount](t, f.control("GET", "2sms/accounts?master="+m.ID, "", 200)); len(got) != 1 {
		t.Errorf("%v", got)
	}
	f.control("PUT", "2sms/settings", `{"tokenLife":"10m","latency":"1ms"}`, 200)
	f.control("PATCH", "2sms/settings", `{"nullError":true}`, 200)
	if s := f.sms.Settings(); s.TokenLife != 10*time.Minute || s.Latency != time.Millisecond || !s.NullError {
		t.Errorf("%+v", s)
	}
	f.control("DELETE", path, "", 204)
	f.control("DELETE", path, "", 404)
	f.control("GET", "2sms/masters/nobody/credentials", "", 404)
}

func TestTwoSMSStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := New(Options{StateFile: file})
	m := s.TwoSMS.AddMaster(Master{CompanyName: "Acme", Email: "owner@acme.example"})
	a := s.TwoSMS.PutAccount(SubAccount{MasterID: m.ID, Values: Params{"Email": "a@b.example", "Password": "secret-of-all"}})
	again := New(Options{StateFile: file})
	if got, ok := again.TwoSMS.Account(a.ID); !ok || got.Values["Password"] != "secret-of-all" || got.MasterID != m.ID {
		t.Errorf("%v, %+v", ok, got)
	}
	want, _ := s.TwoSMS.Credentials(m.ID)
	if got, ok := again.TwoSMS.Credentials(m.ID); !ok || string(got) != string(want) {
		t.Error("the credentials are others")
	}
}
