package voximplant

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// fault asks the simulator's control API for a fault, as whoever runs it by itself does.
func (w *world) fault(t *testing.T, body string) {
	t.Helper()
	response, err := http.Post(w.url+"/_simulator/faults", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %s", body, response.Status)
	}
}

// setting changes the simulator's settings by its control API.
func (w *world) setting(t *testing.T, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, w.url+"/_simulator/settings", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %s", body, response.Status)
	}
}

// missing are those of the ids that are not listed.
func missing(ids []string, accounts []account.Account) (out []string) {
	listed := map[string]bool{}
	for _, a := range accounts {
		listed[a.ID] = true
	}
	for _, id := range ids {
		if !listed[id] {
			out = append(out, id)
		}
	}
	return out
}

// A list that grows while it is read is complete at its last page.
func TestListsThatGrow(t *testing.T) {
	const there = 2345
	for name, test := range map[string]struct {
		faults []string
		// listed is how many accounts the list has, 0 for as many as there are at the end; calls is how many it takes.
		listed, calls int
	}{
		"once":             {[]string{`{"kind": "add-accounts", "accounts": 3, "times": 1}`}, there + 3, 3 + 1},
		"by several pages": {[]string{`{"kind": "add-accounts", "accounts": 2500, "times": 1}`}, there + 2500, 5 + 1},
		// Each call but the first adds some: for three more pages, of which each is followed by another call.
		"before each page": {[]string{`{"kind": "add-accounts", "accounts": 3}`}, there + 3 + 3 + 3, 3 + 2},
		"to a full page":   {[]string{`{"kind": "add-accounts", "accounts": 655, "times": 1}`}, 3000, 3 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			ids := w.children(there)
			for _, f := range test.faults {
				w.fault(t, f)
			}
			accounts, _, err := list(w.Remote, provider.Known{})
			if err != nil || len(accounts) != test.listed || len(missing(ids, accounts)) > 0 {
				t.Errorf("%d accounts, %d of those before are missing, %v; want %d", len(accounts), len(missing(ids, accounts)), err, test.listed)
			}
			if calls := len(w.called()); calls != test.calls {
				t.Errorf("%d calls; want %d", calls, test.calls)
			}
		})
	}
}

// Where accounts may have moved, or there is no end to it, a list is refused.
func TestListsThatCannotBeTrusted(t *testing.T) {
	for name, test := range map[string]struct {
		faults []string
		says   string
		calls  int
	}{
		"shrinks":                  {[]string{`{"kind": "remove-accounts", "accounts": 1, "times": 1}`}, "total_count was 2345 and is now 2344", 2},
		"grows as accounts go":     {[]string{`{"kind": "add-accounts", "accounts": 2, "times": 1}`, `{"kind": "remove-accounts", "accounts": 1, "times": 1}`}, "no longer at its place", 3},
		"shrinks after it grew":    {[]string{`{"kind": "add-accounts", "accounts": 2, "times": 1}`, `{"kind": "remove-accounts", "accounts": 1, "after": 2}`}, "total_count was 2347 and is now 2346", 4},
		"grows without end":        {[]string{`{"kind": "add-accounts", "accounts": 1500, "times": 20}`}, "faster than it can be read", 4},
		"grows by a lot":           {[]string{`{"kind": "add-accounts", "accounts": 3346, "times": 1}`}, "faster than it can be read", 2},
		"announces more than come": {[]string{`{"kind": "total"}`}, "it ends after 2345 of 2346 accounts", 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			w.children(2345)
			for _, f := range test.faults {
				w.fault(t, f)
			}
			_, _, err := list(w.Remote, provider.Known{})
			if e := wantError(t, err, account.Incomplete, false); !strings.Contains(e.Message, test.says) {
				t.Errorf("%v; want %q in it", e, test.says)
			}
			if calls := len(w.called()); calls != test.calls {
				t.Errorf("%d calls; want %d", calls, test.calls)
			}
			w.ClearFaults()
			w.ResetCalls()
			if accounts, _, err := list(w.Remote, provider.Known{}); err != nil || len(accounts) != len(w.Accounts(w.parent.ID)) {
				t.Errorf("afterwards: %d accounts, %v", len(accounts), err)
			}
		})
	}
}

// What no list can tell, and what listCheck says of it: the account that has moved past the offset is in the next list again.
func TestOneComesAsAnotherGoes(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1500)
	w.fault(t, `{"kind": "add-accounts", "accounts": 1, "times": 1}`)
	w.fault(t, `{"kind": "remove-accounts", "accounts": 1, "times": 1}`)
	accounts, _, err := list(w.Remote, provider.Known{})
	if moved := ids[1000]; err != nil || !slices.Equal(missing(ids, accounts), []string{moved}) {
		t.Errorf("%v, %v; want that of %s alone", missing(ids, accounts), err, moved)
	}
	accounts, _, err = list(w.Remote, provider.Known{})
	if err != nil || !slices.Equal(missing(ids, accounts), ids[:1]) {
		t.Errorf("the next list lacks %v, %v; want %s, which was removed", missing(ids, accounts), err, ids[0])
	}
}

// Accounts that are created by the same Remote, as it reads a list, do not disturb the list.
func TestOwnCreationsWhileAListIsRead(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1999)
	var accounts []account.Account
	err := w.List(context.Background(), provider.Known{}, func(p provider.Page) {
		accounts = append(accounts, p.Accounts...)
		if _, err := w.Create(context.Background(), newAccount(fmt.Sprintf("own-%d", len(accounts)))); err != nil {
			t.Error(err)
		}
	})
	if err != nil || len(missing(ids, accounts)) > 0 || len(accounts) != 2000 {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
	if calls := w.Counts()["GetChildrenAccounts"]; calls != 3 {
		t.Errorf("%d calls", calls)
	}
}

// A service that gives new accounts any ids keeps the strict rule.
func TestGrowthInTheMiddle(t *testing.T) {
	page := func(total int, ids ...int) string {
		rows := make([]string, len(ids))
		for i, id := range ids {
			rows[i] = fmt.Sprintf(`{"account_id": %d, "account_name": "child"}`, id)
		}
		return fmt.Sprintf(`{"result": [%s], "total_count": %d}`, strings.Join(rows, ","), total)
	}
	for name, test := range map[string]struct {
		pages []string // for the offsets 0, 2, and so on; and the answers to the calls that confirm
		says  string
	}{
		"before the offset":    {[]string{page(4, 10, 20), page(5, 20, 30)}, "do not ascend"},
		"behind it":            {[]string{page(4, 10, 20), page(5, 30, 35), page(5, 20), page(5, 40)}, ""},
		"as another one went":  {[]string{page(4, 10, 20), page(5, 30, 40), page(5, 15), page(5, 50)}, "no longer at its place"},
		"nothing is confirmed": {[]string{page(4, 10, 20), page(5, 30, 40), page(5), page(5, 50)}, "no longer at its place"},
		"more than asked for":  {[]string{page(4, 10, 20), page(5, 30, 40), page(5, 20, 30), page(5, 50)}, "no longer at its place"},
		"it shrinks meanwhile": {[]string{page(4, 10, 20), page(5, 30, 40), page(3, 20), page(5, 50)}, "no longer at its place"},
		"grows as it is asked": {[]string{page(4, 10, 20), page(5, 30, 40), page(9, 20), page(6, 50, 60), page(6, 40)}, ""},
		"descends":             {[]string{page(4, 40, 30), page(5, 20, 10)}, "do not ascend"},
		"comes twice":          {[]string{page(3, 10, 20), page(4, 20, 30)}, "do not ascend"},
		"an offset is ignored": {[]string{page(4, 10, 20), page(5, 10, 20)}, "do not ascend"},
		"more than it has":     {[]string{page(4, 10, 20), page(5, 30, 40, 50, 60)}, "more accounts than its total_count"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			r := stub(t, func(w http.ResponseWriter, req *http.Request) {
				respond(200, "application/json", test.pages[min(calls, len(test.pages)-1)])(w, req)
				calls++
			})
			_, _, err := list(r, provider.Known{})
			if test.says == "" && err != nil || test.says != "" && (account.ClassOf(err) != account.Incomplete || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%v; want %q", err, test.says)
			}
		})
	}
}
