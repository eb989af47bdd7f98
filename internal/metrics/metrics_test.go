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

For on-call and cluster admins who set up monitoring: the operator's own metrics, and what to alert on. Beside them the operator serves those of
[controller-runtime](https://book.kubebuilder.io/reference/metrics-reference) (queues, reconciles, requests to the Kubernetes API)
and of the Go runtime. How to have them scraped: [operations](operations.md).

| metric | type | labels | what it says |
|---|---|---|---|
`)
	for _, d := range metrics.Definitions {
		fmt.Fprintf(&b, "| `%s%s` | %s | %s | %s |\n", metrics.Prefix, d.Name, d.Kind, strings.Join(d.Labels, ", "), d.Help)
	}
	b.WriteString(`
Labels name ParentAccounts (namespace, parent), and no ChildAccounts, as there may be thousands. The exceptions are
child_balance and child_credit_limit, which are served with the flag --money-metrics alone: a series each for every ChildAccount that has an account. No metric has a secret in it.

## What to be alarmed by
The series of each alert is there from the operator's start, in every state: those of a ParentAccount from when the operator knows it until
it is deleted, whether it can be worked with or not. So an alert fires after a restart amid an outage, too.
` + "```\n")
	for _, a := range metrics.Alerts {
		fmt.Fprintf(&b, "%-84s # %s\n", a.Expr, a.Why)
	}
	b.WriteString("```\n")
	golden.Check(t, "../../docs/metrics.md", b.String(), "UPDATE_DOCS=1 go test ./internal/metrics")
}
