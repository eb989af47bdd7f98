package conditions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/golden"
)

// TestConditionsDoc keeps docs/conditions.md as the tables in the code are.
func TestConditionsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Conditions

Every reason, as the tables in the code have them, from which this page is made.

Ready says whether the account is there, usable and as declared. Synced (APIAvailable on a ParentAccount) says how the last
comparison ended. Reconciling and Stalled are there only while they are True: Reconciling while the operator goes on by
itself, Stalled while nothing goes on until somebody changes something. observedGeneration is -1 until the first look.
"As before" keeps Ready as it was, Unknown the first time; in an outage it becomes Unknown once the last complete list is older
than 15 minutes or three resyncs, whichever is longer, be it that nothing is answered or that the list alone never gets complete.
A ParentAccount has the condition AccountsMissing, with the reason AwaitingApproval, while more accounts are missing from the provider's
list than limits.massChange allows to change at once. Meanwhile the operator believes none of them to be missing, and their ChildAccounts
stay as they are; see [When many accounts are missing](guide.md#when-many-accounts-are-missing).
ConnectionSecretReady has reasons of its own: Available, PartialAdopted (an account that was there before has no known API key;
Ready all the same), PasswordUnknown (the connection Secret lacks the account's password, or holds one that the provider refused; Ready
all the same, unless the API key is missing too; the message has the command that makes a new password), APIKeyMissing, those of
Secrets, and why the provider could not be asked for what is lacking.

A failure is an event as well, once, when it begins; an outage is one of the ParentAccount, and none of its children.

Where a ParentAccount's message says that the former credentials continue, its new ones can't be used for the reason given, and
its ChildAccounts are kept as ever meanwhile.

Nothing has to be waited for: any new value of the annotation accounts.cpaas.dev/reconcile-requested-at makes the operator
look and try at once, on a ChildAccount or, for the whole list, on a ParentAccount. On a ChildAccount the operator
verifies the account's password and API key, too:

    kubectl annotate childaccount NAME accounts.cpaas.dev/reconcile-requested-at="$(date)" --overwrite
`)
	writeTable(&b, "ChildAccount", Children)
	writeTable(&b, "ParentAccount", Parents)
	golden.Check(t, "../../docs/conditions.md", b.String(), "UPDATE_DOCS=1 go test ./internal/conditions -run ConditionsDoc")
}

func writeTable(b *strings.Builder, kind string, t Table) {
	fmt.Fprintf(b, "\n## %s\n| reason | Ready | %s | beside | retried | what it means | what to do |\n|---|---|---|---|---|---|---|\n", kind, t.second)
	for _, reason := range slices.Sorted(maps.Keys(t.rows)) {
		v := t.rows[reason]
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", reason, strings.Replace(string(v.ready), "AsBefore", "as before", 1), v.second, v.beside(), v.retry, v.help, t.next[reason])
	}
}

func (v Verdict) beside() string {
	switch {
	case v.reconciling:
		return "Reconciling"
	case v.stalled:
		return "Stalled"
	}
	return ""
}

// String is for the page: "10m to 6h".
func (r Retry) String() string {
	switch {
	case r.nextDay:
		return "next UTC day"
	case r.max == 0:
		return "when something changes"
	}
	return fmt.Sprintf("after %s to %s", inWords(r.min), inWords(r.max))
}

func inWords(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
