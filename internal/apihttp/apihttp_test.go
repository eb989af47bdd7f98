package apihttp

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCertificateProblems(t *testing.T) {
	canary := &x509.Certificate{DNSNames: []string{"canary.example"}, Raw: []byte("canary")}
	for _, test := range []struct {
		err  error
		says string
	}{
		{x509.UnknownAuthorityError{Cert: canary}, "caBundle"},
		{x509.HostnameError{Certificate: canary, Host: "api.example"}, "endpoint"},
		{x509.CertificateInvalidError{Cert: canary, Reason: x509.Expired, Detail: "canary"}, "clock"},
		{x509.CertificateInvalidError{Cert: canary, Reason: x509.IncompatibleUsage, Detail: "canary"}, "not valid"},
		{x509.ConstraintViolationError{}, "not valid"},
	} {
		got := transportProblem(&url.Error{Op: "Post", URL: "https://api.example", Err: &tls.CertificateVerificationError{Err: test.err}})
		if !strings.Contains(got, test.says) || strings.Contains(got, "canary") {
			t.Errorf("%T: %q; want %q in it, and nothing of the certificate", test.err, got, test.says)
		}
	}
}

func TestClean(t *testing.T) {
	r := NewRedactor("", "abc", "abcdef", "p w/+")
	for text, want := range map[string]string{
		"":                          "",
		"x abcdef abc":              "x [redacted] [redacted]",
		"p w/+ p+w%2F%2B p%20w%2F+": "[redacted] [redacted] [redacted]",
		"line\none\ttwo\x00\u202e":  "line one two",
		"  much   space ":           "much space",
		"bad \xff utf8":             "bad \ufffd utf8",
	} {
		if got := r.Clean(text); got != want {
			t.Errorf("%q is %q; want %q", text, got, want)
		}
	}
	long := r.Clean(strings.Repeat("ü", 1000))
	if n := utf8.RuneCountInString(long); n != LongestMessage {
		t.Errorf("%d runes", n)
	}
	// A secret at the place where the text is cut off doesn't show in part.
	if cut := r.Clean(strings.Repeat("x", LongestMessage-3) + "abcdef"); strings.Contains(cut, "abc") {
		t.Error(cut)
	}
}

func TestHTTP2Codes(t *testing.T) {
	for code, want := range map[uint32]string{0: "NO_ERROR", 7: "REFUSED_STREAM", 13: "HTTP_1_1_REQUIRED", 14: "14", 1 << 31: "2147483648"} {
		if got := http2Code(code); got != want {
			t.Errorf("%d is %q; want %q", code, got, want)
		}
	}
}
