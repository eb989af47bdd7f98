package conditions

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// Each class of failures has a row in both conditions of the parent account itself. All but a value that is refused is tried again by itself.
func TestFailedOwn(t *testing.T) {
	for _, class := range allClasses(t) {
		out := FailedOwn(&account.Error{Class: class, Method: "SetAccountInfo", Message: "no", Answered: true})
		for _, kind := range []string{v1alpha1.ConditionAccountSynced, v1alpha1.ConditionPlansSynced} {
			if state := Own(kind, out); state.Status == "" || state.Status == yes {
				t.Errorf("%s: %s is %q for reason %s", class, kind, state.Status, out.Reason)
			}
		}
		if again := Children.Pause(out, noon, noon); again > 0 != (class != account.Invalid) {
			t.Errorf("%s, reason %s: again after %s", class, out.Reason, again)
		}
	}
	for mayPass, want := range map[bool]time.Duration{false: 10 * time.Minute, true: time.Minute} {
		out := FailedOwn(&account.Error{Class: account.Unauthorized, MayPass: mayPass, Message: "no"})
		if got := Children.Pause(out, noon, noon); out.Reason != v1alpha1.ReasonUnauthorized || got != want {
			t.Errorf("refused credentials, which may pass: %v: %s, again after %s", mayPass, out.Reason, got)
		}
	}
}
