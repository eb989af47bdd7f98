package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

const (
	// upgradeFixtures has what earlier operators have left behind: a directory each, named after API version and commit.
	upgradeFixtures = "testdata/upgrade"
	// crdsFolder, objectsFile and simulatorFile are the kinds, the resources with their Secrets, and the provider's accounts.
	crdsFolder, objectsFile, simulatorFile = "crds", "objects.json", "simulator.json"
	// theProvider stands in a fixture for the address of the simulator, which is another one each time.
	theProvider = "http://provider.invalid:80"
	// upgradeInstallation is the --installation-id of all fixtures.
	upgradeInstallation = "upgrade"
)

// upgradeWorld is the world of a fixture, in a namespace that is named after it, and the file that its simulator keeps.
func upgradeWorld(ctx context.Context, fixture, stateFile string) *testenv.World {
	GinkgoHelper()
	w := &testenv.World{NS: "upgrade-" + fixture, Clock: clock.RealClock{}, Config: testenv.OperatorConfig(), Options: cli.ManagerOptions{InstallationID: upgradeInstallation}}
	var err error
	w.Sim, err = simulator.Open(simulator.Options{Key: testenv.SigningKey, StateFile: stateFile, Clock: func() time.Time { return w.Clock.Now() }})
	Expect(err).NotTo(HaveOccurred())
	handler := w.Sim.Handler()
	testenv.ProviderHandler.Store(&handler)
	Expect(testenv.K8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.NS}})).To(Succeed())
	DeferCleanup(w.CleanUp)
	return w
}

// everyState is one resource of each state that needs no call to stay as it is; resources are never edited, so that they
// are of the first generation when they are made anew, too.
func everyState(ctx context.Context, w *testenv.World) {
	GinkgoHelper()
	testenv.ApplyPassword(ctx, w, "own-password", testenv.FirstPassword)
	for _, name := range []string{"acme-adopted", "acme-observed", "acme-refused"} {
		w.Sim.PutAccount(testenv.SimulatorChild(w, name, name+"@acme.example"))
	}
	w.Apply(ctx, "acme-plain")
	w.Apply(ctx, "acme-full", func(c *v1alpha1.ChildAccount) {
		c.Spec.LanguageCode, c.Spec.Location = ptr.To("he"), ptr.To("Europe/Kyiv")
		c.Spec.Notifications = &v1alpha1.Notifications{Account: ptr.To(true), TariffChanges: ptr.To(false), News: ptr.To(true)}
		c.Spec.MinBalanceToNotify = ptr.To(intstr.FromString("5.00"))
		c.Spec.Payments = &v1alpha1.Payments{BankCard: ptr.To(true), Invoice: ptr.To(true), Robokassa: ptr.To(false)}
		c.Spec.CanUseRestricted = ptr.To(true)
		c.Spec.MissingPolicy, c.Spec.DeletionPolicy = ptr.To(v1alpha1.MissingRecreate), ptr.To(v1alpha1.DeletionDeactivate)
		c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{
			Name: ptr.To("full-login"), Labels: map[string]v1alpha1.LabelValue{"team": "voice"}, Annotations: map[string]v1alpha1.AnnotationValue{"note": "of mine"},
		}
	})
	w.Apply(ctx, "acme-declared", testenv.WithPassword("own-password"))
	w.Apply(ctx, "acme-rotated", testenv.Rotating("at first"))
	w.Apply(ctx, "acme-adopted", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
	w.Apply(ctx, "acme-observed", func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) })
	w.Apply(ctx, "acme-refused")
	w.Apply(ctx, "acme-off", func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
	w.Apply(ctx, "acme-drifted", func(c *v1alpha1.ChildAccount) { c.Spec.DriftPolicy = ptr.To(v1alpha1.DriftReport) })
	w.Apply(ctx, "acme-frozen")
	w.Apply(ctx, "acme-resting", func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
	w.Apply(ctx, "acme-orphan", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nobody" })
}

// upgradeStates are the reasons that the resources come to.
var upgradeStates = map[string]string{
	"acme-plain": v1alpha1.ReasonAvailable, "acme-full": v1alpha1.ReasonAvailable, "acme-declared": v1alpha1.ReasonAvailable,
	"acme-rotated": v1alpha1.ReasonAvailable, "acme-adopted": v1alpha1.ReasonAvailable, "acme-observed": v1alpha1.ReasonObserved,
	"acme-off": v1alpha1.ReasonDeactivated, "acme-drifted": v1alpha1.ReasonDriftDetected,
	"acme-refused": v1alpha1.ReasonAdoptionRefused, "acme-frozen": v1alpha1.ReasonFrozen, "acme-resting": v1alpha1.ReasonSuspended,
	"acme-orphan": v1alpha1.ReasonParentNotFound,
}

// inStates says whether each resource has the condition beside Ready, or Ready itself, for the reason that is listed.
func inStates(ctx context.Context, w *testenv.World) func(Gomega) {
	return func(g Gomega) {
		for name, reason := range upgradeStates {
			c := w.Child(name)
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			reasons := map[string]bool{}
			for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionSynced} {
				if cond := meta.FindStatusCondition(c.Status.Conditions, kind); cond != nil {
					reasons[cond.Reason] = true
				}
			}
			g.Expect(reasons).To(HaveKey(reason), name)
			g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation), name)
		}
	}
}

var _ = Describe("A fixture of upgrades", func() {
	It("is recorded", func(ctx SpecContext) {
		fixture := os.Getenv("UPGRADE_FIXTURE")
		if fixture == "" {
			Skip("make upgrade-fixture records one")
		}
		stateFile := filepath.Join(GinkgoT().TempDir(), simulatorFile)
		w := upgradeWorld(ctx, fixture, stateFile)
		w.Parent = w.Sim.AddParent(simulator.Parent{Name: "acme-telephony", Email: "owner@acme.example"})
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "parent-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			Data:       map[string][]byte{"api-key": []byte(w.Parent.APIKey)},
		})).To(Succeed())
		parent := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "parent-key"}
		})
		everyState(ctx, w)
		w.Start(ctx)
		drifted, frozen := w.Child("acme-drifted"), w.Child("acme-frozen")
		Eventually(testenv.StateOf(ctx, drifted)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, frozen)).Should(testenv.BeAvailable())
		Expect(w.Sim.SetField(w.Account("acme-drifted").ID, "account_email", "changed@else.example")).To(Succeed())
		Expect(w.Sim.Freeze(w.Account("acme-frozen").ID)).To(Succeed())
		rotated := w.Child("acme-rotated")
		Eventually(testenv.StateOf(ctx, rotated)).Should(testenv.BeAvailable())
		first := testenv.ConnectionOf(ctx, rotated)["password"]
		testenv.Rotate(ctx, rotated, "once more")
		testenv.Rotated(ctx, w, rotated, first)
		Eventually(inStates(ctx, w)).Should(Succeed())

		By("and has come to rest: what is filled in late is there")
		w.Stop()
		w.Clock = testenv.Ahead{Clock: clock.RealClock{}, By: 2 * time.Hour}
		w.Start(ctx)
		w.AwaitLists(3)
		Eventually(testenv.StateOf(ctx, parent)).Should(testenv.BeAvailable())
		Eventually(inStates(ctx, w)).Should(Succeed())
		w.Stop()
		record(ctx, w, filepath.Join(upgradeFixtures, fixture), stateFile)
	})
})

// record writes the fixture.
func record(ctx context.Context, w *testenv.World, dir, stateFile string) {
	GinkgoHelper()
	crds := filepath.Join(dir, crdsFolder)
	Expect(os.RemoveAll(dir)).To(Succeed())
	Expect(os.MkdirAll(crds, 0o755)).To(Succeed())
	Expect(os.CopyFS(crds, os.DirFS("../config/crd/bases"))).To(Succeed())
	recordObjects(ctx, w, filepath.Join(dir, objectsFile))
	recordSimulator(w, stateFile, filepath.Join(dir, simulatorFile))
}

// recordObjects writes the resources and Secrets, but for the key of the service account, which is made anew each time.
func recordObjects(ctx context.Context, w *testenv.World, file string) {
	GinkgoHelper()
	var documents [][]byte
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &v1alpha1.ParentAccountList{}, &v1alpha1.ChildAccountList{}} {
		Expect(testenv.K8s.List(ctx, list, client.InNamespace(w.NS))).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			o := item.(client.Object)
			if _, secret := o.(*corev1.Secret); secret && o.GetName() == w.Credentials().Name {
				return nil
			}
			documents = append(documents, document(w, o))
			return nil
		})).To(Succeed())
	}
	Expect(os.WriteFile(file, append(bytes.TrimSpace(bytes.Join(documents, nil)), '\n'), 0o644)).To(Succeed())
}

// document is an object as it is made anew: without what the API server gives it, and the provider's address.
func document(w *testenv.World, o client.Object) []byte {
	GinkgoHelper()
	kinds, _, err := testenv.K8s.Scheme().ObjectKinds(o)
	Expect(err).NotTo(HaveOccurred())
	o.GetObjectKind().SetGroupVersionKind(kinds[0])
	if kinds[0].Kind != "Secret" {
		Expect(o.GetGeneration()).To(Equal(int64(1)), "%s was edited", o.GetName())
	}
	o.SetUID("")
	o.SetResourceVersion("")
	o.SetGeneration(0)
	o.SetManagedFields(nil)
	o.SetCreationTimestamp(metav1.Time{})
	if s, ok := o.(*corev1.Secret); ok {
		s.StringData = map[string]string{}
		for k, v := range s.Data {
			s.StringData[k] = string(v)
		}
		s.Data = nil
	}
	text, err := json.MarshalIndent(o, "", " ")
	Expect(err).NotTo(HaveOccurred())
	return []byte("\n" + strings.NewReplacer(testenv.ProviderServer.URL, theProvider, strings.TrimPrefix(testenv.ProviderServer.URL, "http://"), strings.TrimPrefix(theProvider, "http://")).Replace(string(text)))
}

// recordSimulator writes the provider's accounts, and no keys.
func recordSimulator(w *testenv.World, stateFile, file string) {
	GinkgoHelper()
	text, err := os.ReadFile(stateFile)
	Expect(err).NotTo(HaveOccurred())
	var state map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	Expect(decoder.Decode(&state)).To(Succeed())
	delete(state, "keys")
	text, err = json.MarshalIndent(state, "", " ")
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(file, append(text, '\n'), 0o644)).To(Succeed())
}
