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
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = testenv.SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(7))
		var hash string
		Eventually(func(g Gomega) {
			hash = testenv.ApprovalHash(ctx, waiting[0])
			g.Expect(testenv.ApprovalHash(ctx, waiting[6])).To(Equal(hash))
		}).Should(Succeed())
		Expect(len(testenv.StateOf(ctx, waiting[0])(Default).Message)).To(BeNumerically(">", 1024), "there is no room for that in an event")
		approve := fmt.Sprintf(": no more than 5 accounts (of 12) may change within 10m0s, and 7 wait, which an approval lets pass and time does not. To let exactly these pass: kubectl annotate parentaccount -n %s %s --overwrite %s=", w.NS, parent, v1alpha1.AnnotationApproveMassChange)
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

	DescribeTable("is taken by the API server, whatever its texts are", func(ctx SpecContext, text string) {
		w := testenv.NewWorld(ctx)
		clients, err := kubernetes.NewForConfig(testenv.Config)
		Expect(err).NotTo(HaveOccurred())
		broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: clients.EventsV1()})
		DeferCleanup(broadcaster.Shutdown)
		recording, stop := context.WithCancel(context.Background())
		DeferCleanup(stop)
		Expect(broadcaster.StartRecordingToSinkWithContext(recording)).To(Succeed())
		recorder := conditions.NewEventRecorder(broadcaster.NewRecorder(cli.NewScheme(), "child-account-operator"))

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
