// Package mutants shows that the tests of docs/reliability.md and docs/chaos.md can fail: each mutant is an operator with
// one thing wrong, and the test that has to notice it. Nothing in the tree is changed: the go command overlays the files.
package mutants

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const top = "../.."

// mutant is an operator with one thing wrong.
type mutant struct {
	name  string
	wrong []edit
	// test has to fail and say so.
	pkg, test, says string
}

// edit puts one text in the place of another, which stands in the file once.
type edit struct{ file, right, wrong string }

const (
	decide   = "internal/account/decide.go"
	lists    = "internal/directory/list_reader.go"
	budget   = "internal/pacing/budget.go"
	steps    = "internal/plan/plan.go"
	deletion = "internal/plan/deletion.go"
	execute  = "internal/engine/execute.go"
	observe  = "internal/engine/observe.go"
	counts   = "internal/engine/guard.go"
	status   = "internal/engine/status.go"
	plans    = "internal/engine/plans.go"
	keys     = "internal/engine/servicekey.go"
	store    = "internal/secrets/connection.go"
	settled  = "internal/secrets/servicekeyplan.go"
	intents  = "internal/secrets/intent.go"
	absences = "internal/changeguard/absences.go"

	crash = "crashtest"
	chaos = "chaostest"
)

var mutants = []mutant{
	{"takes an account that somebody else has claimed", []edit{
		{decide, "case claimed && claim == s.Claim:", "case claimed:"},
	}, crash, "TestEveryCrash/of/claimed_elsewhere$", "which is not ours"},
	{"takes an account that somebody else has claimed, amidst chaos", []edit{
		{decide, "case claimed && claim == s.Claim:", "case claimed:"},
	}, chaos, "TestChaos$", "which is not ours"},
	{"writes to the account before its own, too", []edit{
		{execute, "import (\n", "import (\n	\"fmt\"\n"},
		{execute, "	err := s.dir.Update(ctx, r.target(step.AccountID), changes)\n",
			"	var id int\n	_, _ = fmt.Sscan(step.AccountID, &id)\n	_ = s.dir.Update(ctx, r.target(fmt.Sprint(id-7)), changes)\n" +
				"	err := s.dir.Update(ctx, r.target(step.AccountID), changes)\n"},
	}, crash, "TestEveryCrash/of/deactivate$", "which is not ours"},
	{"creates before it has looked", []edit{
		{lists, "func (l *listReader) refresh(ctx context.Context, known Known) error {\n", "func (l *listReader) refresh(ctx context.Context, known Known) error {\n	return nil\n"},
		{decide, "func decideAbsent(s Subject, v View) Decision {\n	switch {\n",
			"func decideAbsent(s Subject, v View) Decision {\n	switch {\n	case s.ID == \"\" && !s.Policy.Observe:\n		return Decision{Step: StepCreate}\n"},
		{store, "case c.UID != \"\" && !known:", "case false:"},
	}, crash, "TestEveryCrash/of/create$/once/after_AddAccount", "created again without a look"},
	{"creates again after a lost answer without a look", []edit{
		{decide, "case v.OutcomeUnknown && !v.Fresh:", "case false:"},
		{decide, "case (s.Intent || s.Retried || v.Claimless) && !v.Fresh:", "case false:"},
		{store, "case c.UID != \"\" && !known:", "case false:"},
	}, chaos, "TestChaos$", "without a look"},
	{"records no attempt", []edit{
		{intents, "	if c.UID == \"\" {\n", "	if true {\n"},
	}, crash, "TestEveryCrash/of/create$", "no attempt is recorded"},
	{"adds no finalizer", []edit{
		{steps, "if in.Resource.Finalizer || !in.Resource.NeedsFinalizer {", "if true {"},
	}, crash, "TestEveryCrash/of/delete,_with_deletionPolicy_Deactivate$", "finalizer"},
	{"does not store the password before the account has it", []edit{
		{execute, "		r.password, err = r.Connections.Prepare(ctx, c, knownValues(r.s))\n", "		r.password = c.Generated\n"},
	}, crash, "TestEveryCrash/of/create$", "the password is not stored"},
	{"believes that an account has not the password that was prepared for it", []edit{
		{store, "		case is:\n			return password, nil, nil\n", ""},
	}, crash, "TestEveryCrash/of/recreate,_after_an_adoption$/once/after_AddAccount", "password"},
	{"believes a list that lacks too many accounts", []edit{
		{absences, "len(fresh) > 0 && counted+len(fresh) > most {\n", "false {\n"},
	}, crash, "TestEveryCrash/of/wrongly_empty_list$", "does not say that accounts are missing"},
	{"requests a plan before that is stored", []edit{
		{plans, "	if err := r.reporter.patchStatus(ctx, s); err != nil {\n		endPlan(r, p)\n", "	if err := error(nil); err != nil {\n		endPlan(r, p)\n"},
	}, crash, "TestEveryCrash/of/buy_a_plan$", "no request of plan 11 is recorded"},
	{"makes a service-account key before the attempt is stored", []edit{
		{keys, "		if out := recordServiceKeys(ctx, r, keys, nil); out != nil || s.serviceKey.state != nil {\n			return out\n		}\n", ""},
	}, crash, "TestEveryCrash/of/create,_with_a_plan_and_a_service-account_key$", "no attempt is recorded to make service-account key"},
	{"leaves a service-account key whose private key was lost", []edit{
		{settled, "known[l.ID], out.Delete = true, append(out.Delete, l)\n			}", "known[l.ID] = true\n			}"},
	}, crash, "TestEveryCrash/of/create,_with_a_plan_and_a_service-account_key$/once/after_CreateKey", "service-account keys at the provider"},
	{"does not look for a lost API key", []edit{
		{steps, "if !in.NoKeys && (content == nil || !content.APIKey) {", "if false {"},
	}, crash, "TestEveryCrash/of/create$/once/after_AddAccount", "apiKey"},
	{"believes after a restart that the connection Secret is as it was", []edit{
		{observe, "settled = c.ObservedGeneration == s.obj.GetGeneration() && e.secretIntact(ctx, s)", "settled = true"},
	}, crash, "TestEveryCrash/of/connection_Secret_renamed$/once/before_create_Secret", "not found"},
	{"says nothing after a restart of what was done before", []edit{
		{status, "	if !equality.Semantic.DeepEqual(&s.was, s.status) {\n", "	if len(s.written) == 0 && s.was.AccountID != \"\" {\n		return true\n	}\n	if !equality.Semantic.DeepEqual(&s.was, s.status) {\n"},
	}, crash, "TestEveryCrash/of/update$/once/before_patch_ChildAccount", "to equal"},
	{"switches off what is deleted under Retain", []edit{
		{observe, "NeedsFinalizer: s.declared.Deactivate &&", "NeedsFinalizer: true ||"},
		{deletion, "case !d.Deactivate, !bound", "case !bound"},
	}, crash, "TestEveryCrash/of/delete,_with_deletionPolicy_Retain$", "active"},
	{"switches off what is deleted under Retain, amidst chaos", []edit{
		{observe, "NeedsFinalizer: s.declared.Deactivate &&", "NeedsFinalizer: true ||"},
		{deletion, "case !d.Deactivate, !bound", "case !bound"},
	}, chaos, "TestChaos$", "which nobody asked for"},
	{"switches off what is off", []edit{
		{deletion, "case in.Schema.Deactivated(a.State), ", "case "},
	}, crash, "TestEveryCrash/of/delete,_with_deletionPolicy_Deactivate$/once/after_SetChild", "times that the account was switched off"},
	{"does not count what it switches off", []edit{
		{counts, "	return e.changes.Note(ctx, c, e.Clock.Now(), s.parent.Storage)\n", "	_ = c\n	return nil\n"},
	}, crash, "TestEveryCrash/of/deactivate$", "deactivations that count"},
	{"keeps to no rate", []edit{
		{budget, "b.next = b.next.Add(interval)", "b.next = b.next.Add(interval / 100)"},
	}, chaos, "TestChaos$", "calls within a second"},
}

// Whoever changes a line that a mutant has wrong hears of it at once.
func TestEveryMutantFits(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) { m.overlay(t) })
	}
}

func TestEveryMutantIsNoticed(t *testing.T) {
	if os.Getenv("MUTANTS") == "" {
		t.Skip("make test-mutants runs it: it takes minutes")
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			said, err := m.run(t)
			switch {
			case err == nil:
				t.Errorf("%s passes", m.test)
			case !strings.Contains(said, m.says):
				t.Errorf("%s fails, but does not say %q:\n%s", m.test, m.says, said)
			}
		})
	}
}

// run runs the mutant's test.
func (m mutant) run(t *testing.T) (said string, err error) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", m.overlay(t), "-count=1", "-run", m.test, "./internal/"+m.pkg)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "TEST_ALL=1", "CRASH_PAIRS=0", "CRASH_PATIENCE=15s", "CHAOS_FOR=40s")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "[build failed]") {
		t.Fatalf("not Go:\n%s", out)
	}
	return string(out), err
}

// overlay is a file that tells the go command what to read in place of what.
func (m mutant) overlay(t *testing.T) string {
	dir := t.TempDir()
	texts := map[string]string{}
	for _, e := range m.wrong {
		text, read := texts[e.file]
		if !read {
			b, err := os.ReadFile(filepath.Join(top, e.file))
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		if strings.Count(text, e.right) != 1 {
			t.Fatalf("%s has not exactly one %q", e.file, e.right)
		}
		texts[e.file] = strings.Replace(text, e.right, e.wrong, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		path, err := filepath.Abs(filepath.Join(top, file))
		if err != nil {
			t.Fatal(err)
		}
		replace[path] = filepath.Join(dir, filepath.Base(file))
		write(t, replace[path], []byte(text))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	write(t, path, overlay)
	return path
}

func write(t *testing.T, path string, text []byte) {
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
