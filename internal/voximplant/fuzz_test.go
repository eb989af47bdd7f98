package voximplant

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzParseCredentials(f *testing.F) {
	f.Add([]byte(`{"account_id": 1, "key_id": "k", "private_key": "-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----"}`))
	f.Add([]byte(`{"account_id": "1"}`))
	f.Add([]byte(`[1]`))
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
		a, err := decodeAnswer(body)
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
		if json.Unmarshal(a.Result, &accounts) != nil {
			return
		}
		for _, info := range accounts {
			if info.ID != "" && !validID(info.ID) {
				t.Errorf("id %q", info.ID)
			}
			for path, value := range stateOf(info) {
				if row, ok := fields.Field(path); !ok || row.Normal(value) != value {
					t.Errorf("%s is %q", path, value)
				}
			}
		}
	})
}

func FuzzRefusalText(f *testing.F) {
	f.Add(416, "Repeat after 5 seconds")
	f.Add(493, "The 'account_name' is not unique.")
	f.Fuzz(func(t *testing.T, code int, msg string) {
		e := refusal("M", true, code, newRedactor("CANARY").clean(msg))
		if e.Class == "" || e.RetryAfter < 0 || e.RetryAfter > longestWait || strings.Contains(e.Message, "CANARY") {
			t.Errorf("%#v", e)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"Europe/Kiev", " UTC ", "iw", "5.00", "TRUE", "A@B", "-0.0", "İ@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, row := range fields {
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
