package conditions

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// The Kubernetes API refuses an event that has more bytes than this in its note, or in its reason or action (events.k8s.io/v1).
const (
	longestNote   = 1024
	longestReason = 128
)

// EventRecorder emits the operator's events. All of them go through it: who sends an event that is too long hears nothing of its
// being refused, and names, values and the provider's words may be as long as others please.
type EventRecorder struct{ recorder events.EventRecorder }

// NewEventRecorder emits events by a recorder.
func NewEventRecorder(recorder events.EventRecorder) EventRecorder { return EventRecorder{recorder} }

// Eventf emits an event, whose texts are truncated to what the Kubernetes API accepts. client-go makes one event with a count of those
// that differ in the note alone, and shows the first note. So the action, which nobody is shown, ends in a digest of the note: each
// content is an event, and only the same one again is counted.
func (e EventRecorder) Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any) {
	text := Truncated(fmt.Sprintf(note, args...), longestNote)
	digest := contentDigest(text)
	e.recorder.Eventf(regarding, related, eventtype, Truncated(reason, longestReason), Truncated(action, longestReason-len(digest))+digest, "%s", text)
}

// contentDigest tells the content of an event from others: "-" and eight hexadecimal digits.
func contentDigest(note string) string {
	sum := sha256.Sum256([]byte(note))
	return "-" + hex.EncodeToString(sum[:4])
}

const (
	ellipsis = "…"
	// command is how a command begins that a text has for its reader. Commands are the last part of a text.
	command = "kubectl "
)

// Truncated is a text of at most so many bytes, more than an ellipsis has: what is longer ends in an ellipsis after a whole
// character, and before a command that there is no room for, since half a command is one that nobody should run.
func Truncated(text string, most int) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) <= most {
		return text
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	kept, _, _ := strings.Cut(text[:end], command)
	return kept + ellipsis
}

// EmitEvent tells of a failure in an event, once, when it begins: was is what the conditions said before. It comes after the
// new ones are stored, since whatever is overtaken before that is found again.
func (t Table) EmitEvent(recorder EventRecorder, about runtime.Object, was []metav1.Condition, out Outcome) {
	if out.IsWriteRefused() && out.Reason == v1alpha1.ReasonDeleting {
		if !HadReason(was, v1alpha1.ConditionStalled, out.Reason) {
			recorder.Eventf(about, nil, corev1.EventTypeWarning, v1alpha1.ReasonWriteRefused, "Delete", "%s", t.ForEvent(out))
		}
		return
	}
	if out.Reason == "" || out.Quiet || Overlays(t, out.Reason) || HadReason(was, t.second, out.Reason) {
		return
	}
	if t.Troubled(out.Reason) {
		recorder.Eventf(about, nil, corev1.EventTypeWarning, out.Reason, "Reconcile", "%s", t.ForEvent(out))
	}
}

// Overlays says whether a reason lies over whatever was reported before: the trouble is another resource's, whose event is enough, and what was
// reported before may be reported again after it.
func Overlays(t Table, reason string) bool { return slices.Contains(t.noEvent, reason) }

// Told is the trouble of which the conditions speak, and of which an event has told; "" for none.
func Told(t Table, is []metav1.Condition) string {
	c := meta.FindStatusCondition(is, t.second)
	if c == nil || !t.Troubled(c.Reason) || Overlays(t, c.Reason) {
		return ""
	}
	return c.Reason
}

// AwaitingApproval is the outcome of a change that waits for its approval by a command, which is the next step. Where there is little room,
// the command is whole and the list left out.
func AwaitingApproval(change, rule, list, approve string) Outcome {
	rest := " waits: " + rule
	return Outcome{
		Reason:  v1alpha1.ReasonAwaitingApproval,
		Message: fmt.Sprintf("%s%s: %s", change, rest, list),
		Brief:   Truncated(change, longestNote-len(rest)-len(". ")-len(approve)) + rest,
		Next:    approve,
	}
}
