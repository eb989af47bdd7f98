package voximplant

import (
	"crypto/rsa"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	// tokenLife is well below the 3600 s that the service allows between iat and exp.
	tokenLife = 10 * time.Minute
	// tokenBackdate lets the service's clock be behind ours.
	tokenBackdate = 5 * time.Second
	// tokenReserve is how long before its end a token is no longer used: a call may wait in a queue.
	tokenReserve = 2 * time.Minute
	// manyTokens is when ended ones are swept out.
	manyTokens = 1024
)

// tokenSource signs the tokens of one key, one for each issuer, and keeps them until shortly before they end.
type tokenSource struct {
	keyID string
	key   *rsa.PrivateKey
	clock func() time.Time

	mu     sync.Mutex
	tokens map[string]signedToken
}

type signedToken struct {
	text            account.Secret
	issued, expires time.Time
}

// usable is false shortly before the end, and also where our clock was set back.
func (t signedToken) usable(now time.Time) bool {
	return !now.Before(t.issued) && now.Before(t.expires.Add(-tokenReserve))
}

// token returns a token that issuer, an account id, is the issuer of.
func (s *tokenSource) token(issuer string) (account.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if t := s.tokens[issuer]; t.usable(now) {
		return t.text, nil
	}
	t, err := s.sign(issuer, now)
	if err != nil {
		return "", err
	}
	s.keep(issuer, t, now)
	return t.text, nil
}

// drop forgets a token that the service refused, unless another call has signed a new one already.
func (s *tokenSource) drop(issuer string, refused account.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[issuer].text == refused {
		delete(s.tokens, issuer)
	}
}

func (s *tokenSource) keep(issuer string, t signedToken, now time.Time) {
	if len(s.tokens) >= manyTokens {
		for other, old := range s.tokens {
			if !old.usable(now) {
				delete(s.tokens, other)
			}
		}
	}
	if s.tokens == nil {
		s.tokens = map[string]signedToken{}
	}
	s.tokens[issuer] = t
}

// sign makes a token: RS256, kid in the header, iss, iat and exp as JSON numbers.
func (s *tokenSource) sign(issuer string, now time.Time) (signedToken, error) {
	iss, err := strconv.ParseInt(issuer, 10, 64)
	if err != nil {
		return signedToken{}, errors.New("the issuer of a token must be an account id")
	}
	issued := now.Add(-tokenBackdate).Truncate(time.Second)
	expires := issued.Add(tokenLife)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": iss, "iat": issued.Unix(), "exp": expires.Unix()})
	token.Header["kid"] = s.keyID
	text, err := token.SignedString(s.key)
	if err != nil {
		return signedToken{}, errors.New("signing a token failed") // the key's own text is none of the log's business
	}
	return signedToken{text: account.Secret(text), issued: issued, expires: expires}, nil
}
