package controllers_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// serveTLS serves the world's simulator over TLS, and so over HTTP/2, and has the operator find out within some two seconds
// that a connection is half-dead. parent is a change that leads a ParentAccount there.
func (w *world) serveTLS() (server *simulator.Server, parent func(*v1alpha1.ParentAccount)) {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	server, err := w.sim.Serve(ctx, simulator.ServeOptions{TLS: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		stop()
		Expect(server.Wait()).To(Succeed())
	})
	w.options.HTTP2 = &http.HTTP2Config{SendPingTimeout: 100 * time.Millisecond, PingTimeout: 2 * time.Second}
	return server, func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.Endpoint, p.Spec.Voximplant.CABundle = ptr.To(server.URL), server.CA
	}
}

var _ = Describe("A half-dead connection to the provider", func() {
	DescribeTable("is given up: what is wanted goes on over a new one",
		func(ctx SpecContext, resync *metav1.Duration) {
			w := newWorld(ctx)
			server, secure := w.serveTLS()
			p := w.applyParent(ctx, secure, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = resync })
			w.start(ctx, server.URL)
			c := w.applyReady(ctx, "acme-first")
			Expect(server.Freeze()).To(Equal(1), "HTTP/2 has one connection")

			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			w.applyReady(ctx, "acme-second")
			Eventually(state(ctx, c)).Should(BeAvailable())
			Eventually(state(ctx, p)).Should(BeAvailable())
			Expect(w.account("acme-first").Email()).To(Equal("new@acme.example"))
			Expect(lookedBefore(w.sim.Calls())).To(BeTrue(), "an AddAccount after an unknown outcome without a read in between")
		},
		Entry("with a resync each second", &metav1.Duration{Duration: time.Second}),
		Entry("with the default resync", nil),
	)

	It("that swallows the answer of a creation leaves one account, and its API key is found", func(ctx SpecContext) {
		w := newWorld(ctx)
		server, secure := w.serveTLS()
		w.applyParent(ctx, secure)
		w.start(ctx, server.URL)
		Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: time.Hour, Times: 1})
		c := w.apply(ctx, "acme-swallowed")
		Eventually(func() bool { _, made := w.sim.Account("acme-swallowed"); return made }).Should(BeTrue())
		Expect(server.Freeze()).To(Equal(1), "HTTP/2 has one connection")

		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-swallowed").Fields["api_key"]))
	})
})
