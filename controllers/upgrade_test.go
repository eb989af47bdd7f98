package controllers_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// manifestsIn are the objects of YAML files, after a change of their text.
func manifestsIn(change func(string) string, files ...string) []*unstructured.Unstructured {
	GinkgoHelper()
	Expect(files).NotTo(BeEmpty())
	var objects []*unstructured.Unstructured
	for _, name := range files {
		text, err := os.ReadFile(name)
		Expect(err).NotTo(HaveOccurred())
		for documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(change(string(text))), 4096); ; {
			u := &unstructured.Unstructured{}
			if err := documents.Decode(&u.Object); err == io.EOF {
				break
			} else if err != nil {
				Fail(name + ": " + err.Error())
			}
			objects = append(objects, u)
		}
	}
	return objects
}

func unchanged(text string) string { return text }

// installCRDs installs the kinds as a directory has them, as kubectl apply --server-side does.
func installCRDs(ctx context.Context, dir string) {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	testenv.Install(ctx, manifestsIn(unchanged, files...))
}

// restore makes the objects of a fixture as the operator of that time left them, status included.
func restore(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, u := range objects {
		status, ok := u.Object["status"]
		Expect(testenv.K8s.Create(ctx, u, client.FieldOwner(secrets.FieldManager))).To(Succeed(), "%s %s", u.GetKind(), u.GetName())
		if ok {
			u.Object["status"] = status
			Expect(testenv.K8s.Status().Update(ctx, u, client.FieldOwner(secrets.FieldManager))).To(Succeed(), "%s %s", u.GetKind(), u.GetName())
		}
	}
}

// versions are the resource versions of everything in the namespace, Secrets included.
func versions(ctx context.Context, w *testenv.World) map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	var parents v1alpha1.ParentAccountList
	var children v1alpha1.ChildAccountList
	var secrets corev1.SecretList
	for _, list := range []client.ObjectList{&parents, &children, &secrets} {
		Expect(testenv.K8s.List(ctx, list, client.InNamespace(w.NS))).To(Succeed())
	}
	for i := range parents.Items {
		out["ParentAccount "+parents.Items[i].Name] = parents.Items[i].ResourceVersion
	}
	for i := range children.Items {
		out["ChildAccount "+children.Items[i].Name] = children.Items[i].ResourceVersion
	}
	for i := range secrets.Items {
		out["Secret "+secrets.Items[i].Name] = secrets.Items[i].ResourceVersion
	}
	return out
}

var _ = DescribeTable("After an upgrade everything goes on without a write but of reworded messages, from what was left by",
	func(ctx SpecContext, dir string) {
		DeferCleanup(func(ctx SpecContext) { installCRDs(ctx, "../config/crd/bases") })
		installCRDs(ctx, filepath.Join(dir, crdsFolder))
		stateFile := filepath.Join(GinkgoT().TempDir(), simulatorFile)
		accounts, err := os.ReadFile(filepath.Join(dir, simulatorFile))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(stateFile, bytes.TrimSpace(accounts), 0o600)).To(Succeed())
		w := upgradeWorld(ctx, filepath.Base(dir), stateFile)
		parent, ok := w.Sim.Account("acme-telephony")
		Expect(ok).To(BeTrue())
		w.Parent.ID = parent.ID
		Expect(testenv.K8s.Create(ctx, w.Credentials())).To(Succeed())
		here := strings.NewReplacer(theProvider, testenv.ProviderServer.URL, strings.TrimPrefix(theProvider, "http://"), strings.TrimPrefix(testenv.ProviderServer.URL, "http://"))
		restore(ctx, manifestsIn(here.Replace, filepath.Join(dir, objectsFile)))
		inStates(ctx, w)(Default)

		installCRDs(ctx, "../config/crd/bases")
		meter := testenv.NewRequestMeter()
		w.Config = meter.On(w.Config)
		before, rewords := versions(ctx, w), rewordedStatuses(ctx, w)
		Expect(rewords).NotTo(BeEmpty(), "messages that nobody has any more: see reworded")
		w.Start(ctx)
		w.AwaitLists(3)
		Eventually(expectReworded(ctx, w, rewords)).Should(Succeed())
		spent := meter.Costs(w)
		Expect(spent["patch childaccounts/status"]).To(Equal(len(rewords)), "one for each resource with a reworded message: %v", spent)
		Expect(spent[testenv.WriteRequests]).To(Equal(spent["patch parentaccounts"]+len(rewords)), "%v", spent)
		Expect(spent["patch parentaccounts"]).To(BeNumerically("<=", 1), "its finalizer, where a ChildAccount has one")
		Expect(spent[testenv.APIWrites]).To(BeZero(), "%v", spent)
		Expect(spent["GetAccountInfo"]).To(Equal(1), "no password is tried, no key is recovered")
		after := versions(ctx, w)
		for _, of := range []map[string]string{before, after} {
			maps.DeleteFunc(of, func(name, _ string) bool {
				_, reworded := rewords[strings.TrimPrefix(name, "ChildAccount ")]
				return reworded || strings.HasPrefix(name, "ParentAccount ") && spent["patch parentaccounts"] > 0
			})
		}
		Expect(after).To(Equal(before))
		var events corev1.EventList
		Expect(testenv.K8s.List(ctx, &events, client.InNamespace(w.NS))).To(Succeed())
		Expect(events.Items).To(BeEmpty())
		inStates(ctx, w)(Default)

		By("and is looked after")
		Expect(w.Sim.SetField(w.Account("acme-full").ID, "location", "Asia/Tokyo")).To(Succeed())
		plain, declared := w.Child("acme-plain"), w.Child("acme-declared")
		testenv.Edit(ctx, plain, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		testenv.ChangePassword(ctx, testenv.PasswordSecret(w, "own-password", ""), testenv.SecondPassword)
		Eventually(func() any { return w.Account("acme-plain").Fields["account_email"] }).Should(Equal("new@acme.example"))
		Eventually(func() any { return w.Account("acme-full").Fields["location"] }).Should(Equal("Europe/Kyiv"))
		Eventually(testenv.HasPassword(w, "acme-declared", testenv.SecondPassword)).Should(BeTrue())
		Eventually(testenv.StateOf(ctx, plain)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, declared)).Should(testenv.BeAvailable())
	}, fixturesOfUpgrades())

func fixturesOfUpgrades() []TableEntry {
	dirs, err := filepath.Glob(filepath.Join(upgradeFixtures, "*"))
	if err != nil || len(dirs) == 0 && os.Getenv("UPGRADE_FIXTURE") == "" {
		panic("no fixtures of upgrades")
	}
	var out []TableEntry
	for _, dir := range dirs {
		out = append(out, Entry(filepath.Base(dir), dir))
	}
	return out
}
