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
	name string
	// edits are what is wrong, by file: one text in place of another that stands there once.
	edits map[string][2]string
	// test has to fail and say so.
	pkg, test, says string
	env             []string
}

const (
	decide   = "internal/account/decide.go"
	apply    = "controllers/childaccount_apply.go"
	release  = "controllers/childaccount_release.go"
	scope    = "controllers/childaccount_status.go"
	settled  = "controllers/scope.go"
	remote   = "internal/voximplant/remote.go"
	budget   = "internal/directory/budget.go"
	rotation = "controllers/rotation.go"
)

var mutants = []mutant{
	{
		name: "takes an account that somebody else has claimed",
		edits: map[string][2]string{
			decide: {"case claimed && claim == s.Claim:", "case claimed:"},
		},
		pkg: "crashtest", test: "TestEveryCrash/of/claimed_elsewhere$", says: "ClaimedElsewhere",
	},
	{
		name: "writes to the account next to its own, too",
		edits: map[string][2]string{
			remote: {"	ids = distinct(ids)\n", "	ids = distinct(ids)\n	if n, err := strconv.ParseInt(ids[0], 10, 64); err == nil {\n		ids = append(ids, strconv.FormatInt(n-1, 10))\n	}\n"},
		},
		pkg: "crashtest", test: "TestEveryCrash/of/update$", says: "not ours",
	},
	{
		name: "creates again without a look: at the start",
		edits: map[string][2]string{
			decide: {"func decideAbsent(s Subject, v View) Decision {\n	switch {\n", "func decideAbsent(s Subject, v View) Decision {\n	switch {\n	case s.ID == \"\" && !s.Policy.Observe:\n		return Decision{Step: StepCreate}\n"},
		},
		pkg: "crashtest", test: "TestEveryCrash/of/create$/after_AddAccount", says: "created again without a look",
	},
	{
		name: "stores no intent",
		edits: map[string][2]string{
			apply: {"if intent && !s.intends() {", "if false && intent {"},
		},
		pkg: "crashtest", test: "TestEveryCrash/of/create$", says: "no intent is stored",
	},
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
	cmd.Env = append(append(os.Environ(), "TEST_ALL=1", "CRASH_PAIRS=0"), m.env...)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "[build failed]") {
		t.Fatalf("not Go:\n%s", out)
	}
	return string(out), err
}

// overlay is a file that tells the go command what to read in place of what.
func (m mutant) overlay(t *testing.T) string {
	dir := t.TempDir()
	replace := map[string]string{}
	for file, edit := range m.edits {
		path, err := filepath.Abs(filepath.Join(top, file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), edit[0]) != 1 {
			t.Fatalf("%s has not exactly one %q", file, edit[0])
		}
		replace[path] = filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		write(t, replace[path], []byte(strings.Replace(string(text), edit[0], edit[1], 1)))
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
