package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Links within the repository lead somewhere.
func TestLinks(t *testing.T) {
	anchors := map[string]map[string]bool{}
	all := pages(t)
	for _, p := range all {
		anchors[p.name] = p.anchors()
	}
	seen := 0
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(p.prose(), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			seen++
			target, anchor, _ := strings.Cut(m[1], "#")
			name := p.name
			if target != "" {
				name = path.Join(path.Dir(p.name), target)
			}
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%s links to %s: there is no %s", p.name, m[1], name)
			} else if anchor != "" && !anchors[name][anchor] {
				t.Errorf("%s links to %s: %s has no heading #%s", p.name, m[1], name, anchor)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d links found", seen)
	}
}

var file = regexp.MustCompile("(?m)(?:^|[\\s(`\"=])(?:\\./)?((?:api|config|controllers|docs|hack|internal|\\.ci)/[\\w./-]*[\\w/])")

// Files and folders that are named are there.
func TestFiles(t *testing.T) {
	seen := 0
	for _, p := range pages(t) {
		for _, m := range file.FindAllStringSubmatch(p.text, -1) {
			seen++
			name := strings.TrimSuffix(m[1], "/...")
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%s names %s, which is not there", p.name, name)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d files found", seen)
	}
}
