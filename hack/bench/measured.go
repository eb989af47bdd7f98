package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// spending is what was used: up to a moment, or between two.
type spending struct {
	// Calls are those of the provider's API, by method.
	Calls map[string]int
	// Requests are the operator's to the Kubernetes API, by verb and resource, without watches, events and leases.
	Requests map[string]requests
	// CPU is seconds by process.
	CPU map[string]float64
	// Peak is the most memory that the operator's process ever held in RAM, in bytes.
	Peak int64
}

// measured is what a scenario came to.
type measured struct {
	spending
	// Applied is how many seconds it took to apply or change all resources.
	Applied float64 `json:",omitempty"`
	// Ready is when each resource was Ready: seconds since the first was applied; of newcomers, since each was.
	Ready []float64 `json:",omitempty"`
	// Resyncs is how many times the list was read.
	Resyncs int `json:",omitempty"`
}

// spent is what was used so far.
func (f *fleet) spent(ctx context.Context) (s spending, err error) {
	if s.Calls, err = f.calls(ctx); err != nil {
		return s, err
	}
	if s.Requests, err = f.audit.read(); err != nil {
		return s, err
	}
	s.CPU = map[string]float64{}
	for name, pid := range f.pids {
		if s.CPU[name], err = cpuSeconds(pid); err != nil {
			return s, err
		}
	}
	if pid, running := f.pids["operator"]; running {
		s.Peak, err = peakBytes(pid)
	}
	return s, err
}

// since is what was used since before.
func (s spending) since(before spending) spending {
	out := spending{Calls: map[string]int{}, Requests: map[string]requests{}, CPU: map[string]float64{}, Peak: s.Peak}
	for method, n := range s.Calls {
		if n -= before.Calls[method]; n != 0 {
			out.Calls[method] = n
		}
	}
	for kind, r := range s.Requests {
		was := before.Requests[kind]
		if r.Count -= was.Count; r.Count != 0 {
			out.Requests[kind] = requests{r.Count, r.Failed - was.Failed, r.Seconds - was.Seconds}
		}
	}
	for name, used := range s.CPU {
		out.CPU[name] = used - before.CPU[name]
	}
	return out
}

// plus is what two scenarios used together.
func (s spending) plus(other spending) spending {
	out := spending{Calls: maps.Clone(s.Calls), Requests: maps.Clone(s.Requests), CPU: maps.Clone(s.CPU), Peak: max(s.Peak, other.Peak)}
	for method, n := range other.Calls {
		out.Calls[method] += n
	}
	for kind, r := range other.Requests {
		was := out.Requests[kind]
		out.Requests[kind] = requests{was.Count + r.Count, was.Failed + r.Failed, was.Seconds + r.Seconds}
	}
	for name, used := range other.CPU {
		out.CPU[name] += used
	}
	return out
}

// calls counts all calls of the API, writing those that change something there.
func (s spending) calls() (all, writing int) {
	for method, n := range s.Calls {
		if all += n; isWrite(method) {
			writing += n
		}
	}
	return all, writing
}

// requests counts all requests to the Kubernetes API, writing those that change something there.
func (s spending) requests() (all, writing int) {
	for kind, r := range s.Requests {
		if all += r.Count; isWrite(kind) {
			writing += r.Count
		}
	}
	return all, writing
}

// last is when the last resource was Ready, counted from the first apply.
func (m measured) last() float64 {
	if len(m.Ready) == 0 {
		return 0
	}
	return slices.Max(m.Ready)
}

// String is for who looks on.
func (m measured) String() string {
	var b strings.Builder
	if m.Applied > 0 {
		fmt.Fprintf(&b, "applied in %.2f s, ", m.Applied)
	}
	if len(m.Ready) > 0 {
		fmt.Fprintf(&b, "%d Ready, the last after %.2f s", len(m.Ready), m.last())
	}
	for _, method := range slices.Sorted(maps.Keys(m.Calls)) {
		fmt.Fprintf(&b, "\n  %6d %s", m.Calls[method], method)
	}
	for _, kind := range slices.Sorted(maps.Keys(m.Requests)) {
		r := m.Requests[kind]
		fmt.Fprintf(&b, "\n  %6d %s (%.1f ms each", r.Count, kind, 1000*r.Seconds/float64(r.Count))
		if r.Failed > 0 {
			fmt.Fprintf(&b, ", %d refused", r.Failed)
		}
		b.WriteString(")")
	}
	b.WriteString("\n  CPU:")
	for _, name := range slices.Sorted(maps.Keys(m.CPU)) {
		fmt.Fprintf(&b, " %s %.2f s", name, m.CPU[name])
	}
	fmt.Fprintf(&b, "; memory at most %s", inMB(m.Peak))
	return b.String()
}
