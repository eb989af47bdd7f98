package simulator

import (
	"encoding/json"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/golden"
)

// example is a call of the control API that the page shows and the test makes.
type example struct {
	does, method, path, body string
	status                   int
}

// examples are made one after another. ID stands for the id of the account that was added.
var examples = []example{
	{"List what calls there are", "GET", "", "", http.StatusOK},
	{"See what the provider has", "GET", "/accounts", "", http.StatusOK},
	{"See what it was asked, and how often", "GET", "/counts", "", http.StatusOK},
	{"Change an e-mail behind the operator's back: drift", "PATCH", "/accounts/ID", `{"account_email": "somebody@elsewhere.example"}`, http.StatusOK},
	{"Block an account, as the provider may", "PATCH", "/accounts/ID", `{"frozen": true}`, http.StatusOK},
	{"Have an account need documents", "PATCH", "/accounts/ID", `{"verifications": [{"verification_name": "DE", "verification_status": "REQUIRED"}]}`, http.StatusOK},
	{"Lose the answers of the next two creations: each account exists, and the client got no answer", "POST", "/faults", `{"kind": "lose-answer", "method": "AddAccount", "times": 2}`, http.StatusOK},
	{"Have the balance be too low for new accounts", "POST", "/faults", `{"kind": "error", "method": "AddAccount", "code": 127}`, http.StatusOK},
	{"Be down, until the fault is removed", "POST", "/faults", `{"kind": "down"}`, http.StatusOK},
	{"Rate-limit every call", "POST", "/faults", `{"kind": "http", "status": 429, "header": {"Retry-After": "5"}}`, http.StatusOK},
	{"Answer slowly", "POST", "/faults", `{"kind": "slow", "delay": "3s"}`, http.StatusOK},
	{"List no accounts, as if all were deleted", "POST", "/faults", `{"kind": "empty-list"}`, http.StatusOK},
	{"End all faults", "DELETE", "/faults", "", http.StatusNoContent},
	{"Let a parent create two accounts a day", "PATCH", "/settings", `{"childrenPerDay": 2}`, http.StatusOK},
	{"Add a master account at 2sms; its id is in the answer, and its credentials are at masters/ID/credentials", "POST", "/2sms/masters", `{"companyName": "Acme", "email": "owner@acme.example"}`, http.StatusOK},
	{"Lose the answer of the next creation of a 2sms sub-account", "POST", "/2sms/faults", `{"kind": "lose-answer", "method": "POST accounts", "times": 1}`, http.StatusOK},
	{"Revoke the tokens of the 2sms admin API", "DELETE", "/2sms/tokens", "", http.StatusOK},
	{"Set all settings back", "PUT", "/settings", `{}`, http.StatusOK},
	{"Delete an account, which the API can't", "DELETE", "/accounts/ID", "", http.StatusNoContent},
}

// curl is the example as a command.
func (e example) curl() string {
	command := "curl"
	if e.method != http.MethodGet {
		command += " -X " + e.method
	}
	if e.body != "" {
		command += " -d '" + e.body + "'"
	}
	return command + " http://127.0.0.1:8090" + controlPath + e.path
}

// Each example that the page has works.
func TestControlExamples(t *testing.T) {
	f := newFixture(t)
	a := decode[Account](t, f.control("POST", "accounts", fmt.Sprintf(`{"parentID":%d,"fields":{"account_name":"acme-one","account_email":"one@acme.example"}}`, f.parent.ID), 200))
	for _, e := range examples {
		path := strings.TrimPrefix(strings.Replace(e.path, "ID", strconv.FormatInt(a.ID, 10), 1), "/")
		f.control(e.method, path, e.body, e.status)
	}
}

// The index has each call, with and without a slash at its end.
func TestControlIndex(t *testing.T) {
	f := newFixture(t)
	type call struct{ Method, Path, Does string }
	for _, path := range []string{"", "/"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+controlPath+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := f.server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var index struct {
			About string
			Calls []call
		}
		if err := json.NewDecoder(answer.Body).Decode(&index); err != nil {
			t.Fatalf("%s: HTTP %d, %v", r.URL, answer.StatusCode, err)
		}
		_ = answer.Body.Close()
		if len(index.Calls) != len(controlCalls(f.Simulator)) || index.About == "" || !slices.Contains(index.Calls, call{"GET", "/_simulator/calls", "lists the newest calls of the API, the oldest first, without secrets"}) {
			t.Errorf("%s: %+v", r.URL, index)
		}
	}
}

// TestSimulatorDoc keeps docs/simulator.md as the code is.
func TestSimulatorDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# The simulator

For everybody who tries the operator, or tests with it: how to read and change the state of the simulated provider, and how to make it fail. ` + "`make run` and\n`bin/child-account-operator simulate`" + ` run the simulator. This page is made from its code.

The simulator serves the Voximplant Management API under /platform_api, the 2sms admin API under ` + TwoSMSPath + `, and a control API under ` + controlPath + `, as JSON over
HTTP. **Whoever reaches the control API may change everything and gets the credentials:** let nobody else reach it.

## Calls
| call | what it does |
|---|---|
`)
	for _, c := range controlCalls(New(Options{})) {
		fmt.Fprintf(&b, "| `%s %s/%s` | %s |\n", c.method, controlPath, c.path, c.does)
	}
	b.WriteString("\nA call answers 200 with JSON, 204 where there is nothing to say, 404 for what does not exist, and 400 with the error for anything else.\nNames that a call does not know are refused. `GET " + controlPath + "` lists these calls.\n\n## Examples\nFor the address that `simulate` has by default; `make run` prints its own. ID is an account's id.\n\n```sh\n")
	for _, e := range examples {
		fmt.Fprintf(&b, "# %s\n%s\n", e.does, e.curl())
	}
	b.WriteString("```\n\n## Faults\n`kind` is one of these:\n\n| kind | what it does |\n|---|---|\n")
	kinds, names := faultKinds(t)
	fields := fieldsOf(t, "faults.go", "Fault", reflect.TypeFor[Fault]())
	for _, k := range kinds {
		for _, f := range fields {
			k.does = regexp.MustCompile(`\b`+f.name+`\b`).ReplaceAllString(k.does, "`"+f.value+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.value, k.does)
	}
	b.WriteString("\nThe other fields of a fault:\n\n| field | what it is |\n|---|---|\n")
	writeFields(&b, fields, names)
	b.WriteString("\n## Settings\nAll are off, or have no limit, unless set.\n\n| setting | what it does |\n|---|---|\n")
	writeFields(&b, fieldsOf(t, "settings.go", "Settings", reflect.TypeFor[Settings]()), names)
	fmt.Fprintf(&b, "\n## The 2sms admin API\nIts calls, faults and settings are below `%s/2sms/`, apart from those of the Management API. It has no account until a master account is\nadded. The methods of faults and counts are `%s`, `%s`, `%s` and `%s`.\n\n| setting | what it does |\n|---|---|\n",
		controlPath, TwoSMSToken, TwoSMSList, TwoSMSCreate, TwoSMSUpdate)
	writeFields(&b, fieldsOf(t, "twosms_settings.go", "TwoSMSSettings", reflect.TypeFor[TwoSMSSettings]()), names)
	golden.Check(t, "../../docs/simulator.md", b.String(), "UPDATE_DOCS=1 go test ./internal/simulator -run SimulatorDoc")
}

// documented is a name, and what its comment says.
type documented struct{ name, value, does string }

func writeFields(b *strings.Builder, fields []documented, names map[string]string) {
	words := regexp.MustCompile(`\bFault[A-Z]\w*`)
	for _, f := range fields {
		if f.value == "kind" {
			continue
		}
		does := words.ReplaceAllStringFunc(f.does, func(name string) string { return "`" + names[name] + "`" })
		fmt.Fprintf(b, "| `%s` | %s |\n", f.value, does)
	}
}

// faultKinds are the kinds of faults, and their values by the names of their constants.
func faultKinds(t *testing.T) (kinds []documented, values map[string]string) {
	t.Helper()
	values = map[string]string{}
	ast.Inspect(parsed(t, "faults.go"), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Fault") {
			value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values[v.Names[0].Name] = value
			kinds = append(kinds, documented{v.Names[0].Name, value, comment(v.Doc, v.Names[0].Name)})
		}
		return true
	})
	for i := range kinds {
		for name, value := range values {
			kinds[i].does = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(kinds[i].does, "`"+value+"`")
		}
	}
	if len(kinds) < 10 {
		t.Fatalf("only %d kinds of faults", len(kinds))
	}
	return kinds, values
}

// fieldsOf are the fields of a struct type by their names in JSON.
func fieldsOf(t *testing.T, file, name string, typ reflect.Type) (out []documented) {
	t.Helper()
	ast.Inspect(parsed(t, file), func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			field, _ := typ.FieldByName(f.Names[0].Name)
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			out = append(out, documented{f.Names[0].Name, key, comment(f.Doc, f.Names[0].Name)})
		}
		return false
	})
	if len(out) != typ.NumField() {
		t.Fatalf("%d of %d fields of %s", len(out), typ.NumField(), name)
	}
	return out
}

func parsed(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := goparser.ParseFile(token.NewFileSet(), file, nil, goparser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// comment is a doc comment in one line, without the name that it begins with.
func comment(doc *ast.CommentGroup, name string) string {
	text := strings.ReplaceAll(strings.TrimSpace(doc.Text()), "\n", " ")
	for _, verb := range []string{" is ", " are ", " "} {
		if rest, ok := strings.CutPrefix(text, name+verb); ok {
			return strings.ReplaceAll(rest, "|", `\|`)
		}
	}
	return text
}
