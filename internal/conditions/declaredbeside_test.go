package conditions

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// No outcome claims that the account matches the spec while another condition denies that. Whatever is fine adds nothing.
func TestExcept(t *testing.T) {
	is := func(status metav1.ConditionStatus, reason string, kinds ...string) (all []metav1.Condition) {
		for _, kind := range kinds {
			WriteState(&all, kind, 1, &State{Status: status, Reason: reason, Message: "of " + kind}, noon)
		}
		return all
	}
	available := Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the account matches the spec"}
	const all = "the account matches the spec, but parts of the spec are not applied: ProfileSynced (RoleMissing), PlansSynced (RoleMissing), ServiceAccountKeyReady (RoleMissing). The messages of these conditions say why, and what to do."
	for name, c := range map[string]struct {
		out  Outcome
		is   []metav1.Condition
		want string
	}{
		"none declared": {available, nil, "the account matches the spec"},
		"all are fine":  {available, is(yes, v1alpha1.ReasonAvailable, declaredBeside...), "the account matches the spec"},
		"not known yet": {available, is(unknown, v1alpha1.ReasonUpdating, v1alpha1.ConditionPlansSynced), "the account matches the spec"},
		"all refused":   {available, is(no, v1alpha1.ReasonRoleMissing, v1alpha1.ConditionServiceAccountKeyReady, v1alpha1.ConditionPlansSynced, v1alpha1.ConditionProfileSynced), all},
		"one refused": {
			Outcome{Reason: v1alpha1.ReasonDeactivated, Message: "the account is deactivated", Next: "Set spec.active."}, is(no, v1alpha1.ReasonRejected, v1alpha1.ConditionServiceAccountKeyReady),
			"the account is deactivated, but parts of the spec are not applied: ServiceAccountKeyReady (Rejected). Set spec.active. The messages of these conditions say why, and what to do.",
		},
		"of the connection Secret, which is none of the account's": {available, is(no, v1alpha1.ReasonPartialAdopted, v1alpha1.ConditionConnectionSecretReady), "the account matches the spec"},
		"an outcome that claims nothing": {
			Outcome{Reason: v1alpha1.ReasonAPIUnavailable, Message: "no answer", Next: NothingToDo}, is(no, v1alpha1.ReasonRoleMissing, v1alpha1.ConditionProfileSynced), "no answer",
		},
		"an outcome of which Synced is False": {
			Outcome{Reason: v1alpha1.ReasonValueNotKept, Message: "not kept", Next: NothingToDo}, is(no, v1alpha1.ReasonValueNotKept, v1alpha1.ConditionProfileSynced), "not kept",
		},
	} {
		if got := Children.Text(Except(Children, c.out, c.is), longestMessage); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := Except(Children, Undecided, is(no, v1alpha1.ReasonRejected, declaredBeside...)); got.Message != "" {
		t.Errorf("nothing can be said yet: %q", got.Message)
	}
	brief := Except(Children, Outcome{Reason: v1alpha1.ReasonAvailable, Message: strings.Repeat("long ", 1000), Brief: "short"}, is(no, v1alpha1.ReasonRejected, v1alpha1.ConditionPlansSynced))
	if text := Children.Text(brief, 1000); !strings.Contains(text, "short, but parts of the spec are not applied: PlansSynced (Rejected)") {
		t.Errorf("where there is little room: %q", text)
	}
}

// The end of an outage, and of rate-limiting, wakes what waits; nothing else does.
func TestAnswersAgain(t *testing.T) {
	for _, c := range []struct {
		was, is string
		want    bool
	}{
		{v1alpha1.ReasonAPIUnavailable, v1alpha1.ReasonAvailable, true},
		{v1alpha1.ReasonRateLimited, v1alpha1.ReasonAvailable, true},
		{v1alpha1.ReasonAPIUnavailable, v1alpha1.ReasonDeleting, true},
		{v1alpha1.ReasonAPIUnavailable, v1alpha1.ReasonRateLimited, false},
		{v1alpha1.ReasonRateLimited, v1alpha1.ReasonAPIUnavailable, false},
		{v1alpha1.ReasonRateLimited, v1alpha1.ReasonSuspended, false},
		{v1alpha1.ReasonUnauthorized, v1alpha1.ReasonAvailable, false},
		{v1alpha1.ReasonAvailable, v1alpha1.ReasonAvailable, false},
		{"", v1alpha1.ReasonAvailable, false},
	} {
		var was, is []metav1.Condition
		if c.was != "" {
			Parents.Write(&was, 1, Outcome{Reason: c.was}, noon)
		}
		Parents.Write(&is, 1, Outcome{Reason: c.is}, noon.Add(time.Minute))
		if got := AnswersAgain(was, is); got != c.want {
			t.Errorf("%q, then %q: %v, want %v", c.was, c.is, got, c.want)
		}
	}
}

// However the rate-limited call ended, a ParentAccount says the same: else the status would be written for each.
func TestRateLimitedSaysTheSame(t *testing.T) {
	texts := map[string]bool{}
	for _, out := range []Outcome{
		RateLimited(time.Second), RateLimited(time.Minute),
		OfList(Outcome{Reason: v1alpha1.ReasonRateLimited, Message: "GetChildrenAccounts: repeat after 17 seconds"}),
	} {
		texts[Parents.Text(out, longestMessage)] = true
	}
	if len(texts) != 1 {
		t.Errorf("%v", texts)
	}
	if out := OfList(Outcome{Reason: v1alpha1.ReasonAPIUnavailable, Message: "no answer"}); out.Message != "no answer" {
		t.Errorf("an outage says %q", out.Message)
	}
}
