package engine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// The values that the cases are drawn from: equal ones in several spellings, and different ones.
var (
	someLocations = []string{"Europe/Berlin", "Etc/GMT", "UTC", "Europe/Kyiv", "Europe/Kiev", "Etc/GMT+10", "Asia/Tokyo"}
	someLanguages = []string{"en", "de", "he", "iw", "sr", "sh", "no"}
	someBalances  = []string{"0", "5", "5.0", "5.00", "0.5", "12.3456", "999999999"}
)

// aCase is an account as it is at the provider and as it is declared.
type aCase struct {
	Remote simulator.Fields
	Spec   v1alpha1.ChildAccountSpec
}

func maybe[T any](t *rapid.T, name string, g *rapid.Generator[T]) *T {
	if !rapid.Bool().Draw(t, name+"?") {
		return nil
	}
	v := g.Draw(t, name)
	return &v
}

var cases = rapid.Custom(func(t *rapid.T) aCase {
	b := rapid.Bool()
	c := aCase{Remote: simulator.Fields{
		"active": b.Draw(t, "active"), "language_code": rapid.SampledFrom(someLanguages).Draw(t, "language"),
		"location": rapid.SampledFrom(someLocations).Draw(t, "location"), "account_notifications": b.Draw(t, "a"),
		"tariff_changing_notifications": b.Draw(t, "t"), "news_notifications": b.Draw(t, "n"),
		"min_balance_to_notify": float64(rapid.IntRange(0, 20).Draw(t, "balance")) / 2,
		"account_first_name":    rapid.SampledFrom([]string{"Ada", "Mary"}).Draw(t, "first name"), "send_js_error": b.Draw(t, "j"),
		"support_bank_card": b.Draw(t, "b"), "support_invoice": b.Draw(t, "i"), "support_robokassa": b.Draw(t, "r"),
	}}
	c.Spec.Active = maybe(t, "active", b)
	c.Spec.LanguageCode = maybe(t, "languageCode", rapid.SampledFrom(someLanguages))
	c.Spec.Location = maybe(t, "location", rapid.SampledFrom(someLocations))
	if rapid.Bool().Draw(t, "notifications?") {
		c.Spec.Notifications = &v1alpha1.Notifications{Account: maybe(t, "account", b), TariffChanges: maybe(t, "tariff", b), News: maybe(t, "news", b)}
	}
	if v := maybe(t, "minBalance", rapid.SampledFrom(someBalances)); v != nil {
		balance := intstr.FromString(*v)
		c.Spec.MinBalanceToNotify = &balance
	}
	if rapid.Bool().Draw(t, "payments?") {
		c.Spec.Payments = &v1alpha1.Payments{BankCard: maybe(t, "card", b), Invoice: maybe(t, "invoice", b), Robokassa: maybe(t, "robokassa", b)}
	}
	c.Spec.CanUseRestricted = maybe(t, "canUseRestricted", b)
	if rapid.Bool().Draw(t, "profile?") {
		c.Spec.Profile = &v1alpha1.Profile{
			FirstName: maybe(t, "firstName", rapid.SampledFrom([]string{"Ada", "Grace"})), MobilePhone: maybe(t, "mobilePhone", rapid.SampledFrom([]string{"+4915112345678", "4915112345678"})),
			SendJSErrors: maybe(t, "sendJSErrors", b), StoreInboundSMS: maybe(t, "storeInboundSMS", b),
		}
	}
	if rapid.Bool().Draw(t, "callback?") {
		c.Spec.Callback = &v1alpha1.Callback{URL: maybe(t, "url", rapid.SampledFrom([]string{"https://a.example", "https://b.example"}))}
	}
	return c
})

var _ = Describe("From any state of the account and any valid spec", func() {
	It("at most two writes lead to no difference in a managed field and no change in an unmanaged one", Label("slow"), func(ctx SpecContext) {
		const n = 60
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "property"
		w.ApplyParent(ctx, testenv.AllowMassChange)
		before := map[string]simulator.Fields{}
		children := map[string]*v1alpha1.ChildAccount{}
		for i := range n {
			drawn := cases.Example(int(GinkgoRandomSeed()) + i)
			c := w.Child(fmt.Sprintf("case-%02d", i))
			drawn.Spec.ParentRef, drawn.Spec.Email = c.Spec.ParentRef, c.Spec.Email
			c.Spec = drawn.Spec
			if i%3 != 0 { // the others are created
				a := claimed(w, c.Name, account.Claim{Installation: "property", Namespace: w.NS, Name: c.Name})
				maps.Copy(a.Fields, drawn.Remote)
				before[c.Name] = w.Sim.PutAccount(a).Fields
			}
			Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
			children[c.Name] = c
		}
		w.Start(ctx)
		for _, c := range children {
			// An account that is found off, and not declared to be on or off, waits for a word.
			Eventually(testenv.StateOf(ctx, c)).Should(Or(testenv.BeAvailable(), testenv.BeReadyAs(v1alpha1.ReasonDeactivated),
				Satisfy(func(s testenv.State) bool { return s.Observed && s.Ready == "False/"+v1alpha1.ReasonDeactivatedEarlier })))
		}
		w.AwaitLists(2)
		for name, c := range children {
			expectConverged(w, c, before[name])
			Expect(writesTo(w, w.Account(name).ID)).To(BeNumerically("<=", 2), name)
		}
	})
})

// expectConverged compares the account with the spec where it is declared, and with what it was where it is not.
func expectConverged(w *testenv.World, c *v1alpha1.ChildAccount, before simulator.Fields) {
	GinkgoHelper()
	fields := voximplant.Fields()
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&c.Spec)
	Expect(err).NotTo(HaveOccurred())
	desired := account.FromObject(fields, spec)
	after := w.Account(c.AccountName()).Fields
	for _, f := range fields {
		wire := voximplant.WireNamesOf(f.Path).Read
		if f.WriteOnly() {
			wire = voximplant.WireNamesOf(f.Path).Update
		}
		want, managed := desired[f.Path]
		switch {
		case managed:
			Expect(f.Normal(text(after[wire]))).To(Equal(f.Normal(want)), "%s of %s, seed %d", f.Path, c.Name, GinkgoRandomSeed())
		case before != nil && before[wire] == nil:
			Expect(after).NotTo(HaveKey(wire), "%s of %s is not declared, seed %d", f.Path, c.Name, GinkgoRandomSeed())
		case before != nil:
			Expect(after[wire]).To(Equal(before[wire]), "%s of %s is not declared, seed %d", f.Path, c.Name, GinkgoRandomSeed())
		}
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	return strings.Trim(string(b), `"`)
}

// writesTo counts the calls that changed an account after its creation.
func writesTo(w *testenv.World, id int64) int {
	n := 0
	for _, c := range w.Sim.Calls() {
		if c.Method == "SetChildAccountInfo" && c.Params["child_account_id"] == fmt.Sprint(id) {
			n++
		}
	}
	return n
}
