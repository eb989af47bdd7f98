package conditions

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// What a ParentAccount that is being deleted says: for whom it waits, and what to do next, which is never to delete what is being deleted.
func TestParentDeletion(t *testing.T) {
	const (
		kept      = "the ParentAccount is being deleted, and is kept until 2026-01-02T13:00:00Z at most for ChildAccounts with deletionPolicy Deactivate, whose accounts are deactivated first"
		approve   = "To approve exactly these: kubectl annotate parentaccount"
		deleteAll = "Delete the ChildAccounts that the message names, which deactivates their accounts, or set their spec.deletionPolicy: Retain, which leaves the accounts active."
		deleteTwo = "Delete the ChildAccounts that are not being deleted yet, which deactivates their accounts, or set their spec.deletionPolicy: Retain, which leaves the accounts active."
		wait      = "Nothing to do, unless the conditions of these ChildAccounts say otherwise."
		missing   = "Secret acme does not exist"
		served    = missing + ", and the operator uses the credentials that it had for these deletions alone, until it restarts"
	)
	create := Parents.NextStep(v1alpha1.ReasonSecretMissing)
	available, gone := outcome(v1alpha1.ReasonAvailable), Outcome{Reason: v1alpha1.ReasonSecretMissing, Message: missing}
	for name, test := range map[string]struct {
		deletion   ParentDeletion
		out        Outcome
		reason, is string
	}{
		"nobody deleted a child": {ParentDeletion{Remaining: []string{"b", "a"}}, available, v1alpha1.ReasonDeleting, kept + ": a, b. " + deleteAll},
		"all are being deleted":  {ParentDeletion{Deleting: []string{"b", "a"}, AllDeleting: true}, available, v1alpha1.ReasonDeleting, kept + ", and which are being deleted: a, b. " + wait},
		"all wait for approval":  {ParentDeletion{Deleting: []string{"a"}, AllDeleting: true, Approval: approve}, available, v1alpha1.ReasonDeleting, kept + ", and which are being deleted: a. " + approve},
		"some are being deleted": {ParentDeletion{Remaining: []string{"b"}, Deleting: []string{"a"}}, available, v1alpha1.ReasonDeleting, kept + ": b; these are being deleted: a. " + deleteTwo},
		"some wait for approval": {ParentDeletion{Remaining: []string{"b"}, Deleting: []string{"a"}, Approval: approve}, available, v1alpha1.ReasonDeleting, kept + ": b; these are being deleted: a. " + deleteTwo + " " + approve},
		"nothing is said yet":    {ParentDeletion{Deleting: []string{"a"}}, Outcome{}, v1alpha1.ReasonDeleting, kept + ", and which are being deleted: a. " + wait},
		"served without Secret":  {ParentDeletion{Deleting: []string{"a"}, AllDeleting: true, Served: true}, gone, v1alpha1.ReasonDeleting, kept + ", and which are being deleted: a; " + served + ". " + wait},
		"not served":             {ParentDeletion{Deleting: []string{"a"}, AllDeleting: true}, gone, v1alpha1.ReasonSecretMissing, missing + "; " + kept + ", and which are being deleted: a. " + create + " " + wait},
		"others need the Secret": {ParentDeletion{Deleting: []string{"a"}, Served: true}, gone, v1alpha1.ReasonSecretMissing, missing + "; " + kept + ", and which are being deleted: a. " + create + " " + wait},
		"another trouble": {ParentDeletion{Deleting: []string{"a"}, AllDeleting: true, Served: true, Approval: approve}, Outcome{Reason: v1alpha1.ReasonUnauthorized, Message: "refused", Next: "Make a key."}, v1alpha1.ReasonUnauthorized,
			"refused; " + kept + ", and which are being deleted: a. Make a key. " + approve},
	} {
		test.deletion.Until = noon.Add(time.Hour)
		out := test.deletion.Of(test.out, noon)
		if text := Parents.Text(out, longestMessage); out.Reason != test.reason || text != test.is || !test.deletion.Waits() {
			t.Errorf("%s:\n%s %q, want\n%s %q", name, out.Reason, text, test.reason, test.is)
		}
		if test.out.Reason != "" && test.out.Reason != v1alpha1.ReasonAvailable && Parents.retryOf(out) != Parents.retryOf(test.out) {
			t.Errorf("%s: the next try is at another time than before", name)
		}
	}
}

// The pauses of the outcome stay, but for the hour's end, and what failed at the Kubernetes API is no outcome.
func TestParentDeletionPauses(t *testing.T) {
	d := ParentDeletion{Until: noon.Add(time.Minute), Deleting: []string{"a"}}
	for after, want := range map[time.Duration]time.Duration{0: time.Second, 30 * time.Second: 30 * time.Second, time.Hour: time.Minute} {
		if got := d.Of(Outcome{Reason: v1alpha1.ReasonAvailable, After: after}, noon).After; got != want {
			t.Errorf("after %s: %s, want %s", after, got, want)
		}
	}
	suspended := d.Of(outcome(v1alpha1.ReasonSuspended), noon)
	if got := Parents.Pause(suspended, noon, noon); got != time.Minute {
		t.Errorf("suspended: %s", got)
	}
	silent := d.Of(Outcome{After: 20 * time.Second, Retry: Every(20 * time.Second)}, noon)
	if got := Parents.Pause(silent, noon, noon); got != 20*time.Second {
		t.Errorf("nothing is said yet: %s", got)
	}
	if out := d.Of(Outcome{Err: errors.New("no answer")}, noon); out.Reason != "" {
		t.Errorf("%+v", out)
	}
	if (ParentDeletion{}).Waits() {
		t.Error("it waits for nobody")
	}
}

// A message names a few, in their order, and counts the rest.
func TestParentDeletionNamesAFew(t *testing.T) {
	var names []string
	for i := range 13 {
		names = append(names, fmt.Sprintf("acme-%02d", 12-i))
	}
	out := ParentDeletion{Deleting: names}.Of(outcome(v1alpha1.ReasonAvailable), noon)
	if !strings.HasSuffix(out.Message, "being deleted: acme-00, acme-01, acme-02, acme-03, acme-04, acme-05, acme-06, acme-07, acme-08, acme-09 and 3 more") || names[0] != "acme-12" {
		t.Error(out.Message)
	}
}
