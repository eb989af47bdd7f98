package controllers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// authority is a certificate for the tests' servers, and its authority as PEM.
type authority struct {
	certificate tls.Certificate
	pem         []byte
}

func newAuthority() *authority {
	GinkgoHelper()
	certificate, pem, err := simulator.NewCertificate()
	Expect(err).NotTo(HaveOccurred())
	return &authority{certificate, pem}
}

// secured serves a world's simulator over TLS, with a certificate that can be changed.
type secured struct {
	*httptest.Server
	present atomic.Pointer[authority]
}

func (w *world) secure(a *authority) *secured {
	s := &secured{Server: httptest.NewUnstartedServer(w.sim.Handler())}
	s.present.Store(a)
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return simulator.TLSConfig(s.present.Load().certificate), nil
	}}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	DeferCleanup(s.Close)
	return s
}

// trusting is a ParentAccount at the server that trusts a bundle.
func (s *secured) trusting(bundle []byte) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.Endpoint, p.Spec.Voximplant.CABundle = ptr.To(s.URL), bundle
	}
}

// stopped expects that the parent is stalled, and its child because of it.
func stopped(ctx context.Context, p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, reason string) {
	GinkgoHelper()
	Eventually(state(ctx, p)).Should(BeStalledAs(reason))
	Eventually(func(g Gomega) {
		s := state(ctx, c)(g)
		g.Expect(s).To(BeStalledAs(v1alpha1.ReasonParentNotReady))
		g.Expect(s.message).To(ContainSubstring(reason))
	}).Should(Succeed())
}

// version is the resource's version.
func version(ctx context.Context, o client.Object) string {
	GinkgoHelper()
	Expect(k8s.Get(ctx, clientKey(o), o)).To(Succeed())
	return o.GetResourceVersion()
}

var _ = Describe("A private certificate authority", func() {
	const untrusted = "of an authority that is not trusted"

	It("is trusted for the parent that has it in its caBundle", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := newAuthority()
		server := w.secure(a)
		p := w.applyParent(ctx, server.trusting(a.pem))
		w.start(ctx, server.URL)
		c := w.applyReady(ctx, "acme-secure")
		Eventually(state(ctx, p)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("endpoint", server.URL))
	})

	It("is trusted with the byte order marks of the files that the bundle was put together from", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := newAuthority()
		server := w.secure(a)
		p := w.applyParent(ctx, server.trusting(fmt.Appendf(nil, "\ufeff%s\ufeff%s", newAuthority().pem, a.pem)))
		w.start(ctx, server.URL)
		Eventually(state(ctx, p)).Should(BeAvailable())
	})

	It("is not trusted without, which the message tells how to change", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := newAuthority()
		server := w.secure(a)
		p := w.applyParent(ctx, server.trusting(nil))
		c := w.apply(ctx, "acme-secure")
		w.start(ctx, server.URL)
		Eventually(state(ctx, p)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Expect(state(ctx, p)(Default).message).To(And(ContainSubstring(untrusted), ContainSubstring("caBundle")))
		Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Expect(w.sim.Calls()).To(BeEmpty())

		edit(ctx, p, server.trusting(a.pem))
		Eventually(state(ctx, p)).Should(BeAvailable())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("is nobody else's: another bundle stops everything at once", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := newAuthority()
		server := w.secure(a)
		p := w.applyParent(ctx, server.trusting(a.pem))
		w.start(ctx, server.URL)
		c := w.applyReady(ctx, "acme-secure")
		edit(ctx, p, server.trusting(newAuthority().pem))
		Eventually(state(ctx, p)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(state(ctx, p)(Default).message).To(ContainSubstring(untrusted))
		calls := len(w.sim.Calls())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(w.sim.Calls()).To(HaveLen(calls))

		edit(ctx, p, server.trusting(a.pem))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-secure").Fields).To(HaveKeyWithValue("account_email", "new@acme.example"))
	})

	It("is replaced by way of a bundle with both, and nothing is lost or written", func(ctx SpecContext) {
		w := newWorld(ctx)
		before, after := newAuthority(), newAuthority()
		server := w.secure(before)
		p := w.applyParent(ctx, server.trusting(before.pem))
		w.start(ctx, server.URL)
		c := w.applyReady(ctx, "acme-secure")
		was := version(ctx, c)

		By("trusting both")
		edit(ctx, p, server.trusting(bytes.Join([][]byte{before.pem, after.pem}, nil)))
		Eventually(eventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
		Eventually(state(ctx, p)).Should(BeAvailable())

		By("changing the server's certificate")
		server.present.Store(after)
		server.CloseClientConnections()
		w.awaitLists(2)
		Eventually(state(ctx, p)).Should(BeAvailable())

		By("trusting the new one alone")
		edit(ctx, p, server.trusting(after.pem))
		Eventually(state(ctx, p)).Should(BeAvailable())
		w.awaitLists(2)
		Expect(state(ctx, c)(Default)).To(BeAvailable())
		Expect(c.ResourceVersion).To(Equal(was))
		Expect(w.count("AddAccount") + w.count("SetChildAccountInfo")).To(Equal(1))

		By("which no longer takes the former one")
		server.present.Store(before)
		server.CloseClientConnections()
		Eventually(state(ctx, p)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
	})

	It("makes no difference at a plain http endpoint", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.CABundle = newAuthority().pem })
		w.start(ctx)
		Eventually(state(ctx, p)).Should(BeAvailable())
	})

	DescribeTable("CABundleInvalid: no call is made, and nothing of it is repeated",
		func(ctx SpecContext, spoil func([]byte) string, says string) {
			w := newWorld(ctx)
			a := newAuthority()
			server := w.secure(a)
			p := w.applyParent(ctx, server.trusting([]byte(spoil(a.pem))))
			c := w.apply(ctx, "acme-secure")
			w.start(ctx, server.URL)
			stopped(ctx, p, c, v1alpha1.ReasonCABundleInvalid)
			Expect(state(ctx, p)(Default).message).To(And(HavePrefix("spec.voximplant.caBundle has "), ContainSubstring(says)))
			Expect(w.sim.Calls()).To(BeEmpty())
			Eventually(eventsOf(ctx, p)).Should(ContainElement(HavePrefix("CABundleInvalid: ")))
			places := logs.String() + state(ctx, p)(Default).String() + state(ctx, c)(Default).String()
			for _, e := range append(eventsOf(ctx, p)(Default), eventsOf(ctx, c)(Default)...) {
				places += e
			}
			Expect(places).NotTo(ContainSubstring("hunter2"))

			By("and goes on with a good one")
			edit(ctx, p, server.trusting(a.pem))
			Eventually(state(ctx, p)).Should(BeAvailable())
			Eventually(state(ctx, c)).Should(BeAvailable())
		},
		Entry("garbage", func([]byte) string { return "hunter2" }, "no certificate in it"),
		Entry("a private key beside it", func(pem []byte) string {
			return string(pem) + "-----BEGIN PRIVATE KEY-----\nhunter2hunter2==\n-----END PRIVATE KEY-----\n"
		}, "leave certificates only"),
		Entry("UTF-16", func(pem []byte) string { return string(inUTF16("\ufeff" + string(pem))) }, "its text in UTF-16: save the file as UTF-8"),
		Entry("junk behind it", func(pem []byte) string { return string(pem) + "hunter2" }, "behind its last certificate"),
	)

	It("CABundleInvalid: one that is spoilt later stops what went on before", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := newAuthority()
		server := w.secure(a)
		p := w.applyParent(ctx, server.trusting(a.pem))
		w.start(ctx, server.URL)
		c := w.applyReady(ctx, "acme-secure")
		edit(ctx, p, server.trusting([]byte("hunter2")))
		stopped(ctx, p, c, v1alpha1.ReasonCABundleInvalid)
		calls := len(w.sim.Calls())
		Consistently(func() int { return len(w.sim.Calls()) }, "2s").Should(Equal(calls))
	})
})
