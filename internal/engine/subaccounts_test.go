package engine_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cpaas.dev/child-account-operator/internal/testenv"
)

// What is special to the kind is tried in controllers/subaccount_test.go.
var _ = Describe("Two kinds on one engine", func() {
	It("have their accounts beside each other, under parents at two providers", func(ctx SpecContext) {
		w := testenv.StartTwoSMSWorld(ctx)
		w.ApplyParent(ctx)
		sub := w.ApplySub(ctx, "support")
		child := w.ApplyReady(ctx, "billing")
		Eventually(testenv.StateOf(ctx, sub)).Should(testenv.BeAvailable())
		Expect(w.Subs()).To(HaveLen(1))
		Expect(sub.Status.AccountID).To(Equal(w.Subs()[0].ID))
		Expect(child.Status.AccountID).NotTo(Equal(sub.Status.AccountID))
	})
})
