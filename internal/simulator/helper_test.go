package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const goodPassword = "Correct-Horse-1"

// fixture is a simulator with one parent, served, and a client that signs as that parent.
type fixture struct {
	*Simulator
	t      *testing.T
	parent Parent
	server *httptest.Server
	creds  credentials
	now    time.Time
}

type credentials struct {
	Email      string `json:"account_email"`
	AccountID  int64  `json:"account_id"`
	KeyID      string `json:"key_id"`
	PrivateKey string `json:"private_key"`
}

func newFixture(t *testing.T, change ...func(*Settings)) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	f.Simulator = New(Options{Key: SharedKey(), Clock: func() time.Time { return f.now }})
	for _, c := range change {
		f.Update(c)
	}
	f.parent = f.AddParent(Parent{Name: "acme", Email: "owner@acme.example"})
	f.creds = f.newKey(f.parent.ID)
	f.server = httptest.NewServer(f.Handler())
	t.Cleanup(f.server.Close)
	return f
}

func (f *fixture) newKey(account int64, roles ...Role) credentials {
	f.t.Helper()
	var c credentials
	if err := json.Unmarshal(f.Credentials(account, roles...), &c); err != nil {
		f.t.Fatal(err)
	}
	return c
}

// child puts a child there.
func (f *fixture) child(name string) Account {
	return f.PutAccount(Account{ParentID: f.parent.ID, Fields: Fields{
		"account_name": name, "account_email": name + "@acme.example", "account_password": goodPassword, "active": true,
	}})
}

func (f *fixture) children(n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = f.child(fmt.Sprintf("child-%05d", i)).ID
	}
	return ids
}

// token signs the claims of a good token, with the changes.
func (f *fixture) token(c credentials, changes jwt.MapClaims) string {
	f.t.Helper()
	claims := jwt.MapClaims{"iss": c.AccountID, "iat": f.now.Unix(), "exp": f.now.Unix() + 60}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = c.KeyID
	signed, err := token.SignedString(SharedKey())
	if err != nil {
		f.t.Fatal(err)
	}
	return "Bearer " + signed
}

// response is an answer of the API.
type response struct {
	Result     json.RawMessage `json:"result"`
	Error      apiError        `json:"error"`
	Errors     []apiError      `json:"errors"`
	AccountID  int64           `json:"account_id"`
	Active     bool            `json:"active"`
	APIKey     string          `json:"api_key"`
	Count      int             `json:"count"`
	TotalCount int             `json:"total_count"`
	APIAddress string          `json:"api_address"`

	status int
	header http.Header
	body   string
}

func (r response) rows(t *testing.T) []map[string]any {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal(r.Result, &rows); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return rows
}

func (r response) info(t *testing.T) map[string]any {
	t.Helper()
	var info map[string]any
	if err := json.Unmarshal(r.Result, &info); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return info
}

type form map[string]string

func (m form) encode() string {
	encoded := url.Values{}
	for name, value := range m {
		encoded.Set(name, value)
	}
	return encoded.Encode()
}

func (m form) with(changes form) form {
	merged := maps.Clone(m)
	maps.Copy(merged, changes)
	maps.DeleteFunc(merged, func(_, value string) bool { return value == "-" })
	return merged
}

// call makes a call as the parent.
func (f *fixture) call(method string, params form) response {
	f.t.Helper()
	return f.callAs(f.token(f.creds, nil), method, params)
}

// callAs makes a call with the Authorization, or without one.
func (f *fixture) callAs(authorization, method string, params form) response {
	f.t.Helper()
	r, err := f.try(authorization, method, params)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) try(authorization, method string, params form) (response, error) {
	return f.send(f.request(authorization, method, params))
}

func (f *fixture) request(authorization, method string, params form) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.server.URL+"/platform_api/"+method, strings.NewReader(params.encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func (f *fixture) send(request *http.Request) (response, error) {
	client := *f.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	got, err := client.Do(request)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return response{}, err
	}
	r := response{status: got.StatusCode, header: got.Header, body: string(body)}
	if strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// wantCode checks the code of the error, 0 for none, and that the answer is HTTP 200 with the documented message.
func wantCode(t *testing.T, r response, code int) {
	t.Helper()
	if r.status != http.StatusOK || r.Error.Code != code {
		t.Fatalf("got HTTP %d %s, want code %d", r.status, r.body, code)
	}
	if code != 0 && (r.Error.Msg == "" || strings.Contains(r.Error.Msg, "%")) {
		t.Fatalf("message %q of code %d", r.Error.Msg, code)
	}
}

func (f *fixture) lastCall() Call {
	f.t.Helper()
	calls := f.Calls()
	if len(calls) == 0 {
		f.t.Fatal("no calls")
	}
	return calls[len(calls)-1]
}
