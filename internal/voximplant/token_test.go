package voximplant

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cpaas.dev/child-account-operator/internal/simulator"
)

func newTokens(now *time.Time) *tokenSource {
	return &tokenSource{keyID: "kid-1", key: simulator.SharedKey(), clock: func() time.Time { return *now }}
}

func TestTokenIsAsDocumented(t *testing.T) {
	now := time.Unix(1_800_000_000, 999)
	text, err := newTokens(&now).token("9007199254740993")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(text.Reveal(), ".")
	want := []string{
		`{"alg":"RS256","kid":"kid-1","typ":"JWT"}`,
		`{"exp":1800000595,"iat":1799999995,"iss":9007199254740993}`,
	}
	for i, part := range parts[:2] {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || string(decoded) != want[i] {
			t.Errorf("part %d is %s, %v; want %s", i, decoded, err, want[i])
		}
	}
	if _, err := jwt.Parse(text.Reveal(), func(*jwt.Token) (any, error) { return &simulator.SharedKey().PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithJSONNumber()); err != nil {
		t.Error(err)
	}
	var claims map[string]json.Number
	decoded, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(decoded, &claims); err != nil {
		t.Error("a claim is not a number:", err)
	}
}

func TestTokenIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newTokens(&now)
	first, _ := s.token("1")
	now = now.Add(tokenLife - tokenReserve - tokenBackdate - time.Second)
	if again, _ := s.token("1"); again != first {
		t.Error("signed anew too early")
	}
	if other, _ := s.token("2"); other == first {
		t.Error("another issuer got the same token")
	}
	now = now.Add(time.Second)
	if again, _ := s.token("1"); again == first {
		t.Error("not signed anew in time")
	}
	now = now.Add(-time.Hour)
	back, _ := s.token("1")
	now = now.Add(time.Second)
	if again, _ := s.token("1"); again != back {
		t.Error("not kept after the clock was set back")
	}
	s.drop("1", first)
	if again, _ := s.token("1"); again != back {
		t.Error("dropped a newer token")
	}
	now = now.Add(time.Second)
	s.drop("1", back)
	if again, _ := s.token("1"); again == back {
		t.Error("not dropped")
	}
	if _, err := s.token("all"); err == nil {
		t.Error("an issuer that is no id was signed")
	}
}

func TestManyTokensAreSweptOut(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newTokens(&now)
	for i := range manyTokens {
		s.keep(string(rune('a'+i)), signedToken{issued: now, expires: now.Add(tokenLife)}, now)
	}
	now = now.Add(tokenLife)
	if _, err := s.token("1"); err != nil || len(s.tokens) != 1 {
		t.Errorf("%d tokens are kept, %v", len(s.tokens), err)
	}
}

func TestTokensAtOnce(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newTokens(&now)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			text, err := s.token("1")
			if err != nil {
				t.Error(err)
			}
			s.drop("1", text)
		})
	}
	group.Wait()
}
