package simulator

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSetChildAccountInfo(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	wantCode(t, f.call("SetChildAccountInfo", form{
		"child_account_id": fmt.Sprint(child.ID), "new_child_account_email": "New@acme.example", "new_child_account_password": "Another-Horse-2",
		"account_notifications": "true", "tariff_changing_notifications": "true", "news_notifications": "true", "active": "false",
		"language_code": "fr", "location": "Europe/Paris", "min_balance_to_notify": "7.25", "support_robokassa": "true",
		"support_bank_card": "false", "support_invoice": "true", "can_use_restricted": "true",
		"callback_url": "https://acme.example/hook", "callback_salt": "pepper",
	}), 0)
	got, _ := f.AccountByID(child.ID)
	for name, want := range map[string]any{
		"account_email": "New@acme.example", "account_notifications": true, "tariff_changing_notifications": true, "news_notifications": true,
		"active": false, "language_code": "fr", "location": "Europe/Paris", "min_balance_to_notify": 7.25, "support_robokassa": true,
		"support_bank_card": false, "support_invoice": true, "can_use_restricted": true,
		"callback_url": "https://acme.example/hook", "callback_salt": "pepper",
	} {
		if got.Fields[name] != want {
			t.Errorf("%s is %v, want %v", name, got.Fields[name], want)
		}
	}
	if !f.CheckPassword(child.ID, "Another-Horse-2") {
		t.Error("the password has not changed")
	}
	info := f.call("GetChildrenAccounts", nil).rows(t)[0]
	for _, hidden := range []string{"can_use_restricted", "account_password", "api_key"} {
		if _, shown := info[hidden]; shown {
			t.Errorf("%s is shown", hidden)
		}
	}
	if info["callback_salt"] != "pepper" {
		t.Error("callback_salt is not shown")
	}
	// The old e-mail is free again, the new one is not.
	wantCode(t, f.call("AddAccount", f.newAccount("acme-two").with(form{"account_email": "acme-one@acme.example"})), 0)
	wantCode(t, f.call("AddAccount", f.newAccount("acme-three").with(form{"account_email": "new@acme.example"})), 128)
}

func TestSetChildAccountInfoTargets(t *testing.T) {
	f := newFixture(t)
	one, two, three := f.child("acme-one"), f.child("acme-two"), f.child("acme-three")
	stranger := f.AddStranger("stranger", "s@elsewhere.example")
	other := f.AddParent(Parent{Name: "globex", Email: "owner@globex.example"})
	foreign := f.PutAccount(Account{ParentID: other.ID, Fields: Fields{"account_name": "globex-one", "account_email": "one@globex.example"}})
	ids := func(accounts ...Account) string {
		list := ""
		for _, a := range accounts {
			list += ";" + fmt.Sprint(a.ID)
		}
		return list[1:]
	}
	for name, test := range map[string]struct {
		targets form
		code    int
		changed []string
	}{
		"one id":           {form{"child_account_id": ids(one)}, 0, []string{"acme-one"}},
		"ids":              {form{"child_account_id": ids(one, three)}, 0, []string{"acme-one", "acme-three"}},
		"the same id":      {form{"child_account_id": ids(one, one)}, 0, []string{"acme-one"}},
		"all":              {form{"child_account_id": "all"}, 0, []string{"acme-one", "acme-three", "acme-two"}},
		"names":            {form{"child_account_name": "acme-two;acme-one"}, 0, []string{"acme-one", "acme-two"}},
		"e-mails":          {form{"child_account_email": "ACME-two@acme.example;acme-one@acme.example"}, 0, []string{"acme-one", "acme-two"}},
		"none":             {form{}, 458, nil},
		"id and name":      {form{"child_account_id": ids(one), "child_account_name": "acme-one"}, 458, nil},
		"name and e-mail":  {form{"child_account_name": "acme-one", "child_account_email": one.Email()}, 458, nil},
		"brackets":         {form{"child_account_id": "[" + ids(one) + "]"}, 194, nil},
		"commas":           {form{"child_account_id": fmt.Sprintf("%d,%d", one.ID, two.ID)}, 194, nil},
		"trailing":         {form{"child_account_id": ids(one) + ";"}, 194, nil},
		"all and one":      {form{"child_account_id": "all;" + ids(one)}, 194, nil},
		"a stranger":       {form{"child_account_id": ids(one, stranger)}, 194, nil},
		"another's child":  {form{"child_account_id": ids(one, foreign)}, 194, nil},
		"the parent":       {form{"child_account_id": fmt.Sprintf("%d;%d", one.ID, f.parent.ID)}, 194, nil},
		"unknown id":       {form{"child_account_id": ids(one) + ";1"}, 194, nil},
		"part of a name":   {form{"child_account_name": "acme"}, 198, nil},
		"name in capitals": {form{"child_account_name": "ACME-ONE"}, 198, nil},
		"another's name":   {form{"child_account_name": "acme-one;globex-one"}, 198, nil},
		"all names":        {form{"child_account_name": "all"}, 198, nil},
		"empty name":       {form{"child_account_name": "acme-one;"}, 198, nil},
		"another's e-mail": {form{"child_account_email": foreign.Email()}, 199, nil},
		"empty e-mail":     {form{"child_account_email": one.Email() + ";;"}, 199, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range f.Accounts(0) {
				if err := f.SetField(a.ID, "location", "Etc/GMT"); err != nil {
					t.Fatal(err)
				}
			}
			wantCode(t, f.call("SetChildAccountInfo", test.targets.with(form{"location": "Europe/Rome"})), test.code)
			var changed []string
			for _, a := range f.Accounts(0) {
				if a.Text("location") == "Europe/Rome" {
					changed = append(changed, a.Name())
				}
			}
			slices.Sort(changed)
			if !slices.Equal(changed, test.changed) {
				t.Fatalf("changed %v, want %v", changed, test.changed)
			}
			if c := f.lastCall(); c.Changed != (len(test.changed) > 0) {
				t.Fatalf("logged %+v", c)
			}
		})
	}
}

// TestSetChildAccountInfoAtomic sends good changes along with one that is refused.
func TestSetChildAccountInfoAtomic(t *testing.T) {
	f := newFixture(t)
	one, two := f.child("acme-one"), f.child("acme-two")
	if err := f.SetField(two.ID, "account_password", "Already-Mine-1"); err != nil {
		t.Fatal(err)
	}
	before := f.Accounts(0)
	both := fmt.Sprintf("%d;%d", one.ID, two.ID)
	for name, test := range map[string]struct {
		change form
		code   int
		set    func(*Settings)
	}{
		"bad e-mail":               {form{"child_account_id": fmt.Sprint(one.ID), "new_child_account_email": "me"}, 201, nil},
		"taken e-mail":             {form{"child_account_id": fmt.Sprint(one.ID), "new_child_account_email": "Acme-Two@acme.example"}, 128, nil},
		"one e-mail for two":       {form{"child_account_id": both, "new_child_account_email": "new@acme.example"}, 128, nil},
		"password of one of them":  {form{"child_account_id": both, "new_child_account_password": "Already-Mine-1"}, 535, nil},
		"weak password":            {form{"child_account_id": both, "new_child_account_password": "weak"}, 464, nil},
		"password changes blocked": {form{"child_account_id": both, "new_child_account_password": "Another-Horse-2"}, 230, func(s *Settings) { s.PasswordChangeBlocked = true }},
		"bad url":                  {form{"child_account_id": both, "callback_url": "nowhere"}, 398, nil},
		"long salt":                {form{"child_account_id": both, "callback_salt": "0123456789012345678901234567890123456789"}, 399, nil},
		"bad language":             {form{"child_account_id": both, "language_code": "xx"}, 202, nil},
		"bad boolean":              {form{"child_account_id": both, "support_invoice": "on"}, 496, nil},
		"unknown parameter":        {form{"child_account_id": both, "account_first_name": "Ada"}, 492, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f.Update(func(s *Settings) { *s = Settings{} })
			if test.set != nil {
				f.Update(test.set)
			}
			wantCode(t, f.call("SetChildAccountInfo", test.change.with(form{"location": "Europe/Rome", "active": "false"})), test.code)
			if !sameAccounts(before, f.Accounts(0)) || f.lastCall().Changed {
				t.Fatal("something changed")
			}
		})
	}
}

func sameAccounts(a, b []Account) bool {
	return slices.EqualFunc(a, b, func(a, b Account) bool {
		return a.ID == b.ID && maps.Equal(a.Fields, b.Fields)
	})
}

func TestUnchangedIsNotAChange(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	same := form{"child_account_id": fmt.Sprint(child.ID), "active": "true", "new_child_account_email": child.Email(), "min_balance_to_notify": "0.00"}
	wantCode(t, f.call("SetChildAccountInfo", same), 0)
	if f.lastCall().Changed {
		t.Error("logged as a change")
	}
}

func TestTwinLanguages(t *testing.T) {
	f := newFixture(t, func(s *Settings) { s.TwinLanguages = true })
	child := f.child("acme-one")
	for given, want := range map[string]string{
		"iw": "he", "he": "iw", "in": "id", "id": "in", "ji": "yi", "yi": "ji", "mo": "ro", "ro": "mo", "sh": "sr", "sr": "sh", "en": "en", "jw": "jw",
	} {
		wantCode(t, f.call("SetChildAccountInfo", form{"child_account_id": fmt.Sprint(child.ID), "language_code": given}), 0)
		if got, _ := f.AccountByID(child.ID); got.Text("language_code") != want {
			t.Errorf("%s is stored as %s, want %s", given, got.Text("language_code"), want)
		}
	}
}

// TestUniqueEmails changes and adds at random: no two accounts ever share an e-mail, and the index never lies.
func TestUniqueEmails(t *testing.T) {
	f := newFixture(t)
	ids := f.children(4)
	names := 0
	rapid.Check(t, func(rt *rapid.T) {
		mail := rapid.SampledFrom([]string{"a", "A", "b", "c", "child-00000"}).Draw(rt, "mail") + "@acme.example"
		if rapid.Bool().Draw(rt, "add") && names < 50 {
			names++
			f.call("AddAccount", f.newAccount(fmt.Sprintf("added-%d", names)).with(form{"account_email": mail}))
		} else {
			f.call("SetChildAccountInfo", form{"child_account_id": fmt.Sprint(rapid.SampledFrom(ids).Draw(rt, "id")), "new_child_account_email": mail})
		}
		seen := map[string]bool{}
		for _, a := range f.Accounts(0) {
			key := indexKey(a.Email())
			if seen[key] {
				rt.Fatalf("%s twice", key)
			}
			seen[key] = true
			if f.byEmail[key].ID != a.ID {
				rt.Fatalf("the index has another account for %s", key)
			}
		}
		if len(f.byEmail) != len(seen) {
			rt.Fatalf("%d e-mails in the index, %d accounts", len(f.byEmail), len(seen))
		}
	})
}
