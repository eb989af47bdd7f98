package docs

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// mostMethods is how many methods a type may have: one with more knows too much.
const mostMethods = 20

// tooMany are the types that have more, with how many they have. The numbers may only become smaller.
var tooMany = map[string]int{
	"hack/bench.fleet":               26,
	"internal/provider/fake.Service": 22,
	"internal/simulator.Simulator":   89,
}

// No linter counts methods.
func TestMethodsOfATypeAreFew(t *testing.T) {
	methods := methodsOf(t)
	for name, n := range methods {
		switch most, known := tooMany[name]; {
		case !known && n > mostMethods:
			t.Errorf("%s has %d methods, more than %d: what knows something should own it", name, n, mostMethods)
		case known && n > most:
			t.Errorf("%s has %d methods, more than the %d that it had", name, n, most)
		case known && n <= mostMethods:
			t.Errorf("%s has %d methods by now: take it out of this table", name, n)
		}
	}
	for name := range tooMany {
		if methods[name] == 0 {
			t.Errorf("there is no type %s", name)
		}
	}
}

// methodsOf are the types outside of tests by folder and name, each with how many methods it has.
func methodsOf(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(d.Name(), "zz_generated") {
			return nil
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), root+"/")
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil {
				out[folder+"."+receiver(f.Recv.List[0].Type)]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
