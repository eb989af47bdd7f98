package metrics_test

import (
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/metrics"
)

// TestMetricsDoc keeps docs/metrics.md as the table is.
func TestMetricsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Metrics

The operator's own metrics; made from the table in internal/metrics. Beside them it serves those of
[controller-runtime](https://book.kubebuilder.io/reference/metrics-reference) (queues, reconciles, requests to the API server)
and of the Go runtime. How to have them scraped: [operations](operations.md).

| metric | type | labels | what it says |
|---|---|---|---|
`)
	for _, d := range metrics.Definitions {
		fmt.Fprintf(&b, "| `%s%s` | %s | %s | %s |\n", metrics.Prefix, d.Name, d.Kind, strings.Join(d.Labels, ", "), d.Help)
	}
	b.WriteString(`
Labels name ParentAccounts (namespace, parent), never ChildAccounts: there may be thousands. No metric has a secret in it.

## What to be alarmed by
` + "```" + `
child_account_operator_cache_synced == 0                                             # a namespace, or the cluster, can't be read
child_account_operator_not_deactivated > 0                                           # accounts were left active: see status.notDeactivated
child_account_operator_api_unavailable == 1                                          # the provider does not answer
child_account_operator_snapshot_age_seconds > 3600                                   # nothing was compared for an hour
child_account_operator_resources{ready="False"} > 0                                  # somebody has to act: see the reason
child_account_operator_resources{reason="AwaitingApproval"} > 0                      # a mass change waits
rate(child_account_operator_api_calls_total{class="Throttled"}[10m]) > 0             # asked for too much
` + "```" + `
`)
	golden.Check(t, "../../docs/metrics.md", b.String(), "UPDATE_DOCS=1 go test ./internal/metrics")
}
