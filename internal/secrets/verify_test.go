package secrets_test

import (
	"context"
	"fmt"
	"maps"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// editedPassword is one that somebody wrote into a connection Secret, and that is not the account's.
const editedPassword = "Canary-edited-4x"

// connectionReady is the ConnectionSecretReady condition, in short; the message is checked by itself.
func connectionReady(ctx context.Context, c *v1alpha1.ChildAccount) func(Gomega) string {
	return func(g Gomega) string {
		testenv.StateOf(ctx, c)(g)
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)
		if ready == nil {
			return ""
		}
		return fmt.Sprint(ready.Status, "/", ready.Reason)
	}
}

// connectionMessage is what ConnectionSecretReady says.
func connectionMessage(c *v1alpha1.ChildAccount) string {
	return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady).Message
}

// unknownPassword and complete are what connectionReady says of a password that is not known, and of a Secret that lacks nothing.
const (
	unknownPassword = "False/PasswordUnknown"
	complete        = "True/Available"
)

// signIns are the sign-ins with an account's password, and those of them that were refused.
func signIns(w *testenv.World, c *v1alpha1.ChildAccount) (all, refused int) {
	for _, call := range w.Sim.Calls() {
		if call.Method == "GetAccountInfo" && call.Params["account_password"] != "" && call.Params["account_id"] == c.Status.AccountID {
			if all++; call.Code != 0 {
				refused++
			}
		}
	}
	return all, refused
}

func expectSignIns(w *testenv.World, c *v1alpha1.ChildAccount, all, refused int) {
	GinkgoHelper()
	gotAll, gotRefused := signIns(w, c)
	Expect([]int{gotAll, gotRefused}).To(Equal([]int{all, refused}), "sign-ins, and those of them that were refused")
}

// request asks for a reconcile, and waits until that is done.
func request(ctx context.Context, c *v1alpha1.ChildAccount, value string) {
	GinkgoHelper()
	testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, value)
	})
	Eventually(func(g Gomega) string {
		testenv.StateOf(ctx, c)(g)
		return c.Status.LastHandledReconcileAt
	}).Should(Equal(value))
}

// editSecret edits a connection Secret as a person does.
func editSecret(ctx context.Context, c *v1alpha1.ChildAccount, change func(*corev1.Secret)) {
	GinkgoHelper()
	testenv.Edit(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}}, change)
}

func putPassword(password string) func(*corev1.Secret) {
	return func(s *corev1.Secret) { s.Data["password"] = []byte(password) }
}

func loseSecret(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}})).To(Succeed())
}

// expectRest expects that neither resyncs nor a restart cost a call for the account or a write.
func expectRest(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	all, refused := signIns(w, c)
	was := testenv.StateOf(ctx, c)(Default).JSON
	version := c.ResourceVersion
	w.AwaitLists(2)
	w.Stop()
	w.Start(ctx)
	w.AwaitLists(2)
	expectSignIns(w, c, all, refused)
	Expect(testenv.StateOf(ctx, c)(Default).JSON).To(Equal(was))
	Expect(c.ResourceVersion).To(Equal(version))
}

var _ = Describe("A password that is not known", func() {
	It("is said where the connection Secret was deleted, and a new one can be had", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, withAPIKey(ctx, w))
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-deleted")
		loseSecret(ctx, c)
		Eventually(connectionReady(ctx, c)).Should(Equal(unknownPassword))
		Expect(connectionMessage(c)).To(ContainSubstring(`kubectl annotate childaccount -n ` + w.NS + ` acme-deleted --overwrite accounts.cpaas.dev/rotate-password="$(date +%s)"`))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(And(HaveKeyWithValue("apiKey", w.Account(c.Name).Fields["api_key"]), Not(HaveKey("password"))))
		expectRest(ctx, w, c)
		expectSignIns(w, c, 0, 0)

		By("a request finds nothing else")
		request(ctx, c, "1")
		Expect(connectionReady(ctx, c)(Default)).To(Equal(unknownPassword))
		expectSignIns(w, c, 0, 0)

		testenv.Rotate(ctx, c, "1")
		testenv.Rotated(ctx, w, c, "")
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		expectRest(ctx, w, c)
	})

	It("is said beside an API key that is lost with it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-both")
		loseSecret(ctx, c)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		Expect(connectionReady(ctx, c)(Default)).To(Equal(unknownPassword))
		Expect(connectionMessage(c)).To(And(ContainSubstring("rotate-password="), ContainSubstring("put it into key apiKey of Secret acme-both-connection")))
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(1)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		testenv.Rotate(ctx, c, "1")
		testenv.Rotated(ctx, w, c, "")
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account(c.Name).Fields["api_key"]))
	})

	It("is said where it was taken out of the connection Secret, until it is there again", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-removed")
		password := testenv.ConnectionOf(ctx, c)["password"]
		editSecret(ctx, c, func(s *corev1.Secret) { delete(s.Data, "password") })
		Eventually(connectionReady(ctx, c)).Should(Equal(unknownPassword))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		expectRest(ctx, w, c)
		editSecret(ctx, c, putPassword(password))
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		expectSignIns(w, c, 1, 0)
		expectUnseenElsewhere(ctx, w, password)
	})

	It("is said of what happened while no operator was running, too", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		removed, edited := w.ApplyReady(ctx, "acme-removed"), w.ApplyReady(ctx, "acme-edited")
		w.Stop()
		editSecret(ctx, removed, func(s *corev1.Secret) { delete(s.Data, "password") })
		editSecret(ctx, edited, putPassword(editedPassword))
		w.Start(ctx)
		Eventually(connectionReady(ctx, removed)).Should(Equal(unknownPassword))
		Eventually(connectionReady(ctx, edited)).Should(Equal(unknownPassword))
		expectSignIns(w, removed, 0, 0)
		expectSignIns(w, edited, 1, 1)
	})

	It("is said of an account that is found again by its claim", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, withAPIKey(ctx, w))
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-again")
		testenv.Remove(ctx, w, c)
		loseSecret(ctx, c)
		again := w.ApplyReady(ctx, "acme-again")
		Eventually(connectionReady(ctx, again)).Should(Equal(unknownPassword))
		Expect(testenv.ConnectionOf(ctx, again)).To(HaveKeyWithValue("apiKey", w.Account("acme-again").Fields["api_key"]))
		editSecret(ctx, again, func(s *corev1.Secret) { delete(s.Data, "email") })
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, again) }).Should(HaveKey("email"))
		expectRest(ctx, w, again)
		Expect(connectionReady(ctx, again)(Default)).To(Equal(unknownPassword), "also once the Secret was read again")
	})

	It("is not said of an adopted account whose password nobody here ever knew", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		putTheirs(w, "acme-theirs")
		w.ApplyParent(ctx, withAPIKey(ctx, w))
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-theirs", adoptingAlways)
		Expect(connectionReady(ctx, c)(Default)).To(Equal(complete))
		request(ctx, c, "1")
		Expect(connectionReady(ctx, c)(Default)).To(Equal(complete))
		loseSecret(ctx, c)
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())
		request(ctx, c, "2")
		Expect(connectionReady(ctx, c)(Default)).To(Equal(complete))
		expectSignIns(w, c, 0, 0)

		By("nor where it is found again by the claim that the adoption left")
		testenv.Remove(ctx, w, c)
		loseSecret(ctx, c)
		c = w.ApplyReady(ctx, "acme-theirs", adoptingAlways)
		Expect(connectionReady(ctx, c)(Default)).To(Equal(complete))

		By("once the operator has given it one it can be lost")
		testenv.Rotate(ctx, c, "1")
		testenv.Rotated(ctx, w, c, "")
		loseSecret(ctx, c)
		Eventually(connectionReady(ctx, c)).Should(Equal(unknownPassword))
	})
})

var _ = Describe("A connection Secret", func() {
	It("with an edited password is found wrong by one sign-in, and never again", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-edited")
		right := testenv.ConnectionOf(ctx, c)["password"]
		editSecret(ctx, c, putPassword(editedPassword))
		Eventually(connectionReady(ctx, c)).Should(Equal(unknownPassword))
		Expect(connectionMessage(c)).To(And(ContainSubstring("the provider refused it"), ContainSubstring("rotate-password=")))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		expectSignIns(w, c, 1, 1)
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", editedPassword), "it is somebody's, and stays")

		request(ctx, c, "1")
		editSecret(ctx, c, func(s *corev1.Secret) { s.Data["email"] = []byte("wrong@else.example") })
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKeyWithValue("email", "acme-edited@acme.example"))
		expectRest(ctx, w, c)
		request(ctx, c, "2")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(connectionReady(ctx, c)(Default)).To(Equal(unknownPassword))
		expectSignIns(w, c, 1, 1)

		editSecret(ctx, c, putPassword(right))
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		expectSignIns(w, c, 2, 1)
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("passwordRefused"))
		expectRest(ctx, w, c)
		expectUnseenElsewhere(ctx, w, editedPassword, right)
	})

	It("whose API key was lost signs in no more often with a wrong password", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-wrong")
		editSecret(ctx, c, func(s *corev1.Secret) {
			putPassword(editedPassword)(s)
			delete(s.Data, "apiKey")
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		request(ctx, c, "1")
		Expect(connectionReady(ctx, c)(Default)).To(Equal(unknownPassword))
		expectSignIns(w, c, 1, 1)
	})

	It("with an edited accountID keeps its API key and its password", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-id")
		data := testenv.ConnectionOf(ctx, c)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetAccountInfo", Code: 230, Match: map[string]string{"account_id": c.Status.AccountID}})
		editSecret(ctx, c, func(s *corev1.Secret) { s.Data["accountID"] = []byte("4242") })
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(Equal(data))
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
	})

	It("that was restored with an old password is verified", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-old")
		var backup corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &backup)).To(Succeed())
		testenv.Rotate(ctx, c, "1")
		now := testenv.Rotated(ctx, w, c, string(backup.Data["password"]))
		restore := func() {
			editSecret(ctx, c, func(s *corev1.Secret) {
				s.Data, s.Annotations = maps.Clone(backup.Data), maps.Clone(backup.Annotations)
			})
		}
		restore()
		Eventually(connectionReady(ctx, c)).Should(Equal(unknownPassword))
		expectSignIns(w, c, 1, 1)
		edited := time.Now() // an edit of the same fields by the same client within a second is not noticed
		Eventually(time.Now).Should(BeTemporally(">=", edited.Truncate(time.Second).Add(time.Second)))
		editSecret(ctx, c, putPassword(now))
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		Expect(testenv.HasPassword(w, c.Name, now)()).To(BeTrue())
	})

	It("of an account that is found again by its claim is verified by one sign-in", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		right, wrong := w.ApplyReady(ctx, "acme-right"), w.ApplyReady(ctx, "acme-wrong")
		for _, c := range []*v1alpha1.ChildAccount{right, wrong} {
			testenv.Remove(ctx, w, c)
		}
		Expect(w.Sim.SetField(w.Account("acme-wrong").ID, "account_password", testenv.SecondPassword)).To(Succeed())
		Expect(w.Sim.SetField(w.Account("acme-right").ID, "api_key", "canary-key-of-now")).To(Succeed())
		right, wrong = w.ApplyReady(ctx, "acme-right"), w.ApplyReady(ctx, "acme-wrong")
		Expect(connectionReady(ctx, right)(Default)).To(Equal(complete))
		Expect(testenv.ConnectionOf(ctx, right)).To(HaveKeyWithValue("apiKey", "canary-key-of-now"))
		Expect(connectionReady(ctx, wrong)(Default)).To(Equal(unknownPassword))
		expectSignIns(w, right, 1, 0)
		expectSignIns(w, wrong, 1, 1)
		expectRest(ctx, w, right)
		expectRest(ctx, w, wrong)
	})
})

var _ = Describe("What was changed at the provider", func() {
	It("is found on request: a password by signing in, which shows the API key too", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		key, password := w.ApplyReady(ctx, "acme-key"), w.ApplyReady(ctx, "acme-password")
		Expect(w.Sim.SetField(w.Account("acme-key").ID, "api_key", "canary-key-of-now")).To(Succeed())
		Expect(w.Sim.SetField(w.Account("acme-password").ID, "account_password", testenv.SecondPassword)).To(Succeed())
		expectRest(ctx, w, key)
		expectSignIns(w, key, 0, 0)

		request(ctx, key, "1")
		Expect(testenv.ConnectionOf(ctx, key)).To(HaveKeyWithValue("apiKey", "canary-key-of-now"))
		Expect(connectionReady(ctx, key)(Default)).To(Equal(complete))
		expectSignIns(w, key, 1, 0)
		Eventually(testenv.EventsOf(ctx, key)).Should(ContainElement(HavePrefix("APIKeyChanged: ")))
		request(ctx, password, "1")
		Expect(connectionReady(ctx, password)(Default)).To(Equal(unknownPassword))
		expectSignIns(w, password, 1, 1)
		expectRest(ctx, w, key)
		expectUnseenElsewhere(ctx, w, "canary-key-of-now", testenv.SecondPassword)
	})

	It("is found on request with the parent's own API key where no password is known", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		putTheirs(w, "acme-theirs")
		w.ApplyParent(ctx, withAPIKey(ctx, w))
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-theirs", adoptingAlways)
		Expect(w.Sim.SetField(w.Account("acme-theirs").ID, "api_key", "canary-key-of-now")).To(Succeed())
		expectRest(ctx, w, c)
		request(ctx, c, "1")
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", "canary-key-of-now"))
		Expect(connectionReady(ctx, c)(Default)).To(Equal(complete))
		expectSignIns(w, c, 0, 0)
	})

	It("is found on request where the password is declared, until another one is", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-declared", testenv.WithPassword("declared"))
		Expect(w.Sim.SetField(w.Account(c.Name).ID, "account_password", editedPassword)).To(Succeed())
		request(ctx, c, "1")
		Expect(connectionReady(ctx, c)(Default)).To(Equal(unknownPassword))
		Expect(connectionMessage(c)).To(ContainSubstring("Put another password into that Secret"))
		request(ctx, c, "2")
		expectSignIns(w, c, 1, 1)
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		expectRest(ctx, w, c)

		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.HasPassword(w, c.Name, testenv.SecondPassword)).Should(BeTrue())
		Eventually(connectionReady(ctx, c)).Should(Equal(complete))
		expectSignIns(w, c, 1, 1)
		expectUnseen(ctx, w, testenv.FirstPassword, testenv.SecondPassword)
	})

	It("is found after an outage, by one answer", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-outage")
		down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo", Match: map[string]string{"account_id": c.Status.AccountID}})
		editSecret(ctx, c, putPassword(editedPassword))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		w.Sim.RemoveFault(down)
		Eventually(connectionReady(ctx, c)).Should(Equal(unknownPassword))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		refused := 0
		for _, call := range w.Sim.Calls() {
			if call.Method == "GetAccountInfo" && call.Code == 100 {
				refused++
			}
		}
		Expect(refused).To(Equal(1))
	})
})
