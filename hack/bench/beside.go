package main

import (
	"fmt"
	"math"
)

// comparison is a number of both commits, NaN where that was not measured. Of what was measured several times it is the median.
type comparison struct {
	what string
	got  func(fleetResult) float64
	// unit is printed after the number, "" for a counter.
	unit string
}

// comparisons are the numbers that are set side by side: counters first.
var comparisons = []comparison{
	{"requests to the Kubernetes API per created account", func(f fleetResult) float64 { return f.share(allRequests(f.created())) }, ""},
	{"of them writes", func(f fleetResult) float64 { return f.share(writingRequests(f.created())) }, ""},
	{"API calls per created account", func(f fleetResult) float64 { return f.share(allCalls(f.created())) }, ""},
	{"API calls of a resync at rest", ofScenario(rest, func(m measured) float64 { return float64(allCalls(m.spending)) / float64(m.Resyncs) }), ""},
	{"API calls of a restart", ofScenario(restart, func(m measured) float64 { return float64(allCalls(m.spending)) }), ""},
	{"requests of a restart", ofScenario(restart, func(m measured) float64 { return float64(allRequests(m.spending)) }), ""},
	{"calls that change one field of all", ofScenario(change, func(m measured) float64 { return float64(writingCalls(m.spending)) }), ""},
	{"requests for it, per account", func(f fleetResult) float64 {
		return ofScenario(change, func(m measured) float64 { return f.share(allRequests(m.spending)) })(f)
	}, ""},
	{"**A backlog**: all Ready after the start", ofBacklogs(measured.last), " s"},
	{"CPU of kube-apiserver", ofBacklogs(func(m measured) float64 { return m.CPU["kube-apiserver"] }), " s"},
	{"CPU of etcd", ofBacklogs(func(m measured) float64 { return m.CPU["etcd"] }), " s"},
	{"CPU of the operator", ofBacklogs(func(m measured) float64 { return m.CPU["operator"] }), " s"},
	{"**Applied while the operator runs**: all Ready after the last apply", ofCreations(measured.afterwards), " s"},
	{"CPU of kube-apiserver", ofCreations(func(m measured) float64 { return m.CPU["kube-apiserver"] }), " s"},
	{"CPU of the operator", ofCreations(func(m measured) float64 { return m.CPU["operator"] }), " s"},
	{"CPU of the operator, a resync at rest", ofScenario(rest, func(m measured) float64 { return m.CPU["operator"] / float64(m.Resyncs) }), " s"},
	{"CPU of the operator, a restart", ofScenario(restart, func(m measured) float64 { return m.CPU["operator"] }), " s"},
	{"memory of the operator at most", func(f fleetResult) float64 { return float64(f.peak()) / 1e6 }, " MB"},
}

func ofScenario(name string, number func(measured) float64) func(fleetResult) float64 {
	return func(f fleetResult) float64 {
		m, tried := f.Scenarios[name]
		if !tried {
			return math.NaN()
		}
		return number(m)
	}
}

func ofCreations(number func(measured) float64) func(fleetResult) float64 {
	return func(f fleetResult) float64 { return median(f.times(number)) }
}

func ofBacklogs(number func(measured) float64) func(fleetResult) float64 {
	return func(f fleetResult) float64 {
		if len(f.Backlogs) == 0 {
			return math.NaN()
		}
		var all []float64
		for _, m := range f.Backlogs {
			all = append(all, number(m))
		}
		return median(all)
	}
}

// share is a count by account.
func (f fleetResult) share(count int) float64 { return float64(count) / float64(f.N) }

// beside sets both commits side by side, "" where only one was measured.
func (r *results) beside() string {
	if len(r.FormerFleets) == 0 {
		return ""
	}
	header := []string{"accounts"}
	for _, f := range r.FormerFleets {
		header = append(header, thousands(f.N)+": "+r.Former, r.Version, "ratio")
	}
	rows := [][]string{header}
	for _, c := range comparisons {
		row := []string{c.what}
		for i, f := range r.FormerFleets {
			before, now := c.got(f), c.got(r.Fleets[i])
			row = append(row, c.print(before), c.print(now), ratio(before, now))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// print prints a counter with three decimals, since a fleet's are divided by its accounts, and anything else with two.
func (c comparison) print(n float64) string {
	if math.IsNaN(n) {
		return "-"
	}
	if c.unit == "" {
		return number3(n)
	}
	return fmt.Sprintf("%.2f%s", n, c.unit)
}

func ratio(before, now float64) string {
	if before == 0 || math.IsNaN(before) || math.IsNaN(now) {
		return "-"
	}
	return fmt.Sprintf("%.2f", math.Round(100*now/before)/100)
}
