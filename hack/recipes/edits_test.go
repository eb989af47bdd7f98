package recipes

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recipe is one of CONTRIBUTING.md's, with an addition that is made by it: testdata/<name>/edits changes files of the tree, and
// testdata/<name>/files are new ones.
type recipe struct {
	name string
	// heading is its heading in CONTRIBUTING.md.
	heading string
	// forgotten are words that a test or the compiler has for the addition while a step is left out: an edit that is marked so, or a
	// command.
	forgotten []string
}

// edit is a change of a file: lines that are there once, as a whole, are replaced. An edits file has it as
//
//	@@ FILE NAME...
//	 a line that stays
//	-a line that goes
//	+a line that comes
//
// NAME is what the recipe calls the place. With !! in place of @@ the edit is one that is forgotten at first.
type edit struct {
	file      string
	names     []string
	forgotten bool
	old, new  string
}

func (r recipe) dir() string { return filepath.Join("testdata", r.name) }

// edits are those of testdata.
func (r recipe) edits(t *testing.T) []edit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir(), "edits"))
	if err != nil {
		t.Fatal(err)
	}
	var out []edit
	for line := range strings.Lines(string(text)) {
		if head := strings.Fields(line); strings.HasPrefix(line, "@@ ") || strings.HasPrefix(line, "!! ") {
			out = append(out, edit{file: head[1], names: head[2:], forgotten: head[0] == "!!"})
			continue
		}
		e, rest := &out[len(out)-1], line[1:]
		switch line[0] {
		case ' ':
			e.old, e.new = e.old+rest, e.new+rest
		case '-':
			e.old += rest
		case '+':
			e.new += rest
		default:
			t.Fatalf("%s: %q", r.name, line)
		}
	}
	return out
}

// files are the new ones of testdata, by their paths in the tree.
func (r recipe) files(t *testing.T) map[string][]byte {
	t.Helper()
	out, top := map[string][]byte{}, filepath.Join(r.dir(), "files")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if os.IsNotExist(err) {
				return nil // only edits
			}
			return err
		}
		name, err := filepath.Rel(top, path)
		if err == nil {
			out[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// in is the text with the edit made.
func (e edit) in(text string) (string, error) {
	if n := strings.Count("\n"+text, "\n"+e.old); n != 1 || e.old == "" {
		return "", fmt.Errorf("%s: has %d times the lines\n%s", e.file, n, e.old)
	}
	return strings.Replace("\n"+text, "\n"+e.old, "\n"+e.new, 1)[1:], nil
}
