package simulator

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// carrier puts the same call on the wire in one of the ways that clients use.
type carrier func(t *testing.T, f *fixture, method string, params form) *http.Request

func build(t *testing.T, f *fixture, verb, url, contentType, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), verb, f.server.URL+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Authorization", f.token(f.creds, nil))
	return r
}

func multipartBody(t *testing.T, params form) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range params {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func TestCarriers(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded"
	for name, carry := range map[string]carrier{
		"GET, method in the path": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodGet, "/platform_api/"+method+"?"+params.encode(), "", "")
		},
		"GET, cmd": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodGet, "/platform_api?"+params.with(form{"cmd": method}).encode(), "", "")
		},
		"GET, semicolons as they are": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodGet, "/platform_api/"+method+"?"+strings.ReplaceAll(params.encode(), "%3B", ";"), "", "")
		},
		"POST, query and an empty object": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodPost, "/platform_api/"+method+"?"+params.encode(), "application/json", "{}")
		},
		"POST, urlencoded": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodPost, "/platform_api/"+method, urlencoded, params.encode())
		},
		"POST, urlencoded, cmd": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodPost, "/platform_api", urlencoded, params.with(form{"cmd": method}).encode())
		},
		"POST, urlencoded, cmd, slash": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			return build(t, f, http.MethodPost, "/platform_api/", urlencoded, params.with(form{"cmd": method}).encode())
		},
		"POST, multipart": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			kind, body := multipartBody(t, params)
			return build(t, f, http.MethodPost, "/platform_api/"+method, kind, body)
		},
		"POST, multipart, cmd": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			kind, body := multipartBody(t, params.with(form{"cmd": method}))
			return build(t, f, http.MethodPost, "/platform_api", kind, body)
		},
		"POST, partly in the query": func(t *testing.T, f *fixture, method string, params form) *http.Request {
			first := form{"child_account_id": params["child_account_id"]}
			return build(t, f, http.MethodPost, "/platform_api/"+method+"?"+first.encode(), urlencoded, params.with(form{"child_account_id": "-"}).encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ids := f.children(2)
			r, err := f.send(carry(t, f, "SetChildAccountInfo", form{
				"child_account_id": fmt.Sprintf("%d;%d", ids[0], ids[1]), "location": "Asia/Tokyo",
			}))
			if err != nil {
				t.Fatal(err)
			}
			wantCode(t, r, 0)
			if r.body != `{"result":1}` {
				t.Errorf("answer %s", r.body)
			}
			for _, a := range f.Accounts(f.parent.ID) {
				if a.Text("location") != "Asia/Tokyo" {
					t.Errorf("%s: location %q", a.Name(), a.Text("location"))
				}
			}
		})
	}
}

func TestMalformedCalls(t *testing.T) {
	f := newFixture(t)
	const urlencoded = "application/x-www-form-urlencoded"
	big := strings.Repeat("x", maxBody)
	bigKind, bigBody := multipartBody(t, form{"location": big})
	for name, test := range map[string]struct {
		verb, url, kind, body string
		status, code          int
	}{
		"no method":             {"POST", "/platform_api", urlencoded, "", 200, 102},
		"unknown method":        {"POST", "/platform_api/DelAccount", urlencoded, "", 200, 103},
		"method in lower case":  {"POST", "/platform_api/getaccountinfo", urlencoded, "", 200, 103},
		"two methods":           {"POST", "/platform_api/GetAccountInfo", urlencoded, "cmd=AddAccount", 200, 101},
		"twice the same method": {"POST", "/platform_api/GetAccountInfo", urlencoded, "cmd=GetAccountInfo", 200, 0},
		"PUT":                   {"PUT", "/platform_api/GetAccountInfo", urlencoded, "", 405, 0},
		"parameter twice":       {"POST", "/platform_api/GetAccountInfo", urlencoded, "return_live_balance=1&return_live_balance=1", 200, 101},
		"in query and body":     {"POST", "/platform_api/GetAccountInfo?return_live_balance=1", urlencoded, "return_live_balance=1", 200, 101},
		"bad escape":            {"POST", "/platform_api/GetAccountInfo", urlencoded, "return_live_balance=%zz", 200, 101},
		"bad escape in query":   {"POST", "/platform_api/GetAccountInfo?a=%zz", urlencoded, "", 200, 101},
		"not UTF-8":             {"POST", "/platform_api/SetAccountInfo", urlencoded, "account_first_name=%ff", 200, 101},
		"JSON":                  {"POST", "/platform_api/GetAccountInfo", "application/json", `{"return_live_balance":true}`, 200, 101},
		"no content type":       {"POST", "/platform_api/GetAccountInfo", "", "return_live_balance=1", 200, 101},
		"broken multipart":      {"POST", "/platform_api/GetAccountInfo", "multipart/form-data; boundary=x", "--y", 200, 101},
		"a file":                {"POST", "/platform_api/GetAccountInfo", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\nc\r\n--x--\r\n", 200, 101},
		"too large":             {"POST", "/platform_api/SetAccountInfo", urlencoded, "location=" + big, 413, 0},
		"too large, multipart":  {"POST", "/platform_api/SetAccountInfo", bigKind, bigBody, 413, 0},
		"unknown path":          {"POST", "/platform/GetAccountInfo", urlencoded, "", 404, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := f.send(build(t, f, test.verb, test.url, test.kind, test.body))
			if err != nil {
				t.Fatal(err)
			}
			if r.status != test.status || r.Error.Code != test.code {
				t.Fatalf("got HTTP %d %s, want HTTP %d, code %d", r.status, r.body, test.status, test.code)
			}
		})
	}
}

// TestTypes goes through every type of parameter and the code that refuses it.
func TestTypes(t *testing.T) {
	f := newFixture(t)
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, test := range []struct {
		param, value string
		code         int
	}{
		{"account_notifications", "true", 0}, {"account_notifications", "0", 0},
		{"account_notifications", "True", 496}, {"account_notifications", "yes", 496}, {"account_notifications", "2", 496},
		{"account_notifications", "", 0},
		{"min_balance_to_notify", "5", 0}, {"min_balance_to_notify", "5.25", 0},
		{"min_balance_to_notify", "5,25", 496}, {"min_balance_to_notify", "-1", 496}, {"min_balance_to_notify", "1e3", 496},
		{"min_balance_to_notify", ".5", 496}, {"min_balance_to_notify", "NaN", 496},
		{"language_code", "zu", 0}, {"language_code", "iw", 0}, {"language_code", "EN", 202}, {"language_code", "xx", 202}, {"language_code", "english", 202},
		{"location", "Europe/Berlin", 0}, {"location", "Etc/GMT-8", 0}, {"location", "Etc/GMT+10", 0}, {"location", "Etc/GMT", 0},
		{"location", "Berlin", 496}, {"location", "Local", 496}, {"location", "../etc/passwd", 496}, {"location", "GMT+3", 496},
		{"account_first_name", long(49), 0}, {"account_first_name", long(50), 163},
		{"account_last_name", long(49), 0}, {"account_last_name", long(50), 164},
		{"account_custom_data", long(8191), 0}, {"account_custom_data", long(8192), 211},
		{"mobile_phone", "+49301234567", 0}, {"mobile_phone", "12", 203}, {"mobile_phone", "call me", 203},
		{"billing_address_name", long(199), 0}, {"billing_address_name", long(200), 205},
		{"billing_address_country_code", "DE", 0}, {"billing_address_country_code", "de", 204}, {"billing_address_country_code", "XX", 204},
		{"billing_address_address", long(511), 0}, {"billing_address_address", long(512), 206},
		{"billing_address_zip", long(29), 0}, {"billing_address_zip", long(30), 207},
		{"billing_address_phone", long(29), 0}, {"billing_address_phone", long(30), 208},
		{"callback_url", "https://acme.example/hook?a=b", 0}, {"callback_url", "ftp://acme.example", 398}, {"callback_url", "acme.example", 398}, {"callback_url", "https://", 398},
		{"callback_salt", long(39), 0}, {"callback_salt", long(40), 399},
		{"new_account_password", goodPassword, 0}, {"new_account_password", "", 463},
		{"new_account_password", "Short1!", 464}, {"new_account_password", "no-upper-case-1", 464},
		{"new_account_password", "NO-LOWER-CASE-1", 464}, {"new_account_password", "No-Digit-Here", 464},
		{"new_account_password", "NoSpecial123", 464}, {"new_account_password", "With Space-1", 524},
		{"send_js_error", "1", 0}, {"store_inbound_sms", "false", 0}, {"store_outbound_sms", "maybe", 496},
		{"location ", "Europe/Berlin", 492}, {"min_balance", "5", 492}, {"languageCode", "en", 492}, {"can_use_restricted", "true", 492},
	} {
		r := f.call("SetAccountInfo", form{test.param: test.value})
		if r.Error.Code != test.code {
			t.Errorf("%s=%.40s: %s, want code %d", test.param, test.value, r.body, test.code)
		}
		if code := test.code; (code == 492 || code == 496) && !strings.Contains(r.Error.Msg, "'"+test.param+"'") {
			t.Errorf("%s: message %q does not name it", test.param, r.Error.Msg)
		}
	}
}

func TestErrorMessages(t *testing.T) {
	messages := ErrorMessages()
	if messages[106] != "Account's name is not unique" || messages[1] != "Fatal error" || len(messages) < 80 {
		t.Fatalf("%d messages, 106 is %q", len(messages), messages[106])
	}
	delete(messages, 106)
	if ErrorMessages()[106] == "" {
		t.Fatal("the caller's map is not its own")
	}
	for template, want := range map[string]string{
		"%2$s should be in range of %3$s..%4$s":                   "b should be in range of 3..4",
		`The \'%s\' parameter length must not exceed %d symbols.`: "The 'a' parameter length must not exceed b symbols.",
		"The '%1$s' parameter length must be less than %3$s.":     "The 'a' parameter length must be less than 3.",
		"%5$s": "%5$s",
	} {
		if got := fillIn(template, []any{"a", "b", 3, 4}); got != want {
			t.Errorf("%s: %s", template, got)
		}
	}
}
