package apihttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// certificateProblem says what to do where the server's certificate was not accepted, "" where it is not that. It repeats
// nothing of the certificate: that is the choice of whoever answers.
func certificateProblem(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		return ""
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "the server's certificate is of an authority that is not trusted: put the certificate of a private authority into caBundle, which replaces the system's authorities"
	case errors.As(err, &host):
		return "the server's certificate is not for this host: check the endpoint"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate, or its authority's, has expired or is not valid yet: check the clock of this machine"
	}
	return "the server's certificate is not valid"
}
