package voximplant

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"cpaas.dev/child-account-operator/internal/simulator"
)

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

var pkcs8 = sync.OnceValue(func() string {
	der, err := x509.MarshalPKCS8PrivateKey(simulator.SharedKey())
	if err != nil {
		panic(err)
	}
	return pemText("PRIVATE KEY", der)
})

func document(t testing.TB, change func(map[string]any)) []byte {
	t.Helper()
	m := map[string]any{"account_email": "p@example.com", "account_id": 9007199254740993, "key_id": "k1", "private_key": pkcs8()}
	if change != nil {
		change(m)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseCredentials(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"as made":        nil,
		"id as a string": func(m map[string]any) { m["account_id"] = "9007199254740993" },
		"PKCS#1": func(m map[string]any) {
			m["private_key"] = pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(simulator.SharedKey()))
		},
		"more in it":       func(m map[string]any) { m["new"] = 1 },
		"without e-mail":   func(m map[string]any) { delete(m, "account_email") },
		"blanks at an end": func(m map[string]any) { m["private_key"] = "\n" + pkcs8() + "\n" },
		"key with a mark":  func(m map[string]any) { m["private_key"] = "\ufeff" + pkcs8() },
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseCredentials(document(t, change))
			if err != nil {
				t.Fatal(err)
			}
			if c.AccountID != "9007199254740993" || c.KeyID != "k1" || c.privateKey == nil {
				t.Errorf("%v", c)
			}
		})
	}
}

// inUTF16 is a text as some tools of Windows save it.
func inUTF16(text string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// However an editor saved credentials.json: it is read, or called what it is.
func TestParseCredentialsAsSaved(t *testing.T) {
	text := string(document(t, nil))
	for _, before := range []string{"\ufeff", "\ufeff\ufeff", "\ufeff\r\n", "\r\n"} {
		if c, err := ParseCredentials([]byte(before + text + "\r\n")); err != nil || c.KeyID != "k1" {
			t.Errorf("after %q: %v, %v", before, c, err)
		}
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, mark := range []string{"", "\ufeff"} {
			_, err := ParseCredentials(inUTF16(mark+text, order))
			if err == nil || !strings.Contains(err.Error(), "UTF-16: save the file as UTF-8") {
				t.Errorf("%v, mark %q: %v", order, mark, err)
			}
		}
	}
}

func TestParseCredentialsRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curveDER, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key string, value any) []byte {
		return document(t, func(m map[string]any) { m[key] = value })
	}
	const canary = "CANARY"
	for name, test := range map[string]struct {
		data []byte
		says string
	}{
		"empty":            {[]byte(" \n"), "credentials.json"},
		"a mark alone":     {[]byte("\ufeff"), "are empty"},
		"no JSON":          {[]byte("CANARY"), "JSON object"},
		"a list":           {[]byte(`["CANARY"]`), "JSON object"},
		"cut off":          {[]byte(`{"account_id": 1, "private_key": "CANARY`), "JSON object"},
		"huge":             {[]byte(`{"x":"` + strings.Repeat("CANARY", maxCredentials/4) + `"}`), "larger"},
		"no id":            {document(t, func(m map[string]any) { delete(m, "account_id") }), `"account_id"`},
		"id a word":        {set("account_id", canary), `"account_id"`},
		"id negative":      {set("account_id", -5), `"account_id"`},
		"id a fraction":    {set("account_id", 1.5), `"account_id"`},
		"id too large":     {set("account_id", "9223372036854775808"), `"account_id"`},
		"no key id":        {document(t, func(m map[string]any) { delete(m, "key_id") }), `"key_id"`},
		"key id a number":  {set("key_id", 5), `"key_id"`},
		"key id two lines": {set("key_id", "CANARY\nx"), `"key_id"`},
		"no key":           {document(t, func(m map[string]any) { delete(m, "private_key") }), `"private_key" is missing`},
		"key no PEM":       {set("private_key", canary), `"private_key" is not PEM`},
		"key damaged":      {set("private_key", pemText("PRIVATE KEY", []byte(canary))), `"private_key" can't be read`},
		"PKCS#1 damaged":   {set("private_key", pemText("RSA PRIVATE KEY", []byte(canary))), `"private_key" can't be read`},
		"encrypted":        {set("private_key", pemText("ENCRYPTED PRIVATE KEY", []byte(canary))), "encrypted"},
		"a certificate":    {set("private_key", pemText("CERTIFICATE", []byte(canary))), "something else"},
		"a curve":          {set("private_key", pemText("PRIVATE KEY", curveDER)), "not an RSA key"},
		"too short":        {set("private_key", pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small))), "2048"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseCredentials(test.data)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v; want %q in it", err, test.says)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats the content: %v", err)
			}
		})
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, func(c *Config) { c.ParentAPIKey = testAPIKey })
	c := w.Client().config.Credentials
	for _, v := range []any{c, &c, w.Remote, w.Client(), w.Client().config, AddAccountParams{Password: testPassword}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, "canary") || strings.Contains(text, "Canary") || strings.Contains(text, c.privateKey.D.String()) || strings.Contains(text, "privateKey") {
				t.Errorf("%T by %s: %s", v, verb, text)
			}
		}
		data, err := json.Marshal(v)
		if err == nil && strings.Contains(strings.ToLower(string(data)), "canary") {
			t.Errorf("%T as JSON: %s", v, data)
		}
	}
}
