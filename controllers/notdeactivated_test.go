package controllers

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
		if !addNotDeactivated(&p.Status, left(i)) || addNotDeactivated(&p.Status, left(i)) {
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
	if acknowledgeNotDeactivated(p); p.Status.NotDeactivated == nil {
		t.Error("acknowledged by a wrong hash")
	}
	metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationAcknowledgeNotDeactivated, n.Hash)
	if acknowledgeNotDeactivated(p); p.Status.NotDeactivated != nil {
		t.Error("not acknowledged")
	}
	acknowledgeNotDeactivated(p)
}
