package engine_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// longName is a name of a resource that is as long as can be, with room for that of its connection Secret.
func longName(begin string) string {
	const most = 253 - len("-connection")
	labels := begin + strings.Repeat("."+strings.Repeat("x", 60), most/61+1)
	name := strings.TrimRight(labels[:most], ".")
	Expect(validation.NameIsDNSSubdomain(name, false)).To(BeEmpty())
	return name
}

// noted are the notes of the events about a resource with a reason.
func noted(ctx context.Context, c *v1alpha1.ChildAccount, reason string) func(Gomega) []string {
	return func(g Gomega) (notes []string) {
		for _, event := range testenv.EventsOf(ctx, c)(g) {
			if note, is := strings.CutPrefix(event, reason+": "); is {
				notes = append(notes, note)
			}
		}
		return notes
	}
}

var _ = Describe("An event", func() {
	It("of a large edit has the whole command that approves it, though all names are as long as can be", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		parent := longName("acme")
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Name = parent })
		w.Start(ctx)
		var all []*v1alpha1.ChildAccount
		for i := range 12 {
			all = append(all, w.Apply(ctx, longName(fmt.Sprintf("acme%02d", i)), testenv.WithAccountName(fmt.Sprintf("acme-long%02d", i)), func(c *v1alpha1.ChildAccount) {
				c.Spec.ParentRef.Name, c.Spec.Email = parent, fmt.Sprintf("long%02d@acme.example", i)
			}))
		}
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		for i, c := range all {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
				c.Spec.Email = fmt.Sprintf("%s%02d@%s.example", strings.Repeat("e", 62), i, strings.Repeat("d", 60))
				c.Spec.LanguageCode, c.Spec.Location = ptr.To("de"), ptr.To("America/Argentina/Buenos_Aires")
			})
		}
		waiting, hash := testenv.AwaitHeld(ctx, all, 7)
		Expect(len(testenv.StateOf(ctx, waiting[0])(Default).Message)).To(BeNumerically(">", 1024), "there is no room for that in an event")
		approve := fmt.Sprintf(": no more than 5 accounts (of 12) may change within 10m0s, and 7 wait: more than the window ever allows, so waiting longer does not help. To approve exactly these: kubectl annotate parentaccount -n %s %s --overwrite %s=", w.NS, parent, v1alpha1.AnnotationApproveMassChange)
		for _, c := range waiting {
			Eventually(noted(ctx, c, v1alpha1.ReasonAwaitingApproval)).Should(ContainElement(MatchRegexp("^email=eee.*" + regexp.QuoteMeta(approve) + "[0-9a-f]{32}$")))
		}

		By("which lets it pass")
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
		})
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
	})

	It("of a Secret with a long name, which can't be used, has no part of a command", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		name := longName("secret")
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name, Labels: map[string]string{v1alpha1.LabelConnection: "true"}},
		})).To(Succeed())
		c := w.Apply(ctx, longName("acme"), testenv.WithAccountName("acme-long"), func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.ConnectionSecret = "long@acme.example", &v1alpha1.ConnectionSecret{Name: &name}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring("kubectl annotate secret"), Satisfy(func(m string) bool { return len(m) > 1024 })))
		Eventually(noted(ctx, c, v1alpha1.ReasonSecretInvalid)).Should(ConsistOf(And(
			HavePrefix("Secret "+name), HaveSuffix("mark it as such: …"), Not(ContainSubstring("kubectl")))))
	})

	It("of a correction names its own field, however soon it comes after another one", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-drift", func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		drift := func(param, value string, field string) {
			GinkgoHelper()
			is := w.Account(c.Name).Fields[param]
			Expect(w.Sim.SetField(w.Account(c.Name).ID, param, value)).To(Succeed())
			Eventually(func() any { return w.Account(c.Name).Fields[param] }).Should(Equal(is))
			Eventually(noted(ctx, c, "DriftCorrected")).Should(ContainElement(ContainSubstring(field)))
		}
		drift("account_email", "drift@else.example", "email")
		drift("location", "Asia/Tokyo", "location")
		Expect(noted(ctx, c, "DriftCorrected")(Default)).To(HaveLen(2))

		By("and the same one again is counted")
		drift("location", "Asia/Tokyo", "location")
		Consistently(noted(ctx, c, "DriftCorrected")).Should(HaveLen(2))
	})

	It("of an outage that is over, and of credentials that are accepted again, is one of the ParentAccount", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 3)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503})
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		w.Sim.ClearFaults()
		Eventually(testenv.EventsOf(ctx, p)).Should(ConsistOf(
			HavePrefix("APIUnavailable: "), MatchRegexp(`^Recovered: the provider answers again, after \d`)))

		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 100})
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonUnauthorized))
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		}
		w.Sim.ClearFaults()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		})
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(testenv.EventsOf(ctx, c)(Default)).To(ConsistOf(HavePrefix("Created: ")), "thousands would say the same")
		}
		Eventually(testenv.EventsOf(ctx, p)).Should(ConsistOf(
			HavePrefix("APIUnavailable: "), ContainSubstring("answers again"), HavePrefix("Unauthorized: "), HavePrefix("Recovered: the provider accepts the credentials again, after ")))
	})

	It("of an account that is unblocked is one", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-cold")
		id := w.Account(c.Name).ID
		Expect(w.Sim.Freeze(id)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(HaveField("Ready", "False/Frozen"))
		Expect(w.Sim.Unfreeze(id)).To(Succeed())
		Eventually(testenv.EventsOf(ctx, c)).Should(ConsistOf(
			HavePrefix("Created: "), HavePrefix("Frozen: "), HavePrefix("Recovered: the provider has unblocked the account, after ")))
	})

	It("tells of an account that somebody else deactivated, where active is not declared", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-off")
		Expect(w.Sim.SetField(w.Account(c.Name).ID, "active", false)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		Eventually(noted(ctx, c, "DeactivatedElsewhere")).Should(ConsistOf(And(
			ContainSubstring("account acme-off (id "), ContainSubstring("set spec.active: true"))))
		w.AwaitLists(2)
		Expect(noted(ctx, c, "DeactivatedElsewhere")(Default)).To(HaveLen(1))

		By("but of none that the resource has deactivated")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = nil })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		Consistently(noted(ctx, c, "DeactivatedElsewhere")).Should(HaveLen(1))
	})

	DescribeTable("is taken by the API server, whatever its texts are", func(ctx SpecContext, text string) {
		w := testenv.NewWorld(ctx)
		clients, err := kubernetes.NewForConfig(testenv.Config)
		Expect(err).NotTo(HaveOccurred())
		broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: clients.EventsV1()})
		DeferCleanup(broadcaster.Shutdown)
		recording, stop := context.WithCancel(context.Background())
		DeferCleanup(stop)
		Expect(broadcaster.StartRecordingToSinkWithContext(recording)).To(Succeed())
		recorder := conditions.NewEventRecorder(broadcaster.NewRecorder(cli.Scheme(), "child-account-operator"))

		about := w.Child(longName("about"))
		recorder.Eventf(about, nil, corev1.EventTypeWarning, text, text, "%s", text)
		var emitted corev1.EventList
		Eventually(func(g Gomega) []corev1.Event {
			g.Expect(testenv.K8s.List(ctx, &emitted, client.InNamespace(w.NS))).To(Succeed())
			return emitted.Items
		}).Should(HaveLen(1))
		for _, got := range []string{emitted.Items[0].Reason, emitted.Items[0].Action, emitted.Items[0].Message} {
			Expect(utf8.ValidString(got)).To(BeTrue())
			Expect(got).To(HavePrefix(strings.ToValidUTF8(text[:100], "")))
		}
	},
		Entry("as long as can be", strings.Repeat("a", 128)),
		Entry("longer", strings.Repeat("a", 2000)),
		Entry("of long characters", strings.Repeat("€", 2000)),
		Entry("with characters that don't end where there is no room", "a"+strings.Repeat("😀", 2000)),
		Entry("that is no text", strings.Repeat("a", 100)+strings.Repeat("\xff\xfe", 2000)),
	)
})
