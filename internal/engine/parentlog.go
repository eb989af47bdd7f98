package engine

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/internal/conditions"
)

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
		since := conditions.TookPlace(table, was, out.Reason, now)
		if e.troubles.begins(key, out.Reason, since) {
			if since.IsZero() {
				since = conditions.TroubledSince(was, now)
			}
			logger.Info("the parent account can't be used", "reason", out.Reason, "since", since.UTC().Format(time.RFC3339), "cause", table.ForEvent(out))
		}
		return
	}
	told, _ := e.troubles.last(key)
	e.troubles.forget(key)
	if over, ok := table.Recovered(was, out, now); ok {
		over = told.over(over, now)
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
