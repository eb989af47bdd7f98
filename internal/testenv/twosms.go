package testenv

import (
	"context"
	"maps"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// TwoSMSWorld is a World with a master account at 2sms.
type TwoSMSWorld struct {
	*World

	Master simulator.Master
}

// NewTwoSMSWorld makes the namespace and the simulator; nothing runs yet.
func NewTwoSMSWorld(ctx context.Context) *TwoSMSWorld {
	w := &TwoSMSWorld{World: NewWorld(ctx)}
	w.Master = w.SMS().AddMaster(simulator.Master{CompanyName: "Acme Ltd", Email: "owner@acme.example"})
	return w
}

// StartTwoSMSWorld is one with a ready parent and a running operator.
func StartTwoSMSWorld(ctx context.Context, change ...func(*v1alpha1.ParentAccount)) *TwoSMSWorld {
	w := NewTwoSMSWorld(ctx)
	w.ApplyMaster(ctx, change...)
	w.Start(ctx)
	return w
}

// SMS is the simulated API.
func (w *TwoSMSWorld) SMS() *simulator.TwoSMS { return w.Sim.TwoSMS }

// ApplyMaster creates the credentials and the ParentAccount of the master account, which is read each second.
func (w *TwoSMSWorld) ApplyMaster(ctx context.Context, change ...func(*v1alpha1.ParentAccount)) *v1alpha1.ParentAccount {
	GinkgoHelper()
	Expect(K8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "twosms", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{v1alpha1.ClientIDKey: []byte(w.Master.ClientID), v1alpha1.ClientSecretKey: []byte(w.Master.ClientSecret)},
	})).To(Succeed())
	p := &v1alpha1.ParentAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-sms"},
		Spec: v1alpha1.ParentAccountSpec{
			TwoSMS:         &v1alpha1.TwoSMSParent{BaseURL: ProviderServer.URL + simulator.TwoSMSPath, AccountID: w.Master.ID, ClientSecretRef: v1alpha1.SecretReference{Name: "twosms"}},
			ResyncInterval: &metav1.Duration{Duration: time.Second},
			Limits:         &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](500), MaxInFlight: ptr.To[int32](10)},
		},
	}
	for _, f := range change {
		f(p)
	}
	Expect(K8s.Create(ctx, p)).To(Succeed())
	return p
}

// Sub is a SubAccount that is not created yet.
func (w *TwoSMSWorld) Sub(name string, change ...func(*v1alpha1.SubAccount)) *v1alpha1.SubAccount {
	c := &v1alpha1.SubAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name},
		Spec: v1alpha1.SubAccountSpec{
			ParentRef: v1alpha1.ParentReference{Name: "acme-sms"}, Username: name, Email: name + "@acme.example",
			FirstName: "Ada", LastName: "Lovelace", CompanyName: "Acme Ltd", MobilePhone: "+44 1234 567890",
		},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// ApplySub creates a Sub.
func (w *TwoSMSWorld) ApplySub(ctx context.Context, name string, change ...func(*v1alpha1.SubAccount)) *v1alpha1.SubAccount {
	GinkgoHelper()
	c := w.Sub(name, change...)
	Expect(K8s.Create(ctx, c)).To(Succeed())
	return c
}

// PutSub is the account of a Sub as somebody else has made it, with another username and a password of its own.
func (w *TwoSMSWorld) PutSub(name string, values map[string]string) simulator.SubAccount {
	all := simulator.Params{
		"Email": name + "@acme.example", "Username": "theirs-" + name, "Firstname": "Ada", "Lastname": "Lovelace", "CompanyName": "Acme Ltd",
		"MobilePhone": "+44 1234 567890", "Password": "Their-Own-1",
	}
	maps.Copy(all, values)
	return w.SMS().PutAccount(simulator.SubAccount{MasterID: w.Master.ID, Values: all})
}

// Subs are the sub-accounts at the provider.
func (w *TwoSMSWorld) Subs() []simulator.SubAccount { return w.SMS().Accounts(w.Master.ID) }

// SecretOf is the data of a connection Secret.
func SecretOf(ctx context.Context, namespace, name string) map[string]string {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(K8s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)).To(Succeed())
	out := map[string]string{}
	for k, v := range secret.Data {
		out[k] = string(v)
	}
	return out
}
