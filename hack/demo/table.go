package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// row is what the table shows of a ChildAccount; without the age, which changes all the time.
type row struct {
	name, accountID, email, active, ready, reason string
	born                                          time.Time
}

func rowOf(c v1alpha1.ChildAccount) row {
	r := row{name: c.Namespace + "/" + c.Name, accountID: c.Status.AccountID, born: c.CreationTimestamp.Time}
	if o := c.Status.Observed; o != nil {
		r.email = valueOf(o.Email)
		if o.Active != nil {
			r.active = fmt.Sprint(*o.Active)
		}
	}
	if ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		r.ready = string(ready.Status)
	}
	if synced := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionSynced); synced != nil {
		r.reason = synced.Reason // of the last reconcile, as kubectl get prints it
	}
	return r
}

func (r row) String() string {
	return line(r.name, r.accountID, r.email, r.active, r.ready, r.reason, duration.HumanDuration(time.Since(r.born)))
}

func line(columns ...any) string {
	for i, c := range columns {
		columns[i] = cmp.Or(fmt.Sprint(c), "-")
	}
	return fmt.Sprintf("%-24s  %-10s  %-22s  %-6s  %-7s  %-16s  %s", columns...)
}

// table shows ChildAccounts: on a terminal drawn anew in place, elsewhere a line per change.
type table struct {
	out     io.Writer
	inPlace bool
	headed  bool
	shown   map[string]row
	drawn   []string
}

func newTable(out io.Writer, inPlace bool) *table {
	return &table{out: out, inPlace: inPlace, shown: map[string]row{}}
}

// isTerminal tells whether escape sequences are understood there.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// show shows what there is now.
func (t *table) show(list []v1alpha1.ChildAccount) {
	if t.inPlace {
		t.draw(list)
	} else {
		t.printChanges(list)
	}
}

// settle leaves the table as it stands; what comes later is a line per change below it.
func (t *table) settle() {
	t.inPlace, t.headed = false, true
}

// draw overwrites what it drew before. Lines are cut where the terminal ends: a wrapped one would count as two.
func (t *table) draw(list []v1alpha1.ChildAccount) {
	lines := []string{heading()}
	for _, c := range list {
		r := rowOf(c)
		t.shown[r.name] = r
		lines = append(lines, r.String())
	}
	if strings.Join(lines, "\n") == strings.Join(t.drawn, "\n") {
		return
	}
	up := ""
	if len(t.drawn) > 0 {
		up = fmt.Sprintf("\x1b[%dA\x1b[J", len(t.drawn))
	}
	fmt.Fprintf(t.out, "%s\x1b[?7l%s\n\x1b[?7h", up, strings.Join(lines, "\n"))
	t.drawn = lines
}

func (t *table) printChanges(list []v1alpha1.ChildAccount) {
	if !t.headed {
		fmt.Fprintln(t.out, heading())
		t.headed = true
	}
	gone := t.shown
	t.shown = map[string]row{}
	for _, c := range list {
		r := rowOf(c)
		if before, ok := gone[r.name]; !ok || before != r {
			fmt.Fprintln(t.out, r)
		}
		delete(gone, r.name)
		t.shown[r.name] = r
	}
	for name := range gone {
		fmt.Fprintf(t.out, "%s is gone; its account stays\n", name)
	}
}

func heading() string {
	return line("NAMESPACE/NAME", "ACCOUNT ID", "EMAIL", "ACTIVE", "READY", "REASON", "AGE")
}

// awaitReady shows the ChildAccounts until all of them are ready.
func (d *demo) awaitReady(ctx context.Context) error {
	fmt.Fprintln(d.out)
	start := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, patience, errNotReady)
	defer cancel()
	err := stack.Poll(limited, 100*time.Millisecond, func() (bool, error) {
		list, err := d.showChildren(limited)
		return err == nil && allReady(list), err
	})
	if errors.Is(err, errNotReady) {
		return fmt.Errorf("%w%s", err, d.complaints(ctx))
	}
	if err == nil {
		fmt.Fprintf(d.out, "\nall ready after %.1f s\n", time.Since(start).Seconds())
	}
	return err
}

var errNotReady = fmt.Errorf("not all is ready after %s", patience)

func (d *demo) showChildren(ctx context.Context) ([]v1alpha1.ChildAccount, error) {
	var list v1alpha1.ChildAccountList
	if err := d.cluster.List(ctx, &list); err != nil {
		return nil, stack.Trouble{Err: fmt.Errorf("the control plane does not answer: %w", err), Log: stack.ClusterLog}
	}
	d.table.show(list.Items)
	return list.Items, nil
}

// allReady tells whether all are ready, and that this is said of their present spec.
func allReady(list []v1alpha1.ChildAccount) bool {
	for _, c := range list {
		if c.Status.ObservedGeneration != c.Generation || !meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionReady) {
			return false
		}
	}
	return len(list) > 0
}

// complaints are the words of the conditions of what is not ready.
func (d *demo) complaints(ctx context.Context) string {
	var words strings.Builder
	note := func(kind, name string, conditions []metav1.Condition) {
		if ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); ready == nil {
			fmt.Fprintf(&words, "\n  %s %s: the operator has said nothing of it", kind, name)
		} else if ready.Status != metav1.ConditionTrue {
			fmt.Fprintf(&words, "\n  %s %s: %s: %s", kind, name, ready.Reason, ready.Message)
		}
	}
	var parents v1alpha1.ParentAccountList
	var children v1alpha1.ChildAccountList
	var subs v1alpha1.SubAccountList
	if err := errors.Join(d.cluster.List(ctx, &parents), d.cluster.List(ctx, &children), d.cluster.List(ctx, &subs)); err != nil {
		return "\n  " + err.Error()
	}
	for _, p := range parents.Items {
		note("ParentAccount", p.Name, p.Status.Conditions)
	}
	for _, c := range subs.Items {
		note("SubAccount", c.Name, c.Status.Conditions)
	}
	for _, c := range children.Items {
		note("ChildAccount", c.Name, c.Status.Conditions)
	}
	return words.String()
}

func valueOf[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}
