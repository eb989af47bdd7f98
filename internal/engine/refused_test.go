package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// asksForCapitals are the words of a webhook.
const asksForCapitals = "names have to be in CAPITALS"

// slowResync lets nothing but its own time, or an edit, have a resource reconciled.
func slowResync(p *v1alpha1.ParentAccount) {
	p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
	testenv.AllowMassChange(p)
}

// writesOf says whether a request writes to a resource, or a subresource ("childaccounts/status").
func writesOf(r *admissionv1.AdmissionRequest, what string) bool {
	resource, sub, _ := strings.Cut(what, "/")
	return r.Resource.Resource == resource && r.SubResource == sub
}

// refusing refuses all writes to a resource with a status.
func refusing(what string, status metav1.Status) func(*admissionv1.AdmissionRequest) *metav1.Status {
	return func(r *admissionv1.AdmissionRequest) *metav1.Status {
		if !writesOf(r, what) {
			return nil
		}
		return &status
	}
}

// refusals are the ways in which a webhook refuses: the first is Kyverno's.
var refusals = map[string]metav1.Status{
	"without a code":      {Message: asksForCapitals},
	"as BadRequest":       {Message: asksForCapitals, Code: 400, Reason: metav1.StatusReasonBadRequest},
	"as Forbidden":        {Message: asksForCapitals, Code: 403, Reason: metav1.StatusReasonForbidden},
	"as Invalid":          {Message: asksForCapitals, Code: 422, Reason: metav1.StatusReasonInvalid},
	"as a conflict":       {Message: asksForCapitals, Code: 409, Reason: metav1.StatusReasonConflict},
	"as a server's error": {Message: asksForCapitals, Code: 500, Reason: metav1.StatusReasonInternalError},
}

// statusPolicy refuses the statuses of a namespace's resources by a ValidatingAdmissionPolicy, until the function that it returns is called.
func statusPolicy(ctx context.Context, w *testenv.World, reason metav1.StatusReason) (allow func()) {
	GinkgoHelper()
	policy := &registrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "no-status-" + w.NS},
		Spec: registrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &registrationv1.MatchResources{ResourceRules: []registrationv1.NamedRuleWithOperations{{RuleWithOperations: registrationv1.RuleWithOperations{
				Operations: []registrationv1.OperationType{registrationv1.Update},
				Rule:       registrationv1.Rule{APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{"*"}, Resources: []string{"childaccounts/status"}},
			}}}},
			Validations: []registrationv1.Validation{{Expression: "false", Message: asksForCapitals, Reason: &reason}},
		},
	}
	binding := &registrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: policy.ObjectMeta,
		Spec: registrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []registrationv1.ValidationAction{registrationv1.Deny},
			MatchResources: &registrationv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.NS}}},
		},
	}
	Expect(testenv.K8s.Create(ctx, policy)).To(Succeed())
	Expect(testenv.K8s.Create(ctx, binding)).To(Succeed())
	probe := w.Apply(ctx, "acme-probe", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "none" })
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"observedGeneration":-1}}`))
	Eventually(func() error { return testenv.K8s.Status().Patch(ctx, probe.DeepCopy(), patch, client.DryRunAll) }).ShouldNot(Succeed())
	Expect(testenv.K8s.Delete(ctx, probe)).To(Succeed())
	remove := func(ctx context.Context) {
		Expect(client.IgnoreNotFound(testenv.K8s.Delete(ctx, binding))).To(Succeed())
		Expect(client.IgnoreNotFound(testenv.K8s.Delete(ctx, policy))).To(Succeed())
	}
	DeferCleanup(func(ctx SpecContext) { remove(ctx) })
	return func() { remove(ctx) }
}

// tellRefused is one event with a webhook's words, and what to do.
func tellRefused(words string) types.GomegaMatcher {
	return ConsistOf(And(ContainSubstring(words), ContainSubstring("exempt the operator's ServiceAccount")))
}

var _ = Describe("A write that the Kubernetes API refuses", func() {
	DescribeTable("of a connection Secret: the webhook's words, once, and it continues by itself",
		func(ctx SpecContext, how string) {
			w := testenv.NewWorld(ctx)
			hook := testenv.StartWebhook(ctx, w)
			hook.Refuse(refusing("secrets", refusals[how]))
			w.ApplyParent(ctx, slowResync)
			w.Start(ctx)
			c := w.Apply(ctx, "acme-refused")
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring("can't be written"), ContainSubstring(asksForCapitals), ContainSubstring("ServiceAccount")))
			Eventually(noted(ctx, c, v1alpha1.ReasonSecretInvalid)).Should(tellRefused(asksForCapitals))
			Eventually(hook.Refused).Should(BeNumerically(">=", 2), "it is tried again")
			Expect(hook.Refused()).To(BeNumerically("<=", 3), "and slowly")
			Expect(w.Count("AddAccount")).To(BeZero())
			hook.Refuse(nil)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(noted(ctx, c, v1alpha1.ReasonSecretInvalid)(Default)).To(HaveLen(1))
		},
		Entry("without a code", Label("slow"), "without a code"),
		Entry("as Invalid", "as Invalid"),
		Entry("as a conflict", Label("slow"), "as a conflict"),
	)

	DescribeTable("of the finalizer: no account before, the webhook's words, and it continues by itself",
		func(ctx SpecContext, how string) {
			w := testenv.NewWorld(ctx)
			hook := testenv.StartWebhook(ctx, w)
			hook.Refuse(refusing("childaccounts", refusals[how]))
			w.ApplyParent(ctx, slowResync)
			w.Start(ctx)
			c := w.Apply(ctx, "acme-refused", testenv.Deactivating)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonWriteRefused))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring(asksForCapitals), ContainSubstring("ChildAccount acme-refused")))
			Eventually(noted(ctx, c, v1alpha1.ReasonWriteRefused)).Should(tellRefused(asksForCapitals))
			Expect(w.Count("AddAccount")).To(BeZero())
			hook.Refuse(nil)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(noted(ctx, c, v1alpha1.ReasonWriteRefused)(Default)).To(HaveLen(1))

			By("that is to go: the account is off, and the resource says why it stays")
			hook.Refuse(refusing("childaccounts", refusals[how]))
			Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
			Eventually(testenv.StateOf(ctx, c)).Should(And(
				HaveField("Flags", v1alpha1.ConditionStalled), HaveField("Second", "Unknown/Deleting"), HaveField("Message", ContainSubstring(asksForCapitals))))
			Eventually(noted(ctx, c, v1alpha1.ReasonWriteRefused)).Should(HaveLen(2))
			Expect(w.Account("acme-refused").Active()).To(BeFalse())
			hook.Refuse(nil)
			testenv.ExpectGone(ctx, c)
			Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
		},
		Entry("without a code", "without a code"),
		Entry("as Forbidden", Label("slow"), "as Forbidden"),
		Entry("as a server's error", Label("slow"), "as a server's error"),
	)

	DescribeTable("of the status: an event, the log and a metric tell, and it continues by itself",
		func(ctx SpecContext, begin func(context.Context, *testenv.World) (allow func())) {
			w := testenv.NewWorld(ctx)
			allow := begin(ctx, w)
			w.ApplyParent(ctx, slowResync)
			before := refusedWrites("status")
			w.Start(ctx)
			c := w.Apply(ctx, "acme-refused")
			Eventually(noted(ctx, c, "StatusRefused")).Should(tellRefused(asksForCapitals))
			Eventually(func() int { return refusedWrites("status") - before }).Should(BeNumerically(">=", 2), "it is tried again")
			Expect(refusedWrites("status")-before).To(BeNumerically("<=", 3), "and slowly")
			Expect(logged(w, "the Kubernetes API refused a status, which is out of date")).To(
				ConsistOf(And(HaveKeyWithValue("name", c.Name), HaveKeyWithValue("cause", ContainSubstring(asksForCapitals)))))
			Expect(w.Count("AddAccount")).To(Equal(1))
			allow()
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(w.Count("AddAccount")).To(Equal(1))
			Expect(noted(ctx, c, "StatusRefused")(Default)).To(HaveLen(1))
		},
		Entry("by a webhook, without a code", Label("slow"), refusedByWebhook("without a code")),
		Entry("by a webhook, as a conflict", Label("slow"), refusedByWebhook("as a conflict")),
		Entry("by a policy, as Invalid", Label("slow"), func(ctx context.Context, w *testenv.World) func() {
			return statusPolicy(ctx, w, metav1.StatusReasonInvalid)
		}),
		Entry("by a policy, as Forbidden", Label("slow"), func(ctx context.Context, w *testenv.World) func() {
			return statusPolicy(ctx, w, metav1.StatusReasonForbidden)
		}),
	)

	It("of a ParentAccount's status: an event tells, and it continues by itself", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		hook := testenv.StartWebhook(ctx, w)
		hook.Refuse(refusing("parentaccounts/status", refusals["without a code"]))
		p := w.ApplyParent(ctx, slowResync)
		w.Start(ctx)
		Eventually(func(g Gomega) []string { return testenv.EventsOf(ctx, p)(g) }).Should(tellRefused(asksForCapitals))
		Eventually(hook.Refused).Should(BeNumerically(">=", 2), "it is tried again")
		hook.Refuse(nil)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
	})

	It("of a deactivation, in the ParentAccount's status: the account stays active, the words are for the parent's namespace alone, and it continues by itself", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		hook := testenv.StartWebhook(ctx, w)
		w.ApplyParent(ctx, slowResync, testenv.Sharing(testenv.FromAll))
		w.Start(ctx)
		t := w.NewTenant(ctx, nil)
		own, tenants := w.ApplyReady(ctx, "acme-own"), t.Apply(ctx, "acme-tenant")
		Eventually(testenv.StateOf(ctx, tenants)).Should(testenv.BeAvailable())
		hook.Refuse(refusing("parentaccounts/status", refusals["without a code"]))
		for _, c := range []*v1alpha1.ChildAccount{own, tenants} {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonWriteRefused))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring("the status of ParentAccount acme"), ContainSubstring("ServiceAccount")))
			Expect(w.Account(c.Name).Active()).To(BeTrue())
		}
		Expect(testenv.StateOf(ctx, own)(Default).Message).To(ContainSubstring(asksForCapitals))
		Expect(testenv.StateOf(ctx, tenants)(Default).Message).NotTo(ContainSubstring(asksForCapitals))
		hook.Refuse(nil)
		for _, c := range []*v1alpha1.ChildAccount{own, tenants} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
			Expect(w.Account(c.Name).Active()).To(BeFalse())
		}
	})

	It("repeats no secret, and no more of a hostile webhook's words than there is room for", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		hook := testenv.StartWebhook(ctx, w)
		var password string
		hook.Refuse(func(r *admissionv1.AdmissionRequest) *metav1.Status {
			var secret corev1.Secret
			if !writesOf(r, "secrets") || json.Unmarshal(r.Object.Raw, &secret) != nil || len(secret.Data["password"]) == 0 {
				return nil
			}
			password = string(secret.Data["password"])
			return &metav1.Status{Message: "first line: " + password + "\nsecond line: " + string(r.Object.Raw) + strings.Repeat(" and so on", 1000)}
		})
		w.ApplyParent(ctx, slowResync)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-refused")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		message := testenv.StateOf(ctx, c)(Default).Message
		Expect(message).To(And(ContainSubstring("first line: [redacted] second line"), ContainSubstring("exempt the operator's ServiceAccount")))
		Expect(len(message)).To(BeNumerically("<", 1024))
		events := noted(ctx, c, v1alpha1.ReasonSecretInvalid)
		// The words of this webhook are others at each attempt: the event has those of the first.
		Eventually(events).Should(ConsistOf(And(ContainSubstring("first line: [redacted] second line"), WithTransform(func(s string) int { return len(s) }, BeNumerically("<", 1024)))))
		var known testenv.Canaries
		known.Add("password", password)
		Expect(known.In(message + fmt.Sprint(events(Default)) + testenv.Logs.String())).To(BeEmpty())
	})
})

// refusedByWebhook has the statuses of ChildAccounts refused, until the function that it returns is called.
func refusedByWebhook(how string) func(context.Context, *testenv.World) func() {
	return func(ctx context.Context, w *testenv.World) func() {
		hook := testenv.StartWebhook(ctx, w)
		hook.Refuse(refusing("childaccounts/status", refusals[how]))
		return func() { hook.Refuse(nil) }
	}
}

// refusedWrites is the metric of refused writes, in this process.
func refusedWrites(of string) (n int) {
	for line := range strings.Lines(testenv.Scrape()) {
		if _, err := fmt.Sscanf(line, `child_account_operator_refused_writes_total{of="`+of+`"} %d`, &n); err == nil {
			return n
		}
	}
	return 0
}

// logged are the lines of the log with this message about resources of the world's namespace.
func logged(w *testenv.World, message string) (lines []map[string]any) {
	for text := range strings.Lines(testenv.Logs.String()) {
		if !strings.Contains(text, w.NS) || !strings.Contains(text, message) {
			continue // most lines, which need not be parsed for that
		}
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message && line["namespace"] == w.NS {
			lines = append(lines, line)
		}
	}
	return lines
}

// exhaustQuota lets no more Secrets be created in the world's namespace than there are. The suite has no controller that counts them.
func exhaustQuota(ctx context.Context, w *testenv.World) *corev1.ResourceQuota {
	GinkgoHelper()
	var there corev1.SecretList
	Expect(testenv.K8s.List(ctx, &there, client.InNamespace(w.NS))).To(Succeed())
	count := corev1.ResourceList{"count/secrets": *resource.NewQuantity(int64(len(there.Items)), resource.DecimalSI)}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "secrets"}, Spec: corev1.ResourceQuotaSpec{Hard: count}}
	Expect(testenv.K8s.Create(ctx, quota)).To(Succeed())
	quota.Status = corev1.ResourceQuotaStatus{Hard: count, Used: count}
	Expect(testenv.K8s.Status().Update(ctx, quota)).To(Succeed())
	Eventually(func() error {
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "quota-probe"}}
		return testenv.K8s.Create(ctx, probe, client.DryRunAll)
	}).Should(MatchError(ContainSubstring("exceeded quota")))
	return quota
}

// withoutAccount is a resource whose connection Secret is there and whose account is not, as the balance is too low for it.
func withoutAccount(ctx SpecContext, name string) (*testenv.World, *v1alpha1.ChildAccount) {
	GinkgoHelper()
	w := testenv.NewWorld(ctx)
	w.ApplyParent(ctx, slowResync)
	w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
	w.Start(ctx)
	c := w.Apply(ctx, name)
	Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonBalanceTooLow))
	return w, c
}

var _ = Describe("An exhausted quota of Secrets", func() {
	It("stops no creation whose connection Secret is there", func(ctx SpecContext) {
		w, c := withoutAccount(ctx, "acme-quota")
		exhaustQuota(ctx, w)
		w.Sim.ClearFaults()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-quota").Fields["api_key"]))
	})

	It("stops no recovery after a lost answer and a restart", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "AddAccount"})
		w.Start(ctx)
		c := w.Apply(ctx, "acme-quota")
		Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", 0))
		w.Stop()
		exhaustQuota(ctx, w)
		w.Sim.ClearFaults()
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Sim.Accounts(w.Parent.ID)).To(HaveLen(1))
	})

	It("stops no account from being created in the place of one that is missing", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-quota", func(c *v1alpha1.ChildAccount) { c.Spec.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) })
		exhaustQuota(ctx, w)
		first := c.Status.AccountID
		w.Sim.Remove(w.Account("acme-quota").ID)
		Eventually(func(g Gomega) string {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			return c.Status.AccountID
		}).ShouldNot(Equal(first))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("accountID", c.Status.AccountID))
	})

	It("is said with the quota's words where a connection Secret has to be created, and charged for nothing", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, slowResync)
		quota := exhaustQuota(ctx, w)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-quota")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("exceeded quota: secrets"))
		Expect(w.Count("AddAccount")).To(BeZero())
		Expect(testenv.K8s.Delete(ctx, quota)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("is not charged for attempts to create an account whose connection Secret is there", func(ctx SpecContext) {
		w, c := withoutAccount(ctx, "acme-quota")
		quota := exhaustQuota(ctx, w)
		quota.Spec.Hard["count/secrets"] = resource.MustParse("100")
		Expect(testenv.K8s.Update(ctx, quota)).To(Succeed())
		used := quota.Status.Used["count/secrets"]
		quota.Status.Hard = quota.Spec.Hard
		Expect(testenv.K8s.Status().Update(ctx, quota)).To(Succeed())
		for i := range 3 {
			before := w.Count("AddAccount")
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = fmt.Sprintf("try-%d@acme.example", i) })
			Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", before))
		}
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(quota), quota)).To(Succeed())
		Expect(quota.Status.Used["count/secrets"]).To(Equal(used))
	})
})

var _ = Describe("A namespace that is being deleted", func() {
	// Nothing takes what is in the namespace: the suite has no namespace controller.
	It("gets no account, though the connection Secret is there and the quota exhausted", func(ctx SpecContext) {
		w, c := withoutAccount(ctx, "acme-going")
		exhaustQuota(ctx, w)
		w.Sim.ClearFaults()
		Expect(testenv.K8s.Delete(ctx, namespaceOf(w))).To(Succeed())
		w.Sim.ResetCalls()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("is being terminated"))
		Expect(w.Count("AddAccount")).To(BeZero())
	})
})
