package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Every flag of the manager is in the table of docs/operations.md.
func TestFlagsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	newManagerCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(string(page), fmt.Sprintf("`--%s`", f.Name)) {
			t.Errorf("docs/operations.md does not name --%s", f.Name)
		}
	})
	for _, line := range strings.Split(string(page), "\n") {
		if name, row := strings.CutPrefix(line, "| `--"); row {
			if name, _, _ = strings.Cut(name, "`"); newManagerCommand().Flags().Lookup(name) == nil {
				t.Errorf("docs/operations.md has --%s, which there is not", name)
			}
		}
	}
}
