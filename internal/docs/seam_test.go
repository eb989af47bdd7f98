package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// neutral are the packages that no provider has a name in. Those that are still to come are looked at as soon as they are there.
var neutral = []string{
	"internal/account", "internal/plan", "internal/engine", "internal/conditions", "internal/directory", "internal/pacing", "internal/provider",
	"internal/callback", "internal/changeguard", "internal/fairqueue", "internal/attempts", "internal/secrets", "internal/metrics", "internal/readings",
}

// unnamed are the packages above the seam whose kinds name their provider, but nothing on the wire.
var unnamed = []string{"controllers"}

// providers are the packages below the seam: their words on the wire stay there.
var providers = []string{"internal/voximplant", "internal/twosms"}

// providerName is the name of a provider, in whatever spelling.
var providerName = regexp.MustCompile(`(?i)voximplant|vox_?implant|two_?sms|2sms`)

// exceptions are words that stand above the seam all the same, by file: messages that the status of resources holds, which can't be
// reworded without a write for each. One that is not needed any more has to go.
var exceptions = map[string][]string{
	"internal/account/errors.go": {ofCode}, // which puts it into the text for people
}

// ofCode stands for a look at account.Error.Code.
const ofCode = "a provider's error code"

var (
	wireName   = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)+$`)
	wireMethod = regexp.MustCompile(`^(Add|Get|Set|Change|Clone|Del|Create|Update)[A-Z][A-Za-z]+$`)
	// errorCode is a code in a text.
	errorCode = regexp.MustCompile(`\b535\b`)
)

// goFiles calls f with each Go file of a package and of those below it, less tests.
func goFiles(t *testing.T, dir string, f func(name string, files *gotoken.FileSet, file *ast.File)) {
	t.Helper()
	top := filepath.Join(root, dir)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if path == top { // not there yet
				return fs.SkipAll
			}
			return err
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files := gotoken.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f(strings.TrimPrefix(filepath.ToSlash(path), root+"/"), files, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wireWords are the parameters and methods in the texts of the providers' packages.
func wireWords(t *testing.T) []string {
	t.Helper()
	var words []string
	for _, dir := range providers {
		goFiles(t, dir, func(_ string, _ *gotoken.FileSet, file *ast.File) {
			ast.Inspect(file, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == gotoken.STRING {
					if text := strings.Trim(l.Value, "`\""); wireName.MatchString(text) || wireMethod.MatchString(text) {
						words = append(words, text)
					}
				}
				return true
			})
		})
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// said calls f with each identifier, text and comment of a file, and with each selector as ".Name".
func said(file *ast.File, f func(at gotoken.Pos, text string)) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			f(c.Pos(), c.Text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			f(n.Pos(), n.Name)
		case *ast.BasicLit:
			f(n.Pos(), n.Value)
		case *ast.SelectorExpr:
			f(n.Sel.Pos(), "."+n.Sel.Name)
		}
		return true
	})
}

// leaks are the words in a text that belong below the seam.
func leaks(text string, words *regexp.Regexp, names bool) []string {
	var out []string
	for _, m := range words.FindAllStringSubmatch(text, -1) {
		out = append(out, m[2])
	}
	if names {
		out = append(out, providerName.FindAllString(text, -1)...)
	}
	if text == ".Code" {
		out = append(out, ofCode)
	}
	return append(out, errorCode.FindAllString(text, -1)...)
}

// anyOf finds one of the words, standing alone, as the second group.
func anyOf(words []string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[^A-Za-z0-9_])(` + strings.Join(words, "|") + `)($|[^A-Za-z0-9_])`)
}

// Above the seam nobody knows a provider: not its name, not what stands on the wire, not what its error codes mean.
func TestNoProviderAboveTheSeam(t *testing.T) {
	words := wireWords(t)
	for _, known := range []string{"AddAccount", "GetChildrenAccounts", "SetChildAccountInfo", "account_email", "new_child_account_email", "can_use_restricted"} {
		if !slices.Contains(words, known) {
			t.Fatalf("%s is none of the words that are looked for: %v", known, words)
		}
	}
	wire := anyOf(words)
	used := map[string]bool{}
	looked := 0
	for _, dir := range slices.Concat(neutral, unnamed) {
		goFiles(t, dir, func(name string, files *gotoken.FileSet, file *ast.File) {
			looked++
			said(file, func(at gotoken.Pos, text string) {
				for _, w := range leaks(text, wire, slices.Contains(neutral, dir)) {
					key := name + ": " + w
					if used[key] = true; !slices.Contains(exceptions[name], w) {
						t.Errorf("%s names %s", files.Position(at), w)
					}
				}
			})
		})
	}
	for name, words := range exceptions {
		for _, w := range words {
			if !used[name+": "+w] {
				t.Errorf("%s names %s no more: take it out of the exceptions", name, w)
			}
		}
	}
	if looked < 50 {
		t.Errorf("only %d files were looked at", looked)
	}
}

func TestLeaks(t *testing.T) {
	words := anyOf([]string{"account_email", "AddAccount"})
	for text, want := range map[string]int{
		`"account_email"`: 1, "// by account_email.": 1, "new_account_email_2": 0, "AddAccount": 1, "// AddAccounts": 0, "addAccount": 0,
		"Voximplant": 1, "connectVoximplant": 1, "spec.twoSMS": 1, ".Code": 1, "Code": 0, ".Codes": 0, "535": 1, "// 535 says": 1, "5350": 0, "account": 0,
	} {
		if got := leaks(text, words, true); len(got) != want {
			t.Errorf("%s: %v, want %d", text, got, want)
		}
	}
	if got := leaks("Voximplant", words, false); fmt.Sprint(got) != "[]" {
		t.Errorf("a kind may name its provider: %v", got)
	}
}
