package engine

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
)

// longestMissing is how long MissingMessage is at most: an event has room for it.
const longestMissing = 1024

// Approvals are what the change guard holds back of a parent's changes, as groups that wait for an approval. Their texts depend on what
// waits alone.
func (h Held) Approvals(parent types.NamespacedName) (groups []v1alpha1.PendingApproval) {
	if m := h.Missing; m != nil {
		groups = append(groups, v1alpha1.PendingApproval{Hash: m.Hash, Count: int32(m.Count), Message: MissingMessage(parent, m)})
	}
	for _, w := range h.Changes {
		what := fmt.Sprintf("changes of %d resources in namespace %s wait (limits.massChange, limits.maxDeactivationsPerHour)", w.Count, w.Namespace)
		groups = append(groups, v1alpha1.PendingApproval{
			Hash: w.Hash, Count: int32(w.Count),
			Message: withList(what, w.List, "To let exactly these pass: "+ApproveCommand(parent, v1alpha1.AnnotationApproveMassChange, w.Hash), v1alpha1.MaxPendingApprovalMessage),
		})
	}
	return groups
}

// MissingMessage says which of a parent's accounts are missing, why that is not believed, and how to approve it.
func MissingMessage(parent types.NamespacedName, m *changeguard.Disbelief) string {
	rule := fmt.Sprintf("No more than %d missing at once are believed", m.Most)
	if m.Count <= m.Most {
		rule = fmt.Sprintf("More than %d were missing before, so these are believed after two lists in a row", m.Most)
	}
	what := fmt.Sprintf("the provider's list lacks %d of %d accounts", m.Count, m.Total)
	command := rule + " (limits.massChange): their resources stay as they are, and nothing is sent for them until the list has them again. If they were deleted there: " + ApproveCommand(parent, v1alpha1.AnnotationApproveMassChange, m.Hash)
	return withList(what, m.List, command, longestMissing)
}

// withList is a text with the names that it is about, or without where that would be too long. The command at its end is whole.
func withList(what, list, command string, most int) string {
	if text := fmt.Sprintf("%s: %s. %s", what, list, command); len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s. %s", what, command)
}

// ApproveCommand is what a person runs to approve a group of a parent's changes: the annotation is the one that approves such groups.
func ApproveCommand(parent types.NamespacedName, annotation, hash string) string {
	return fmt.Sprintf("kubectl annotate parentaccount -n %s %s --overwrite %s=%s", parent.Namespace, parent.Name, annotation, hash)
}
