package conditions

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// constants reads string constants out of a file: those whose names pass.
func constants(t *testing.T, file string, pass func(name, kind string) bool) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
			return true
		}
		kind := ""
		if named, ok := spec.Type.(*ast.Ident); ok {
			kind = named.Name
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || !pass(spec.Names[0].Name, kind) {
			return true
		}
		if out[spec.Names[0].Name], err = strconv.Unquote(literal.Value); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s has none", file)
	}
	return out
}

// allClasses are the classes of failures that there are.
func allClasses(t *testing.T) []account.Class {
	var out []account.Class
	for _, value := range constants(t, "../account/errors.go", func(_, kind string) bool { return kind == "Class" }) {
		out = append(out, account.Class(value))
	}
	slices.Sort(out)
	return out
}

// allReasons are the reasons of conditions that there are, by the names of their constants.
func allReasons(t *testing.T) map[string]string {
	return constants(t, "../../api/v1alpha1/names.go", func(name, _ string) bool { return strings.HasPrefix(name, "Reason") })
}

func TestEveryClassIsReported(t *testing.T) {
	all := allClasses(t)
	for _, class := range all {
		if classes[class] == "" {
			t.Errorf("class %s has no reason", class)
		}
	}
	for class := range classes {
		if !slices.Contains(all, class) {
			t.Errorf("there is no class %s", class)
		}
	}
}

// Each class of failures has a row of its own on a ChildAccount; on a ParentAccount those that listing can end with.
func TestFailed(t *testing.T) {
	// Failures of writing a child; a list or a look at the parent itself never ends with them.
	onlyOfChildren := []account.Class{
		account.NotFound, account.NameTaken, account.EmailTaken, account.BlockedDailyLimit, account.PasswordRejected, account.PasswordReused, account.PasswordBlocked,
		account.InProgress, account.Outdated,
	}
	for _, class := range allClasses(t) {
		err := &account.Error{Class: class, Method: "AddAccount", Code: 7, Message: "no", RetryAfter: time.Minute}
		out := Children.Failed(err)
		want := classes[class]
		if want == v1alpha1.ReasonUnauthorized {
			want = v1alpha1.ReasonParentNotReady
		}
		if out.Reason != want || out.Message != "AddAccount: no (code 7)" || out.After != time.Minute || out.Err != nil || out.InBackoff {
			t.Errorf("%s on a child: %+v, want reason %s", class, out, want)
		}
		if v := Children.Row(out.Reason); v.second == yes && v.ready == yes {
			t.Errorf("%s on a child looks well", class)
		}
		out = Parents.Failed(err)
		if want = classes[class]; slices.Contains(onlyOfChildren, class) {
			want = v1alpha1.ReasonRejected
		}
		if out.Reason != want {
			t.Errorf("%s on a parent: %s, want %s", class, out.Reason, want)
		}
	}
	if out := Children.Failed(errors.New("boom")); out.Reason != v1alpha1.ReasonAPIUnavailable || out.Message != "boom" {
		t.Errorf("any other error: %+v", out)
	}
	if out := Children.Failed(&account.Error{Class: "of a later version"}); out.Reason != v1alpha1.ReasonRejected {
		t.Errorf("a class that no table knows: %+v", out)
	}
}

// What may pass by itself within minutes is tried again after a minute at first: by the parent alone, whose list wakes its resources.
func TestFailedForAMoment(t *testing.T) {
	err := &account.Error{Class: account.Unauthorized, MayPass: true}
	for kind, want := range map[string]time.Duration{"ParentAccount": time.Minute, "ChildAccount": 10 * time.Minute} {
		if got := both[kind].Pause(both[kind].Failed(err), noon, noon); got != want {
			t.Errorf("%s: again after %s, want %s", kind, got, want)
		}
	}
	if got := Parents.Pause(Parents.Failed(&account.Error{Class: account.Unauthorized}), noon, noon); got != 10*time.Minute {
		t.Errorf("a key that was revoked, perhaps: again after %s", got)
	}
}

func TestEveryReasonHasARow(t *testing.T) {
	elsewhere := map[string]bool{} // of ConnectionSecretReady alone
	for reason := range Secrets {
		elsewhere[reason] = Children.rows[reason] == Verdict{} && Parents.rows[reason] == Verdict{}
	}
	if !elsewhere[v1alpha1.ReasonPasswordUnknown] || !elsewhere[v1alpha1.ReasonPartialAdopted] {
		t.Error("ConnectionSecretReady's own reasons have no row")
	}
	reasons := allReasons(t)
	for name, reason := range reasons {
		_, child := Children.rows[reason]
		_, parent := Parents.rows[reason]
		if _, sub := SubAccounts.rows[reason]; sub {
			child = true
		}
		if (child || parent) == elsewhere[reason] {
			t.Errorf("%s: on a child %v, on a parent %v, elsewhere %v", name, child, parent, elsewhere[reason])
		}
		if "Reason"+reason != name {
			t.Errorf("%s is %q", name, reason)
		}
	}
	known := slices.Collect(maps.Values(reasons))
	for kind, table := range both {
		for reason := range table.rows {
			if !slices.Contains(known, reason) {
				t.Errorf("%s: the row %s is of no reason", kind, reason)
			}
		}
	}
	for from, to := range Children.renamed {
		if _, ok := Children.rows[to]; !ok {
			t.Errorf("%s is renamed to %s, which has no row", from, to)
		}
		if _, ok := Children.rows[from]; ok {
			t.Errorf("%s is renamed, and yet has a row", from)
		}
	}
}

// both are the tables by the kind that they are for.
var both = map[string]Table{"ChildAccount": Children, "ParentAccount": Parents, "SubAccount": SubAccounts}

func TestEveryRowMakesSense(t *testing.T) {
	for kind, table := range both {
		for reason, v := range table.rows {
			wrong := func(format string, args ...any) {
				t.Helper()
				t.Errorf("%s, %s: "+format, append([]any{kind, reason}, args...)...)
			}
			if len(v.help) < 10 || !strings.HasSuffix(v.help, ".") || strings.TrimSpace(v.help) != v.help || strings.ToUpper(v.help[:1]) != v.help[:1] {
				wrong("the help is no sentence: %q", v.help)
			}
			if !slices.Contains([]any{yes, no, asBefore}, any(v.ready)) || !slices.Contains([]any{yes, no, unknown}, any(v.second)) {
				wrong("Ready is %s and the second condition %s", v.ready, v.second)
			}
			switch {
			case v.reconciling && v.stalled:
				wrong("goes on by itself and does not")
			case v.ready == yes && (v.reconciling || v.stalled):
				wrong("is ready and has something to say")
			case v.ready == no && !v.stalled && !v.reconciling:
				wrong("is not ready, and nobody hears why")
			case v.reconciling && v.retry != soon:
				wrong("goes on by itself, but does not come back soon")
			case v.retry != none && !v.reconciling && !v.stalled:
				wrong("comes back without a reason")
			}
		}
	}
}

func TestRowWithoutAReasonPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a reason without a row passes")
		}
	}()
	Children.Row("Nonsense")
}
