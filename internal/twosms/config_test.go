package twosms

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestBaseURL(t *testing.T) {
	credentials := Credentials{AccountID: masterID, ClientID: "client", ClientSecret: clientSecret}
	for url, want := range map[string]string{
		"https://api.2sms.example/v2/": "https://api.2sms.example/v2", "http://127.0.0.1:8090": "http://127.0.0.1:8090", "https://a.example/x%2Fy": "https://a.example/x%2Fy",
		"": "", "api.2sms.example": "", "ftp://a.example": "", "https://user:canary@a.example": "", "https://a.example/?x=canary": "", "https://a.example/#canary": "",
		"https:a.example": "", "https://a.example/?": "", "https://%zz": "",
	} {
		got, err := Config{BaseURL: url, Credentials: credentials}.base()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", url, got, err)
		}
		noSecrets(t, fmt.Sprint(err))
	}
	if _, err := New(Config{BaseURL: "https://a.example"}); err == nil {
		t.Error("no credentials are needed")
	}
}

func TestParseCredentials(t *testing.T) {
	good := `{"accountID":" ` + strings.ToUpper(masterID) + `\n","clientID":"\ufeffclient\n","clientSecret":" canary-secret\r\n"}`
	c, err := ParseCredentials([]byte("\xef\xbb\xbf" + good))
	if err != nil || c.AccountID != masterID || c.ClientID != "client" || c.ClientSecret.Reveal() != "canary-secret" || !c.valid() {
		t.Errorf("%v, %v", c, err)
	}
	encoded, err := json.Marshal(c)
	noSecrets(t, fmt.Sprintf("%v %+v %#v %s %q %s", c, c, c, c, c, encoded))
	if err != nil {
		t.Error(err)
	}
	for bad, want := range map[string]string{
		`[]`: "not a JSON object", `{"clientID":5}`: "which are texts", ``: "not a JSON object",
		`{"accountID":"5","clientID":"c","clientSecret":"canary"}`:                                               `"accountID" is not a guid`,
		`{"accountID":"` + masterID[:35] + `x","clientID":"c","clientSecret":"canary"}`:                          `"accountID" is not a guid`,
		`{"accountID":"` + masterID + `","clientSecret":"canary"}`:                                               `"clientID" is missing`,
		`{"accountID":"` + masterID + `","clientID":"c"}`:                                                        `"clientSecret" is missing`,
		`{"accountID":"` + masterID + `","clientID":"c","clientSecret":"canary\ncan"}`:                           `"clientSecret" has a line break`,
		`{"accountID":"` + masterID + `","clientID":"c","clientSecret":"` + strings.Repeat("canary", 200) + `"}`: `"clientSecret" is longer`,
		"{\x00\"\x00a\x00": "UTF-16",
	} {
		_, err := ParseCredentials([]byte(bad))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", bad, err, want)
		}
		noSecrets(t, fmt.Sprint(err))
	}
}

func TestPhones(t *testing.T) {
	for v, good := range map[string]bool{
		"+49 (30) 123-45": true, "12345": true, "+12345": true, "(030) 12345": true, "1234": false, "1-2-3-4": false, "": false, "+": false, "12345+": false,
		"++12345": false, "1234567890123456789012": false, "12345x": false, "12\t345": false, "１２３４５": false,
	} {
		if err := checkPhone(v); (err == nil) != good {
			t.Errorf("%q: %v", v, err)
		}
	}
}
