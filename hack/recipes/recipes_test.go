// Package recipes proves what CONTRIBUTING.md says of adding a field, a reason, a kind and so on: its tests make such additions, as
// the recipes say, to a copy of the tree. What they add is also the example to go by.
package recipes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/hack/internal/treecopy"
)

const top = "../.."

// recipes are all of CONTRIBUTING.md's.
var recipes = []recipe{
	{name: "field", heading: "A new field", forgotten: []string{"ChildAccount: spec.exampleNote is missing in the README's table of fields"}},
	{name: "reason", heading: "A new reason", forgotten: []string{"ReasonExampleBusy: on a child false, on a parent false"}},
	{name: "retry", heading: "A new retry rule", forgotten: []string{"ChildAccount, RoleMissing: the retry rule (after 1 h to 24 h) has no case in retryCases"}},
	{name: "metric", heading: "A new metric", forgotten: []string{"docs/metrics.md is not as the test makes it"}},
	{name: "call", heading: "A new call", forgotten: []string{"code 599 is not documented"}},
	{name: "kind", heading: "A new kind", forgotten: []string{
		"*ExampleAccount does not implement", // make generate
		"README.md has no table that starts with | ExampleAccount | |",
	}},
	{name: "provider", heading: "A new provider", forgotten: []string{"the tree in docs/design.md does not have internal/example"}},
}

// generated is what the recipes' commands make of it.
var generated = []string{
	"api/v1alpha1/zz_generated.deepcopy.go", "config/crd/bases/accounts.cpaas.dev_childaccounts.yaml",
	"config/crd/bases/accounts.cpaas.dev_exampleaccounts.yaml", "config/rbac/role/role.yaml",
	"docs/api.md", "docs/conditions.md", "docs/design.md", "docs/metrics.md", "docs/rbac.md",
}

var (
	recipeHeading = regexp.MustCompile(`(?m)^### (A new .*)$`)
	codeSpan      = regexp.MustCompile("`([^`\n]+)`")
	identifier    = regexp.MustCompile(`^[A-Za-z]\w*(\.\w+)?$`)
)

// section is a recipe's text in CONTRIBUTING.md.
func (r recipe) section(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n### "+r.heading+"\n")
	if !found {
		t.Fatalf("CONTRIBUTING.md has no recipe %q", r.heading)
	}
	section, _, _ = strings.Cut(section, "\n#")
	return section
}

// spans are the pieces of code in a text.
func spans(text string) (out []string) {
	for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// Each recipe names the files and tables that its example changes, and what it names is there. The edits fit the tree.
func TestRecipesNameTheirPlaces(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(recipeHeading.FindAll(text, -1)); n != len(recipes) {
		t.Errorf("CONTRIBUTING.md has %d recipes, of which %d are tried", n, len(recipes))
	}
	tree := map[string]string{}
	for _, r := range recipes {
		named := spans(r.section(t))
		for _, e := range r.edits(t) {
			for _, name := range append(e.names, e.file) {
				if !slices.Contains(named, name) {
					t.Errorf("%s: the recipe does not name %s, where its example changes %s", r.heading, name, e.file)
				}
			}
			if _, read := tree[e.file]; !read {
				tree[e.file] = readFile(t, filepath.Join(top, e.file))
			}
			if tree[e.file], err = e.in(tree[e.file]); err != nil {
				t.Errorf("%s: %v", r.heading, err)
			}
		}
		checkNamed(t, r, named)
	}
}

// checkNamed checks that the identifiers a recipe names are in one of the files that it names.
func checkNamed(t *testing.T, r recipe, named []string) {
	t.Helper()
	var files []string
	for _, name := range named {
		if info, err := os.Stat(filepath.Join(top, name)); err == nil && !info.IsDir() {
			files = append(files, readFile(t, filepath.Join(top, name)))
		}
	}
	for _, name := range named {
		if !identifier.MatchString(name) || slices.Contains([]string{"README.md", "CONTRIBUTING.md"}, name) {
			continue
		}
		whole := regexp.MustCompile(`\b` + regexp.QuoteMeta(name[strings.LastIndex(name, ".")+1:]) + `\b`)
		if !slices.ContainsFunc(files, whole.MatchString) {
			t.Errorf("%s: no file that the recipe names has %s", r.heading, name)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// All additions are made to one copy of the tree. While steps are forgotten, a test says so of each; once all are taken, the tree
// builds, and the tests of the tables pass as they are, with those that use what was added.
func TestRecipes(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("slow: TEST_ALL=1")
	}
	tree := copied(t)
	changed := slices.Clone(generated)
	for _, r := range recipes {
		for name, text := range r.files(t) {
			write(t, filepath.Join(tree, name), text)
			changed = append(changed, name)
		}
		for _, e := range r.edits(t) {
			changed = append(changed, e.file)
		}
	}
	takeSteps := func(which func(edit) bool) {
		for _, r := range recipes {
			for _, e := range r.edits(t) {
				if which(e) {
					apply(t, tree, e)
				}
			}
		}
	}
	takeSteps(func(e edit) bool { return !e.forgotten })
	said := fails(t, tree, "go", "list", "-export", "-f", "", "./api/v1alpha1")
	run(t, tree, "make", "generate", "manifests")
	said += fails(t, tree, "go", "test", "-vet=off", "-run", "^(TestEveryReasonHasARow|TestEveryRetryHasACase|TestEveryDocumentedCodeHasARow)$",
		"./internal/conditions", "./internal/voximplant")
	takeSteps(func(e edit) bool { return e.forgotten && !forPeople(e) })
	run(t, tree, "go", "list", "-export", "-f", "", "./...") // builds all, and links nothing
	run(t, tree, "go", "test", "-vet=off", "-ldflags=-s -w", "-c", "-o", "bin/", "./internal/conditions", "./internal/docs", "./internal/metrics")
	built := func(do func(*testing.T, string, string, ...string) string, of, tests string) string {
		return do(t, filepath.Join(tree, "internal", of), "../../bin/"+of+".test", "-test.run="+tests)
	}
	said += built(fails, "docs", "^(TestFieldTables|TestTree)$") + built(fails, "metrics", "^TestMetricsDoc$")
	for _, r := range recipes {
		for _, words := range r.forgotten {
			if !strings.Contains(said, words) {
				t.Errorf("%s: nothing says that a step is forgotten (%s):\n%s", r.heading, words, said)
			}
		}
	}
	takeSteps(func(e edit) bool { return e.forgotten && forPeople(e) })

	t.Setenv("UPDATE_DOCS", "1")
	built(run, "conditions", "ConditionsDoc")
	built(run, "metrics", "MetricsDoc")
	built(run, "docs", "PictureOfThePackages")
	t.Setenv("UPDATE_DOCS", "")
	built(run, "conditions", "Argo|Class|Doc|Fail|Pause|Reason|Retry|Row")
	built(run, "docs", "")
	run(t, tree, "go", "test", "-vet=off", "./internal/account", "./internal/example", "./internal/simulator", "./internal/voximplant")
	t.Setenv("UPDATE_DOCS", "1")
	out := run(t, tree, "go", "test", "-vet=off", "-p", "1", "./controllers", "./config", "-run", "^TestSpecs$", "-v", "-timeout", "10m", "-ginkgo.no-color",
		"-ginkgo.focus", "that was just added|each of those that are documented|from which docs/rbac.md is made")
	if !strings.Contains(out, "\nRan 3 of ") || !strings.Contains(out, "\nRan 1 of ") {
		t.Errorf("not all that was added was tried:\n%s", out)
	}
	checkChanged(t, tree, changed)
}

// forPeople says whether an edit is of a document or manifest: no Go code changes by it.
func forPeople(e edit) bool { return filepath.Ext(e.file) != ".go" && filepath.Ext(e.file) != ".tsv" }

// checkChanged checks that no other files have changed, and that those are formatted.
func checkChanged(t *testing.T, tree string, want []string) {
	t.Helper()
	want = slices.Compact(slices.Sorted(slices.Values(want)))
	changed := strings.Fields(run(t, tree, "git", "ls-files", "--modified", "--others", "--exclude-standard"))
	if slices.Sort(changed); !slices.Equal(changed, want) {
		t.Errorf("changed are\n%v, want\n%v", changed, want)
	}
	isNotGo := func(file string) bool { return filepath.Ext(file) != ".go" }
	if unformatted := run(t, tree, "gofmt", append([]string{"-l"}, slices.DeleteFunc(want, isNotGo)...)...); unformatted != "" {
		t.Errorf("not formatted: %s", unformatted)
	}
}

// apply makes an edit in a copy of the tree.
func apply(t *testing.T, tree string, e edit) {
	t.Helper()
	name := filepath.Join(tree, e.file)
	text, err := e.in(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, []byte(text))
}

// copied is a copy of the tree as it is here, as a git repository of its own.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "tree")
	if err := treecopy.Copy(top, to); err != nil {
		t.Fatal(err)
	}
	run(t, to, "git", "init", "-q")
	run(t, to, "git", "add", "-A")
	return to
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command in a folder and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := output(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// fails runs a command that has to fail, and returns what it prints.
func fails(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := output(t, dir, name, args...)
	if err == nil {
		t.Errorf("%s %s passes, although a step is forgotten:\n%s", name, strings.Join(args, " "), out)
	}
	return out
}

// output runs a command in a folder, without what a make or a git that runs this would tell it. What it prints to stderr stands
// behind the rest where it fails.
func output(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") || strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "TEST_ALL")
	})
	command.Env = append(command.Env, "GOFLAGS=-trimpath", "CGO_ENABLED=0") // what make build has compiled serves all copies
	var stderr bytes.Buffer
	command.Stderr = &stderr
	start := time.Now()
	out, err := command.Output()
	t.Logf("%.1f s: %s %.60s", time.Since(start).Seconds(), name, strings.Join(args, " "))
	if err != nil {
		out = append(out, stderr.Bytes()...)
	}
	return string(out), err
}
