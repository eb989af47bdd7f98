package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tree is the part of docs/design.md that says what lives where.
var tree = regexp.MustCompile("(?s)## Packages and data flow\n```\n(.*?)```")

// The tree has each folder of the top and of internal by its path, and in the rows of hack, config and docs what these hold.
func TestTree(t *testing.T) {
	m := tree.FindStringSubmatch(read(t, filepath.Join(root, "docs/design.md")))
	if m == nil {
		t.Fatal("docs/design.md has no tree")
	}
	row, rows := "", map[string]string{}
	for line := range strings.Lines(m[1]) {
		if !strings.HasPrefix(line, " ") {
			row, _, _ = strings.Cut(line, " ")
		}
		rows[row] += line
	}
	for pattern, row := range map[string]string{"[^.]*": "", "internal/*": "", "hack/*": "hack/", "config/*": "config/", "docs/*.md": "docs/"} {
		for _, name := range matching(t, pattern) {
			stands := strings.Contains(m[1], name+"/")
			if row != "" {
				stands = regexp.MustCompile(`\b` + regexp.QuoteMeta(path.Base(name)) + `\b`).MatchString(rows[row])
			}
			if !stands {
				t.Errorf("the tree in docs/design.md does not have %s", name)
			}
		}
	}
}

// matching are the folders and pages, without what is built.
func matching(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		name, page := strings.CutSuffix(strings.TrimPrefix(filepath.ToSlash(f), root+"/"), ".md")
		if name != "bin" && (info.IsDir() || page && strings.Contains(name, "/")) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Errorf("nothing is like %s", pattern)
	}
	return names
}
