package controllers_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("An operator whose Roles are of before there were SubAccounts", func() {
	It("serves ChildAccounts, and SubAccounts once it may read them", func(ctx SpecContext) {
		w := testenv.NewTwoSMSWorld(ctx)
		w.ApplyParent(ctx)
		p := w.ApplyMaster(ctx)
		w.Options.Namespaces, w.Options.InstallationID = []string{w.NS}, "older-roles"
		var allowed atomic.Bool
		w.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return testenv.RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
				if allowed.Load() || !strings.Contains(r.URL.Path, "/subaccounts") {
					return next.RoundTrip(r)
				}
				const status = `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Forbidden","code":403,"message":"subaccounts is forbidden"}`
				return &http.Response{
					StatusCode: http.StatusForbidden, Request: r, ProtoMajor: 1, ProtoMinor: 1,
					Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(status)),
				}, nil
			})
		})
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-served")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		c := w.ApplySub(ctx, "unread")
		Consistently(func(g Gomega) int64 {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			return c.Status.ObservedGeneration
		}, "1s").Should(BeEquivalentTo(-1))
		Expect(w.Subs()).To(BeEmpty())
		allowed.Store(true)
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
	})
})
