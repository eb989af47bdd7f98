package secrets_test

import (
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/internal/testenv"
)

// logLines are the lines that a process has logged.
func logLines(output *testenv.SyncBuffer) (lines []map[string]any) {
	for text := range strings.Lines(output.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

var _ = Describe("The log of the operator's process", func() {
	It("begins with what the operator is and does, and tells nothing of its parts", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		output := &testenv.SyncBuffer{}
		startManager(kubeconfigFile(), output, "--zap-log-level=info", "--allowed-endpoints="+testenv.ProviderServer.URL, "--start-policy=Observe")
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		var kubeSystem corev1.Namespace
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}}), &kubeSystem)).To(Succeed())
		Expect(logLines(output)).To(ContainElements(
			And(HaveKeyWithValue("msg", "operator starts"), HaveKeyWithValue("version", "dev"), HaveKeyWithValue("startPolicy", "Observe"),
				HaveKeyWithValue("allowedEndpoints", ConsistOf(testenv.ProviderServer.URL))),
			And(HaveKeyWithValue("msg", "the installation's id is known"), HaveKeyWithValue("installationID", string(kubeSystem.UID)), HaveKeyWithValue("given", false)),
		))
		Expect(output.String()).NotTo(Or(ContainSubstring("worker count"), ContainSubstring("EventSource"), ContainSubstring("Starting Controller")))
	})

	It("has no error where a namespace is deleted, whose events are refused", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		output := &testenv.SyncBuffer{}
		startManager(kubeconfigFile(), output, "--allowed-endpoints="+testenv.ProviderServer.URL)
		c := w.ApplyReady(ctx, "acme-going")
		// Nothing takes what is in the namespace: the suite has no namespace controller.
		Expect(testenv.K8s.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.NS}})).To(Succeed())
		Expect(w.Sim.SetField(w.Account(c.Name).ID, "account_email", "drift@else.example")).To(Succeed())
		Eventually(func() any { return w.Account(c.Name).Fields["account_email"] }).Should(Equal(c.Spec.Email))
		Eventually(logLines).WithArguments(output).Should(ContainElement(
			And(HaveKeyWithValue("level", "debug"), HaveKeyWithValue("cause", ContainSubstring("is being terminated")))), "the event was refused")
		Expect(logLines(output)).NotTo(ContainElement(HaveKeyWithValue("level", "error")))
		Expect(output.String()).NotTo(ContainSubstring("stacktrace"))
	})
})
