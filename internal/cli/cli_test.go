package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// run runs a command line to its end.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = Run(context.Background(), args, &out, &err)
	return status, out.String(), err.String()
}

func TestVersion(t *testing.T) {
	was := version
	t.Cleanup(func() { version = was })
	version = "v1.2.3"
	if status, stdout, stderr := run(t, "version"); status != 0 || stdout != "v1.2.3\n" || stderr != "" {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestWrongCommandLines(t *testing.T) {
	for line, says := range map[string]string{
		"nonsense":                 `unknown command "nonsense"`,
		"manage":                   `unknown command "manage"`,
		"--nonsense":               "unknown flag: --nonsense",
		"-x":                       "unknown shorthand flag",
		"manager extra":            `unknown command "extra"`,
		"manager --leader-elect=x": "--leader-elect",
		"version extra":            `unknown command "extra"`,
		"version --json":           "unknown flag: --json",
		"simulate extra":           `unknown command "extra"`,
		"simulate --latency long":  "--latency",
		"simulate --listen":        "--listen",
	} {
		t.Run(line, func(t *testing.T) {
			status, stdout, stderr := run(t, strings.Fields(line)...)
			if status != 1 || !strings.HasPrefix(stderr, "Error: ") || !strings.Contains(stderr, says) {
				t.Errorf("status %d, stderr %q; want 1 and %q", status, stderr, says)
			}
			if stdout != "" || strings.Contains(stderr, "Usage:") || strings.Count(stderr, "\n") > 1 {
				t.Errorf("more than one line about it: %q %q", stdout, stderr)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	status, stdout, stderr := run(t, "--help")
	if status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	for _, word := range []string{"manager", "simulate", "version", "--leader-elect"} {
		if !strings.Contains(stdout, word) {
			t.Errorf("the help does not name %s", word)
		}
	}
}

// Without a subcommand it is the manager, with all of its flags.
func TestRootIsTheManager(t *testing.T) {
	root := newRoot()
	manager, _, err := root.Find([]string{"manager"})
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{
		"metrics-bind-address": "0", "health-probe-bind-address": ":8081", "leader-elect": "false",
		"callback-address": "0", "callback-tls-cert-file": "", "callback-tls-key-file": "",
		"metrics-secure": "true", "metrics-cert-path": "", "metrics-cert-name": "tls.crt", "metrics-cert-key": "tls.key", "namespaces": "[]",
		"allowed-endpoints": "[https://api.voximplant.com]", "installation-id": "", "zap-log-level": "", "kubeconfig": "",
	}
	for name, want := range defaults {
		f := manager.Flags().Lookup(name)
		if f == nil || f.DefValue != want || f.Usage == "" {
			t.Errorf("manager's flag %s is %+v, want the default %q and a usage", name, f, want)
		}
		if root.Flags().Lookup(name) != f {
			t.Errorf("--%s is unknown without a subcommand, or another flag", name)
		}
	}
}

func TestManagerWithoutKubernetes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "missing"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBERNETES_SERVICE_PORT", "")
	for _, args := range [][]string{{"manager"}, {}, {"--leader-elect", "--installation-id=blue"}} {
		status, stdout, stderr := run(t, args...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "Error: no Kubernetes API to connect to: ") {
			t.Errorf("%v: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
		if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "KUBECONFIG") {
			t.Errorf("%v: no line that says what to do: %q", args, stderr)
		}
	}
}

// asOperator is the variable in whose presence the test binary is the operator's own.
const asOperator = "RUN_AS_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(asOperator) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// A reader of the error needs no stack of goroutines before it. In a process of its own, as a process has one logger.
func TestManagerOutsideOfAnyCluster(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "manager")
	cmd.Env = []string{asOperator + "=1", "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "Error: no Kubernetes API to connect to: ") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v, and it says:\n%s", err, out)
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	if got := inOneLine(errors.Join(errors.New("one\n  two"), errors.New("three"))); got != "one two three" {
		t.Errorf("%q", got)
	}
}

func TestCheckEndpoints(t *testing.T) {
	for in, want := range map[string]string{ // "" for a refusal
		"https://api.voximplant.com":                  "https://api.voximplant.com",
		"https://api.voximplant.com/":                 "https://api.voximplant.com",
		"https://api.voximplant.com:8443":             "https://api.voximplant.com:8443",
		"http://127.0.0.1:8090":                       "http://127.0.0.1:8090",
		"http://[::1]:8090/":                          "http://[::1]:8090",
		"HTTPS://api.voximplant.com":                  "https://api.voximplant.com",
		"http://simulator.child-account-operator.svc": "http://simulator.child-account-operator.svc",
		"":                                    "",
		"api.voximplant.com":                  "",
		"api.voximplant.com:443":              "",
		"//api.voximplant.com":                "",
		"https://":                            "",
		"https:///platform_api":               "",
		"ftp://api.voximplant.com":            "",
		"https://api.voximplant.com/api":      "",
		"https://api.voximplant.com?x=1":      "",
		"https://user@api.voximplant.com":     "",
		"https://user:hunter2@a.example":      "",
		"https://user:hunter2@a.example:port": "",
		"https://:443":                        "",
		"https://api.voximplant.com#x":        "",
		"https://api.voximplant.com?":         "",
		"https://api.voximplant.com:":         "",
		"https://API.Voximplant.com":          "https://api.voximplant.com",
		"https://api.voximplant.com:port":     "",
		"https://api voximplant.com":          "",
		"https://api.voximplant.com\n":        "",
		"https://a.example,https://b.example": "",
	} {
		t.Run(in, func(t *testing.T) {
			got, err := checkEndpoints([]string{"https://first.example", in})
			if want == "" {
				if err == nil || got != nil || !strings.Contains(err.Error(), "--allowed-endpoints") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v, %v; want a refusal that names the flag", got, err)
				}
				return
			}
			if err != nil || len(got) != 2 || got[1] != want {
				t.Errorf("%v, %v; want %s", got, err, want)
			}
		})
	}
	if got, err := checkEndpoints(nil); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

// A wrong endpoint is refused before anything is asked of Kubernetes.
func TestRunManagerWithAWrongEndpoint(t *testing.T) {
	err := RunManager(context.Background(), &rest.Config{Host: "http://127.0.0.1:1"}, ManagerOptions{AllowedEndpoints: []string{"nonsense"}})
	if err == nil || !strings.Contains(err.Error(), `--allowed-endpoints "nonsense"`) {
		t.Errorf("error %v", err)
	}
}
