package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("An address that the provider prefers", func() {
	It("is followed where the spec says so alone, and an event says why it is not", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.Update(func(s *simulator.Settings) { s.APIAddress = "api.evil.example" })
		parent := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, parent)).Should(testenv.BeAvailable())
		Expect(testenv.EventsOf(ctx, parent)(Default)).NotTo(ContainElement(HavePrefix("APIAddressIgnored")))

		testenv.Edit(ctx, parent, func(p *v1alpha1.ParentAccount) { p.Spec.FollowAPIAddress = ptr.To(true) })
		Eventually(testenv.EventsOf(ctx, parent)).Should(ContainElement(HavePrefix("APIAddressIgnored: calls go to the endpoint, and not to the address that the provider prefers: the endpoint is an IP address")))
		Eventually(testenv.StateOf(ctx, parent)).Should(testenv.BeAvailable())
	})
})
