// Package newfield proves what CONTRIBUTING.md says of adding a field: one row in the field table and its API type are all the
// code that is written by hand, and README's line all the text. What it inserts is also the example to go by.
package newfield

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = "../.."

// snippet is what is written by hand at one place: right below a line that begins a table or a type.
type snippet struct{ below, text string }

// byHand is all that a new field takes.
var byHand = map[string][]snippet{
	"internal/voximplant/fields.go": {{"var fields = []row{", `
	{
		path: "exampleNote", create: "example_note", method: methodSetChildAccountInfo, update: "example_note", read: "example_note",
		batchable: true, canonical: strings.TrimSpace, check: func(v string) error {
			if len(v) > 40 {
				return errors.New("must be of at most 40 bytes")
			}
			return nil
		},
	},`}},
	"api/v1alpha1/childaccount_types.go": {
		{"type ChildAccountSpec struct {", `
	// ExampleNote is a note about the account.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	ExampleNote *string ` + "`json:\"exampleNote,omitempty\"`" + `
`},
		{"type ObservedAccount struct {", `
	// ExampleNote is the note as the provider shows it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ExampleNote *string ` + "`json:\"exampleNote,omitempty\"`"},
	},
}

// readers is what those who read get beside it: make verify wants each field to be in README.
var readers = map[string][]snippet{
	"README.md": {{"| `spec.email` | unique at the provider |", "\n| `spec.exampleNote` | a note about the account |"}},
}

// news is what the provider has to have beside it. The simulator has all that is documented, and refuses anything else,
// so only a parameter that is new at the provider is new to the simulator.
var news = map[string][]snippet{
	"internal/simulator/accountinfo.go": {{"var fieldTable = []field{", `
	{name: "example_note"},`}},
	"internal/simulator/methods.go": {{"var settingParams = []param{", `
	{name: "example_note", field: "example_note", parse: asText},`}},
}

// generated is what make generate manifests makes of it.
var generated = []string{"api/v1alpha1/zz_generated.deepcopy.go", "config/crd/bases/accounts.cpaas.dev_childaccounts.yaml", "docs/api.md"}

// A field that is added to a copy of the tree as CONTRIBUTING.md says is declared, created, compared, updated and shown:
// testdata/field_test.go looks at that with the operator, an API server and the simulator. All other tests of the tables
// pass as they are.
func TestAFieldIsARowAndItsType(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("slow: TEST_ALL=1")
	}
	tree := copied(t)
	for _, edits := range []map[string][]snippet{byHand, readers, news} {
		for file, snippets := range edits {
			insert(t, filepath.Join(tree, file), snippets)
		}
	}
	run(t, tree, "make", "generate", "manifests")
	want := slices.Sorted(maps.Keys(byHand))
	want = slices.Sorted(slices.Values(slices.Concat(want, slices.Collect(maps.Keys(readers)), slices.Collect(maps.Keys(news)), generated)))
	if changed := strings.Fields(run(t, tree, "git", "ls-files", "--modified", "--others", "--exclude-standard")); !slices.Equal(changed, want) {
		t.Fatalf("changed are %v, want %v", changed, want)
	}
	if unformatted := run(t, tree, "gofmt", append([]string{"-l"}, slices.DeleteFunc(want, isNotGo)...)...); unformatted != "" {
		t.Errorf("not formatted: %s", unformatted)
	}
	run(t, tree, "go", "build", "./...")

	spec, err := os.ReadFile("testdata/field_test.go")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(tree, "internal", "engine", "newfield_test.go"), spec)
	run(t, tree, "go", "test", "./internal/account", "./internal/voximplant", "./internal/simulator", "./internal/docs")
	test := append([]string{"test"}, strings.Fields(run(t, tree, "hack/race"))...) // compiled with these already, but for our own
	out := run(t, tree, "go", append(test, "./internal/engine", "-run", "^TestSpecs$", "-v", "-timeout", "10m", "-ginkgo.no-color", "-ginkgo.focus", "A field that was just added")...)
	if !strings.Contains(out, "\nRan 1 of ") {
		t.Errorf("the field was not looked at:\n%s", out)
	}
}

func isNotGo(file string) bool { return filepath.Ext(file) != ".go" }

// copied is a copy of the tree as it is here, as a git repository of its own.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "tree")
	for _, file := range strings.Split(run(t, top, "git", "ls-files", "-z", "-co", "--exclude-standard"), "\x00") {
		from := filepath.Join(top, file)
		info, err := os.Stat(from)
		if file == "" || os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, file), text, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	run(t, to, "git", "init", "-q")
	run(t, to, "git", "add", "-A")
	return to
}

// insert puts each snippet into the file, below its line, which must be there exactly once.
func insert(t *testing.T, file string, snippets []snippet) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range snippets {
		line := []byte("\n" + s.below + "\n")
		if n := bytes.Count(text, line); n != 1 {
			t.Fatalf("%s: %d lines %q", file, n, s.below)
		}
		text = bytes.Replace(text, line, []byte("\n"+s.below+s.text+"\n"), 1)
	}
	write(t, file, text)
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in a folder, without what a make or a git that runs this would tell it, and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") || strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "TEST_ALL")
	})
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}
