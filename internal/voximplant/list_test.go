package voximplant

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func idsOf(accounts []account.Account) []string {
	ids := make([]string, len(accounts))
	for i, a := range accounts {
		ids[i] = a.ID
	}
	return ids
}

func TestListInPages(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2345)
	accounts, pages, err := list(w.Remote, provider.Known{})
	if err != nil || !slices.Equal(idsOf(accounts), ids) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	var sizes []int
	for _, p := range pages {
		sizes = append(sizes, len(p.Accounts))
		if p.Partial {
			t.Error("partial")
		}
	}
	if !slices.Equal(sizes, []int{1000, 1000, 345}) || w.Counts()["GetChildrenAccounts"] != 3 {
		t.Errorf("pages %v in %v", sizes, w.Counts())
	}
	if w.ListMethod() != "all" {
		t.Error("method", w.ListMethod())
	}
}

func TestListOfNone(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	accounts, pages, err := list(w.Remote, provider.Known{Names: []string{"child-1"}})
	if err != nil || len(accounts) != 0 || len(pages) != 1 || pages[0].Partial {
		t.Errorf("%v, %v", pages, err)
	}
}

func TestLadder(t *testing.T) {
	for _, test := range []struct {
		settings simulator.Settings
		rung     string
		first    int // calls of the first list
		next     int // calls of each further one
	}{
		{simulator.Settings{}, "all", 2, 2},
		{simulator.Settings{RefuseAll: true}, "unfiltered", 3, 2},
		{simulator.Settings{RefuseAll: true, RefuseUnfiltered: true, RefuseLongLists: true}, "known", 2 + 2 + 2, 4},
	} {
		t.Run(test.rung, func(t *testing.T) {
			w := newWorld(t, test.settings)
			ids := w.children(1234)
			named := ids[len(ids)-1]
			known := provider.Known{IDs: append(slices.Clone(ids[:1233]), "77", "", "all"), Names: []string{"child-01233", "nobody", "child-0000", "", "a;b"}}
			for i, calls := range []int{test.first, test.next, test.next} {
				w.ResetCalls()
				accounts, pages, err := list(w.Remote, known)
				if err != nil || !slices.Equal(idsOf(accounts), ids) {
					t.Fatalf("%d accounts, %v", len(accounts), err)
				}
				partial := test.rung == "known"
				if slices.ContainsFunc(pages, func(p provider.Page) bool { return p.Partial != partial }) {
					t.Error("wrongly marked")
				}
				if partial {
					calls++ // the third name
				}
				if got := len(w.called()); got != calls {
					t.Errorf("list %d: %d calls; want %d", i, got, calls)
				}
				if w.ListMethod() != test.rung || accounts[len(accounts)-1].ID != named {
					t.Errorf("method %s", w.ListMethod())
				}
			}
		})
	}
}

func TestLadderOfNothingKnown(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	w.children(3)
	accounts, pages, err := list(w.Remote, provider.Known{})
	if err != nil || len(accounts) != 0 || len(pages) != 1 || !pages[0].Partial {
		t.Errorf("%v, %v", pages, err)
	}
}

// Only a refusal of the request leads down the ladder.
func TestLadderStaysWhereItIs(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"unauthorized": {Kind: simulator.FaultError, Code: 100},
		"internal":     {Kind: simulator.FaultError, Code: 2},
		"throttled":    {Kind: simulator.FaultError, Code: 340},
		"unknown":      {Kind: simulator.FaultError, Code: 4242},
		"role":         {Kind: simulator.FaultError, Code: 104},
		"429":          {Kind: simulator.FaultHTTP, Status: 429},
		"502":          {Kind: simulator.FaultHTTP, Status: 502},
		"404":          {Kind: simulator.FaultHTTP, Status: 404},
		"reset":        {Kind: simulator.FaultReset},
		"lost":         {Kind: simulator.FaultLoseAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			w.children(2)
			fault.Times = 1
			w.AddFault(fault)
			if _, _, err := list(w.Remote, provider.Known{}); err == nil {
				t.Error("no error")
			}
			if w.ListMethod() != "all" || len(w.called()) != 1 {
				t.Errorf("method %s after %v", w.ListMethod(), w.called())
			}
		})
	}
	for _, code := range []int{101, 134, 194, 458, 485, 492, 496} {
		w := newWorld(t, simulator.Settings{})
		w.children(2)
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: code, Times: 1})
		if accounts, _, err := list(w.Remote, provider.Known{}); err != nil || len(accounts) != 2 || w.ListMethod() != "unfiltered" {
			t.Errorf("%d: %d accounts, method %s, %v", code, len(accounts), w.ListMethod(), err)
		}
	}
}

// A refusal in the middle of a list is no reason to begin another list: its first pages are handed on already.
func TestRefusalInTheMiddle(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(1001)
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 101, After: 1})
	_, _, err := list(w.Remote, provider.Known{})
	wantError(t, err, account.Invalid, false)
	if w.ListMethod() != "all" || len(w.called()) != 2 {
		t.Errorf("method %s after %v", w.ListMethod(), w.called())
	}
}

// silent answers an empty list to a way of asking that it does not understand.
func silent(t *testing.T, ways ...string) *Remote {
	return stub(t, func(w http.ResponseWriter, req *http.Request) {
		ids := req.PostFormValue("child_account_id")
		body := emptyPage
		if ids != "" && !slices.Contains(ways, ids) || ids == "" && !slices.Contains(ways, "unfiltered") {
			body = page
		}
		respond(200, "application/json", body)(w, req)
	})
}

func TestEmptyListsAreNotBelievedAtOnce(t *testing.T) {
	known := provider.Known{IDs: []string{"5"}}
	r := silent(t, "all")
	if accounts, _, err := list(r, known); err != nil || len(accounts) != 1 || r.ListMethod() != "unfiltered" {
		t.Errorf("%d accounts, method %s, %v", len(accounts), r.ListMethod(), err)
	}
	r = silent(t, "all", "unfiltered")
	if accounts, _, err := list(r, known); err != nil || len(accounts) != 1 || r.ListMethod() != "known" {
		t.Errorf("%d accounts, method %s, %v", len(accounts), r.ListMethod(), err)
	}
	// Truly none: nothing is learnt about the rungs.
	r = silent(t, "all", "unfiltered", "5")
	accounts, pages, err := list(r, known)
	if err != nil || len(accounts) != 0 || r.ListMethod() != "all" || len(pages) == 0 {
		t.Errorf("%d accounts, method %s, %v", len(accounts), r.ListMethod(), err)
	}
	// There may be accounts that nobody can name at present.
	r = silent(t, "all")
	if accounts, _, err := list(r, provider.Known{More: true}); err != nil || len(accounts) != 1 || r.ListMethod() != "unfiltered" {
		t.Errorf("%d accounts, way %s, %v", len(accounts), r.ListMethod(), err)
	}
	// A way that has listed accounts before is believed.
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		t.Fatal(err)
	}
	a, _ := w.Simulator.Account("child-00000")
	w.Simulator.Remove(a.ID)
	w.ResetCalls()
	if accounts, _, err := list(w.Remote, provider.Known{IDs: ids}); err != nil || len(accounts) != 0 || len(w.called()) != 1 {
		t.Errorf("%d accounts after %v, %v", len(accounts), w.called(), err)
	}
}

func TestContradictions(t *testing.T) {
	for _, kind := range []simulator.FaultKind{simulator.FaultRepeatRow, simulator.FaultTotal} {
		w := newWorld(t, simulator.Settings{})
		w.children(1002)
		w.AddFault(simulator.Fault{Kind: kind})
		_, _, err := list(w.Remote, provider.Known{})
		wantError(t, err, account.Incomplete, false)
	}
	rows := func(ids ...int) string {
		var list []string
		for _, id := range ids {
			list = append(list, fmt.Sprintf(`{"account_id": %d, "account_name": "child"}`, id))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	many := make([]int, 1001)
	for i := range many {
		many[i] = i + 1
	}
	for name, test := range map[string]struct {
		pages []string
		class account.Class
	}{
		"one page":          {[]string{`{"result": ` + rows(1, 2) + `, "total_count": 2}`}, ""},
		"short pages":       {[]string{`{"result": ` + rows(1, 2) + `, "total_count": 3}`, `{"result": ` + rows(3) + `, "total_count": 3}`}, ""},
		"ends early":        {[]string{`{"result": ` + rows(1, 2) + `, "total_count": 3}`, `{"result": [], "total_count": 3}`}, account.Incomplete},
		"too many":          {[]string{`{"result": ` + rows(1, 2) + `, "total_count": 1}`}, account.Incomplete},
		"more than asked":   {[]string{`{"result": ` + rows(many...) + `, "total_count": 1001}`}, account.Incomplete},
		"twice":             {[]string{`{"result": ` + rows(1, 1) + `, "total_count": 2}`}, account.Incomplete},
		"not in order":      {[]string{`{"result": ` + rows(2, 1) + `, "total_count": 2}`}, account.Incomplete},
		"again":             {[]string{`{"result": ` + rows(1, 2) + `, "total_count": 4}`, `{"result": ` + rows(2, 3) + `, "total_count": 4}`}, account.Incomplete},
		"count contradicts": {[]string{`{"result": ` + rows(1, 2) + `, "total_count": 2, "count": 1}`}, account.Incomplete},
		"no total":          {[]string{`{"result": ` + rows(1, 2) + `}`}, account.Unavailable},
		"negative total":    {[]string{`{"result": [], "total_count": -1}`}, account.Unavailable},
		"row without id":    {[]string{`{"result": [{"account_name": "child"}], "total_count": 1}`}, account.Unavailable},
		"row is no account": {[]string{`{"result": [5], "total_count": 1}`}, account.Unavailable},
		"row null":          {[]string{`{"result": [null], "total_count": 1}`}, account.Unavailable},
		"result is no list": {[]string{`{"result": 1, "total_count": 1}`}, account.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			r := stub(t, func(w http.ResponseWriter, req *http.Request) {
				respond(200, "application/json", test.pages[min(calls, len(test.pages)-1)])(w, req)
				calls++
			})
			if _, _, err := list(r, provider.Known{}); account.ClassOf(err) != test.class {
				t.Errorf("%v; want %q", err, test.class)
			}
		})
	}
}

// The offset goes on from what was received, not from what was asked for.
func TestOffsets(t *testing.T) {
	var offsets []string
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		offset := req.PostFormValue("offset")
		offsets = append(offsets, offset)
		id := len(offsets)
		respond(200, "application/json", fmt.Sprintf(`{"result": [{"account_id": %d, "account_name": "c"}], "total_count": 3, "count": 1}`, id))(w, req)
	})
	if accounts, _, err := list(r, provider.Known{}); err != nil || len(accounts) != 3 || !slices.Equal(offsets, []string{"", "1", "2"}) {
		t.Errorf("%d accounts by offsets %q, %v", len(accounts), offsets, err)
	}
}
