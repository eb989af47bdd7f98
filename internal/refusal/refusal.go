// Package refusal tells from the Kubernetes API's answers that it refused a request for what the request is: by a missing right, a quota,
// a webhook, a policy or the schema. A request that was overtaken, or came at a bad moment, was not refused.
package refusal

import (
	"errors"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// denied finds the words of webhooks and policies, whose refusals may have any HTTP status.
var denied = regexp.MustCompile(`denied (the )?request`)

// OfRequest says whether an error is the Kubernetes API's refusal of a request.
func OfRequest(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err) || ByAdmission(err)
}

// ByAdmission says whether an error is the refusal of a webhook or a policy, by its words.
func ByAdmission(err error) bool {
	_, answered := errors.AsType[*apierrors.StatusError](err)
	return answered && denied.MatchString(err.Error())
}
