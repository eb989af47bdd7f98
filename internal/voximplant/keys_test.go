package voximplant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// keyWorks says whether the service accepts what is signed with the key of a credentials.json.
func (w *world) keyWorks(t testing.TB, document []byte) bool {
	t.Helper()
	parsed := credentials(t, document)
	own := w.remote(t, func(c *Config) { c.Credentials = parsed })
	self, err := own.Self(background)
	if err == nil && self.ID != parsed.AccountID {
		t.Errorf("the key is of account %s, and reads %s", parsed.AccountID, self.ID)
	}
	return err == nil
}

// A key is made as the child, comes as a credentials.json that the provider's clients read, and works until it is deleted.
func TestServiceAccountKey(t *testing.T) {
	for _, inList := range []bool{false, true} {
		w := newWorld(t, simulator.Settings{KeyInList: inList})
		id := w.children(1)[0]
		c := w.Client()
		key, err := c.CreateKey(background, id, CreateKeyParams{Name: "workload", Description: "of a test", Roles: []string{"Developer", "Payer"}})
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal([]byte(key.Credentials.Reveal()), &document); err != nil {
			t.Fatal(err)
		}
		_, number := document["account_id"].(float64)
		pem, _ := document["private_key"].(string)
		if len(document) != 4 || !number || document["account_email"] != "child-00000@example.com" || document["key_id"] != key.ID || !strings.HasPrefix(pem, "-----BEGIN PRIVATE KEY-----\n") {
			t.Errorf("credentials.json has %d members", len(document))
		}
		if !w.keyWorks(t, []byte(key.Credentials.Reveal())) {
			t.Error("the key does not work")
		}
		page, err := c.GetKeys(background, id, GetKeysParams{WithRoles: true})
		want := []KeyView{{ID: key.ID, Name: "workload", Description: "of a test", Roles: []string{"Developer", "Payer"}}}
		if err != nil || fmt.Sprint(page.Keys) != fmt.Sprint(want) || page.Total != 1 {
			t.Errorf("%+v, %v", page, err)
		}
		one, err := c.GetKeys(background, id, GetKeysParams{KeyID: key.ID})
		if err != nil || len(one.Keys) != 1 || one.Keys[0].Roles != nil {
			t.Errorf("%+v, %v", one, err)
		}
		if err := c.DeleteKey(background, id, key.ID); err != nil {
			t.Fatal(err)
		}
		if w.keyWorks(t, []byte(key.Credentials.Reveal())) {
			t.Error("a deleted key works")
		}
		wantError(t, c.DeleteKey(background, id, key.ID), account.NotFound, false)
		for _, call := range w.Calls() {
			if strings.HasSuffix(call.Method, "Key") && (fmt.Sprint(call.Account) != id || call.Auth != simulator.AuthJWT || call.SecretInURL) {
				t.Errorf("%s as %d by %s", call.Method, call.Account, call.Auth)
			}
		}
	}
}

// All keys are read, with a total and without one.
func TestAllKeys(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		for _, n := range []int{0, 1, 20, 101, 200} {
			w := newWorld(t, simulator.Settings{HideKeyTotal: hidden})
			id := w.children(1)[0]
			for i := range n {
				w.Credentials(idOf(t, id))
				_ = i
			}
			keys, err := allKeys(background, w.Client(), id)
			var ids []string
			for _, key := range keys {
				ids = append(ids, key.ID)
			}
			slices.Sort(ids)
			if err != nil || len(slices.Compact(ids)) != n {
				t.Errorf("%d of %d keys (no total: %v), %v", len(ids), n, hidden, err)
			}
		}
	}
}

// What the service refuses has a class, and says which field it is about.
func TestKeysAreRefused(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	c := w.Client()
	_, err := c.CreateKey(background, id, CreateKeyParams{Name: "n", Roles: []string{"King"}})
	if e := wantError(t, err, account.Invalid, false); e.Field != fieldKeyRoles || e.Next == "" {
		t.Errorf("%+v", e)
	}
	for what, err := range map[string]error{
		"no id":     second(c.CreateKey(background, "", CreateKeyParams{Name: "n", Roles: []string{"Owner"}})),
		"two roles": second(c.CreateKey(background, id, CreateKeyParams{Name: "n", Roles: []string{"Owner;Admin"}})),
		"blank":     second(c.CreateKey(background, id, CreateKeyParams{Name: "n", Roles: []string{" "}})),
		"list":      second(c.GetKeys(background, "x", GetKeysParams{})),
		"delete":    c.DeleteKey(background, id, ""),
		"delete of": c.DeleteKey(background, "0", "key"),
	} {
		if account.ClassOf(err) != account.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if calls := w.called(); len(calls) != 1 {
		t.Errorf("calls: %v", calls)
	}
	for _, settings := range []simulator.Settings{{NoActAsChild: true}, {MissingRoleCode: 104}} {
		w := newWorld(t, settings)
		id := w.children(1)[0]
		r := w.remote(t, func(c *Config) {
			if !settings.NoActAsChild {
				c.Credentials = credentials(t, w.Simulator.Credentials(w.parent.ID, simulator.RoleDeveloper))
			}
		})
		for what, call := range map[string]func() error{
			"create": func() error {
				return second(r.Client().CreateKey(background, id, CreateKeyParams{Name: "n", Roles: []string{"Owner"}}))
			},
			"list":   func() error { return second(allKeys(background, r.Client(), id)) },
			"delete": func() error { return r.Client().DeleteKey(background, id, "key") },
		} {
			if e := wantError(t, call(), account.RoleMissing, false); !strings.Contains(e.Message, "not granted") {
				t.Errorf("%s: %s", what, e)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// An answer that is no key leaves open whether one was made; one that is no list of keys is none. None of them repeats a private key.
func TestKeysInAnswers(t *testing.T) {
	const canary = "MIIEcanarycanarycanary"
	info := func(change string) string {
		return `{"account_email": "a@b.example", "account_id": 5, "key_id": "k", "private_key": "-----BEGIN PRIVATE KEY-----\n` + canary + `\n-----END PRIVATE KEY-----\n"` + change + `}`
	}
	for _, result := range []string{`1`, `[]`, `{}`, `"` + canary + `"`, info(""), `[` + info("") + `,` + info("") + `]`, info(`, "account_id": 6`)} {
		r := stub(t, respond(200, "application/json", `{"result": `+result+`}`))
		_, err := r.Client().CreateKey(background, "5", CreateKeyParams{Name: "n", Roles: []string{"Owner"}})
		if e := wantError(t, err, account.Unavailable, true); strings.Contains(fmt.Sprintf("%+v", e), canary[:8]) {
			t.Errorf("a private key shows: %+v", e)
		}
	}
	for _, result := range []string{`1`, `{}`, `[1]`, `[{"key_name": "n"}]`, `[{"key_id": "` + strings.Repeat("k", 257) + `"}]`} {
		r := stub(t, respond(200, "application/json", `{"result": `+result+`}`))
		_, err := allKeys(background, r.Client(), "5")
		wantError(t, err, account.Unavailable, false)
	}
	r := stub(t, respond(200, "application/json", `{"result": [], "total_count": 3}`))
	_, err := allKeys(background, r.Client(), "5")
	wantError(t, err, account.Incomplete, false)

	calls := 0
	endless := stub(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		var keys []string
		for i := range keysPage {
			keys = append(keys, fmt.Sprintf(`{"key_id": "%d-%d"}`, calls, i))
		}
		respond(200, "application/json", `{"result": [`+strings.Join(keys, ",")+`]}`)(w, r)
	})
	_, err = allKeys(background, endless.Client(), "5")
	if wantError(t, err, account.Incomplete, false); calls > mostKeys/keysPage+2 {
		t.Errorf("%d calls", calls)
	}
}

// An interrupted write of a key is waited for, as nobody shows its private key a second time.
func TestCreateKeyIsWaitedFor(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := w.Client().CreateKey(ctx, id, CreateKeyParams{Name: "n", Roles: []string{"Owner"}})
	if e, ok := errors.AsType[*account.Error](err); !ok || e.OutcomeUnknown || len(w.called()) != 0 {
		t.Errorf("%v after %v", err, w.called())
	}
	w.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Times: 1})
	_, err = w.Client().CreateKey(background, id, CreateKeyParams{Name: "n", Roles: []string{"Owner"}})
	wantError(t, err, account.Unavailable, true)
	if keys := simulator.ServiceKeys(w.Simulator, idOf(t, id)); len(keys) != 1 || keys[0].Name != "n" {
		t.Errorf("keys %v", keys)
	}
}
