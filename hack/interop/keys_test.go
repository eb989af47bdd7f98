package interop

import (
	"context"
	"os"
	"testing"

	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// The provider's client works with the credentials.json that our client makes of a key, as it stands in a connection Secret, and no longer
// once the key is deleted.
func TestServiceAccountKey(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("make test-interop runs it: it needs Node.js and the provider's client")
	}
	w := newWorld(t)
	w.UseKey(nil) // one that the parent's can't pass for
	ours, theirs := w.ours(t), w.official(t, w.caFile)
	key, err := ours.CreateServiceKey(t.Context(), text(childA), provider.NewServiceKey{Name: "workload", Roles: []string{"Developer"}})
	if err != nil {
		t.Fatal(err)
	}
	c := call{Client: client{Credentials: w.write(t, "workload.json", []byte(key.Credentials.Reveal()))}, Method: "getAccountInfo", Request: map[string]any{}}
	answer := theirs.succeed(t, c)
	account, _ := answer["result"].(map[string]any)
	if jsonOf(account["accountId"]) != text(childA) || account["accountName"] != "child-a" {
		t.Errorf("the client reads %s", w.clean(account))
	}
	if last := w.lastCall(t); last.Account != childA || last.Wire.Token.Header["kid"] != key.ID {
		t.Errorf("called as %d", last.Account)
	}
	if err := ours.DeleteServiceKey(t.Context(), text(childA), key.ID); err != nil {
		t.Fatal(err)
	}
	came := theirs.call(t, c)
	refusal, _ := came.Answer["error"].(map[string]any)
	if jsonOf(refusal["code"]) != "100" {
		t.Errorf("with a deleted key: %s", w.clean(jsonOf(came)))
	}
}

// Both clients send the same for the methods about keys, and understand the answers.
func TestKeyMethods(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("make test-interop runs it: it needs Node.js and the provider's client")
	}
	here, there := newWorld(t), newWorld(t)
	there.Update(func(s *simulator.Settings) { s.KeyInList = true }) // the client takes nothing else
	ours, theirs := here.ours(t), there.official(t, there.caFile)
	asChild := client{AccountID: childA}
	for _, step := range []struct {
		name   string
		ours   func(context.Context, *voximplant.Client) error
		theirs func() call
	}{
		{"create", func(ctx context.Context, c *voximplant.Client) error {
			_, err := c.CreateKey(ctx, text(childA), voximplant.CreateKeyParams{Name: "workload", Description: "a test's", Roles: []string{"Owner", "Developer"}})
			return err
		}, func() call {
			return call{Client: asChild, Method: "createKey", Request: map[string]any{"keyName": "workload", "description": "a test's", "roleName": "Owner;Developer"}}
		}},
		{"list", func(ctx context.Context, c *voximplant.Client) error {
			_, err := c.GetKeys(ctx, text(childA), voximplant.GetKeysParams{WithRoles: true, Count: 5})
			return err
		}, func() call {
			return call{Client: asChild, Method: "getKeys", Request: map[string]any{"withRoles": true, "count": 5}}
		}},
		{"delete", func(ctx context.Context, c *voximplant.Client) error {
			return c.DeleteKey(ctx, text(childA), simulator.ServiceKeys(here.Simulator, childA)[0].ID)
		}, func() call {
			return call{Client: asChild, Method: "deleteKey", Request: map[string]any{"keyId": simulator.ServiceKeys(there.Simulator, childA)[0].ID}}
		}},
	} {
		if err := step.ours(t.Context(), ours.Client()); err != nil {
			t.Fatalf("%s, by ours: %v", step.name, err)
		}
		answer := theirs.succeed(t, step.theirs())
		if step.name == "list" {
			rows, _ := answer["result"].([]any)
			row, _ := rows[0].(map[string]any)
			if len(rows) != 1 || row["keyName"] != "workload" || row["description"] != "a test's" || row["roles"] == nil {
				t.Errorf("the client lists %s", jsonOf(rows))
			}
		}
		one, other := here.lastCall(t), there.lastCall(t)
		one.Params, other.Params = without(one.Params), without(other.Params)
		if one.Method != other.Method || one.Account != other.Account || jsonOf(one.Params) != jsonOf(other.Params) {
			t.Errorf("%s: ours sends %s %s as %d, theirs %s %s as %d", step.name, one.Method, jsonOf(one.Params), one.Account, other.Method, jsonOf(other.Params), other.Account)
		}
	}
	if n := len(simulator.ServiceKeys(there.Simulator, childA)); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// without are the parameters less what can't be the same in two worlds.
func without(p simulator.Params) simulator.Params {
	out := simulator.Params{}
	for name, value := range p {
		if name != "cmd" && name != "key_id" {
			out[name] = value
		}
	}
	return out
}
