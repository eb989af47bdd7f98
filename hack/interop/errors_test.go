package interop

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"testing"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// trouble is something that is answered with an error, and what the client hands to its caller then.
type trouble struct {
	what    string
	prepare preparation
	call    call
	comes   string
}

// preparation makes the trouble, and may alter the call.
type preparation func(*testing.T, *official, *call)

var readSelf = call{Method: "getAccountInfo", Request: map[string]any{}}

var troubles = []trouble{
	{"a key that was revoked", withCredentials(func(_ *testing.T, o *official) []byte {
		document := o.Credentials(parentID)
		o.RevokeKey(read(document)["key_id"])
		return document
	}), readSelf, "`error` 100: Authorization failed"},
	{"a token signed with another key", withCredentials(otherKey), readSelf, "`error` 100: Authorization failed"},
	{"a token for an account that is no child", nil, call{Client: client{AccountID: stranger}, Method: "getAccountInfo", Request: map[string]any{}}, "`error` 100: Authorization failed"},
	{"a role that is missing", withCredentials(developer), call{Method: "getChildrenAccounts", Request: map[string]any{"childAccountId": childA}}, "`error` 100: Authorization failed"},
	{"the same, where the service is set to say so", both(withCredentials(developer), set(func(s *simulator.Settings) { s.MissingRoleCode = 104 })),
		call{Method: "getChildrenAccounts", Request: map[string]any{"childAccountId": childA}}, "`error` 104: Forbidden command"},
	{"an unknown method", nil, call{Method: "DelAccount", Generic: true, Request: map[string]any{}}, "`error` 103: Unknown command"},
	{"a required parameter is missing", nil, call{Method: "AddAccount", Generic: true, Request: map[string]any{"parent_account_id": parentID}}, "`error` 485: Specify the 'account_name' parameter."},
	{"no account is selected", nil, call{Method: "setChildAccountInfo", Request: map[string]any{"active": true}}, "`error` 458: Specify only one of the following parameters: child_account_id, child_account_name, child_account_email"},
	{"a name that is taken", nil, call{Method: "AddAccount", Generic: true, Request: map[string]any{
		"parent_account_id": parentID, "account_name": "child-a", "account_email": "new@acme.example", "account_password": firstPassword.Reveal(),
	}}, "`error` 106: Account's name is not unique"},
	{"an invalid value", nil, call{Method: "setChildAccountInfo", Request: map[string]any{"childAccountId": childA, "languageCode": "xx"}}, "`error` 202: The 'language_code' parameter is invalid"},
	{"`any` as a list of ids, which the typings allow (that it is refused is a guess)", nil, call{Method: "getChildrenAccounts", Request: map[string]any{"childAccountId": "any"}}, "`error` 194: The 'child_account_id' parameter is invalid"},
	{"a day, which the client sends with a time, and the documents without (that it is refused is a guess)", nil,
		call{Method: "getCurrencyRate", Request: map[string]any{"currency": "EUR", "date": map[string]any{"$date": 1767225600000}}},
		"`error` 496: The 'date' parameter is invalid."},
	{"a parameter that the method does not have", nil, call{Method: "setAccountInfo", Request: map[string]any{"mobilePhone": "4930123456"}}, "`error` 492: The 'mobilePhone' parameter is forbidden."},
	{"a new e-mail by a token call", nil, call{Method: "setAccountInfo", Request: map[string]any{"newAccountEmail": "new@acme.example"}}, "`error` 537: Changing the email is only possible with password authentication."},
	{"too many calls: the service says so", func(t *testing.T, o *official, _ *call) {
		o.Update(func(s *simulator.Settings) { s.RateLimit = 0.001 })
		o.succeed(t, readSelf)
	}, readSelf, "`error` 340: Rate limit exceed"},
	{"errors as a list", set(func(s *simulator.Settings) { s.ErrorsList = true }), call{Method: "setChildAccountInfo", Request: map[string]any{"childAccountId": childA, "languageCode": "xx"}}, "`errors`, a list with 202: The 'language_code' parameter is invalid"},
	{"too many calls: HTTP 429", fault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Header: map[string]string{"Retry-After": "30"}}), readSelf, "rejected: HTTP 429"},
	{"out of order: HTTP 503", fault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503}), readSelf, "rejected: HTTP 503"},
	{"the connection breaks", fault(simulator.Fault{Kind: simulator.FaultReset}), readSelf, "rejected: ECONNRESET"},
}

// lookAtErrors makes calls that fail, and says what the client made of each.
func lookAtErrors(t *testing.T, p *promises) string {
	t.Helper()
	w := newWorld(t)
	o := w.official(t, w.caFile)
	all := newTable("what is wrong", "call of the client", "what its caller gets")
	for _, test := range troubles {
		got := test.make(t, p, o)
		if got != test.comes {
			t.Errorf("%s: %s, not %s", test.what, o.clean(got), test.comes)
		}
		all.row(test.what, code(test.call.Method), got)
	}
	trusting := w.official(t, "").call(t, readSelf)
	if trusting.Failure == nil || trusting.Failure.Status != 0 {
		t.Error("the client took a certificate of a CA that it can't know")
	}
	all.row("the certificate is of a CA that the client does not know", code(readSelf.Method), comes(t, p, readSelf, trusting))
	return all.text
}

// make has the trouble and says what comes of it. Afterwards nothing is left of it.
func (x trouble) make(t *testing.T, p *promises, o *official) string {
	t.Helper()
	c := x.call
	if x.prepare != nil {
		x.prepare(t, o, &c)
	}
	came := o.call(t, c)
	o.ClearFaults()
	o.Update(func(s *simulator.Settings) { *s = simulator.Settings{} })
	if reached := came.Failure == nil && o.lastCall(t).Code != 100; reached && !c.Generic {
		p.asked(t, c, o.lastCall(t).Params)
	}
	return comes(t, p, c, came)
}

// comes is what the client's caller gets in place of an answer: a resolved promise with error in it, or a rejected one.
func comes(t *testing.T, p *promises, c call, came outcome) string {
	t.Helper()
	switch failed := came.Failure; {
	case failed != nil && failed.Status != 0:
		return fmt.Sprintf("rejected: HTTP %d", failed.Status)
	case failed != nil:
		return "rejected: " + failed.Code
	case len(came.Answer) != 1:
		return "not an error alone: " + jsonOf(came.Answer)
	}
	if list, ok := came.Answer["errors"].([]any); ok && len(list) == 1 {
		p.why(t, finding{interfaceOf(c.Method) + "Response.errors", "nothing", kindOf(list)})
		return "`errors`, a list with " + apiError(t, p, list[0])
	}
	return "`error` " + apiError(t, p, came.Answer["error"])
}

// apiError is code and text of an error that is as the typings promise.
func apiError(t *testing.T, p *promises, value any) string {
	t.Helper()
	p.check(t, "APIError", value)
	object, _ := value.(map[string]any)
	return fmt.Sprintf("%v: %v", object["code"], object["msg"])
}

func both(first, second preparation) preparation {
	return func(t *testing.T, o *official, c *call) {
		first(t, o, c)
		second(t, o, c)
	}
}

func set(change func(*simulator.Settings)) preparation {
	return func(_ *testing.T, o *official, _ *call) { o.Update(change) }
}

func fault(f simulator.Fault) preparation {
	return func(_ *testing.T, o *official, _ *call) { o.AddFault(f) }
}

func withCredentials(document func(*testing.T, *official) []byte) preparation {
	return func(t *testing.T, o *official, c *call) {
		data := document(t, o)
		c.Client.Credentials = o.write(t, read(data)["key_id"]+".json", data)
	}
}

func developer(_ *testing.T, o *official) []byte {
	return o.Credentials(parentID, simulator.RoleDeveloper)
}

// otherKey is credentials with the id of one key and the private part of another.
func otherKey(t *testing.T, o *official) []byte {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	o.UseKey(other)
	defer o.UseKey(simulator.SharedKey())
	mixed := map[string]any{"account_id": parentID, "key_id": o.keyID, "private_key": read(o.Credentials(parentID))["private_key"]}
	return []byte(jsonOf(mixed))
}

// read gives the texts of a JSON object.
func read(document []byte) map[string]string {
	var object map[string]any
	_ = json.Unmarshal(document, &object) // what isn't there shows in what is done with it
	texts := map[string]string{}
	for name, value := range object {
		texts[name], _ = value.(string)
	}
	return texts
}
