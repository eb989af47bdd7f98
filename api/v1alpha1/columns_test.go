package v1alpha1_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// columnState is a state of a resource, and how its status comes to say so.
type columnState struct {
	name  string
	apply func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time)
}

// conditionStates are the states that the table of a kind knows: each reason, and where Ready stays as before, after each other.
func conditionStates(table conditions.Table, write func(p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount) *[]metav1.Condition) (all []columnState) {
	outcome := func(reason string, change func(*conditions.Outcome)) func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {
		return func(p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, now time.Time) {
			out := conditions.Outcome{Reason: reason, Message: "what happened as " + reason}
			change(&out)
			table.Write(write(p, c), 1, out, now)
		}
	}
	asIs := func(*conditions.Outcome) {}
	available := outcome(v1alpha1.ReasonAvailable, asIs)
	statuses := map[string]int{}
	for reason := range table.States() {
		statuses[reason]++
	}
	for _, reason := range slices.Sorted(maps.Keys(statuses)) {
		plain := outcome(reason, asIs)
		all = append(all, columnState{reason, plain})
		if statuses[reason] == 1 {
			continue
		}
		after := func(before, then func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time)) func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {
			return func(p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, now time.Time) {
				before(p, c, now)
				then(p, c, now)
			}
		}
		all = append(all,
			columnState{reason + ", it was Available", after(available, plain)},
			columnState{reason + ", past the grace", after(available, outcome(reason, func(o *conditions.Outcome) { o.PastGrace = true }))},
			columnState{reason + ", it was Rejected", after(outcome(v1alpha1.ReasonRejected, asIs), plain)})
	}
	return all
}

// childStates are what else there is to see of a ChildAccount.
func childStates(of func(reason string) columnState) []columnState {
	available, deleting, awaiting := of(v1alpha1.ReasonAvailable).apply, of(v1alpha1.ReasonDeleting).apply, of(v1alpha1.ReasonAwaitingApproval).apply
	with := func(apply func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time), change func(*v1alpha1.ChildAccount)) func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {
		return func(p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, now time.Time) {
			available(p, c, now)
			apply(p, c, now)
			change(c)
		}
	}
	secret := func(reason string) func(*v1alpha1.ChildAccount) {
		return func(c *v1alpha1.ChildAccount) {
			c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionConnectionSecretReady, Status: metav1.ConditionFalse, Reason: reason, Message: "of the Secret", LastTransitionTime: metav1.Now(),
			})
		}
	}
	deleted := func(c *v1alpha1.ChildAccount) { c.Finalizers = []string{v1alpha1.Finalizer} }
	drifted := func(c *v1alpha1.ChildAccount) {
		c.Status.Drift = []v1alpha1.DriftedField{{Field: "email", Desired: "a@acme.example", Since: metav1.Now()}, {Field: "location", Desired: "Europe/Berlin", Since: metav1.Now()}}
	}
	return append([]columnState{
		{"not seen yet", func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {}},
		{"the password is unknown", with(available, secret(v1alpha1.ReasonPasswordUnknown))},
		{"adopted, without an API key", with(available, secret(v1alpha1.ReasonPartialAdopted))},
		{"DriftDetected of two fields", with(of(v1alpha1.ReasonDriftDetected).apply, drifted)},
		{"documents are required", with(available, func(c *v1alpha1.ChildAccount) {
			c.Status.Observed = &v1alpha1.ObservedAccount{Verification: []v1alpha1.ObservedVerification{{Name: "DE", Status: ptr.To("REQUIRED")}, {Name: "RU", Status: ptr.To("VERIFIED")}}}
		})},
		{"Observed, and two fields differ", with(of(v1alpha1.ReasonObserved).apply, drifted)},
		{"deleted, the account can't be deactivated", with(deleting, deleted)},
		{"deleted, and waits for an approval", with(awaiting, deleted)},
		{"deleted, not seen since", with(available, deleted)},
	}, besideStates()...)
}

// besideStates are the states of a ChildAccount that is Ready, and of which a condition about a part of the spec has something to say; and the one
// in which all of them do.
func besideStates() (all []columnState) {
	kinds := map[string]map[string]conditions.Row{
		v1alpha1.ConditionProfileSynced: conditions.Profiles, v1alpha1.ConditionPlansSynced: conditions.Plans, v1alpha1.ConditionServiceAccountKeyReady: conditions.ServiceKeys,
	}
	says := func(rows map[string]string) func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {
		return func(_ *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, now time.Time) {
			for kind, reason := range rows {
				conditions.WriteState(c.GetConditions(), kind, 1, &conditions.State{Status: kinds[kind][reason].Status, Reason: reason, Message: "of " + kind}, now)
			}
			out := conditions.Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the account matches the spec"}
			conditions.Children.Write(c.GetConditions(), 1, conditions.Except(conditions.Children, out, *c.GetConditions()), now)
		}
	}
	every := map[string]string{}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		every[kind] = v1alpha1.ReasonRoleMissing
		for _, reason := range slices.Sorted(maps.Keys(kinds[kind])) {
			all = append(all, columnState{kind + " is " + reason, says(map[string]string{kind: reason})})
		}
	}
	return append(all, columnState{"nothing may act as the account", says(every)})
}

// parentStates are what else there is to see of a ParentAccount.
func parentStates(of func(reason string) columnState) []columnState {
	available, deleting, unavailable := of(v1alpha1.ReasonAvailable).apply, of(v1alpha1.ReasonDeleting).apply, of(v1alpha1.ReasonAPIUnavailable).apply
	with := func(apply func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time), change func(*v1alpha1.ParentAccount)) func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {
		return func(p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, now time.Time) {
			available(p, c, now)
			p.Status.ChildAccounts = &v1alpha1.ChildAccountCounts{Total: 12, Managed: 10, Unmanaged: 2}
			apply(p, c, now)
			change(p)
		}
	}
	pending := func(p *v1alpha1.ParentAccount) {
		p.Status.PendingApprovals = []v1alpha1.PendingApproval{{Hash: "0a", Count: 5, Message: "five wait"}, {Hash: "0b", Count: 3, Message: "three wait"}}
		p.Status.PendingResources = ptr.To[int32](8)
		p.Status.ChangeBudget = &v1alpha1.ChangeBudget{Used: 5, Limit: 5, FreesAt: metav1.NewTime(time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC))}
	}
	left := func(p *v1alpha1.ParentAccount) {
		p.Status.NotDeactivated = &v1alpha1.NotDeactivated{Hash: "0c", Total: 2, Accounts: []v1alpha1.NotDeactivatedAccount{
			{Time: metav1.Now(), Namespace: "telephony", Name: "acme-gone", AccountName: "acme-gone"},
		}}
	}
	own := func(p *v1alpha1.ParentAccount) {
		for kind, reason := range map[string]string{v1alpha1.ConditionAccountSynced: v1alpha1.ReasonValueNotKept, v1alpha1.ConditionPlansSynced: v1alpha1.ReasonBalanceTooLow} {
			conditions.WriteState(&p.Status.Conditions, kind, 1, &conditions.State{Status: metav1.ConditionFalse, Reason: reason, Message: "of the account itself"}, time.Now())
		}
	}
	incapable := func(p *v1alpha1.ParentAccount) {
		conditions.WriteCapabilityMissing(&p.Status.Conditions, 1, v1alpha1.ReasonRoleMissing, "verifications can't be read.", true, time.Now())
	}
	deleted := func(p *v1alpha1.ParentAccount) { p.Finalizers = []string{v1alpha1.ParentFinalizer} }
	return []columnState{
		{"not seen yet", func(*v1alpha1.ParentAccount, *v1alpha1.ChildAccount, time.Time) {}},
		{"resources wait for approvals", with(available, pending)},
		{"resources wait, and the provider does not answer", with(unavailable, pending)},
		{"accounts were left active", with(available, left)},
		{"the parent account itself is not as declared", with(available, own)},
		{"calls that the operator can do without are refused", with(available, incapable)},
		{"deleted, and kept for its children", with(deleting, deleted)},
		{"deleted, and the provider does not answer", with(unavailable, deleted)},
	}
}

// createStates creates a resource for each state, in their order, and has the deleted ones deleted.
func createStates(ctx context.Context, namespace string, states []columnState, parents bool) {
	GinkgoHelper()
	testenv.InParallel(len(states), func(i int) error {
		name := fmt.Sprintf("acme-%03d", i)
		p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		p.Spec.Voximplant.CredentialsSecretRef.Name = "voximplant"
		c := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		c.Spec = v1alpha1.ChildAccountSpec{ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: name + "@acme.example"}
		states[i].apply(p, c, time.Now())
		var o client.Object = c
		parentStatus, childStatus := p.Status, c.Status
		if parents {
			o = p
		}
		if err := testenv.K8s.Create(ctx, o); err != nil {
			return err
		}
		p.Status, c.Status = parentStatus, childStatus
		if p.Status.Conditions != nil || c.Status.Conditions != nil {
			if err := testenv.K8s.Status().Update(ctx, o); err != nil {
				return err
			}
		}
		if len(o.GetFinalizers()) > 0 {
			return testenv.K8s.Delete(ctx, o)
		}
		return nil
	})
}

// removeStates removes all resources of a namespace, those too that are kept.
func removeStates(ctx context.Context, namespace string) {
	var parents v1alpha1.ParentAccountList
	var children v1alpha1.ChildAccountList
	Expect(testenv.K8s.List(ctx, &parents, client.InNamespace(namespace))).To(Succeed())
	Expect(testenv.K8s.List(ctx, &children, client.InNamespace(namespace))).To(Succeed())
	var all []client.Object
	for i := range parents.Items {
		all = append(all, &parents.Items[i])
	}
	for i := range children.Items {
		all = append(all, &children.Items[i])
	}
	testenv.InParallel(len(all), func(i int) error {
		if len(all[i].GetFinalizers()) > 0 {
			return testenv.DropFinalizers(ctx, all[i])
		}
		return testenv.K8s.Delete(ctx, all[i])
	})
}

// printed is the table as `kubectl get -o wide` prints it, with the states in the place of the names.
func printed(ctx context.Context, namespace, resource string, states []columnState) string {
	GinkgoHelper()
	table := testenv.Table(ctx, namespace, resource)
	Expect(table.Rows).To(HaveLen(len(states)))
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for wide, title := range []string{"kubectl get " + resource, "kubectl get " + resource + " -o wide adds"} {
		fmt.Fprintf(w, "# %s\n", title)
		cells := []string{"STATE"}
		for _, column := range table.ColumnDefinitions[1:] {
			if int(column.Priority) == wide {
				cells = append(cells, strings.ToUpper(column.Name))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
		for i, row := range table.Rows {
			cells = []string{states[i].name}
			for j, column := range table.ColumnDefinitions[1:] {
				cell := testenv.Cell(row.Cells[j+1])
				if column.Name == "Age" || column.Name == "Deleting" && cell != "" {
					cell = "0s"
				}
				if int(column.Priority) == wide {
					cells = append(cells, cell)
				}
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		fmt.Fprintln(w)
	}
	Expect(w.Flush()).To(Succeed())
	var lines []string
	for line := range strings.SplitSeq(b.String(), "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}

var _ = DescribeTable("The columns of kubectl get say how things stand in every state",
	func(ctx SpecContext, resource string) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "columns-"}}
		Expect(testenv.K8s.Create(ctx, ns)).To(Succeed())
		DeferCleanup(removeStates, ns.Name)
		parents := resource == "parentaccounts"
		table, write, more := conditions.Children, func(_ *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount) *[]metav1.Condition {
			return c.GetConditions()
		}, childStates
		if parents {
			table, write, more = conditions.Parents, func(p *v1alpha1.ParentAccount, _ *v1alpha1.ChildAccount) *[]metav1.Condition {
				return p.GetConditions()
			}, parentStates
		}
		states := conditionStates(table, write)
		states = append(states, more(func(reason string) columnState {
			return states[slices.IndexFunc(states, func(s columnState) bool { return s.name == reason })]
		})...)
		createStates(ctx, ns.Name, states, parents)
		made := printed(ctx, ns.Name, resource, states)
		golden.Check(GinkgoTB(), "testdata/"+resource+".txt", made, "UPDATE_DOCS=1 make test PKG=./api/v1alpha1")
	},
	Entry("ChildAccounts", "childaccounts"),
	Entry("ParentAccounts", "parentaccounts"),
)
