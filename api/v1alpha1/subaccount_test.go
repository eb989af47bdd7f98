package v1alpha1_test

import (
	"encoding/json"
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// subSpec is the spec of a SubAccount that is accepted, with another value of one field; nil leaves the field out.
func subSpec(field string, value any, more ...any) string {
	spec := map[string]any{
		"parentRef": map[string]any{"name": "acme-sms"}, "username": "acme", "email": "a@b.example", "firstName": "Ada", "lastName": "Lovelace",
		"companyName": "Acme Ltd", "mobilePhone": "+44 (1234) 567-890",
	}
	set := func(field string, value any) {
		if spec[field] = value; value == nil {
			delete(spec, field)
		}
	}
	if field != "" {
		set(field, value)
	}
	for i := 0; i+1 < len(more); i += 2 {
		set(more[i].(string), more[i+1])
	}
	raw, err := json.Marshal(spec)
	Expect(err).NotTo(HaveOccurred())
	return string(raw)
}

var _ = DescribeTable("kubectl apply refuses a SubAccount and names the field",
	func(ctx SpecContext, field string, value any, text string) {
		err := testenv.DryApply(ctx, testenv.Manifest("SubAccount", "default", "acme-sub", subSpec(field, value)))
		Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(ContainSubstring("spec."+field), ContainSubstring(text))))
	},
	Entry("no parent", "parentRef", nil, "Required"),
	Entry("no username", "username", nil, "Required"),
	Entry("no e-mail", "email", nil, "Required"),
	Entry("no first name", "firstName", nil, "Required"),
	Entry("no last name", "lastName", nil, "Required"),
	Entry("no company", "companyName", nil, "Required"),
	Entry("no phone", "mobilePhone", nil, "Required"),
	Entry("an empty username", "username", "", "at least 1"),
	Entry("a blank first name", "firstName", "  ", "must not be blank"),
	Entry("a last name with a line break", "lastName", "a\nb", "control characters"),
	Entry("an e-mail without @", "email", "acme.example", "one e-mail address"),
	Entry("an e-mail with a domain that is not ASCII", "email", "info@bücher.example", "xn--"),
	Entry("a phone of four digits", "mobilePhone", "12 34", "at least five digits"),
	Entry("a phone of letters", "mobilePhone", "+44 CALL ME", "at least five digits"),
	Entry("a phone with a plus within", "mobilePhone", "44+1234567", "at least five digits"),
	Entry("a phone of four characters", "mobilePhone", "1234", "at least 5"),
	Entry("an endless phone", "mobilePhone", "123456789012345678901", "than 20"),
	Entry("another deletion policy", "deletionPolicy", "Deactivate", "Unsupported value"),
	Entry("an adoption policy that there is not", "adoptionPolicy", "Sometimes", "Unsupported value"),
	Entry("a service-account key", "connectionSecret", map[string]any{"serviceAccountKey": map[string]any{}}, "unknown field"),
)

var _ = DescribeTable("kubectl apply accepts a SubAccount",
	func(ctx SpecContext, field string, value any, more ...any) {
		Expect(testenv.DryApply(ctx, testenv.Manifest("SubAccount", "default", "acme-sub", subSpec(field, value, more...)))).To(Succeed())
	},
	Entry("with all that is required", "", nil),
	Entry("with the shortest phone", "mobilePhone", "12345"),
	Entry("that is retained", "deletionPolicy", "Retain"),
	Entry("of an account with an e-mail that the operator would not write", "email", "jörg@acme.example", "managementPolicy", "Observe"),
)

var _ = Describe("A ParentAccount of a master account", func() {
	master := func(change map[string]any) string {
		twoSMS := map[string]any{
			"baseURL": "https://api.2sms.example/v2", "accountID": "86e51d05-20a3-486c-adf1-a98ca194c74c", "clientSecretRef": map[string]any{"name": "twosms"},
		}
		maps.Copy(twoSMS, change)
		maps.DeleteFunc(twoSMS, func(_ string, v any) bool { return v == nil })
		raw, err := json.Marshal(map[string]any{"twoSMS": twoSMS})
		Expect(err).NotTo(HaveOccurred())
		return string(raw)
	}

	DescribeTable("is refused by its schema, which names the field",
		func(ctx SpecContext, change map[string]any, field, text string) {
			err := testenv.DryApply(ctx, testenv.Manifest("ParentAccount", "default", "acme-sms", master(change)))
			Expect(err).To(MatchError(And(ContainSubstring(field), ContainSubstring(text))))
		},
		Entry("no base URL", map[string]any{"baseURL": nil}, "spec.twoSMS.baseURL", "Required"),
		Entry("a base URL with a query", map[string]any{"baseURL": "https://api.2sms.example/?a=b"}, "spec.twoSMS.baseURL", "without a user, query or trailing slash"),
		Entry("a base URL with a user", map[string]any{"baseURL": "https://u:p@api.2sms.example"}, "spec.twoSMS.baseURL", "without a user, query or trailing slash"),
		Entry("a base URL with a slash at its end", map[string]any{"baseURL": "https://api.2sms.example/"}, "spec.twoSMS.baseURL", "without a user, query or trailing slash"),
		Entry("an id that is no guid", map[string]any{"accountID": "4711"}, "spec.twoSMS.accountID", "the guid of the master account"),
		Entry("no client secret", map[string]any{"clientSecretRef": nil}, "spec.twoSMS.clientSecretRef", "Required"),
		Entry("an unnamed client secret", map[string]any{"clientSecretRef": map[string]any{}}, "spec.twoSMS.clientSecretRef.name", "Required"),
		Entry("a caBundle that is none", map[string]any{"caBundle": "-----BEGIN"}, "spec.twoSMS.caBundle", "base64"),
	)

	DescribeTable("or of another provider is refused where the two are mixed",
		func(ctx SpecContext, spec, field, text string) {
			err := testenv.DryApply(ctx, testenv.Manifest("ParentAccount", "default", "acme-mixed", spec))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(And(ContainSubstring(field), ContainSubstring(text))))
		},
		Entry("neither", `{}`, "spec.voximplant", "exactly one of"),
		Entry("both", `{"voximplant":{"credentialsSecretRef":{"name":"a"}},`+master(nil)[1:], "spec.voximplant", "exactly one of"),
		Entry("the parent account itself", `{"account":{"languageCode":"de"},`+master(nil)[1:], "spec.account", "Remove account"),
		Entry("plans", `{"plans":[{"type":"MAU","templateID":"11"}],`+master(nil)[1:], "spec.plans", "Remove plans"),
		Entry("an address to follow", `{"followAPIAddress":true,`+master(nil)[1:], "spec.followAPIAddress", "Remove followAPIAddress"),
	)

	It("stays with its provider", func(ctx SpecContext) {
		p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "switched-"}}
		p.Spec.Voximplant.CredentialsSecretRef.Name = "voximplant"
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		DeferCleanup(testenv.K8s.Delete, p)
		before := p.DeepCopy()
		p.Spec.Voximplant = v1alpha1.VoximplantParent{}
		p.Spec.TwoSMS = &v1alpha1.TwoSMSParent{BaseURL: "https://api.2sms.example", AccountID: "86e51d05-20a3-486c-adf1-a98ca194c74c", ClientSecretRef: v1alpha1.SecretReference{Name: "twosms"}}
		Expect(testenv.K8s.Update(ctx, p)).To(MatchError(And(ContainSubstring("spec.twoSMS"), ContainSubstring("can't change from voximplant to twoSMS or back"))))
		back := p.DeepCopy()
		back.Name, back.ResourceVersion, back.UID = "", "", ""
		Expect(testenv.K8s.Create(ctx, back)).To(Succeed())
		DeferCleanup(testenv.K8s.Delete, back)
		back.Spec = before.Spec
		Expect(testenv.K8s.Update(ctx, back)).To(MatchError(ContainSubstring("can't change from voximplant to twoSMS or back")))
	})
})
