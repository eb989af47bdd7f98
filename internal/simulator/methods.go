package simulator

// Role is what a service-account key may do at the Management API.
type Role string

// The roles that the account methods ask for.
const (
	RoleOwner      Role = "Owner"
	RoleAdmin      Role = "Admin"
	RoleDeveloper  Role = "Developer"
	RoleAccountant Role = "Accountant"
	RolePayer      Role = "Payer"
)

// method is one method of the Management API. To add one, add its row to a table and its function.
type method struct {
	name string
	// roles of which the key needs one; none: any key will do.
	roles []Role
	// pair is what the parameters that authenticate a call without a token begin with: "" for account_id and api_key,
	// "parent_" for a method that says parent_account_id and parent_account_api_key.
	pair   string
	params []param
	// run does the work under the simulator's lock. It checks everything before it changes anything.
	run func(*Simulator, *invocation) (map[string]any, *apiError)
}

// invocation is one call of a method by somebody.
type invocation struct {
	method *method
	who    principal
	values values
	plan   faultPlan
	host   string
	// changed tells whether the call has changed anything.
	changed bool
}

var methodTable = []method{
	{
		name: "AddAccount",
		// doc: Owner, Admin.
		roles: []Role{RoleOwner, RoleAdmin},
		pair:  "parent_",
		run:   (*Simulator).addAccount,
		params: params(
			[]param{
				{name: "parent_account_id", parse: asID(codeParentID)},
				{name: "parent_account_name", parse: asText},
				{name: "parent_account_email", parse: asText},
				{name: "parent_account_api_key", parse: asText},
				{name: "parent_account_password", parse: asText},
				{name: "account_name", field: "account_name", parse: asAccountName, required: true},
				{name: "account_email", field: "account_email", parse: asEmail(codeEmail), required: true},
				{name: "account_password", field: "account_password", parse: asPassword, required: true, blank: codePasswordBlank},
				{name: "active", field: "active", parse: asBool},
				{name: "record_storage_id", field: "record_storage_id", parse: asID(codeRecordStorage)},
				{name: "record_storage_name", field: "record_storage_name", parse: asText},
			},
			settingParams, profileParams,
		),
	},
	createKeyMethod,
	deleteKeyMethod,
	{
		name: "GetAccountDocuments",
		// guess: the documents say that there are roles, and name none.
		roles: []Role{RoleOwner, RoleAdmin, RoleAccountant},
		run:   getAccountDocuments,
		params: []param{
			{name: "child_account_id", parse: asIDs(codeChildID)},
			{name: "children_verifications_only", parse: asBool},
			{name: "from_unverified_hold_until", parse: asDate},
			{name: "to_unverified_hold_until", parse: asDate},
			{name: "verification_name", parse: asTextBelow(longestVerificationName, codeVerificationName)},
			{name: "verification_status", parse: asVerificationStatuses},
			{name: "with_details", parse: asBool},
		},
	},
	{
		name: "GetCurrencyRate",
		run:  getCurrencyRate,
		params: []param{
			{name: "currency", parse: asCurrencies, required: true},
			{name: "date", parse: asDate},
		},
	},
	{
		name: "GetMoneyAmountToCharge",
		// guess: the documents say that there are roles, and name none.
		roles: []Role{RoleOwner, RoleAdmin, RoleAccountant, RolePayer},
		run:   getMoneyAmountToCharge,
		params: []param{
			{name: "charge_date", parse: asDate},
			{name: "currency", parse: asCurrency},
		},
	},
	{
		name: "GetAccountInfo",
		run:  (*Simulator).getAccountInfo,
		params: []param{
			{name: "return_live_balance", parse: asBool},
		},
	},
	{
		name: "GetChildrenAccounts",
		// doc: Owner.
		roles: []Role{RoleOwner},
		run:   (*Simulator).getChildrenAccounts,
		params: []param{
			{name: "child_account_id", parse: asIDs(codeChildID)},
			{name: "child_account_name", parse: asText},
			{name: "child_account_email", parse: asText},
			{name: "active", parse: asBool},
			{name: "frozen", parse: asBool},
			{name: "ignore_invalid_accounts", parse: asBool},
			{name: "brief_output", parse: asBool},
			{name: "medium_output", parse: asBool},
			{name: "count", parse: asNumber(1, maxPage)},
			{name: "offset", parse: asNumber(0, 1<<31)},
			{name: "order_by", parse: asOneOf(orderByID, orderByName, orderByEmail)},
			{name: "return_live_balance", parse: asBool},
		},
	},
	getKeysMethod,
	{
		name: "SetAccountInfo",
		// doc: these five.
		roles: []Role{RoleOwner, RoleAdmin, RoleDeveloper, RoleAccountant, RolePayer},
		run:   (*Simulator).setAccountInfo,
		params: params(
			[]param{
				{name: "new_account_email", field: "account_email", parse: asEmail(codeEmail)},
				{name: "new_account_password", field: "account_password", parse: asPassword, blank: codePasswordBlank},
				{name: "mobile_phone", field: "mobile_phone", parse: asPhone},
				{name: "send_js_error", field: "send_js_error", parse: asBool},
				{name: "billing_address_name", field: "billing_address_name", parse: asTextBelow(200, codeBillingName)},
				{name: "billing_address_country_code", field: "billing_address_country_code", parse: asCode(countryCodes, codeBillingCountry)},
				{name: "billing_address_address", field: "billing_address_address", parse: asTextBelow(512, codeBillingAddress)},
				{name: "billing_address_zip", field: "billing_address_zip", parse: asTextBelow(30, codeBillingZip)},
				{name: "billing_address_phone", field: "billing_address_phone", parse: asTextBelow(30, codeBillingPhone)},
				{name: "store_outbound_sms", field: "store_outbound_sms", parse: asBool},
				{name: "store_inbound_sms", field: "store_inbound_sms", parse: asBool},
			},
			settingParams, profileParams, callbackParams,
		),
	},
	{
		name: "SetChildAccountInfo",
		// guess: as AddAccount; the documents name none.
		roles: []Role{RoleOwner, RoleAdmin},
		run:   (*Simulator).setChildAccountInfo,
		params: params(
			[]param{
				{name: "child_account_id", parse: asIDs(codeChildID)},
				{name: "child_account_name", parse: asTexts(codeChildName)},
				{name: "child_account_email", parse: asTexts(codeChildEmail)},
				{name: "new_child_account_email", field: "account_email", parse: asEmail(codeNewChildEmail)},
				{name: "new_child_account_password", field: "account_password", parse: asPassword, blank: codePasswordBlank},
				{name: "active", field: "active", parse: asBool},
				{name: "support_robokassa", field: "support_robokassa", parse: asBool},
				{name: "support_bank_card", field: "support_bank_card", parse: asBool},
				{name: "support_invoice", field: "support_invoice", parse: asBool},
				{name: "can_use_restricted", field: "can_use_restricted", parse: asBool},
			},
			settingParams, callbackParams,
		),
	},
}

// settingParams are taken by every method that makes or changes an account.
var settingParams = []param{
	{name: "language_code", field: "language_code", parse: asCode(languageCodes, codeLanguage)},
	{name: "location", field: "location", parse: asLocation},
	{name: "min_balance_to_notify", field: "min_balance_to_notify", parse: asDecimal},
	{name: "account_notifications", field: "account_notifications", parse: asBool},
	{name: "tariff_changing_notifications", field: "tariff_changing_notifications", parse: asBool},
	{name: "news_notifications", field: "news_notifications", parse: asBool},
}

var profileParams = []param{
	{name: "account_first_name", field: "account_first_name", parse: asTextBelow(50, codeFirstName)},
	{name: "account_last_name", field: "account_last_name", parse: asTextBelow(50, codeLastName)},
	{name: "account_custom_data", field: "account_custom_data", parse: asTextBelow(8192, codeCustomData)},
}

var callbackParams = []param{
	{name: "callback_url", field: "callback_url", parse: asCallbackURL},
	{name: "callback_salt", field: "callback_salt", parse: asTextBelow(40, codeCallbackSalt)},
}

func params(groups ...[]param) []param {
	var all []param
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

var methodsByName = func() map[string]*method {
	byName := map[string]*method{}
	for _, table := range [][]method{methodTable, billingMethods, planMethods, cloneMethods} {
		for i := range table {
			byName[table[i].name] = &table[i]
		}
	}
	return byName
}()
