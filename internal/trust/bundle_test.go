package trust

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf16"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// authority makes a certificate of a CA, and the CA's own PEM.
func authority(t *testing.T) (certificate *x509.Certificate, ca string) {
	t.Helper()
	pair, text, err := simulator.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	return certificate, string(text)
}

func TestParse(t *testing.T) {
	first, a := authority(t)
	second, b := authority(t)
	for name, bundle := range map[string]string{
		"one after the other": a + b,
		"with comments":       "# Acme root 1\n" + a + "\nAcme root 2\n===========\n" + b + "\n\n",
		"one of them twice":   a + b + a,
		"of Windows":          strings.ReplaceAll(a+b, "\n", "\r\n"),
		"with a byte order":   "\ufeff\n" + a + b,
		"with a mark":         "\ufeff" + a + b,
		"of two with marks":   "\ufeff" + a + "\ufeff" + b + "\ufeff",
		"marked, of Windows":  "\ufeff" + strings.ReplaceAll(a+b, "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			roots, err := Parse([]byte(bundle))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []*x509.Certificate{first, second} {
				if _, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestParseTrustsNobodyElse(t *testing.T) {
	_, a := authority(t)
	other, _ := authority(t)
	roots, err := Parse([]byte(a))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("another authority is trusted")
	}
}

func TestParseNothing(t *testing.T) {
	for _, bundle := range [][]byte{nil, {}} {
		if roots, err := Parse(bundle); roots != nil || err != nil {
			t.Errorf("%v, %v; want the system's", roots, err)
		}
	}
}

// inUTF16 is a text as some tools of Windows save it.
func inUTF16(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func TestParseRefuses(t *testing.T) {
	const wide = "has its text in UTF-16: save the file as UTF-8"
	_, a := authority(t)
	block, _ := pem.Decode([]byte(a))
	of := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	cut := a[:len(a)/2] // no last line
	for name, test := range map[string]struct{ bundle, says string }{
		"UTF-16LE":                    {inUTF16("\ufeff"+a, binary.LittleEndian), wide},
		"UTF-16BE":                    {inUTF16("\ufeff"+a, binary.BigEndian), wide},
		"UTF-16LE without a mark":     {inUTF16(a, binary.LittleEndian), wide},
		"UTF-16BE without a mark":     {inUTF16(a, binary.BigEndian), wide},
		"a byte order mark alone":     {"\ufeff", "has no certificate in it"},
		"a marked private key":        {"\ufeff" + of("PRIVATE KEY", []byte("hunter2")), "private key"},
		"blanks":                      {" \n", "has no certificate in it"},
		"garbage":                     {"hunter2", "has no certificate in it"},
		"base64 twice":                {base64.StdEncoding.EncodeToString([]byte(a)), "into base64 once"},
		"DER":                         {string(block.Bytes), "has no certificate in it"},
		"a certificate cut off":       {cut, "has no certificate in it"},
		"one cut off before a whole":  {cut + "\n" + a, "cut off"},
		"one cut off behind a whole":  {a + cut, "after its last certificate (place 1)"},
		"something behind":            {a + "hunter2", "after its last certificate (place 1)"},
		"a certificate of garbage":    {of("CERTIFICATE", []byte("hunter2")), "can't be read"},
		"a certificate with an end":   {of("CERTIFICATE", append(block.Bytes[:len(block.Bytes):len(block.Bytes)], "hunter2"...)), "can't be read"},
		"a request":                   {a + of("CERTIFICATE REQUEST", []byte("hunter2")), "leave certificates only (place 2)"},
		"a public key":                {of("PUBLIC KEY", []byte("hunter2")), "leave certificates only (place 1)"},
		"a private key":               {of("PRIVATE KEY", []byte("hunter2")), "private key"},
		"a private key behind":        {a + of("EC PRIVATE KEY", []byte("hunter2")), "private key"},
		"an encrypted private key":    {a + of("ENCRYPTED PRIVATE KEY", []byte("hunter2")), "private key"},
		"a private key cut off":       {a + "-----BEGIN RSA PRIVATE KEY-----\nhunter2", "private key"},
		"the end of a private key":    {"hunter2\n-----END RSA PRIVATE KEY-----\n" + a, "private key"},
		"a private key that is a lie": {of("CERTIFICATE", []byte("PRIVATE KEY-----")), "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			roots, err := Parse([]byte(test.bundle))
			if err == nil || roots != nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, %v; want a refusal that says %q", roots, err, test.says)
			}
			for _, content := range []string{"hunter2", base64.StdEncoding.EncodeToString([]byte("hunter2")), cut[40:80]} {
				if strings.Contains(err.Error(), content) {
					t.Errorf("%q repeats the content", err)
				}
			}
		})
	}
}
