package docs

import (
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layer is a name, and packages that do not import each other.
type layer struct {
	name     string
	packages []string
}

// layers are all packages of the operator, from the top to the bottom. A package imports packages of lower layers only: none of its own
// layer, none above it.
var layers = []layer{
	{"the process", []string{"."}},
	{"the command line", []string{"internal/cli"}},
	{"the kinds", []string{"controllers"}},
	{"the engine", []string{"internal/engine"}},
	{"what was tried, what is measured, and what is reported", []string{"internal/attempts", "internal/callback", "internal/gauges"}},
	{"what people call by name", []string{"internal/voximplant/methods"}},
	{"the concerns", []string{
		"internal/changeguard", "internal/conditions", "internal/debounce", "internal/directory", "internal/fairqueue", "internal/metrics", "internal/namespacecache",
		"internal/plan", "internal/readings", "internal/readyourwrites", "internal/secrets", "internal/trust", "internal/twosms", "internal/voximplant",
	}},
	{"the seam", []string{"internal/apihttp", "internal/pacing", "internal/provider"}},
	{"the core", []string{"internal/account", "internal/charset", "internal/mailaddress", "internal/netstep", "internal/refusal", "api/v1alpha1"}},
	{"the provider's side", []string{"internal/simulator"}},
}

// forTests are packages that only tests import: they may know any layer.
var forTests = []string{
	"internal/argocd", "internal/chaostest", "internal/crashtest", "internal/docs", "internal/golden", "internal/protocoltest", "internal/provider/fake",
	"internal/provider/providertest", "internal/starttest", "internal/testenv", "internal/testenv/freeport",
}

func TestImportsPointDownward(t *testing.T) {
	layerOf := map[string]int{}
	for i, l := range layers {
		for _, p := range l.packages {
			layerOf[p] = i
		}
	}
	for _, p := range operatorPackages(t) {
		at, ok := layerOf[p]
		if !ok {
			if !slices.Contains(forTests, p) {
				t.Errorf("%s has no layer: give it one in layers, or name it in forTests", p)
			}
			continue
		}
		delete(layerOf, p)
		for _, to := range slices.Sorted(maps.Keys(importsOf(t, p))) {
			below := slices.IndexFunc(layers, func(l layer) bool { return slices.Contains(l.packages, to) })
			switch {
			case below < 0:
				t.Errorf("%s (%s) imports %s, which is for tests", p, layers[at].name, to)
			case below <= at:
				t.Errorf("%s (%s) imports %s (%s), which is not below it", p, layers[at].name, to, layers[below].name)
			}
		}
	}
	for p := range layerOf {
		t.Errorf("%s is in layers, and not in the tree", p)
	}
}

// operatorPackages are the folders with Go code that isn't only tests, outside of hack.
func operatorPackages(t *testing.T) (packages []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"hack", "bin", "dist", "testdata", "node_modules"}, d.Name())) {
			return filepath.SkipDir
		}
		if dir := filepath.ToSlash(filepath.Dir(rel)); strings.HasSuffix(rel, ".go") && !strings.HasSuffix(rel, "_test.go") && !slices.Contains(packages, dir) {
			packages = append(packages, dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}
