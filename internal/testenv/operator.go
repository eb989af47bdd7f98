package testenv

import (
	"context"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// OperatorNamespace and OperatorAccount are where and who the operator is, as config/default has them.
const (
	OperatorNamespace = "child-account-operator-system"
	OperatorAccount   = "child-account-operator-controller-manager"
)

// OperatorConfig talks to the Kubernetes API as the operator's ServiceAccount.
func OperatorConfig() *rest.Config { return ConfigOf(OperatorUser) }

// ConfigOf talks to the Kubernetes API as a ServiceAccount.
func ConfigOf(user string) *rest.Config {
	c := rest.CopyConfig(Config)
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: ServiceAccountGroups(strings.Split(user, ":")[2])}
	c.Wrap(used.recording)
	return c
}

// LeaseOf is the lease of the operators in a namespace.
func LeaseOf(namespace string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "child-account-operator.cpaas.dev"}}
}

// FreeLease takes the lease from whoever has it, as an operator of another spec may that could not give it back.
func FreeLease(ctx context.Context, namespace string) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(K8s.Delete(ctx, LeaseOf(namespace)))).To(Succeed())
}

// HoldLease has another replica hold the lease for an hour, until the spec is over.
func HoldLease(ctx context.Context, namespace string) *coordinationv1.Lease {
	GinkgoHelper()
	now := metav1.NewMicroTime(time.Now())
	lease := LeaseOf(namespace)
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To("another replica"), LeaseDurationSeconds: ptr.To[int32](3600), AcquireTime: &now, RenewTime: &now,
	}
	FreeLease(ctx, namespace)
	Expect(K8s.Create(ctx, lease)).To(Succeed())
	DeferCleanup(FreeLease, namespace)
	return lease
}

// OperatorUser is the user of the operator's ServiceAccount.
const OperatorUser = "system:serviceaccount:" + OperatorNamespace + ":" + OperatorAccount

// ServiceAccountGroups are the groups of a ServiceAccount of the namespace.
func ServiceAccountGroups(namespace string) []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}
}

// IsAllowed asks the Kubernetes API whether a ServiceAccount may do something.
func IsAllowed(ctx context.Context, user string, what authorizationv1.SubjectAccessReviewSpec) bool {
	what.User = user
	what.Groups = ServiceAccountGroups(strings.Split(user, ":")[2])
	review := &authorizationv1.SubjectAccessReview{Spec: what}
	Expect(K8s.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

// QualifiedResource is a resource as the table has it: name.group/subresource. RBAC's rules have the subresource in the name.
func QualifiedResource(group, resource string) string {
	resource, sub, _ := strings.Cut(resource, "/")
	if group != "" {
		resource += "." + group
	}
	if sub != "" {
		resource += "/" + sub
	}
	return resource
}

// RoundTripperFunc is a function as an http.RoundTripper.
type RoundTripperFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
