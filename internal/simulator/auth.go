package simulator

import (
	"cmp"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// AuthKind is how a call proved who it is from.
type AuthKind string

// The kinds of authentication.
const (
	AuthNone     AuthKind = ""
	AuthJWT      AuthKind = "jwt"
	AuthAPIKey   AuthKind = "api_key"
	AuthPassword AuthKind = "password"
	AuthBearer   AuthKind = "bearer" // a token of the 2sms admin API
)

// maxTokenLifetime is the longest time between a token's iat and exp, in seconds.
const maxTokenLifetime = 3600

// principal is who a call runs as.
type principal struct {
	account *Account
	kind    AuthKind
	// roles of the key; they count for tokens only, the other kinds have "maximum permissions" (doc).
	roles []Role
}

func (p principal) id() int64 {
	if p.account == nil {
		return 0
	}
	return p.account.ID
}

// admit finds out who the call is from and whether they may make it now.
func (s *Simulator) admit(m *method, r *http.Request, params Params) (principal, *apiError) {
	who, err := s.authenticate(m, r.Header.Get("Authorization"), params)
	switch {
	case err != nil:
		return principal{}, err
	case !s.isUsable(who.account):
		return who, fail(codeNotActivated)
	case !who.mayCall(m):
		return who, fail(s.missingRoleCode())
	case s.overRate(who.account.ID):
		return who, fail(codeRateLimit)
	}
	return who, nil
}

// isUsable tells whether calls may run as the account. A parent must be active, for its children's sake too;
// whether a child must be is open.
func (s *Simulator) isUsable(a *Account) bool {
	if a.ParentID == 0 {
		return a.Active()
	}
	return s.accounts[a.ParentID].Active() && (a.Active() || !s.settings.RefuseInactiveChildren)
}

func (p principal) mayCall(m *method) bool {
	return p.kind != AuthJWT || len(m.roles) == 0 ||
		slices.ContainsFunc(p.roles, func(r Role) bool { return slices.Contains(m.roles, r) })
}

func (s *Simulator) missingRoleCode() int {
	if code := s.settings.MissingRoleCode; code != 0 {
		return code
	}
	return codeUnauthorized
}

// authenticate takes the token where there is one; else the account and its key or password among the parameters.
func (s *Simulator) authenticate(m *method, authorization string, params Params) (principal, *apiError) {
	if authorization != "" {
		return s.byToken(authorization)
	}
	return s.byPair(m.pair, params)
}

var (
	tokenParser = jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation())

	errNoKeyID    = errors.New("token without kid")
	errUnknownKey = errors.New("unknown key")
)

func (s *Simulator) byToken(authorization string) (principal, *apiError) {
	scheme, raw, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return principal{}, fail(codeTokenFormat)
	}
	var key *serviceKey
	claims := jwt.MapClaims{}
	_, err := tokenParser.ParseWithClaims(raw, claims, func(token *jwt.Token) (any, error) {
		id, ok := token.Header["kid"].(string)
		if !ok {
			return nil, errNoKeyID
		}
		if key = s.keys[id]; key == nil {
			return nil, errUnknownKey
		}
		return key.public(), nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed), errors.Is(err, errNoKeyID):
		return principal{}, fail(codeTokenFormat)
	case err != nil:
		return principal{}, fail(codeUnauthorized)
	}
	issuer, failure := s.checkClaims(claims)
	if failure != nil {
		return principal{}, failure
	}
	account := s.actor(key, issuer)
	if account == nil {
		return principal{}, fail(codeUnauthorized)
	}
	return principal{account: account, kind: AuthJWT, roles: key.Roles}, nil
}

// tokenOf reads a token for the log, without a look at its signature.
func tokenOf(authorization string) *Token {
	scheme, raw, found := strings.Cut(authorization, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	claims := jwt.MapClaims{}
	token, _, err := tokenParser.ParseUnverified(raw, claims)
	if err != nil {
		return &Token{Scheme: scheme}
	}
	return &Token{Scheme: scheme, Header: token.Header, Claims: claims}
}

// checkClaims checks the claims of a token whose signature is good: all three must be there as JSON numbers (doc).
func (s *Simulator) checkClaims(claims jwt.MapClaims) (issuer int64, failure *apiError) {
	iss, isNumber := claims["iss"].(json.Number)
	issuer, isID := parseID(iss.String())
	issued, hasIssued := seconds(claims["iat"])
	expires, hasExpires := seconds(claims["exp"])
	now := float64(s.settings.serviceTime(s.clock).Unix())
	switch {
	case !isNumber || !isID || !hasIssued || !hasExpires:
		return 0, fail(codeTokenFormat)
	case expires-issued > maxTokenLifetime:
		return 0, fail(codeTokenLifetime)
	case issued > now:
		return 0, fail(cmp.Or(s.settings.TokenTimeCode, codeTokenInFuture))
	case expires <= now:
		return 0, fail(cmp.Or(s.settings.TokenTimeCode, codeTokenExpired))
	}
	return issuer, nil
}

func seconds(claim any) (float64, bool) {
	number, ok := claim.(json.Number)
	if !ok {
		return 0, false
	}
	value, err := number.Float64()
	return value, err == nil
}

// actor is the account that a token of this key runs as: the key's own, or a child of it (client).
func (s *Simulator) actor(key *serviceKey, issuer int64) *Account {
	account := s.accounts[issuer]
	switch {
	case account == nil:
		return nil
	case issuer == key.AccountID:
		return account
	case account.ParentID == key.AccountID && !s.settings.NoActAsChild:
		return account
	}
	return nil
}

// byPair authenticates by one of account_id, account_name and account_email with one of api_key and account_password.
func (s *Simulator) byPair(prefix string, params Params) (principal, *apiError) {
	account, err := s.named(prefix, params)
	if err != nil {
		return principal{}, err
	}
	secrets := map[AuthKind]string{AuthAPIKey: params[pairName(prefix, "api_key")], AuthPassword: params[pairName(prefix, "account_password")]}
	if secrets[AuthAPIKey] != "" && secrets[AuthPassword] != "" {
		return principal{}, fail(codeOneOf, pairName(prefix, "api_key")+", "+pairName(prefix, "account_password"))
	}
	fields := map[AuthKind]string{AuthAPIKey: "api_key", AuthPassword: "account_password"}
	for kind, secret := range secrets {
		if account != nil && secret != "" && account.Text(fields[kind]) == secret {
			return principal{account: account, kind: kind}, nil
		}
	}
	return principal{}, fail(codeUnauthorized)
}

// named is the account that the parameters name, nil if there is none.
func (s *Simulator) named(prefix string, params Params) (*Account, *apiError) {
	id, name, mail := params[prefix+"account_id"], params[prefix+"account_name"], params[prefix+"account_email"]
	given := 0
	for _, value := range []string{id, name, mail} {
		if value != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, fail(codeOneOf, prefix+"account_id, "+prefix+"account_name, "+prefix+"account_email")
	case id != "":
		number, ok := parseID(id)
		if !ok && prefix == "" {
			return nil, fail(codeAccountID)
		}
		return s.accounts[number], nil
	case name != "":
		return s.byName[indexKey(name)], nil
	case mail != "":
		return s.byEmail[indexKey(mail)], nil
	}
	return nil, nil
}

// pairName is the parameter's name with the prefix: api_key, but parent_account_api_key.
func pairName(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "account_" + strings.TrimPrefix(name, "account_")
}

// withoutPair is the parameters less those that authenticated the call.
func withoutPair(who principal, m *method, params Params) Params {
	if who.kind == AuthJWT || m.pair != "" {
		return params
	}
	rest := Params{}
	for name, value := range params {
		switch name {
		case "account_id", "account_name", "account_email", "api_key", "account_password":
		default:
			rest[name] = value
		}
	}
	return rest
}

// serviceKey is a key of a service account.
type serviceKey struct {
	ID        string `json:"id"`
	AccountID int64  `json:"accountID"`
	Roles     []Role `json:"roles"`
	PEM       string `json:"privateKey"`
	// Name and Description are those that CreateKey gave it; a key of Credentials has none.
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	// Serial tells the order in which keys were made.
	Serial  int             `json:"serial,omitempty"`
	private *rsa.PrivateKey // of PEM
}

func (k *serviceKey) public() *rsa.PublicKey { return &k.private.PublicKey }
