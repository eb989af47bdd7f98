package metrics

// Alert is what somebody should be alarmed by.
type Alert struct {
	// Expr is the expression in Prometheus' language.
	Expr string
	// Why is what it means.
	Why string
}

// Alerts are those of docs/metrics.md. A test finds the series of each in every state of the operator: an alert whose series is missing
// never fires.
var Alerts = []Alert{
	{Prefix + CacheSynced.Name + ` == 0`, "a namespace, or the cluster, can't be read"},
	{Prefix + NotDeactivated.Name + ` > 0`, "accounts were left active: see status.notDeactivated"},
	{Prefix + Unavailable.Name + ` == 1`, "the provider does not answer, or not consistently"},
	{Prefix + SnapshotAge.Name + ` > 3600`, "nothing was compared for an hour"},
	{Prefix + Resources.Name + `{ready="False"} > 0`, "somebody has to act: see the reason"},
	{Prefix + Resources.Name + `{reason="AwaitingApproval"} > 0`, "a mass change waits"},
	{Prefix + PendingApprovals.Name + ` > 0`, "writes, or accounts that are missing, wait for an approval: see status.pendingApprovals"},
	{`rate(` + Prefix + Calls.Name + `{class="Throttled"}[10m]) > 0`, "the provider rate-limits calls"},
}
