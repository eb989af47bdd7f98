package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
)

const keyBits = 2048

// SharedKey is a private key made once in a process: with Options.Key, tests need not wait for one each.
var SharedKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// UseKey makes the service-account keys to come use this private key; nil: a new one each.
func (s *Simulator) UseKey(key *rsa.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// Credentials makes a service-account key for an account (a parent's id, or any other's) and returns it as the vendor's
// credentials.json: account_email, account_id, key_id and private_key (PKCS#8 PEM). Without roles the key is an Owner's.
// It panics if there is no such account.
func (s *Simulator) Credentials(accountID int64, roles ...Role) []byte {
	document, err := s.credentials(accountID, roles, false)
	if err != nil {
		panic(err)
	}
	return document
}

// RevokeKey makes the key with this key_id unknown, and tells whether it was known.
func (s *Simulator) RevokeKey(keyID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.keys[keyID]
	delete(s.keys, keyID)
	s.save()
	return known
}

// credentials makes a key; with reuse it returns the one that the account already has with these roles.
func (s *Simulator) credentials(accountID int64, roles []Role, reuse bool) ([]byte, error) {
	if len(roles) == 0 {
		roles = []Role{RoleOwner}
	}
	if key := s.findKey(accountID, roles); reuse && key != nil {
		return s.document(key)
	}
	private, err := s.privateKey()
	if err != nil {
		return nil, err
	}
	key, err := newServiceKey(private, accountID, roles)
	if err != nil {
		return nil, err
	}
	document, err := s.document(key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key.ID] = key
	s.save()
	return document, nil
}

// newServiceKey makes a key of a private key; nil has a new one made, which takes a while.
func newServiceKey(private *rsa.PrivateKey, accountID int64, roles []Role) (key *serviceKey, err error) {
	if private == nil {
		if private, err = rsa.GenerateKey(rand.Reader, keyBits); err != nil {
			return nil, err
		}
	}
	key = &serviceKey{ID: newAPIKey(), AccountID: accountID, Roles: roles, private: private}
	key.PEM, err = encodeKey(private)
	return key, err
}

func (s *Simulator) findKey(accountID int64, roles []Role) *serviceKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range sortedKeys(s.keys) {
		if key := s.keys[id]; key.AccountID == accountID && slices.Equal(key.Roles, roles) {
			return key
		}
	}
	return nil
}

// privateKey may take seconds, so it does not hold the lock while it makes one.
func (s *Simulator) privateKey() (*rsa.PrivateKey, error) {
	s.mu.Lock()
	key := s.key
	s.mu.Unlock()
	if key != nil {
		return key, nil
	}
	return rsa.GenerateKey(rand.Reader, keyBits)
}

func (s *Simulator) document(key *serviceKey) ([]byte, error) {
	account, ok := s.AccountByID(key.AccountID)
	if !ok {
		return nil, fmt.Errorf("no account %d", key.AccountID)
	}
	return json.MarshalIndent(map[string]any{
		"account_email": account.Email(),
		"account_id":    account.ID,
		"key_id":        key.ID,
		"private_key":   key.PEM,
	}, "", "  ")
}

func encodeKey(key *rsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(encodePEM("PRIVATE KEY", der)), nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func decodeKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("private key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key is a %T, not RSA", key)
	}
	return private, nil
}
