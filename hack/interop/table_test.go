package interop

import (
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// kinds are the typings' kinds of each type of a parameter.
var kinds = map[methods.Type][]string{
	methods.Text: {"string"}, methods.Bool: {"boolean"}, methods.Number: {"number"}, methods.Decimal: {"number"}, methods.ID: {"number"},
	methods.Date: {"Date"}, methods.IDList: {"'any' | number | number[]"}, methods.TextList: {"string | string[]"},
}

// otherParameters are where the table of methods and the typings of client 4.11.0 differ.
var otherParameters = []explained{
	{finding{"SetChildAccountInfo.callback_url", "text", "nothing"}, "later than the reference and than this client"},
	{finding{"SetChildAccountInfo.callback_salt", "text", "nothing"}, "later than the reference and than this client"},
}

// lookAtParameters compares the table of the methods, which was made from the documents, with the requests in the client's typings.
func lookAtParameters(t *testing.T, p *promises) string {
	t.Helper()
	expected := newLedger(otherParameters)
	out := newTable("method", "parameters that both have", "difference", "why")
	compared := 0
	for _, m := range methods.Table() {
		properties := p.interfaces[m.Name+"Request"]
		if len(properties) == 0 {
			out.row(code(m.Name), "", "the client has no such method", "")
			continue
		}
		compared++
		theirs := map[string]property{}
		for _, property := range properties {
			theirs[onWire(property.name)] = property
		}
		both := 0
		var rows [][]string
		differ := func(name, one, other string) {
			rows = append(rows, []string{"", "", code(name) + ": " + one + ", but " + other, expected.why(t, finding{m.Name + "." + name, one, other})})
		}
		for _, parameter := range m.Parameters {
			their, ok := theirs[parameter.Name]
			delete(theirs, parameter.Name)
			switch {
			case !ok:
				differ(parameter.Name, string(parameter.Type), "nothing")
			case !fits(parameter, their):
				differ(parameter.Name, traitsOf(parameter), "`"+their.kind+"`"+map[bool]string{true: ", optional", false: ""}[their.optional])
			default:
				both++
			}
		}
		for _, name := range sortedNames(theirs) {
			differ(name, "nothing", "`"+theirs[name].kind+"`")
		}
		out.row(code(m.Name), fmt.Sprint(both), "", "")
		for _, row := range rows {
			out.row(row...)
		}
	}
	if compared < 10 {
		t.Errorf("only %d methods are in the typings", compared)
	}
	expected.close(t)
	return out.text
}

func fits(p methods.Parameter, their property) bool {
	return p.Required != their.optional && strings.Contains(strings.Join(kinds[p.Type], "\n")+"\n", their.kind+"\n")
}

func traitsOf(p methods.Parameter) string {
	if p.Required {
		return string(p.Type)
	}
	return string(p.Type) + ", optional"
}
