package conditions

import (
	"errors"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"cpaas.dev/child-account-operator/internal/refusal"
)

// longestRefusal bounds what is repeated of the words with which the Kubernetes API refuses a write: whoever has a webhook chooses them.
const longestRefusal = 500

// refusedWrite is for what the Kubernetes API refuses: nobody tells when a webhook, a policy, a quota or a right lets it pass, and trying
// costs the provider next to nothing.
var refusedWrite = Retry{min: 10 * time.Second, max: time.Hour}

// Refusal returns the words with which the Kubernetes API refused a request, in one line and truncated, and whether it refused the request
// for what the request is. Requests that were overtaken, or came at a bad moment, were not refused.
func Refusal(err error) (words string, refused bool) {
	if !refusal.OfRequest(err) {
		return "", false
	}
	return strings.TrimRight(Truncated(inOneLine(errorText(err)), longestRefusal), ". "), true
}

// errorText is the text of an answer of the Kubernetes API; "" for any other error.
func errorText(err error) string {
	if _, answered := errors.AsType[*apierrors.StatusError](err); !answered {
		return ""
	}
	return err.Error()
}

// inOneLine is a text without line breaks and other control characters.
func inOneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// WriteRefused is the outcome of a write to the Kubernetes API that was refused: it is Stalled, whatever the reason is.
func WriteRefused(reason, message string) Outcome {
	return Outcome{Reason: reason, Message: message, Retry: &refusedWrite, Stuck: true}
}

// IsWriteRefused says whether it is the outcome of a write to the Kubernetes API that was refused.
func (o Outcome) IsWriteRefused() bool { return o.Retry == &refusedWrite }

// StatusPause is when to write a status again that was refused, in a state that began at since: nobody can read meanwhile how the resource
// is.
func StatusPause(since, now time.Time) time.Duration { return often.next(since, now, 0) }
