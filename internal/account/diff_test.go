package account_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/golden"
)

// full declares a field of every form.
var full = account.State{
	"email": "Support@Acme.example", "active": "true", "languageCode": "he", "location": "Europe/Kyiv",
	"notifications.account": "true", "notifications.tariffChanges": "false", "notifications.news": "false",
	"minBalanceToNotify": "5.00", "payments.bankCard": "true", "payments.invoice": "false", "payments.robokassa": "false", "canUseRestricted": "true",
	"profile.firstName": "Ada",
}

// seen is the account of full as its provider shows it, in the provider's own spelling.
var seen = account.State{
	"email": "support@acme.example", "active": "true", "languageCode": "iw", "location": "Europe/Kiev",
	"notifications.account": "true", "notifications.tariffChanges": "false", "notifications.news": "false",
	"minBalanceToNotify": "5", "payments.bankCard": "true", "payments.invoice": "false", "payments.robokassa": "false",
	"frozen": "false", "created": "2026-01-01 10:00:00", "currency": "USD", "profile.firstName": "Ada",
}

// plans are the comparisons whose results stand in testdata.
var plans = map[string]struct{ desired, observed, applied account.State }{
	"nothing-declared":      {nil, seen, nil},
	"as-declared":           {full, seen, full},
	"other-spellings":       {full, seen, account.State{"canUseRestricted": "true"}},
	"nothing-known":         {full, nil, nil},
	"everything-differs":    {full, everythingElse(), account.State{"canUseRestricted": "false"}},
	"drift":                 {full, seen.With(account.State{"active": "false", "minBalanceToNotify": "7"}), full},
	"edit":                  {full.With(account.State{"email": "sales@acme.example", "notifications.news": "true"}), seen, full},
	"edit-and-drift":        {full.With(account.State{"email": "sales@acme.example"}), seen.With(account.State{"location": "Europe/Berlin"}), full},
	"edit-of-what-drifted":  {full.With(account.State{"location": "Europe/Paris"}), seen.With(account.State{"location": "Europe/Berlin"}), full},
	"undeclared-changes":    {account.State{"email": "support@acme.example"}, everythingElse().With(account.State{"email": "SUPPORT@acme.example"}), full},
	"never-applied":         {account.State{"active": "true", "canUseRestricted": "false"}, account.State{"active": "false"}, nil},
	"write-only-unchanged":  {account.State{"canUseRestricted": "true"}, seen, account.State{"canUseRestricted": "yes"}},
	"write-only-edit":       {account.State{"canUseRestricted": "false"}, seen, account.State{"canUseRestricted": "true"}},
	"write-only-just-known": {account.State{"canUseRestricted": "true"}, seen.With(account.State{"canUseRestricted": "true"}), account.State{"canUseRestricted": "false"}},
	"read-only-declared":    {account.State{"frozen": "true", "created": "never", "currency": "EUR"}, seen, nil},
	"unknown-path":          {account.State{"no.such.path": "Ada", "": "x"}, seen, nil},
	"empty-value":           {account.State{"location": "", "email": ""}, account.State{"location": "Europe/Berlin"}, nil},
	"text-taken-away":       {account.State{"profile.firstName": "Ada", "profile.lastName": "King", "profile.mobilePhone": "+4915112345678"}, account.State{"email": "support@acme.example"}, account.State{"profile.firstName": "Ada", "profile.lastName": "Lovelace"}},
	"creation-only":         {account.State{"recordStorage.name": "eu"}, seen.With(account.State{"recordStorage.name": "us"}), nil},
	"no-decimal":            {account.State{"minBalanceToNotify": "a lot"}, seen, full},
}

// everythingElse differs from full in every field.
func everythingElse() account.State {
	return account.State{
		"email": "other@acme.example", "active": "false", "languageCode": "en", "location": "Europe/Berlin",
		"notifications.account": "false", "notifications.tariffChanges": "true", "notifications.news": "true",
		"minBalanceToNotify": "50", "payments.bankCard": "false", "payments.invoice": "true", "payments.robokassa": "true",
		"profile.firstName": "Grace",
	}
}

// render is a plan for people: field, what was seen, what is written, and why.
func render(changes []account.Change) string {
	if len(changes) == 0 {
		return "no changes\n"
	}
	var b strings.Builder
	for _, c := range changes {
		from := "unknown"
		if c.Known {
			from = fmt.Sprintf("%q", c.From)
		}
		fmt.Fprintf(&b, "%s: %s -> %q, from %s\n", c.Field.Path, from, c.To, c.Origin)
	}
	return b.String()
}

func TestDiffGolden(t *testing.T) {
	for name, p := range plans {
		t.Run(name, func(t *testing.T) {
			got := render(account.Diff(schema, p.desired, p.observed, p.applied))
			golden.Check(t, filepath.Join("testdata", name+".golden"), got, "UPDATE_DOCS=1 go test ./internal/account")
		})
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := plans[strings.TrimSuffix(filepath.Base(f), ".golden")]; !ok {
			t.Errorf("%s belongs to no plan", f)
		}
	}
}

// The plans have a field of every form that a row of the table has, or they say less than they seem to.
func TestPlansKnowEveryForm(t *testing.T) {
	type form struct {
		kind                           account.Kind
		writeOnly, readOnly, canonical bool
	}
	planned := map[form]bool{}
	for _, f := range schema {
		if f.NameOnly() {
			continue
		}
		_, declared := full[f.Path]
		_, shown := seen[f.Path]
		its := form{f.Kind, f.WriteOnly(), f.ReadOnly(), f.Canonical != nil}
		planned[its] = planned[its] || (declared || f.ReadOnly()) && (shown || f.WriteOnly())
	}
	for its, known := range planned {
		if !known {
			t.Errorf("no plan has a field of the form %+v", its)
		}
	}
}

func TestDiffTouchesNothing(t *testing.T) {
	for name, p := range plans {
		desired, observed, applied := maps.Clone(p.desired), maps.Clone(p.observed), maps.Clone(p.applied)
		account.Applied(account.Diff(schema, p.desired, p.observed, p.applied))
		if !maps.Equal(desired, p.desired) || !maps.Equal(observed, p.observed) || !maps.Equal(applied, p.applied) {
			t.Errorf("%s: Diff changed what it was given", name)
		}
	}
}

// What can only be set at creation is no change, and is told by itself.
func TestFixed(t *testing.T) {
	declared := account.State{"recordStorage.name": "eu", "email": "a@acme.example"}
	for name, test := range map[string]struct {
		observed account.State
		want     string
	}{
		"the same":  {account.State{"recordStorage.name": "eu"}, ""},
		"another":   {account.State{"recordStorage.name": "us", "email": "b@acme.example"}, "recordStorage.name"},
		"not shown": {account.State{}, "recordStorage.name"},
	} {
		if got := account.FieldNames(account.Fixed(schema, declared, test.observed)); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := account.Fixed(schema, account.State{"email": "a@acme.example"}, account.State{"recordStorage.name": "us"}); got != nil {
		t.Errorf("not declared: %v", got)
	}
}

func TestSplit(t *testing.T) {
	changes := account.Diff(schema, account.State{"email": "a@acme.example", "callback.url": "https://a.example", "profile.firstName": "Ada", "profile.customData": "x"}, nil, nil)
	own, delegated := account.Split(changes)
	if account.FieldNames(own) != "email, callback.url" || account.FieldNames(delegated) != "profile.firstName, profile.customData" {
		t.Errorf("%q, %q", account.FieldNames(own), account.FieldNames(delegated))
	}
	if !account.Has(changes, account.MarkCustomData) || account.Has(own, account.MarkCustomData) {
		t.Error("the custom data is among the wrong changes")
	}
}

func TestApplied(t *testing.T) {
	changes := account.Diff(schema, account.State{"email": "A@B.example", "active": "no", "minBalanceToNotify": "05.00"}, nil, nil)
	want := account.State{"email": "a@b.example", "active": "false", "minBalanceToNotify": "5"}
	if got := account.Applied(changes); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := account.FieldNames(changes); got != "email, active, minBalanceToNotify" {
		t.Errorf("names: %q", got)
	}
	if account.FieldNames(nil) != "" || len(account.Applied(nil)) != 0 {
		t.Error("no changes leave something behind")
	}
}
