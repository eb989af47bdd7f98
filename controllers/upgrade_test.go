package controllers_test

import (
	"bytes"
	"context"
	"io"
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
	install(ctx, manifestsIn(unchanged, files...))
}

// restore makes the objects of a fixture as the operator of that time left them, status included.
func restore(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, u := range objects {
		status, ok := u.Object["status"]
		Expect(k8s.Create(ctx, u, client.FieldOwner(secrets.FieldManager))).To(Succeed(), "%s %s", u.GetKind(), u.GetName())
		if ok {
			u.Object["status"] = status
			Expect(k8s.Status().Update(ctx, u, client.FieldOwner(secrets.FieldManager))).To(Succeed(), "%s %s", u.GetKind(), u.GetName())
		}
	}
}

// versions are the resource versions of everything in the namespace, Secrets included.
func (w *world) versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	var parents v1alpha1.ParentAccountList
	var children v1alpha1.ChildAccountList
	var secrets corev1.SecretList
	for _, list := range []client.ObjectList{&parents, &children, &secrets} {
		Expect(k8s.List(ctx, list, client.InNamespace(w.ns))).To(Succeed())
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

var _ = DescribeTable("After an upgrade everything goes on without a write, from what was left by",
	func(ctx SpecContext, dir string) {
		DeferCleanup(func(ctx SpecContext) { installCRDs(ctx, "../config/crd/bases") })
		installCRDs(ctx, filepath.Join(dir, crdsFolder))
		stateFile := filepath.Join(GinkgoT().TempDir(), simulatorFile)
		accounts, err := os.ReadFile(filepath.Join(dir, simulatorFile))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(stateFile, bytes.TrimSpace(accounts), 0o600)).To(Succeed())
		w := upgradeWorld(ctx, filepath.Base(dir), stateFile)
		parent, ok := w.sim.Account("acme-telephony")
		Expect(ok).To(BeTrue())
		w.parent.ID = parent.ID
		Expect(k8s.Create(ctx, w.credentials())).To(Succeed())
		here := strings.NewReplacer(theProvider, provider.URL, strings.TrimPrefix(theProvider, "http://"), strings.TrimPrefix(provider.URL, "http://"))
		restore(ctx, manifestsIn(here.Replace, filepath.Join(dir, objectsFile)))
		w.inStates(ctx)(Default)

		installCRDs(ctx, "../config/crd/bases")
		meter := &requestMeter{counts: costs{}}
		w.config = meter.on(w.config)
		before := w.versions(ctx)
		w.start(ctx)
		w.awaitLists(3)
		spent := meter.costs(w)
		Expect(spent[writes]).To(BeZero(), "%v", spent)
		Expect(spent[apiWrites]).To(BeZero(), "%v", spent)
		Expect(spent["GetAccountInfo"]).To(Equal(1), "no password is tried, no key is recovered")
		Expect(w.versions(ctx)).To(Equal(before))
		var events corev1.EventList
		Expect(k8s.List(ctx, &events, client.InNamespace(w.ns))).To(Succeed())
		Expect(events.Items).To(BeEmpty())
		w.inStates(ctx)(Default)

		By("and is looked after")
		Expect(w.sim.SetField(w.account("acme-full").ID, "location", "Asia/Tokyo")).To(Succeed())
		plain, declared := w.child("acme-plain"), w.child("acme-declared")
		edit(ctx, plain, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		changePassword(ctx, w.password("own-password", ""), secondPassword)
		Eventually(func() any { return w.account("acme-plain").Fields["account_email"] }).Should(Equal("new@acme.example"))
		Eventually(func() any { return w.account("acme-full").Fields["location"] }).Should(Equal("Europe/Kyiv"))
		Eventually(w.has("acme-declared", secondPassword)).Should(BeTrue())
		Eventually(state(ctx, plain)).Should(BeAvailable())
		Eventually(state(ctx, declared)).Should(BeAvailable())
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
