package controllers_test

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
)

// What once went wrong, or nearly did.
var _ = Describe("The identity of a parent", func() {
	It("is pinned even where the first status patch is overtaken", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "GetChildrenAccounts", Delay: time.Second, Times: 1})
		p := w.applyParent(ctx)
		w.start(ctx)
		Eventually(func() int { return w.count("GetAccountInfo") }).Should(Equal(1))
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.SetLabels(map[string]string{"a": "b"}) })
		Eventually(state(ctx, p)).Should(BeAvailable())
		Expect(p.Status.AccountID).To(Equal(fmt.Sprint(w.parent.ID)))
		Expect(p.Status.EndpointHost).NotTo(BeEmpty())
	})

	It("is looked at first after a suspension: nothing goes out on the old connection", func(ctx SpecContext) {
		w := startWorld(ctx)
		p := w.parentAccount()
		Eventually(state(ctx, p)).Should(BeAvailable())
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(state(ctx, p)).Should(HaveSecond("Unknown/Suspended"))
		other := w.sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		secret := w.credentials()
		secret.Data["credentials.json"] = w.sim.Credentials(other.ID, simulator.RoleOwner)
		Expect(k8s.Update(ctx, secret)).To(Succeed())
		c := w.apply(ctx, "acme-moved")
		Eventually(state(ctx, c)).Should(HaveSecond("Unknown/Suspended"))
		edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(other.ID)})
			p.Spec.Suspend = nil
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-moved").ParentID).To(Equal(other.ID))
	})

	It("moves the endpoint in the connection Secrets along", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx)
		elsewhere := strings.Replace(provider.URL, "127.0.0.1", "localhost", 1)
		w.start(ctx, elsewhere)
		c := w.applyReady(ctx, "acme-move")
		edit(ctx, w.parentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Spec.Voximplant.Endpoint = &elsewhere
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(w.parent.ID)})
		})
		Eventually(func() string { return connectionOf(ctx, c)["endpoint"] }).Should(Equal(elsewhere))
	})
})

var _ = Describe("What only the answer of AddAccount has", func() {
	It("is stored although the update after it fails", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "SetChildAccountInfo"})
		c := w.apply(ctx, "acme-twostep", func(c *v1alpha1.ChildAccount) { c.Spec.CanUseRestricted = ptr.To(true) })
		Eventually(func() int { return w.count("SetChildAccountInfo") }).Should(BeNumerically(">", 0))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-twostep").Fields["api_key"]))
		w.sim.ClearFaults()
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.count("GetAccountInfo")).To(Equal(1), "the parent's own: nothing had to be recovered")
	})

	It("is waited for when the operator is told to stop", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: 700 * time.Millisecond})
		c := w.apply(ctx, "acme-stop")
		Eventually(func() int { return w.count("AddAccount") }).Should(Equal(1))
		w.stop()
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-stop").Fields["api_key"]))
		Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
		Expect(c.Status.AccountID).To(Equal(fmt.Sprint(w.account("acme-stop").ID)))
	})

	It("outlives a resource that lost its status", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-precious")
		password := connectionOf(ctx, c)["password"]
		Expect(w.sim.SetField(w.account("acme-precious").ID, "account_custom_data", "mine")).To(Succeed())
		w.stop()
		Expect(k8s.Status().Patch(ctx, c, client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`)))).To(Succeed())
		w.start(ctx)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("password", password))
	})
})

var _ = Describe("A resource never hangs for ever", func() {
	It("after one refusal of the credentials that passes", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-once")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 527, Method: "SetChildAccountInfo", Times: 1})
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(func() any { return w.account("acme-once").Fields["account_email"] }).Should(Equal("new@acme.example"))
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("nor stays Ready when the parent's key is revoked, a restart or not", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-child")
		var credentials struct {
			KeyID string `json:"key_id"`
		}
		var secret corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "voximplant"}, &secret)).To(Succeed())
		Expect(json.Unmarshal(secret.Data["credentials.json"], &credentials)).To(Succeed())
		Expect(w.sim.RevokeKey(credentials.KeyID)).To(BeTrue())
		Eventually(state(ctx, w.parentAccount())).Should(BeStalledAs(v1alpha1.ReasonUnauthorized))
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		w.stop()
		looked := w.count("GetAccountInfo")
		w.start(ctx)
		Eventually(func() int { return w.count("GetAccountInfo") }).Should(BeNumerically(">", looked))
		Consistently(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
	})

	It("nor is silent under a parent that may not list", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(k8s.Create(ctx, w.credentials(simulator.RoleDeveloper))).To(Succeed())
		Expect(k8s.Create(ctx, w.parentAccount())).To(Succeed())
		c := w.apply(ctx, "acme-child")
		w.start(ctx)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring(v1alpha1.ReasonRoleMissing))
	})

	It("nor writes at each resync a field that lists do not show", func(ctx SpecContext) {
		w := newWorld(ctx)
		shown := w.sim.Handler()
		hiding := http.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			shown.ServeHTTP(recorder, r)
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write(bytes.ReplaceAll(recorder.Body.Bytes(), []byte(`"min_balance_to_notify"`), []byte(`"hidden"`)))
		}))
		simulated.Store(&hiding)
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-hidden", func(c *v1alpha1.ChildAccount) { c.Spec.MinBalanceToNotify = ptr.To(intstr.FromInt32(5)) })
		Eventually(state(ctx, c)).Should(HaveSecond("False/ValueNotKept"))
		w.awaitLists(2)
		Expect(w.count("SetChildAccountInfo")).To(Equal(2))
	})

	It("nor calls a suspended parent's provider when it is deleted", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
		c := w.apply(ctx, "acme-never")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonBalanceTooLow))
		p := w.parentAccount()
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(state(ctx, p)).Should(HaveSecond("Unknown/Suspended"))
		calls := len(w.sim.Calls())
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Expect(w.sim.Calls()).To(HaveLen(calls))
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed(), "what is not certain is kept")
	})
})
