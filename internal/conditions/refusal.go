package conditions

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// longestRefusal bounds what is repeated of the words with which the Kubernetes API refuses a write: whoever has a webhook chooses them.
const longestRefusal = 500

// denied is in the text of each refusal by a webhook, which may have any HTTP status.
const denied = "denied the request"

// refusedWrite is for what the Kubernetes API refuses: nobody tells when a webhook, a policy, a quota or a right lets it pass, and trying
// costs the provider next to nothing.
var refusedWrite = Retry{min: 10 * time.Second, max: time.Hour}

// Refusal returns the words with which the Kubernetes API refused a request, in one line and truncated, and whether it refused the request
// for what the request is. Requests that were overtaken, or came at a bad moment, were not refused.
func Refusal(err error) (words string, refused bool) {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return "", false
	}
	text := err.Error()
	switch code := status.ErrStatus.Code; code {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
	default:
		refused = code >= http.StatusBadRequest && code < http.StatusInternalServerError
	}
	if !refused && !strings.Contains(text, denied) {
		return "", false
	}
	return strings.TrimRight(Truncated(inOneLine(text), longestRefusal), ". "), true
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
