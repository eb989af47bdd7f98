package chaostest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// lastCalls is how many calls for an account wrongPassword reports.
const lastCalls = 15

// wrongPassword says all that is known about an account whose password is not the expected one: where that comes from, which
// password the account has, what the connection Secret holds and remembers, and the last calls for the account.
func (l *life) wrongPassword(r *resource, a simulator.Account, secret *corev1.Secret) string {
	has := a.Text("account_password")
	var b strings.Builder
	b.WriteString("the password is wrong: ")
	if ref := r.child.Spec.PasswordSecretRef; ref != nil {
		fmt.Fprintf(&b, "Secret %s declares %s", ref.Name, r.passwords[ref.Name])
	} else {
		b.WriteString("it is the generated one of the connection Secret")
	}
	fmt.Fprintf(&b, "; the account has %s; the connection Secret (password %s, passwordNext %s, annotations %v)",
		passwordText(has), passwordText(string(secret.Data[secrets.KeyPassword])), passwordText(string(secret.Data[secrets.KeyPasswordNext])), secret.Annotations)
	c := secrets.Connection{Namespace: namespace, Name: secret.Name, Resource: "ChildAccount/" + r.name(), Account: fmt.Sprintf("%d/%s", l.parent.ID, r.name())}
	declared := []string{has}
	for _, password := range r.passwords {
		declared = append(declared, password)
	}
	for _, password := range declared {
		known, err := secrets.Store{Client: l.k8s, Live: l.k8s}.Remembers(l.t.Context(), c, account.Secret(password))
		if err != nil || known {
			fmt.Fprintf(&b, " remembers %s (%v)", passwordText(password), err)
		}
	}
	for _, call := range callsFor(l.sim.Calls(), a) {
		fmt.Fprintf(&b, "\n  %s %d %s %s: %s, fault %q, changed %t, delivered %t", call.Time.UTC().Format(time.TimeOnly+".000"), call.Seq, call.Method,
			passwordText(passwordOf(call)), call.Outcome, call.Fault, call.Changed, call.Delivered)
	}
	return b.String()
}

// passwordText is a declared password as it is, as it belongs to this test, and as much of a generated one as tells it from others.
func passwordText(password string) string {
	const enough = 6
	if password == "" || strings.HasPrefix(password, "Chaos-") {
		return strconv.Quote(password)
	}
	return "generated " + password[:min(len(password), enough)]
}

// passwordOf is the password that a call sends, "" where it sends none.
func passwordOf(c simulator.Call) string {
	for name, value := range c.Params {
		if strings.HasSuffix(name, "account_password") {
			return value
		}
	}
	return ""
}

// callsFor are the last calls for an account, without those for the list.
func callsFor(calls []simulator.Call, a simulator.Account) (own []simulator.Call) {
	id := strconv.FormatInt(a.ID, 10)
	for _, c := range calls {
		ids := strings.Split(c.Params["child_account_id"], ";")
		if slices.Contains(ids, id) || c.Params["account_id"] == id || createdName(c) == a.Name() || c.Params["child_account_name"] == a.Name() {
			own = append(own, c)
		}
	}
	return own[max(0, len(own)-lastCalls):]
}
