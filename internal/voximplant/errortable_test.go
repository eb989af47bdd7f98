package voximplant

import (
	"maps"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestEveryDocumentedCodeHasARow(t *testing.T) {
	data, err := os.ReadFile("../simulator/errors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[int]bool{}
	for line := range strings.Lines(string(data)) {
		code, _, _ := strings.Cut(line, "\t")
		if n, err := strconv.Atoi(code); err == nil {
			documented[n] = true
		}
	}
	if len(documented) < 80 {
		t.Fatalf("only %d codes read", len(documented))
	}
	for code := range documented {
		if _, ok := errorsByCode[code]; !ok {
			t.Errorf("code %d has no row", code)
		}
	}
	for _, row := range errorTable {
		if !documented[row.code] {
			t.Errorf("code %d is not documented", row.code)
		}
	}
	if len(errorsByCode) != len(errorTable) {
		t.Errorf("a code has two rows")
	}
}

// The documented texts name parameters, which must not lead to a field by accident.
func TestFieldsOfDocumentedTexts(t *testing.T) {
	for code, msg := range simulator.ErrorMessages() {
		e := refusal("AddAccount", true, code, msg)
		if row := rowOf(code); row.field != "" && declarable(row.field) && e.Field != row.field || row.field != "" && !declarable(row.field) && e.Field != "" {
			t.Errorf("%d %q: field %q", code, msg, e.Field)
		}
	}
}

func TestRefusal(t *testing.T) {
	for _, test := range []struct {
		code           int
		msg            string
		class          account.Class
		field          string
		outcomeUnknown bool
		wait           time.Duration
	}{
		{code: 2, msg: "Internal error", class: account.Unavailable, outcomeUnknown: true},
		{code: 106, class: account.NameTaken, field: "accountName"},
		{code: 128, class: account.EmailTaken, field: "email"},
		{code: 201, class: account.Invalid, field: "email"},
		{code: 202, class: account.Invalid, field: "languageCode"},
		{code: 340, class: account.Throttled},
		{code: 416, msg: "Repeat after 17 seconds", class: account.Throttled, wait: 17 * time.Second},
		{code: 416, msg: "Repeat after N seconds", class: account.Throttled},
		{code: 416, msg: "Repeat after 999999999 seconds", class: account.Throttled, wait: apihttp.LongestWait},
		{code: 416, msg: "Repeat after 99999999999999999999 seconds", class: account.Throttled, wait: apihttp.LongestWait},
		{code: 484, class: account.Throttled, outcomeUnknown: true},
		{code: 514, class: account.Throttled, outcomeUnknown: true},
		{code: 397, class: account.BlockedDailyLimit},
		{code: 493, msg: "The 'account_name' is not unique.", class: account.NameTaken, field: "accountName"},
		{code: 493, msg: "The 'new_child_account_email' is not unique.", class: account.EmailTaken, field: "email"},
		{code: 493, msg: "The 'callback_url' is not unique.", class: account.Invalid, field: "callback.url"},
		{code: 493, msg: "The 'taxpayer_type' is not unique.", class: account.Invalid},
		{code: 496, msg: "The 'child_account_id' parameter is invalid.", class: account.NotFound},
		{code: 496, msg: "The 'support_invoice' parameter is invalid.", class: account.Invalid, field: "payments.invoice"},
		{code: 497, msg: "min_balance_to_notify should be in range of 0..5", class: account.Invalid, field: "minBalanceToNotify"},
		{code: 512, msg: "'location' parameter changes limit exceeded.", class: account.Throttled, field: "location"},
		{code: 9999, msg: "The 'location' is odd", class: account.Unknown, field: "location"},
		{code: 0, class: account.Unknown},
	} {
		for _, write := range []bool{true, false} {
			e := refusal("M", write, test.code, test.msg)
			if e.Class != test.class || e.Field != test.field || e.OutcomeUnknown != (test.outcomeUnknown && write) || e.RetryAfter != test.wait {
				t.Errorf("%d %q: %#v", test.code, test.msg, e)
			}
		}
	}
}

// Every code about a password's form has a sentence that names the rule.
func TestTextsAboutPasswords(t *testing.T) {
	for _, row := range errorTable {
		if (row.text != "") != (row.class == account.PasswordRejected || row.class == account.PasswordReused) {
			t.Errorf("code %d: %q", row.code, row.text)
		}
		if e := refusal("M", true, row.code, "theirs"); row.text != "" && e.Message != row.text || row.text == "" && e.Message != "theirs" {
			t.Errorf("code %d: %q", row.code, e.Message)
		}
	}
}

func TestAmbiguousRefusals(t *testing.T) {
	refine := func(v *evidence, method string, code int) account.Class {
		e := refusal(method, false, code, "")
		v.refine(e)
		if doubtful := code == 100 && e.Class == account.RoleMissing; e.DoubtsCredentials != doubtful {
			t.Errorf("%d of %s as %s doubts the credentials: %v", code, method, e.Class, e.DoubtsCredentials)
		}
		return e.Class
	}
	v := new(evidence)
	if got := refine(v, "AddAccount", 100); got != account.Unauthorized {
		t.Errorf("100 without evidence: %s", got)
	}
	if got := refine(v, "AddAccount", 104); got != account.RoleMissing {
		t.Errorf("104 without evidence: %s", got)
	}
	v.success("GetChildrenAccounts")
	if got := refine(v, "AddAccount", 100); got != account.RoleMissing {
		t.Errorf("100 where another method works: %s", got)
	}
	if got := refine(v, "AddAccount", 104); got != account.BlockedNotEnabled {
		t.Errorf("104 where Owner is proven: %s", got)
	}
	if got := refine(v, "SetChildAccountInfo", 104); got != account.RoleMissing {
		t.Errorf("104 of another method: %s", got)
	}
	if got := refine(v, "GetChildrenAccounts", 100); got != account.Unauthorized {
		t.Errorf("100 of a method that worked: %s", got)
	}
	if got := refine(v, "AddAccount", 100); got != account.Unauthorized {
		t.Errorf("100 after the credentials went out: %s", got)
	}
}

// Whatever the service complains about, the field that a message names is one that people find in the spec.
func TestRefusalsNameFieldsOfTheSpec(t *testing.T) {
	spec := specPaths(reflect.TypeFor[v1alpha1.ChildAccountSpec](), "")
	parameters := []string{"", "callback_salt", "account_custom_data", "currency", "frozen"}
	for parameter := range pathByParameter {
		parameters = append(parameters, parameter)
	}
	named := map[string]bool{}
	for _, row := range errorTable {
		for _, parameter := range parameters {
			e := refusal("AddAccount", true, row.code, "The '"+parameter+"' parameter is invalid.")
			if named[e.Field] = true; e.Field != "" && !spec[e.Field] {
				t.Errorf("code %d, %q: spec.%s is no field of a ChildAccount", row.code, parameter, e.Field)
			}
		}
	}
	for _, field := range []string{fieldAccountName, fieldEmail, "languageCode", "payments.invoice"} {
		if !named[field] {
			t.Errorf("no refusal names spec.%s", field)
		}
	}
}

// specPaths are the paths of the fields of a type, as its JSON has them.
func specPaths(of reflect.Type, above string) map[string]bool {
	out := map[string]bool{}
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return out
	}
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || !f.IsExported() {
			continue
		}
		out[above+name] = true
		maps.Copy(out, specPaths(f.Type, above+name+"."))
	}
	return out
}
