package engine

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

func TestNotDeactivated(t *testing.T) {
	p := &v1alpha1.ParentAccount{}
	left := func(i int) v1alpha1.NotDeactivatedAccount {
		return v1alpha1.NotDeactivatedAccount{Namespace: "telephony", Name: fmt.Sprint("acme-", i), AccountID: ptr.To(fmt.Sprint(i)), AccountName: fmt.Sprint("acme-", i)}
	}
	hashes := map[string]bool{}
	for i := range v1alpha1.MaxNotDeactivated + 5 {
		if !AddNotDeactivated(&p.Status, left(i)) || AddNotDeactivated(&p.Status, left(i)) {
			t.Fatalf("%d is not added once", i)
		}
		hashes[p.Status.NotDeactivated.Hash] = true
	}
	n := p.Status.NotDeactivated
	if int(n.Total) != v1alpha1.MaxNotDeactivated+5 || len(n.Accounts) != v1alpha1.MaxNotDeactivated || n.Accounts[0].Name != left(5).Name {
		t.Errorf("total %d, %d listed, first %v", n.Total, len(n.Accounts), n.Accounts[0])
	}
	if len(hashes) != int(n.Total) {
		t.Error("two lists have one hash")
	}

	p.Annotations = map[string]string{v1alpha1.AnnotationAcknowledgeNotDeactivated: "of another list"}
	if AcknowledgeNotDeactivated(p); p.Status.NotDeactivated == nil {
		t.Error("acknowledged by a wrong hash")
	}
	metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationAcknowledgeNotDeactivated, n.Hash)
	if AcknowledgeNotDeactivated(p); p.Status.NotDeactivated != nil {
		t.Error("not acknowledged")
	}
	AcknowledgeNotDeactivated(p)
}

// An account is listed once, and no tenant pushes out what others have left.
func TestNoTenantPushesOutOthers(t *testing.T) {
	p := &v1alpha1.ParentAccount{}
	left := func(namespace, name, id string) v1alpha1.NotDeactivatedAccount {
		return v1alpha1.NotDeactivatedAccount{Namespace: namespace, Name: name, AccountID: ptr.To(id), AccountName: name}
	}
	AddNotDeactivated(&p.Status, left("telephony", "first", "1"))
	for i := range 3 * v1alpha1.MaxNotDeactivated {
		AddNotDeactivated(&p.Status, left("tenant", fmt.Sprint("acme-", i), fmt.Sprint(100+i)))
	}
	if n := p.Status.NotDeactivated; n.Accounts[0].Name != "first" || len(n.Accounts) != v1alpha1.MaxNotDeactivated || int(n.Total) != 3*v1alpha1.MaxNotDeactivated+1 {
		t.Errorf("%d, of %d: %+v", len(n.Accounts), n.Total, n.Accounts[0])
	}
	p = &v1alpha1.ParentAccount{}
	for i := range 5 {
		AddNotDeactivated(&p.Status, left("tenant", fmt.Sprint("acme-", i), "7"))
	}
	if n := p.Status.NotDeactivated; n.Total != 1 || len(n.Accounts) != 1 || n.Accounts[0].Name != "acme-4" {
		t.Errorf("%+v", n)
	}
}
