package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

func TestInserted(t *testing.T) {
	names := []string{"Africa/Abidjan", "Etc/GMT+10", "UTC"}
	for range 40 {
		names = append(names, "America/Argentina/Buenos_Aires")
	}
	out, err := inserted([]byte("spec:\n  rules:\n  - rule: '!has(self.a) || self.a in [TIME_ZONES]'\n  - rule: other\n"), names)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if len(line) > width+10 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
	var read struct {
		Spec struct {
			Rules []struct{ Rule string }
		}
	}
	if err := yaml.Unmarshal(out, &read); err != nil {
		t.Fatalf("%v in:\n%s", err, out)
	}
	want := `!has(self.a) || self.a in [ "` + strings.Join(names, `", "`) + `"]`
	if got := read.Spec.Rules; len(got) != 2 || got[0].Rule != want || got[1].Rule != "other" {
		t.Errorf("%q\nwant %q", got, want)
	}
	for _, crd := range []string{"rule: a", "TIME_ZONES TIME_ZONES"} {
		if _, err := inserted([]byte(crd), names); err == nil {
			t.Errorf("%s: no error", crd)
		}
	}
}

// The list that is checked in, and the CRD, are those of this toolchain.
func TestTheListIsUpToDate(t *testing.T) {
	names, err := embedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	top := filepath.Join("..", "..")
	list, err := os.ReadFile(filepath.Join(top, "internal", "voximplant", "timezones.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(strings.Fields(string(list)), names) {
		t.Error("the Go toolchain has other time zones: run make generate manifests")
	}
	crd, err := os.ReadFile(filepath.Join(top, "config", "crd", "bases", "accounts.cpaas.dev_childaccounts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(crd), `"`+name+`"`) {
			t.Errorf("the CRD lacks %s: run make manifests", name)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"list"}, {"crd", "a"}, {"other", "a"}, {"crd", "missing", "missing"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
