package engine

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// Only a value that lacks the hash of what waits is said to approve something else, and no more of it is repeated than there is room for.
func TestMismatch(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef"
	for value, want := range map[string]string{
		"":                        "",
		hash:                      "",
		"ffff," + hash:            "",
		hash + ",ffff":            "",
		"ffff":                    `"ffff"`,
		hash[:31]:                 `"` + hash[:31] + `"`,
		hash + "0":                `"` + hash + `0"`,
		strings.ToUpper(hash):     `"` + strings.ToUpper(hash) + `"`,
		" " + hash:                `" ` + hash + `"`,
		"a\nb":                    `"a\nb"`,
		strings.Repeat("ü", 5000): `…"`,
	} {
		got := Mismatch("example.org/approve", value, hash)
		if (got == "") != (want == "") || !strings.Contains(got, want) || len(got) > 300 {
			t.Errorf("%.40q: %q", value, got)
		}
	}
}

// However long an annotation and the list are, the command is whole, and what stands in the way is said first.
func TestApprovalsOfSomethingElse(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef"
	parent := types.NamespacedName{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("p", 253)}
	list := strings.Repeat("a name, ", 1000)
	held := Held{
		Missing: &changeguard.Disbelief{Count: 50, Total: 60, Most: 12, Hash: hash, List: list},
		Changes: []changeguard.Waiting{{Namespace: strings.Repeat("n", 63), Count: 7, Hash: hash, List: list}},
	}
	for _, group := range held.Approvals(parent, strings.Repeat("f", 5000)) {
		command := ApproveCommand(parent, v1alpha1.AnnotationApproveMassChange, hash)
		if len(group.Message) > v1alpha1.MaxPendingApprovalMessage || !strings.HasSuffix(group.Message, command) || !strings.HasPrefix(group.Message, "the present value of the annotation") {
			t.Errorf("%d bytes: %s", len(group.Message), group.Message)
		}
	}
	for _, group := range held.Approvals(parent, hash) {
		if strings.Contains(group.Message, "present value") {
			t.Error(group.Message)
		}
	}
}

// Of what waits since a start, too, an approval of something else comes first, and the list follows what introduces it.
func TestStartMessage(t *testing.T) {
	const hash, wrong = "0123456789abcdef0123456789abcdef", "ffff"
	const waits = "pending since the operator's start, and held, as spec.startPolicy is Observe: "
	parent := &v1alpha1.ParentAccount{}
	parent.Namespace, parent.Name = "ta", "acme"
	approve := "To approve exactly these: kubectl annotate parentaccount -n ta acme --overwrite accounts.cpaas.dev/approve-start=" + hash
	const mismatch = `the present value of the annotation accounts.cpaas.dev/approve-start, "ffff", approves something else. `
	for name, c := range map[string]struct{ value, list, want string }{
		"as ever":                          {"", "ta/start-ta (email=a@acme.example)", waits + "ta/start-ta (email=a@acme.example). " + approve},
		"another is approved":              {wrong, "ta/start-ta (email=a@acme.example)", mismatch + waits + "ta/start-ta (email=a@acme.example). " + approve},
		"a long list":                      {"", strings.Repeat("a name, ", 1000), waits + approve},
		"a long list, another is approved": {wrong, strings.Repeat("a name, ", 1000), mismatch + waits + approve},
	} {
		parent.Annotations = map[string]string{v1alpha1.AnnotationApproveStart: c.value}
		if got := StartMessage(parent, "spec.startPolicy is Observe", changeguard.StartGroup{Hash: hash, Count: 1, List: c.list}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The command is said where one group waits whose message has it; else where all of them are to be read.
func TestApprovalDue(t *testing.T) {
	const command = "kubectl annotate parentaccount -n telephony acme --overwrite accounts.cpaas.dev/approve-mass-change=0123"
	parent := types.NamespacedName{Namespace: "telephony", Name: "acme"}
	group := func(message string) v1alpha1.PendingApproval {
		return v1alpha1.PendingApproval{Count: 7, Message: message}
	}
	one, cut := group("changes wait: a (deactivated by deletion). "+ToLetPass+command), group("changes wait. "+ToLetPass+"…")
	for want, pending := range map[string][]v1alpha1.PendingApproval{
		"": nil,
		"7 ChildAccounts wait for an approval of their changes, which status.pendingApprovals lists. To approve exactly these: " + command: {one},
	} {
		if got := ApprovalDue(parent, pending); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, pending := range [][]v1alpha1.PendingApproval{{one, one}, {cut}, {group("the provider's list lacks 3 of 4 accounts")}} {
		if got := ApprovalDue(parent, pending); !strings.HasSuffix(got, "kubectl get parentaccount -n telephony acme -o jsonpath='{.status.pendingApprovals[*].message}'") {
			t.Error(got)
		}
	}
}

// What a former process has found waiting may still wait while a resource says so; what is missing, until lists tell.
func TestMayWait(t *testing.T) {
	t.Parallel()
	key := types.NamespacedName{Namespace: "telephony", Name: "acme"}
	held := Held{
		Missing: &changeguard.Disbelief{Count: 50, Total: 60, Most: 12, Hash: "1", List: "a, b"},
		Changes: []changeguard.Waiting{{Namespace: "tenant", Count: 7, Hash: "2", List: "a, b"}, {Namespace: "telephony", Count: 1, Hash: "3", List: "acme"}},
	}
	says := func(kind, annotation string) []metav1.Condition {
		return []metav1.Condition{{Type: kind, Reason: v1alpha1.ReasonAwaitingApproval, Message: "a change waits. " + ApproveCommand(key, annotation, "2")}}
	}
	child := func(namespace string, conds []metav1.Condition) Managed {
		return ownedChild{&v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}, Status: v1alpha1.ChildAccountStatus{AccountStatus: v1alpha1.AccountStatus{Conditions: conds}}}}
	}
	change, start := v1alpha1.AnnotationApproveMassChange, v1alpha1.AnnotationApproveStart
	for name, c := range map[string]struct {
		own   []metav1.Condition
		from  string
		conds []metav1.Condition
		want  string
	}{
		"nobody waits":                  {from: "tenant", want: "1"},
		"a resource waits":              {from: "tenant", conds: says(v1alpha1.ConditionSynced, change), want: "1 2"},
		"one of another namespace":      {from: "tenant-2", conds: says(v1alpha1.ConditionSynced, change), want: "1"},
		"one waits since the start":     {from: "tenant", conds: says(v1alpha1.ConditionSynced, start), want: "1"},
		"the ParentAccount itself does": {from: "tenant", own: says(v1alpha1.ConditionAccountSynced, change), want: "1 3"},
	} {
		parent, may := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace}}, []string{}
		parent.Status.Conditions = c.own
		for _, group := range held.Approvals(key, "something else") {
			if MayWait(group, parent, []Managed{child(c.from, c.conds)}) {
				may = append(may, group.Hash)
			}
		}
		if got := strings.Join(may, " "); got != c.want {
			t.Errorf("%s: %s may wait, want %s", name, got, c.want)
		}
	}
}

// What is said of missing accounts that are not believed is why.
func TestWhyMissingAccountsAreNotBelieved(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]changeguard.Disbelief{
		"at most 5 accounts to be missing at once":                              {Count: 9, Total: 9, Most: 5, Counted: 3},
		"at most 9 accounts to be missing within the window, and 3 others were": {Count: 9, Total: 9, Most: 9, Counted: 3},
		"Too many accounts were missing before":                                 {Count: 2, Total: 9, Most: 5, Counted: 3},
	} {
		if got := MissingMessage(types.NamespacedName{Namespace: "telephony", Name: "acme"}, &m); !strings.Contains(got, want) {
			t.Errorf("%+v: %s", m, got)
		}
	}
}

// Whoever mistypes the hash of either annotation is answered once.
func TestAMismatchIsAnswered(t *testing.T) {
	t.Parallel()
	for _, annotation := range []string{v1alpha1.AnnotationApproveMassChange, v1alpha1.AnnotationApproveStart} {
		p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme"}}
		held := func() v1alpha1.ParentAccountStatus {
			const hash = "0123456789abcdef0123456789abcdef"
			message := Mismatch(annotation, p.Annotations[annotation], hash) + "changes wait. " + ToLetPass + ApproveCommand(types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, annotation, hash)
			return v1alpha1.ParentAccountStatus{PendingApprovals: []v1alpha1.PendingApproval{{Hash: hash, Count: 1, Message: message}}}
		}
		recorder := events.NewFakeRecorder(10)
		was := held()
		metav1.SetMetaDataAnnotation(&p.ObjectMeta, annotation, "ffff")
		p.Status = held()
		EmitMismatch(conditions.NewEventRecorder(recorder), p, was)
		EmitMismatch(conditions.NewEventRecorder(recorder), p, held())
		if len(recorder.Events) != 1 {
			t.Fatalf("%s: %d events", annotation, len(recorder.Events))
		}
		if e := <-recorder.Events; !strings.Contains(e, "ApprovalMismatch") || !strings.Contains(e, annotation+"=0123456789abcdef") {
			t.Errorf("%s: %s", annotation, e)
		}
	}
}
