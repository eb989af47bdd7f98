package voximplant

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/account"
)

// profileText is the row of a text of the profile that has the same name everywhere.
func profileText(path, parameter string, check func(string) error) row {
	return row{path: path, method: methodSetAccountInfo, update: parameter, read: parameter, omitted: true, check: check}
}

// ofProfile makes a row one that SetAccountInfo changes. What each account has is its own, so none of them shares a call.
func ofProfile(r row) row {
	r.create, r.method, r.batchable = "", methodSetAccountInfo, false
	return r
}

// atCreation makes a row one that AddAccount takes, too, under the same name.
func atCreation(r row) row {
	r.create = r.update
	return r
}

// textBelow accepts a text of one line that has less than limit characters, as the service's errors have it (163, 205 and so on).
// Guess: characters are counted, not bytes. An empty text counts as absent at the service, so it could not be written.
func textBelow(limit int) func(string) error {
	return func(v string) error {
		switch {
		case v == "":
			return errors.New("must not be empty: the provider takes an empty text for none")
		case utf8.RuneCountInString(v) >= limit:
			return fmt.Errorf("must have less than %d characters", limit)
		case strings.ContainsFunc(v, unicode.IsControl):
			return errors.New("must have no control characters, such as a line break")
		}
		return nil
	}
}

// maxCustomData is the limit of account_custom_data (211).
const maxCustomData = 8192

// checkCustomData refuses claims: who wrote that of another resource would give the account away by a field that says nothing of that.
func checkCustomData(v string) error {
	if _, claims := account.ParseClaim(v); claims {
		return errors.New("must not be a claim of an operator: remove the field to have the operator keep its own")
	}
	lines := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, v)
	return textBelow(maxCustomData)(lines)
}

var phoneNumber = regexp.MustCompile(`^[+]?[0-9]{7,15}$`)

// checkPhone accepts what a number of E.164 may be. Guess: the documents say nothing but that there is an error for others (203).
func checkPhone(v string) error {
	if !phoneNumber.MatchString(v) {
		return errors.New(`must be 7 to 15 digits with the country code first, a plus before them if you like, such as "+4915112345678"`)
	}
	return nil
}

// canonicalPhone leaves out the plus. Guess: the service may show a number with it or without it.
func canonicalPhone(v string) string {
	return strings.TrimLeftFunc(strings.TrimSpace(v), func(r rune) bool { return r == '+' || unicode.IsSpace(r) })
}

// countryCodes are the documented ones.
var countryCodes = func() map[string]bool {
	codes := map[string]bool{}
	for code := range strings.FieldsSeq(`
		AF AL DZ AS AD AO AI AQ AG AR AM AW AU AT AZ BH BD BB BY BE BZ BJ BM BT BO BA BW BV BR IO BN BG BF BI KH CM CA CV KY CF TD CL CN
		CX CO KM CG CK CR HR CU CY CZ DK DJ DM DO EC EG SV GQ ER EE ET FO FJ FI FR GF PF TF GA GE DE GH GI GR GL GD GP GU GT GG GN GY HT
		HM HN HU IS IN ID IR IQ IE IL IT JM JP JE JO KZ KE KI KR KW KG LA LV LB LS LR LY LI LT LU MG MW MY MV ML MT MH MQ MR MU YT MX FM
		MD MC MN ME MS MA MZ MM NA NR NP NL AN NC NZ NI NE NG NU NF KP MP NO OM PK PW PS PA PG PY PE PH PN PL PT PR QA RE RO RU RW WS SM
		SA SN RS SC SL SG SK SI SB SO ZA GS ES LK SD SR SZ SE CH SY ST TW TJ TZ TH TG TK TO TT TN TR TM TC TV UG UA AE GB US UY UZ VU VA
		VE VN VI WF EH YE ZM ZW AX`) {
		codes[code] = true
	}
	return codes
}()

func checkCountry(v string) error {
	if !countryCodes[v] {
		return fmt.Errorf("%.20q is not one of the country codes of the API: two capital letters of ISO 3166-1, such as DE", v)
	}
	return nil
}

// longestURL is how many bytes a callback URL may have. Guess: the documents name no limit.
const longestURL = 1024

// checkCallbackURL accepts what can be called without a secret in it: a URL stands in conditions and events.
func checkCallbackURL(v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("must be an http or https URL in ASCII with a host, such as https://hooks.acme.example/voice")
	case u.User != nil:
		return errors.New("must not have a user or a password in it")
	case len(v) > longestURL:
		return fmt.Errorf("must have at most %d characters", longestURL)
	}
	return nil
}
