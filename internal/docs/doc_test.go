// Package docs holds no code: its tests hold what the documents say against what is there. Manifests in documents are
// tried against the API server, by the specs of config; hack/docsrun runs the commands.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// root is the top folder, as seen from here.
const root = "../.."

// page is a document for people.
type page struct {
	name string // from the top folder
	text string
}

var (
	fence  = regexp.MustCompile("(?m)^ *```([a-z]*)\n((?s:.*?))^ *```")
	inline = regexp.MustCompile("`([^`\n]+)`")
	head   = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

func pages(t *testing.T) []page {
	t.Helper()
	var out []page
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			out = append(out, page{strings.TrimPrefix(filepath.ToSlash(name), root+"/"), read(t, name)})
		}
	}
	if len(out) < 4 {
		t.Fatalf("only %d documents found", len(out))
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// prose is the text without its code.
func (p page) prose() string {
	return inline.ReplaceAllString(fence.ReplaceAllString(p.text, ""), "")
}

// blocks are the pieces of code that may hold commands: fenced as sh or as nothing, or indented.
func (p page) blocks() []string {
	var out []string
	for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
		switch m[1] {
		case "sh":
			out = append(out, m[2])
		case "":
			out = append(out, afterPrompts(m[2]))
		}
	}
	for line := range strings.Lines(fence.ReplaceAllString(p.text, "")) {
		if strings.HasPrefix(line, "    ") {
			out = append(out, line)
		}
	}
	return out
}

// afterPrompts keeps of a session on a terminal what was typed.
func afterPrompts(session string) string {
	var b strings.Builder
	for line := range strings.Lines(session) {
		if typed, ok := strings.CutPrefix(line, "$ "); ok {
			b.WriteString(typed)
		}
	}
	return b.String()
}

// spans are the pieces of code within the text.
func (p page) spans() []string {
	var out []string
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
		out = append(out, m[1])
	}
	return out
}

// anchors are what links may name after a #, as GitHub makes them from headings.
func (p page) anchors() map[string]bool {
	out := map[string]bool{}
	for _, m := range head.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, strings.TrimSpace(m[1]))
		name := slug
		for n := 1; out[name]; n++ {
			name = slug + "-" + strconv.Itoa(n)
		}
		out[name] = true
	}
	return out
}

func TestAnchors(t *testing.T) {
	got := page{text: "# What it is\n```\n# not one\n```\n## `--flag`: on, or off\n## Same\n### Same\n"}.anchors()
	for _, want := range []string{"what-it-is", "--flag-on-or-off", "same", "same-1"} {
		if !got[want] {
			t.Errorf("no %q", want)
		}
	}
	if len(got) != 4 {
		t.Errorf("anchors %v", got)
	}
}
