package crashtest

import (
	"encoding/json"
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// keyAge is the age at which a service-account key is replaced.
const keyAge = 720 * time.Hour

// keyed declares a service-account key.
func keyed(c *v1alpha1.ChildAccount) {
	c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{ServiceAccountKey: &v1alpha1.ServiceAccountKey{
		Roles: []v1alpha1.KeyRole{"Developer"}, RotateAfter: &metav1.Duration{Duration: keyAge},
	}}
}

// keys has the account have so many service-account keys, of which the connection Secret holds the last.
func keys(n int) func(*want) { return func(w *want) { w.keys = n } }

// withTwoKeys is an account with a service-account key, and the one that it replaced.
func withTwoKeys(w *world) {
	w.createParent()
	w.createChild(name, keyed)
	w.eventually(func(g Gomega) { w.expect(g, name, available.with(keys(1))) })
	w.editChild(name, func(c *v1alpha1.ChildAccount) {
		c.Spec.ConnectionSecret.ServiceAccountKey.Roles = []v1alpha1.KeyRole{"Developer", "Accountant"}
	})
}

// keyRecord is what a connection Secret records of service-account keys.
func keyRecord(secret *corev1.Secret) (record secrets.ServiceKeys) {
	_ = json.Unmarshal([]byte(secret.Annotations[v1alpha1.AnnotationServiceKeys]), &record) // none is an empty one
	return record
}

// ageKeys has the service-account keys be as old as they would be after keyAge: the present one is to be replaced, and the overlap of those
// before it is over.
func ageKeys(w *world) {
	edit(w, name+"-connection", &corev1.Secret{}, func(secret *corev1.Secret) {
		record := keyRecord(secret)
		record.Current.Created = record.Current.Created.Add(-keyAge)
		for i := range record.Retired {
			record.Retired[i].Until = record.Retired[i].Until.Add(-keyAge)
		}
		text, err := json.Marshal(record)
		w.Expect(err).NotTo(HaveOccurred())
		secret.Annotations[v1alpha1.AnnotationServiceKeys] = string(text)
	})
}

// expectKeysReplaced says that the present key is a new one, and that the one before it is still good.
func (w *world) expectKeysReplaced(g Gomega) {
	record, now := keyRecord(w.connection(name+"-connection")), time.Now()
	g.Expect(record.Current).NotTo(BeNil())
	g.Expect(record.Current.Created).To(BeTemporally("~", now, time.Hour))
	for _, key := range record.Retired {
		g.Expect(key.Until).To(BeTemporally(">", now))
	}
}

// expectKeys says that the account has so many service-account keys, that the connection Secret holds the last one, and that its record
// has each other one: whatever is at the provider and not in the record is left over for good.
func (w *world) expectKeys(g Gomega, a simulator.Account, secret *corev1.Secret, n int) {
	all := simulator.ServiceKeys(w.sim, a.ID)
	g.Expect(all).To(HaveLen(n), "service-account keys at the provider")
	held, there := secret.Data[secrets.KeyCredentials]
	g.Expect(there).To(Equal(n > 0), "the Secret holds a service-account key")
	if n == 0 {
		return
	}
	credentials, err := voximplant.ParseCredentials(held)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(credentials.KeyID).To(Equal(all[n-1].ID), "the key in the Secret")
	record := keyRecord(secret)
	g.Expect(record.Current).To(HaveValue(HaveField("ID", credentials.KeyID)))
	g.Expect(record.Pending).To(BeEmpty())
	for _, key := range all[:n-1] {
		g.Expect(record.Retired).To(ContainElement(HaveField("ID", key.ID)), "a key that nothing deletes")
	}
}

// keyUnrecorded says that the connection Secret does not record the attempt to make the key of this name.
func (w *world) keyUnrecorded(key string) string {
	var secret corev1.Secret
	if err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name + "-connection"}, &secret); err != nil {
		return err.Error()
	}
	if keyRecord(&secret).Pending != key {
		return fmt.Sprintf("no attempt is recorded to make service-account key %s", key)
	}
	return ""
}

// keyInUse says that the connection Secret of a resource that declares a key still holds the one with this id.
func (w *world) keyInUse(id string) string {
	var c v1alpha1.ChildAccount
	if err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c); err != nil {
		return err.Error()
	}
	if _, _, declared := c.ServiceAccountKey(); !declared {
		return ""
	}
	var secret corev1.Secret
	if err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name + "-connection"}, &secret); err != nil {
		return err.Error()
	}
	if credentials, err := voximplant.ParseCredentials(secret.Data[secrets.KeyCredentials]); err == nil && credentials.KeyID == id {
		return fmt.Sprintf("the connection Secret still holds service-account key %s", id)
	}
	return ""
}
