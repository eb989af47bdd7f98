package simulator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// pages reads all pages of a listing.
func (f *fixture) pages(params form, size int) (ids []float64, pages int) {
	f.t.Helper()
	for {
		r := f.call("GetChildrenAccounts", params.with(form{"count": fmt.Sprint(size), "offset": fmt.Sprint(len(ids))}))
		wantCode(f.t, r, 0)
		rows := r.rows(f.t)
		if r.Count != len(rows) {
			f.t.Fatalf("count %d, but %d rows", r.Count, len(rows))
		}
		pages++
		for _, row := range rows {
			id, _ := row["account_id"].(float64)
			ids = append(ids, id)
		}
		if len(ids) >= r.TotalCount || len(rows) == 0 {
			return ids, pages
		}
	}
}

func TestPaging(t *testing.T) {
	for _, test := range []struct{ accounts, size, pages int }{{0, 20, 1}, {45, 20, 3}, {45, 45, 1}, {45, 1000, 1}, {2345, 1000, 3}} {
		t.Run(fmt.Sprintf("%d by %d", test.accounts, test.size), func(t *testing.T) {
			f := newFixture(t)
			want := f.children(test.accounts)
			f.AddStranger("stranger", "s@elsewhere.example")
			ids, pages := f.pages(form{"child_account_id": "all", "order_by": "child_account_id", "brief_output": "true"}, test.size)
			if pages != test.pages || len(ids) != len(want) {
				t.Fatalf("%d ids on %d pages", len(ids), pages)
			}
			for i, id := range ids {
				if int64(id) != want[i] {
					t.Fatalf("id %d is %.0f, want %d", i, id, want[i])
				}
			}
		})
	}
}

func TestPageDefaults(t *testing.T) {
	f := newFixture(t)
	f.children(45)
	r := f.call("GetChildrenAccounts", nil)
	if rows := r.rows(t); len(rows) != 20 || r.Count != 20 || r.TotalCount != 45 || rows[0]["account_name"] != "child-00000" {
		t.Fatalf("%d rows of %d", len(rows), r.TotalCount)
	}
	r = f.call("GetChildrenAccounts", form{"offset": "100"})
	if string(r.Result) != "[]" || r.TotalCount != 45 {
		t.Fatalf("beyond the end: %s", r.body)
	}
	for _, bad := range []struct {
		params form
		code   int
	}{
		{form{"count": "1001"}, 497}, {form{"count": "0"}, 497}, {form{"count": "-1"}, 497}, {form{"count": "many"}, 496},
		{form{"offset": "-1"}, 497}, {form{"order_by": "account_id"}, 496}, {form{"brief": "true"}, 492},
		{form{"return_live_balance": "no"}, 496}, {form{"child_account_id": "[1]"}, 194},
	} {
		wantCode(t, f.call("GetChildrenAccounts", bad.params), bad.code)
	}
}

func TestOrder(t *testing.T) {
	f := newFixture(t)
	for i, name := range []string{"bravo", "charlie", "alpha"} {
		f.PutAccount(Account{ParentID: f.parent.ID, Fields: Fields{"account_name": name, "account_email": fmt.Sprintf("%c@acme.example", 'z'-i)}})
	}
	for by, want := range map[string]string{
		"": "alpha bravo charlie", "child_account_name": "alpha bravo charlie",
		"child_account_id": "bravo charlie alpha", "child_account_email": "alpha charlie bravo",
	} {
		if got := f.names(form{"order_by": by}); got != want {
			t.Errorf("by %q: %s", by, got)
		}
	}
}

func (f *fixture) names(params form) string {
	f.t.Helper()
	r := f.call("GetChildrenAccounts", params)
	wantCode(f.t, r, 0)
	var names []string
	for _, row := range r.rows(f.t) {
		names = append(names, fmt.Sprint(row["account_name"]))
	}
	return strings.Join(names, " ")
}

func TestFilters(t *testing.T) {
	f := newFixture(t)
	one, two, three := f.child("acme-one"), f.child("acme-two"), f.child("globex-one")
	if err := f.SetField(two.ID, "active", false); err != nil {
		t.Fatal(err)
	}
	if err := f.Freeze(three.ID); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		params form
		want   string
	}{
		{form{"child_account_name": "acme"}, "acme-one acme-two"},
		{form{"child_account_name": "ONE"}, "acme-one globex-one"},
		{form{"child_account_name": "acme-one"}, "acme-one"},
		{form{"child_account_name": "nobody"}, ""},
		{form{"child_account_email": "Two@acme"}, "acme-two"},
		{form{"child_account_name": "one", "child_account_email": "globex"}, "globex-one"},
		{form{"child_account_id": fmt.Sprintf("%d;%d;%d", two.ID, one.ID, one.ID)}, "acme-one acme-two"},
		{form{"child_account_id": fmt.Sprint(two.ID), "child_account_name": "one"}, ""},
		{form{"active": "true"}, "acme-one globex-one"},
		{form{"active": "0"}, "acme-two"},
		{form{"frozen": "true"}, "globex-one"},
		{form{"frozen": "false", "active": "true"}, "acme-one"},
		{form{"child_account_id": fmt.Sprintf("%d;1;%d", one.ID, f.parent.ID), "ignore_invalid_accounts": "true"}, "acme-one"},
		{form{"child_account_id": "1", "ignore_invalid_accounts": "true"}, ""},
	} {
		if got := f.names(test.params); got != test.want {
			t.Errorf("%v: %q, want %q", test.params, got, test.want)
		}
	}
	wantCode(t, f.call("GetChildrenAccounts", form{"child_account_id": fmt.Sprintf("%d;1", one.ID)}), 194)
	wantCode(t, f.call("GetChildrenAccounts", form{"child_account_id": "1;x", "ignore_invalid_accounts": "true"}), 194)
	if err := f.Unfreeze(three.ID); err != nil {
		t.Fatal(err)
	}
	if got := f.names(form{"frozen": "true"}); got != "" {
		t.Errorf("still frozen: %s", got)
	}
}

func TestOutputs(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	if err := f.SetField(child.ID, "balance", 12); err != nil {
		t.Fatal(err)
	}
	fields := func(params form) []string { return sortedKeys(f.call("GetChildrenAccounts", params).rows(t)[0]) }
	if got := fields(form{"brief_output": "true"}); !slices.Equal(got, []string{"account_id"}) {
		t.Errorf("brief: %v", got)
	}
	if got := fields(form{"medium_output": "true"}); !slices.Equal(got, []string{"account_email", "account_id", "account_name"}) {
		t.Errorf("medium: %v", got)
	}
	if slices.Contains(fields(form{"return_live_balance": "false"}), "live_balance") {
		t.Error("live_balance although not wanted")
	}
	if got := f.call("GetChildrenAccounts", nil).rows(t)[0]["live_balance"]; got != 12.0 {
		t.Errorf("live_balance %v", got)
	}
}

// TestRungs refuses the ways to list everything one by one; looking up a part of the name always works.
func TestRungs(t *testing.T) {
	f := newFixture(t)
	one := f.child("acme-one")
	long := strings.Repeat(fmt.Sprint(one.ID)+";", 1000) + fmt.Sprint(one.ID)
	tries := map[string]form{
		"all":        {"child_account_id": "all"},
		"unfiltered": {},
		"long":       {"child_account_id": long},
		"ids":        {"child_account_id": long[:strings.LastIndex(long, ";")]},
		"name":       {"child_account_name": "acme-one"},
		"email":      {"child_account_email": "acme-one"},
	}
	for name, test := range map[string]struct {
		set     func(*Settings)
		refused map[string]int
	}{
		"none":       {func(*Settings) {}, nil},
		"all":        {func(s *Settings) { s.RefuseAll = true }, map[string]int{"all": 194}},
		"unfiltered": {func(s *Settings) { s.RefuseUnfiltered = true }, map[string]int{"unfiltered": 485}},
		"long lists": {func(s *Settings) { s.RefuseLongLists = true }, map[string]int{"long": 101}},
		"all of them": {func(s *Settings) { s.RefuseAll, s.RefuseUnfiltered, s.RefuseLongLists = true, true, true },
			map[string]int{"all": 194, "unfiltered": 485, "long": 101}},
	} {
		t.Run(name, func(t *testing.T) {
			f.Update(func(s *Settings) { *s = Settings{}; test.set(s) })
			for rung, params := range tries {
				r := f.call("GetChildrenAccounts", params)
				wantCode(t, r, test.refused[rung])
				if r.Error.Code == 485 && !strings.Contains(r.Error.Msg, "child_account_id") {
					t.Errorf("message %q", r.Error.Msg)
				}
				if r.Error.Code == 0 && r.TotalCount != 1 {
					t.Errorf("%s: %s", rung, r.body)
				}
			}
		})
	}
}

// The parent's API key shows the children's, a token doesn't, and a setting hides them from both.
func TestAPIKeysOfChildren(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		f := newFixture(t, func(s *Settings) { s.HideChildAPIKeys = hidden })
		child := f.child("acme-one")
		rows := f.call("GetChildrenAccounts", nil).rows(t)
		if len(rows) != 1 || rows[0]["api_key"] != nil {
			t.Errorf("hidden %v: shown to a token: %v", hidden, len(rows))
		}
		key := form{"account_id": fmt.Sprint(f.parent.ID), "api_key": f.parent.APIKey}
		rows = f.callAs("", "GetChildrenAccounts", key).rows(t)
		if len(rows) != 1 || (rows[0]["api_key"] == child.APIKey()) == hidden {
			t.Errorf("hidden %v: to the parent's API key it is shown: %v", hidden, hidden)
		}
		key = form{"account_id": fmt.Sprint(child.ID), "api_key": child.APIKey()}
		if info := f.callAs("", "GetAccountInfo", key).info(t); info["api_key"] != child.APIKey() {
			t.Errorf("hidden %v: not shown to the account itself", hidden)
		}
	}
}
