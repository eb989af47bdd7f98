package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// declare has the Kubernetes API look at a ChildAccount with some values, as kubectl apply --dry-run=server does.
func declare(ctx SpecContext, values map[string]any) error {
	spec := map[string]any{"parentRef": map[string]any{"name": "acme"}, "email": "a@b.example"}
	maps.Copy(spec, values)
	text, err := json.Marshal(spec)
	Expect(err).NotTo(HaveOccurred())
	return testenv.DryApply(ctx, testenv.Manifest("ChildAccount", "default", "acme-ok", string(text)))
}

// check is what the operator says of a value that is to be written, "" where it takes it.
func check(path, value string) string {
	f, ok := voximplant.Fields().Field(path)
	Expect(ok).To(BeTrue())
	if err := f.Check(value); err != nil {
		return err.Error()
	}
	return ""
}

var _ = Describe("The schema and the operator", func() {
	// same compares what both say of an e-mail address. The operator also says the ASCII form of a domain, which CEL can't.
	same := func(ctx SpecContext, email string) {
		GinkgoHelper()
		err, said := declare(ctx, map[string]any{"email": email}), check("email", email)
		if said == "" {
			Expect(err).NotTo(HaveOccurred(), "%q", email)
			return
		}
		said, _, _ = strings.Cut(said, "xn--")
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%q: %v, the operator: %s", email, err, said)
		Expect(err).To(MatchError(ContainSubstring("email "+said)), "%q", email)
	}

	It("have one rule for e-mail addresses, in the same words", func(ctx SpecContext) {
		for _, email := range []string{
			"a b@c", "acme", "a@b@c", "@b", "a@", "jörg@b", "a@bücher.example", "a@b.", strings.Repeat("a", 65) + "@b", "a@" + strings.Repeat("b.", 100) + "c",
			strings.Repeat("a", 63) + "@" + strings.Repeat("b.", 94) + "cc", strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 94) + "cc", "a(b)@c", "a@b_c", "a@-b", "a@b-", "a@b..c", "a@" + strings.Repeat("b", 63), "a@" + strings.Repeat("b", 64),
		} {
			same(ctx, email)
		}
		user := rapid.OneOf(rapid.StringMatching("[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,66}"), rapid.StringMatching("[a-z\"(),:;<>@\\[\\] ä-]{1,8}"))
		label := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9]([a-zA-Z0-9-]{0,64}[a-zA-Z0-9])?`), rapid.StringMatching(`[a-z0-9_äß.-]{1,5}`))
		for i := range 300 {
			same(ctx, user.Example(i)+"@"+strings.Join(rapid.SliceOfN(label, 1, 4).Example(i), "."))
		}
	})

	It("have one list of time zones", func(ctx SpecContext) {
		list, err := os.ReadFile(filepath.Join("..", "..", "internal", "voximplant", "timezones.txt"))
		Expect(err).NotTo(HaveOccurred())
		zones := strings.Fields(string(list))
		Expect(len(zones)).To(BeNumerically(">", 590))
		for i, zone := range zones {
			Expect(check("location", zone)).To(BeEmpty())
			if i%10 == 0 { // the list is one text
				Expect(declare(ctx, map[string]any{"location": zone})).To(Succeed(), zone)
			}
			wrong := zone + "x"
			if i%50 == 0 {
				err := declare(ctx, map[string]any{"location": wrong})
				Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%s: %v", wrong, err)
				Expect(len(fmt.Sprint(err))).To(BeNumerically("<", 400), "the message is no list of all zones")
			}
		}
	})
})
