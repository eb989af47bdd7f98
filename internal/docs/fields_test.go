package docs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// definition is what is looked at of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group string
		Names struct {
			Kind, Plural, Singular string
			ShortNames, Categories []string
		}
		Versions []struct {
			Name   string
			Schema struct {
				OpenAPIV3Schema schema
			}
		}
	}
}

type schema struct {
	Type, Description    string
	Enum, Required       []string
	Properties           map[string]schema
	Items                *schema
	AdditionalProperties *schema
	// MapType is atomic for the types of Kubernetes' own, label selectors for example.
	MapType string `json:"x-kubernetes-map-type"`
}

func crds(t *testing.T) []definition {
	t.Helper()
	out, err := readCRDs()
	if err != nil {
		t.Fatal("CRDs: ", err)
	}
	return out
}

// readCRDs reads them once: to parse them takes longer than most tests do.
var readCRDs = sync.OnceValues(func() ([]definition, error) {
	names, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	if err == nil && len(names) < 2 {
		err = fmt.Errorf("only %v are there", names)
	}
	out := make([]definition, len(names))
	for i, name := range names {
		text, readErr := os.ReadFile(name)
		err = errors.Join(err, readErr, yaml.Unmarshal(text, &out[i]))
	}
	return out, err
})

func (d definition) schema() schema { return d.Spec.Versions[0].Schema.OpenAPIV3Schema }

// walk visits the fields below, an object before its fields. What it returns false for is not looked into.
func (s schema) walk(path string, visit func(path string, s schema) bool) {
	if s.Items != nil {
		s.Items.walk(path, visit)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		below := strings.TrimPrefix(path+"."+name, ".")
		if visit(below, s.Properties[name]) {
			s.Properties[name].walk(below, visit)
		}
	}
}

// has says whether there is such a field.
func (s schema) has(path string) bool {
	if path == "" || s.AdditionalProperties != nil {
		return true
	}
	if s.Items != nil {
		return s.Items.has(path)
	}
	name, rest, _ := strings.Cut(path, ".")
	below, ok := s.Properties[name]
	return ok && below.has(rest)
}

// settable are the fields of spec that have a value of their own: no objects of others, but lists and maps.
func (s schema) settable() []string {
	var out []string
	s.walk("", func(path string, s schema) bool {
		switch {
		case path == "spec":
			return true
		case !strings.HasPrefix(path, "spec."):
			return false
		case len(s.Properties) > 0 && s.MapType != "atomic":
			return true
		default:
			out = append(out, path)
			return false
		}
	})
	return out
}

var row = regexp.MustCompile(`(?m)^\| ([^|]*) \|`)

// fieldTable are the paths in the README's table of a kind. A path that starts with a dot stands beside the one before it.
func fieldTable(t *testing.T, readme, kind string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(readme, "\n| "+kind+" | |\n")
	if !ok {
		t.Fatalf("README.md has no table that starts with | %s | |", kind)
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	var out []string
	for _, cell := range row.FindAllStringSubmatch(table, -1) {
		full := ""
		for _, m := range inline.FindAllStringSubmatch(cell[1], -1) {
			if strings.HasPrefix(m[1], ".") {
				full = full[:strings.LastIndex(full, ".")] + m[1]
			} else {
				full = m[1]
			}
			out = append(out, full)
		}
	}
	return out
}

func TestFieldTables(t *testing.T) {
	readme := read(t, filepath.Join(root, "README.md"))
	for _, d := range crds(t) {
		kind := d.Spec.Names.Kind
		table := fieldTable(t, readme, kind)
		for _, path := range d.schema().settable() {
			if !slices.Contains(table, path) {
				t.Errorf("%s: %s is missing in the README's table of fields", kind, path)
			}
		}
		for _, path := range table {
			if !d.schema().has(path) {
				t.Errorf("%s: the README's table of fields has %s, which the kind does not have", kind, path)
			}
		}
	}
}

// kubectl explain and docs/api.md have something to say of each field.
func TestEveryFieldIsDescribed(t *testing.T) {
	for _, d := range crds(t) {
		d.schema().walk("", func(path string, s schema) bool {
			if strings.Contains(path, ".") && s.Description == "" {
				t.Errorf("%s: %s has no comment", d.Spec.Names.Kind, path)
			}
			return true
		})
	}
}

var fieldPath = regexp.MustCompile(`(?:^|[^\w./-]|\{\.)((?:spec|status)(?:\.[A-Za-z]+)+)`)

// Fields that are named by their path are there, in any of the kinds.
func TestFieldPaths(t *testing.T) {
	kinds := crds(t)
	seen := 0
	for _, p := range pages(t) {
		for _, m := range fieldPath.FindAllStringSubmatch(p.text, -1) {
			seen++
			if !slices.ContainsFunc(kinds, func(d definition) bool { return d.schema().has(m[1]) }) {
				t.Errorf("%s: no kind has %s", p.name, m[1])
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d paths found", seen)
	}
}

var ourName = regexp.MustCompile(`\b[a-z.]*accounts\.cpaas\.dev/[a-z][a-z0-9-]*`)

// Labels and annotations that are named are there.
func TestNames(t *testing.T) {
	known := []string{"accounts.cpaas.dev/v1alpha1"}
	for _, name := range []string{"api/v1alpha1/names.go", "internal/account/claim.go"} {
		known = append(known, ourName.FindAllString(read(t, filepath.Join(root, name)), -1)...)
	}
	seen := 0
	for _, p := range pages(t) {
		for _, name := range ourName.FindAllString(p.text, -1) {
			if !strings.HasPrefix(name, "accounts.") {
				continue // a part of a kind
			}
			seen++
			if !slices.Contains(known, name) {
				t.Errorf("%s: there is no label or annotation %s", p.name, name)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d names found", seen)
	}
}
