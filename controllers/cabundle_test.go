package controllers_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
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

func secure(w *testenv.World, a *authority) *secured {
	s := &secured{Server: httptest.NewUnstartedServer(w.Sim.Handler())}
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

var _ = Describe("A private certificate authority", func() {
	const untrusted = "of an authority that is not trusted"

	It("is trusted for the parent that has it in its caBundle", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := newAuthority()
		server := secure(w, a)
		p := w.ApplyParent(ctx, server.trusting(a.pem))
		w.Start(ctx, server.URL)
		c := w.ApplyReady(ctx, "acme-secure")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("endpoint", server.URL))
	})

	It("is trusted with the byte order marks of the files that the bundle was put together from", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := newAuthority()
		server := secure(w, a)
		p := w.ApplyParent(ctx, server.trusting(fmt.Appendf(nil, "\ufeff%s\ufeff%s", newAuthority().pem, a.pem)))
		w.Start(ctx, server.URL)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
	})

	It("is not trusted without, which the message tells how to change", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := newAuthority()
		server := secure(w, a)
		p := w.ApplyParent(ctx, server.trusting(nil))
		c := w.Apply(ctx, "acme-secure")
		w.Start(ctx, server.URL)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(And(ContainSubstring(untrusted), ContainSubstring("caBundle")))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Expect(w.Sim.Calls()).To(BeEmpty())

		testenv.Edit(ctx, p, server.trusting(a.pem))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("is nobody else's: another bundle stops everything at once", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := newAuthority()
		server := secure(w, a)
		p := w.ApplyParent(ctx, server.trusting(a.pem))
		w.Start(ctx, server.URL)
		c := w.ApplyReady(ctx, "acme-secure")
		testenv.Edit(ctx, p, server.trusting(newAuthority().pem))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(ContainSubstring(untrusted))
		calls := len(w.Sim.Calls())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Expect(w.Sim.Calls()).To(HaveLen(calls))

		testenv.Edit(ctx, p, server.trusting(a.pem))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-secure").Fields).To(HaveKeyWithValue("account_email", "new@acme.example"))
	})

	It("is replaced by way of a bundle with both, and nothing is lost or written", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		before, after := newAuthority(), newAuthority()
		server := secure(w, before)
		p := w.ApplyParent(ctx, server.trusting(before.pem))
		w.Start(ctx, server.URL)
		c := w.ApplyReady(ctx, "acme-secure")
		was := testenv.ResourceVersion(ctx, c)

		By("trusting both")
		testenv.Edit(ctx, p, server.trusting(bytes.Join([][]byte{before.pem, after.pem}, nil)))
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())

		By("changing the server's certificate")
		server.present.Store(after)
		server.CloseClientConnections()
		w.AwaitLists(2)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())

		By("trusting the new one alone")
		testenv.Edit(ctx, p, server.trusting(after.pem))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(c.ResourceVersion).To(Equal(was))
		Expect(w.Count("AddAccount") + w.Count("SetChildAccountInfo")).To(Equal(1))

		By("which no longer takes the former one")
		server.present.Store(before)
		server.CloseClientConnections()
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
	})

	It("makes no difference at a plain http endpoint", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.CABundle = newAuthority().pem })
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
	})

	DescribeTable("CABundleInvalid: no call is made, and nothing of it is repeated",
		func(ctx SpecContext, spoil func([]byte) string, says string) {
			w := testenv.NewWorld(ctx)
			a := newAuthority()
			server := secure(w, a)
			p := w.ApplyParent(ctx, server.trusting([]byte(spoil(a.pem))))
			c := w.Apply(ctx, "acme-secure")
			w.Start(ctx, server.URL)
			testenv.ExpectStopped(ctx, p, c, v1alpha1.ReasonCABundleInvalid)
			Expect(testenv.StateOf(ctx, p)(Default).Message).To(And(HavePrefix("spec.voximplant.caBundle has "), ContainSubstring(says)))
			Expect(w.Sim.Calls()).To(BeEmpty())
			Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(HavePrefix("CABundleInvalid: ")))
			places := testenv.Logs.String() + testenv.StateOf(ctx, p)(Default).String() + testenv.StateOf(ctx, c)(Default).String()
			for _, e := range append(testenv.EventsOf(ctx, p)(Default), testenv.EventsOf(ctx, c)(Default)...) {
				places += e
			}
			Expect(places).NotTo(ContainSubstring("hunter2"))

			By("and goes on with a good one")
			testenv.Edit(ctx, p, server.trusting(a.pem))
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		},
		Entry("garbage", func([]byte) string { return "hunter2" }, "no certificate in it"),
		Entry("a private key beside it", func(pem []byte) string {
			return string(pem) + "-----BEGIN PRIVATE KEY-----\nhunter2hunter2==\n-----END PRIVATE KEY-----\n"
		}, "leave certificates only"),
		Entry("UTF-16", func(pem []byte) string { return string(testenv.InUTF16("\ufeff" + string(pem))) }, "its text in UTF-16: save the file as UTF-8"),
		Entry("junk behind it", func(pem []byte) string { return string(pem) + "hunter2" }, "after its last certificate"),
	)

	It("CABundleInvalid: one that is spoilt later stops what went on before", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := newAuthority()
		server := secure(w, a)
		p := w.ApplyParent(ctx, server.trusting(a.pem))
		w.Start(ctx, server.URL)
		c := w.ApplyReady(ctx, "acme-secure")
		testenv.Edit(ctx, p, server.trusting([]byte("hunter2")))
		testenv.ExpectStopped(ctx, p, c, v1alpha1.ReasonCABundleInvalid)
		calls := len(w.Sim.Calls())
		Consistently(func() int { return len(w.Sim.Calls()) }, "2s").Should(Equal(calls))
	})
})
