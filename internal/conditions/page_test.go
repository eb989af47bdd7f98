package conditions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/golden"
)

// TestConditionsDoc keeps docs/conditions.md as the tables in the code are.
func TestConditionsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Conditions

For tenants, admins and on-call who read a condition of a ChildAccount, SubAccount or ParentAccount: what each reason means and what to do. The page is made from the tables in
the code.

| condition | it says |
|---|---|
| Ready | whether the account is there, usable, and matches the spec |
| Synced; APIAvailable on a ParentAccount | how the last reconcile ended. ` + "`kubectl get`" + ` prints its reason, and with ` + "`-o wide`" + ` its message. APIAvailable is True while the provider answers, if only with a refusal: with the reason Unauthorized, for example, beside Ready False. Neither Ready nor Synced depends on ProfileSynced, PlansSynced and ServiceAccountKeyReady: where one of these is False, the message names it, and ` + "`-o wide`" + ` prints the reasons of all |
| Reconciling | True while the operator continues automatically; absent otherwise |
| Stalled | True while somebody has to act; absent otherwise. The operator still retries as the column "retried" says: what needs no change of the resource, a higher balance for example, the operator notices automatically |
| ConnectionSecretReady | on a ChildAccount: whether the connection Secret holds all that is known of the account ([reasons](#connectionsecretready)) |
| ServiceAccountKeyReady | on a ChildAccount that declares connectionSecret.serviceAccountKey: whether the connection Secret holds the key ([reasons](#serviceaccountkeyready)); absent otherwise |
| PlansSynced | on a ChildAccount or a ParentAccount with spec.plans: whether the account has the declared plans ([reasons](#planssynced), [of ParentAccounts](#planssynced-of-parentaccounts)) |
| ProfileSynced | on a ChildAccount with spec.profile: whether the account has the declared profile ([reasons](#profilesynced)); absent otherwise |
| AccountSynced | on a ParentAccount with spec.account: whether the parent account itself matches spec.account ([reasons](#accountsynced)); absent otherwise |
| AccountsMissing | on a ParentAccount: True while more accounts are missing from the provider's list than limits.massChange allows to change at once, with the reason AwaitingApproval; absent otherwise. Meanwhile the operator believes none of them to be missing, and their ChildAccounts stay as they are: see [When many accounts are missing](guide.md#when-many-accounts-are-missing) |
| CapabilityMissing | on a ParentAccount: True while the provider refuses calls that the operator can do without, with the reason RoleMissing, or Rejected where the provider answers something else; absent otherwise. Ready does not depend on it, and all else works: see [Where the provider refuses](verification.md#where-the-provider-refuses) |

observedGeneration is -1 until the operator has reconciled the resource. "As before" keeps Ready as it was, Unknown the first time. So during an outage Ready stays True
at first. APIAvailable of the ParentAccount says APIUnavailable at once, and Synced of each ChildAccount for which there is something to do.
Ready becomes Unknown once the last complete list is older than 15 minutes
or three resyncs, whichever is longer: because the provider answers nothing, or because the operator never gets a complete list.

A failure is an event as well, once, when it begins; an outage is one of the ParentAccount, and none of its children.

Where a ParentAccount's message says that the former credentials continue, its new ones can't be used for the reason given, and
its ChildAccounts are kept as ever meanwhile.

You need not wait for a retry. Any new value of the annotation accounts.cpaas.dev/reconcile-requested-at makes the operator
reconcile and retry at once: on a ChildAccount that resource, on a ParentAccount the whole list. On a ChildAccount the operator
verifies the account's password and API key, too:

    kubectl annotate childaccount NAME accounts.cpaas.dev/reconcile-requested-at="$(date)" --overwrite
`)
	writeTable(&b, "ChildAccount", Children)
	writeTable(&b, "SubAccount", SubAccounts)
	writeTable(&b, "ParentAccount", Parents)
	b.WriteString("\n## ConnectionSecretReady\nReady does not depend on it, unless the row says so. Where the provider could not be asked for what is lacking, or whether what is there is right, the reason is that of the\nfailed call, from the table of ChildAccounts.\n\n| reason | ConnectionSecretReady | what it means, what to do |\n|---|---|---|\n")
	writeRows(&b, Secrets)
	b.WriteString("\n## ServiceAccountKeyReady\nReady does not depend on it. While the provider does not answer it stays as it was, and Synced says so. Any other refusal of a call has\nthe reason and the next step that the table of ChildAccounts has.\n\n| reason | ServiceAccountKeyReady | what it means, what to do |\n|---|---|---|\n")
	writeRows(&b, ServiceKeys)
	b.WriteString("\n## PlansSynced\nOf ChildAccounts that declare [plans](plans.md). Where a change of a plan waits, or was refused, the reason is that of Synced, from the table of\nChildAccounts.\n\n| reason | PlansSynced | what it means, what to do |\n|---|---|---|\n")
	writeRows(&b, Plans)
	b.WriteString("\n## ProfileSynced\nIt is written with the end of each reconcile, and by a call for the profile that failed: then the reason is that of the failed call, from the table\nof ChildAccounts, and Ready says the same. See [Profile, callbacks and record storage](account-profile.md).\n\n| reason | ProfileSynced | what it means, what to do |\n|---|---|---|\n")
	writeRows(&b, Profiles)
	b.WriteString("\n## AccountSynced\nOf ParentAccounts that declare [the parent account itself](parent-account.md). Ready does not depend on it.\n\n| reason | AccountSynced | what it means, what to do |\n|---|---|---|\n")
	writeRows(&b, OwnAccounts)
	b.WriteString("\n## PlansSynced of ParentAccounts\nOf ParentAccounts that declare [plans](parent-account.md#plans) of their own. Ready does not depend on it.\n\n| reason | PlansSynced | what it means, what to do |\n|---|---|---|\n")
	writeRows(&b, OwnPlans)
	golden.Check(t, "../../docs/conditions.md", b.String(), "UPDATE_DOCS=1 go test ./internal/conditions -run ConditionsDoc")
}

// writeRows writes what the reasons of a condition beside Ready mean.
func writeRows(b *strings.Builder, rows map[string]Row) {
	for _, reason := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(b, "| %s | %s | %s |\n", reason, rows[reason].Status, rows[reason].Help)
	}
}

func writeTable(b *strings.Builder, kind string, t Table) {
	fmt.Fprintf(b, "\n## %s\n| reason | Ready | %s | beside | retried | what it means | what to do |\n|---|---|---|---|---|---|---|\n", kind, t.second)
	for _, reason := range slices.Sorted(maps.Keys(t.rows)) {
		v := t.rows[reason]
		retry := v.retry.String()
		if o := t.Failed(&account.Error{Class: account.Unknown}); o.Reason == reason && o.Retry != nil && *o.Retry != v.retry {
			retry += fmt.Sprintf("; %s where the operator does not know the provider's error code", o.Retry)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", reason, strings.Replace(string(v.ready), "AsBefore", "as before", 1), v.second, v.beside(), retry, v.help, t.next[reason])
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
