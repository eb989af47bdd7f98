// Package argocd runs what Argo CD knows of our kinds, in the same VM as Argo CD: the health checks and actions in Lua. Only
// tests use it.
package argocd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Customization is what Argo CD knows of a kind: scripts in Lua.
type Customization struct {
	Health    string
	Discovery string `json:"discovery.lua"`
	Actions   []struct {
		Name string `json:"name"`
		Lua  string `json:"action.lua"`
	} `json:"definitions"`
}

// Health is how Argo CD shows a resource.
type Health struct{ Status, Message string }

// Read reads the ConfigMap that tells Argo CD of our kinds (config/argocd/argocd-cm.yaml) as Argo CD does: by kind.
func Read(file string) (map[string]Customization, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var cm corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &cm); err != nil {
		return nil, err
	}
	out := map[string]Customization{}
	for key, value := range cm.Data {
		what, kind, _ := strings.Cut(strings.TrimPrefix(key, "resource.customizations."), "."+v1alpha1.GroupVersion.Group+"_")
		c := out[kind]
		switch what {
		case "health":
			c.Health = value
		case "actions":
			err = yaml.UnmarshalStrict([]byte(value), &c)
		default:
			err = fmt.Errorf("no key %s is known to Argo CD", key)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out[kind] = c
	}
	return out, nil
}

// HealthOf is how Argo CD shows this object.
func (c Customization) HealthOf(o *unstructured.Unstructured) (Health, error) {
	out, err := runLua(c.Health, o.Object)
	if err != nil {
		return Health{}, err
	}
	fields, ok := out.(map[string]any)
	if !ok {
		return Health{}, fmt.Errorf("health.lua returned %v", out)
	}
	status, _ := fields["status"].(string)
	message, _ := fields["message"].(string)
	return Health{status, message}, nil
}

// Offered are the actions that Argo CD offers for this object.
func (c Customization) Offered(o *unstructured.Unstructured) ([]string, error) {
	out, err := runLua(c.Discovery, o.Object)
	if err != nil {
		return nil, err
	}
	found, ok := out.(map[string]any)
	if !ok || len(found) != len(c.Actions) {
		return nil, fmt.Errorf("discovery.lua returned %v for %d actions", out, len(c.Actions))
	}
	var names []string
	for _, a := range c.Actions {
		attributes, ok := found[a.Name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("discovery.lua does not know %s: %v", a.Name, out)
		}
		if attributes["disabled"] != true {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

// Act is the object as an action leaves it; Argo CD patches what differs.
func (c Customization) Act(action string, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	for _, a := range c.Actions {
		if a.Name == action {
			out, err := runLua(a.Lua, o.Object)
			object, ok := out.(map[string]any)
			if err == nil && !ok {
				err = fmt.Errorf("%s returned %v", action, out)
			}
			return &unstructured.Unstructured{Object: object}, err
		}
	}
	return nil, fmt.Errorf("there is no action %s", action)
}

// runLua runs a script in as little as Argo CD gives to those of its ConfigMap (util/lua/lua.go): the basic functions,
// table, and of os only time and date, by require. No string, no math. Argo CD allows a second; so much may pass here on
// a busy machine without a script doing anything.
func runLua(script string, object map[string]any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: 1024, CallStackSize: 64})
	defer l.Close()
	for _, open := range []lua.LGFunction{lua.OpenPackage, lua.OpenBase, lua.OpenTable} {
		l.Push(l.NewFunction(open))
		l.Call(0, 0)
	}
	l.PreloadModule(lua.OsLibName, safeOS)
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, object))
	if err := l.DoString(script); err != nil {
		return nil, err
	}
	return fromLua(l.Get(-1), object), nil
}

// safeOS is the os of Argo CD: time and date.
func safeOS(l *lua.LState) int {
	full := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer full.Close()
	full.Push(full.NewFunction(lua.OpenOs))
	full.Call(0, 1)
	functions := full.Get(-1).(*lua.LTable)
	mod := l.NewTable()
	for _, name := range []string{"time", "date"} {
		mod.RawSetString(name, l.NewFunction(functions.RawGetString(name).(*lua.LFunction).GFunction))
	}
	l.Push(mod)
	return 1
}

func toLua(l *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		t := l.NewTable()
		for _, item := range v {
			t.Append(toLua(l, item))
		}
		return t
	case map[string]any:
		t := l.NewTable()
		for key, item := range v {
			t.RawSetString(key, toLua(l, item))
		}
		return t
	case nil:
		return lua.LNil
	}
	panic(fmt.Sprintf("%T in an unstructured object", value))
}

// fromLua is the way back. Lua knows neither whole numbers nor empty lists from empty maps: what was there before tells,
// as it does for Argo CD.
func fromLua(value lua.LValue, was any) any {
	switch v := value.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LString:
		return string(v)
	case lua.LNumber:
		if float64(v) == float64(int64(v)) {
			return int64(v)
		}
		return float64(v)
	case *lua.LTable:
		return fromTable(v, was)
	}
	return nil
}

func fromTable(t *lua.LTable, was any) any {
	before, wasMap := was.(map[string]any)
	list := []any{}
	items, _ := was.([]any)
	for i := 1; i <= t.Len(); i++ {
		var item any
		if i <= len(items) {
			item = items[i-1]
		}
		list = append(list, fromLua(t.RawGetInt(i), item))
	}
	object := map[string]any{}
	t.ForEach(func(key, value lua.LValue) {
		if name, ok := key.(lua.LString); ok {
			object[string(name)] = fromLua(value, before[string(name)])
		}
	})
	if len(object) > 0 || wasMap {
		return object
	}
	return list
}

// Unstructured is an object as Argo CD and kstatus see it.
func Unstructured(o any) (*unstructured.Unstructured, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	return &unstructured.Unstructured{Object: object}, err
}
