package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// What once went wrong, or nearly did.
var _ = Describe("The identity of a parent", func() {
	It("is pinned even where the first status patch is overtaken", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "GetChildrenAccounts", Delay: time.Second, Times: 1})
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(func() int { return w.Count("GetAccountInfo") }).Should(Equal(1))
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.SetLabels(map[string]string{"a": "b"}) })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(p.Status.AccountID).To(Equal(fmt.Sprint(w.Parent.ID)))
		Expect(p.Status.EndpointHost).NotTo(BeEmpty())
	})

	It("is looked at first after a suspension: nothing goes out on the old connection", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		p := w.ParentAccount()
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.HaveSecond("Unknown/Suspended"))
		other := w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		secret := w.Credentials()
		secret.Data["credentials.json"] = w.Sim.Credentials(other.ID, simulator.RoleOwner)
		Expect(testenv.K8s.Update(ctx, secret)).To(Succeed())
		c := w.Apply(ctx, "acme-moved")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.HaveSecond("Unknown/Suspended"))
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(other.ID)})
			p.Spec.Suspend = nil
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-moved").ParentID).To(Equal(other.ID))
	})

	It("moves the endpoint in the connection Secrets along", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		elsewhere := strings.Replace(testenv.ProviderServer.URL, "127.0.0.1", "localhost", 1)
		w.Start(ctx, elsewhere)
		c := w.ApplyReady(ctx, "acme-move")
		testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Spec.Voximplant.Endpoint = &elsewhere
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(w.Parent.ID)})
		})
		Eventually(func() string { return testenv.ConnectionOf(ctx, c)["endpoint"] }).Should(Equal(elsewhere))
	})
})

var _ = Describe("What only the answer of AddAccount has", func() {
	It("is stored although the update after it fails", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "SetChildAccountInfo"})
		c := w.Apply(ctx, "acme-twostep", func(c *v1alpha1.ChildAccount) { c.Spec.CanUseRestricted = ptr.To(true) })
		Eventually(func() int { return w.Count("SetChildAccountInfo") }).Should(BeNumerically(">", 0))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-twostep").Fields["api_key"]))
		w.Sim.ClearFaults()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("GetAccountInfo")).To(Equal(1), "the parent's own: nothing had to be recovered")
	})

	It("is waited for when the operator is told to stop", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: 700 * time.Millisecond})
		c := w.Apply(ctx, "acme-stop")
		Eventually(func() int { return w.Count("AddAccount") }).Should(Equal(1))
		w.Stop()
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-stop").Fields["api_key"]))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.Status.AccountID).To(Equal(fmt.Sprint(w.Account("acme-stop").ID)))
	})

	It("outlives a resource that lost its status", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-precious")
		password := testenv.ConnectionOf(ctx, c)["password"]
		Expect(w.Sim.SetField(w.Account("acme-precious").ID, "account_custom_data", "mine")).To(Succeed())
		w.Stop()
		Expect(testenv.K8s.Status().Patch(ctx, c, client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`)))).To(Succeed())
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", password))
	})
})

var _ = Describe("A resource never hangs for ever", func() {
	It("after one refusal of the credentials that passes", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-once")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 527, Method: "SetChildAccountInfo", Times: 1})
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(func() any { return w.Account("acme-once").Fields["account_email"] }).Should(Equal("new@acme.example"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("nor stays Ready when the parent's key is revoked, a restart or not", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-child")
		var credentials struct {
			KeyID string `json:"key_id"`
		}
		var secret corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "voximplant"}, &secret)).To(Succeed())
		Expect(json.Unmarshal(secret.Data["credentials.json"], &credentials)).To(Succeed())
		Expect(w.Sim.RevokeKey(credentials.KeyID)).To(BeTrue())
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeStalledAs(v1alpha1.ReasonUnauthorized))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		w.Stop()
		looked := w.Count("GetAccountInfo")
		w.Start(ctx)
		Eventually(func() int { return w.Count("GetAccountInfo") }).Should(BeNumerically(">", looked))
		Consistently(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
	})

	It("nor is silent under a parent that may not list", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		Expect(testenv.K8s.Create(ctx, w.Credentials(simulator.RoleDeveloper))).To(Succeed())
		Expect(testenv.K8s.Create(ctx, w.ParentAccount())).To(Succeed())
		c := w.Apply(ctx, "acme-child")
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring(v1alpha1.ReasonRoleMissing))
	})

	It("nor writes at each resync a field that lists do not show", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		shown := w.Sim.Handler()
		hiding := http.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			shown.ServeHTTP(recorder, r)
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write(bytes.ReplaceAll(recorder.Body.Bytes(), []byte(`"min_balance_to_notify"`), []byte(`"hidden"`)))
		}))
		testenv.ProviderHandler.Store(&hiding)
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-hidden", func(c *v1alpha1.ChildAccount) { c.Spec.MinBalanceToNotify = ptr.To(intstr.FromInt32(5)) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.HaveSecond("False/ValueNotKept"))
		w.AwaitLists(2)
		Expect(w.Count("SetChildAccountInfo")).To(Equal(2))
	})

	It("nor calls a suspended parent's provider when it is deleted", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
		c := w.Apply(ctx, "acme-never")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonBalanceTooLow))
		p := w.ParentAccount()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.HaveSecond("Unknown/Suspended"))
		calls := len(w.Sim.Calls())
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Eventually(func() error {
			return testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})
		}).Should(testenv.BeNotFound(), "this process knows that no account was created with it")
		Expect(w.Sim.Calls()).To(HaveLen(calls))
	})
})
