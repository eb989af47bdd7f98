package voximplant

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/mailaddress"
)

// Spec paths that other tables name too.
const (
	fieldAccountName = "accountName"
	fieldEmail       = "email"
	fieldSalt        = "callback.saltSecretRef"
)

// Names on the wire that other places look at too.
const (
	wireAccountName  = "account_name"
	wireActive       = "active"
	wireCustomData   = "account_custom_data"
	wireCallbackURL  = "callback_url"
	wireCallbackSalt = "callback_salt"
)

// absentBool is what a boolean is that a full answer leaves out.
// Guess: the documents don't say that a boolean is always shown, and their defaults are all false.
const absentBool = "false"

// fields is the field table. Sources: AddAccount, SetChildAccountInfo and AccountInfoType (GetChildrenAccounts).
// AddAccount has no parameters for payments, restricted directions and callbacks, so these are written right after creation.
var fields = []row{
	// The account's name, by which it is found before its id is known. AddAccount and every look-up send it by themselves.
	{path: fieldAccountName, identity: true, create: wireAccountName, read: wireAccountName, check: checkName},
	{
		path: fieldEmail, mark: account.MarkEmail, create: "account_email", method: methodSetChildAccountInfo, update: "new_child_account_email", read: "account_email",
		canonical: account.CanonicalEmail, check: mailaddress.Check,
	},
	marked(account.MarkActive, boolean("active", wireActive, "true")), // the service would make it inactive
	{
		path: "languageCode", create: "language_code", method: methodSetChildAccountInfo, update: "language_code", read: "language_code",
		batchable: true, canonical: account.CanonicalLanguage, check: checkLanguage,
	},
	{
		path: "location", create: "location", method: methodSetChildAccountInfo, update: "location", read: "location",
		batchable: true, canonical: canonicalLocation, check: checkLocation,
	},
	boolean("notifications.account", "account_notifications", ""),
	boolean("notifications.tariffChanges", "tariff_changing_notifications", ""),
	boolean("notifications.news", "news_notifications", ""),
	{
		path: "minBalanceToNotify", create: "min_balance_to_notify", method: methodSetChildAccountInfo, update: "min_balance_to_notify", read: "min_balance_to_notify",
		kind: account.KindDecimal, batchable: true, check: checkDecimal,
	},
	updateOnly(boolean("payments.bankCard", "support_bank_card", "")),
	updateOnly(boolean("payments.invoice", "support_invoice", "")),
	updateOnly(boolean("payments.robokassa", "support_robokassa", "")),
	writeOnly(updateOnly(boolean("canUseRestricted", "can_use_restricted", ""))),
	{
		path: "callback.url", method: methodSetChildAccountInfo, update: wireCallbackURL, read: wireCallbackURL,
		omitted: true, batchable: true, canonical: strings.TrimSpace, check: checkCallbackURL,
	},
	{path: "recordStorage.name", create: "record_storage_name", read: "record_storage_name", omitted: true, check: textBelow(256)},
	{path: "frozen", mark: account.MarkFrozen, kind: account.KindBool, read: "frozen", absent: absentBool},
	{path: "created", read: "created"},
	{path: "currency", read: "currency"},

	// SetAccountInfo, acting as the child. Sources: SetAccountInfo, AddAccount (the names) and AccountInfoType, which lacks the storage of
	// messages. They come last, so that the others are written whatever becomes of these.
	atCreation(profileText("profile.firstName", "account_first_name", textBelow(50))),
	atCreation(profileText("profile.lastName", "account_last_name", textBelow(50))),
	{
		path: "profile.mobilePhone", method: methodSetAccountInfo, update: "mobile_phone", read: "mobile_phone",
		omitted: true, canonical: canonicalPhone, check: checkPhone,
	},
	marked(account.MarkCustomData, profileText("profile.customData", wireCustomData, checkCustomData)), // in place of the claim that AddAccount writes
	ofProfile(boolean("profile.sendJSErrors", "send_js_error", "")),
	writeOnly(ofProfile(boolean("profile.storeInboundSMS", "store_inbound_sms", ""))),
	writeOnly(ofProfile(boolean("profile.storeOutboundSMS", "store_outbound_sms", ""))),
	profileText("profile.billingAddress.name", "billing_address_name", textBelow(200)),
	{
		path: "profile.billingAddress.countryCode", method: methodSetAccountInfo, update: "billing_address_country_code", read: "billing_address_country_code",
		omitted: true, canonical: strings.ToUpper, check: checkCountry,
	},
	profileText("profile.billingAddress.address", "billing_address_address", textBelow(512)),
	profileText("profile.billingAddress.zip", "billing_address_zip", textBelow(30)),
	profileText("profile.billingAddress.phone", "billing_address_phone", textBelow(30)),
}

// boolean is the row of a boolean that has the same name everywhere.
func boolean(path, parameter, createDefault string) row {
	return row{
		path: path, kind: account.KindBool, create: parameter, createDefault: createDefault,
		method: methodSetChildAccountInfo, update: parameter, read: parameter, absent: absentBool,
		batchable: true, check: checkBool,
	}
}

func marked(m account.Mark, r row) row {
	r.mark = m
	return r
}

func updateOnly(r row) row {
	r.create = ""
	return r
}

func writeOnly(r row) row {
	r.read, r.absent = "", ""
	return r
}

// stateOf is what a full AccountInfo says, by the field table.
func stateOf(info AccountInfo) account.State {
	state := make(account.State, len(fields))
	for i, r := range fields {
		if r.read == "" || r.identity {
			continue
		}
		value, shown := info.Value(r.read)
		if !shown {
			value = r.absent
		}
		if r.omitted && value == "" {
			continue
		}
		if shown || value != "" {
			state[r.path] = schema[i].Normal(value)
		}
	}
	return state
}

// accountOf is an account as the engine knows it.
func accountOf(info AccountInfo) account.Account {
	name, _ := info.Value(wireAccountName)
	customData, _ := info.Value(wireCustomData)
	return account.Account{ID: info.ID, Name: name, CustomData: customData, State: stateOf(info)}
}

// accountOf is an account as the engine knows it, with its balance where the Config asks for that.
func (c *Client) accountOf(info AccountInfo) account.Account {
	a := accountOf(info)
	if c.config.Balances {
		a.Balance = balanceOf(info)
	}
	return a
}

// languageCodes are the documented ones, twins included.
var languageCodes = func() map[string]bool {
	codes := map[string]bool{}
	for code := range strings.FieldsSeq(`
		aa ab af am ar as ay az ba be bg bh bi bn bo br ca co cs cy da de dz el en eo es et eu fa fi fj fo fr fy ga gd gl gn gu
		ha he hi hr hu hy ia id ie ik in is it iu iw ja ji jw ka kk kl km kn ko ks ku ky la ln lo lt lv mg mi mk ml mn mo mr ms
		mt my na ne nl no oc om or pa pl ps pt qu rm rn ro ru rw sa sd sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th
		ti tk tl tn to tr ts tt tw ug uk ur uz vi vo wo xh yi yo za zh zu`) {
		codes[code] = true
	}
	return codes
}()

var (
	plainDecimal = regexp.MustCompile(`^\d{1,9}(\.\d{1,4})?$`)
	accountName  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)
)

func checkName(v string) error {
	if !safeName(v) {
		return errors.New("must begin with a letter and have letters, digits and hyphens only")
	}
	return nil
}

func checkBool(v string) error {
	if v != "true" && v != "false" {
		return errors.New("must be true or false")
	}
	return nil
}

func checkLanguage(v string) error {
	if !languageCodes[v] {
		return fmt.Errorf("%.20q is not one of the language codes of the API: two lower-case letters, such as en", v)
	}
	return nil
}

func checkDecimal(v string) error {
	if !plainDecimal.MatchString(v) {
		return errors.New(`must be a decimal with at most nine digits and four decimals, such as "5.00"`)
	}
	return nil
}

// safeName accepts what may stand in a selector: no separator, no control character, not the literal for everyone.
func safeName(name string) bool {
	return len(name) <= 64 && accountName.MatchString(name) && !strings.EqualFold(name, everyone)
}
