package conditions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

func TestRefusal(t *testing.T) {
	resource := schema.GroupResource{Resource: "childaccounts"}
	byWebhook := func(code int32) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: `admission webhook "a.example" denied the request: no`}}
	}
	for name, c := range map[string]struct {
		err  error
		want string // "" where it is no refusal
	}{
		"none":                      {nil, ""},
		"no answer":                 {context.DeadlineExceeded, ""},
		"another error":             {errors.New("denied the request"), ""},
		"forbidden":                 {apierrors.NewForbidden(resource, "acme", errors.New("no")), `childaccounts "acme" is forbidden: no`},
		"within another":            {fmt.Errorf("patch: %w", apierrors.NewBadRequest("no")), "patch: no"},
		"without a code":            {byWebhook(400), `admission webhook "a.example" denied the request: no`},
		"by a webhook, a conflict":  {byWebhook(409), `admission webhook "a.example" denied the request: no`},
		"by a webhook, not found":   {byWebhook(404), `admission webhook "a.example" denied the request: no`},
		"by a webhook, overloaded":  {byWebhook(429), `admission webhook "a.example" denied the request: no`},
		"by a webhook, its fault":   {byWebhook(500), `admission webhook "a.example" denied the request: no`},
		"by a policy, unauthorized": {&apierrors.StatusError{ErrStatus: metav1.Status{Code: 401, Message: "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"}}, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"},
		"overtaken":                 {apierrors.NewConflict(resource, "acme", errors.New("it was changed")), ""},
		"gone":                      {apierrors.NewNotFound(resource, "acme"), ""},
		"the webhook is away":       {apierrors.NewInternalError(errors.New("failed calling webhook")), ""},
		"the API is busy":           {apierrors.NewTooManyRequests("later", 1), ""},
		"the token is out of date":  {apierrors.NewUnauthorized("no"), ""},
		"too large":                 {apierrors.NewRequestEntityTooLargeError("3 MiB"), "Request entity too large: 3 MiB"},
		"in lines, with a tab":      {apierrors.NewBadRequest("one\n\ttwo\r\n\x1b[31mthree.\n"), "one two [31mthree"},
		"more than there is room":   {apierrors.NewBadRequest(strings.Repeat("a", 1000)), strings.Repeat("a", longestRefusal-len(ellipsis)) + ellipsis},
		"bytes that are characters": {apierrors.NewBadRequest(strings.Repeat("é", 1000)), strings.Repeat("é", (longestRefusal-len(ellipsis))/2) + ellipsis},
	} {
		words, refused := Refusal(c.err)
		if words != c.want || refused != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, words, refused, c.want)
		}
	}
}

// A refused write is Stalled, one event, and tried again ever more slowly.
func TestWriteRefused(t *testing.T) {
	for _, reason := range []string{v1alpha1.ReasonWriteRefused, v1alpha1.ReasonDeleting, v1alpha1.ReasonSecretInvalid} {
		out := WriteRefused(reason, "no, twice")
		if !out.IsWriteRefused() {
			t.Errorf("%s is not known as a refused write", reason)
		}
		once := written(Children, out)
		if is(once, v1alpha1.ConditionStalled) != yes || is(once, v1alpha1.ConditionReconciling) != "" {
			t.Errorf("%s: %v", reason, once)
		}
		var first, second emitted
		Children.EmitEvent(NewEventRecorder(&first), nil, nil, out)
		Children.EmitEvent(NewEventRecorder(&second), nil, once, out)
		if first.note != Children.ForEvent(out) || second.note != "" {
			t.Errorf("%s: first %q, then %q", reason, first.note, second.note)
		}
		// Even one that was kept back for another reason before.
		var later emitted
		Children.EmitEvent(NewEventRecorder(&later), nil, written(Children, Outcome{Reason: v1alpha1.ReasonDeleting, Message: "waits"}), out)
		if later.note != Children.ForEvent(out) {
			t.Errorf("%s, after another trouble: %q", reason, later.note)
		}
		for age, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Minute: time.Minute, 30 * time.Hour: time.Hour} {
			if got := Children.Pause(out, noon.Add(-age), noon); got != want || StatusPause(noon.Add(-age), noon) != min(want, 10*time.Minute) {
				t.Errorf("%s after %s: %s", reason, age, got)
			}
		}
	}
	if (Outcome{Reason: v1alpha1.ReasonSecretInvalid}).IsWriteRefused() {
		t.Error("whatever is said of a Secret is a refused write")
	}
}
