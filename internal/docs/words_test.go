package docs

import (
	"go/ast"
	gotoken "go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// speaking are the packages whose texts end in conditions and events.
var speaking = []string{
	"internal/account", "internal/apihttp", "internal/attempts", "internal/callback", "internal/changeguard", "internal/charset", "internal/conditions", "internal/directory", "internal/engine",
	"internal/mailaddress", "internal/netstep", "internal/pacing", "internal/plan", "internal/provider", "internal/readings", "internal/secrets", "internal/trust", "internal/twosms", "internal/voximplant",
	"controllers",
}

// avoided are words that a text for people must not have, with what to write instead. One word has one meaning in all of them.
var avoided = []struct {
	word    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\bswitch(es|ed|ing)?( it| them| the account)? (on|off)\b`), "activate, deactivate"},
	{regexp.MustCompile(`(?i)\bgone\b`), "missing, deleted"},
	{regexp.MustCompile(`(?i)\banew\b`), "recreated, again"},
	{regexp.MustCompile(`(?i)\bas declared\b`), "matches the spec"},
	{regexp.MustCompile(`(?i)\b(was|were) there before\b`), "pre-existing"},
	{regexp.MustCompile(`(?i)\b(left|leaves?|leaving)( it| them)? (alone|aside)\b`), "unchanged, ignored"},
	{regexp.MustCompile(`(?i)\btak(en|es?|ing) up\b`), "applied"},
	{regexp.MustCompile(`(?i)\b(lets?|letting)( \S+){0,4} in\b`), "allows"},
	{regexp.MustCompile(`(?i)\bpicks?\b`), "selects"},
	{regexp.MustCompile(`(?i)\bholders?\b`), "owner"},
	{regexp.MustCompile(`(?i)\bsomebody else`), "another resource, another installation"},
	{regexp.MustCompile(`(?i)\b(ask|asks|asking) for patience\b`), "rate-limits"},
	{regexp.MustCompile(`(?i)\b(go|goes|going) on\b|\btried again\b`), "continues, retries"},
	{regexp.MustCompile(`(?i)\b(in vain|come to rest|must go)\b`), "plain words"},
	{regexp.MustCompile(`(?i)\bstands? against\b`), "the reason, the differing fields"},
	{regexp.MustCompile(`(?i)\bthe API server\b`), "the Kubernetes API"},
	{regexp.MustCompile(`(?i)\b(lets?|letting)( \S+){0,3} pass\b`), "approves, allows"},
	{regexp.MustCompile(`(?i)\b(as things are|is to be had|by itself)\b`), "plain words"},
	{regexp.MustCompile(`(?i)(^|[^-\w])show(s|n)?\b`), "returns, reports"},
}

// TestWordsOfMessages holds the texts of conditions and events, and kubectl explain, to one vocabulary.
func TestWordsOfMessages(t *testing.T) {
	texts := 0
	check := func(where, text string) {
		if !strings.Contains(text, " ") {
			return
		}
		texts++
		for _, a := range avoided {
			if found := a.word.FindString(text); found != "" {
				t.Errorf("%s says %q (%s): %q", where, found, a.instead, text)
			}
		}
	}
	for _, dir := range speaking {
		goFiles(t, dir, func(name string, files *gotoken.FileSet, file *ast.File) {
			if slices.ContainsFunc(forTests, func(p string) bool { return strings.HasPrefix(name, p+"/") }) {
				return
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == gotoken.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						check(name+":"+strconv.Itoa(files.Position(literal.Pos()).Line), text)
					}
				}
				return true
			})
		})
	}
	if texts < 300 {
		t.Errorf("only %d texts found", texts)
	}
	for _, d := range crds(t) {
		d.schema().walk("", func(path string, s schema) bool {
			check(d.Spec.Names.Kind+" "+path, strings.Join(strings.Fields(s.Description), " "))
			return s.MapType != "atomic" && !strings.HasSuffix(path, "conditions")
		})
	}
}

// The words that are avoided are found.
func TestAvoidedWordsAreFound(t *testing.T) {
	for _, text := range []string{
		"the account is switched off", "it switches the account on", "is gone at the provider", "type the text anew", "the account is as declared",
		"was there before this resource", "is left alone", "left aside", "credentials are taken up", "lets the namespace telephony in", "that selector picks",
		"names the holder", "Somebody else's account", "asks for patience", "goes on by itself", "It is tried again", "one of the two must go",
		"what stands against that", "waiting for the API server", "To let exactly these pass", "does not get it as things are", "the provider never shows it",
	} {
		found := false
		for _, a := range avoided {
			found = found || a.word.MatchString(text)
		}
		if !found {
			t.Errorf("%q passes", text)
		}
	}
}
