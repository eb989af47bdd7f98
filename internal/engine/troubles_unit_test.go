package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// toldOf collects the reasons of events, and of what is over what it says.
type toldOf []string

func (t *toldOf) Eventf(_, _ runtime.Object, kind, reason, _, _ string, args ...any) {
	if kind == corev1.EventTypeNormal {
		reason += ": " + args[0].(string)
	}
	*t = append(*t, reason)
}

const (
	// restart stands for a process that takes over, perhaps before a reason for a refusal that may be one of the parent's credentials.
	restart = "a restart"
	perhaps = "perhaps "
)

// toldOver are the events of a resource that has these reasons, one a minute.
func toldOver(reasons []string) toldOf {
	var events toldOf
	at := clocktesting.NewFakeClock(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	e := New(Config{Clock: at, Table: conditions.Children, Wake: func(ctrl.Request, bool) {}, Recorder: conditions.NewEventRecorder(&events)})
	var is []metav1.Condition
	for _, reason := range reasons {
		if reason == restart {
			*e.told = troubles[types.UID]{}
			continue
		}
		at.Step(time.Minute)
		s := &scope{obj: &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{UID: "one"}}}
		s.was.Conditions = slices.Clone(is)
		out := conditions.Outcome{Reason: reason, Message: "because"}
		if certain, doubtful := strings.CutPrefix(reason, perhaps); doubtful {
			out.Reason, out.DoubtsCredentials, out.Unsettled = certain, true, true
		}
		e.Table.Write(&is, 1, out, at.Now())
		tellTrouble(&e.reporter, s, out)
	}
	return events
}

// A trouble is told of once, although a trouble of the parent's hides it for a while; and how long it lasted counts from its own begin.
func TestToldOnce(t *testing.T) {
	const (
		well, missing, frozen, waits = v1alpha1.ReasonAvailable, v1alpha1.ReasonAccountMissing, v1alpha1.ReasonFrozen, v1alpha1.ReasonAwaitingApproval
		parent, down                 = v1alpha1.ReasonParentNotReady, v1alpha1.ReasonAPIUnavailable
	)
	for name, test := range map[string]struct {
		reasons []string // one a minute
		told    []string
	}{
		"hidden by the parent's":            {[]string{well, missing, parent, missing}, []string{missing}},
		"hidden by two of the parent's":     {[]string{well, missing, down, parent, down, missing, parent, missing}, []string{missing}},
		"hidden after a restart":            {[]string{well, missing, restart, parent, missing}, []string{missing}},
		"well in between":                   {[]string{well, missing, parent, well, missing}, []string{missing, missing}},
		"another after it":                  {[]string{well, missing, parent, frozen}, []string{missing, frozen}},
		"another in between":                {[]string{well, missing, parent, frozen, parent, missing}, []string{missing, frozen, missing}},
		"not told before":                   {[]string{well, parent, missing}, []string{missing}},
		"whose command is another by now":   {[]string{well, waits, parent, waits}, []string{waits, waits}},
		"over, which the parent's was part": {[]string{well, parent, parent, frozen, frozen, well}, []string{frozen, "Recovered: the provider has unblocked the account, after 2m0s (4m0s with the troubles just before): nothing to do"}},
	} {
		events := toldOver(test.reasons)
		if !slices.Equal(events, test.told) {
			t.Errorf("%s: told of %q, want %q", name, events, test.told)
		}
	}
}

// A refusal that may be one of the parent's credentials is told of once the parent's list has shown that they are good, and not where they are not.
func TestToldOnceTheListIsRead(t *testing.T) {
	const (
		well, role, parent = v1alpha1.ReasonAvailable, v1alpha1.ReasonRoleMissing, v1alpha1.ReasonParentNotReady
		open               = perhaps + role
	)
	for name, test := range map[string]struct{ reasons, told []string }{
		"the parent's":                 {[]string{well, open, parent}, nil},
		"the parent's, then over":      {[]string{well, open, parent, well}, nil},
		"the parent's, then its own":   {[]string{well, open, parent, open, role}, []string{role}},
		"its own":                      {[]string{well, open, open, role, role}, []string{role}},
		"its own, tried again":         {[]string{well, open, role, open, role}, []string{role}},
		"its own, hidden, tried again": {[]string{well, open, role, parent, open, role}, []string{role}},
		"its own, after a restart":     {[]string{well, open, role, restart, open, role}, []string{role}},
		"another's meanwhile":          {[]string{well, open, v1alpha1.ReasonFrozen}, []string{v1alpha1.ReasonFrozen}},
		"certain":                      {[]string{well, role}, []string{role}},
		"over, and again":              {[]string{well, open, well, open, role}, []string{role}},
		"told, over, and the parent's": {[]string{well, open, role, well, open, parent}, []string{role}},
	} {
		events := toldOver(test.reasons)
		if got := slices.DeleteFunc(slices.Clone(events), func(told string) bool { return told[0] == 'R' && told != role }); !slices.Equal(got, test.told) {
			t.Errorf("%s: told of %q, want %q", name, events, test.told)
		}
	}
}

// A parent's trouble that took another one's place lasted from then on, and the troubles of both from the first one's begin.
func TestParentTroublesInSuccession(t *testing.T) {
	var events toldOf
	at := clocktesting.NewFakeClock(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	e := New(Config{Clock: at, Table: conditions.Children, Wake: func(ctrl.Request, bool) {}, Recorder: conditions.NewEventRecorder(&events)})
	p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme"}}
	for _, reason := range []string{v1alpha1.ReasonAvailable, v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonUnauthorized, v1alpha1.ReasonUnauthorized, v1alpha1.ReasonAvailable} {
		at.Step(time.Minute)
		was, out := slices.Clone(p.Status.Conditions), conditions.Outcome{Reason: reason, Message: "because"}
		conditions.Parents.Write(&p.Status.Conditions, 1, out, at.Now())
		ReportParent(t.Context(), e, p, was, out)
	}
	want := toldOf{v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonUnauthorized, "Recovered: the provider accepts the credentials again, after 2m0s (3m0s with the troubles just before): nothing to do"}
	if !slices.Equal(events, want) {
		t.Errorf("told of %q, want %q", events, want)
	}
}
