package crashtest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// want is how a resource and its account are in the end.
type want struct {
	// reason is the reason of Ready; "" where the resource is gone.
	reason string
	// stalled is set where the resource has no account to have.
	stalled bool
	// held is set where what the resource needs waits for the approval of a start.
	held bool
	// fields are values of the account, by their wire names.
	fields simulator.Fields
	// password is the declared one. Otherwise the connection Secret has it, unless it is lost.
	password string
	lost     bool
	// unknown is set where the operator once knew the password that is lost, and says so.
	unknown bool
	// secret is the name of the connection Secret where it is declared.
	secret string
	// keys is how many service-account keys the account has.
	keys int
	// plan is the template of its plan for active users, 0 for the one that it begins with.
	plan int64
}

// expect says how a resource and its account must be; it holds before the crash and after it.
func (w *world) expect(g Gomega, name string, want want) {
	if want.stalled {
		w.expectStalled(g, name, want.reason)
		return
	}
	switch {
	case want.reason == "":
		err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &v1alpha1.ChildAccount{})
		g.Expect(client.IgnoreNotFound(err)).To(Succeed())
		g.Expect(err).To(HaveOccurred(), "the resource is still there")
	case want.held:
		w.expectHeld(g, name)
	default:
		w.expectStatus(g, name, want)
	}
	a, ok := w.sim.Account(name)
	g.Expect(ok).To(BeTrue(), "there is no account")
	for field, value := range want.fields {
		g.Expect(a.Fields).To(HaveKeyWithValue(field, value))
	}
	g.Expect(simulator.PlanOf(w.sim, a.ID, "MAU")).To(Equal(cmp.Or(want.plan, firstPlan)))
	w.expectSecret(g, a, want)
}

// expectStatus says that the status is true, and that nothing is left to do.
func (w *world) expectStatus(g Gomega, name string, want want) {
	var c v1alpha1.ChildAccount
	reason, connection := want.reason, condition(v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonAvailable)
	if want.unknown {
		connection = And(HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonPasswordUnknown))
	}
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)).To(Succeed())
	g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation))
	expected := []types.GomegaMatcher{condition(v1alpha1.ConditionReady, reason), condition(v1alpha1.ConditionSynced, reason), connection}
	if c.Spec.Profile != nil {
		expected = append(expected, condition(v1alpha1.ConditionProfileSynced, v1alpha1.ReasonAvailable))
	}
	if _, _, declared := c.ServiceAccountKey(); declared {
		expected = append(expected, condition(v1alpha1.ConditionServiceAccountKeyReady, v1alpha1.ReasonAvailable))
	}
	if c.Spec.Plans != nil {
		expected = append(expected, condition(v1alpha1.ConditionPlansSynced, v1alpha1.ReasonAvailable))
		expectPlan(g, &c)
	}
	g.Expect(c.Status.Conditions).To(ConsistOf(expected))
	g.Expect(c.Status.Conditions).To(HaveEach(HaveField("ObservedGeneration", c.Generation)))
	a, _ := w.sim.Account(name)
	g.Expect(c.Status.AccountID).To(Equal(strconv.FormatInt(a.ID, 10)))
	g.Expect(c.Status.ParentAccountID).To(Equal(strconv.FormatInt(w.parent.ID, 10)))
	g.Expect(*c.Status.Observed.Email).To(Equal(a.Email()))
	g.Expect(slices.Contains(c.Finalizers, v1alpha1.Finalizer)).To(Equal(c.Deactivates()), "the finalizer is there where deletion needs the operator, and nowhere else")
}

// expectStalled says that the resource says why it has no account, and lays no hand on any.
func (w *world) expectStalled(g Gomega, name, reason string) {
	var c v1alpha1.ChildAccount
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)).To(Succeed())
	g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation))
	ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
	g.Expect(ready).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", reason)))
	g.Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionStalled)).To(BeTrue())
	g.Expect(c.Status.AccountID).To(BeEmpty())
}

// expectHeld says that the resource and its parent say what waits for approval.
func (w *world) expectHeld(g Gomega, name string) {
	var c v1alpha1.ChildAccount
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)).To(Succeed())
	synced := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionSynced)
	g.Expect(synced).To(HaveField("Reason", v1alpha1.ReasonAwaitingApproval))
	var p v1alpha1.ParentAccount
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)).To(Succeed())
	g.Expect(p.Status.PendingApprovals).To(ConsistOf(HaveField("Count", BeEquivalentTo(1))))
}

func condition(kind, reason string) types.GomegaMatcher {
	return And(HaveField("Type", kind), HaveField("Status", metav1.ConditionTrue), HaveField("Reason", reason))
}

// expectSecret says that the connection Secret has all that is known of the account, and is right.
func (w *world) expectSecret(g Gomega, a simulator.Account, want want) {
	var secret corev1.Secret
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: cmp.Or(want.secret, a.Name()+"-connection")}, &secret)).To(Succeed())
	w.expectKeys(g, a, &secret, want.keys)
	held := map[string]string{}
	for k, v := range secret.Data {
		if k != secrets.KeyCredentials {
			held[k] = string(v)
		}
	}
	password := want.password
	if password == "" {
		password = held[secrets.KeyPassword]
	}
	known := map[string]string{
		secrets.KeyAccountID: strconv.FormatInt(a.ID, 10), secrets.KeyAccountName: a.Name(), secrets.KeyEmail: a.Email(),
		secrets.KeyEndpoint: w.endpoint, secrets.KeyAPIKey: a.APIKey(),
	}
	if want.password == "" && !want.lost {
		known[secrets.KeyPassword] = password
	}
	g.Expect(held).To(Equal(known)) // so no next password is left, nor a generated one beside a declared one
	remembered := BeEmpty()
	if want.password != "" {
		remembered = Not(BeEmpty())
	}
	g.Expect(secret.Annotations[v1alpha1.AnnotationPasswordDigest]).To(remembered)
	if !want.lost {
		g.Expect(w.sim.CheckPassword(a.ID, password)).To(BeTrue(), "not the account's password")
	}
	g.Expect(password).NotTo(And(Equal(w.passwordBefore), Not(BeEmpty())), "still the password from before")
}

// expectParent says that the parent can be worked with.
func (w *world) expectParent(g Gomega) {
	var p v1alpha1.ParentAccount
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)).To(Succeed())
	g.Expect(p.Status.ObservedGeneration).To(Equal(p.Generation))
	g.Expect(meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
}

// expectInvariants is what holds whatever has happened: one account for each resource, and nothing done that must never be.
func (w *world) expectInvariants(accounts int) {
	for _, a := range w.foreign {
		if a.ParentID == w.parent.ID {
			accounts++
		}
	}
	w.Expect(w.sim.Accounts(w.parent.ID)).To(HaveLen(accounts), "accounts, with those of others")
	w.Expect(w.violated()).To(BeEmpty())
}

// violated says what was done that must never be: a step that was wrong then, an account that was created after a lost answer without a
// look, or anything to an account that is not ours. It is looked at throughout.
func (w *world) violated() string {
	if mistakes := w.tap.mistakes(); len(mistakes) > 0 {
		return strings.Join(mistakes, "; ")
	}
	if astray := w.group.strayed(); len(astray) > 0 {
		return fmt.Sprint("written in no world: ", astray)
	}
	if names := unlooked(w.tap.taken()); len(names) > 0 {
		return fmt.Sprint("created again without a look: ", names)
	}
	if wrong := w.subsViolated(); wrong != "" {
		return wrong
	}
	calls := w.sim.Calls()
	for _, before := range w.foreign {
		if after, _ := w.sim.AccountByID(before.ID); !reflect.DeepEqual(after, before) {
			return fmt.Sprintf("account %d, which is not ours, was changed", before.ID)
		}
		for _, call := range calls {
			ids := strings.Split(call.Params["child_account_id"], ";")
			if call.Account == before.ID || call.Method != "GetChildrenAccounts" && slices.Contains(ids, strconv.FormatInt(before.ID, 10)) {
				return fmt.Sprintf("%s of account %d, which is not ours", call.Method, before.ID)
			}
		}
	}
	return ""
}

// wrongly says what is wrong with a step that is about to be carried out: what the next process would go by is not stored yet, or is still in
// use.
func (w *world) wrongly(s step) string {
	missing := ""
	switch s.method {
	case "AddAccount":
		missing = w.unprepared(s.account, s.password)
	case "CloneAccount":
		missing = cmp.Or(w.unprepared(s.account, s.password), w.noTemplate(s.params.Get("account_id")))
	case simulator.TwoSMSCreate, simulator.TwoSMSUpdate:
		missing = w.subUnprepared(s)
	case "ChangeAccountPlan":
		missing = w.planUnrecorded(s.params.Get("plan_subscription_template_id"))
	case "CreateKey":
		missing = w.keyUnrecorded(s.params.Get("key_name"))
	case "DeleteKey":
		missing = w.keyInUse(s.params.Get("key_id"))
	}
	if missing != "" {
		return s.method + ": " + missing
	}
	return ""
}

// unprepared says what of all that the next process would go by is not there at the moment when an account is created.
func (w *world) unprepared(name, password string) string {
	var all v1alpha1.ChildAccountList
	if err := k8s.List(w.ctx(), &all, client.InNamespace(w.ns)); err != nil {
		return err.Error()
	}
	i := slices.IndexFunc(all.Items, func(c v1alpha1.ChildAccount) bool { return c.AccountName() == name })
	if i < 0 {
		return name + ": no resource declares it"
	}
	c := all.Items[i]
	connection := client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}
	from, key := connection.Name, secrets.KeyPassword
	if ref := c.Spec.PasswordSecretRef; ref != nil {
		from, key = ref.Name, v1alpha1.DefaultPasswordKey
	}
	var recorded, secret corev1.Secret
	err := errors.Join(k8s.Get(w.ctx(), connection, &recorded), k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: from}, &secret))
	switch {
	case c.Deactivates() && !slices.Contains(c.Finalizers, v1alpha1.Finalizer):
		return name + ": there is no finalizer"
	case !strings.HasPrefix(recorded.Annotations[v1alpha1.AnnotationCreateIntent], string(c.UID)+"/"):
		return name + ": no attempt is recorded"
	case err != nil || password == "" || string(secret.Data[key]) != password && string(secret.Data[secrets.KeyPasswordNext]) != password:
		return name + ": the password is not stored"
	}
	return ""
}

// expectSwitchedOffOnce says that the account was switched off, not again after that, and that it counts.
func (w *world) expectSwitchedOffOnce() {
	times := 0
	for _, call := range w.sim.Calls() {
		if call.Params["active"] == "false" && call.Outcome == "ok" {
			times++
		}
	}
	w.Expect(times).To(Equal(1), "times that the account was switched off")
	var p v1alpha1.ParentAccount
	w.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)).To(Succeed())
	w.Expect(p.Status.Deactivations).To(HaveLen(1), "deactivations that count")
}

// expectSound says that no process has shown a secret, or has met a race or a panic.
func (w *world) expectSound() {
	var told strings.Builder
	for _, name := range w.group.operator.logFiles() {
		log, err := os.ReadFile(name)
		w.Expect(err).NotTo(HaveOccurred())
		told.Write(log)
	}
	unwanted := []string{"DATA RACE", "panic", "PRIVATE KEY", firstPassword, secondPassword, w.parent.APIKey}
	for _, a := range w.sim.Accounts(w.parent.ID) {
		unwanted = append(unwanted, a.APIKey())
	}
	if w.master.ID != "" {
		unwanted = append(unwanted, w.master.ClientSecret, w.ownSubs()[0].Values["Password"])
	}
	for i, text := range unwanted {
		w.Expect(strings.Contains(told.String(), text)).To(BeFalse(), "in the operator's log: %d", i)
	}
}

// unlooked are the accounts that were to be created again while it was open whether they had been.
func unlooked(steps []step) (names []string) {
	open := map[string]bool{}
	for _, s := range steps {
		switch {
		case s.looks && s.answered:
			clear(open)
		case s.account != "" && open[s.account]:
			names = append(names, s.account)
		case s.account != "":
			open[s.account] = !s.answered
		}
	}
	return names
}
