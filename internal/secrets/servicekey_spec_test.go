package secrets_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// keyed declares a service-account key.
func keyed(c *v1alpha1.ChildAccount) {
	c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{ServiceAccountKey: &v1alpha1.ServiceAccountKey{
		Roles: []v1alpha1.KeyRole{"Developer"}, RotateAfter: &metav1.Duration{Duration: 720 * time.Hour},
	}}
}

// keyReady is the condition of the service-account key, as its status and reason.
func keyReady(ctx context.Context, c *v1alpha1.ChildAccount) func(Gomega) string {
	return func(g Gomega) string {
		live := &v1alpha1.ChildAccount{}
		g.Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(c), live)).To(Succeed())
		for _, condition := range live.Status.Conditions {
			if condition.Type == v1alpha1.ConditionServiceAccountKeyReady {
				return string(condition.Status) + "/" + condition.Reason
			}
		}
		return ""
	}
}

// keysOf are the keys of an account at the provider.
func keysOf(w *testenv.World, name string) []simulator.ServiceKey {
	return simulator.ServiceKeys(w.Sim, w.Account(name).ID)
}

// signsIn is the account that the provider lets whoever has the credentials in as, "" where it refuses them.
func signsIn(ctx context.Context, w *testenv.World, document string) (accountID string) {
	GinkgoHelper()
	credentials, err := voximplant.ParseCredentials([]byte(document))
	Expect(err).NotTo(HaveOccurred())
	transport := apihttp.NewTransport(nil)
	defer transport.CloseIdleConnections()
	remote, err := voximplant.New(voximplant.Config{
		Endpoint: testenv.ProviderServer.URL, Credentials: credentials, Transport: transport, Clock: func() time.Time { return w.Clock.Now() },
	})
	Expect(err).NotTo(HaveOccurred())
	if self, err := remote.Self(ctx); err == nil {
		return self.ID
	}
	return ""
}

var _ = Describe("A service-account key", func() {
	It("is in the connection Secret and works, is rotated with an overlap, is put back, and goes with its declaration", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.UseKey(nil) // keys of their own, so that one can't pass for the other
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-keyed", keyed)
		Eventually(keyReady(ctx, c)).Should(Equal("True/Available"))
		first := testenv.ConnectionOf(ctx, c)["credentials.json"]
		Expect(signsIn(ctx, w, first)).To(Equal(testenv.ConnectionOf(ctx, c)["accountID"]))
		var document map[string]any
		Expect(json.Unmarshal([]byte(first), &document)).To(Succeed())
		Expect(document).To(And(HaveLen(4), HaveKeyWithValue("account_email", "acme-keyed@acme.example"), HaveKeyWithValue("account_id", BeNumerically(">", 0)),
			HaveKey("key_id"), HaveKeyWithValue("private_key", HavePrefix("-----BEGIN PRIVATE KEY-----\n"))))
		Expect(keysOf(w, "acme-keyed")).To(ConsistOf(And(HaveField("Roles", ConsistOf(simulator.RoleDeveloper)), HaveField("Name", HavePrefix(string(c.UID)+"-")))))

		By("nothing at rest, and after a restart")
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect([]int{w.Count("CreateKey"), w.Count("GetKeys"), w.Count("DeleteKey")}).To(Equal([]int{1, 0, 0}))

		By("removed from the Secret while no operator is running")
		w.Stop()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}}
		Expect(testenv.K8s.Patch(ctx, secret, client.RawPatch("application/json-patch+json", []byte(`[{"op":"remove","path":"/data/credentials.json"}]`)))).To(Succeed())
		w.Start(ctx)
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKey("credentials.json"))
		second := testenv.ConnectionOf(ctx, c)["credentials.json"]
		Expect(second).NotTo(Equal(first))
		Expect(signsIn(ctx, w, second)).NotTo(BeEmpty())
		Expect(signsIn(ctx, w, first)).NotTo(BeEmpty(), "for an hour")

		By("the overlap ends")
		w.Stop()
		w.Clock = testenv.Ahead{Clock: w.Clock, By: time.Hour}
		w.Start(ctx)
		Eventually(func() int { return len(keysOf(w, "acme-keyed")) }).Should(Equal(1))
		Expect(signsIn(ctx, w, second)).NotTo(BeEmpty())
		Expect(signsIn(ctx, w, first)).To(BeEmpty())

		By("not declared any more")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.ConnectionSecret = nil })
		Eventually(func() []simulator.ServiceKey { return keysOf(w, "acme-keyed") }).Should(BeEmpty())
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(And(Not(HaveKey("credentials.json")), HaveKey("apiKey"), HaveKey("password")))
		Eventually(keyReady(ctx, c)).Should(BeEmpty())
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
	})

	It("is a condition of its own where the parent's key may not make one, and the rest is as it was", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 100, Method: "CreateKey"})
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-denied", keyed)
		Eventually(keyReady(ctx, c)).Should(Equal("False/RoleMissing"))
		live := &v1alpha1.ChildAccount{}
		Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(c), live)).To(Succeed())
		Expect(live.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionServiceAccountKeyReady), HaveField("Message", And(ContainSubstring("role Owner"), ContainSubstring("CreateKey"))))))
		Expect(live.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Status", metav1.ConditionTrue))))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("RoleMissing: ")))
		w.AwaitLists(3)
		Expect(w.Count("CreateKey")).To(Equal(1))
		parent := w.ParentAccount()
		Expect(testenv.StateOf(ctx, parent)(Default)).To(testenv.BeAvailable())
	})
})
