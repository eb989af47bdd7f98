package docs

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/design.md has a line for each module that a go.mod of the tree asks for, its tools too, and for none besides.
func TestDependencies(t *testing.T) {
	_, section, ok := strings.Cut(read(t, filepath.Join(root, "docs/design.md")), "\n## Dependencies\n")
	if !ok {
		t.Fatal("docs/design.md has no table of dependencies")
	}
	modules := asked(t)
	for path := range modules {
		if !regexp.MustCompile(`(?m)^\|[^|]*\b` + regexp.QuoteMeta(path) + `[ ,]`).MatchString(section) {
			t.Errorf("docs/design.md does not say why there is %s", path)
		}
	}
	for _, cell := range row.FindAllStringSubmatch(section, -1) {
		for _, path := range regexp.MustCompile(`[a-z0-9.]+\.[a-z]+/[\w./-]+`).FindAllString(cell[1], -1) {
			if !modules[path] {
				t.Errorf("docs/design.md has %s, which no go.mod asks for", path)
			}
		}
	}
}

// asked are the modules that some go.mod requires by itself, and those of its tools.
func asked(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "hack/*/go.mod"))
	if err != nil || len(files) == 0 {
		t.Fatal("no go.mod under hack/: ", err)
	}
	out := map[string]bool{}
	for _, file := range append(files, filepath.Join(root, "go.mod")) {
		var mod struct {
			Require []struct {
				Path     string
				Indirect bool
			}
			Tool []struct{ Path string }
		}
		text, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &mod); err != nil {
			t.Fatal(err)
		}
		for _, r := range mod.Require {
			if !r.Indirect {
				out[r.Path] = true
			}
			for _, tool := range mod.Tool { // a tool is a package of one of the modules
				if tool.Path == r.Path || strings.HasPrefix(tool.Path, r.Path+"/") {
					out[r.Path] = true
				}
			}
		}
	}
	return out
}
