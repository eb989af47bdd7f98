// Package trust reads bundles of certificate authorities.
package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"cpaas.dev/child-account-operator/internal/charset"
)

// Parse reads a bundle of certificates in PEM; nil, for those of the system, where it is empty. Text before a certificate is
// a comment, and so are byte order marks, of which files that were put together have several; whatever else is no certificate
// is refused rather than left out. An error continues a sentence that begins with the field's name, and never repeats anything
// of the content.
func Parse(bundle []byte) (*x509.CertPool, error) {
	if len(bundle) == 0 {
		return nil, nil
	}
	if wide := charset.Wide(bundle); wide != "" {
		return nil, fmt.Errorf("has its text in %s: save the file as UTF-8, and put that into base64 once", wide)
	}
	bundle = charset.WithoutMarks(bundle)
	if bytes.Contains(bundle, []byte("PRIVATE KEY-----")) {
		return nil, errors.New("has a private key in it: leave certificates only, and replace that key, as it has been seen")
	}
	roots := x509.NewCertPool()
	for number, rest := 1, bundle; ; number++ {
		block, after := pem.Decode(rest)
		if block == nil {
			return finish(roots, rest, number-1)
		}
		certificate, err := parse(block, rest[:len(rest)-len(after)])
		if err != nil {
			return nil, fmt.Errorf("%w (place %d)", err, number)
		}
		roots.AddCert(certificate)
		rest = after
	}
}

// parse reads the certificate in a block; text is what the block was found in.
func parse(block *pem.Block, text []byte) (*x509.Certificate, error) {
	switch {
	case bytes.Count(text, []byte("-----BEGIN")) > 1: // pem.Decode passes over what it can't read
		return nil, errors.New("has PEM in it that is cut off or damaged: paste the file again, from the first line to the last")
	case block.Type != "CERTIFICATE":
		return nil, errors.New("has PEM in it of something else than a certificate: leave certificates only")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("has a certificate in it that can't be read: paste the file again, from the first line to the last")
	}
	return certificate, nil
}

// finish looks at what is left behind the last certificate.
func finish(roots *x509.CertPool, rest []byte, certificates int) (*x509.CertPool, error) {
	switch {
	case certificates == 0:
		return nil, errors.New(`has no certificate in it: give those of the authorities as PEM ("-----BEGIN CERTIFICATE-----"), put into base64 once`)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("has something else after its last certificate (place %d): remove that, or paste the file again", certificates)
	}
	return roots, nil
}
