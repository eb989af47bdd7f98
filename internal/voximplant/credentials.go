package voximplant

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"cpaas.dev/child-account-operator/internal/charset"
)

const (
	maxCredentials = 64 << 10
	minKeyBits     = 2048
	maxKeyBits     = 16384
)

// Credentials are a service account's key to the Management API, as its control panel hands them out in credentials.json.
// Printed in any way, the private key does not show.
type Credentials struct {
	// AccountEmail is the e-mail of the account that the key belongs to; "" where the file has none.
	AccountEmail string
	// AccountID is the id of that account, the parent.
	AccountID string
	// KeyID is the id of the key; it stands in each token's header.
	KeyID string

	privateKey *rsa.PrivateKey
}

// Format implements fmt.Formatter, for every verb: only what is no secret.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "credentials of account %s, key %s", c.AccountID, c.KeyID)
}

// MarshalText implements encoding.TextMarshaler, and by it json.Marshaler, like Format.
func (c Credentials) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// credentialsFile is credentials.json.
type credentialsFile struct {
	AccountEmail string          `json:"account_email"`
	AccountID    json.RawMessage `json:"account_id"`
	KeyID        string          `json:"key_id"`
	PrivateKey   string          `json:"private_key"`
}

// ParseCredentials reads credentials.json: account_id (a number, or one in a string), key_id and private_key
// (PEM of an RSA key of at least 2048 bits, PKCS#8 or PKCS#1) are required. Its errors name the key and what to do,
// and never repeat anything of the content. Byte order marks at the beginning are no part of it.
func ParseCredentials(data []byte) (Credentials, error) {
	wide := charset.Wide(data)
	data = charset.WithoutMark(data)
	switch {
	case wide != "":
		return Credentials{}, fmt.Errorf("the credentials are text in %s: save the file as UTF-8", wide)
	case len(bytes.TrimSpace(data)) == 0:
		return Credentials{}, errors.New("the credentials are empty: put in the credentials.json of a service account key")
	case len(data) > maxCredentials:
		return Credentials{}, fmt.Errorf("the credentials are larger than %d bytes: that is no credentials.json", maxCredentials)
	}
	var file credentialsFile
	if err := json.Unmarshal(data, &file); err != nil {
		return Credentials{}, jsonProblem(err)
	}
	id := scalar(file.AccountID)
	if !validID(id) {
		return Credentials{}, errors.New(`"account_id" is missing or not a positive number: take the file as Voximplant made it`)
	}
	if !validKeyID(file.KeyID) {
		return Credentials{}, errors.New(`"key_id" is missing or not usable: take the file as Voximplant made it`)
	}
	key, err := parsePrivateKey(file.PrivateKey)
	if err != nil {
		return Credentials{}, fmt.Errorf(`"private_key" %w`, err)
	}
	return Credentials{AccountEmail: file.AccountEmail, AccountID: id, KeyID: file.KeyID, privateKey: key}, nil
}

// jsonProblem says what is wrong without the decoder's text, which repeats parts of what it read.
func jsonProblem(err error) error {
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		return fmt.Errorf("%q has the wrong type: it must be a string", mistyped.Field)
	}
	return errors.New("the credentials are not a JSON object: put in the whole credentials.json, from { to }")
}

func validKeyID(id string) bool {
	if id == "" || len(id) > 256 {
		return false
	}
	for _, c := range id {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	if text == "" {
		return nil, errors.New("is missing: take the file as Voximplant made it")
	}
	block, _ := pem.Decode(charset.WithoutMark([]byte(text)))
	if block == nil {
		return nil, errors.New(`is not PEM: it must begin with "-----BEGIN PRIVATE KEY-----" and have its line breaks as \n`)
	}
	key, err := decodeKey(block)
	if err != nil {
		return nil, err
	}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, fmt.Errorf("has %d bits; make a new key with at least %d", bits, minKeyBits)
	}
	return key, nil
}

// decodeKey reads PKCS#8 or PKCS#1. That the key's numbers belong together is checked by crypto/x509.
func decodeKey(block *pem.Block) (*rsa.PrivateKey, error) {
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			break
		}
		if key, ok := parsed.(*rsa.PrivateKey); ok {
			return key, nil
		}
		return nil, errors.New("is not an RSA key: make a new service account key")
	case "RSA PRIVATE KEY":
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key, nil
		}
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("is encrypted: put in the key as Voximplant made it")
	default:
		return nil, errors.New("is PEM of something else than a private key")
	}
	return nil, errors.New("can't be read: it is cut off or damaged; download the file again or make a new key")
}
