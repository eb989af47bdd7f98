package docs

import (
	"fmt"
	"go/parser"
	gotoken "go/token"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/golden"
)

// module is the path that the project's packages begin with.
const module = "cpaas.dev/child-account-operator/"

// pictured returns the packages of the picture in docs/design.md: those that the operator is made of.
func pictured() (packages []string) {
	for _, l := range layers {
		packages = append(packages, l.packages...)
	}
	return slices.DeleteFunc(packages, func(p string) bool { return p == "." || p == "internal/simulator" })
}

// picture is the part of docs/design.md that has it.
var picture = regexp.MustCompile("(?s)```mermaid\n.*?```\n")

// The picture of the packages has an arrow for each import, but for those that follow from others.
func TestPictureOfThePackages(t *testing.T) {
	imports := map[string]map[string]bool{}
	for _, p := range pictured() {
		imports[p] = importsOf(t, p)
		delete(imports[p], "internal/simulator") // for tests and the subcommand simulate
	}
	page := filepath.Join(root, "docs/design.md")
	text := read(t, page)
	if !picture.MatchString(text) {
		t.Fatal("docs/design.md has no picture of the packages")
	}
	made := picture.ReplaceAllLiteralString(text, mermaid(imports))
	golden.Check(t, page, made, "UPDATE_DOCS=1 go test ./internal/docs -run PictureOfThePackages")
}

// importsOf are the project's packages that one of them imports, outside of tests.
func importsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files (%v)", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if p, err := strconv.Unquote(i.Path.Value); err == nil && strings.HasPrefix(p, module) {
				out[strings.TrimPrefix(p, module)] = true
			}
		}
	}
	return out
}

// mermaid draws an arrow for each import that does not follow from others.
func mermaid(imports map[string]map[string]bool) string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for _, from := range slices.Sorted(maps.Keys(imports)) {
		for _, to := range slices.Sorted(maps.Keys(imports[from])) {
			if !follows(imports, from, to) {
				fmt.Fprintf(&b, "  %s --> %s\n", path.Base(from), path.Base(to))
			}
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// follows says whether what a package imports is imported by another of its imports, too.
func follows(imports map[string]map[string]bool, from, to string) bool {
	for other := range imports[from] {
		if other != to && reaches(imports, other, to) {
			return true
		}
	}
	return false
}

func reaches(imports map[string]map[string]bool, from, to string) bool {
	if from == to {
		return true
	}
	for next := range imports[from] {
		if reaches(imports, next, to) {
			return true
		}
	}
	return false
}
