package account_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
)

// The whole of Decide. The first row that fits from the top holds; * fits anything.
//
//	id       new: not bound to an account yet; bound: to the account by its id
//	intent   an earlier attempt may have created the account
//	unknown  the outcome of a write is unknown, and the account was not read since
//	fresh    this view was asked for on purpose
//	confirmed the account was read since it was noted that a resource is to be bound to it
//	listed   a complete list was read that would have had the account
//	partial  the provider lists only what it is asked for
//	absent   how many complete lists in a row did not have it
//	account  none seen, one with the exact name, or one with another name
//	claim    in its custom data: ours, theirs (another installation), sibling (another resource), half, none
//	values   as declared (same) or not (differ), not as declared but not kept by the provider (vain), or some of each (mixed)
const decisionTable = `
id     intent  unknown  fresh  confirmed  listed  partial  absent  account  claim    values | step
*      *       yes      no     *          *       *        *       *        *        *      | Read     outcome unknown: read before anything else

*      *       *        *      *          *       *        *       other    *        *      | Missing  our id now is another account: name it, don't touch it
bound  *       *        *      *          *       *        *       exact    *        same   | None
bound  *       *        *      *          *       *        *       exact    *        vain   | None     left alone, and said so
bound  *       *        *      *          *       *        *       exact    *        *      | Update   once bound, the id says whose it is
new    *       *        no     no         *       *        *       exact    ours     *      | Read     found in a list alone: a stale one may not bind
new    *       *        *      *          *       *        *       exact    ours     same   | None     found again: nothing is created
new    *       *        *      *          *       *        *       exact    ours     vain   | None
new    *       *        *      *          *       *        *       exact    ours     *      | Update
new    *       *        *      *          *       *        *       exact    *        *      | Refuse   there already, and not ours

*      *       *        no     *          no      yes      *       none     *        *      | Read     the list wasn't asked for it
*      *       *        no     *          no      no       *       none     *        *      | Wait     nothing is known yet
bound  *       *        *      *          *       *        2       none     *        *      | Missing  two complete lists agree
bound  *       *        *      *          *       *        3       none     *        *      | Missing
bound  *       *        *      *          *       *        *       none     *        *      | Wait     one list is not believed, nor a read alone
new    yes     *        no     *          *       *        *       none     *        *      | Read     it may have been created meanwhile
new    *       *        *      *          *       *        *       none     *        *      | Create
`

var decisionInputs = []struct {
	column string
	values []string
}{
	{"id", []string{"new", "bound"}},
	{"intent", []string{"no", "yes"}},
	{"unknown", []string{"no", "yes"}},
	{"fresh", []string{"no", "yes"}},
	{"confirmed", []string{"no", "yes"}},
	{"listed", []string{"no", "yes"}},
	{"partial", []string{"no", "yes"}},
	{"absent", []string{"0", "1", "2", "3"}},
	{"account", []string{"none", "exact", "other"}},
	{"claim", []string{"ours", "theirs", "sibling", "half", "none"}},
	{"values", []string{"same", "differ", "vain", "mixed"}},
}

type decisionRow struct {
	text string
	in   []string
	step account.Step
}

func (r decisionRow) fits(in []string) bool {
	for i, want := range r.in {
		if want != "*" && want != in[i] {
			return false
		}
	}
	return true
}

func parseDecisionTable(t *testing.T) []decisionRow {
	t.Helper()
	var rows []decisionRow
	for n, line := range strings.Split(strings.TrimSpace(decisionTable), "\n") {
		left, right, _ := strings.Cut(line, "|")
		in := strings.Fields(left)
		if n == 0 {
			for i, input := range decisionInputs {
				if in[i] != input.column {
					t.Fatalf("column %d is %s, want %s", i, in[i], input.column)
				}
			}
		}
		if n == 0 || len(in) == 0 {
			continue
		}
		if len(in) != len(decisionInputs) {
			t.Fatalf("row %q has %d columns, want %d", line, len(in), len(decisionInputs))
		}
		for i, v := range in {
			if v != "*" && !slices.Contains(decisionInputs[i].values, v) {
				t.Fatalf("row %q: %s can't be %s", line, decisionInputs[i].column, v)
			}
		}
		rows = append(rows, decisionRow{line, in, account.Step(strings.Fields(right)[0])})
	}
	return rows
}

// everyInput calls f with each combination of the inputs.
func everyInput(f func(in []string)) {
	in := make([]string, len(decisionInputs))
	var fill func(int)
	fill = func(i int) {
		if i == len(in) {
			f(in)
			return
		}
		for _, v := range decisionInputs[i].values {
			in[i] = v
			fill(i + 1)
		}
	}
	fill(0)
}

var (
	ourClaim = account.Claim{Installation: "blue", Namespace: "telephony", Name: "acme-support"}
	claims   = map[string]string{
		"ours":    ourClaim.CustomData(),
		"theirs":  account.Claim{Installation: "green", Namespace: "telephony", Name: "acme-support"}.CustomData(),
		"sibling": account.Claim{Installation: "blue", Namespace: "telephony", Name: "acme-other"}.CustomData(),
		"half":    `{"accounts.cpaas.dev/claim":{"installation":"blue"}}`,
		"none":    `{"crm":"4711"}`,
	}
)

// subjectAndView makes the arguments of Decide from a combination of the inputs.
func subjectAndView(in []string) (account.Subject, account.View) {
	s := account.Subject{
		Claim: ourClaim, Name: "acme-support", Intent: in[1] == "yes",
		Desired: account.State{"email": "a@acme.example", "active": "true", "minBalanceToNotify": "5.00"},
	}
	if in[0] == "bound" {
		s.ID = "17"
	}
	v := account.View{OutcomeUnknown: in[2] == "yes", Fresh: in[3] == "yes", Confirmed: in[4] == "yes", Listed: in[5] == "yes", Partial: in[6] == "yes"}
	v.Absences, _ = strconv.Atoi(in[7])
	if in[8] == "none" {
		return s, v
	}
	v.Account = &account.Account{ID: "17", Name: "acme-support", CustomData: claims[in[9]], State: account.State{"email": "A@Acme.example", "active": "true", "minBalanceToNotify": "5"}}
	if in[8] == "other" {
		v.Account.Name = "acme-support2"
	}
	if in[10] == "differ" || in[10] == "mixed" {
		v.Account.State["active"] = "false"
	}
	if in[10] == "vain" || in[10] == "mixed" {
		v.Account.State["minBalanceToNotify"] = "0"
		v.NotKept = account.State{"minBalanceToNotify": "5", "email": "other@acme.example"}
	}
	return s, v
}

func TestDecide(t *testing.T) {
	rows := parseDecisionTable(t)
	used := make([]bool, len(rows))
	everyInput(func(in []string) {
		n := slices.IndexFunc(rows, func(r decisionRow) bool { return r.fits(in) })
		if n < 0 {
			t.Fatalf("no row for %v", in)
		}
		used[n] = true
		s, v := subjectAndView(in)
		d := account.Decide(schema, s, v)
		if d.Step != rows[n].step {
			t.Errorf("%v: %s, want %s by row\n%s", in, d.Step, rows[n].step, rows[n].text)
		}
		if problem := inconsistent(d, v, in[10]); problem != "" {
			t.Errorf("%v: %s: %s", in, d.Step, problem)
		}
	})
	for n, ok := range used {
		if !ok {
			t.Errorf("no combination comes to row %q", rows[n].text)
		}
	}
}

// inconsistent says what is wrong with the parts of a decision beside its step.
func inconsistent(d account.Decision, v account.View, values string) string {
	acts := slices.Contains([]account.Step{account.StepNone, account.StepUpdate, account.StepRefuse, account.StepMissing}, d.Step)
	want, vain := v.Account, ""
	if !acts {
		want = nil
	}
	if compared := d.Step == account.StepNone || d.Step == account.StepUpdate; compared && (values == "vain" || values == "mixed") {
		vain = "minBalanceToNotify"
	}
	switch {
	case paths(d.NotKept) != vain:
		return fmt.Sprintf("not kept is %q, want %q", paths(d.NotKept), vain)
	case d.Account != want:
		return fmt.Sprintf("the account is %v, want %v", d.Account, want)
	case (len(d.Changes) > 0) != (d.Step == account.StepUpdate):
		return fmt.Sprintf("the changes are %v", d.Changes)
	case d.Step == account.StepUpdate && paths(d.Changes) != "active":
		return "the changes are " + paths(d.Changes)
	case d.Holder != nil && d.Step != account.StepRefuse:
		return "there is a holder"
	case d.Step == account.StepRefuse:
		holder, claimed := v.Account.Claim()
		if claimed != (d.Holder != nil) || claimed && *d.Holder != holder {
			return fmt.Sprintf("the holder is %v, want %v %v", d.Holder, holder, claimed)
		}
	}
	return ""
}

// A value is left alone only as long as it is declared: another one is worth a new try, and other fields don't mind.
func TestDecideNotKept(t *testing.T) {
	a := &account.Account{ID: "17", Name: "acme-support", State: account.State{"minBalanceToNotify": "0", "location": "UTC"}}
	s := account.Subject{Claim: ourClaim, Name: "acme-support", ID: "17"}
	for name, c := range map[string]struct {
		desired, notKept account.State
		changes, vain    string
	}{
		"the value":          {account.State{"minBalanceToNotify": "5"}, account.State{"minBalanceToNotify": "5"}, "", "minBalanceToNotify"},
		"in other spelling":  {account.State{"minBalanceToNotify": "05.00"}, account.State{"minBalanceToNotify": "5"}, "", "minBalanceToNotify"},
		"another value":      {account.State{"minBalanceToNotify": "6"}, account.State{"minBalanceToNotify": "5"}, "minBalanceToNotify", ""},
		"what it shows":      {account.State{"minBalanceToNotify": "0.00"}, account.State{"minBalanceToNotify": "5"}, "", ""},
		"not declared":       {account.State{}, account.State{"minBalanceToNotify": "5"}, "", ""},
		"another field":      {account.State{"location": "Europe/Berlin"}, account.State{"minBalanceToNotify": "5"}, "location", ""},
		"beside other edits": {account.State{"minBalanceToNotify": "5", "location": "Europe/Berlin"}, account.State{"minBalanceToNotify": "5"}, "location", "minBalanceToNotify"},
	} {
		t.Run(name, func(t *testing.T) {
			s.Desired = c.desired
			d := account.Decide(schema, s, account.View{Listed: true, Account: a, NotKept: c.notKept})
			if paths(d.Changes) != c.changes || paths(d.NotKept) != c.vain {
				t.Errorf("changes %q, not kept %q; want %q, %q", paths(d.Changes), paths(d.NotKept), c.changes, c.vain)
			}
			if want := map[bool]account.Step{true: account.StepNone, false: account.StepUpdate}[c.changes == ""]; d.Step != want {
				t.Errorf("%s, want %s", d.Step, want)
			}
		})
	}
}

// Some plain stories, each by the view that a resource has of it.
func TestDecideStories(t *testing.T) {
	ours := account.Account{ID: "17", Name: "acme-support", CustomData: ourClaim.CustomData(), State: account.State{"email": "a@acme.example"}}
	theirs := ours
	theirs.CustomData = claims["theirs"]
	subject := account.Subject{Claim: ourClaim, Name: "acme-support", Desired: account.State{"email": "a@acme.example"}}
	bound, intent := subject, subject
	bound.ID, intent.Intent = "17", true
	for name, c := range map[string]struct {
		s    account.Subject
		v    account.View
		want account.Step
	}{
		"a new resource before the first list":               {subject, account.View{}, account.StepWait},
		"a new resource":                                     {subject, account.View{Listed: true, Absences: 7}, account.StepCreate},
		"its account was created, the answer got lost":       {intent, account.View{Listed: true, Absences: 7, OutcomeUnknown: true}, account.StepRead},
		"and the look finds it":                              {intent, account.View{Listed: true, Fresh: true, Account: &ours}, account.StepNone},
		"or does not":                                        {intent, account.View{Listed: true, Fresh: true, OutcomeUnknown: true}, account.StepCreate},
		"the operator crashed between intent and call":       {intent, account.View{Listed: true, Absences: 1}, account.StepRead},
		"a cluster rebuilt with the same installation":       {subject, account.View{Listed: true, Account: &ours}, account.StepRead},
		"and its account, read since":                        {subject, account.View{Listed: true, Confirmed: true, Account: &ours}, account.StepNone},
		"a claim written over with another's since the list": {subject, account.View{Listed: true, Fresh: true, Account: &theirs}, account.StepRefuse},
		"the account is removed, one list after":             {bound, account.View{Listed: true, Absences: 1}, account.StepWait},
		"the account is removed, two lists after":            {bound, account.View{Listed: true, Absences: 2}, account.StepMissing},
		"an intent does not make a lost account anew":        {func() account.Subject { s := bound; s.Intent = true; return s }(), account.View{Listed: true, Absences: 9, Fresh: true}, account.StepMissing},
		"a look that finds nothing is not enough to give up": {bound, account.View{Listed: true, Fresh: true}, account.StepWait},
	} {
		t.Run(name, func(t *testing.T) {
			if got := account.Decide(schema, c.s, c.v); got.Step != c.want {
				t.Errorf("%s, want %s", got.Step, c.want)
			}
		})
	}
}

// An account with somebody else's claim changes hands only where the resource names the holder's installation, and after a
// last look; the adoption policy has no say in it.
func TestDecideTakeover(t *testing.T) {
	theirs := account.Claim{Installation: "theirs", Namespace: "telephony", Name: "acme-support"}
	for name, c := range map[string]struct {
		takeover string
		holder   account.Claim
		fresh    bool
		want     account.Step
	}{
		"not asked for":               {"", theirs, true, account.StepRefuse},
		"of another installation":     {"others", theirs, true, account.StepRefuse},
		"of the holder":               {"theirs", theirs, false, account.StepRead},
		"of the holder, looked":       {"theirs", theirs, true, account.StepUpdate},
		"of a resource of our own":    {ourClaim.Installation, account.Claim{Installation: ourClaim.Installation, Namespace: "telephony", Name: "gone"}, true, account.StepUpdate},
		"not asked for, of our own":   {"", account.Claim{Installation: ourClaim.Installation, Namespace: "telephony", Name: "gone"}, true, account.StepRefuse},
		"of whoever has half a claim": {"theirs", account.Claim{Installation: "theirs"}, true, account.StepRefuse},
	} {
		a := &account.Account{ID: "17", Name: "acme-support", State: account.State{"location": "UTC"}, CustomData: c.holder.CustomData()}
		s := account.Subject{Claim: ourClaim, Name: "acme-support", Takeover: c.takeover, Desired: account.State{"location": "Europe/Berlin"}}
		d := account.Decide(schema, s, account.View{Listed: true, Fresh: c.fresh, Account: a})
		if d.Step != c.want {
			t.Errorf("%s: %s, want %s", name, d.Step, c.want)
		}
	}
}

// Where the provider's accounts carry no claims, only the attempt that was stored before the creation says whose one is.
func TestDecideWithoutClaims(t *testing.T) {
	a := &account.Account{ID: "17", Name: "acme-support", State: account.State{"location": "UTC"}}
	sent := &account.Attempt{Sent: account.State{"location": "UTC"}}
	for name, c := range map[string]struct {
		attempt                 *account.Attempt
		refused, claims, fresh  bool
		namesakes               []string
		adopt                   account.Adoption
		observe, bound, missing bool
		want                    account.Step
	}{
		"of our own attempt":                {attempt: sent, fresh: true, want: account.StepNone},
		"of our own attempt, before a look": {attempt: sent, want: account.StepRead},
		"of nobody's":                       {fresh: true, want: account.StepRefuse},
		"there before":                      {attempt: &account.Attempt{Others: []string{"16", "17"}, Sent: sent.Sent}, fresh: true, want: account.StepRefuse},
		"another value than was sent":       {attempt: &account.Attempt{Sent: account.State{"location": "Europe/Berlin"}}, fresh: true, want: account.StepRefuse},
		"every attempt was refused":         {attempt: sent, refused: true, fresh: true, want: account.StepRefuse},
		"may be adopted":                    {fresh: true, adopt: account.AdoptAlways, want: account.StepNone},
		"a provider with claims":            {attempt: sent, claims: true, fresh: true, want: account.StepRefuse},
		"two have the name":                 {attempt: sent, fresh: true, namesakes: []string{"17", "18"}, want: account.StepRefuse},
		"two have the name, and may be":     {fresh: true, namesakes: []string{"17", "18"}, adopt: account.AdoptAlways, want: account.StepRefuse},
		"two have the name, to be observed": {fresh: true, namesakes: []string{"17", "18"}, observe: true, want: account.StepRefuse},
		"two have the name, one is bound":   {bound: true, namesakes: []string{"17", "18"}, want: account.StepNone},
		"none, before a look":               {missing: true, want: account.StepRead},
		"none":                              {missing: true, fresh: true, want: account.StepCreate},
	} {
		s := account.Subject{Claim: ourClaim, Name: "acme-support", Intent: c.attempt != nil, Attempt: c.attempt, Refused: c.refused, Policy: account.Policy{Adopt: c.adopt, Observe: c.observe}}
		v := account.View{Listed: true, Fresh: c.fresh, Claimless: !c.claims, Account: a, Namesakes: c.namesakes}
		if c.bound {
			s.ID = a.ID
		}
		if c.missing {
			v.Account = nil
		}
		d := account.Decide(schema, s, v)
		if d.Step != c.want {
			t.Errorf("%s: %s, want %s", name, d.Step, c.want)
		}
		if len(d.Namesakes) > 0 != (len(c.namesakes) > 0 && !c.bound) {
			t.Errorf("%s: namesakes %v", name, d.Namesakes)
		}
	}
}

// An account that was created and isn't shown yet is neither created again nor given up.
func TestDecideAwaited(t *testing.T) {
	s := account.Subject{Claim: ourClaim, Name: "acme-support", Intent: true}
	for name, c := range map[string]struct {
		v    account.View
		want account.Step
	}{
		"before a look":        {account.View{Listed: true, Awaited: true}, account.StepRead},
		"outcome unknown, too": {account.View{Listed: true, Awaited: true, OutcomeUnknown: true}, account.StepRead},
		"a look shows it not":  {account.View{Listed: true, Awaited: true, Fresh: true}, account.StepWait},
		"not awaited":          {account.View{Listed: true, Fresh: true}, account.StepCreate},
	} {
		if d := account.Decide(schema, s, c.v); d.Step != c.want {
			t.Errorf("%s: %s, want %s", name, d.Step, c.want)
		}
	}
}

// A name that can't be changed tells one account from another for ever; one that can does so until an id is bound.
func TestDecideByTheNamesField(t *testing.T) {
	byMail := account.Schema{{Path: "mail", Identity: true, Settable: true, Updatable: true, Readable: true, Canonical: account.CanonicalEmail}}
	a := &account.Account{ID: "17", Name: "old@acme.example", State: account.State{"mail": "old@acme.example"}, CustomData: ourClaim.CustomData()}
	for name, c := range map[string]struct {
		schema account.Schema
		id     string
		want   account.Step
		mail   string
	}{
		"bound, the name changes":      {byMail, "17", account.StepUpdate, "new@acme.example"},
		"bound, another spelling":      {byMail, "17", account.StepNone, "OLD@acme.example"},
		"unbound, another spelling":    {byMail, "", account.StepNone, "OLD@acme.example"},
		"unbound, another name":        {byMail, "", account.StepMissing, "new@acme.example"},
		"bound, a name that is fixed":  {schema, "17", account.StepMissing, "new@acme.example"},
		"bound, a table without names": {nil, "17", account.StepMissing, "new@acme.example"},
	} {
		s := account.Subject{Claim: ourClaim, Name: c.mail, ID: c.id, Desired: account.State{"mail": c.mail}}
		if d := account.Decide(c.schema, s, account.View{Listed: true, Fresh: true, Account: a}); d.Step != c.want {
			t.Errorf("%s: %s, want %s", name, d.Step, c.want)
		}
	}
}
