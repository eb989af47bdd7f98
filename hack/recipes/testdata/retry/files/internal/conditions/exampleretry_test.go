package conditions

import (
	"os"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// In the copy of the tree that hack/recipes makes: what has the reason is retried by the new rule, and the page says so.
func TestExampleRetry(t *testing.T) {
	out := Outcome{Reason: v1alpha1.ReasonRoleMissing}
	for age, want := range map[time.Duration]time.Duration{0: time.Hour, 5 * time.Hour: 5 * time.Hour, 100 * time.Hour: 24 * time.Hour} {
		if got := Children.Pause(out, noon.Add(-age), noon); got != want {
			t.Errorf("after %v: %v, want %v", age, got, want)
		}
	}
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil || !strings.Contains(string(page), "\n| RoleMissing | False | False | Stalled | after 1 h to 24 h |") {
		t.Errorf("docs/conditions.md does not have it (%v)", err)
	}
}
