package config_test

import (
	"os"
	"path/filepath"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/internal/testenv"
)

var fenced = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// manifestsOf are the documents of a YAML file, or of the fenced YAML of a page.
func manifestsOf(name string) []string {
	GinkgoHelper()
	text, err := os.ReadFile(name)
	Expect(err).NotTo(HaveOccurred())
	parts := []string{string(text)}
	if filepath.Ext(name) == ".md" {
		parts = nil
		for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
			parts = append(parts, m[1])
		}
	}
	var out []string
	for _, part := range parts {
		out = append(out, regexp.MustCompile(`(?m)^---\n`).Split(part, -1)...)
	}
	return out
}

var _ = DescribeTable("Every manifest that people are shown is accepted as it stands",
	func(ctx SpecContext, name string, count int) {
		for _, ns := range []string{"telephony", "team"} {
			err := testenv.K8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
			Expect(client.IgnoreAlreadyExists(err)).To(Succeed())
		}
		manifests := manifestsOf(name)
		Expect(manifests).To(HaveLen(count))
		for _, m := range manifests {
			u := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(m), &u.Object)).To(Succeed())
			Expect(testenv.DryApply(ctx, u)).To(Succeed(), m)
		}
	},
	Entry("README.md", "../README.md", 1),
	Entry("docs/guide.md", "../docs/guide.md", 12),
	Entry("docs/account-profile.md", "../docs/account-profile.md", 2),
	Entry("config/samples, ChildAccounts", "../config/samples/accounts_v1alpha1_childaccount.yaml", 3),
	Entry("config/samples, SubAccount", "../config/samples/accounts_v1alpha1_subaccount.yaml", 1),
	Entry("config/samples, ParentAccount of 2sms", "../config/samples/accounts_v1alpha1_parentaccount_twosms.yaml", 1),
	Entry("config/samples, ParentAccount", "../config/samples/accounts_v1alpha1_parentaccount.yaml", 1),
	policySamples(),
)

// policySamples are the samples of single policies, one a file but for those that take two.
func policySamples() []TableEntry {
	names, err := filepath.Glob("../config/samples/policies/*.yaml")
	if err != nil || len(names) == 0 {
		panic("no samples of policies")
	}
	var out []TableEntry
	for _, name := range names {
		count := 1
		if filepath.Base(name) == "share.yaml" {
			count = 2
		}
		out = append(out, Entry(name, name, count))
	}
	return out
}
