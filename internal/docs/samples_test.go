package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The samples that claim to have every field have each, if only as a comment.
func TestSamplesHaveEveryField(t *testing.T) {
	for kind, claims := range map[string]bool{"ChildAccount": true, "SubAccount": false, "ParentAccount": false} {
		text := read(t, filepath.Join(root, "config/samples/accounts_v1alpha1_"+strings.ToLower(kind)+".yaml"))
		if kind == "ParentAccount" { // either provider has a sample
			text += read(t, filepath.Join(root, "config/samples/accounts_v1alpha1_parentaccount_twosms.yaml"))
		}
		if claims {
			_, text, claims = strings.Cut(text, "Every field there is")
			if !claims {
				t.Fatalf("the sample of %s does not claim to have every field any more", kind)
			}
			text, _, _ = strings.Cut(text, "\n---")
		}
		for _, d := range crds(t) {
			if d.Spec.Names.Kind != kind {
				continue
			}
			for _, path := range d.schema().settable() {
				name := path[strings.LastIndex(path, ".")+1:]
				if !regexp.MustCompile(`(?m)(^|[ {])` + name + `:`).MatchString(text) {
					t.Errorf("the sample of %s lacks %s", kind, path)
				}
			}
		}
	}
}
