package simulator

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// made is the key that an answer of CreateKey has.
func made(t *testing.T, r response) credentials {
	t.Helper()
	wantCode(t, r, 0)
	var c credentials
	if err := json.Unmarshal(r.Result, &c); err != nil || c.KeyID == "" {
		t.Fatalf("%v in an answer of %d bytes", err, len(r.body))
	}
	return c
}

// A key that was made works for its account, with its roles, until it is deleted.
func TestServiceKeysWork(t *testing.T) {
	f := newFixture(t)
	child, other := f.child("acme-one"), f.child("acme-two")
	asChild := func() string { return f.token(f.creds, jwt.MapClaims{"iss": child.ID}) }
	key := made(t, f.callAs(asChild(), "CreateKey", form{"key_name": "workload", "description": "of a test", "role_name": "Developer;Payer"}))
	if key.AccountID != child.ID || key.Email != child.Email() {
		t.Errorf("a key of account %d, %s", key.AccountID, key.Email)
	}
	r := f.callAs(f.token(key, nil), "GetAccountInfo", nil)
	if wantCode(t, r, 0); r.info(t)["account_name"] != "acme-one" {
		t.Errorf("the key reads %s", r.body)
	}
	wantCode(t, f.callAs(f.token(key, nil), "SetAccountInfo", form{"account_first_name": "Ada"}), 0)
	wantCode(t, f.callAs(f.token(key, nil), "GetChildrenAccounts", nil), 100)                       // the role is missing
	wantCode(t, f.callAs(f.token(key, jwt.MapClaims{"iss": other.ID}), "GetAccountInfo", nil), 100) // no child of its own
	wantCode(t, f.callAs(f.token(key, nil), "DeleteKey", form{"key_id": key.KeyID}), 100)

	want := []ServiceKey{{key.KeyID, "workload", "of a test", []Role{RoleDeveloper, RolePayer}}}
	if got := ServiceKeys(f.Simulator, child.ID); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	wantCode(t, f.call("DeleteKey", form{"key_id": key.KeyID}), 496) // the parent's own keys are others
	wantCode(t, f.callAs(asChild(), "DeleteKey", form{"key_id": key.KeyID}), 0)
	wantCode(t, f.callAs(f.token(key, nil), "GetAccountInfo", nil), 100)
	wantCode(t, f.callAs(asChild(), "DeleteKey", form{"key_id": key.KeyID}), 496)
	if got := ServiceKeys(f.Simulator, child.ID); len(got) != 0 {
		t.Errorf("keys %v", got)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		params form
		code   int
	}{
		"the longest name":   {form{"key_name": strings.Repeat("ü", 50), "role_name": "Owner"}, 0},
		"a longer name":      {form{"key_name": strings.Repeat("n", 51), "role_name": "Owner"}, 477},
		"an empty name":      {form{"key_name": "", "role_name": "Owner"}, 134},
		"no name":            {form{"role_name": "Owner"}, 0},
		"no role":            {form{"key_name": "n"}, 0},
		"an unknown role":    {form{"key_name": "n", "role_name": "Owner;King"}, 496},
		"an empty role":      {form{"key_name": "n", "role_name": "Owner;"}, 496},
		"a role by id":       {form{"key_name": "n", "role_id": "1;3"}, 0},
		"an unknown role id": {form{"key_name": "n", "role_id": "4711"}, 496},
		"all roles":          {form{"key_name": "n", "role_id": "all"}, 496},
		"both":               {form{"key_name": "n", "role_id": "1", "role_name": "Owner"}, 458},
		"another parameter":  {form{"key_name": "n", "key_id": "1"}, 492},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(ServiceKeys(f.Simulator, f.parent.ID))
			wantCode(t, f.call("CreateKey", c.params), c.code)
			if n := len(ServiceKeys(f.Simulator, f.parent.ID)) - before; n != 1 && c.code == 0 || n != 0 && c.code != 0 {
				t.Errorf("%d more keys", n)
			}
		})
	}
	developer := f.newKey(f.parent.ID, RoleDeveloper)
	for _, method := range []string{"CreateKey", "GetKeys", "DeleteKey"} {
		wantCode(t, f.callAs(f.token(developer, nil), method, form{"key_id": "any"}), 100)
	}
}

func TestGetKeys(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	asChild := f.token(f.creds, jwt.MapClaims{"iss": child.ID})
	var ids []string
	for i := range 25 {
		ids = append(ids, made(t, f.callAs(asChild, "CreateKey", form{"key_name": fmt.Sprintf("key-%d", i), "role_id": "3"})).KeyID)
	}
	shown := func(r response) (got []string) {
		wantCode(t, r, 0)
		for _, row := range r.rows(t) {
			got = append(got, fmt.Sprint(row["key_id"]))
			if _, private := row["private_key"]; private {
				t.Error("a private key is shown")
			}
		}
		if r.Count != len(got) {
			t.Errorf("count %d of %d", r.Count, len(got))
		}
		return got
	}
	for name, c := range map[string]struct {
		params form
		want   []string
		total  int
	}{
		"by default": {nil, ids[:20], 25},
		"a page":     {form{"offset": "20", "count": "3"}, ids[20:23], 25},
		"the last":   {form{"offset": "20", "count": "1000"}, ids[20:], 25},
		"beyond":     {form{"offset": "30"}, nil, 25},
		"one":        {form{"key_id": ids[7]}, ids[7:8], 1},
	} {
		r := f.callAs(asChild, "GetKeys", c.params)
		if got := shown(r); !slices.Equal(got, c.want) || r.TotalCount != c.total {
			t.Errorf("%s: %v of %d, want %v of %d", name, got, r.TotalCount, c.want, c.total)
		}
	}
	wantCode(t, f.callAs(asChild, "GetKeys", form{"key_id": "unknown"}), 496)
	row := f.callAs(asChild, "GetKeys", form{"key_id": ids[0], "with_roles": "true"}).rows(t)[0]
	if fmt.Sprint(row["roles"]) != "[map[gui_only:false role_id:3 role_name:Developer]]" || row["key_name"] != "key-0" {
		t.Errorf("%v", row)
	}
	if _, roles := f.callAs(asChild, "GetKeys", nil).rows(t)[0]["roles"]; roles {
		t.Error("roles that nobody asked for")
	}
	f.Update(func(s *Settings) { s.HideKeyTotal = true })
	if r := f.callAs(asChild, "GetKeys", nil); r.TotalCount != 0 || strings.Contains(r.body, "count") {
		t.Errorf("the total shows: %d", r.TotalCount)
	}
}

// Keys last over a restart with their names and their order.
func TestServiceKeysInTheStateFile(t *testing.T) {
	options := Options{Key: SharedKey(), StateFile: filepath.Join(t.TempDir(), "state")}
	s := New(options)
	parent := s.AddParent(Parent{Name: "acme", Email: "owner@acme.example"})
	s.mu.Lock()
	for _, name := range []string{"second", "first"} {
		c := &invocation{who: principal{account: s.accounts[parent.ID]}, values: values{"key_name": name, "role_name": []string{"Owner"}}}
		if _, err := createKey(s, c); err != nil || !c.changed {
			t.Fatal(err)
		}
	}
	s.save()
	s.mu.Unlock()
	before, after := ServiceKeys(s, parent.ID), ServiceKeys(New(options), parent.ID)
	if fmt.Sprint(before) != fmt.Sprint(after) || len(after) != 2 || after[0].Name != "second" {
		t.Errorf("before %v, after %v", before, after)
	}
}
