package voximplant

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// store gives accounts custom data of so many characters.
func (w *world) store(t *testing.T, ids []string, characters int) {
	t.Helper()
	for _, id := range ids {
		if err := w.SetField(idOf(t, id), "account_custom_data", strings.Repeat("x", characters)); err != nil {
			t.Fatal(err)
		}
	}
}

// ranges are the pages that were requested since the last time: "offset+count".
func (w *world) ranges() (out []string) {
	for _, c := range w.Calls() {
		if c.Method == methodGetChildrenAccounts {
			offset := "0"
			if c.Params["offset"] != "" {
				offset = c.Params["offset"]
			}
			out = append(out, offset+"+"+c.Params["count"])
		}
	}
	w.ResetCalls()
	return out
}

// wantList reads the whole list, which has to have all the ids, by these requests.
func (w *world) wantList(t *testing.T, what string, ids []string, requests ...string) {
	t.Helper()
	accounts, _, err := list(w.Remote, provider.Known{IDs: ids})
	if err != nil || !slices.Equal(idsOf(accounts), ids) {
		t.Fatalf("%s: %d accounts, %v", what, len(accounts), err)
	}
	if got := w.ranges(); !slices.Equal(got, requests) {
		t.Errorf("%s: requested %v; want %v", what, got, requests)
	}
}

// 1,000 accounts with 8,000 characters of custom data, as much as a tenant can write, are more than a page may have.
func TestPageThatIsTooLarge(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1000)
	w.store(t, ids, 8000)
	w.wantList(t, "the first list", ids, "0+1000", "0+500", "500+500")
	for _, e := range w.seen.errors {
		if e != nil && (e.Class != account.Unavailable || !e.Answered) {
			t.Errorf("%+v counts as no answer, of which three in a row stop all calls", e)
		}
	}
	w.wantList(t, "the next list", ids, "0+500", "500+500")
	w.wantList(t, "and the one after it", ids, "0+500", "500+500")
	more := append(slices.Clone(ids), w.more(t, 1)...)
	w.wantList(t, "one more account", more, "0+500", "500+500", "1000+500")
}

// more puts n more accounts under the parent.
func (w *world) more(t *testing.T, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		name := fmt.Sprintf("more-%d-%d", len(w.Accounts(w.parent.ID)), i)
		ids[i] = fmt.Sprint(w.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": name, "account_email": name + "@example.com"}}).ID)
	}
	return ids
}

// smallPages is a limit at which some hundred accounts of the simulator's fit a page.
const smallPages = 256 << 10

func withSmallPages(c *Config) { c.MaxList = smallPages }

// Large accounts in one place make the pages smaller there, and nowhere else.
func TestLargeAccountsInOnePlace(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, func(c *Config) { c.MaxList = 2 << 20 })
	ids := w.children(2000)
	w.store(t, ids[1000:1400], 8000)
	accounts, _, err := list(w.Remote, provider.Known{})
	if err != nil || !slices.Equal(idsOf(accounts), ids) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	first := w.ranges()
	accounts, _, err = list(w.Remote, provider.Known{})
	if err != nil || !slices.Equal(idsOf(accounts), ids) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	second := w.ranges()
	t.Logf("first %v, then %v", first, second)
	if len(second) >= len(first) || len(second) > 6 || !slices.Contains(second, "0+1000") {
		t.Errorf("requested %v after %v", second, first)
	}
	w.wantList(t, "the same again", ids, second...)
	for _, e := range w.seen.errors[len(first):] {
		if e != nil {
			t.Errorf("a page that is known to be too large was requested: %v", e)
		}
	}

	w.store(t, ids[1000:1400], 1)
	for range 12 {
		w.ranges()
		if accounts, _, err := list(w.Remote, provider.Known{}); err != nil || !slices.Equal(idsOf(accounts), ids) {
			t.Fatalf("%d accounts, %v", len(accounts), err)
		}
	}
	if got := w.ranges(); len(got) > 3 {
		t.Errorf("the accounts are small again, but %v is requested", got)
	}
	for _, e := range w.seen.errors[len(first):] {
		if e != nil {
			t.Errorf("pages became too large again: %v", e)
		}
	}
}

// An account that is too large by itself is named, along with what to do, and not looked for anew by each list.
func TestOneAccountThatIsTooLarge(t *testing.T) {
	for name, settings := range map[string]simulator.Settings{
		"all": {}, "unfiltered": {RefuseAll: true}, "known": {RefuseAll: true, RefuseUnfiltered: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, settings, withSmallPages)
			ids := w.children(300)
			w.store(t, ids[123:124], smallPages)
			known := provider.Known{IDs: ids}
			for i := range 3 {
				w.ranges()
				accounts, _, err := list(w.Remote, known)
				e := wantError(t, err, account.Unavailable, false)
				for _, says := range []string{"account " + ids[123] + " (child-00123) alone is larger than the 262144 bytes", "custom data"} {
					if !strings.Contains(e.Message, says) || !e.Answered {
						t.Errorf("%+v; want %q in it", e, says)
					}
				}
				if len(accounts) != 123 {
					t.Errorf("%d accounts before it", len(accounts))
				}
				if got := w.ranges(); i > 0 && len(got) > 6+4 { // the ways that are refused at first
					t.Errorf("list %d requested %v", i, got)
				}
			}
			w.store(t, ids[123:124], 8000)
			if accounts, _, err := list(w.Remote, known); err != nil || !slices.Equal(idsOf(accounts), ids) {
				t.Errorf("once it was shortened: %d accounts, %v", len(accounts), err)
			}
		})
	}
}

// A service that says nothing more of the account has it named by what is known.
func TestOneAccountThatIsTooLargeAndHasNoName(t *testing.T) {
	row := `{"account_id": 5, "account_name": "` + strings.Repeat("x", 2000) + `"}`
	r := stub(t, respond(200, "application/json", `{"result": [`+row+`], "total_count": 1}`), func(c *Config) { c.MaxList = 1000 })
	_, _, err := list(r, provider.Known{})
	if e := wantError(t, err, account.Unavailable, false); !strings.Contains(e.Message, "the account at offset 0 alone") {
		t.Error(e)
	}
	_, err = r.Get(context.Background(), provider.Selector{IDs: []string{"5"}})
	if e := wantError(t, err, account.Unavailable, false); !strings.Contains(e.Message, "account 5 alone") {
		t.Error(e)
	}
}

// What is too large and no list is not requested in parts.
func TestAnswersThatAreTooLargeAndNoList(t *testing.T) {
	for name, body := range map[string]string{
		"blanks":             strings.Repeat(" ", 2000),
		"HTML":               "<html>" + strings.Repeat("x", 2000),
		"an error":           `{"error": {"code": 1, "msg": "` + strings.Repeat("x", 2000) + `"}}`,
		"a result of blanks": `{"result":` + strings.Repeat(" ", 20_000) + `[]}`,
		"more than asked":    `{"result":[` + strings.Repeat(`{"account_id":1},`, 2000) + `{"account_id":1}]}`,
	} {
		var calls int
		handler := func(w http.ResponseWriter, r *http.Request) {
			calls++
			respond(200, "application/json", body)(w, r)
		}
		limit := int64(1000)
		if name == "more than asked" {
			limit = 20_000
		}
		_, _, err := list(stub(t, handler, func(c *Config) { c.MaxList = limit }), provider.Known{})
		if e := wantError(t, err, account.Unavailable, false); e.Answered || calls != 1 {
			t.Errorf("%s: %d calls, %+v", name, calls, e)
		}
	}
}

// Reads by id, by name and of API keys are made in parts, too.
func TestReadsThatAreTooLarge(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, withSmallPages, withParentKey)
	ids := w.children(200)
	w.store(t, ids, 8000)
	found, err := w.Get(context.Background(), provider.Selector{IDs: ids})
	if err != nil || !slices.Equal(idsOf(found), ids) {
		t.Errorf("by id: %d, %v", len(found), err)
	}
	if found, err = w.Get(context.Background(), provider.Selector{Names: []string{"child-0", "child-00199"}}); err != nil || len(found) != 1 {
		t.Errorf("by name: %v, %v", found, err)
	}
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			a, _ := w.AccountByID(idOf(t, id))
			if key, err := w.RecoverKey(context.Background(), id, ""); err != nil || key.Reveal() != a.APIKey() {
				t.Errorf("key of %s: %v, %v", id, key, err)
			}
		})
	}
	all.Wait()
}

func TestPagePlans(t *testing.T) {
	p := &pagePlan{most: 1000, count: maxPage}
	if n := p.at(0); n != maxPage {
		t.Error(n)
	}
	p.split(pageRange{offset: 0, count: 1000}, 500)
	p.split(pageRange{offset: 0, count: 500}, 250)
	for offset, want := range map[int]int{0: 250, 100: 150, 250: 250, 499: 1, 500: 500, 1000: 250} {
		if n := p.at(offset); n != want {
			t.Errorf("%d at %d; want %d", n, offset, want)
		}
	}
	p.add(pageRange{offset: 0, count: 250, size: 400})
	if n := p.at(2000); n != 250 {
		t.Errorf("%d after a page that fills almost half of what may be", n)
	}
	p.add(pageRange{offset: 250, count: 250, size: 375})
	if n := p.at(2000); n != 500 {
		t.Errorf("%d after a page of which two fit", n)
	}
	p.add(pageRange{offset: 500, count: 500, size: 300})
	// The first two have 775 bytes together, of the 750 that are certain to fit; the second and the third 675.
	want := []pageRange{{0, 250, 400}, {250, 750, 675}}
	if got := p.next(); !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

// A list that fails on the way has learnt what it has seen, and forgets nothing of what follows.
func TestPagesOfAListThatFails(t *testing.T) {
	sizes := &pageSizes{}
	s := sizes.begin(1000)
	s.tooLarge(0, 1000, 100)
	for offset, count := range map[int]int{0: 75, 75: 925} {
		if n := s.at(offset); n != count {
			t.Errorf("%d at %d; want %d", n, offset, count)
		}
	}
	s.read(0, 75, 900)
	sizes.keep(s)
	s = sizes.begin(1000)
	if first, then := s.at(0), s.at(75); first != 75 || then != 925 {
		t.Errorf("%d, then %d", first, then)
	}
	sizes.keep(s) // nothing was read
	if s = sizes.begin(1000); s.at(0) != 75 {
		t.Error("forgotten")
	}
	s.read(0, 75, 10)
	s.read(75, 925, 10)
	sizes.keep(s)
	if sizes.pages != nil {
		t.Errorf("%v is kept, though each page is as large as pages can be", sizes.pages)
	}
}
