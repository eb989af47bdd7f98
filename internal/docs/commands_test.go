package docs

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/cli"
)

const program = "child-account-operator"

// checks are the programs whose commands are looked at; the words are those after the program's name.
var checks = map[string]func(t *testing.T, where string, words []string){
	"make":           checkMake,
	"kubectl":        checkKubectl,
	program:          checkProgram,
	"bin/" + program: checkProgram,
}

// Commands that people are told to type exist: make's targets and variables, our subcommands and flags, and of kubectl
// its flags and the resources.
func TestCommands(t *testing.T) {
	seen := map[string]int{}
	for _, p := range pages(t) {
		for _, code := range slices.Concat(p.blocks(), p.spans()) {
			for _, words := range commands(t, p.name, code) {
				if check, ok := checks[words[0]]; ok {
					check(t, p.name+": "+strings.Join(words, " "), words[1:])
					seen[words[0]]++
				}
			}
		}
	}
	for name, least := range map[string]int{"make": 5, "kubectl": 5, "bin/" + program: 2} {
		if seen[name] < least {
			t.Errorf("only %d commands of %s found", seen[name], name)
		}
	}
}

var (
	token = regexp.MustCompile(`^(?:([ \t]+)|(#[^\n]*)|([|&;()<>\n]+)|((?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\|&;()<>])+))`)
	quote = regexp.MustCompile(`'([^']*)'|"((?:[^"\\]|\\.)*)"`)
	here  = regexp.MustCompile(`<<-?'?(\w+)'?`)
	env   = regexp.MustCompile(`^\w+=`)
)

// commands splits shell code into commands, and those into words. What is written into a command is left out, and a
// piece that starts like no command that is looked at may be anything.
func commands(t *testing.T, where, code string) [][]string {
	t.Helper()
	code = strings.ReplaceAll(withoutInput(code), "\\\n", " ")
	var out [][]string
	var words []string
	end := func() {
		for len(words) > 0 && env.MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) > 0 {
			out = append(out, words)
		}
		words = nil
	}
	for code != "" {
		m := token.FindStringSubmatch(code)
		if m == nil {
			end()
			if len(out) > 0 && checks[out[0][0]] != nil {
				t.Errorf("%s: a quote without an end: %s", where, code)
			}
			return nil
		}
		switch {
		case m[3] != "":
			end()
		case m[4] != "":
			words = append(words, quote.ReplaceAllString(m[4], "$1$2"))
		}
		code = code[len(m[0]):]
	}
	end()
	return out
}

// withoutInput leaves out what is written into commands between <<END and END.
func withoutInput(code string) string {
	var b strings.Builder
	end := ""
	for line := range strings.Lines(code) {
		switch m := here.FindStringSubmatch(line); {
		case end != "" && strings.TrimSpace(line) == end:
			end = ""
		case end == "" && m != nil:
			end = m[1]
			b.WriteString(strings.Replace(line, m[0], "", 1))
		case end == "":
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestSplitting(t *testing.T) {
	got := commands(t, "here", "A=b make run ONCE=1 # a comment; more\nkubectl apply -f - <<END | cat\nkind: x\nmake y\n  END\n"+
		"kubectl \\\n get \"a b\"='c d' && make 'x y'; (make z)")
	want := [][]string{{"make", "run", "ONCE=1"}, {"kubectl", "apply", "-f", "-"}, {"cat"}, {"kubectl", "get", "a b=c d"}, {"make", "x y"}, {"make", "z"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q", got)
	}
}

func checkMake(t *testing.T, where string, words []string) {
	t.Helper()
	makefile := read(t, filepath.Join(root, "Makefile"))
	for _, w := range words {
		if name, _, variable := strings.Cut(w, "="); variable {
			if !strings.Contains(makefile, "$("+name+")") {
				t.Errorf("%s: the Makefile has no variable %s", where, name)
			}
		} else if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(w) + `:`).MatchString(makefile) {
			t.Errorf("%s: the Makefile has no target %s", where, w)
		}
	}
}

// checkProgram has the command line itself judge the flags; with --help it does nothing else.
func checkProgram(t *testing.T, where string, words []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cli.Run(context.Background(), append(slices.Clone(words), "--help"), &stdout, &stderr) != 0 {
		t.Errorf("%s: %s", where, &stderr)
	} else if len(words) > 0 && !strings.HasPrefix(words[0], "-") && !strings.Contains(stdout.String(), "\n  "+program+" "+words[0]) {
		t.Errorf("%s: there is no subcommand %s", where, words[0])
	}
}

// ofKubectl are flags of kubectl that documents name by themselves.
var ofKubectl = []string{"--field-manager", "--server-side"}

var subcommand = regexp.MustCompile(`(?m)^  ([a-z]+) {2,}`)

// Flags that are named by themselves belong to one of our subcommands.
func TestFlags(t *testing.T) {
	var help bytes.Buffer
	cli.Run(context.Background(), []string{"--help"}, &help, &help)
	for _, m := range subcommand.FindAllStringSubmatch(help.String(), -1) {
		cli.Run(context.Background(), []string{m[1], "--help"}, &help, &help)
	}
	seen := 0
	for _, p := range pages(t) {
		for _, span := range p.spans() {
			name := strings.FieldsFunc(span, func(r rune) bool { return r == ' ' || r == '=' })[0]
			if !strings.HasPrefix(name, "--") || slices.Contains(ofKubectl, name) {
				continue
			}
			seen++
			if !strings.Contains(help.String(), " "+name+" ") {
				t.Errorf("%s: %s is a flag of no subcommand", p.name, name)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d flags found", seen)
	}
}

// withResource are kubectl's verbs that take a resource.
var withResource = []string{"annotate", "create", "delete", "describe", "edit", "explain", "get", "label", "patch", "wait"}

// withValue are the flags whose value is the next word.
var withValue = []string{"-n", "--namespace", "-l", "--selector", "-o", "--output", "-f", "--filename", "-k", "-p", "--patch", "--type", "-c", "--for", "--timeout"}

// ofKubernetes are resources of others that our documents speak of.
var ofKubernetes = []string{"namespace", "namespaces", "secret", "secrets", "deployment", "deployments", "pod", "pods", "events", "crd", "clusterrolebinding", "clusterrole", "configmap", "token"}

func checkKubectl(t *testing.T, where string, words []string) {
	t.Helper()
	var plain []string
	for i := 0; i < len(words); i++ {
		switch {
		case slices.Contains(withValue, words[i]):
			i++
		case !strings.HasPrefix(words[i], "-"):
			plain = append(plain, words[i])
		}
	}
	checkConditions(t, where, words)
	if len(plain) > 1 && slices.Contains(withResource, plain[0]) {
		checkResources(t, where, plain[1])
	}
	if kubectl, err := exec.LookPath("kubectl"); err == nil && len(words) > 0 {
		if said := unknownTo(kubectl, words); said != "" {
			t.Errorf("%s: %s", where, said)
		}
	}
}

// helped are what kubectl said to words with --help, "" where it knows them all: documents repeat themselves.
var helped = map[string]string{}

// unknownTo returns what kubectl says where it does not know its verb or a flag. With --help it looks at its own words and at nothing
// else, so that names of resources make no difference.
func unknownTo(kubectl string, words []string) string {
	key := strings.Join(words, " ")
	said, known := helped[key]
	if !known {
		if out, err := exec.Command(kubectl, append(slices.Clone(words), "--help")...).CombinedOutput(); err != nil {
			said = fmt.Sprintf("%v: %s", err, out)
		}
		helped[key] = said
	}
	return said
}

func checkResources(t *testing.T, where, list string) {
	t.Helper()
	known := slices.Clone(ofKubernetes)
	for _, c := range crds(t) {
		n := c.Spec.Names
		known = slices.Concat(known, []string{n.Plural, n.Singular, n.Plural + "." + c.Spec.Group}, n.ShortNames, n.Categories)
	}
	for name := range strings.SplitSeq(list, ",") {
		name, _, _ = strings.Cut(name, "/")
		name, _, _ = strings.Cut(name, ".spec")
		if !slices.Contains(known, strings.ToLower(name)) {
			t.Errorf("%s: there is no resource %s", where, name)
		}
	}
}

var condition = regexp.MustCompile(`condition=(\w+)`)

func checkConditions(t *testing.T, where string, words []string) {
	t.Helper()
	names := read(t, filepath.Join(root, "api/v1alpha1/names.go"))
	for _, w := range words {
		m := condition.FindStringSubmatch(w)
		if m != nil && m[1] != "Established" && m[1] != "Available" && !regexp.MustCompile(`Condition\w+ += "`+m[1]+`"`).MatchString(names) {
			t.Errorf("%s: there is no condition %s", where, m[1])
		}
	}
}
