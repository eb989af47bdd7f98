package testenv

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Webhook is a validating admission webhook of one namespace, for Secrets, ParentAccounts and ChildAccounts.
type Webhook struct {
	mu      sync.Mutex
	refuse  func(*admissionv1.AdmissionRequest) *metav1.Status
	asked   int
	refused int
}

// StartWebhook has the operator's writes in the world's namespace go through a webhook, until the clean-up.
func StartWebhook(ctx context.Context, w *World) *Webhook {
	GinkgoHelper()
	hook := &Webhook{}
	server := httptest.NewTLSServer(hook)
	DeferCleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	rule := func(group string, resources ...string) registrationv1.RuleWithOperations {
		return registrationv1.RuleWithOperations{
			Operations: []registrationv1.OperationType{registrationv1.Create, registrationv1.Update},
			Rule:       registrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: resources},
		}
	}
	config := &registrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "refuse-" + w.NS},
		Webhooks: []registrationv1.ValidatingWebhook{{
			Name:                    "refuse.example.com",
			ClientConfig:            registrationv1.WebhookClientConfig{URL: &server.URL, CABundle: authority},
			Rules:                   []registrationv1.RuleWithOperations{rule("", "secrets"), rule(v1alpha1.GroupVersion.Group, "childaccounts", "childaccounts/status", "parentaccounts/status")},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.NS}},
			SideEffects:             ptr.To(registrationv1.SideEffectClassNone),
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	Expect(K8s.Create(ctx, config)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(K8s.Delete(ctx, config)).To(Succeed()) })
	Eventually(func(g Gomega) int { // until the Kubernetes API knows the webhook
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "webhook-probe"}}
		g.Expect(K8s.Create(ctx, probe, client.DryRunAll)).To(Succeed())
		hook.mu.Lock()
		defer hook.mu.Unlock()
		return hook.asked
	}).Should(BeNumerically(">", 0))
	return hook
}

// Refuse has the webhook refuse the operator's writes for which refuse has a status, from now on; nil allows a write. A status without
// code is answered with HTTP 400 by the Kubernetes API.
func (h *Webhook) Refuse(refuse func(*admissionv1.AdmissionRequest) *metav1.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = refuse
}

// Refused is how many writes were refused so far.
func (h *Webhook) Refused() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// ServeHTTP answers an AdmissionReview.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "no AdmissionReview", http.StatusBadRequest)
		return
	}
	review.Response = h.judge(review.Request)
	review.Response.UID = review.Request.UID
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func (h *Webhook) judge(request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.refuse == nil || request.UserInfo.Username != OperatorUser {
		return &admissionv1.AdmissionResponse{Allowed: true}
	}
	status := h.refuse(request)
	if status == nil {
		return &admissionv1.AdmissionResponse{Allowed: true}
	}
	h.refused++
	return &admissionv1.AdmissionResponse{Result: status}
}
