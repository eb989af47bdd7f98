package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const clientFolder = "node_modules/@voximplant/apiclient-nodejs"

// property is one of an interface in the typings.
type property struct {
	name, kind string
	optional   bool
}

// promises are the client's typings (TypeScript declarations), and what was found when they were put to the test.
type promises struct {
	*ledger
	interfaces map[string][]property
	// given are the properties that requests have had, by interface and name.
	given map[string]bool
}

var (
	interfaceText = regexp.MustCompile(`(?ms)^export interface (\w+) \{\n(.*?)^\}`)
	propertyText  = regexp.MustCompile(`(?m)^  (\w+)(\??): (.+);$`)
)

// newPromises reads the typings of the client that is installed.
func newPromises(t *testing.T) *promises {
	t.Helper()
	var installed struct{ Version string }
	manifest, err := os.ReadFile(filepath.Join(clientFolder, "package.json"))
	if err != nil || json.Unmarshal(manifest, &installed) != nil || installed.Version != clientVersion {
		t.Fatalf("the client %s is to be installed, not %s: npm ci (%v)", clientVersion, installed.Version, err)
	}
	p := &promises{ledger: newLedger(brokenPromises), interfaces: map[string][]property{}, given: map[string]bool{}}
	for _, file := range []string{"Interfaces.d.ts", "Structures.d.ts"} {
		text, err := os.ReadFile(filepath.Join(clientFolder, "dist", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range interfaceText.FindAllStringSubmatch(string(text), -1) {
			for _, line := range propertyText.FindAllStringSubmatch(found[2], -1) {
				p.interfaces[found[1]] = append(p.interfaces[found[1]], property{name: line[1], kind: line[3], optional: line[2] != ""})
			}
		}
	}
	return p
}

// check notes all in which the value is not of the kind.
func (p *promises) check(t *testing.T, kind string, value any) {
	t.Helper()
	for _, f := range p.findings(kind, kind, value) {
		p.why(t, f)
	}
}

// findings are those of a value at a place of the typings.
func (p *promises) findings(at, kind string, value any) []finding {
	alternatives := strings.Split(kind, " | ")
	if len(alternatives) == 1 {
		return p.single(at, kind, value)
	}
	for _, alternative := range alternatives {
		if len(p.single(at, alternative, value)) == 0 {
			return nil
		}
	}
	return []finding{{at, kind, jsonOf(value)}}
}

func (p *promises) single(at, kind string, value any) []finding {
	items, isList := value.([]any)
	element, wantsList := strings.CutSuffix(kind, "[]")
	switch {
	case wantsList && isList:
		var found []finding
		for _, item := range items {
			found = append(found, p.findings(at, element, item)...)
		}
		return found
	case p.interfaces[kind] != nil:
		if object, ok := value.(map[string]any); ok && kindOf(value) == "object" {
			return p.object(kind, object)
		}
	case kind == kindOf(value), kind == fmt.Sprintf("'%v'", value):
		return nil
	}
	return []finding{{at, kind, kindOf(value)}}
}

// keepNames are the interfaces whose objects come with their names on the wire.
var keepNames = []string{"PriceGroup", "AccountPlanPackage", "PlanPackage", "AccountVerification", "AccountVerificationDocument"}

// object compares the names, and the values of those that are there.
func (p *promises) object(kind string, object map[string]any) []finding {
	var found []finding
	known, properties := map[string]bool{}, p.interfaces[kind]
	if slices.Contains(keepNames, kind) {
		found = append(found, finding{kind, properties[0].name, onWire(properties[0].name)})
		properties = slices.Clone(properties)
		for i := range properties {
			properties[i].name = onWire(properties[i].name)
		}
	}
	for _, property := range properties {
		known[property.name] = true
		at := kind + "." + property.name
		if value, there := object[property.name]; there {
			found = append(found, p.findings(at, property.kind, value)...)
		} else if !property.optional {
			found = append(found, finding{at, property.kind, "nothing"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !known[name] {
			found = append(found, finding{kind + "." + name, "nothing", kindOf(object[name])})
		}
	}
	return found
}

// complete notes what the kind promises and the object lacks, optional or not.
func (p *promises) complete(t *testing.T, kind string, value any) {
	t.Helper()
	object, _ := value.(map[string]any)
	for _, property := range p.interfaces[kind] {
		at := kind + "." + property.name
		value, there := object[property.name]
		if !there {
			p.why(t, finding{at, property.kind, "nothing"})
		} else if p.interfaces[property.kind] != nil {
			p.complete(t, property.kind, value)
		}
	}
}

// asked checks a request, and that each property went out under its name on the wire, which is the same in other letters.
func (p *promises) asked(t *testing.T, c call, sent map[string]string) {
	t.Helper()
	kind := interfaceOf(c.Method) + "Request"
	p.check(t, kind, plain(t, c.Request))
	names := map[string]bool{"cmd": true}
	for name := range c.Request {
		p.given[kind+"."+name] = true
		names[onWire(name)] = true
		if _, ok := sent[onWire(name)]; ok {
			continue
		}
		if _, ok := sent[name]; !ok {
			t.Errorf("%s.%s did not go out at all", kind, name)
		}
		names[name] = true
		p.why(t, finding{kind + "." + name, "sent as " + onWire(name), "sent as " + name})
	}
	for name := range sent {
		if !names[name] {
			t.Errorf("%s: %s went out, and nobody has asked for it", kind, name)
		}
	}
}

// kept fails the test for properties of requests that were never given, and for explanations of what isn't so any more.
func (p *promises) kept(t *testing.T) {
	for _, method := range []string{
		"getAccountInfo", "setAccountInfo", "getChildrenAccounts", "setChildAccountInfo", "getResourcePrice", "getSubscriptionPrice",
		"getAccountPlans", "getAvailablePlans", "changeAccountPlan", "getAccountDocuments", "getMoneyAmountToCharge", "getCurrencyRate",
	} {
		kind := interfaceOf(method) + "Request"
		if len(p.interfaces[kind]) == 0 {
			t.Errorf("no %s in the typings", kind)
		}
		for _, property := range p.interfaces[kind] {
			if !p.given[kind+"."+property.name] && property.kind != "Date" { // a day is refused, as the errors say
				t.Errorf("%s.%s was never given", kind, property.name)
			}
		}
	}
	p.close(t)
}

func (p *promises) table() string {
	findings := newTable("property", "promised", "what comes of it", "why")
	for _, e := range p.expected {
		findings.row(code(e.at), code(e.one), code(e.other), e.why)
	}
	return findings.text
}

func interfaceOf(method string) string { return strings.ToUpper(method[:1]) + method[1:] }

// onWire is the wire name of a property: accountId is account_id.
func onWire(property string) string {
	var b strings.Builder
	for _, letter := range property {
		if unicode.IsUpper(letter) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(letter))
	}
	return b.String()
}

// kindOf is the kind of a value, as TypeScript calls it.
func kindOf(value any) string {
	switch v := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		if v["$date"] != nil {
			return "Date"
		}
		return "object"
	}
	return "null"
}
