package cli

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// parsed are the options of a command line.
func parsed(t *testing.T, args ...string) ManagerOptions {
	t.Helper()
	var o ManagerOptions
	f := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	o.BindFlags(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestNamespaces(t *testing.T) {
	for line, want := range map[string]string{ // the namespaces, or what the refusal says
		"":                                      "all",
		"--namespaces=a --installation-id=blue": "a",
		"--namespaces=a,b --namespaces=c --installation-id=blue": "a b c",
		"--namespaces=a,a --installation-id=blue":                "a",
		"--namespaces= --installation-id=blue":                   "refused: --namespaces names none",
		"--namespaces=a,, --installation-id=blue":                `refused: --namespaces ""`,
		"--namespaces=* --installation-id=blue":                  `refused: --namespaces "*"`,
		"--namespaces=A --installation-id=blue":                  `refused: --namespaces "A"`,
		"--namespaces=a":                                         "refused: --namespaces needs --installation-id",
		"--namespaces=a --installation-id=":                      "refused: --namespaces needs --installation-id",
	} {
		t.Run(line, func(t *testing.T) {
			o := parsed(t, strings.Fields(line)...)
			if err := checkNamespaces(o); err != nil {
				if refusal, ok := strings.CutPrefix(want, "refused: "); !ok || !strings.HasPrefix(err.Error(), refusal) {
					t.Errorf("error %v, want %s", err, want)
				}
				return
			}
			c, err := namespacecache.New(&rest.Config{}, cache.Options{HTTPClient: http.DefaultClient, Scheme: Scheme(), Mapper: restMapper()}, cacheOptions(t.Context(), o))
			if err != nil {
				t.Fatal(err)
			}
			var sees []string
			for _, s := range c.Statuses() {
				sees = append(sees, cmp.Or(s.Namespace, "all"))
			}
			if got := strings.Join(sees, " "); got != want {
				t.Errorf("sees %s, want %s", got, want)
			}
		})
	}
}

// Before anything is asked of Kubernetes.
func TestRunManagerWithoutAnInstallationID(t *testing.T) {
	err := RunManager(context.Background(), &rest.Config{Host: "http://127.0.0.1:1"}, parsed(t, "--namespaces=telephony"))
	if err == nil || !strings.HasPrefix(err.Error(), "--namespaces needs --installation-id") {
		t.Errorf("error %v", err)
	}
}
