package engine

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// longestMissing is how long MissingMessage is at most: an event has room for it.
const longestMissing = 1024

// Approvals are what the change guard holds back of a parent's changes, as groups that wait for an approval. Their texts depend on what
// waits, and on what the annotation has, alone.
func (h Held) Approvals(parent types.NamespacedName, annotation string) (groups []v1alpha1.PendingApproval) {
	if m := h.Missing; m != nil {
		what, command := missing(parent, m)
		groups = append(groups, v1alpha1.PendingApproval{
			Hash: m.Hash, Count: int32(m.Count),
			Message: withList(Mismatch(v1alpha1.AnnotationApproveMassChange, annotation, m.Hash)+what, m.List, command, longestMissing),
		})
	}
	for _, w := range h.Changes {
		what := Mismatch(v1alpha1.AnnotationApproveMassChange, annotation, w.Hash) +
			fmt.Sprintf("changes of %d resources%s (limits.massChange, limits.maxDeactivationsPerHour)", w.Count, waitIn(w.Namespace))
		groups = append(groups, v1alpha1.PendingApproval{
			Hash: w.Hash, Count: int32(w.Count),
			Message: withList(what, w.List, ToLetPass+ApproveCommand(parent, v1alpha1.AnnotationApproveMassChange, w.Hash), v1alpha1.MaxPendingApprovalMessage),
		})
	}
	return groups
}

// waitIn says in the message of a group of changes where its resources wait; another group's has no such words.
func waitIn(namespace string) string { return " in namespace " + namespace + " wait" }

// MayWait says whether a group that a former process has found waiting may still wait: missing accounts may, as lists alone tell, and changes while
// one of the resources in their namespace, or the ParentAccount itself, says that it waits. The children are those of the parent.
func MayWait(group v1alpha1.PendingApproval, parent *v1alpha1.ParentAccount, children []Managed) bool {
	waits := func(namespace string) bool { return strings.Contains(group.Message, waitIn(namespace)) }
	if strings.Contains(group.Message, listLacks) || ownWaited(parent.Status.Conditions) && waits(parent.Namespace) {
		return true
	}
	return slices.ContainsFunc(children, func(m Managed) bool { return waits(m.Object().GetNamespace()) && WaitsForMassChange(m) })
}

// WaitsForMassChange says whether the status of a resource says that a change waits as too many change.
func WaitsForMassChange(m Managed) bool {
	return slices.ContainsFunc(m.Status().Conditions, func(c metav1.Condition) bool {
		return c.Reason == v1alpha1.ReasonAwaitingApproval && strings.Contains(c.Message, v1alpha1.AnnotationApproveMassChange+"=")
	})
}

// ToLetPass comes before the command that approves a group of changes, in the messages of status.pendingApprovals and of conditions.
const ToLetPass = "To approve exactly these: "

// ApprovalDue is what to do next where resources of a parent wait for an approval: the command, where one group of changes does; "" where none do.
func ApprovalDue(parent types.NamespacedName, pending []v1alpha1.PendingApproval) string {
	if len(pending) == 0 {
		return ""
	}
	_, approve, found := strings.Cut(pending[0].Message, ToLetPass)
	if found && len(pending) == 1 && strings.HasPrefix(approve, "kubectl ") { // a message that is cut has no command
		return fmt.Sprintf("%d ChildAccounts wait for an approval of their changes, which status.pendingApprovals lists. %s%s", pending[0].Count, ToLetPass, approve)
	}
	return fmt.Sprintf("ChildAccounts wait for approvals. Read all that waits, and the commands that approve it: kubectl get parentaccount -n %s %s -o jsonpath='{.status.pendingApprovals[*].message}'", parent.Namespace, parent.Name)
}

// listLacks begins what is said of missing accounts.
const listLacks = "the provider's list lacks "

// MissingMessage says which of a parent's accounts are missing, why that is not believed, and how to approve it.
func MissingMessage(parent types.NamespacedName, m *changeguard.Disbelief) string {
	what, command := missing(parent, m)
	return withList(what, m.List, command, longestMissing)
}

// missing is MissingMessage without the list: what comes before it, and after it.
func missing(parent types.NamespacedName, m *changeguard.Disbelief) (what, command string) {
	rule := fmt.Sprintf("The operator believes at most %d accounts to be missing at once", m.Most)
	switch {
	case m.Count > m.Most:
	case m.Count+m.Counted > m.Most:
		rule = fmt.Sprintf("The operator believes at most %d accounts to be missing within the window, and %d others were believed to be missing in it", m.Most, m.Counted)
	default:
		rule = "Too many accounts were missing before, so the operator believes these after two lists in a row"
	}
	what = fmt.Sprintf(listLacks+"%d of %d accounts", m.Count, m.Total)
	command = rule + " (limits.massChange). Until the list has them again, their resources stay as they are, and the operator makes no call for them. If they were deleted at the provider: " + ApproveCommand(parent, v1alpha1.AnnotationApproveMassChange, m.Hash)
	return what, command
}

// withList is a text with the names that it is about, or without where that would be too long. The command at its end is whole.
func withList(what, list, command string, most int) string {
	if text := fmt.Sprintf("%s: %s. %s", what, list, command); len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s. %s", what, command)
}

// StartMessage says which writes are pending since the operator's start, why they wait, and how to approve them. The text of an approval of
// something else comes first, as in the other groups, and never between the list and what introduces it.
func StartMessage(parent *v1alpha1.ParentAccount, why string, group changeguard.StartGroup) string {
	annotation := parent.Annotations[v1alpha1.AnnotationApproveStart]
	what := Mismatch(v1alpha1.AnnotationApproveStart, annotation, group.Hash) + fmt.Sprintf("pending since the operator's start, and held, as %s: ", why)
	approve := ToLetPass + ApproveCommand(types.NamespacedName{Namespace: parent.Namespace, Name: parent.Name}, v1alpha1.AnnotationApproveStart, group.Hash)
	if text := fmt.Sprintf("%s%s. %s", what, group.List, approve); len(text) <= v1alpha1.MaxPendingApprovalMessage {
		return text
	}
	return what + approve // the command has to be whole
}

// longestApproval is how much of an annotation is repeated that approves something else.
const longestApproval = 80

// Mismatch says that the value of an annotation does not approve the group with the hash, so that whoever has mistyped the hash, or has that
// of a group which has changed since, learns of it. It is "" where the annotation has the hash, or nothing.
func Mismatch(annotation, value, hash string) string {
	if value == "" || slices.Contains(strings.Split(value, ","), hash) {
		return ""
	}
	return fmt.Sprintf("the present value of the annotation %s, %q, approves something else. ", annotation, conditions.Truncated(value, longestApproval))
}

// ApproveCommand is what a person runs to approve a group of a parent's changes: the annotation is the one that approves such groups.
func ApproveCommand(parent types.NamespacedName, annotation, hash string) string {
	return fmt.Sprintf("kubectl annotate parentaccount -n %s %s --overwrite %s=%s", parent.Namespace, parent.Name, annotation, hash)
}
