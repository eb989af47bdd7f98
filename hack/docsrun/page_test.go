package docsrun

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// step is what a page has its reader do: type a command, or apply a manifest.
type step struct {
	page, section string
	line          int
	manifest      bool
	text          string
	// shown is what comes out, as the page has it; "" where it says nothing of that.
	shown string
}

func (s step) String() string { return fmt.Sprintf("%s:%d: %s", s.page, s.line, s.text) }

// pages are the names of the documents for people, in the order in which they are read.
func pages(t *testing.T, top string) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			out = append(out, strings.TrimPrefix(strings.TrimPrefix(name, top), "/"))
		}
	}
	return out
}

// read returns a page's steps in their order.
func read(t *testing.T, top, page string) []step {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	return steps(page, string(text))
}

var (
	heading = regexp.MustCompile(`^#+ +(.+)`)
	fence   = regexp.MustCompile("^ *```([a-z]*)")
	code    = regexp.MustCompile(`^ {4,}\S`)
	span    = regexp.MustCompile("`([^`]+)`")
)

// scanner goes through a page line by line.
type scanner struct {
	page, section string
	lines         []string
	at            int
	steps         []step
}

func steps(page, text string) []step {
	s := &scanner{page: page, lines: strings.Split(text, "\n")}
	for s.at < len(s.lines) {
		line := s.lines[s.at]
		switch m := fence.FindStringSubmatch(line); {
		case m != nil:
			s.fenced(m[1])
		case heading.MatchString(line):
			s.section = heading.FindStringSubmatch(line)[1]
			s.at++
		case code.MatchString(line):
			from := s.at
			s.commands(from, s.until(func(line string) bool { return !code.MatchString(line) }))
		case strings.TrimSpace(line) == "":
			s.at++
		default:
			s.prose()
		}
	}
	return s.steps
}

// until takes lines until one is so, and returns them without what all are indented by.
func (s *scanner) until(end func(line string) bool) string {
	from := s.at
	for s.at < len(s.lines) && !end(s.lines[s.at]) {
		s.at++
	}
	return dedent(s.lines[from:s.at])
}

func dedent(lines []string) string {
	margin := -1
	for _, line := range lines {
		if indent := len(line) - len(strings.TrimLeft(line, " ")); strings.TrimSpace(line) != "" && (margin < 0 || indent < margin) {
			margin = indent
		}
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line[min(len(line), max(margin, 0)):] + "\n")
	}
	return b.String()
}

func (s *scanner) add(line int, manifest bool, text, shown string) {
	s.steps = append(s.steps, step{s.page, s.section, line + 1, manifest, strings.TrimSpace(text), strings.TrimSpace(shown)})
}

// fenced takes a fenced block: commands, a manifest, or a session on a terminal.
func (s *scanner) fenced(language string) {
	s.at++
	from := s.at
	text := s.until(fence.MatchString)
	s.at++
	switch language {
	case "sh", "bash", "shell":
		s.commands(from, text)
	case "yaml":
		s.add(from, true, text, "")
	case "", "console":
		if isCommand(strings.Fields(strings.SplitN(text, "\n", 2)[0])) {
			s.commands(from, text)
			return
		}
		before, session, typed := strings.Cut("\n"+text, "\n$ ")
		from += strings.Count(before, "\n")
		for ; typed; from += 1 + strings.Count(before, "\n") {
			before, session, typed = strings.Cut(session, "\n$ ")
			command, shown, _ := strings.Cut(before, "\n")
			s.add(from, false, command, shown)
		}
	}
}

// prose takes text up to the next blank line or block; commands in it stand between backticks.
func (s *scanner) prose() {
	from := s.at
	s.at++
	text := s.lines[from] + "\n" + s.until(func(line string) bool {
		return strings.TrimSpace(line) == "" || heading.MatchString(line) || fence.MatchString(line)
	})
	for _, m := range span.FindAllStringSubmatchIndex(text, -1) {
		if words := strings.Fields(text[m[2]:m[3]]); isCommand(words) {
			s.add(from+strings.Count(text[:m[2]], "\n"), false, strings.Join(words, " "), "")
		}
	}
}

// programs are those whose commands are taken for such in the midst of text, where they have a word beside them.
var programs = []string{"argocd", "bin/child-account-operator", "child-account-operator", "curl", "docker", "flux", "git", "go", "kubectl", "make"}

var assignment = regexp.MustCompile(`^[A-Z_]+=`)

func isCommand(words []string) bool {
	for len(words) > 0 && assignment.MatchString(words[0]) {
		words = words[1:]
	}
	switch {
	case len(words) == 0:
		return false
	case words[0] == ".ci/run":
		return true
	default:
		return len(words) > 1 && (slices.Contains(programs, words[0]) || strings.HasPrefix(words[0], "hack/"))
	}
}

var (
	goesOn = regexp.MustCompile(`(\\|\||&&)$`)
	input  = regexp.MustCompile(`<<-?'?(\w+)'?`)
)

// commands takes shell code apart: a command goes on after a \, | or && at the end of its line, and up to the END of <<END.
func (s *scanner) commands(from int, text string) {
	command, end := "", ""
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		command += line + "\n"
		switch m := input.FindStringSubmatch(line); {
		case end != "" && strings.TrimSpace(line) != end:
			continue
		case end == "" && m != nil:
			end = m[1]
			continue
		case end == "" && goesOn.MatchString(line):
			continue
		}
		if strings.TrimSpace(command) != "" {
			s.add(from+n+1-strings.Count(command, "\n"), false, command, "")
		}
		command, end = "", ""
	}
	if command != "" {
		s.add(from, false, command, "")
	}
}

func TestSteps(t *testing.T) {
	page := "# Top\nSay `make\nit so` and `kubectl`, `TEST_ALL=1 make a`, `.ci/run`, `spec.a b`.\n1. One:\n   ```sh\n   cat <<END |\n   a |\n   END\n" +
		"   b \\\n     c\n   ```\n\n       d |\n         e\n       f\n\n## Two\n```yaml\na:\n  b: c\n```\n```\nno command\n```\n```\n$ g h\nA  B\n$ i\n```\n    j && k\n```\nmake l\n```\n"
	want := []step{
		{"p.md", "Top", 2, false, "make it so", ""},
		{"p.md", "Top", 3, false, "TEST_ALL=1 make a", ""},
		{"p.md", "Top", 3, false, ".ci/run", ""},
		{"p.md", "Top", 6, false, "cat <<END |\na |\nEND", ""},
		{"p.md", "Top", 9, false, "b \\\n  c", ""},
		{"p.md", "Top", 13, false, "d |\n  e", ""},
		{"p.md", "Top", 15, false, "f", ""},
		{"p.md", "Two", 19, true, "a:\n  b: c", ""},
		{"p.md", "Two", 26, false, "g h", "A  B"},
		{"p.md", "Two", 28, false, "i", ""},
		{"p.md", "Two", 30, false, "j && k", ""},
		{"p.md", "Two", 32, false, "make l", ""},
	}
	if got := steps("p.md", page); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
