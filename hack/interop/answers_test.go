package interop

import (
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// viewer makes calls that succeed, by the client's own methods where it has them, and notes what the client made of the
// answers. Each answer must be as the client's typings promise, and have what was written before.
type viewer struct {
	*official
	t        *testing.T
	promises *promises
	table    table
}

func lookAtAnswers(t *testing.T, p *promises) string {
	t.Helper()
	w := newWorld(t)
	w.PutAccount(completeAccount)
	v := &viewer{official: w.official(t, w.caFile), t: t, promises: p, table: newTable("call of the client", "what it was for", "what came")}
	for _, step := range []func(){v.readItself, v.list, v.showAll, v.showLess, v.add, v.change, v.selectOtherwise, v.actAsChild, v.beChild, v.prices, v.plans, v.documents, v.money} {
		step()
	}
	return v.table.text
}

func (v *viewer) readItself() {
	c := call{Method: "getAccountInfo", Request: map[string]any{"returnLiveBalance": true}}
	answer := v.do(c)
	v.want(answer["result"], map[string]any{"accountId": parentID, "accountName": parentName, "active": true})
	v.want(answer, map[string]any{"apiAddress": v.server.Addr})
	v.note(c, "the parent reads itself", "its account, and the address that was asked")
}

func (v *viewer) list() {
	page := func(offset, size int) []string {
		answer := v.do(call{Method: "getChildrenAccounts", Request: map[string]any{
			"childAccountId": "all", "count": 3, "offset": offset, "orderBy": "child_account_id", "returnLiveBalance": true,
		}})
		v.want(answer, map[string]any{"totalCount": 4})
		var ids []string
		for _, row := range v.rows(answer, size) {
			ids = append(ids, jsonOf(row["accountId"]))
		}
		return ids
	}
	got := append(page(0, 3), page(3, 1)...)
	if want := []string{text(childA), text(childB), text(childC), text(complete)}; !slices.Equal(got, want) {
		v.t.Errorf("the pages have %v, not %v", got, want)
	}
	v.note(call{Method: "getChildrenAccounts"}, "all children, in pages of 3", "3 of 4, then 1 of 4, each account once")
}

// completeAccount is a child with a value in every field that the typings have.
var completeAccount = simulator.Account{ID: complete, ParentID: parentID, Fields: simulator.Fields{
	"account_name": "child-complete", "account_email": "child-complete@acme.example", "account_password": firstPassword.Reveal(),
	"account_first_name": "Ada", "account_last_name": "Lovelace", "created": "2026-01-02 03:04:05", "language_code": "en", "location": "Etc/GMT",
	"min_balance_to_notify": 7.25, "billing_address_name": "Acme", "billing_address_country_code": "DE", "billing_address_address": "Weg 1",
	"billing_address_zip": "10115", "billing_address_phone": "4930123456", "billing_address_state": "Berlin", "active": true, "frozen": false,
	"balance": 12.5, "credit_limit": 1.0, "currency": "EUR", "account_custom_data": "data", "access_entries": []string{"AddUser", "GetUsers"},
	"with_access_entries": true, "callback_url": "https://acme.example/callback", "callback_salt": "canary-s4lt", "a2p_sms_enabled": true,
	"billing_limits": map[string]any{
		"robokassa": map[string]any{"min_amount": 1, "currency": "RUR"}, "bank_card": map[string]any{"min_amount": 5, "currency": "EUR"},
		"invoice": map[string]any{"min_amount": 10, "currency": "EUR"},
	},
}}

func (v *viewer) showAll() {
	c := call{Method: "getChildrenAccounts", Request: map[string]any{
		"childAccountId": []int64{complete, stranger}, "ignoreInvalidAccounts": true, "childAccountName": "child", "childAccountEmail": "acme.example",
		"active": true, "frozen": false,
	}}
	only := v.rows(v.do(c), 1)[0]
	v.promises.complete(v.t, "AccountInfo", only)
	v.want(only, map[string]any{
		"accountId": complete, "accountName": "child-complete", "created": "2026-01-02 03:04:05", "minBalanceToNotify": 7.25,
		"accessEntries": []string{"AddUser", "GetUsers"},
	})
	v.note(c, "a child with every field there is, by every filter there is", "the one account, with every property that the typings have, but for what is below")
}

// showLess has accounts without what the typings call required, so that only the names are looked at.
func (v *viewer) showLess() {
	c := call{Method: "getChildrenAccounts"}
	for extent, properties := range map[string]string{"briefOutput": "accountId", "mediumOutput": "accountEmail accountId accountName"} {
		c.Request = map[string]any{"childAccountId": childA, extent: true}
		answer := v.succeed(v.t, c)
		v.promises.asked(v.t, c, v.lastCall(v.t).Params)
		if got := strings.Join(sortedNames(v.rows(answer, 1)[0]), " "); got != properties {
			v.t.Errorf("%s has %s", extent, got)
		}
	}
	v.note(c, "`briefOutput`, `mediumOutput`", "the id; id, name and e-mail")
}

func (v *viewer) add() {
	c := call{Method: "AddAccount", Generic: true, Request: map[string]any{
		"parent_account_id": parentID, "parent_account_api_key": parentKey.Reveal(),
		"account_name": "child-new", "account_email": "child-new@acme.example", "account_password": firstPassword.Reveal(), "active": "true",
	}}
	answer := v.succeed(v.t, c)
	made, _ := v.Account("child-new")
	v.want(answer, map[string]any{"result": 1, "account_id": made.ID, "active": true, "api_key": made.APIKey()})
	v.note(c, "a child is added (by `makeRequest`: "+clientVersion+" has no method for it)", "`result` 1, the id, `active`, the API key")
}

func (v *viewer) change() {
	made, _ := v.Account("child-new")
	shown := map[string]any{
		"accountNotifications": true, "tariffChangingNotifications": true, "newsNotifications": true, "active": false, "languageCode": "de",
		"location": "Europe/Berlin", "minBalanceToNotify": 7.5, "supportRobokassa": true, "supportBankCard": false, "supportInvoice": true,
	}
	c := call{Method: "setChildAccountInfo", Request: with(shown, map[string]any{
		"childAccountId": made.ID, "newChildAccountEmail": "changed@acme.example", "newChildAccountPassword": nextPassword.Reveal(), "canUseRestricted": true,
	})}
	v.want(v.do(c), map[string]any{"result": 1})
	look := call{Method: "getChildrenAccounts", Request: map[string]any{"childAccountName": "child-new"}}
	v.want(v.rows(v.do(look), 1)[0], with(shown, map[string]any{"accountId": made.ID, "accountEmail": "changed@acme.example"}))
	if after, _ := v.Account("child-new"); !v.CheckPassword(made.ID, nextPassword.Reveal()) || !after.Flag("can_use_restricted") {
		v.t.Error("what is not shown was not written")
	}
	v.note(c, "all of it is changed", "`result` 1; a read returns each value as it was written")
}

func (v *viewer) selectOtherwise() {
	c := call{Method: "setChildAccountInfo"}
	for selector, value := range map[string]string{"childAccountName": "child-a", "childAccountEmail": "child-b@acme.example"} {
		c.Request = map[string]any{selector: value, "location": "Asia/Tokyo"}
		v.want(v.do(c), map[string]any{"result": 1})
	}
	for _, name := range []string{"child-a", "child-b"} {
		if a, _ := v.Account(name); a.Text("location") != "Asia/Tokyo" {
			v.t.Errorf("%s was not changed", name)
		}
	}
	v.note(c, "by name, by e-mail", "`result` 1")
}

func (v *viewer) actAsChild() {
	child := client{AccountID: childB}
	shown := map[string]any{
		"languageCode": "fr", "location": "Europe/Paris", "accountFirstName": "Ada", "accountLastName": "Ünal", "minBalanceToNotify": 0.5,
		"accountNotifications": true, "tariffChangingNotifications": false, "newsNotifications": true, "sendJsError": true, "billingAddressName": "Acme",
		"billingAddressCountryCode": "FR", "billingAddressAddress": "1, rue X", "billingAddressZip": "75001", "billingAddressPhone": "33123456789",
		"accountCustomData": `{"a": "b;c"}`, "callbackUrl": "https://acme.example/x", "callbackSalt": "canary-s4lt",
	}
	c := call{Client: child, Method: "setAccountInfo", Request: with(shown, map[string]any{
		"newAccountPassword": nextPassword.Reveal(), "storeOutboundSms": true, "storeInboundSms": false,
	})}
	v.want(v.do(c), map[string]any{"result": 1})
	v.note(c, "a child changes itself (`accountId` of the client: the child's id as `iss`, the parent's key)", "`result` 1")
	c = call{Client: child, Method: "getAccountInfo", Request: map[string]any{}}
	v.want(v.do(c)["result"], with(shown, map[string]any{"accountId": childB, "accountName": "child-b"}))
	v.note(c, "a child reads itself in the same way", "the child's account, with each value as it was written")
}

func (v *viewer) beChild() {
	own := v.write(v.t, "child.json", v.Credentials(childC))
	c := call{Client: client{Credentials: own}, Method: "getAccountInfo", Request: map[string]any{}}
	v.want(v.do(c)["result"], map[string]any{"accountId": childC, "accountName": "child-c"})
	v.note(c, "a child reads itself with a key of its own", "the child's account")
}

func (v *viewer) prices() {
	c := call{Method: "getResourcePrice", Request: map[string]any{"resourceType": "PSTNOUT", "priceGroupName": "germany", "resourceParam": "4930123456"}}
	v.want(only(v.do(c)), map[string]any{"resourceType": "PSTNOUT"})
	v.note(c, "what calls cost", "the types of resources, with the price groups and their parameters")
	c = call{Method: "getSubscriptionPrice", Request: map[string]any{"subscriptionTemplateId": 3}}
	v.want(only(v.do(c)), map[string]any{"subscriptionTemplateName": "Phone RU 495", "price": 5.25, "verificationStatus": "REQUIRED"})
	v.note(c, "what a subscription costs", "its template with the prices")
}

func (v *viewer) plans() {
	child := client{AccountID: childA}
	for _, method := range []string{"getAccountPlans", "getAvailablePlans"} {
		c := call{Client: child, Method: method, Request: map[string]any{"planType": "MAU", "planSubscriptionTemplateId": []int64{10, 11}}}
		list, _ := v.do(c)["result"].([]any)
		if len(list) == 0 {
			v.t.Errorf("%s: none", method)
		}
		for _, plan := range list {
			v.want(plan, map[string]any{"planType": "MAU"})
		}
	}
	v.note(call{Method: "getAccountPlans"}, "the plans of a child", "the plan of the type that was asked for, with its packages")
	v.note(call{Method: "getAvailablePlans"}, "the plans that a child may change to", "those that are dearer than the account's")
	c := call{Client: child, Method: "changeAccountPlan", Request: map[string]any{"planType": "MAU", "planSubscriptionTemplateId": 11}}
	answer := v.do(c)
	v.want(answer, map[string]any{"result": 1})
	v.want(answer["accountInfo"], map[string]any{"accountId": childA})
	if plan := simulator.PlanOf(v.Simulator, childA, "MAU"); plan != 11 {
		v.t.Errorf("the plan is %d", plan)
	}
	v.note(c, "another plan of a child", "`result` 1 and the account's state")
}

func (v *viewer) documents() {
	if err := v.SetField(childA, "verifications", []simulator.Verification{{
		Name: "DE", Status: simulator.VerificationInProgress, HoldUntil: "2026-03-01",
		Documents: []simulator.Document{{ID: 7, Individual: true, Comment: "page 2 is missing", Uploaded: "2026-01-02 03:04:05", Status: "INCOMPLETE_SET"}},
	}}); err != nil {
		v.t.Fatal(err)
	}
	c := call{Method: "getAccountDocuments", Request: map[string]any{"childAccountId": "all", "childrenVerificationsOnly": true}}
	v.want(only(v.do(c)), map[string]any{"accountId": childA})
	v.note(c, "the verifications of all children", "the one child that has any")
	c.Request = map[string]any{"childAccountId": childA, "childrenVerificationsOnly": true, "withDetails": true, "verificationName": "DE", "verificationStatus": "IN_PROGRESS"}
	account, _ := only(v.do(c)).(map[string]any)
	list, _ := account["verifications"].([]any)
	if len(list) != 1 {
		v.t.Fatalf("verifications: %s", jsonOf(account))
	}
	v.note(c, "one child's, with the documents that were uploaded", "the verification and its documents, as said below")
}

func (v *viewer) money() {
	c := call{Method: "getMoneyAmountToCharge", Request: map[string]any{"currency": "USD"}}
	v.do(c)
	v.note(c, "how much money to add", "the amounts and the subscriptions that need them")
	c = call{Method: "getCurrencyRate", Request: map[string]any{"currency": "EUR;USD"}}
	v.want(v.do(c)["result"], map[string]any{"USD": 1})
	v.note(c, "exchange rates", "those that were asked for")
}

// only is the first element of a result.
func only(answer map[string]any) any {
	if list, _ := answer["result"].([]any); len(list) == 1 {
		return list[0]
	}
	return nil
}

// do makes a call, and checks call and answer against the typings.
func (v *viewer) do(c call) map[string]any {
	v.t.Helper()
	answer := v.succeed(v.t, c)
	v.promises.asked(v.t, c, v.lastCall(v.t).Params)
	v.promises.check(v.t, interfaceOf(c.Method)+"Response", answer)
	return answer
}

func (v *viewer) note(c call, what, came string) { v.table.row(code(c.Method), what, came) }

// want compares some properties of an object.
func (v *viewer) want(got any, properties map[string]any) {
	v.t.Helper()
	object, _ := got.(map[string]any)
	for name, value := range properties {
		if have, expected := jsonOf(object[name]), jsonOf(value); have != expected {
			v.t.Errorf("%s is %s, not %s", name, v.clean(have), v.clean(expected))
		}
	}
}

// rows are the accounts of a list, of which there are to be this many.
func (v *viewer) rows(answer map[string]any, count int) []map[string]any {
	v.t.Helper()
	v.want(answer, map[string]any{"count": count})
	list, _ := answer["result"].([]any)
	if len(list) != count {
		v.t.Fatalf("not %d accounts: %s", count, v.clean(jsonOf(answer)))
	}
	rows := make([]map[string]any, count)
	for i, item := range list {
		rows[i], _ = item.(map[string]any)
	}
	return rows
}
