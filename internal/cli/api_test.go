package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sigs.k8s.io/yaml"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// The output of the program in each format, over HTTP.
func TestAPIOutput(t *testing.T) {
	list := []string{"api", "GetChildrenAccounts", "-p", "child_account_id=all", "-p", "order_by=child_account_id"}
	for name, args := range map[string][]string{
		"children.json":  append(slices.Clone(list), "-o", "json"),
		"children.yaml":  append(slices.Clone(list), "-o", "yaml"),
		"children.table": append(slices.Clone(list), "-o", "table"),
		"account.json":   {"api", "GetAccountInfo", "--as-child", "acme-first"},
		"account.table":  {"api", "GetAccountInfo", "--as-child", fmt.Sprint(apiFirstID), "-o", "table"},
		"prices.table":   {"api", "GetResourcePrice", "-p", "resource_type=PSTNOUT;SMSOUT", "-o", "table"},
		"prices.yaml":    {"api", "GetResourcePrice", "-p", "price_group_id=101", "-o", "yaml"},
		"none.table":     {"api", "GetResourcePrice", "-p", "price_group_id=999", "-o", "table"},
		"charge.table":   {"api", "ChargeAccount", "-p", "phone_id=all", "--as-child", "acme-second", "--yes", "-o", "table"},
		"written.table":  {"api", "SetChildAccountInfo", "-p", "child_account_name=acme-second", "-p", "location=Europe/Berlin", "--yes", "-o", "table"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newAPIWorld(t) // of its own, as some change it
			o := w.exec("", append(args, "--credentials", "credentials.json", "--endpoint", w.url)...)
			if o.status != 0 {
				t.Fatalf("%+v", o)
			}
			golden.Check(t, "testdata/api/"+name, o.stdout, "UPDATE_DOCS=1 go test ./internal/cli -run APIOutput")
		})
	}
	for name, args := range map[string][]string{
		"list.table": {"api", "--list"}, "list.json": {"api", "--list", "-o", "json"}, "help.txt": {"api", "AddAccount", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := run(t, args...)
			if status != 0 || stderr != "" {
				t.Fatalf("status %d, %s", status, stderr)
			}
			golden.Check(t, "testdata/api/"+name, stdout, "UPDATE_DOCS=1 go test ./internal/cli -run APIOutput")
		})
	}
}

// JSON and YAML say the same, and what comes is what the service has.
func TestAPIFormatsAgree(t *testing.T) {
	w := newAPIWorld(t)
	asJSON, asYAML := w.api("GetAccountInfo", "--as-child", "acme-first"), w.api("GetAccountInfo", "--as-child", "acme-first", "-o", "yaml")
	var one, other struct{ Result map[string]any }
	if err := json.Unmarshal([]byte(asJSON.stdout), &one); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(asYAML.stdout), &other); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(one) != fmt.Sprint(other) || one.Result["callback_salt"] != "[redacted]" {
		t.Errorf("%v is not %v", one, other)
	}
	a, _ := w.Account("acme-first")
	if one.Result["account_custom_data"] != a.Text("account_custom_data") {
		t.Errorf("%q", one.Result["account_custom_data"])
	}
	if !strings.Contains(asJSON.stderr, "--show-secrets") {
		t.Errorf("nobody says that something is masked: %q", asJSON.stderr)
	}
	status, stdout, stderr := run(t, "api", "GetAccountInfo", "--as-child", "acme-first", "--show-secrets", "--credentials", w.dir+"/credentials.json", "--endpoint", w.url)
	if status != 0 || !strings.Contains(stdout, canarySalt) || stderr != "" {
		t.Errorf("status %d, %s %s", status, stdout, stderr)
	}
}

// What is written as YAML is read as the same JSON, whatever the texts.
func TestYAML(t *testing.T) {
	texts := []any{
		"", "a", "a b", " a", "a ", "true", "No", "null", "~", "1", "1.5", "0x1f", "1e3", "2026-01-02", "- a", "a: b", "a #b", "#", "a:", "{}", "[]", "'", "\"", "\\",
		`\e<202e>`, "\n", "a\nb\n", "\t", "\x00", "\x1b", "\u0085", "\u2028", "\u202e", "\U000e0001", "\ufeff", "ä", "😀", "%", "&a", "*a", "!a", "|", ">", "@a", "`", "=", "<<", ".inf", "y", "...", "---",
	}
	object := map[string]any{}
	for i, text := range texts {
		object[text.(string)] = []any{text, map[string]any{"x": text, "y": []any{[]any{text}, map[string]any{}, []any{}}}, nil, true, json.Number(fmt.Sprint(i))}
	}
	for _, value := range []any{object, texts, map[string]any{}, []any{}, "a", nil, map[string]any{"a": map[string]any{"b": map[string]any{}}}} {
		want, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		written := encodeYAML(value)
		got, err := yaml.YAMLToJSON([]byte(written))
		if err != nil || string(got) != string(want) {
			t.Errorf("%v: %s\nis read as\n%s\nnot as\n%s", err, written, got, want)
		}
		if strings.ContainsAny(written, "\x1b\u0085\u202e\u2028\U000e0001\ufeff") {
			t.Errorf("%q", written)
		}
	}
	if got := encodeYAML(map[string]any{"a": json.Number("12.50"), "b": json.Number("12345678901234567890123")}); got != "a: 12.50\nb: 12345678901234567890123\n" {
		t.Errorf("numbers change: %s", got)
	}
}

// What can be known to be wrong is refused before any call, with what to do.
func TestAPIRefusesBeforeAnyCall(t *testing.T) {
	w := newAPIWorld(t)
	broken := w.file("broken.json", "{")
	for line, says := range map[string]string{
		"":                          "name a method",
		"Nonsense":                  "there is no method \"Nonsense\": api --list",
		"getaccountinfo":            "write GetAccountInfo",
		"GetAccountInfo x=1":        "is no parameter: write -p name=value",
		"GetAccountInfo --nonsense": "unknown flag",
		"GetAccountInfo -o xml":     "choose among json, yaml, table",
		"--list -o xml":             "choose among json, yaml, table",
		"GetAccountInfo -p x":       "write name=value",
		"GetAccountInfo -p =x":      "write name=value",
		"GetAccountInfo -p x=1":     `parameter "x" does not exist: choose among return_live_balance`,
		"GetAccountInfo -p return_live_balance=yes":                               "must be true or false",
		"GetAccountInfo -p return_live_balance=@":                                 "@ without a file",
		"GetAccountInfo -p return_live_balance=true -p return_live_balance=false": "is given twice",
		"GetCurrencyRate":                                        "currency is required",
		"GetChildrenAccounts --as-child 5":                       "leave --as-child out",
		"CreateKey --yes":                                        "add --show-secrets",
		"GetAccountInfo --endpoint x":                            "give scheme and host",
		"GetAccountInfo --endpoint https://u:Canary@x":           "--endpoint: give scheme and host",
		"GetAccountInfo --parent acme":                           "write NAMESPACE/NAME",
		"GetAccountInfo --credentials a/b=":                      "write [PARENT=]FILE",
		"GetAccountInfo --credentials x --context y":             "leave them out",
		"GetAccountInfo --credentials a/b=x --credentials a/c=x": "choose one with --parent",
		"GetAccountInfo --credentials a/b=x --parent a/c":        "no file for a/c",
		"GetAccountInfo --credentials x --parent a/c":            "no file for a/c",
		"SetChildAccountInfo -p child_account_id=5 -p new_child_account_password=" + canaryPassword + " --yes":   "is a secret",
		"SetChildAccountInfo -p child_account_id=5 -p new_child_account_password=@@" + canaryPassword + " --yes": "is a secret",
		"SetChildAccountInfo -p child_account_id=all --yes":                                                      "would change nothing",
		"SetChildAccountInfo -p child_account_id=5,6 -p active=false --yes":                                      "separated by semicolons",
	} {
		t.Run(line, func(t *testing.T) { w.want(w.api(strings.Fields(line)...), exitUsage, says, "") })
	}
	w.want(w.api("SetChildAccountInfo", "-p", "child_account_id=5", "-p", "active=false"), exitNotConfirmed, "add --yes", "")
	w.want(w.api("GetAccountInfo", "--credentials", "nowhere.json"), exitFailed, "nowhere.json", "")
	w.want(w.api("GetAccountInfo", "--credentials", broken), exitFailed, "not a JSON object", "")
	w.want(w.api("SetAccountInfo", "-p", "account_custom_data=@nowhere.txt", "--yes"), exitFailed, "nowhere.txt", "")
	large := w.file("large.txt", strings.Repeat("x", maxFile+1))
	w.want(w.api("SetAccountInfo", "-p", "account_custom_data=@"+large, "--yes"), exitFailed, "larger than", "")
	wide := w.file("wide.txt", "\xff\xfex\x00")
	w.want(w.api("SetAccountInfo", "-p", "account_custom_data=@"+wide, "--yes"), exitFailed, "UTF-16", "")
	t.Setenv("HOME", w.dir)
	t.Setenv(credentialsVariable, "")
	status, _, stderr := run(t, "api", "GetAccountInfo")
	if status != exitUsage || !strings.Contains(stderr, "$"+credentialsVariable) {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// Every parameter that the table has for a secret is refused on the command line.
func TestAPISecretsAreNeverTyped(t *testing.T) {
	w := newAPIWorld(t)
	secrets := 0
	for _, m := range methods.Table() {
		for _, p := range m.Parameters {
			if p.Secret {
				secrets++
				w.want(w.api(m.Name, "-p", p.Name+"=Canary", "--yes", "--show-secrets"), exitUsage, "-p "+p.Name+"=@FILE", "")
			}
		}
	}
	if secrets < 8 {
		t.Errorf("only %d secrets", secrets)
	}
}

func TestAPICalls(t *testing.T) {
	w := newAPIWorld(t)
	w.want(w.api("GetAccountInfo", "--as-child", "acme-first"), 0, "", "GetChildrenAccounts GetAccountInfo")
	w.want(w.api("GetAccountInfo", "--as-child", fmt.Sprint(apiFirstID)), 0, "", "GetAccountInfo")
	w.want(w.api("GetAccountInfo", "--as-child", fmt.Sprint(apiParentID)), 0, "", "GetAccountInfo")
	w.want(w.api("GetAccountInfo", "--as-child", "acme-fir"), exitRefused, "no child account named", "GetChildrenAccounts")
	w.want(w.api("GetAccountInfo", "--as-child", "a;b"), exitUsage, "give the id or the name", "")
	w.want(w.api("GetAccountInfo", "--as-child", "12"), exitRefused, "is a child account of the parent", "GetAccountInfo")

	w.want(w.api("SetChildAccountInfo", "-p", "child_account_name=acme-first", "-p", "active=false", "--yes"), 0, "", "SetChildAccountInfo")
	if a, _ := w.Account("acme-first"); a.Active() {
		t.Error("acme-first is active")
	}
	w.want(w.api("SetAccountInfo", "--as-child", "acme-first", "-p", "account_first_name=@@da", "--yes"), 0, "", "GetChildrenAccounts SetAccountInfo")
	if a, _ := w.Account("acme-first"); a.Text("account_first_name") != "@da" {
		t.Errorf("the name is %q", a.Text("account_first_name"))
	}
	added := w.api("AddAccount", "-p", "account_name=acme-third", "-p", "account_email=third@acme.example", "-p", "account_password=@"+w.dir+"/password.txt", "--yes")
	if w.Calls()[0].Params["parent_account_id"] != fmt.Sprint(apiParentID) || !strings.Contains(added.stdout, `"api_key": "[redacted]"`) {
		t.Errorf("%v, %+v", w.Calls()[0].Params, added)
	}
	w.want(added, 0, "masked", "AddAccount")
	if a, ok := w.Account("acme-third"); !ok || !w.CheckPassword(a.ID, canaryPassword) {
		t.Error("acme-third does not have the password of the file")
	}
}

// Each call is a POST with its parameters in the body, signed by a token, and sent once whatever becomes of it.
func TestAPIFailures(t *testing.T) {
	w := newAPIWorld(t)
	change := []string{"SetChildAccountInfo", "-p", "child_account_id=" + fmt.Sprint(apiFirstID), "-p", "location=Europe/Berlin", "--yes"}
	for name, test := range map[string]struct {
		fault  simulator.Fault
		args   []string
		status int
		says   string
	}{
		"lost write":      {simulator.Fault{Kind: simulator.FaultLoseAnswer}, change, exitUnknown, "It is not known whether the call was carried out: call GetChildrenAccounts"},
		"lost read":       {simulator.Fault{Kind: simulator.FaultLoseAnswer}, []string{"GetAccountInfo"}, exitUnavailable, "repeat the call later"},
		"down":            {simulator.Fault{Kind: simulator.FaultHTTP, Status: 503}, []string{"GetAccountInfo"}, exitUnavailable, "503"},
		"too many":        {simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Header: map[string]string{"Retry-After": "30"}}, change, exitUnavailable, "after 30s"},
		"refused":         {simulator.Fault{Kind: simulator.FaultError, Code: 127}, change, exitRefused, "code 127"},
		"the same before": {simulator.Fault{Kind: simulator.FaultError, Code: 515}, change, exitUnknown, "not known"},
		"no rights":       {simulator.Fault{Kind: simulator.FaultError, Code: 104}, []string{"GetAccountInfo"}, exitRefused, "Check the credentials"},
		"a secret back":   {simulator.Fault{Kind: simulator.FaultError, Code: 101, Message: "not " + canaryPassword}, []string{"SetChildAccountInfo", "-p", "child_account_id=5", "-p", "new_child_account_password=@" + w.dir + "/password.txt", "--yes"}, exitRefused, "code 101"},
		"a command back":  {simulator.Fault{Kind: simulator.FaultError, Code: 777, Message: "\x1b[31mred\u202e"}, []string{"GetAccountInfo"}, exitRefused, "red"},
		"elsewhere":       {simulator.Fault{Kind: simulator.FaultRedirect, URL: "https://elsewhere.example/"}, change, exitUnknown, "not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			defer w.ClearFaults()
			w.AddFault(test.fault)
			o := w.api(test.args...)
			for _, c := range w.Calls() {
				if c.HTTPMethod != http.MethodPost || c.SecretInURL {
					t.Errorf("%+v", c)
				}
			}
			w.want(o, test.status, test.says, test.args[0])
		})
	}
}

// A name can be looked up by an owner only, and an account's own key may be enough for its id.
func TestAPIWithoutTheRole(t *testing.T) {
	w := newAPIWorld(t)
	w.file("credentials.json", string(w.Simulator.Credentials(apiParentID, simulator.RoleDeveloper)))
	w.want(w.api("GetAccountInfo", "--as-child", "acme-first"), exitRefused, "give its id instead", "GetChildrenAccounts")
	w.want(w.api("GetAccountInfo", "--as-child", fmt.Sprint(apiFirstID)), 0, "", "GetAccountInfo")
	w.want(w.api("SetChildAccountInfo", "-p", "child_account_id=5", "-p", "active=true", "--yes"), exitRefused, "Owner, Admin", "SetChildAccountInfo")
}

func TestAPICredentials(t *testing.T) {
	w := newAPIWorld(t)
	file := w.dir + "/credentials.json"
	odd := w.file("a=b.json", string(w.credentials))
	for _, flags := range [][]string{
		{"--credentials", "telephony/acme=" + file},
		{"--credentials", "telephony/other=nowhere", "--credentials", "telephony/acme=" + file, "--parent", "telephony/acme"},
		{"--credentials", odd},
	} {
		w.want(w.api(append([]string{"GetAccountInfo"}, flags...)...), 0, "", "GetAccountInfo")
	}
	t.Setenv(credentialsVariable, file)
	status, _, stderr := run(t, "api", "GetAccountInfo", "--endpoint", w.url+"/")
	w.want(outcome{status, "", stderr}, 0, "", "GetAccountInfo")
}

func TestAPIByParentAccount(t *testing.T) {
	w := newAPIWorld(t)
	call := func(flags ...string) outcome {
		return w.api(append([]string{"AddAccount", "-p", "account_name=acme-fourth", "-p", "account_email=fourth@acme.example", "-p", "account_password=@" + w.dir + "/password.txt", "--yes", "--parent", "telephony/acme"}, flags...)...)
	}
	read := func(flags ...string) outcome {
		return w.api(append([]string{"GetAccountInfo", "--parent", "telephony/acme"}, flags...)...)
	}
	parent, credentials, apiKey := w.parentAccount()
	kubeconfig := w.cluster(parent, credentials, apiKey)
	o := call("--kubeconfig", kubeconfig)
	if o.status != 0 || w.Calls()[0].Params["parent_account_api_key"] != canaryAPIKey {
		t.Errorf("%+v, %v", o, w.Calls())
	}
	w.ResetCalls()
	t.Setenv("KUBECONFIG", kubeconfig)
	w.want(read(), 0, "", "GetAccountInfo")
	w.want(read("--context", "nowhere"), exitFailed, "nowhere", "")
	w.want(w.api("GetAccountInfo", "--parent", "telephony/other"), exitFailed, "no ParentAccount telephony/other", "")

	// A call goes where its caller has allowed it to go, and nowhere else.
	status, _, stderr := run(t, "api", "GetAccountInfo", "--parent", "telephony/acme")
	w.want(outcome{status, "", stderr}, exitUsage, "add --endpoint "+w.url, "")
	w.want(read("--endpoint", "https://elsewhere.example"), exitUsage, "is not the endpoint of ParentAccount telephony/acme", "")

	parent.Status.AccountID = "7"
	w.want(read(), exitFailed, "of account 7", "")
	parent.Status.AccountID = ""
	credentials.Labels = nil
	w.want(read(), exitFailed, "lacks the label", "")
	credentials.Labels = apiKey.Labels
	credentials.Data["credentials.json"] = []byte("Canary")
	w.want(read(), exitFailed, "not a JSON object", "")
	credentials.Data = nil
	w.want(read(), exitFailed, `has no key "credentials.json"`, "")
	parent.Spec.Voximplant.CredentialsSecretRef.Name = "missing"
	w.want(read(), exitFailed, "Secret missing does not exist", "")

	parent.Spec.TwoSMS = &v1alpha1.TwoSMSParent{BaseURL: w.url}
	w.want(read(), exitUsage, "name a ParentAccount with spec.voximplant", "")
}

// A secret comes from the standard input, and no program of the machine sees it.
func TestAPIFromStandardInput(t *testing.T) {
	w := newAPIWorld(t)
	args := []string{"api", "SetChildAccountInfo", "-p", "child_account_id=" + fmt.Sprint(apiFirstID), "-p", "new_child_account_password=@-", "--credentials", "credentials.json", "--endpoint", w.url}
	w.want(w.exec("Canary-0ther-Pass!\n", args...), exitNotConfirmed, "add --yes", "")
	w.want(w.exec("Canary-0ther-Pass!\n", append(args, "--yes")...), 0, "", "SetChildAccountInfo")
	if !w.CheckPassword(apiFirstID, "Canary-0ther-Pass!") {
		t.Error("the password was not set")
	}
	w.want(w.exec("", append(args, "--yes")...), exitUsage, "is empty", "")
	w.want(w.exec("x", append(args, "--yes", "-p", "location=@-")...), exitUsage, "both from the standard input", "")
}

// The shell completes the methods and their parameters, and the command for that is there.
func TestAPICompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, stdout, stderr := run(t, "completion", shell); status != 0 || !strings.Contains(stdout, "child-account-operator") || stderr != "" {
			t.Errorf("%s: status %d, %s", shell, status, stderr)
		}
	}
	for line, want := range map[string]string{
		"api Get":                 "GetAccountInfo\tReads the account.\n",
		"api AddAccount -p ":      "account_password=@\t",
		"api GetAccountInfo -p ":  "return_live_balance=\t",
		"api GetAccountInfo -o ":  "yaml\n",
		"api GetAccountInfo --as": "--as-child\t",
	} {
		args := strings.Split(line, " ")
		_, stdout, _ := run(t, append([]string{"__complete"}, args...)...)
		if !strings.Contains(stdout, want) {
			t.Errorf("%s completes to %q", line, stdout)
		}
	}
}

// Each method has its help, with each of its parameters and an example.
func TestAPIHelp(t *testing.T) {
	for _, m := range methods.Table() {
		status, stdout, stderr := run(t, "api", m.Name, "--help")
		if status != 0 || stderr != "" || !strings.Contains(stdout, "api "+m.Name+" "+m.Examples[0]) {
			t.Errorf("%s: status %d, %s%s", m.Name, status, stdout, stderr)
		}
		for _, p := range m.Parameters {
			if !strings.Contains(stdout, "\n  "+p.Name+" (") {
				t.Errorf("%s: the help does not name %s", m.Name, p.Name)
			}
		}
	}
	_, root, _ := run(t, "--help")
	for _, word := range []string{"api ", "completion", "Examples:", "child-account-operator --leader-elect"} {
		if !strings.Contains(root, word) {
			t.Errorf("the help has no %q", word)
		}
	}
}

// Nothing has colours, whatever the environment says.
func TestAPIHasNoColours(t *testing.T) {
	for _, value := range []string{"", "1"} {
		t.Setenv("NO_COLOR", value)
		t.Setenv("CLICOLOR_FORCE", "1")
		for _, args := range [][]string{{"--help"}, {"api", "--list"}, {"api", "AddAccount", "--help"}, {"api", "Nonsense"}} {
			if _, stdout, stderr := run(t, args...); strings.Contains(stdout+stderr, "\x1b") {
				t.Errorf("%v has escapes", args)
			}
		}
	}
}

// Long answers, wrong answers: as the client has it, for each method.
func TestAPIAnswers(t *testing.T) {
	w := newAPIWorld(t)
	w.AddFault(simulator.Fault{Kind: simulator.FaultHuge, Bytes: 9 << 20})
	w.want(w.api("GetAccountInfo"), exitUnavailable, "larger than", "GetAccountInfo")
}

// fullDisk is where nothing can be written.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Where the answer can't be written, it is said whether the call was made all the same.
func TestAPIWithoutRoom(t *testing.T) {
	w := newAPIWorld(t)
	for line, says := range map[string]string{
		"GetAccountInfo": "the answer can't be written", "GetAccountInfo -o table": "the answer can't be written",
		"ChargeAccount -p phone_id=all --as-child 5000000201 --yes -o yaml": "ChargeAccount was carried out, but its answer can't be written",
	} {
		var stderr bytes.Buffer
		args := append([]string{"api"}, strings.Fields(line)...)
		status := Run(t.Context(), append(args, "--credentials", w.dir+"/credentials.json", "--endpoint", w.url), fullDisk{}, &stderr)
		if status != exitFailed || !strings.Contains(stderr.String(), says) {
			t.Errorf("%s: status %d, %s", line, status, &stderr)
		}
	}
}

func TestExitStatus(t *testing.T) {
	if got := exitStatus(usage(os.ErrNotExist)); got != exitUsage {
		t.Errorf("status %d", got)
	}
	if got := exitStatus(os.ErrNotExist); got != exitFailed {
		t.Errorf("status %d", got)
	}
	if usage(nil) != nil {
		t.Error("no error is one")
	}
}
