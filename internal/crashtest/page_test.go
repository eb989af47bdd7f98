package crashtest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// docs is the page with the table, which stands between two marks.
const (
	docs  = "../../docs/reliability.md"
	above = "<!-- Made by internal/crashtest: UPDATE_DOCS=1 TEST_ALL=1 make test PKG=./internal/crashtest -->\n"
	below = "<!-- Up to here. -->\n"
)

// matrix is what became of every crash.
type matrix struct {
	mu    sync.Mutex
	steps map[string][]string // by scenario: the steps' words, each once, in the order of the recording
	left  int                 // boundaries whose runs are not over, or failed
	calls map[cell]map[string]bool
	// again counts the runs with a second crash, and those that came to it.
	again, twice int
}

// cell is a place in the table. Steps of the same words share it.
type cell struct {
	scenario, what string
	after          bool
}

// plan notes the boundaries of a scenario.
func (m *matrix) plan(s scenario, boundaries []boundary) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.steps == nil {
		m.steps, m.calls = map[string][]string{}, map[cell]map[string]bool{}
	}
	m.left += len(boundaries)
	for _, b := range boundaries {
		if !slices.Contains(m.steps[s.name], b.what) {
			m.steps[s.name] = append(m.steps[s.name], b.what)
		}
	}
}

// note notes what the operator did at the provider after it was killed at the boundary, if it was.
func (m *matrix) note(s scenario, b boundary, recovery []step, killed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	if !killed {
		return
	}
	at := cell{s.name, b.what, b.after}
	if m.calls[at] == nil {
		m.calls[at] = map[string]bool{}
	}
	m.calls[at][callsOf(recovery)] = true
}

// noteAgain notes a run with a second crash, if it came to that.
func (m *matrix) noteAgain(killed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.again++
	if killed {
		m.twice++
	}
}

// expectAgain says that the second crashes took place, but for the odd one: not every recovery takes the same steps.
func (m *matrix) expectAgain(t *testing.T) {
	t.Logf("killed again: %d of %d", m.twice, m.again)
	if m.twice < m.again*3/4 {
		t.Error("too few recoveries came to their second crash")
	}
}

// nothing is what callsOf returns where there are none.
const nothing = "–"

// callsOf are the calls, each once, but for those by which every process connects.
func callsOf(steps []step) string {
	var calls []string
	for _, s := range steps {
		if s.method != "" && s.what != "GetAccountInfo" && s.what != simulator.TwoSMSToken && !isEveryList(s.what) && !slices.Contains(calls, s.what) {
			calls = append(calls, s.what)
		}
	}
	if len(calls) == 0 {
		return nothing
	}
	return strings.Join(calls, "; ")
}

// compare compares the table with the page's, which it writes first where that is asked for. Left aside is what may be
// otherwise in another run: the order of the rows, of resources that change at once how many were done before the crash, and what was left to
// do after a list that other steps came before.
func (m *matrix) compare(t *testing.T) {
	if m.left > 0 || len(m.steps) < len(scenarios) {
		t.Log("docs/reliability.md was not compared: not every run was made, or went well")
		return
	}
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), above)
	have, after, closed := strings.Cut(rest, below)
	if !found || !closed {
		t.Fatalf("%s lacks the marks of the table", docs)
	}
	made := m.table()
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(docs, []byte(before+above+made+below+after), 0o644); err != nil {
			t.Fatal(err)
		}
		have = made
	}
	for row := range difference(have, made) {
		t.Errorf("only in docs/reliability.md: %s", row)
	}
	for row := range difference(made, have) {
		t.Errorf("not in docs/reliability.md: %s", row)
	}
	if t.Failed() {
		t.Error("docs/reliability.md is not as the runs are: look at the difference, and write it anew with UPDATE_DOCS=1 TEST_ALL=1 make test PKG=./internal/crashtest")
	}
}

// difference are the rows of a that b has not, each with its scenario.
func difference(a, b string) map[string]bool {
	rows := rowsOf(a)
	maps.DeleteFunc(rows, func(row string, _ bool) bool { return rowsOf(b)[row] })
	return rows
}

// everyList is the step that an operator takes again and again, and so among other steps, too, where the machine is slow.
const everyList = "GetChildrenAccounts: all"

// isEveryList says whether a step is that, at either provider.
func isEveryList(what string) bool { return what == everyList || what == everySubList }

func rowsOf(table string) map[string]bool {
	rows, name, atOnce := map[string]bool{}, "", false
	elsewhere := map[string][]string{} // by scenario: what was left to do after its other steps
	for line := range strings.Lines(table) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			name = strings.TrimSpace(heading)
		} else if cells := strings.Split(line, " | "); len(cells) == 3 && !isEveryList(strings.TrimPrefix(cells[0], "| ")) {
			elsewhere[name] = append(elsewhere[name], outcomes(cells[1:])...)
		}
	}
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			name = heading
			atOnce = slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name && s.atOnce })
		}
		switch cells := strings.Split(line, " | "); {
		case !strings.HasPrefix(line, "| "):
		case atOnce:
			line = strings.Join(strings.SplitAfter(line, "|")[:2], "")
		case isEveryList(strings.TrimPrefix(cells[0], "| ")): // what comes after a list among other steps stands in their rows
			for i := range cells[1:] {
				cells[i+1] = strings.Join(slices.DeleteFunc(outcomes(cells[i+1:i+2]), func(calls string) bool { return slices.Contains(elsewhere[name], calls) }), ", or ")
			}
			line = strings.Join(cells, " | ")
		}
		rows[name+": "+line] = true
	}
	return rows
}

// outcomes are what cells say was left to do.
func outcomes(cells []string) (all []string) {
	for _, cell := range cells {
		all = append(all, strings.Split(strings.TrimSuffix(strings.TrimSpace(cell), " |"), ", or ")...)
	}
	return all
}

func (m *matrix) table() string {
	var b strings.Builder
	for _, s := range scenarios {
		fmt.Fprintf(&b, "\n### %s\n%s\n\n| the operator's step | killed before it | killed after it |\n|---|---|---|\n", s.name, s.about)
		for _, what := range m.steps[s.name] {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", what, m.cell(s, what, false), m.cell(s, what, true))
		}
	}
	return b.String() + "\n"
}

// cell says what was left to do. A list is read again and again: on a slow machine once more when all is done, which is left aside.
func (m *matrix) cell(s scenario, what string, after bool) string {
	left := slices.Sorted(maps.Keys(m.calls[cell{s.name, what, after}]))
	if isEveryList(what) && len(left) > 1 {
		left = slices.DeleteFunc(left, func(calls string) bool { return calls == nothing })
	}
	return strings.Join(left, ", or ")
}
