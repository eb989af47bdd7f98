package voximplant

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/account"
)

// Spec paths that other tables name too.
const (
	fieldAccountName = "accountName" // not a row: the name is part of an account's identity
	fieldEmail       = "email"
	fieldActive      = "active"
)

// absentBool is what a boolean is that a full answer leaves out.
// Guess: the documents don't say that a boolean is always shown, and their defaults are all false.
const absentBool = "false"

// fields is the field table. Sources: AddAccount, SetChildAccountInfo and AccountInfoType (GetChildrenAccounts).
// AddAccount has no parameters for payments and restricted directions, so these are written right after creation.
var fields = account.Schema{
	{
		Path: fieldEmail, Create: "account_email", Method: methodSetChildAccountInfo, Update: "new_child_account_email", Read: "account_email",
		Canonical: account.CanonicalEmail, Check: checkEmail,
	},
	boolean(fieldActive, "active", "true"), // the service would make it inactive
	{
		Path: "languageCode", Create: "language_code", Method: methodSetChildAccountInfo, Update: "language_code", Read: "language_code",
		Batchable: true, Canonical: account.CanonicalLanguage, Check: checkLanguage,
	},
	{
		Path: "location", Create: "location", Method: methodSetChildAccountInfo, Update: "location", Read: "location",
		Batchable: true, Canonical: canonicalLocation, Check: checkLocation,
	},
	boolean("notifications.account", "account_notifications", ""),
	boolean("notifications.tariffChanges", "tariff_changing_notifications", ""),
	boolean("notifications.news", "news_notifications", ""),
	{
		Path: "minBalanceToNotify", Create: "min_balance_to_notify", Method: methodSetChildAccountInfo, Update: "min_balance_to_notify", Read: "min_balance_to_notify",
		Kind: account.KindDecimal, Batchable: true, Check: checkDecimal,
	},
	updateOnly(boolean("payments.bankCard", "support_bank_card", "")),
	updateOnly(boolean("payments.invoice", "support_invoice", "")),
	updateOnly(boolean("payments.robokassa", "support_robokassa", "")),
	writeOnly(updateOnly(boolean("canUseRestricted", "can_use_restricted", ""))),

	{Path: "frozen", Kind: account.KindBool, Read: "frozen", Absent: absentBool},
	{Path: "created", Read: "created"},
	{Path: "currency", Read: "currency"},
}

// Fields returns the field table, for those who have no Remote at hand. It is shared and must not be changed.
func Fields() account.Schema { return fields }

// boolean is the row of a boolean that has the same name everywhere.
func boolean(path, parameter, createDefault string) account.Field {
	return account.Field{
		Path: path, Kind: account.KindBool, Create: parameter, CreateDefault: createDefault,
		Method: methodSetChildAccountInfo, Update: parameter, Read: parameter, Absent: absentBool,
		Batchable: true, Check: checkBool,
	}
}

func updateOnly(f account.Field) account.Field {
	f.Create = ""
	return f
}

func writeOnly(f account.Field) account.Field {
	f.Read, f.Absent = "", ""
	return f
}

// stateOf is what a full AccountInfo says, by the field table.
func stateOf(info AccountInfo) account.State {
	state := make(account.State, len(fields))
	for _, f := range fields {
		if f.Read == "" {
			continue
		}
		value, shown := info.Value(f.Read)
		if !shown {
			value = f.Absent
		}
		if shown || value != "" {
			state[f.Path] = f.Normal(value)
		}
	}
	return state
}

// accountOf is an account as the engine knows it.
func accountOf(info AccountInfo) account.Account {
	name, _ := info.Value("account_name")
	customData, _ := info.Value("account_custom_data")
	return account.Account{ID: info.ID, Name: name, CustomData: customData, State: stateOf(info)}
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
	emailPart    = regexp.MustCompile(`^[^\s\pZ\pC@;,<>"]+$`)
	plainDecimal = regexp.MustCompile(`^\d{1,9}(\.\d{1,4})?$`)
	accountName  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)
)

// The longest parts of an e-mail address, in characters. They are counted here: in a regular expression each repetition
// of such a class takes memory, and a twentieth of a second of every start.
const (
	maxEmailUser = 64
	maxEmailHost = 190
)

func checkEmail(v string) error {
	user, host, _ := strings.Cut(v, "@")
	short := utf8.RuneCountInString(user) <= maxEmailUser && utf8.RuneCountInString(host) <= maxEmailHost
	if !short || !emailPart.MatchString(user) || !emailPart.MatchString(host) {
		return errors.New("must be one e-mail address")
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
