package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// phonesField holds the phone numbers of an account, which no method of the accounts shows: a list of phoneNumber as JSON.
const phonesField = "phones"

// phoneNumber is a phone number that an account has.
type phoneNumber struct {
	ID     int64  `json:"phone_id"`
	Number string `json:"phone_number"`
	// Price is what it costs for each period, in the account's currency.
	Price float64 `json:"price"`
	// AutoCharge is set where the service charges it by itself.
	AutoCharge bool `json:"auto_charge"`
	// Paid is set once the present period is paid for. Deactivated is set where it can't be used for want of that.
	Paid        bool `json:"paid"`
	Deactivated bool `json:"deactivated"`
}

// billingMethods are the methods about what an account pays.
var billingMethods = []method{
	{
		name: "ChargeAccount",
		// guess: those who have to do with money; the documents' list is lost.
		roles: []Role{RoleOwner, RoleAdmin, RoleAccountant, RolePayer},
		run:   chargeAccount,
		params: []param{
			{name: "phone_id", parse: asIDs(codeInvalidParameter)},
			{name: "phone_number", parse: asTexts(codeInvalidParameter)},
		},
	},
	{
		name: "GetResourcePrice",
		run:  getResourcePrice,
		params: []param{
			{name: "resource_type", parse: asResourceTypes},
			{name: "price_group_id", parse: asIDs(codeInvalidParameter)},
			{name: "price_group_name", parse: asText},
			{name: "resource_param", parse: asTexts(codeInvalidParameter)},
		},
	},
	{
		name: "GetSubscriptionPrice",
		run:  getSubscriptionPrice,
		params: []param{
			{name: "subscription_template_id", parse: asIDs(codeInvalidParameter)},
			{name: "subscription_template_type", parse: asOneOf("PHONE_NUM", "SIP_REGISTRATION")},
			{name: "subscription_template_name", parse: asText},
			{name: "count", parse: asNumber(1, maxPage)},
			{name: "offset", parse: asNumber(0, 1<<31)},
		},
	},
}

// phonesOf are the account's phone numbers.
func phonesOf(a *Account) []phoneNumber {
	encoded, err := json.Marshal(a.Fields[phonesField])
	var phones []phoneNumber
	if err != nil || json.Unmarshal(encoded, &phones) != nil {
		return nil
	}
	return phones
}

// chargeAccount is ChargeAccount: takes from the balance what the selected phone numbers cost that are charged by hand and not paid yet, of
// all of them or none. Guess: a number that is charged automatically, or is paid already, is no error and is not charged.
func chargeAccount(s *Simulator, c *invocation) (map[string]any, *apiError) {
	a := c.who.account
	phones := phonesOf(a)
	chosen, err := chosenPhones(c, phones)
	if err != nil {
		return nil, err
	}
	amount := 0.0
	for _, i := range chosen {
		if due(phones[i]) {
			amount += phones[i].Price
		}
	}
	balance, credit := number(a, "balance"), number(a, "credit_limit")
	if amount > balance+credit {
		return nil, fail(codeMoney)
	}
	rows := make([]map[string]any, 0, len(chosen))
	for _, i := range chosen {
		charged := due(phones[i])
		if charged {
			phones[i].Paid, phones[i].Deactivated = true, false
			c.changed = true
		}
		rows = append(rows, map[string]any{"phone_id": phones[i].ID, "phone_number": phones[i].Number, "is_charged": charged, "deactivated": phones[i].Deactivated})
	}
	if c.changed {
		s.set(a, phonesField, phones)
		s.set(a, "balance", balance-amount)
	}
	return map[string]any{
		"result":       map[string]any{"charged_amount": amount, "phones": rows},
		"account_info": map[string]any{"account_id": a.ID, "frozen": a.Flag("frozen"), "balance": a.Fields["balance"], "currency": a.Text("currency")},
	}, nil
}

func due(p phoneNumber) bool { return !p.AutoCharge && !p.Paid }

// number is the value of a decimal field.
func number(a *Account, field string) float64 {
	value, _ := a.Fields[field].(float64)
	return value
}

// chosenPhones are the indexes of the phone numbers that the call names, by exactly one of id and number.
func chosenPhones(c *invocation, phones []phoneNumber) ([]int, *apiError) {
	ids, byID := c.values["phone_id"].(idList)
	numbers, byNumber := c.values["phone_number"].([]string)
	if byID == byNumber {
		return nil, fail(codeOneOf, "phone_id, phone_number")
	}
	var chosen []int
	if ids.all || slices.Equal(numbers, []string{"all"}) {
		for i := range phones {
			chosen = append(chosen, i)
		}
		return chosen, nil
	}
	find := func(name string, same func(phoneNumber) bool) *apiError {
		i := slices.IndexFunc(phones, same)
		if i < 0 {
			return fail(codeInvalidParameter, name)
		}
		if !slices.Contains(chosen, i) {
			chosen = append(chosen, i)
		}
		return nil
	}
	for _, id := range ids.ids {
		if err := find("phone_id", func(p phoneNumber) bool { return p.ID == id }); err != nil {
			return nil, err
		}
	}
	for _, text := range numbers {
		if err := find("phone_number", func(p phoneNumber) bool { return p.Number == text }); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

// priceGroup is a price of some resources of a type. Which there are, and what they cost, is made up.
type priceGroup struct {
	resource           string
	id                 int64
	name               string
	price              float64
	perPrice, quantum  int
	allowed, forbidden []string
}

var priceGroups = []priceGroup{
	{"PSTNOUT", 101, "Germany", 0.012, 60, 60, []string{"49"}, []string{"4915", "4916", "4917"}},
	{"PSTNOUT", 102, "Germany Mobile", 0.034, 60, 60, []string{"4915", "4916", "4917"}, nil},
	{"PSTNOUT", 103, "Russia Mobile", 0.021, 60, 60, []string{"79"}, nil},
	{"PSTN_IN_GEOGRAPHIC", 201, "Geographic numbers", 0.005, 60, 60, nil, nil},
	{"SMSOUT", 301, "Germany", 0.075, 1, 1, []string{"49"}, nil},
	{"AUDIORECORD", 401, "Records", 0.003, 60, 60, nil, nil},
	{"VOIPOUT", 501, "VoIP", 0.004, 60, 60, nil, nil},
}

// asResourceTypes is a stringlist of the types that have a price here.
func asResourceTypes(name, raw string) (any, *apiError) {
	items := strings.Split(raw, ";")
	for _, item := range items {
		if !slices.ContainsFunc(priceGroups, func(g priceGroup) bool { return g.resource == item }) {
			return nil, fail(codeInvalidParameter, name)
		}
	}
	return items, nil
}

// getResourcePrice is GetResourcePrice. Guess: a name selects the groups that have it in theirs, whatever the case, and a parameter those
// whose beginnings it fits.
func getResourcePrice(_ *Simulator, c *invocation) (map[string]any, *apiError) {
	types, someTypes := c.values["resource_type"].([]string)
	ids, someIDs := c.values["price_group_id"].(idList)
	requested, _ := c.values["resource_param"].([]string)
	name := strings.ToLower(c.values.text("price_group_name"))
	result := []map[string]any{}
	for _, g := range priceGroups {
		fits := fitting(g, requested)
		if someTypes && !slices.Contains(types, g.resource) || someIDs && !ids.all && !slices.Contains(ids.ids, g.id) ||
			!strings.Contains(strings.ToLower(g.name), name) || len(requested) > 0 && len(fits) == 0 {
			continue
		}
		params := map[string]any{"allowed": slices.Concat([]string{}, g.allowed)}
		if len(g.forbidden) > 0 {
			params["forbidden"] = g.forbidden
		}
		if len(fits) > 0 {
			params["requested"] = fits
		}
		row := map[string]any{
			"price_group_id": g.id, "price_group_name": g.name, "price": g.price, "num_resources_per_price": g.perPrice, "quantum": g.quantum, "params": params,
		}
		if last := len(result) - 1; last >= 0 && result[last]["resource_type"] == g.resource {
			groups, _ := result[last]["price_groups"].([]map[string]any)
			result[last]["price_groups"] = append(groups, row)
			continue
		}
		result = append(result, map[string]any{"resource_type": g.resource, "price_groups": []map[string]any{row}})
	}
	return map[string]any{"result": result}, nil
}

// fitting are the parameters that begin as the group allows and not as it forbids.
func fitting(g priceGroup, requested []string) []string {
	begins := func(text string, with []string) bool {
		return slices.ContainsFunc(with, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
	}
	var fits []string
	for _, text := range requested {
		if begins(text, g.allowed) && !begins(text, g.forbidden) {
			fits = append(fits, text)
		}
	}
	return fits
}

// subscriptionTemplates are made up, but for their types and the examples of names.
var subscriptionTemplates = []map[string]any{
	{
		"subscription_template_id": 1, "subscription_template_type": "SIP_REGISTRATION", "subscription_template_name": "SIP registration",
		"price": 1.5, "installation_price": 0.0, "required_verification": "", "verification_status": "NOT_REQUIRED",
	},
	{
		"subscription_template_id": 2, "subscription_template_type": "PHONE_NUM", "subscription_template_name": "Phone GB",
		"price": 2.0, "installation_price": 1.0, "required_verification": "", "verification_status": "NOT_REQUIRED",
	},
	{
		"subscription_template_id": 3, "subscription_template_type": "PHONE_NUM", "subscription_template_name": "Phone RU 495",
		"price": 5.25, "installation_price": 3.5, "required_verification": "RU", "verification_status": "REQUIRED",
	},
}

// getSubscriptionPrice is GetSubscriptionPrice. Guess: a name selects the templates that have it in theirs, whatever the case.
func getSubscriptionPrice(_ *Simulator, c *invocation) (map[string]any, *apiError) {
	ids, someIDs := c.values["subscription_template_id"].(idList)
	kind, name := c.values.text("subscription_template_type"), strings.ToLower(c.values.text("subscription_template_name"))
	result := []map[string]any{}
	for _, template := range subscriptionTemplates {
		id, _ := template["subscription_template_id"].(int)
		its, _ := template["subscription_template_name"].(string)
		if someIDs && !ids.all && !slices.Contains(ids.ids, int64(id)) || kind != "" && kind != template["subscription_template_type"] ||
			!strings.Contains(strings.ToLower(its), name) {
			continue
		}
		row := maps.Clone(template)
		row["currency"], row["period"] = c.who.account.Text("currency"), "0-1-0 0:0:0"
		row["price_in_currency"], row["installation_price_in_currency"] = row["price"], row["installation_price"]
		row["tax_reserve"], row["installation_tax_reserve"] = 0.0, 0.0
		result = append(result, row)
	}
	from := min(int(c.values.number("offset", 0)), len(result))
	to := min(from+int(c.values.number("count", maxPage)), len(result))
	return map[string]any{"result": result[from:to]}, nil
}
