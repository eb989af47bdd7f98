package chaostest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// expectConverged waits until everything is as declared, and nothing more.
func (l *life) expectConverged() {
	g := NewWithT(l.t)
	began := time.Now()
	g.Eventually(l.unsettled).WithTimeout(convergence).WithPolling(time.Second).Should(BeEmpty())
	l.t.Logf("as declared after %.1f s", time.Since(began).Seconds())

	unmanaged := 0
	for _, a := range l.foreign {
		if a.ParentID == l.parent.ID {
			unmanaged++
		}
	}
	g.Expect(l.sim.Accounts(l.parent.ID)).To(HaveLen(population+unmanaged), "one account for each name, and those of others")
}

// unsettled says what is not as declared yet.
func (l *life) unsettled() (open []string) {
	note := func(name, problem string) {
		if problem != "" {
			open = append(open, name+": "+problem)
		}
	}
	for _, r := range l.resources {
		note(r.name(), l.wrong(r))
	}
	for name, reason := range l.refused {
		ready, _, err := l.status(name)
		if ready != "False/"+reason {
			note(name, fmt.Sprintf("Ready is %s, not %s (%v)", ready, reason, err))
		}
	}
	return open
}

// wrong says how a resource, its account or its connection Secret is not as declared; "" if all is.
func (l *life) wrong(r *resource) string {
	ready, c, err := l.status(r.name())
	if err != nil {
		return err.Error()
	}
	if anew := l.declarePlanAnew(r, c); anew != "" {
		return anew
	}
	a, ok := l.sim.Account(r.name())
	reason := v1alpha1.ReasonAvailable
	if !*r.child.Spec.Active {
		reason = v1alpha1.ReasonDeactivated
	}
	switch {
	case !ok:
		return "no account; Ready is " + ready
	case ready != "True/"+reason:
		return fmt.Sprintf("Ready is %s, not %s", ready, reason)
	case c.Status.AccountID != strconv.FormatInt(a.ID, 10):
		return "another account: " + c.Status.AccountID
	case !meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionSynced), !meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady):
		return fmt.Sprintf("conditions: %v", c.Status.Conditions)
	}
	if differs := differences(r.child, a); differs != "" {
		return differs
	}
	return l.wrongSecret(r, c, a)
}

// status is the resource, and its Ready condition in short, if that speaks of the present spec.
func (l *life) status(name string) (ready string, c *v1alpha1.ChildAccount, err error) {
	c = &v1alpha1.ChildAccount{}
	if err := l.k8s.Get(l.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, c); err != nil {
		return "", nil, err
	}
	condition := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
	if condition == nil || condition.ObservedGeneration != c.Generation {
		return fmt.Sprintf("of an earlier generation: %v", c.Status.Conditions), c, nil
	}
	return string(condition.Status) + "/" + condition.Reason, c, nil
}

// differences are between what is declared and the account, write-only fields too.
func differences(c *v1alpha1.ChildAccount, a simulator.Account) string {
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&c.Spec)
	if err != nil {
		return err.Error()
	}
	var differ []string
	fields := voximplant.Fields()
	for path, want := range account.FromObject(fields, spec) {
		f, _ := fields.Field(path)
		wire := voximplant.WireNamesOf(f.Path).Read
		if f.WriteOnly() {
			wire = voximplant.WireNamesOf(f.Path).Update
		}
		if is := text(a.Fields[wire]); f.Normal(is) != f.Normal(want) {
			differ = append(differ, fmt.Sprintf("%s is %q, not %q", path, is, want))
		}
	}
	return strings.Join(differ, ", ")
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(b), `"`)
}

// wrongSecret says what the connection Secret has wrong, whether the password is the declared one, and what more is not as declared.
func (l *life) wrongSecret(r *resource, c *v1alpha1.ChildAccount, a simulator.Account) string {
	secret := &corev1.Secret{}
	if err := l.k8s.Get(l.t.Context(), client.ObjectKey{Namespace: namespace, Name: r.name() + "-connection"}, secret); err != nil {
		return err.Error()
	}
	held := func(key string) string { return string(secret.Data[key]) }
	password := held(secrets.KeyPassword)
	if ref := r.child.Spec.PasswordSecretRef; ref != nil {
		password = r.passwords[ref.Name]
	}
	switch {
	case held(secrets.KeyAccountID) != strconv.FormatInt(a.ID, 10):
		return "the Secret is of another account"
	case held(secrets.KeyAPIKey) != a.APIKey():
		return "the API key is wrong"
	case held(secrets.KeyEmail) != r.child.Spec.Email:
		return "the Secret's e-mail is wrong"
	case !l.sim.CheckPassword(a.ID, password):
		return l.wrongPassword(r, a, secret)
	}
	return l.wrongSpecial(r, c, a, secret)
}
