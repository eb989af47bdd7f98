package engine

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/internal/conditions"
)

// loggedTroubles are the troubles of parents that this process has logged, by the parent. All methods may be called by several workers at
// once.
type loggedTroubles struct {
	mu      sync.Mutex
	reasons map[types.NamespacedName]string
}

// begins says whether a parent's trouble was not logged yet: what an earlier process has logged, nobody may see any more.
func (t *loggedTroubles) begins(parent types.NamespacedName, reason string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reasons[parent] == reason {
		return false
	}
	if t.reasons == nil {
		t.reasons = map[types.NamespacedName]string{}
	}
	t.reasons[parent] = reason
	return true
}

// forget drops what is remembered of a parent that has no trouble, or is deleted.
func (t *loggedTroubles) forget(parent types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.reasons, parent)
}

// ReportParent tells, in events and the log, of a trouble of a parent that begins or is over. It is to be called once the conditions are
// stored; was are those before.
func ReportParent(ctx context.Context, e *Engine, parent client.Object, was []metav1.Condition, out conditions.Outcome) {
	table, now := conditions.Parents, e.Clock.Now()
	table.EmitEvent(e.Recorder, parent, was, out)
	if p, ok := parent.(interface{ GetConditions() *[]metav1.Condition }); ok {
		conditions.EmitCapabilityMissing(e.Recorder, parent, was, *p.GetConditions())
	}
	if out.Reason == "" {
		return
	}
	key, logger := client.ObjectKeyFromObject(parent), log.FromContext(ctx)
	row := table.Row(out.Reason)
	if row.Unsynced() || row.Stalled() {
		if e.troubles.begins(key, out.Reason) {
			logger.Info("the parent account can't be used", "reason", out.Reason, "since", conditions.TroubledSince(was, now).UTC().Format(time.RFC3339), "cause", table.ForEvent(out))
		}
		return
	}
	e.troubles.forget(key)
	if over, ok := table.Recovered(was, out, now); ok {
		table.EmitRecovery(e.Recorder, parent, over)
		logger.Info("the parent account can be used again", "reason", over.Reason, "lasted", over.Lasted.String())
	}
}

// ReportMissing tells, in an event and the log, of accounts that are missing at once and not believed to be, when that begins and when it
// is over. It is to be called once the conditions are stored; was are those before.
func ReportMissing(ctx context.Context, e *Engine, parent client.Object, was, is []metav1.Condition) {
	switch begins, ends := conditions.EmitAccountsMissing(e.Recorder, parent, was, is); {
	case begins:
		log.FromContext(ctx).Info("more accounts are missing at once than the operator believes: status.pendingApprovals has the command that approves their absence")
	case ends:
		log.FromContext(ctx).Info("no accounts are missing any more whose absence waits for an approval")
	}
}
