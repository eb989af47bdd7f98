package testenv

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Passwords that nothing but the provider and the Secret with them may ever show.
const (
	FirstPassword  = "Canary-first-1x"
	SecondPassword = "Canary-second-2x"
	WeakPassword   = "canary-weak"
)

// WithPassword declares the password of the Secret.
func WithPassword(secret string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) {
		c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: secret}
	}
}

// PasswordSecret is a labelled Secret that is not created yet.
func PasswordSecret(w *World, name, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"password": []byte(password)},
	}
}

// ApplyPassword creates a PasswordSecret.
func ApplyPassword(ctx context.Context, w *World, name, password string) *corev1.Secret {
	GinkgoHelper()
	secret := PasswordSecret(w, name, password)
	Expect(K8s.Create(ctx, secret)).To(Succeed())
	return secret
}

// ChangePassword changes the password in the Secret as a person would.
func ChangePassword(ctx context.Context, secret *corev1.Secret, password string) {
	GinkgoHelper()
	Edit(ctx, secret, func(s *corev1.Secret) { s.Data["password"] = []byte(password) })
}

// HasPassword says whether the account has the password.
func HasPassword(w *World, name, password string) func() bool {
	return func() bool { return w.Sim.CheckPassword(w.Account(name).ID, password) }
}

// Rotate asks for another password with a token.
func Rotate(ctx context.Context, c *v1alpha1.ChildAccount, token string) {
	GinkgoHelper()
	Edit(ctx, c, Rotating(token))
}

// Rotating is a change that asks for another password with a token.
func Rotating(token string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) {
		if c.Annotations == nil {
			c.Annotations = map[string]string{}
		}
		c.Annotations[v1alpha1.AnnotationRotatePassword] = token
	}
}

// Rotated is the password in the connection Secret once it is another one than before and the account's, with nothing left under way.
func Rotated(ctx context.Context, w *World, c *v1alpha1.ChildAccount, before string) string {
	GinkgoHelper()
	var now string
	Eventually(func(g Gomega) {
		data := ConnectionOf(ctx, c)
		now = data["password"]
		g.Expect(now).NotTo(Or(BeEmpty(), Equal(before)))
		g.Expect(data).NotTo(HaveKey("passwordNext"))
		g.Expect(HasPassword(w, c.AccountName(), now)()).To(BeTrue())
	}).Should(Succeed())
	Eventually(StateOf(ctx, c)).Should(BeAvailable())
	return now
}
