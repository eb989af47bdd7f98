package simulator

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestTokens(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	stranger := f.AddStranger("stranger", "s@elsewhere.example")
	inactive := f.AddParent(Parent{Name: "sleepy", Email: "sleepy@acme.example", Inactive: true})
	now := f.now.Unix()
	good := strings.TrimPrefix(f.token(f.creds, nil), "Bearer ")
	parts := strings.Split(good, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"alg":"none","kid":"%s"}`, f.creds.KeyID)))
	without := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": f.parent.ID, "iat": now, "exp": now + 60})
	noKeyID, err := without.SignedString(SharedKey())
	if err != nil {
		t.Fatal(err)
	}
	claims := func(c jwt.MapClaims) string { return f.token(f.creds, c) }
	for name, test := range map[string]struct {
		authorization string
		code          int
	}{
		"good":                     {"Bearer " + good, 0},
		"scheme in lower case":     {"bearer " + good, 0},
		"an hour":                  {claims(jwt.MapClaims{"exp": now + 3600}), 0},
		"back-dated":               {claims(jwt.MapClaims{"iat": now - 5}), 0},
		"child's id":               {claims(jwt.MapClaims{"iss": child.ID}), 0},
		"too long":                 {claims(jwt.MapClaims{"exp": now + 3601}), 454},
		"in the future":            {claims(jwt.MapClaims{"iat": now + 1}), 455},
		"expired":                  {claims(jwt.MapClaims{"iat": now - 60, "exp": now}), 456},
		"no iss":                   {claims(jwt.MapClaims{"iss": nil}), 447},
		"iss a string":             {claims(jwt.MapClaims{"iss": fmt.Sprint(f.parent.ID)}), 447},
		"iss with a fraction":      {claims(jwt.MapClaims{"iss": 1.5}), 447},
		"no iat":                   {claims(jwt.MapClaims{"iat": nil}), 447},
		"no exp":                   {claims(jwt.MapClaims{"exp": nil}), 447},
		"exp a string":             {claims(jwt.MapClaims{"exp": "soon"}), 447},
		"no kid":                   {"Bearer " + noKeyID, 447},
		"two parts":                {"Bearer " + parts[0] + "." + parts[1], 447},
		"rubbish":                  {"Bearer rubbish", 447},
		"empty":                    {"Bearer ", 447},
		"basic":                    {"Basic " + good, 447},
		"signature of another":     {"Bearer " + parts[0] + "." + parts[1] + "." + strings.Repeat("A", 342), 100},
		"unsigned":                 {"Bearer " + unsigned + "." + parts[1] + ".", 100},
		"unknown key":              {f.token(credentials{KeyID: "nobody's", AccountID: f.parent.ID}, nil), 100},
		"unknown account":          {claims(jwt.MapClaims{"iss": 1}), 100},
		"a stranger's id":          {claims(jwt.MapClaims{"iss": stranger.ID}), 100},
		"parent's id, child's key": {f.token(f.newKey(child.ID), jwt.MapClaims{"iss": f.parent.ID}), 100},
		"child's own key":          {f.token(f.newKey(child.ID), nil), 0},
		"inactive parent":          {f.token(f.newKey(inactive.ID), nil), 131},
		"none at all":              {"", 100},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, f.callAs(test.authorization, "GetAccountInfo", nil), test.code)
		})
	}
}

func TestRevokedKey(t *testing.T) {
	f := newFixture(t)
	wantCode(t, f.call("GetAccountInfo", nil), 0)
	if !f.RevokeKey(f.creds.KeyID) || f.RevokeKey(f.creds.KeyID) {
		t.Fatal("the key should be known once")
	}
	wantCode(t, f.call("GetAccountInfo", nil), 100)
}

func TestActingAsChild(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	asChild := f.token(f.creds, jwt.MapClaims{"iss": child.ID})
	r := f.callAs(asChild, "GetAccountInfo", nil)
	wantCode(t, r, 0)
	if got := r.info(t)["account_name"]; got != "acme-one" {
		t.Fatalf("ran as %v", got)
	}
	if c := f.lastCall(); c.Account != child.ID || c.Auth != AuthJWT {
		t.Fatalf("logged %+v", c)
	}
	if err := f.SetField(child.ID, "active", false); err != nil {
		t.Fatal(err)
	}
	wantCode(t, f.callAs(asChild, "GetAccountInfo", nil), 0)
	f.Update(func(s *Settings) { s.RefuseInactiveChildren = true })
	wantCode(t, f.callAs(asChild, "GetAccountInfo", nil), 131)
	f.Update(func(s *Settings) { s.NoActAsChild = true })
	wantCode(t, f.callAs(asChild, "GetAccountInfo", nil), 100)
}

func TestRoles(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	childID := fmt.Sprint(child.ID)
	add := form{"parent_account_id": fmt.Sprint(f.parent.ID), "account_password": goodPassword}
	calls := map[string]func(int) form{
		"AddAccount": func(i int) form {
			return add.with(form{"account_name": fmt.Sprintf("roles-%d", i), "account_email": fmt.Sprintf("roles-%d@acme.example", i)})
		},
		"GetChildrenAccounts": func(int) form { return nil },
		"SetChildAccountInfo": func(int) form { return form{"child_account_id": childID, "active": "true"} },
		"SetAccountInfo":      func(int) form { return form{"location": "Europe/Berlin"} },
		"GetAccountInfo":      func(int) form { return nil },
	}
	allowed := map[string][]Role{
		"AddAccount":          {RoleOwner, RoleAdmin},
		"GetChildrenAccounts": {RoleOwner},
		"SetChildAccountInfo": {RoleOwner, RoleAdmin},
		"SetAccountInfo":      {RoleOwner, RoleAdmin, RoleDeveloper, RoleAccountant, RolePayer},
		"GetAccountInfo":      {RoleOwner, RoleAdmin, RoleDeveloper, RoleAccountant, RolePayer, "Support"},
	}
	for i, role := range []Role{RoleOwner, RoleAdmin, RoleDeveloper, RoleAccountant, RolePayer, "Support"} {
		token := f.token(f.newKey(f.parent.ID, role), nil)
		for method, params := range calls {
			want := 100
			for _, r := range allowed[method] {
				if r == role {
					want = 0
				}
			}
			if r := f.callAs(token, method, params(i)); r.Error.Code != want {
				t.Errorf("%s as %s: %s, want code %d", method, role, r.body, want)
			}
		}
	}
	f.Update(func(s *Settings) { s.MissingRoleCode = 104 })
	wantCode(t, f.callAs(f.token(f.newKey(f.parent.ID, RoleAdmin), nil), "GetChildrenAccounts", nil), 104)
	// Several roles add up.
	wantCode(t, f.callAs(f.token(f.newKey(f.parent.ID, RolePayer, RoleOwner), nil), "GetChildrenAccounts", nil), 0)
}

func TestPairs(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	id, key, password := fmt.Sprint(child.ID), child.APIKey(), goodPassword
	for name, test := range map[string]struct {
		params form
		code   int
		auth   AuthKind
	}{
		"id and key":        {form{"account_id": id, "api_key": key}, 0, AuthAPIKey},
		"name and key":      {form{"account_name": "acme-one", "api_key": key}, 0, AuthAPIKey},
		"email and key":     {form{"account_email": "Acme-One@acme.example", "api_key": key}, 0, AuthAPIKey},
		"id and password":   {form{"account_id": id, "account_password": password}, 0, AuthPassword},
		"name and password": {form{"account_name": "acme-one", "account_password": password}, 0, AuthPassword},
		"wrong key":         {form{"account_id": id, "api_key": key + "0"}, 100, AuthNone},
		"wrong password":    {form{"account_id": id, "account_password": "Wrong-Horse-1"}, 100, AuthNone},
		"parent's key":      {form{"account_id": id, "api_key": f.parent.APIKey}, 100, AuthNone},
		"unknown account":   {form{"account_id": "1", "api_key": key}, 100, AuthNone},
		"id not a number":   {form{"account_id": "[1]", "api_key": key}, 115, AuthNone},
		"no secret":         {form{"account_id": id}, 100, AuthNone},
		"no account":        {form{"api_key": key}, 100, AuthNone},
		"id and name":       {form{"account_id": id, "account_name": "acme-one", "api_key": key}, 458, AuthNone},
		"key and password":  {form{"account_id": id, "api_key": key, "account_password": password}, 458, AuthNone},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.callAs("", "GetAccountInfo", test.params)
			wantCode(t, r, test.code)
			if c := f.lastCall(); c.Auth != test.auth {
				t.Fatalf("authenticated by %q", c.Auth)
			}
			if test.code == 0 && r.info(t)["api_key"] != key {
				t.Fatalf("no api_key in %s", r.body)
			}
		})
	}
	// With a token the pair is not needed, so it is nothing the method knows.
	wantCode(t, f.call("GetAccountInfo", form{"account_id": id, "api_key": key}), 492)
}

func TestAPIKeyVisibility(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	if _, shown := f.call("GetAccountInfo", nil).info(t)["api_key"]; shown {
		t.Error("GetAccountInfo shows the api_key to a token")
	}
	if _, shown := f.call("GetChildrenAccounts", nil).rows(t)[0]["api_key"]; shown {
		t.Error("GetChildrenAccounts shows the api_key to a token")
	}
	r := f.callAs("", "GetChildrenAccounts", form{"account_id": fmt.Sprint(f.parent.ID), "api_key": f.parent.APIKey})
	if got := r.rows(t)[0]["api_key"]; got != child.APIKey() {
		t.Errorf("api_key %v by api_key, want the child's", got)
	}
	r = f.callAs("", "GetChildrenAccounts", form{"account_email": f.parent.Email, "account_password": f.parent.Password})
	if got := r.rows(t)[0]["api_key"]; got != child.APIKey() {
		t.Errorf("api_key %v by password, want the child's", got)
	}
}

func TestRateLimit(t *testing.T) {
	f := newFixture(t, func(s *Settings) { s.RateLimit = 2 })
	child := f.child("acme-one")
	for i, want := range []int{0, 0, 340} {
		if r := f.call("GetAccountInfo", nil); r.Error.Code != want {
			t.Fatalf("call %d: %s", i, r.body)
		}
	}
	// Each account has its own.
	wantCode(t, f.callAs(f.token(f.creds, jwt.MapClaims{"iss": child.ID}), "GetAccountInfo", nil), 0)
	f.now = f.now.Add(500 * 1e6)
	wantCode(t, f.call("GetAccountInfo", nil), 0)
	wantCode(t, f.call("GetAccountInfo", nil), 340)
}
