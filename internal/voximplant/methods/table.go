package methods

import (
	"slices"
	"strings"
)

// The roles that a service account's key can have, as far as the documents name them.
const (
	owner      = "Owner"
	admin      = "Admin"
	developer  = "Developer"
	accountant = "Accountant"
	payer      = "Payer"
)

const (
	accountList   = "GetChildrenAccounts"
	accountInfo   = "GetAccountInfo"
	accountPlans  = "GetAccountPlans"
	serviceKeys   = "GetKeys"
	accountIsSeen = "account_id, account_name, account_email, balance, currency, …"
)

// table has the methods of the group Accounts, and those for keys, by name.
//
// Roles: where the reference says that a role is needed and the copy at hand does not name it, Owner is a guess: an owner may do
// everything as far as is known. Where it says nothing, nothing stands here.
var table = []Method{
	{
		Name: "AddAccount", Does: "Adds a child account.", Effect: Changes, Source: Documented,
		Roles: []string{owner, admin}, RolesSource: Documented, OfParent: true, ReadBack: accountList,
		Result: "1; beside it account_id, active and api_key of the new account",
		Parameters: join(
			params(
				Parameter{Name: "account_name", Required: true, Does: "The new account's name: 5 to 20 lower-case letters, digits and hyphens, a letter first. It can't be changed later.", check: checkAccountName},
				Parameter{Name: "account_email", Required: true, Does: "The new account's e-mail; no other account may have it.", check: byField("email")},
				newPassword("account_password", true),
				Parameter{Name: "active", Type: Bool, Default: "false", Does: "Whether the new account can be used."},
			),
			settings("en", "Etc/GMT", "false"),
			names(),
			params(
				Parameter{Name: "record_storage_id", Type: ID, Does: "The id of the storage for records."},
				Parameter{Name: "record_storage_name", Does: "The name of the storage for records."},
				Parameter{Name: "parent_account_id", Type: ID, Fill: ParentID, Does: "The parent account's id."},
				Parameter{Name: "parent_account_name", Does: "The parent account's name, instead of its id."},
				Parameter{Name: "parent_account_email", Does: "The parent account's e-mail, instead of its id."},
			),
			parentSecrets(),
		),
		Choices: []Choice{
			{Of: []string{"parent_account_id", "parent_account_name", "parent_account_email"}},
			{Of: []string{"parent_account_api_key", "parent_account_password"}},
			{Of: []string{"record_storage_id", "record_storage_name"}},
		},
		Examples: []string{"-p account_name=acme-second -p account_email=second@acme.example -p account_password=@password.txt -p active=true"},
	},
	{
		Name: "ChangeAccountPlan", Does: "Changes the account's plan of a type. The service reserves the fee and the taxes of the coming month.", Effect: CostsMoney,
		Source: Documented, ReadBack: accountPlans,
		Result: "1; beside it account_info: account_id, frozen, balance, currency",
		Parameters: params(
			Parameter{Name: "plan_type", Required: true, Values: planTypes, Does: "The type of the plan."},
			Parameter{Name: "plan_subscription_template_id", Type: ID, Does: "The id of the new plan, whose price must be higher than the present one's; GetAvailablePlans lists the ids."},
		),
		Examples: []string{"-p plan_type=MAU -p plan_subscription_template_id=11 --as-child acme-first"},
	},
	{
		Name: "ChargeAccount", Does: "Charges the subscriptions of phone numbers that are not charged automatically (auto_charge=false).", Effect: CostsMoney,
		Source: Documented, Roles: []string{owner}, RolesSource: Guessed, ReadBack: accountInfo,
		Result: "charged_amount, phones: phone_id, phone_number, deactivated, is_charged; beside it account_info: account_id, frozen, balance, currency",
		Rows:   "phones", Columns: []string{"phones.phone_id", "phones.phone_number", "phones.is_charged", "phones.deactivated"},
		Parameters: params(
			Parameter{Name: "phone_id", Type: IDList, All: true, Does: "The ids of the phone numbers, or all."},
			Parameter{Name: "phone_number", Type: TextList, All: true, Does: "The phone numbers, or all.", check: phoneNumbers},
		),
		Choices:  []Choice{{Of: []string{"phone_id", "phone_number"}, Required: true}},
		Examples: []string{"-p phone_id=all --as-child acme-first"},
	},
	{
		Name: "CloneAccount", Does: "Makes a new child account as a copy of another one.", Effect: Changes, Source: Documented,
		Roles: []string{owner}, RolesSource: Guessed, OfParent: true, ReadBack: accountList,
		Result: "account_id, account_name, account_email, active and api_key of the new account; users, scenarios, applications, acd_queues, acd_skills, admin_roles, admin_users",
		Parameters: join(
			params(
				Parameter{Name: "account_id", Type: ID, Does: "The id of the account that is copied."},
				Parameter{Name: "account_name", Does: "The name of the account that is copied, instead of its id."},
				Parameter{Name: "account_email", Does: "The e-mail of the account that is copied, instead of its id."},
				Parameter{Name: "new_account_name", Required: true, Does: "The new account's name: 5 to 20 lower-case letters, digits and hyphens, a letter first. It can't be changed later.", check: checkAccountName},
				Parameter{Name: "new_account_email", Required: true, Does: "The new account's e-mail; no other account may have it.", check: byField("email")},
				newPassword("new_account_password", true),
				language("en"), location("Etc/GMT"),
			),
			names(), parentSecrets(),
		),
		Choices: []Choice{
			{Of: []string{"account_id", "account_name", "account_email"}, Required: true},
			{Of: []string{"parent_account_api_key", "parent_account_password"}},
		},
		Examples: []string{"-p account_name=acme-template -p new_account_name=acme-third -p new_account_email=third@acme.example -p new_account_password=@password.txt"},
	},
	{
		Name: "CreateKey", Does: "Makes a key of a service account.", Effect: Changes, Source: FromClient, ReadBack: serviceKeys,
		Result: "account_email, account_id, key_id and private_key: a credentials.json", OnceSecret: "private_key",
		Parameters: params(
			Parameter{Name: "key_name", Max: 50, Does: "The key's name."},
			Parameter{Name: "description", Does: "A description of the key."},
			Parameter{Name: "role_id", Type: IDList, Does: "The ids of the roles of the service account."},
			Parameter{Name: "role_name", Type: TextList, Does: "The names of the roles, instead of their ids."},
		),
		Choices:  []Choice{{Of: []string{"role_id", "role_name"}}},
		Examples: []string{"-p key_name=ci -p role_name=Developer --as-child acme-first --show-secrets"},
	},
	{
		Name: "DeleteKey", Does: "Deletes a key of a service account: whatever still uses the key is refused from then on.", Effect: Changes, Source: FromClient,
		ReadBack: serviceKeys, Result: "1",
		Parameters: params(Parameter{Name: "key_id", Required: true, Does: "The key's id."}),
		Examples:   []string{"-p key_id=8f0c7b1e-2a4d-4f6b-9c3e-5d7a1b2c3d4e --as-child acme-first"},
	},
	{
		Name: "GetAccountDocuments", Does: "Reads the account's documents and the state of its verifications, or those of its child accounts.", Effect: Reads, Source: Documented,
		Roles: []string{owner}, RolesSource: Guessed,
		Result: "list: account_id, verifications: verification_name, verification_status, unverified_hold_until, documents",
		Rows:   "verifications", Columns: []string{"account_id", "verifications.verification_name", "verifications.verification_status", "verifications.unverified_hold_until"},
		Parameters: params(
			Parameter{Name: "child_account_id", Type: IDList, All: true, Does: "The ids of child accounts, or all."},
			Parameter{Name: "children_verifications_only", Type: Bool, Default: "false", Does: "Whether only those of child accounts are returned."},
			Parameter{Name: "verification_name", Does: "Only verifications of this name."},
			Parameter{Name: "verification_status", Type: TextList, Values: []string{"REQUIRED", "IN_PROGRESS", "VERIFIED"}, Does: "Only verifications in these states."},
			Parameter{Name: "with_details", Type: Bool, Default: "false", Does: "Whether the states of the uploaded documents are returned too; ignored with child_account_id=all."},
			Parameter{Name: "from_unverified_hold_until", Type: Date, Does: "Only unverified subscriptions that are held until this date or later."},
			Parameter{Name: "to_unverified_hold_until", Type: Date, Does: "Only unverified subscriptions that are held until this date at most."},
		),
		Examples: []string{"-p child_account_id=all -o table"},
	},
	{
		Name: "GetAccountInfo", Does: "Reads the account.", Effect: Reads, Source: Documented,
		Result:     "the account: " + accountIsSeen + "; beside it api_address",
		Parameters: params(Parameter{Name: "return_live_balance", Type: Bool, Default: "true", Does: "Whether the present balance is returned as live_balance."}),
		Examples:   []string{"-o table", "--as-child acme-first"},
	},
	{
		Name: accountPlans, Does: "Reads the account's plans with their packages.", Effect: Reads, Source: Documented,
		Result: planResult, Columns: slices.Concat(planColumns, []string{"next_charge"}), Parameters: planFilters(),
		Examples: []string{"--as-child acme-first -o table"},
	},
	{
		Name: "GetAvailablePlans", Does: "Reads the plans that the account may change to.", Effect: Reads, Source: Documented,
		Result: planResult, Columns: planColumns, Parameters: planFilters(),
		Examples: []string{"-p plan_type=MAU --as-child acme-first -o table"},
	},
	{
		Name: accountList, Does: "Reads the child accounts, or some of them.", Effect: Reads, Source: Documented,
		Roles: []string{owner}, RolesSource: Documented, OfParent: true,
		Result:  "list of accounts: " + accountIsSeen + "; beside it count and total_count",
		Columns: []string{"account_id", "account_name", "account_email", "active", "frozen", "balance", "currency"},
		Parameters: params(
			Parameter{Name: "child_account_id", Type: IDList, All: true, Does: "The ids of accounts, or all (the vendor's older clients; the reference names all elsewhere only)."},
			Parameter{Name: "child_account_name", Does: "Only accounts whose name has this in it."},
			Parameter{Name: "child_account_email", Does: "Only accounts whose e-mail has this in it."},
			Parameter{Name: "active", Type: Bool, Does: "Only accounts that are active (true), or are not (false)."},
			Parameter{Name: "frozen", Type: Bool, Does: "Only accounts that the provider has frozen (true), or has not (false)."},
			Parameter{Name: "ignore_invalid_accounts", Type: Bool, Default: "false", Does: "Whether ids of no child account are left out (true) or refused (false)."},
			Parameter{Name: "brief_output", Type: Bool, Default: "false", Does: "Whether accounts have their ids alone."},
			Parameter{Name: "medium_output", Type: Bool, Default: "false", Does: "Whether accounts have their ids, names and e-mails alone."},
			Parameter{Name: "count", Type: Number, Min: 1, Max: 1000, Default: "20", Does: "How many accounts are returned at most."},
			offset(),
			Parameter{Name: "order_by", Values: []string{"child_account_id", "child_account_name", "child_account_email"}, Default: "child_account_name", Does: "What the accounts are sorted by."},
			Parameter{Name: "return_live_balance", Type: Bool, Default: "true", Does: "Whether the present balances are returned as live_balance."},
		),
		Examples: []string{"-p child_account_id=all -p count=1000 -o table", "-p child_account_name=acme-first"},
	},
	{
		Name: "GetCurrencyRate", Does: "Reads exchange rates, per USD.", Effect: Reads, Source: Documented,
		Result: "a rate for each currency: RUR, KZT, EUR, USD",
		Parameters: params(
			Parameter{Name: "currency", Type: TextList, Required: true, Does: "The currencies, for example EUR;RUR.", check: checkCurrency},
			Parameter{Name: "date", Type: Date, Does: "The day of the rates."},
		),
		Examples: []string{"-p 'currency=EUR;RUR' -o table"},
	},
	{
		Name: serviceKeys, Does: "Reads the keys of service accounts, without their private keys.", Effect: Reads, Source: FromClient,
		Result: "list of keys: key_id, key_name, description, roles where asked for", Columns: []string{"key_id", "key_name", "description"},
		Parameters: params(
			Parameter{Name: "key_id", Does: "Only the key with this id."},
			Parameter{Name: "with_roles", Type: Bool, Does: "Whether the roles of each key are returned."},
			Parameter{Name: "count", Type: Number, Min: 1, Max: 1000, Does: "How many keys are returned at most."},
			offset(),
		),
		Examples: []string{"-p with_roles=true --as-child acme-first"},
	},
	{
		Name: "GetMoneyAmountToCharge", Does: "Reads how much money the account should be charged with to pay its subscriptions.", Effect: Reads, Source: Documented,
		Roles: []string{owner}, RolesSource: Guessed,
		Result: "amount, min_amount, the same for bank_card_amount_usd and robokassa_amount_rub, subscriptions",
		Parameters: params(
			Parameter{Name: "charge_date", Type: Date, Default: "today", Does: "The date until which subscriptions count."},
			Parameter{Name: "currency", Default: "the account's", Does: "The currency of the amounts, for example EUR.", check: checkCurrency},
		),
		Examples: []string{"-p currency=EUR -o table"},
	},
	{
		Name: "GetResourcePrice", Does: "Reads what resources cost: calls, messages, recordings and others.", Effect: Reads, Source: Documented,
		Result: "list: resource_type, price_groups: price_group_id, price_group_name, price, num_resources_per_price, quantum, params",
		Rows:   "price_groups",
		Columns: []string{
			"resource_type", "price_groups.price_group_id", "price_groups.price_group_name", "price_groups.price", "price_groups.num_resources_per_price",
			"price_groups.quantum",
		},
		Parameters: params(
			Parameter{Name: "resource_type", Type: TextList, Values: resourceTypes, Open: true, Default: "all", Does: "The types of resources."},
			Parameter{Name: "price_group_id", Type: IDList, All: true, Default: "all", Does: "The ids of price groups."},
			Parameter{Name: "price_group_name", Default: "all", Does: "Only price groups whose name is like this."},
			Parameter{Name: "resource_param", Type: TextList, Does: "What the price is for: phone numbers, for example."},
		),
		Examples: []string{"-p resource_type=PSTNOUT -p resource_param=4930123456 -o table"},
	},
	{
		Name: "GetSubscriptionPrice", Does: "Reads what subscriptions cost: phone numbers, SIP registrations.", Effect: Reads, Source: Documented,
		Result:  "list: subscription_template_id, subscription_template_type, subscription_template_name, price, installation_price, currency, period, verification_status, …",
		Columns: []string{"subscription_template_id", "subscription_template_type", "subscription_template_name", "price", "installation_price", "currency", "period"},
		Parameters: params(
			Parameter{Name: "subscription_template_id", Type: IDList, All: true, Default: "all", Does: "The ids of templates."},
			Parameter{Name: "subscription_template_name", Does: "Only templates of this name, for example SIP registration."},
			Parameter{Name: "subscription_template_type", Values: []string{"PHONE_NUM", "SIP_REGISTRATION"}, Does: "Only templates of this type."},
			Parameter{Name: "count", Type: Number, Min: 1, Max: 1000, Does: "How many templates are returned at most."},
			offset(),
		),
		Examples: []string{"-p subscription_template_type=PHONE_NUM -o table"},
	},
	{
		Name: "SetAccountInfo", Does: "Changes the account's own settings and profile.", Effect: Changes, Source: Documented,
		Roles: []string{owner, admin, developer, accountant, payer}, RolesSource: Documented, ReadBack: accountInfo, Result: "1",
		Parameters: join(
			settings("", "", ""), names(),
			params(
				Parameter{Name: "mobile_phone", Source: FromClient, Does: "The mobile phone number.", check: checkPhone},
				Parameter{Name: "billing_address_name", Max: 199, Does: "The company's or person's name on bills. " + onlyChanged},
				Parameter{Name: "billing_address_country_code", Does: "The country on bills (ISO 3166-1). " + onlyChanged, check: checkCountry},
				Parameter{Name: "billing_address_address", Max: 511, Does: "The address on bills. " + onlyChanged},
				Parameter{Name: "billing_address_zip", Max: 29, Does: "The postal code on bills. " + onlyChanged},
				Parameter{Name: "billing_address_phone", Max: 29, Does: "The office's phone number on bills. " + onlyChanged},
				Parameter{Name: "new_account_email", Does: "The account's new e-mail; with a token the service refuses it (537).", check: byField("email")},
				newPassword("new_account_password", false),
				Parameter{Name: "send_js_error", Type: Bool, Does: "Whether the account gets e-mails about errors of scenarios."},
				Parameter{Name: "store_inbound_sms", Type: Bool, Does: "Whether the texts of incoming messages are stored; no method returns it."},
				Parameter{Name: "store_outbound_sms", Type: Bool, Does: "Whether the texts of outgoing messages are stored; no method returns it."},
			),
			callbacks(Documented),
		),
		Selectors: []string{}, Examples: []string{"-p account_first_name=Ada --as-child acme-first"},
	},
	{
		Name: "SetChildAccountInfo", Does: "Changes settings of child accounts: of one, of several, or of all.", Effect: Changes, Source: Documented,
		Roles: []string{owner, admin}, RolesSource: Guessed, OfParent: true, ReadBack: accountList, Result: "1",
		Parameters: join(
			params(
				Parameter{Name: "child_account_id", Type: IDList, All: true, Does: "The ids of the accounts to change, or all."},
				Parameter{Name: "child_account_name", Type: TextList, Does: "The names of the accounts to change, instead of their ids."},
				Parameter{Name: "child_account_email", Type: TextList, Does: "The e-mails of the accounts to change, instead of their ids."},
				Parameter{Name: "active", Type: Bool, Does: "Whether the account can be used; false deactivates it."},
				Parameter{Name: "can_use_restricted", Type: Bool, Does: "Whether the account may call restricted directions; no method returns it."},
			),
			settings("", "", ""),
			params(
				Parameter{Name: "new_child_account_email", Does: "The account's new e-mail.", check: byField("email")},
				newPassword("new_child_account_password", false),
				Parameter{Name: "support_bank_card", Type: Bool, Does: "Whether bank cards may pay."},
				Parameter{Name: "support_invoice", Type: Bool, Does: "Whether invoices may be used."},
				Parameter{Name: "support_robokassa", Type: Bool, Does: "Whether Robokassa may pay."},
			),
			callbacks(Later),
		),
		Choices:   []Choice{{Of: childSelectors, Required: true}},
		Selectors: childSelectors,
		Examples:  []string{"-p child_account_name=acme-first -p active=false"},
	},
}

var childSelectors = []string{"child_account_id", "child_account_name", "child_account_email"}

// onlyChanged is what the reference says of each part of the billing address.
const onlyChanged = "It can be changed later, not removed."

var planTypes = []string{"IM", "MAU"}

const planResult = "list of plans: plan_subscription_template_id, plan_type, plan_name, periodic_charge, next_charge (the account's plans alone), packages"

var planColumns = []string{"plan_type", "plan_subscription_template_id", "plan_name", "periodic_charge"}

func planFilters() []Parameter {
	return params(
		Parameter{Name: "plan_type", Type: TextList, Values: planTypes, Does: "Only plans of these types."},
		Parameter{Name: "plan_subscription_template_id", Type: IDList, Does: "Only plans with these ids."},
	)
}

// settings are taken by every method that makes or changes an account; the defaults are those of a new one.
func settings(languageDefault, locationDefault, notificationDefault string) []Parameter {
	notification := func(name, of string) Parameter {
		return Parameter{Name: name, Type: Bool, Default: notificationDefault, Does: "Whether the account gets e-mails about " + of + "."}
	}
	return params(
		language(languageDefault), location(locationDefault),
		Parameter{Name: "min_balance_to_notify", Type: Decimal, Does: "The balance below which the account gets a notification."},
		notification("account_notifications", "the account"),
		notification("tariff_changing_notifications", "changes of its plan"),
		notification("news_notifications", "news"),
	)
}

func language(unset string) Parameter {
	return Parameter{Name: "language_code", Default: unset, Does: "The language of notifications (ISO 639-1).", check: byField("languageCode")}
}

func location(unset string) Parameter {
	return Parameter{Name: "location", Default: unset, Does: "The time zone, for example Europe/Berlin.", check: byField("location")}
}

func names() []Parameter {
	return params(
		Parameter{Name: "account_first_name", Max: 49, Does: "The first name."},
		Parameter{Name: "account_last_name", Max: 49, Does: "The last name."},
		Parameter{Name: "account_custom_data", Max: 8191, Does: "Custom data. The operator keeps its claim there, which identifies the account's owner: a managed account whose claim is overwritten needs an adoptionPolicy after a rebuild or a hand-over."},
	)
}

func callbacks(source Source) []Parameter {
	return params(
		Parameter{Name: "callback_url", Source: source, Does: "Where the service posts account callbacks.", check: checkURL},
		Parameter{Name: "callback_salt", Max: 39, Secret: true, Source: source, Does: "The salt of the hash that callbacks have."},
	)
}

func newPassword(name string, required bool) Parameter {
	return Parameter{
		Name: name, Required: required, Secret: true, check: checkPassword,
		Does: "The account's password: at least 8 characters, with an upper-case and a lower-case letter, a digit and a special character.",
	}
}

func parentSecrets() []Parameter {
	return params(
		Parameter{Name: "parent_account_api_key", Secret: true, Fill: ParentAPIKey, Does: "The parent account's API key, which the service may want beside the token."},
		Parameter{Name: "parent_account_password", Secret: true, Does: "The parent account's password, instead of its API key."},
	)
}

func offset() Parameter {
	return Parameter{Name: "offset", Type: Number, Default: "0", Does: "How many are left out at the beginning."}
}

// phoneNumbers checks each number of a list.
func phoneNumbers(value string) error {
	if value == "all" {
		return nil
	}
	for item := range strings.SplitSeq(value, ";") {
		if err := checkPhone(item); err != nil {
			return err
		}
	}
	return nil
}

// params are parameters whose type is Text unless they say otherwise.
func params(list ...Parameter) []Parameter {
	for i := range list {
		if list[i].Type == "" {
			list[i].Type = Text
		}
	}
	return list
}

func join(lists ...[]Parameter) []Parameter { return slices.Concat(lists...) }

// resourceTypes are those of the reference. The vendor's clients have more by now, and drop some.
var resourceTypes = []string{
	"AUDIOHDCONFERENCE", "AUDIOHDRECORD", "AUDIORECORD", "CALLLIST", "CALLSESSION", "DIALOGFLOW", "IM", "PSTN_IN_ALASKA", "PSTN_IN_GB",
	"PSTN_IN_GEOGRAPHIC", "PSTN_IN_GEO_PH", "PSTN_IN_RU", "PSTN_IN_RU_TOLLFREE", "PSTN_INTERNATIONAL", "PSTNINTEST", "PSTN_IN_TF_AR",
	"PSTN_IN_TF_AT", "PSTN_IN_TF_AU", "PSTN_IN_TF_BE", "PSTN_IN_TF_BR", "PSTN_IN_TF_CA", "PSTN_IN_TF_CO", "PSTN_IN_TF_CY", "PSTN_IN_TF_DE",
	"PSTN_IN_TF_DK", "PSTN_IN_TF_DO", "PSTN_IN_TF_FI", "PSTN_IN_TF_FR", "PSTN_IN_TF_GB", "PSTN_IN_TF_HR", "PSTN_IN_TF_HU", "PSTN_IN_TF_IL",
	"PSTN_IN_TF_LT", "PSTN_IN_TF_PE", "PSTN_IN_TF_US", "PSTN_IN_US", "PSTNOUT", "PSTNOUT_EEA", "PSTNOUTEMERG", "PSTNOUT_KZ", "PSTNOUT_LOCAL",
	"PSTN_OUT_LOCAL_RU", "RELAYED_TRAFFIC", "SIPOUT", "SIPOUTVIDEO", "SMSINPUT", "SMSOUT", "SMSOUT_INTERNATIONAL", "TRANSCRIPTION",
	"TTS_TEXT_GOOGLE", "TTS_YANDEX", "USER_LOGON", "VIDEOCALL", "VIDEORECORD", "VOICEMAILDETECTION", "VOIPIN", "VOIPOUT", "VOIPOUTVIDEO",
	"YANDEXASR", "ASR", "ASR_GOOGLE_ENHANCED",
}
