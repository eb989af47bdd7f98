package voximplant

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"slices"
	"strings"
	"testing"
)

// Methods has each name of a method that there is, so that its calls are counted from the start.
func TestMethodsAreAll(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "methods.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "method") && len(v.Values) == 1 {
			names = append(names, strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	if len(names) < 5 || !slices.Equal(names, Methods()) {
		t.Errorf("the names are %v, Methods() has %v", names, Methods())
	}
}
