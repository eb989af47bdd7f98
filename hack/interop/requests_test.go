package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// intent is something to be had from the provider, by our client and by theirs.
type intent struct {
	name   string
	ours   func(context.Context, *voximplant.Remote) error
	theirs call
}

// intents go through all that our client calls by token. The order counts: both worlds then stay the same.
var intents = []intent{
	{"a page of all children", list(voximplant.GetChildrenAccountsParams{All: true, Offset: 2, Count: 2}),
		listing(map[string]any{"childAccountId": "all", "offset": 2, "count": 2})},
	{"all children, without a filter", list(voximplant.GetChildrenAccountsParams{}), listing(nil)},
	{"some children, by id", list(voximplant.GetChildrenAccountsParams{IDs: []string{text(childA), text(childC)}}),
		listing(map[string]any{"childAccountId": []int64{childA, childC}, "ignoreInvalidAccounts": true})},
	{"children by a part of the name", list(voximplant.GetChildrenAccountsParams{Name: "child"}), listing(map[string]any{"childAccountName": "child"})},
	{"one more child", func(ctx context.Context, r *voximplant.Remote) error {
		n := provider.NewAccount{Name: "child-new", Password: firstPassword, CustomData: "claim", Desired: account.State{}}
		for path, s := range samples {
			n.Desired[path] = s.value
		}
		n.Desired["email"] = "child-new@acme.example" // unique
		_, err := r.Create(ctx, n)
		return err
	}, call{Method: "AddAccount", Generic: true, Request: map[string]any{
		"parent_account_id": parentID, "parent_account_api_key": parentKey.Reveal(), "account_name": "child-new", "account_password": firstPassword.Reveal(),
		"account_custom_data": "claim", "account_email": "child-new@acme.example", "active": "false", "language_code": "de", "location": "Europe/Berlin",
		"account_notifications": "true", "tariff_changing_notifications": "false", "news_notifications": "true", "min_balance_to_notify": "5.00",
		"account_first_name": "Ada", "account_last_name": "Ünal", "record_storage_name": "eu-records",
	}}},
	{"a clone of a child", func(ctx context.Context, r *voximplant.Remote) error {
		_, err := r.Client().CloneAccount(ctx, voximplant.CloneAccountParams{
			SourceID: text(childA), Name: "child-clone", Email: "child-clone@acme.example", Password: firstPassword, CustomData: "claim",
			Fields: map[string]string{"language_code": "de", "location": "Europe/Berlin"},
		})
		return err
	}, call{Method: "CloneAccount", Generic: true, Request: map[string]any{
		"account_id": childA, "parent_account_api_key": parentKey.Reveal(), "new_account_name": "child-clone", "new_account_email": "child-clone@acme.example",
		"new_account_password": firstPassword.Reveal(), "account_custom_data": "claim", "language_code": "de", "location": "Europe/Berlin",
	}}},
	{"every field of a child", update(parents, childA), setting(map[string]any{"childAccountId": childA}, parents)},
	{"every field of several children that they can share", update(shared, childB, childC), setting(map[string]any{"childAccountId": []int64{childB, childC}}, shared)},
	{"the profile of a child, as the child", update(known, childA), profile(childA)},
	{"the salt of a child's callbacks", func(ctx context.Context, r *voximplant.Remote) error {
		return r.SetCallbackSalt(ctx, text(childA), callbackSalt)
	},
		call{Method: "SetChildAccountInfo", Generic: true, Request: map[string]any{"child_account_id": text(childA), "callback_salt": callbackSalt.Reveal()}}},
	{"where a child's callbacks go", update(calledBack, childA),
		call{Method: "SetChildAccountInfo", Generic: true, Request: map[string]any{"child_account_id": text(childA), "callback_url": samples[callbackURL].value}}},
	{"another password of a child", func(ctx context.Context, r *voximplant.Remote) error {
		return r.SetPassword(ctx, provider.Target{ID: text(childA)}, nextPassword)
	},
		call{Method: "setChildAccountInfo", Request: map[string]any{"childAccountId": childA, "newChildAccountPassword": nextPassword.Reveal()}}},
	{"custom data, as the child", func(ctx context.Context, r *voximplant.Remote) error {
		return r.Client().SetAccountInfo(ctx, text(childA), voximplant.SetAccountInfoParams{CustomData: `{"a": "ü;&"}`})
	}, call{Client: client{AccountID: childA}, Method: "setAccountInfo", Request: map[string]any{"accountCustomData": `{"a": "ü;&"}`}}},
	{"prices of resources, as the child", func(ctx context.Context, r *voximplant.Remote) error {
		_, err := voximplant.BillingOf(r.Client(), text(childA)).GetResourcePrice(ctx, voximplant.ResourcePriceParams{
			Types: []string{"PSTNOUT", "SMSOUT"}, GroupIDs: []string{"101", "301"}, GroupName: "germany", For: []string{"4930123456", "4930654321"},
		})
		return err
	}, call{Client: client{AccountID: childA}, Method: "getResourcePrice", Request: map[string]any{
		// The client joins lists of numbers; of texts it takes no lists, although its typings have them.
		"resourceType": "PSTNOUT;SMSOUT", "priceGroupId": []int64{101, 301}, "priceGroupName": "germany", "resourceParam": "4930123456;4930654321",
	}}},
	{"prices of subscriptions", func(ctx context.Context, r *voximplant.Remote) error {
		_, err := voximplant.BillingOf(r.Client(), "").GetSubscriptionPrice(ctx, voximplant.SubscriptionPriceParams{
			TemplateIDs: []string{"2", "3"}, Name: "phone", Type: "PHONE_NUM", Offset: 1, Count: 5,
		})
		return err
	}, call{Method: "getSubscriptionPrice", Request: map[string]any{
		"subscriptionTemplateId": []int64{2, 3}, "subscriptionTemplateName": "phone", "subscriptionTemplateType": "PHONE_NUM", "offset": 1, "count": 5,
	}}},
	{"a charge of phone numbers, as the child", func(ctx context.Context, r *voximplant.Remote) error {
		_, err := voximplant.BillingOf(r.Client(), text(childA)).ChargeAccount(ctx, voximplant.ChargeAccountParams{All: true})
		return err
	}, call{Client: client{AccountID: childA}, Method: "ChargeAccount", Generic: true, Request: map[string]any{"phone_id": "all"}}},
	{"the plans of a child", func(ctx context.Context, r *voximplant.Remote) error {
		_, err := r.Plans(ctx, text(childA))
		return err
	}, call{Client: client{AccountID: childA}, Method: "getAccountPlans", Request: map[string]any{}}},
	{"the plans that a child may change to", func(ctx context.Context, r *voximplant.Remote) error {
		_, err := r.PlanOffers(ctx, text(childA))
		return err
	}, call{Client: client{AccountID: childA}, Method: "getAvailablePlans", Request: map[string]any{}}},
	{"another plan of a child", func(ctx context.Context, r *voximplant.Remote) error {
		return r.ChangePlan(ctx, text(childA), account.Plan{Type: "MAU", ID: "11"})
	}, call{Client: client{AccountID: childA}, Method: "changeAccountPlan", Request: map[string]any{"planType": "MAU", "planSubscriptionTemplateId": 11}}},
	{"the verifications of all children", func(ctx context.Context, r *voximplant.Remote) error { _, err := r.Verifications(ctx); return err },
		call{Method: "getAccountDocuments", Request: map[string]any{"childAccountId": "all", "childrenVerificationsOnly": true}}},
	{"how much money to add", func(ctx context.Context, r *voximplant.Remote) error { _, err := r.AmountToCharge(ctx); return err },
		call{Method: "getMoneyAmountToCharge", Request: map[string]any{}}},
	{"exchange rates", func(ctx context.Context, r *voximplant.Remote) error { _, err := r.ExchangeRates(ctx); return err },
		call{Method: "getCurrencyRate", Request: map[string]any{"currency": "RUR;KZT;EUR;USD"}}},
	{"every field of the parent itself", updateOwn, ownSetting()},
	{"the parent itself", func(ctx context.Context, r *voximplant.Remote) error { _, err := r.Self(ctx); return err },
		call{Method: "getAccountInfo", Request: map[string]any{"returnLiveBalance": false}}},
}

// samples have for each field that can be changed a value, and how the same is said to the provider's client.
var samples = map[string]struct {
	value, property string
	theirs          any
}{
	"email":                       {"Child+A@acme.example", "newChildAccountEmail", "Child+A@acme.example"},
	"active":                      {"false", "active", false},
	"languageCode":                {"de", "languageCode", "de"},
	"location":                    {"Europe/Berlin", "location", "Europe/Berlin"},
	"notifications.account":       {"true", "accountNotifications", true},
	"notifications.tariffChanges": {"false", "tariffChangingNotifications", false},
	"notifications.news":          {"true", "newsNotifications", true},
	"minBalanceToNotify":          {"5.00", "minBalanceToNotify", 5.00},
	"payments.bankCard":           {"true", "supportBankCard", true},
	"payments.invoice":            {"false", "supportInvoice", false},
	"payments.robokassa":          {"true", "supportRobokassa", true},
	"canUseRestricted":            {"true", "canUseRestricted", true},

	callbackURL:                          {"https://hooks.acme.example/?a=1&b=2", "", nil}, // the provider's client does not know it
	"recordStorage.name":                 {"eu-records", "", nil},                          // at creation only
	"profile.firstName":                  {"Ada", "accountFirstName", "Ada"},
	"profile.lastName":                   {"Ünal", "accountLastName", "Ünal"},
	"profile.mobilePhone":                {"+33123456789", "mobilePhone", "+33123456789"},
	"profile.customData":                 {`{"crm": "4711"}`, "accountCustomData", `{"crm": "4711"}`},
	"profile.sendJSErrors":               {"true", "sendJsError", true},
	"profile.storeInboundSMS":            {"true", "storeInboundSms", true},
	"profile.storeOutboundSMS":           {"false", "storeOutboundSms", false},
	"profile.billingAddress.name":        {"Acme & Söhne", "billingAddressName", "Acme & Söhne"},
	"profile.billingAddress.countryCode": {"FR", "billingAddressCountryCode", "FR"},
	"profile.billingAddress.address":     {"1, rue X", "billingAddressAddress", "1, rue X"},
	"profile.billingAddress.zip":         {"75001", "billingAddressZip", "75001"},
	"profile.billingAddress.phone":       {"33123456789", "billingAddressPhone", "33123456789"},
}

// callbackSalt is a secret.
const callbackSalt = account.Secret("canary-salt-of-callbacks")

func list(p voximplant.GetChildrenAccountsParams) func(context.Context, *voximplant.Remote) error {
	return func(ctx context.Context, r *voximplant.Remote) error {
		_, err := r.Client().GetChildrenAccounts(ctx, p)
		return err
	}
}

// listing is how the provider's client is to list: as ours always does, and with the selection.
func listing(selection map[string]any) call {
	request := map[string]any{"count": 1000, "orderBy": "child_account_id", "returnLiveBalance": false}
	maps.Copy(request, selection)
	return call{Method: "getChildrenAccounts", Request: request}
}

// callbackURL is the field of which setChildAccountInfo of the provider's client does not know the parameter.
const callbackURL = "callback.url"

func calledBack(f account.Field) bool { return f.Path == callbackURL }

// shared are the fields that several accounts can have in common, parents those that the parent changes.
func shared(f account.Field) bool { return f.Batchable && !calledBack(f) }

func parents(f account.Field) bool { return !f.Delegated && !calledBack(f) }

// known are the fields that the child changes itself and that the provider's client can change: it does not know mobile_phone.
func known(f account.Field) bool { return f.Delegated && f.Path != "profile.mobilePhone" }

// profile is how the provider's client is to change those.
func profile(child int64) call {
	c := setting(nil, known)
	c.Client, c.Method = client{AccountID: child}, "setAccountInfo"
	return c
}

// update writes every field that is meant.
func update(meant func(account.Field) bool, ids ...int64) func(context.Context, *voximplant.Remote) error {
	return func(ctx context.Context, r *voximplant.Remote) error {
		var targets []provider.Target
		for _, id := range ids {
			targets = append(targets, provider.Target{ID: text(id)})
		}
		var changes []account.Change
		for _, f := range voximplant.Fields() {
			if f.Updatable && meant(f) {
				changes = append(changes, account.Change{Field: f, To: samples[f.Path].value})
			}
		}
		return r.Update(ctx, provider.Update{Targets: targets, Changes: changes})
	}
}

// setting is the same by the provider's client, for the fields that are meant.
func setting(selection map[string]any, meant func(account.Field) bool) call {
	request := map[string]any{}
	maps.Copy(request, selection)
	for _, f := range voximplant.Fields() {
		if f.Updatable && meant(f) {
			request[samples[f.Path].property] = samples[f.Path].theirs
		}
	}
	return call{Method: "setChildAccountInfo", Request: request}
}

// ownKnown are the fields of the parent account itself that the provider's client can change: it does not know mobile_phone.
func ownKnown(f account.Field) bool { return f.Path != "profile.mobilePhone" }

// updateOwn writes every such field, and the salt of the parent's callbacks.
func updateOwn(ctx context.Context, r *voximplant.Remote) error {
	var changes []account.Change
	for _, f := range voximplant.OwnFields() {
		if f.Updatable && ownKnown(f) {
			changes = append(changes, account.Change{Field: f, To: samples[f.Path].value})
		}
	}
	return r.UpdateOwn(ctx, changes, callbackSalt)
}

// ownSetting is the same by the provider's client, whose method for it knows the parameters of callbacks.
func ownSetting() call {
	request := map[string]any{"callbackSalt": callbackSalt.Reveal()}
	for _, f := range voximplant.OwnFields() {
		switch {
		case f.Path == callbackURL:
			request["callbackUrl"] = samples[f.Path].value
		case f.Updatable && ownKnown(f):
			request[samples[f.Path].property] = samples[f.Path].theirs
		}
	}
	return call{Method: "setAccountInfo", Request: request}
}

// lookAtRequests has both clients do the same, each in a world of its own, and compares what came in, part by part.
func lookAtRequests(t *testing.T, p *promises) string {
	t.Helper()
	everyFieldHasASample(t)
	expected := newLedger(differences)
	here, there := newWorld(t), newWorld(t)
	ours, theirs := here.ours(t), there.official(t, there.caFile)
	parameters := newTable("for", "parameter", "ours", "theirs", "why")
	var manner [][]string
	for _, in := range intents {
		one := in.byOurs(t, here, ours)
		other := in.byTheirs(t, p, theirs)
		if one.Method != other.Method || one.Account != other.Account {
			t.Errorf("%s: %s as %d, but %s as %d", in.name, one.Method, one.Account, other.Method, other.Account)
		}
		before := manner
		manner = compare(t, expected, "", mannerOf(t, here, one), mannerOf(t, there, other))
		if before != nil && jsonOf(manner) != jsonOf(before) {
			t.Errorf("%s is called in another manner than the call before: %v, not %v", one.Method, manner, before)
		}
		parameters.row(in.name, "**"+one.Method+"**"+asChild(one), "", "", "")
		for _, cells := range compare(t, expected, one.Method+": ", paramsOf(one), paramsOf(other)) {
			if in.theirs.Generic && cells[2] == same {
				cells[2] = "as we gave it"
			}
			parameters.row(append([]string{""}, cells...)...)
		}
	}
	expected.close(t)
	manners := newTable("in every call", "ours", "theirs", "why")
	for _, cells := range manner {
		manners.row(cells...)
	}
	return manners.text + "\n" + parameters.text
}

func (in intent) byOurs(t *testing.T, w *world, remote *voximplant.Remote) simulator.Call {
	t.Helper()
	if err := in.ours(t.Context(), remote); err != nil {
		t.Fatalf("%s, by ours: %v", in.name, err)
	}
	return w.lastCall(t)
}

func (in intent) byTheirs(t *testing.T, p *promises, o *official) simulator.Call {
	t.Helper()
	o.succeed(t, in.theirs)
	c := o.lastCall(t)
	if !in.theirs.Generic {
		p.asked(t, in.theirs, c.Params)
	}
	return c
}

func everyFieldHasASample(t *testing.T) {
	t.Helper()
	for _, f := range voximplant.Fields() {
		if _, ok := samples[f.Path]; !ok && f.Updatable {
			t.Errorf("no sample for the field %s", f.Path)
		}
	}
}

func asChild(c simulator.Call) string {
	if c.Account == parentID {
		return ""
	}
	return ", as the child"
}

// part is one thing about a call: secrets are compared as they are, and shown masked.
type part struct{ value, shown string }

// same stands where theirs is as ours.
const same = "same"

// compare gives for each part that either has the cells of a row: its name, ours, theirs and why they differ.
func compare(t *testing.T, expected *ledger, scope string, ours, theirs map[string]part) [][]string {
	t.Helper()
	var rows [][]string
	for _, name := range sortedNames(with(ours, theirs)) {
		one, other := ours[name], theirs[name]
		cells := []string{code(name), code(one.shown), same, ""}
		if one != other {
			cells[2], cells[3] = code(other.shown), expected.why(t, finding{scope + name, one.shown, other.shown})
		}
		rows = append(rows, cells)
	}
	return rows
}

// paramsOf are the parameters of a call, other than the method's name.
func paramsOf(c simulator.Call) map[string]part {
	var shown map[string]string
	_ = json.Unmarshal([]byte(jsonOf(c.Params)), &shown) // it masks the secrets
	parts := map[string]part{}
	for name, value := range c.Params {
		if name != "cmd" {
			parts[name] = part{value, shown[name]}
		}
	}
	return parts
}

// mannerOf is how a call was sent and signed.
func mannerOf(t *testing.T, w *world, c simulator.Call) map[string]part {
	t.Helper()
	token := c.Wire.Token
	if token == nil {
		t.Fatalf("%s: no token", c.Method)
	}
	issued, expires := number(t, token.Claims["iat"]), number(t, token.Claims["exp"])
	manner := map[string]string{
		"HTTP method":           c.HTTPMethod,
		"the method's name":     placeOfMethod(c),
		"content type":          c.Wire.ContentType,
		"parameters in the URL": strconv.Itoa(len(c.Wire.Query)),
		"Authorization":         token.Scheme,
		"token: header":         strings.Join(sortedNames(token.Header), " "),
		"token: alg":            fmt.Sprint(token.Header["alg"]),
		"token: typ":            fmt.Sprint(token.Header["typ"]),
		"token: kid":            map[bool]string{true: "the key's id", false: "something else"}[token.Header["kid"] == w.keyID],
		"token: claims":         claimsOf(token),
		"token: iss":            map[bool]string{true: "the account to act as", false: "another account"}[number(t, token.Claims["iss"]) == c.Account],
		"token: life":           (time.Duration(expires-issued) * time.Second).String(),
		"token: issued":         "when the clock says",
	}
	if early := w.began.Unix() - issued; early > 0 {
		manner["token: issued"] = fmt.Sprintf("%ds before the clock says", early)
	}
	parts := map[string]part{}
	for name, value := range manner {
		parts[name] = part{value, value}
	}
	return parts
}

func placeOfMethod(c simulator.Call) string {
	switch {
	case c.Wire.Path == "/platform_api/"+c.Method && c.Params["cmd"] == "":
		return "in the path"
	case c.Wire.Path == "/platform_api" && c.Params["cmd"] == c.Method && !slices.Contains(c.Wire.Query, "cmd"):
		return "as cmd in the body"
	}
	return "elsewhere: " + c.Wire.Path
}

// claimsOf are the claims with their types.
func claimsOf(token *simulator.Token) string {
	var claims []string
	for _, name := range sortedNames(token.Claims) {
		claims = append(claims, name+" "+kindOf(token.Claims[name]))
	}
	return strings.Join(claims, ", ")
}

func number(t *testing.T, claim any) int64 {
	t.Helper()
	n, err := strconv.ParseInt(fmt.Sprint(claim), 10, 64)
	if err != nil {
		t.Fatalf("a claim is no whole number: %v", err)
	}
	return n
}

func text(id int64) string { return strconv.FormatInt(id, 10) }
