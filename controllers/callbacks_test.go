package controllers_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// callbackSender sends callbacks to an operator that receives them over TLS.
type callbackSender struct {
	*testenv.World
	dir, url string
	client   *http.Client
}

// newCallbackSender has the operator of a world receive callbacks, with a certificate that the sender trusts.
func newCallbackSender(w *testenv.World) *callbackSender {
	GinkgoHelper()
	address := freeport.Reserve(GinkgoT())
	s := &callbackSender{World: w, dir: GinkgoT().TempDir(), url: fmt.Sprintf("https://%s/callbacks/%s/acme", address, w.NS)}
	w.Options.CallbackAddress = address
	w.Options.CallbackTLSCertFile, w.Options.CallbackTLSKeyFile = filepath.Join(s.dir, "tls.crt"), filepath.Join(s.dir, "tls.key")
	s.renew()
	return s
}

// renew writes another certificate, which is the only one that the sender trusts from now on.
func (s *callbackSender) renew() {
	GinkgoHelper()
	cert, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	Expect(err).NotTo(HaveOccurred())
	for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
		Expect(os.WriteFile(filepath.Join(s.dir, name), content, 0o600)).To(Succeed())
	}
	pool := x509.NewCertPool()
	Expect(pool.AppendCertsFromPEM(cert)).To(BeTrue())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	DeferCleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport}
}

// send sends a callback and returns the HTTP status of the answer.
func (s *callbackSender) send(ctx SpecContext, c simulator.Callback) (int, error) {
	body, err := simulator.CallbackBody(s.Sim, c)
	Expect(err).NotTo(HaveOccurred())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

var _ = Describe("A callback of the provider", func() {
	const parentSalt, childSalt = "s4lt-canary-of-the-parent", "s4lt-canary-of-the-child"

	It("is an event on the resource, and has the account read at once; and one that nobody has signed costs no call", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		sender := newCallbackSender(w)
		for name, data := range map[string]map[string]string{"acme-key": {"api-key": w.Parent.APIKey, "callback-salt": parentSalt}, "acme-salt": {"salt": childSalt + "\n"}} {
			Expect(testenv.K8s.Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}}, StringData: data,
			})).To(Succeed())
		}
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
			p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "acme-key"}
		})
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-told", func(c *v1alpha1.ChildAccount) {
			c.Spec.Callback = &v1alpha1.Callback{SaltSecretRef: &v1alpha1.SecretKeyReference{Name: "acme-salt"}}
		})
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		id := w.Account("acme-told").ID
		w.AwaitSilence()

		calls := len(w.Sim.Calls())
		for _, wrong := range []string{"another salt", parentSalt} {
			Expect(sender.send(ctx, simulator.Callback{AccountID: id, Type: "account_is_frozen", Salt: wrong})).To(Equal(http.StatusForbidden))
		}
		Expect(w.Sim.Calls()).To(HaveLen(calls))

		Expect(w.Sim.Freeze(id)).To(Succeed())
		Expect(sender.send(ctx, simulator.Callback{AccountID: id, Type: "account_is_frozen", Salt: childSalt, CallbackID: 7})).To(Equal(http.StatusOK))
		Eventually(testenv.StateOf(ctx, c)).Should(HaveField("Ready", "False/"+v1alpha1.ReasonFrozen))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix(fmt.Sprintf("CallbackFrozen: the provider reports by a callback that account %d is frozen; ", id))))
		Expect(w.Sim.Calls()).To(HaveLen(calls+1), "one read of the account")
		Expect(sender.send(ctx, simulator.Callback{AccountID: id, Type: "account_is_frozen", Salt: childSalt, CallbackID: 7})).To(Equal(http.StatusConflict))

		By("renewing the certificate")
		sender.renew()
		Expect(w.Sim.Unfreeze(id)).To(Succeed())
		Eventually(sender.send).WithArguments(ctx, simulator.Callback{AccountID: id, Type: "account_is_unfrozen", Salt: childSalt, CallbackID: 8}).
			WithTimeout(testenv.Patience).Should(Equal(http.StatusOK))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())

		By("reporting the parent account")
		lists := w.Count("GetChildrenAccounts")
		Expect(sender.send(ctx, simulator.Callback{AccountID: w.Parent.ID, Type: "min_balance", Salt: parentSalt})).To(Equal(http.StatusOK))
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(HavePrefix("CallbackBalanceLow: ")))
		Eventually(w.Count).WithArguments("GetChildrenAccounts").Should(Equal(lists + 1))

		known := testenv.Canaries{}
		known.Add("salt", parentSalt)
		known.Add("salt", childSalt)
		shown := fmt.Sprint(testenv.EventsOf(ctx, c)(Default), testenv.EventsOf(ctx, p)(Default), testenv.Scrape())
		Expect(shown).To(ContainSubstring(`child_account_operator_callbacks_total{result="WrongHash",type=""}`))
		Expect(known.In(shown)).To(BeEmpty())
	})

	It("is not taken by a replica that stands by, whose sender has to come again", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		sender := newCallbackSender(w)
		testenv.HoldLease(ctx, testenv.OperatorNamespace)
		w.Options.LeaderElect, w.Options.LeaderElectionNamespace = true, testenv.OperatorNamespace
		w.Start(ctx)
		Eventually(sender.send).WithArguments(ctx, simulator.Callback{AccountID: w.Parent.ID, Type: "min_balance", Salt: parentSalt}).
			WithTimeout(testenv.Patience).Should(Equal(http.StatusServiceUnavailable))
	})
})
