package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// described are the bounds of what a description tells: the fields of spec are for those who set them, those of status for readers.
const (
	leastOfSpec   = 60
	leastOfStatus = 25
	// manyValues is from how many values on an enumeration has no room for what each means: language codes.
	manyValues = 10
)

var (
	saysUnset  = regexp.MustCompile(`\b[Uu]nset\b|\bDefault\b|\(default\)`)
	saysRange  = regexp.MustCompile(`\bfrom \d+m?s? to \d+h?\b`)
	saysZero   = regexp.MustCompile(`\b0\b`)
	isDuration = regexp.MustCompile(`\bduration in\b`)
)

// kubectl explain tells of each field of spec what it is for, what unset means, its unit or range, what 0 means, and an example.
func TestExplain(t *testing.T) {
	seen := 0
	for _, d := range crds(t) {
		d.schema().walkRequired("", func(path string, s schema, required bool) bool {
			if !strings.Contains(path, ".") {
				if path == "spec" || path == "status" {
					return true
				}
				return false
			}
			seen++
			for _, wrong := range unexplained(path, s, required) {
				t.Errorf("%s: %s %s: %q", d.Spec.Names.Kind, path, wrong, s.Description)
			}
			return s.MapType != "atomic" && !strings.HasSuffix(path, ".conditions") // what lies below is Kubernetes' own
		})
	}
	if seen < 100 {
		t.Errorf("only %d fields found", seen)
	}
}

// unexplained is what a field's description lacks.
func unexplained(path string, s schema, required bool) (wrong []string) {
	text := strings.Join(strings.Fields(s.Description), " ")
	name := path[strings.LastIndex(path, ".")+1:]
	lacks := func(is bool, what string) {
		if is {
			wrong = append(wrong, what)
		}
	}
	lacks(!strings.HasPrefix(strings.ToLower(text), strings.ToLower(name)+" "), "does not begin with its name")
	lacks(!strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "."+`"`) && !strings.Contains(text, "Example"), "is no sentence")
	if strings.HasPrefix(path, "status.") {
		lacks(len(text) < leastOfStatus, "says next to nothing")
		return wrong
	}
	duration := s.Type == "string" && isDuration.MatchString(text)
	lacks(len(text) < leastOfSpec, "says next to nothing")
	lacks(!required && !saysUnset.MatchString(text), "does not say what unset means")
	lacks((s.Type == "integer" || duration) && !saysRange.MatchString(text), "has no range")
	lacks((s.Type == "integer" || duration) && !saysZero.MatchString(text), "does not say what 0 means")
	needsExample := s.Type != "boolean" && len(s.Enum) == 0 && !slices.Contains([]string{"spec.limits", "spec.voximplant"}, path)
	lacks(needsExample && !strings.Contains(text, "Example"), "has no example")
	for _, value := range s.Enum {
		lacks(len(s.Enum) < manyValues && !strings.Contains(text, value), "does not say what "+value+" means")
	}
	return wrong
}

// walkRequired is walk, and says which fields are required.
func (s schema) walkRequired(path string, visit func(path string, s schema, required bool) bool) {
	s.walk(path, func(below string, field schema) bool {
		return visit(below, field, slices.Contains(s.requiredBelow(strings.TrimPrefix(below, path+".")), below[strings.LastIndex(below, ".")+1:]))
	})
}

// requiredBelow are the names that are required beside the field of a path.
func (s schema) requiredBelow(path string) []string {
	for s.Items != nil {
		s = *s.Items
	}
	name, rest, ok := strings.Cut(path, ".")
	if !ok {
		return s.Required
	}
	return s.Properties[name].requiredBelow(rest)
}
