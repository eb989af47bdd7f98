package conditions

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/argocd"
)

const (
	healthy     = "Healthy"
	progressing = "Progressing"
	degraded    = "Degraded"
	suspended   = "Suspended"
)

// argoCM is the ConfigMap for Argo CD.
const argoCM = "../../config/argocd/argocd-cm.yaml"

// argoTree is where the Lua scripts lie, in the form of Argo CD's resource_customizations.
const argoTree = "../../config/argocd/accounts.cpaas.dev"

func argoCustomizations(t *testing.T) map[string]argocd.Customization {
	t.Helper()
	all, err := argocd.Read(argoCM)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// objectWith is an object of the kind with these conditions, seen by the operator in its present generation.
func objectWith(t *testing.T, kind string, conditions []metav1.Condition) *unstructured.Unstructured {
	t.Helper()
	var object any
	named := metav1.ObjectMeta{Name: "acme", Namespace: "telephony", Generation: generation}
	switch kind {
	case "ChildAccount":
		object = &v1alpha1.ChildAccount{ObjectMeta: named, Status: v1alpha1.ChildAccountStatus{AccountStatus: v1alpha1.AccountStatus{ObservedGeneration: generation, Conditions: conditions}}}
	case "SubAccount":
		object = &v1alpha1.SubAccount{ObjectMeta: named, Status: v1alpha1.SubAccountStatus{AccountStatus: v1alpha1.AccountStatus{ObservedGeneration: generation, Conditions: conditions}}}
	case "ParentAccount":
		object = &v1alpha1.ParentAccount{ObjectMeta: named, Status: v1alpha1.ParentAccountStatus{ObservedGeneration: generation, Conditions: conditions}}
	}
	u, err := argocd.Unstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func argoHealth(t *testing.T, c argocd.Customization, o *unstructured.Unstructured) argocd.Health {
	t.Helper()
	h, err := c.HealthOf(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// shownOnce returns how Argo CD and kstatus show conditions. Most states lead to conditions that another one leads to, too: Argo CD's
// script runs once for them.
func shownOnce(t *testing.T) func(kind string, conditions []metav1.Condition) (argocd.Health, status.Status) {
	type shows struct {
		argocd.Health
		status.Status
	}
	customizations, known := argoCustomizations(t), map[string]shows{}
	return func(kind string, conditions []metav1.Condition) (argocd.Health, status.Status) {
		key := fmt.Sprintf("%s %+v", kind, conditions)
		if _, ok := known[key]; !ok {
			object := objectWith(t, kind, conditions)
			result, err := status.Compute(object)
			if err != nil {
				t.Fatal(err)
			}
			known[key] = shows{argoHealth(t, customizations[kind], object), result.Status}
		}
		return known[key].Health, known[key].Status
	}
}

// healthOf is how Argo CD is to show a row of the condition tables.
func healthOf(reason string, v Verdict, stuck bool) string {
	switch {
	case reason == v1alpha1.ReasonSuspended:
		return suspended
	case v.stalled, stuck:
		return degraded
	case v.reconciling:
		return progressing
	}
	return healthy
}

// agreed are the words of kstatus that go with Argo CD's. It has none for suspended: that is current or, where nothing
// was known before, in progress.
var agreed = map[string][]status.Status{
	healthy:     {status.CurrentStatus},
	progressing: {status.InProgressStatus, status.TerminatingStatus},
	degraded:    {status.FailedStatus},
	suspended:   {status.CurrentStatus, status.InProgressStatus},
}

// Every row of both tables, from every state, shows in Argo CD as the row says and as kstatus reads it.
func TestArgoHealthOfEveryRow(t *testing.T) {
	shown := shownOnce(t)
	for kind, table := range both {
		for reason, v := range table.rows {
			for from, before := range starts(table) {
				for _, o := range []Outcome{{}, {PastGrace: true}, {Stuck: true}} {
					o.Reason, o.Message = reason, "what was found"
					if o.Stuck && !v.reconciling {
						continue // only what goes on by itself gets stuck
					}
					conditions := slices.Clone(before)
					table.Write(&conditions, generation, o, noon.Add(time.Hour))
					got, result := shown(kind, conditions)
					if want := (argocd.Health{Status: healthOf(reason, v, o.Stuck), Message: reason + ": " + table.Text(o, longestMessage)}); got != want {
						t.Errorf("%s: %s, then %s (past the grace %v, stuck %v): %v, want %v", kind, from, reason, o.PastGrace, o.Stuck, got, want)
					}
					if !slices.Contains(agreed[got.Status], result) {
						t.Errorf("%s: %s, then %s: %s for Argo CD, %s for kstatus", kind, from, reason, got.Status, result)
					}
				}
			}
		}
	}
}

// What the operator has not seen, or not in its present form, is Progressing, whatever else it says.
func TestArgoHealthBeforeTheOperatorLooked(t *testing.T) {
	unseen := map[string]func(o map[string]any){
		"no status":               func(o map[string]any) { delete(o, "status") },
		"an empty status":         func(o map[string]any) { o["status"] = map[string]any{} },
		"no observedGeneration":   func(o map[string]any) { delete(o["status"].(map[string]any), "observedGeneration") },
		"the schema's default":    func(o map[string]any) { o["status"] = map[string]any{"observedGeneration": int64(-1)} },
		"no conditions":           func(o map[string]any) { delete(o["status"].(map[string]any), "conditions") },
		"an empty list":           func(o map[string]any) { o["status"].(map[string]any)["conditions"] = []any{} },
		"a change since the look": func(o map[string]any) { o["metadata"].(map[string]any)["generation"] = int64(generation + 1) },
	}
	customizations := argoCustomizations(t)
	for kind, table := range both {
		for reason := range table.rows {
			for name, change := range unseen {
				o := objectWith(t, kind, written(table, Outcome{Reason: reason, Message: "of before"}))
				change(o.Object)
				if got, want := argoHealth(t, customizations[kind], o), (argocd.Health{Status: progressing, Message: "waiting for the operator"}); got != want {
					t.Errorf("%s, %s, %s: %v, want %v", kind, reason, name, got, want)
				}
			}
		}
	}
}

func TestArgoHealthOfWhatIsDeleted(t *testing.T) {
	c := argoCustomizations(t)["ChildAccount"]
	for reason, want := range map[string]string{
		v1alpha1.ReasonDeleting:  "Deleting: the account can't be deactivated. The operator retries automatically, for an hour at most.",
		v1alpha1.ReasonAvailable: "being deleted",
		v1alpha1.ReasonFrozen:    "being deleted",
	} {
		o := objectWith(t, "ChildAccount", written(Children, Outcome{Reason: reason, Message: "the account can't be deactivated"}))
		now := metav1.Now()
		o.SetDeletionTimestamp(&now)
		o.SetGeneration(generation + 1)
		if got := argoHealth(t, c, o); got != (argocd.Health{Status: progressing, Message: want}) {
			t.Errorf("%s: %v, want %s", reason, got, want)
		}
	}
}

// The ConfigMap has exactly the scripts that lie in the tree (make manifests).
func TestArgoCMHasTheScripts(t *testing.T) {
	var want []string
	for _, pattern := range []string{"_/health.lua", "*/actions/discovery.lua", "*/actions/*/action.lua"} {
		files, err := filepath.Glob(filepath.Join(argoTree, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		want = append(want, files...)
	}
	var have []string
	check := func(script string, path ...string) {
		file := filepath.Join(append([]string{argoTree}, path...)...)
		text, err := os.ReadFile(file)
		if err != nil || string(text) != script {
			t.Errorf("%s is not what the ConfigMap has (%v): make manifests", file, err)
		}
		have = append(have, file)
	}
	for kind, c := range argoCustomizations(t) {
		if _, ok := both[kind]; !ok {
			t.Errorf("there is no kind %s", kind)
		}
		check(c.Health, "_", "health.lua")
		check(c.Discovery, kind, "actions", "discovery.lua")
		for _, a := range c.Actions {
			check(a.Lua, kind, "actions", a.Name, "action.lua")
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	if have = slices.Compact(have); !slices.Equal(have, want) {
		t.Errorf("the ConfigMap has %v, the tree %v", have, want)
	}
}

func readYAML[T any](t *testing.T, path ...string) T {
	t.Helper()
	var out T
	text, err := os.ReadFile(filepath.Join(append([]string{argoTree}, path...)...))
	if err == nil {
		err = yaml.UnmarshalStrict(text, &out)
	}
	if err != nil {
		t.Fatalf("%v: %v", path, err)
	}
	return out
}

func readObject(t *testing.T, path ...string) *unstructured.Unstructured {
	t.Helper()
	return &unstructured.Unstructured{Object: readYAML[map[string]any](t, path...)}
}

// The samples of health_test.yaml, as Argo CD's own tests run them.
func TestArgoHealthSamples(t *testing.T) {
	tests := readYAML[struct {
		Tests []struct {
			InputPath    string
			HealthStatus argocd.Health
		}
	}](t, "_", "health_test.yaml").Tests
	customizations := argoCustomizations(t)
	for _, test := range tests {
		object := readObject(t, "_", test.InputPath)
		if got := argoHealth(t, customizations[object.GetKind()], object); got != test.HealthStatus {
			t.Errorf("%s: %v, want %v", test.InputPath, got, test.HealthStatus)
		}
	}
	files, err := filepath.Glob(filepath.Join(argoTree, "_", "testdata", "*"))
	if err != nil || len(files) != len(tests) {
		t.Errorf("%d samples, %d tests (%v)", len(files), len(tests), err)
	}
}

// The samples of action_test.yaml, as Argo CD's own tests run them.
func TestArgoActions(t *testing.T) {
	for kind, c := range argoCustomizations(t) {
		tests := readYAML[struct {
			DiscoveryTests []struct {
				InputPath string
				Result    []struct {
					Name     string
					Disabled bool
				}
			}
			ActionTests []struct{ Action, InputPath, ExpectedOutputPath string }
		}](t, kind, "actions", "action_test.yaml")
		for _, test := range tests.DiscoveryTests {
			var want []string
			for _, a := range test.Result {
				if !a.Disabled {
					want = append(want, a.Name)
				}
			}
			got, err := c.Offered(readObject(t, kind, "actions", test.InputPath))
			if slices.Sort(want); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v is offered, want %v (%v)", kind, test.InputPath, got, want, err)
			}
		}
		tried := map[string]bool{}
		for _, test := range tests.ActionTests {
			tried[test.Action] = true
			got, err := c.Act(test.Action, readObject(t, kind, "actions", test.InputPath))
			if err != nil {
				t.Errorf("%s, %s of %s: %v", kind, test.Action, test.InputPath, err)
				continue
			}
			want := readObject(t, kind, "actions", test.ExpectedOutputPath)
			if annotation := dated[test.Action]; annotation != "" {
				checkDated(t, annotation, got, want)
			}
			if !equality.Semantic.DeepEqual(got, want) {
				t.Errorf("%s, %s of %s:\n%v, want\n%v", kind, test.Action, test.InputPath, got.Object, want.Object)
			}
		}
		if len(tried) != len(c.Actions) {
			t.Errorf("%s: of %d actions %v are tried", kind, len(c.Actions), tried)
		}
	}
}

// dated are the actions that ask for something by an annotation with the time, whose value no file can have.
var dated = map[string]string{
	"reconcile":       v1alpha1.AnnotationReconcileRequestedAt,
	"rotate-password": v1alpha1.AnnotationRotatePassword,
}

// checkDated checks that the annotation has the present time, and gives the expected object the same.
func checkDated(t *testing.T, annotation string, got, want *unstructured.Unstructured) {
	t.Helper()
	value := got.GetAnnotations()[annotation]
	if at, err := time.Parse(time.RFC3339, value); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("%s is %q (%v)", annotation, value, err)
	}
	annotations := want.GetAnnotations()
	if annotations[annotation] == "" {
		t.Errorf("%s is not expected", annotation)
	}
	annotations[annotation] = value
	want.SetAnnotations(annotations)
}
