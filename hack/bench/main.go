// Command bench measures the operator: a real control plane, the simulated provider with a latency, and the operator as
// people run it. It writes what it measured to docs/performance.md, with a plot beside it, and as JSON below bin/bench.
//
// make bench starts it, from the top of the checkout. It needs Linux, for /proc.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/hack/internal/stack"
)

func main() {
	operator := flag.String("operator", "bin/child-account-operator", "the operator's binary")
	sizes := flag.String("n", "1000 5000 10000", "how many accounts, in one run after another")
	page := flag.String("out", "docs/performance.md", "where to write; the plot goes beside it")
	from := flag.String("from", "", "write what was measured before, from this JSON file, and measure nothing")
	version := flag.String("version", "dev", "the commit that is measured")
	former := flag.String("former", "", "a checkout of a former commit with its binary in bin, to be measured by turns")
	formerVersion := flag.String("former-version", "former", "that commit")
	o := options{}
	flag.DurationVar(&o.Latency, "latency", 20*time.Millisecond, "how long the provider takes for every answer")
	flag.IntVar(&o.Rate, "rate", 500, "the ParentAccount's limits.requestsPerSecond")
	flag.IntVar(&o.InFlight, "in-flight", 10, "the ParentAccount's limits.maxInFlight")
	flag.IntVar(&o.Times, "times", 3, "how many times the creation of at most 1,000 accounts is measured: its times vary")
	without := flag.String("without", "", "scenarios to leave out, such as 'change newcomers backlog profiles SubAccounts'")
	flag.Parse()
	o.Without = strings.Fields(*without)

	results, err := read(*from)
	if *from == "" {
		var beside *subject
		if *former != "" {
			beside = &subject{*formerVersion, *former, filepath.Join(*former, "bin/child-account-operator")}
		}
		results, err = measure(subject{version: *version, binary: *operator}, beside, *sizes, o)
	}
	if err == nil {
		err = results.write(*page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what a fleet is measured with.
type options struct {
	Latency  time.Duration
	Rate     int
	InFlight int
	Times    int
	// Without are the scenarios that are left out.
	Without []string `json:",omitempty"`
}

// oftenUpTo is the largest fleet whose creation and backlog are measured options.Times times, and with which profiles and SubAccounts are measured.
const oftenUpTo = 1000

// subject is an operator that is measured, with the manifests of its commit.
type subject struct {
	version string
	// tree is a checkout, "" this one; its binary is in bin.
	tree, binary string
}

// measure runs the scenarios with each size, each on a stack of its own: where there is a former commit, of that and of this one by turns.
func measure(present subject, former *subject, sizes string, o options) (*results, error) {
	r := &results{Date: time.Now(), Version: present.version, Go: runtime.Version(), CPUs: runtime.NumCPU(), Options: o}
	counts, err := parseSizes(sizes)
	if err != nil {
		return nil, err
	}
	if r.Load, err = load(); err != nil {
		return nil, err
	}
	subjects := []subject{present}
	if former != nil {
		r.Former = former.version
		subjects = []subject{*former, present}
	}
	return r, stack.Run("bench", present.binary, func(ctx context.Context, s *stack.Stack) error {
		for _, n := range counts {
			fleets, err := measureFleets(ctx, s, subjects, n, o)
			if err != nil {
				return err
			}
			last := len(fleets) - 1
			r.Fleets = append(r.Fleets, fleets[last])
			r.FormerFleets = append(r.FormerFleets, fleets[:last]...)
			if err := r.save(s.Path("results.json")); err != nil {
				return err
			}
		}
		return nil
	})
}

// measureFleets measures n accounts with each subject.
func measureFleets(ctx context.Context, s *stack.Stack, subjects []subject, n int, o options) ([]fleetResult, error) {
	out := make([]fleetResult, len(subjects))
	for i := range o.timesOf(n) {
		for j, subject := range subjects {
			fmt.Fprintf(s.Out, "\n%s\n", subject.version)
			s.Operator, s.Manifests = subject.binary, subject.tree
			if err := out[j].measure(ctx, s, n, o, i == 0); err != nil {
				return nil, fmt.Errorf("%s: %w", subject.version, err)
			}
		}
	}
	return out, nil
}

// timesOf is how many times the creation of n accounts is measured.
func (o options) timesOf(n int) int {
	if n > oftenUpTo {
		return 1
	}
	return max(1, o.Times)
}

// measure adds a creation and a backlog, and the first time all other scenarios: those with profiles, and those of SubAccounts, on a stack of their own.
func (f *fleetResult) measure(ctx context.Context, s *stack.Stack, n int, o options, first bool) error {
	which := scenarios
	if !first {
		which = scenarios[:1]
	}
	created, err := runFleet(ctx, s, n, o, o.wanted(which))
	if err != nil {
		return err
	}
	s.Stop()
	if first {
		*f = *created
	} else {
		f.Again = append(f.Again, created.Scenarios[creation])
	}
	if first && n <= oftenUpTo {
		if err := f.measureAlone(ctx, s, profiles, n, o, profilesAlone, readingFlags...); err != nil {
			return err
		}
		if err := f.measureAlone(ctx, s, subAccounts, subAccountsOf(n), o, subAccountsAlone); err != nil {
			return err
		}
	}
	if len(o.wanted(backlogAlone)) == 0 {
		return nil
	}
	worked, err := runFleet(ctx, s, n, o, backlogAlone)
	if err != nil {
		return err
	}
	s.Stop()
	f.Backlogs = append(f.Backlogs, worked.Scenarios[backlog])
	return nil
}

// wanted are those of the scenarios that are not left out.
func (o options) wanted(of []scenario) []scenario {
	return slices.DeleteFunc(slices.Clone(of), func(s scenario) bool { return slices.Contains(o.Without, s.name) })
}

func parseSizes(sizes string) ([]int, error) {
	var out []int
	for word := range strings.FieldsSeq(sizes) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 99_999 {
			return nil, fmt.Errorf("%q is no number of accounts", word)
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// results are all that was measured.
type results struct {
	Date    time.Time
	Version string
	Go      string
	CPUs    int
	// Load is how many others were computing when it began.
	Load    float64
	Options options
	Fleets  []fleetResult
	// Former is the commit that was measured beside this one, "" none, and FormerFleets what was measured with it.
	Former       string        `json:",omitempty"`
	FormerFleets []fleetResult `json:",omitempty"`
}

// fleetResult is what was measured with one number of accounts.
type fleetResult struct {
	N          int
	Kubernetes string
	Scenarios  map[string]measured
	// Again are further creations, each on a stack of its own.
	Again []measured `json:",omitempty"`
	// Backlogs are the starts of an operator that finds all accounts declared, each on a stack of its own.
	Backlogs []measured `json:",omitempty"`
}

func read(path string) (*results, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(data, r)
}

func (r *results) save(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// write writes the page and its plot.
func (r *results) write(page string) error {
	picture := strings.TrimSuffix(page, filepath.Ext(page)) + ".svg"
	if err := os.WriteFile(picture, []byte(r.plot()), 0o644); err != nil {
		return err
	}
	text, err := r.page(filepath.Base(picture))
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(text), 0o644)
}

// measureAlone adds scenarios that n resources have on a stack of their own, unless they are left out by the name.
func (f *fleetResult) measureAlone(ctx context.Context, s *stack.Stack, name string, n int, o options, scenarios []scenario, flags ...string) error {
	if slices.Contains(o.Without, name) {
		return nil
	}
	result, err := runFleet(ctx, s, n, o, scenarios, flags...)
	if err != nil {
		return err
	}
	s.Stop()
	maps.Copy(f.Scenarios, result.Scenarios)
	return nil
}
