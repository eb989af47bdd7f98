package testenv

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// BeNotFound is an error of the Kubernetes API that says so.
func BeNotFound() types.GomegaMatcher {
	return Satisfy(apierrors.IsNotFound)
}

// conditioned is a ParentAccount or ChildAccount.
type conditioned interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// State is the state of a resource in one line: generation observed or not, kstatus, and the conditions.
type State struct {
	// Observed says whether the status is of the present generation.
	Observed bool
	KStatus  status.Status
	// Ready and Second, which is Synced or APIAvailable, are as "True/Available".
	Ready, Second string
	// Flags are the names of Reconciling and Stalled, where they are there.
	Flags string
	// Message is Second's.
	Message string
	// JSON is all of it, and the status, to be read where a matcher fails.
	JSON string
}

func (s State) String() string { return s.JSON }

// StateOf reads a resource and sums it up.
func StateOf[T conditioned](ctx context.Context, o T) func(Gomega) State {
	return func(g Gomega) State {
		g.Expect(K8s.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		return Summarize(g, o)
	}
}

// Summarize sums a resource up as it was read.
func Summarize(g Gomega, o conditioned) State {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	g.Expect(err).NotTo(HaveOccurred())
	result, err := status.Compute(&unstructured.Unstructured{Object: object})
	g.Expect(err).NotTo(HaveOccurred())
	observed, _, _ := unstructured.NestedInt64(object, "status", "observedGeneration")
	s := State{Observed: observed == o.GetGeneration(), KStatus: result.Status}
	for _, c := range *o.GetConditions() {
		text := string(c.Status) + "/" + c.Reason
		switch c.Type {
		case v1alpha1.ConditionReady:
			s.Ready = text
		case v1alpha1.ConditionSynced, v1alpha1.ConditionAPIAvailable:
			s.Second, s.Message = text, c.Message
		case v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
			s.Flags += c.Type
		}
	}
	b, _ := json.MarshalIndent(object["status"], "", " ")
	s.JSON = fmt.Sprintf("ready=%s second=%s flags=%s kstatus=%s observed=%v\n%s", s.Ready, s.Second, s.Flags, s.KStatus, s.Observed, b)
	return s
}

// BeAvailable is a ChildAccount or ParentAccount that matches the spec.
func BeAvailable() types.GomegaMatcher { return BeReadyAs(v1alpha1.ReasonAvailable) }

// BeReadyAs is Ready and settled for this reason, and current for kstatus.
func BeReadyAs(reason string) types.GomegaMatcher {
	return Satisfy(func(s State) bool {
		return s.Observed && s.Ready == "True/"+reason && s.Second == "True/"+reason && s.Flags == "" && s.KStatus == status.CurrentStatus
	})
}

// BeStalledAs waits for somebody to change something, for this reason; kstatus calls it failed.
func BeStalledAs(reason string) types.GomegaMatcher {
	return Satisfy(func(s State) bool {
		return s.Observed && s.Ready == "False/"+reason && s.Flags == v1alpha1.ConditionStalled && s.KStatus == status.FailedStatus
	})
}

// BeTryingAs continues by itself, for this reason, with Ready as given ("True/Available" as before, say).
func BeTryingAs(reason, ready string) types.GomegaMatcher {
	return Satisfy(func(s State) bool {
		return s.Observed && s.Ready == ready && s.Second == "False/"+reason && s.Flags == v1alpha1.ConditionReconciling && s.KStatus == status.InProgressStatus
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

// KeyOf is an object's namespace and name.
func KeyOf(o client.Object) client.ObjectKey { return client.ObjectKeyFromObject(o) }

// HaveSecond looks at Synced or APIAvailable, as "Unknown/Suspended".
func HaveSecond(second string) types.GomegaMatcher {
	return Satisfy(func(s State) bool { return s.Second == second && s.Observed })
}

// BeStalledWithSynced is in sync with the provider and not Ready all the same, for this reason.
func BeStalledWithSynced(reason string) types.GomegaMatcher {
	return Satisfy(func(s State) bool {
		return s.Observed && s.Ready == "False/"+reason && s.Second == "True/"+reason && s.Flags == v1alpha1.ConditionStalled && s.KStatus == status.FailedStatus
	})
}
