package engine_test

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
	"cpaas.dev/child-account-operator/internal/testenv"
)

// serveTLS serves the world's simulator over TLS, and so over HTTP/2, and has the operator find out within some two seconds
// that a connection is half-dead. parent is a change that leads a ParentAccount there.
func serveTLS(w *testenv.World) (server *simulator.Server, parent func(*v1alpha1.ParentAccount)) {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	server, err := w.Sim.Serve(ctx, simulator.ServeOptions{TLS: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		stop()
		Expect(server.Wait()).To(Succeed())
	})
	w.Options.HTTP2 = &http.HTTP2Config{SendPingTimeout: 100 * time.Millisecond, PingTimeout: 2 * time.Second}
	return server, func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.Endpoint, p.Spec.Voximplant.CABundle = ptr.To(server.URL), server.CA
	}
}

var _ = Describe("A half-dead connection to the provider", func() {
	DescribeTable("is given up: what is wanted goes on over a new one",
		func(ctx SpecContext, resync *metav1.Duration) {
			w := testenv.NewWorld(ctx)
			server, secure := serveTLS(w)
			p := w.ApplyParent(ctx, secure, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = resync })
			w.Start(ctx, server.URL)
			c := w.ApplyReady(ctx, "acme-first")
			Expect(server.Freeze()).To(Equal(1), "HTTP/2 has one connection")

			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			w.ApplyReady(ctx, "acme-second")
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
			Expect(w.Account("acme-first").Email()).To(Equal("new@acme.example"))
			Expect(lookedBefore(w.Sim.Calls())).To(BeTrue(), "an AddAccount after an unknown outcome without a read in between")
		},
		Entry("with a resync each second", &metav1.Duration{Duration: time.Second}),
		Entry("with the default resync", nil),
	)

	It("that swallows the answer of a creation leaves one account, and its API key is found", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		server, secure := serveTLS(w)
		w.ApplyParent(ctx, secure)
		w.Start(ctx, server.URL)
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: time.Hour, Times: 1})
		c := w.Apply(ctx, "acme-swallowed")
		Eventually(func() bool { _, made := w.Sim.Account("acme-swallowed"); return made }).Should(BeTrue())
		Expect(server.Freeze()).To(Equal(1), "HTTP/2 has one connection")

		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-swallowed").Fields["api_key"]))
	})
})
