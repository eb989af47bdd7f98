package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// created is what the creation of all accounts cost, until nothing more was written about them.
func (f fleetResult) created() spending {
	return f.Scenarios[creation].plus(f.Scenarios[firstResync].spending)
}

// peak is the most memory that the operator held in any scenario.
func (f fleetResult) peak() (most int64) {
	for _, m := range f.Scenarios {
		most = max(most, m.Peak)
	}
	for _, m := range f.Backlogs {
		most = max(most, m.Peak)
	}
	return most
}

// creations are all that were measured.
func (f fleetResult) creations() []measured {
	return append([]measured{f.Scenarios[creation]}, f.Again...)
}

// often is a time of the creation: where it was measured several times the median, and from when to when.
func often(seconds func(measured) float64) func(fleetResult) string {
	return func(f fleetResult) string {
		all := f.times(seconds)
		if len(all) == 1 {
			return inSeconds(all[0])
		}
		return fmt.Sprintf("%s (%.2f to %.2f)", inSeconds(median(all)), all[0], all[len(all)-1])
	}
}

// times are a time of each creation, the shortest first.
func (f fleetResult) times(seconds func(measured) float64) (all []float64) {
	for _, m := range f.creations() {
		all = append(all, seconds(m))
	}
	slices.Sort(all)
	return all
}

// afterwards is when the last resource was Ready, counted from the last apply.
func (m measured) afterwards() float64 { return m.last() - m.Applied }

// allCPU is what all that runs used, bench and simulator too.
func (m measured) allCPU() (sum float64) {
	for _, used := range m.CPU {
		sum += used
	}
	return sum
}

// pages is how many pages the list of all accounts has.
func (f fleetResult) pages() int { return (f.N + 999) / 1000 }

// each is a count by account, with three decimals at most.
func (f fleetResult) each(count int) string {
	return number3(f.share(count))
}

// number3 prints at most three decimals.
func number3(n float64) string { return strconv.FormatFloat(math.Round(1000*n)/1000, 'f', -1, 64) }

// of is a number of one scenario, "-" where that was not tried.
func of(scenario string, number func(measured) string) func(fleetResult) string {
	return func(f fleetResult) string {
		m, tried := f.Scenarios[scenario]
		if !tried {
			return "-"
		}
		return number(m)
	}
}

func allCalls(s spending) int        { all, _ := s.calls(); return all }
func writingCalls(s spending) int    { _, writing := s.calls(); return writing }
func allRequests(s spending) int     { all, _ := s.requests(); return all }
func writingRequests(s spending) int { _, writing := s.requests(); return writing }

func perResync(m measured, count int) string { return number(float64(count) / float64(m.Resyncs)) }

// number prints at most two decimals.
func number(n float64) string { return strconv.FormatFloat(rounded(n), 'f', -1, 64) }

func rounded(n float64) float64 { return math.Round(n*100) / 100 }

func inSeconds(s float64) string { return fmt.Sprintf("%.2f s", s) }

func inMB(bytes int64) string { return fmt.Sprintf("%d MB", bytes/1e6) }

// thousands prints 10000 as 10,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
