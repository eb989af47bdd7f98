package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const zapDebug = zapcore.DebugLevel

// syncBuffer is a buffer that may be written to from everywhere.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// conditioned is a ParentAccount or ChildAccount.
type conditioned interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// summary is the state of a resource in one line: generation observed or not, kstatus, and the conditions.
type summary struct {
	observed bool
	kstatus  status.Status
	ready    string
	second   string
	flags    string
	message  string
	json     string
}

func (s summary) String() string { return s.json }

// state reads a resource and sums it up.
func state[T conditioned](ctx context.Context, o T) func(Gomega) summary {
	return func(g Gomega) summary {
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		return summarize(g, o)
	}
}

func summarize(g Gomega, o conditioned) summary {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	g.Expect(err).NotTo(HaveOccurred())
	result, err := status.Compute(&unstructured.Unstructured{Object: object})
	g.Expect(err).NotTo(HaveOccurred())
	observed, _, _ := unstructured.NestedInt64(object, "status", "observedGeneration")
	s := summary{observed: observed == o.GetGeneration(), kstatus: result.Status}
	for _, c := range *o.GetConditions() {
		text := string(c.Status) + "/" + c.Reason
		switch c.Type {
		case v1alpha1.ConditionReady:
			s.ready = text
		case v1alpha1.ConditionSynced, v1alpha1.ConditionAPIAvailable:
			s.second, s.message = text, c.Message
		case v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
			s.flags += c.Type
		}
	}
	b, _ := json.MarshalIndent(object["status"], "", " ")
	s.json = fmt.Sprintf("ready=%s second=%s flags=%s kstatus=%s observed=%v\n%s", s.ready, s.second, s.flags, s.kstatus, s.observed, b)
	return s
}

// BeAvailable is a ChildAccount or ParentAccount that is as declared.
func BeAvailable() types.GomegaMatcher { return BeReadyAs(v1alpha1.ReasonAvailable) }

// BeReadyAs is Ready and settled for this reason, and current for kstatus.
func BeReadyAs(reason string) types.GomegaMatcher {
	return Satisfy(func(s summary) bool {
		return s.observed && s.ready == "True/"+reason && s.second == "True/"+reason && s.flags == "" && s.kstatus == status.CurrentStatus
	})
}

// BeStalledAs waits for somebody to change something, for this reason; kstatus calls it failed.
func BeStalledAs(reason string) types.GomegaMatcher {
	return Satisfy(func(s summary) bool {
		return s.observed && s.ready == "False/"+reason && s.flags == v1alpha1.ConditionStalled && s.kstatus == status.FailedStatus
	})
}

// BeTryingAs goes on by itself, for this reason, with Ready as given ("True/Available" as before, say).
func BeTryingAs(reason, ready string) types.GomegaMatcher {
	return Satisfy(func(s summary) bool {
		return s.observed && s.ready == ready && s.second == "False/"+reason && s.flags == v1alpha1.ConditionReconciling && s.kstatus == status.InProgressStatus
	})
}

// expectInvariants holds for every resource at every time.
func expectInvariants(c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	conditions := c.Status.Conditions
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	stalled, reconciling := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled), meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling)
	Expect(stalled != nil && reconciling != nil).To(BeFalse(), "Stalled and Reconciling at once")
	for _, c := range []*metav1.Condition{stalled, reconciling} {
		Expect(c == nil || c.Status == metav1.ConditionTrue).To(BeTrue(), "abnormal-true conditions are absent otherwise")
	}
	if ready != nil {
		waits := stalled != nil && (stalled.Reason == v1alpha1.ReasonAwaitingApproval || stalled.Reason == v1alpha1.ReasonDeleting)
		Expect(ready.Status == metav1.ConditionTrue && stalled != nil && !waits).To(BeFalse(), "Ready and Stalled at once")
		Expect(c.Status.ObservedGeneration).To(BeNumerically(">=", 1))
	}
	if ready != nil && ready.Status == metav1.ConditionTrue {
		Expect(c.Status.AccountID).NotTo(BeEmpty())
		Expect(c.Status.ParentAccountID).NotTo(BeEmpty())
		hasNoOrigin := c.Status.Origin == ""
		Expect(hasNoOrigin).To(Equal(ready.Reason == v1alpha1.ReasonObserved), "only what is observed has no origin")
	}
}

func clientKey(o client.Object) client.ObjectKey { return client.ObjectKeyFromObject(o) }

// simulatorChild is a child account that somebody else made.
func simulatorChild(w *world, name, email string) simulator.Account {
	return simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": name, "account_email": email, "active": true}}
}

// HaveSecond looks at Synced or APIAvailable, as "Unknown/Suspended".
func HaveSecond(second string) types.GomegaMatcher {
	return Satisfy(func(s summary) bool { return s.second == second && s.observed })
}

// ahead is a clock that is ahead of another one.
type ahead struct {
	clock.Clock
	by time.Duration
}

// Now is so much after what the other clock says.
func (c ahead) Now() time.Time { return c.Clock.Now().Add(c.by) }

// BeStalledWithSynced is as declared at the provider and not Ready all the same, for this reason.
func BeStalledWithSynced(reason string) types.GomegaMatcher {
	return Satisfy(func(s summary) bool {
		return s.observed && s.ready == "False/"+reason && s.second == "True/"+reason && s.flags == v1alpha1.ConditionStalled && s.kstatus == status.FailedStatus
	})
}
