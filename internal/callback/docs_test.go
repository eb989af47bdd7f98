package callback

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/provider"
)

// docs/callbacks.md has each result with its HTTP status, and each event with its type, and no others.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/callbacks.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, o := range outcomes {
		rows = append(rows, fmt.Sprintf("| `%s` | %d | ", o.result, o.status))
	}
	for _, r := range reports {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | ", r.reason, r.eventType))
	}
	for _, row := range rows {
		if !strings.Contains(string(text), "\n"+row) {
			t.Errorf("docs/callbacks.md has no row that begins with %s", row)
		}
	}
	if found := regexp.MustCompile("(?m)^\\| `").FindAllString(string(text), -1); len(found) != len(rows) {
		t.Errorf("docs/callbacks.md has %d rows, want %d", len(found), len(rows))
	}
	for _, fact := range []string{
		fmt.Sprintf("more than %d callbacks in a minute, or the parent account more than %d", int(childRate.burst), int(parentRate.burst)),
		fmt.Sprintf("more than %d requests are worked on", maxRequests), fmt.Sprintf("%d connections are open", maxConnections), fmt.Sprintf("more than %d KiB", maxBody>>10),
		fmt.Sprintf("headers %d KiB", maxHeader>>10), fmt.Sprintf("within %d seconds", int(requestTimeout.Seconds())), "the last 16,384 accepted callbacks",
		fmt.Sprintf("%d reads a second for", int(1e9/readsPerSecond.every.Nanoseconds())),
	} {
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), fact) {
			t.Errorf("docs/callbacks.md does not say: %s", fact)
		}
	}
}

// Each type of callback that something is done about has an event, and its own.
func TestReports(t *testing.T) {
	reasons := map[string]bool{}
	for _, kind := range provider.CallbackTypes() {
		r, acted := reports[kind]
		if acted == (kind == provider.OtherCallback) || reasons[r.reason] {
			t.Errorf("%s: %+v", kind, r)
		}
		reasons[r.reason] = true
	}
}
