package conditions

import (
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// texts are long and short ones, of characters of every length, with bytes that are none, and with commands.
var texts = rapid.Custom(func(t *rapid.T) string {
	part := rapid.OneOf(
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"ü", "€", "😀", " ", command, strings.Repeat("a", longestNote), strings.Repeat("€", longestNote/3)}),
	)
	return strings.Join(rapid.SliceOfN(part, 0, 20).Draw(t, "parts"), "")
})

func TestTruncated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, most := texts.Draw(t, "text"), rapid.IntRange(len(ellipsis)+utf8.UTFMax, 2*longestNote).Draw(t, "most")
		got, valid := Truncated(text, most), strings.ToValidUTF8(text, "")
		kept, cut := strings.CutSuffix(got, ellipsis)
		switch {
		case len(got) > most || !utf8.ValidString(got):
			t.Fatalf("%d bytes for %d, valid %v", len(got), most, utf8.ValidString(got))
		case len(valid) <= most && got != valid:
			t.Fatalf("%q was changed though it fits", valid)
		case len(valid) <= most:
			return
		case !cut || !strings.HasPrefix(valid, kept):
			t.Fatalf("%q is not how %q begins", got, valid)
		case strings.Contains(kept, command):
			t.Fatalf("%q has a part of a command", got)
		}
		rest := valid[len(kept):]
		_, next := utf8.DecodeRuneInString(rest)
		if len(got)+next <= most && !strings.HasPrefix(rest, command) {
			t.Fatalf("%q has room for %q", got, rest[:next])
		}
	})
}

// emitted is a recorder that remembers the texts of the last event.
type emitted struct{ reason, action, note string }

func (e *emitted) Eventf(_, _ runtime.Object, _, reason, action, note string, args ...any) {
	if note != "%s" || len(args) != 1 {
		panic("what an event says is no format")
	}
	*e = emitted{reason, action, args[0].(string)}
}

// Whatever is said, the Kubernetes API takes it.
func TestEventsAreWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got emitted
		NewEventRecorder(&got).Eventf(nil, nil, corev1.EventTypeNormal, texts.Draw(t, "reason"), texts.Draw(t, "action"), "%s of %s", texts.Draw(t, "a"), texts.Draw(t, "b"))
		if len(got.reason) > 128 || len(got.action) > 128 || len(got.note) > 1024 {
			t.Fatalf("%d bytes of reason, %d of action, %d of note", len(got.reason), len(got.action), len(got.note))
		}
		if !utf8.ValidString(got.reason + got.action + got.note) {
			t.Fatal("not UTF-8")
		}
	})
}

// However long names and values are, an event and a condition have the whole command, and what is short is said in full.
func TestApprovalIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		what, list := texts.Draw(t, "what"), texts.Draw(t, "list")
		approve := "To approve: " + command + "annotate parentaccount " + strings.Repeat("n", rapid.IntRange(0, 63+253+150).Draw(t, "names"))
		out := AwaitingApproval(what, "no more than 5 accounts (of 1000) may change within 10m0s", list, approve)
		var got emitted
		Children.EmitEvent(NewEventRecorder(&got), nil, nil, out)
		condition := written(Children, out)[0].Message
		for place, text := range map[string]string{"event": got.note, "condition": condition} {
			if !strings.HasSuffix(text, " may change within 10m0s. "+approve) && text != Advise(strings.ToValidUTF8(out.Message, ""), approve) {
				t.Fatalf("the %s says %q", place, text)
			}
			if !strings.HasSuffix(text, approve) {
				t.Fatalf("the %s has not the whole command: %q", place, text)
			}
		}
		if whole := Advise(strings.ToValidUTF8(out.Message, ""), approve); len(out.Message)+len(". ")+len(approve) <= longestNote && got.note != whole {
			t.Fatalf("%q was changed though it fits", out.Message)
		}
		if got.reason != v1alpha1.ReasonAwaitingApproval || len(got.note) > longestNote || len(condition) > longestMessage {
			t.Fatalf("%s: %d bytes in the event, %d in the condition", got.reason, len(got.note), len(condition))
		}
	})
}

// A password that is not known is one event, and so is the end of that.
func TestEmitPasswordUnknown(t *testing.T) {
	of := func(status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionConnectionSecretReady, Status: status, Reason: reason, Message: "the password is not known"}}
	}
	unknown, known, invalid := of(no, v1alpha1.ReasonPasswordUnknown), of(yes, v1alpha1.ReasonAvailable), of(no, v1alpha1.ReasonSecretInvalid)
	for name, test := range map[string]struct {
		was, is []metav1.Condition
		want    emitted
	}{
		"at first":        {nil, unknown, emitted{reason: v1alpha1.ReasonPasswordUnknown, note: "the password is not known"}},
		"later":           {known, unknown, emitted{reason: v1alpha1.ReasonPasswordUnknown, note: "the password is not known"}},
		"still":           {unknown, unknown, emitted{}},
		"known again":     {unknown, known, emitted{reason: "Recovered", note: "what was reported as PasswordUnknown is over: nothing to do"}},
		"another trouble": {unknown, invalid, emitted{}},
		"known":           {known, known, emitted{}},
		"no Secret yet":   {nil, nil, emitted{}},
	} {
		var got emitted
		EmitPasswordUnknown(NewEventRecorder(&got), nil, test.was, test.is)
		if got.action = ""; got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
