// Package metrics has the operator's own metrics, as a table from which docs/metrics.md is made.
package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"cpaas.dev/child-account-operator/internal/account"
)

// Prefix begins the name of each metric of the operator's own.
const Prefix = "child_account_operator_"

// Definition is what there is to know of a metric.
type Definition struct {
	// Name is without the prefix. Kind is counter, gauge or histogram.
	Name, Kind string
	Labels     []string
	// Help says what it counts, and what it is good for.
	Help string
}

// Definitions are all of them, in the order of docs/metrics.md.
var Definitions []Definition

// The definitions.
var (
	Calls = define("api_calls_total", "counter", []string{"method", "class"},
		"Calls to the provider that were answered, or had no answer, by method and class: OK, or the class of the failure (Throttled, Unavailable, Unauthorized, Invalid and so on). OK, Throttled and Unavailable begin at 0 with the process, others with the first call.")
	CallDuration = define("api_call_duration_seconds", "histogram", []string{"method"},
		"How long calls to the provider took, without the wait for the budget.")
	Rate = define("api_rate", "gauge", []string{"namespace", "parent"},
		"The highest rate of calls at present, in calls per second: limits.requestsPerSecond, or less while the provider rate-limits.")
	Unavailable = define("api_unavailable", "gauge", []string{"namespace", "parent"},
		"1 while the provider does not answer, or not consistently: as the condition APIAvailable of the ParentAccount says, with the reason APIUnavailable, or as calls have shown since. 0 while the ParentAccount is suspended.")
	SnapshotAge = define("snapshot_age_seconds", "gauge", []string{"namespace", "parent"},
		"How long ago the last complete list of child accounts was requested; where this process has read none, for how long it has been trying. More than three resync intervals: what is known is old. 0 while the ParentAccount is suspended, and on a replica that does not lead.")
	SnapshotAccounts = define("snapshot_accounts", "gauge", []string{"namespace", "parent"},
		"Child accounts in the last complete list.")
	ListMethod = define("list_method", "gauge", []string{"namespace", "parent", "method"},
		"1 for the method by which the provider allows the operator to read the whole list: all (every account by one literal), unfiltered (no selection), or known (only the accounts that are asked for by id and name).")
	Resources = define("resources", "gauge", []string{"kind", "ready", "reason"},
		"ParentAccounts and ChildAccounts by their Ready condition (True, False, Unknown, or empty before the first reconcile), and the reason of how the last reconcile ended (that of Synced, or APIAvailable). Each state that docs/conditions.md knows has a series, of 0 where no resource is in it.")
	Drift = define("drift_fields", "gauge", []string{"field"},
		"ChildAccounts whose status reports drift in the field (driftPolicy Report, managementPolicy Observe).")
	DriftCorrected = define("drift_corrected_total", "counter", []string{"field"},
		"Fields that were changed at the provider and were written back.")
	NotDeactivated = define("not_deactivated", "gauge", []string{"namespace", "parent"},
		"Accounts of deleted ChildAccounts (deletionPolicy Deactivate) that were not deactivated, until they are acknowledged: status.notDeactivated of the ParentAccount has them.")
	PendingApprovals = define("pending_approvals", "gauge", []string{"namespace", "parent"},
		"ChildAccounts whose writes wait for an approval that status.pendingApprovals of the ParentAccount has.")
	Verifications = define("verifications", "gauge", []string{"namespace", "parent", "state"},
		"Verifications of the ParentAccount's child accounts by what their status means: Required, InProgress, Verified, NotRequired, or Other. Only with the flag --read-verifications, once they were read.")
	CapabilityGranted = define("capability_granted", "gauge", []string{"namespace", "parent", "capability"},
		"1 if the provider allows the ParentAccount's credentials to read what a flag requests beside the list, 0 if it refuses (condition CapabilityMissing): Verification with --read-verifications; Balance, AmountToCharge and ExchangeRates with --money-metrics. A series begins once the operator knows.")
	ParentBalance = define("parent_balance", "gauge", []string{"namespace", "parent", "currency"},
		"The parent account's balance in its currency, read once an hour; not the live balance. Like all metrics of money only with the flag --money-metrics; a value that could not be read for three times as long as usual is left out. A currency that is not three capital letters is \"other\".")
	ParentCreditLimit = define("parent_credit_limit", "gauge", []string{"namespace", "parent", "currency"},
		"How far the parent account's balance may fall below zero.")
	AmountToCharge = define("amount_to_charge", "gauge", []string{"namespace", "parent", "currency"},
		"How much money the provider recommends to add to the parent account, read once an hour.")
	MinimumToCharge = define("minimum_amount_to_charge", "gauge", []string{"namespace", "parent", "currency"},
		"The least money that the provider recommends to add to the parent account.")
	ExchangeRate = define("exchange_rate", "gauge", []string{"namespace", "parent", "currency"},
		"How much of the currency a US dollar is worth at the provider, read once a day: EUR, KZT, RUR, USD.")
	ChildBalance = define("child_balance", "gauge", []string{"namespace", "child", "currency"},
		"The balance of a ChildAccount's account in its currency, as of the last list: one series for each ChildAccount that has an account.")
	ChildCreditLimit = define("child_credit_limit", "gauge", []string{"namespace", "child", "currency"},
		"How far the balance of a ChildAccount's account may fall below zero, as of the last list.")
	RefusedWrites = define("refused_writes_total", "counter", []string{"of"},
		"Writes that the Kubernetes API refused (a webhook, a policy, a quota, a missing right), by what was to be written: status, resource, or secret. While the status of a resource is refused, only this metric, an event and the log report on the resource.")
	Callbacks = define("callbacks_total", "counter", []string{"type", "result"},
		"Callbacks of the provider that were received at --callback-address, by result: Accepted, Ignored, or why the operator refused them, as docs/callbacks.md says. The type is empty unless the callback was proven to be the provider's. A request that was refused as a whole counts as one. There are none without --callback-address.")
	CacheSynced = define("cache_synced", "gauge", []string{"namespace"},
		"1 while the namespace can be read, 0 while it can't be or does not exist: /readyz names what is missing. An empty namespace is the whole cluster.")
	CacheRequests = define("cache_requests_total", "counter", []string{"namespace", "kind", "result"},
		"Lists and watches that the operator began to read the kind in the namespace, by the answer of the Kubernetes API: OK, or the reason (Forbidden, NotFound, Timeout, Unreachable and so on).")
)

// define adds a metric to the Definitions.
func define(name, kind string, labels []string, help string) Definition {
	d := Definition{Name: name, Kind: kind, Labels: labels, Help: help}
	Definitions = append(Definitions, d)
	return d
}

// Gauges are the Definitions that are read off what the operator knows whenever somebody asks.
func Gauges() []Definition {
	return slices.DeleteFunc(slices.Clone(Definitions), func(d Definition) bool { return d.Kind != "gauge" })
}

// Desc describes the metric to Prometheus.
func (d Definition) Desc() *prometheus.Desc {
	return prometheus.NewDesc(Prefix+d.Name, d.Help, d.Labels, nil)
}

// The counters and the histogram, which count from their start on and are served with the gauges.
var (
	calls     = counter(Calls)
	took      = histogram(CallDuration, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)
	corrected = counter(DriftCorrected)
	requested = counter(CacheRequests)
	refused   = counter(RefusedWrites)
	received  = counter(Callbacks)
)

// counter has a counter served.
func counter(d Definition) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: Prefix + d.Name, Help: d.Help}, d.Labels)
	metrics.Registry.MustRegister(c)
	return c
}

// histogram has a histogram served.
func histogram(d Definition, buckets ...float64) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: Prefix + d.Name, Help: d.Help, Buckets: buckets}, d.Labels)
	metrics.Registry.MustRegister(h)
	return h
}

// fromTheStart are the classes whose series are there before the first call: a counter that appears with its first event is no rate.
var fromTheStart = []string{classOK, string(account.Throttled), string(account.Unavailable)}

// classOK is that of a call that was carried out.
const classOK = "OK"

// WillCall has the series served of methods that will be called.
func WillCall(methods ...string) {
	for _, method := range methods {
		for _, class := range fromTheStart {
			calls.WithLabelValues(method, class)
		}
	}
}

// Called counts a call to the provider; failed is nil where it was carried out.
func Called(method string, duration time.Duration, failed *account.Error) {
	class := classOK
	if failed != nil {
		class = string(failed.Class)
	}
	calls.WithLabelValues(method, class).Inc()
	took.WithLabelValues(method).Observe(duration.Seconds())
}

// Corrected counts a field whose drift was corrected.
func Corrected(field string) { corrected.WithLabelValues(field).Inc() }

// What the Kubernetes API may refuse to have written.
const (
	RefusedStatus   = "status"
	RefusedResource = "resource"
	RefusedSecret   = "secret"
)

func init() { // each series exists from the start, so that its first increase is seen
	for _, of := range []string{RefusedStatus, RefusedResource, RefusedSecret} {
		refused.WithLabelValues(of)
	}
}

// WriteRefused counts a write that the Kubernetes API refused.
func WriteRefused(of string) { refused.WithLabelValues(of).Inc() }

// WillReceiveCallbacks has the series served of callbacks of a type and with a result.
func WillReceiveCallbacks(callbackType, result string) {
	received.WithLabelValues(callbackType, result)
}

// CallbackReceived counts a callback; the type is "" unless it is proven to be the provider's.
func CallbackReceived(callbackType, result string) {
	received.WithLabelValues(callbackType, result).Inc()
}

// CacheRequested counts a list or watch of the Kubernetes API.
func CacheRequested(namespace, kind, result string) {
	requested.WithLabelValues(namespace, kind, result).Inc()
}
