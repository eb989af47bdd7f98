package voximplant

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

const (
	callbackSalt = account.Secret("s4lt-of-the-earth")
	testKey      = account.Secret("3f2504e0-4f89-11d3-9a0c-0305e82c3301")
)

// hashOf is the hash that the documents describe.
func hashOf(salt account.Secret, accountID string, key account.Secret, callbackID string) string {
	sum := md5.Sum([]byte(salt.Reveal() + accountID + key.Reveal() + callbackID))
	return hex.EncodeToString(sum[:])
}

func callbackBody(callbacks ...string) []byte {
	return []byte(`{"callbacks": [` + strings.Join(callbacks, ",") + `]}`)
}

// The hash of a callback was computed once with md5sum: printf 's4lt-of-the-earth123453f2504e0-4f89-11d3-9a0c-0305e82c33017' | md5sum.
func TestSignedCallback(t *testing.T) {
	got, err := ParseCallbacks(callbackBody(`{"callback_id": 7, "type": "account_is_frozen", "account_id": 12345, "hash": "346410ff2b6506df99310109bd45caf0",
		"account_name": "acme", "account_email": "a@acme.example", "language_code": "en", "balance": 1.5, "currency": "USD", "account_is_frozen": {"x": [1]}}`))
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	c := got[0]
	if c.Malformed || c.ID != "7" || c.AccountID != "12345" || c.Type != provider.AccountFrozen {
		t.Errorf("%+v", c)
	}
	if !c.SignedWith(callbackSalt, testKey) {
		t.Error("the right hash is refused")
	}
	for name, with := range map[string][2]account.Secret{
		"another salt": {"s4lt-of-the-sea", testKey}, "another key": {callbackSalt, "3f2504e0"}, "no salt": {"", callbackSalt + "12345" + testKey}, "no key": {callbackSalt + "12345" + testKey, ""},
		"exchanged": {testKey, callbackSalt},
	} {
		if c.SignedWith(with[0], with[1]) {
			t.Errorf("%s: the hash is accepted", name)
		}
	}
}

// Where a secret is missing nothing is signed, not even by the rest of it.
func TestSignedWithNothing(t *testing.T) {
	for name, with := range map[string][2]account.Secret{"no salt": {"", testKey}, "no key": {callbackSalt, ""}, "neither": {"", ""}} {
		got, err := ParseCallbacks(callbackBody(fmt.Sprintf(`{"callback_id": 7, "account_id": 1, "hash": %q}`, hashOf(with[0], "1", with[1], "7"))))
		if err != nil || got[0].Malformed || got[0].SignedWith(with[0], with[1]) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCallbackTypes(t *testing.T) {
	for wire, want := range map[string]provider.CallbackType{
		"account_is_frozen": provider.AccountFrozen, "account_is_unfrozen": provider.AccountUnfrozen, "min_balance": provider.BalanceBelowMinimum,
		"next_charge_alert": provider.ChargeUpcoming, "account_document_status_updated": provider.DocumentsUpdated,
		"activate_successful": provider.OtherCallback, "": provider.OtherCallback, "ACCOUNT_IS_FROZEN": provider.OtherCallback,
	} {
		got, err := ParseCallbacks(callbackBody(fmt.Sprintf(`{"callback_id": 7, "type": %q, "account_id": 1, "hash": %q}`, wire, hashOf(callbackSalt, "1", testKey, "7"))))
		if err != nil || got[0].Type != want || !got[0].SignedWith(callbackSalt, testKey) {
			t.Errorf("%s: %+v, %v", wire, got, err)
		}
	}
}

// Ids are numbers or strings; in the hash they are as they were sent.
func TestCallbackIDs(t *testing.T) {
	for name, test := range map[string]struct {
		id, account string
		ok          bool
	}{
		"numbers":                 {`7`, `12345`, true},
		"strings":                 {`"7"`, `"12345"`, true},
		"a UUID":                  {`"3f2504e0-4f89-11d3-9a0c-0305e82c3301"`, `12345`, true},
		"0":                       {`0`, `12345`, true},
		"64 characters":           {`"` + strings.Repeat("a", 64) + `"`, `1`, true},
		"65 characters":           {`"` + strings.Repeat("a", 65) + `"`, `1`, false},
		"an empty id":             {`""`, `1`, false},
		"no id":                   {`null`, `1`, false},
		"an object":               {`{"a": 1}`, `1`, false},
		"a list":                  {`[7]`, `1`, false},
		"a fraction":              {`7.5`, `1`, false},
		"an exponent":             {`1e3`, `1e3`, false},
		"a boolean":               {`true`, `1`, false},
		"MD5's padding":           {`"7\u0080\u0000"`, `1`, false},
		"bytes that are no UTF-8": {"\"7\x80\"", `1`, false},
		"a line break":            {`"7\n"`, `1`, false},
		"an account of letters":   {`7`, `"acme"`, false},
		"no account":              {`7`, `null`, false},
		"account 0":               {`7`, `0`, false},
		"a negative account":      {`7`, `-1`, false},
		"a zero before":           {`7`, `"012345"`, false},
		"20 digits":               {`7`, `12345678901234567890`, false},
	} {
		id, accountID := strings.Trim(test.id, `"`), strings.Trim(test.account, `"`)
		got, err := ParseCallbacks(callbackBody(fmt.Sprintf(`{"callback_id": %s, "type": "min_balance", "account_id": %s, "hash": %q}`, test.id, test.account, hashOf(callbackSalt, accountID, testKey, id))))
		if err != nil || len(got) != 1 || got[0].Malformed == test.ok {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if test.ok && (got[0].ID != id || got[0].AccountID != accountID || !got[0].SignedWith(callbackSalt, testKey)) {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
}

func TestMalformedCallbacks(t *testing.T) {
	hash := hashOf(callbackSalt, "1", testKey, "7")
	good := `{"callback_id": 7, "type": "min_balance", "account_id": 1, "hash": "` + hash + `"}`
	for name, bad := range map[string]string{
		"null": `null`, "a number": `7`, "a text": `"x"`, "an empty one": `{}`,
		"no hash":               `{"callback_id": 7, "type": "min_balance", "account_id": 1}`,
		"an empty hash":         `{"callback_id": 7, "type": "min_balance", "account_id": 1, "hash": ""}`,
		"half a hash":           `{"callback_id": 7, "type": "min_balance", "account_id": 1, "hash": "` + hash[:16] + `"}`,
		"a hash and more":       `{"callback_id": 7, "type": "min_balance", "account_id": 1, "hash": "` + hash + `00"}`,
		"a hash of other signs": `{"callback_id": 7, "type": "min_balance", "account_id": 1, "hash": "` + strings.Repeat("zz", 16) + `"}`,
		"a hash in a list":      `{"callback_id": 7, "type": "min_balance", "account_id": 1, "hash": ["` + hash + `"]}`,
		"a type that is none":   `{"callback_id": 7, "type": 5, "account_id": 1, "hash": "` + hash + `"}`,
	} {
		got, err := ParseCallbacks(callbackBody(bad, good))
		if err != nil || len(got) != 2 || !got[0].Malformed || got[1].Malformed || !got[1].SignedWith(callbackSalt, testKey) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := ParseCallbacks(callbackBody(strings.Replace(good, hash, strings.ToUpper(hash), 1))); err != nil || !got[0].SignedWith(callbackSalt, testKey) {
		t.Errorf("a hash in capitals is the same: %v", err)
	}
}

// One document calls the hash hash, another one calls it salt.
func TestHashCalledSalt(t *testing.T) {
	hash := hashOf(callbackSalt, "1", testKey, "7")
	for body, want := range map[string]bool{
		`{"callback_id": 7, "account_id": 1, "salt": "` + hash + `"}`:                                            true,
		`{"callback_id": 7, "account_id": 1, "salt": "` + hash + `", "hash": null}`:                              true,
		`{"callback_id": 7, "account_id": 1, "salt": "` + hash + `", "hash": "` + strings.Repeat("0", 32) + `"}`: false,
	} {
		if got, err := ParseCallbacks(callbackBody(body)); err != nil || got[0].Malformed || got[0].SignedWith(callbackSalt, testKey) != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestBodiesThatAreNone(t *testing.T) {
	one := `{"callback_id": 7}`
	for name, body := range map[string]string{
		"nothing": "", "a text": "s4lt-of-the-earth", "a list": "[]", "no callbacks": "{}", "an empty list": `{"callbacks": []}`, "null": `{"callbacks": null}`,
		"an object": `{"callbacks": {"callback_id": 7}}`, "cut off": `{"callbacks": [` + one, "two bodies": string(callbackBody(one)) + string(callbackBody(one)),
		"a form": "callbacks=" + one, "too many": string(callbackBody(strings.Split(strings.Repeat(one+"|", maxCallbacks)+one, "|")...)),
		"deep": `{"callbacks": ` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		got, err := ParseCallbacks([]byte(body))
		if err == nil || got != nil {
			t.Errorf("%s: %+v", name, got)
		} else if strings.Contains(err.Error(), "s4lt") || len(err.Error()) > 100 {
			t.Errorf("%s: the error repeats the body: %v", name, err)
		}
	}
	if got, err := ParseCallbacks(callbackBody(strings.Split(strings.Repeat(one+"|", maxCallbacks-1)+one, "|")...)); err != nil || len(got) != maxCallbacks {
		t.Errorf("%d callbacks: %v", maxCallbacks, err)
	}
}

// FuzzParseCallbacks has bodies of whatever kind decoded: a callback is malformed, or has plain ids; and no secrets but the signer's verify it.
func FuzzParseCallbacks(f *testing.F) {
	f.Add(string(callbackBody(`{"callback_id": 7, "type": "account_is_frozen", "account_id": 12345, "hash": "` + hashOf(callbackSalt, "12345", testKey, "7") + `"}`)))
	f.Add(`{"callbacks": [null, {"callback_id": "7\u0080", "account_id": "1", "hash": "00"}]}`)
	f.Add(`{"CALLBACKS": [{"callback_id": 1e9}], "callbacks": 5}`)
	f.Fuzz(func(t *testing.T, body string) {
		callbacks, err := ParseCallbacks([]byte(body))
		if err != nil {
			if callbacks != nil {
				t.Error("callbacks beside an error")
			}
			return
		}
		for _, c := range callbacks {
			if c.Malformed {
				if c.ID != "" || c.AccountID != "" || c.SignedWith != nil {
					t.Errorf("%+v", c)
				}
				continue
			}
			if !plainID.MatchString(c.ID) || !accountNumber.MatchString(c.AccountID) {
				t.Errorf("%+v", c)
			}
			if c.SignedWith("", testKey) || c.SignedWith(callbackSalt, "") {
				t.Error("signed with nothing")
			}
			signed, marshalErr := json.Marshal(map[string]any{"callbacks": []any{map[string]any{"callback_id": c.ID, "account_id": c.AccountID, "hash": hashOf(callbackSalt, c.AccountID, testKey, c.ID)}}})
			if marshalErr != nil {
				t.Fatal(marshalErr)
			}
			again, err := ParseCallbacks(signed)
			if err != nil || !again[0].SignedWith(callbackSalt, testKey) || again[0].SignedWith(callbackSalt+"x", testKey) {
				t.Errorf("%+v, %v", again, err)
			}
		}
	})
}
