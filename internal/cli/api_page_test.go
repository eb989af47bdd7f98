package cli

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

//go:embed testdata/api-command.md
var apiPageFrame string

const apiPage = "../../docs/api-command.md"

// TestAPICommandPage keeps the tables of docs/api-command.md as the table of methods is.
func TestAPICommandPage(t *testing.T) {
	made := strings.NewReplacer("METHODS\n\n", methodRows()+"\n", "PARAMETERS\n", parameterTables()).Replace(apiPageFrame)
	golden.Check(t, apiPage, made, "UPDATE_DOCS=1 go test ./internal/cli -run APICommandPage")
}

func methodRows() string {
	var b strings.Builder
	b.WriteString("| method | what it does | effect | role of the key | as a child | result |\n|---|---|---|---|---|---|\n")
	for _, m := range methods.Table() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s | %s |\n", m.Name, strings.ToLower(m.Name), m.Does, m.Effect, rolesOf(m), map[bool]string{true: "no", false: "yes"}[m.OfParent], m.Result)
	}
	return b.String()
}

func parameterTables() string {
	var b strings.Builder
	for _, m := range methods.Table() {
		fmt.Fprintf(&b, "### %s\n", m.Name)
		if m.Source != methods.Documented {
			fmt.Fprintf(&b, "Source: %s.\n", m.Source)
		}
		for _, c := range m.Choices {
			few := "At most one"
			if c.Required {
				few = "Exactly one"
			}
			fmt.Fprintf(&b, "%s of `%s`.\n", few, strings.Join(c.Of, "`, `"))
		}
		b.WriteString("\n| parameter | type | what it is |\n|---|---|---|\n")
		for _, p := range m.Parameters {
			does := p.Does
			if p.Name == "resource_type" {
				does += " `api GetResourcePrice --help` names them."
			} else {
				does += valuesOf(p)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, strings.ReplaceAll(strings.Join(traits(m, p), ", "), "@FILE or @-", "`@FILE` or `@-`"), does)
		}
		b.WriteString("\n")
	}
	return b.String()
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Each command of the page works, as it stands there: with the page's files, the simulator in the provider's place, and a cluster that has
// the page's ParentAccount.
func TestAPICommandPageCommands(t *testing.T) {
	page, err := os.ReadFile(apiPage)
	if err != nil {
		t.Fatal(err)
	}
	w := newAPIWorld(t)
	w.file("password.txt", "Canary-0ther-Pass!\n")
	parent, credentials, apiKey := w.parentAccount()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "child-account-operator")); err != nil {
		t.Fatal(err)
	}
	w.environment = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "KUBECONFIG=" + w.cluster(parent, credentials, apiKey), credentialsVariable + "=" + filepath.Join(w.dir, "credentials.json"),
	}
	commands := 0
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", ""), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			commands++
			if strings.HasPrefix(line, "child-account-operator api ") && !strings.Contains(line, "--list") && !strings.Contains(line, "--help") {
				line = strings.Replace(line, "child-account-operator api", "child-account-operator api --endpoint "+w.url, 1)
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
			cmd.Dir, cmd.Env = w.dir, w.command(nil).Env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
	}
	if commands < 8 {
		t.Errorf("only %d commands", commands)
	}
}
