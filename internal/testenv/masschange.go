package testenv

import (
	"context"
	"fmt"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// AwaitingApproval is Ready as before, and Stalled: kstatus calls it failed.
func AwaitingApproval() types.GomegaMatcher {
	return Satisfy(func(s State) bool {
		return s.Observed && s.Ready == "True/Available" && s.Second == "False/AwaitingApproval" && s.Flags == v1alpha1.ConditionStalled && s.KStatus == "Failed"
	})
}

// Approval finds the hash in the message of what waits for an approval.
var Approval = regexp.MustCompile(`approve-mass-change=([0-9a-f]{32})$`)

// ApprovalHash is the hash that the resource's message names.
func ApprovalHash(ctx context.Context, c *v1alpha1.ChildAccount) string {
	GinkgoHelper()
	found := Approval.FindStringSubmatch(StateOf(ctx, c)(Default).Message)
	Expect(found).To(HaveLen(2))
	return found[1]
}

// ApplyFleet is n children that are Available under limits that let five of them change.
func ApplyFleet(ctx context.Context, w *World, n int, change ...func(*v1alpha1.ChildAccount)) []*v1alpha1.ChildAccount {
	GinkgoHelper()
	var all []*v1alpha1.ChildAccount
	for i := range n {
		all = append(all, w.Apply(ctx, fmt.Sprintf("acme-fleet%02d", i), change...))
	}
	for _, c := range all {
		Eventually(StateOf(ctx, c)).Should(BeAvailable())
	}
	return all
}

// SplitByApproval are those that went through and those that wait.
func SplitByApproval(ctx context.Context, all []*v1alpha1.ChildAccount) (through, waiting []*v1alpha1.ChildAccount) {
	for _, c := range all {
		if awaiting, _ := AwaitingApproval().Match(StateOf(ctx, c)(Default)); awaiting {
			waiting = append(waiting, c)
		} else if done, _ := BeAvailable().Match(StateOf(ctx, c)(Default)); done {
			through = append(through, c)
		}
	}
	return through, waiting
}

// AwaitHeld waits until n of the resources wait for one approval, and returns them and its hash.
func AwaitHeld(ctx context.Context, all []*v1alpha1.ChildAccount, n int) (waiting []*v1alpha1.ChildAccount, hash string) {
	GinkgoHelper()
	Eventually(func() int { _, waiting = SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(n))
	Eventually(func(g Gomega) {
		hash = ApprovalHash(ctx, waiting[0])
		g.Expect(ApprovalHash(ctx, waiting[n-1])).To(Equal(hash))
	}).Should(Succeed())
	return waiting, hash
}
