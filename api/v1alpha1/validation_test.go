package v1alpha1_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = DescribeTable("kubectl apply refuses a ChildAccount and names the field",
	func(ctx SpecContext, name, spec, field, text string) {
		err := testenv.DryApply(ctx, testenv.Manifest("ChildAccount", "default", name, spec))
		Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(ContainSubstring(field), ContainSubstring(text))))
	},
	Entry("a name that can't serve as the account name", "ab", `{"parentRef":{"name":"acme"},"email":"a@b.example"}`, "spec.accountName", "set spec.accountName"),
	Entry("a name with a dot", "acme.support", `{"parentRef":{"name":"acme"},"email":"a@b.example"}`, "spec.accountName", "set spec.accountName"),
	Entry("a name that is too long", "acme-support-department", `{"parentRef":{"name":"acme"},"email":"a@b.example"}`, "spec.accountName", "set spec.accountName"),
	Entry("an account name in capitals", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"Acme-support"}`, "spec.accountName", "a letter first"),
	Entry("an account name of a list", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"aaaaa;bbbbb"}`, "spec.accountName", "a letter first"),
	Entry("an account name with a newline", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"aaaaa\n"}`, "spec.accountName", "a letter first"),
	Entry("an account name that begins with a digit", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"1acme"}`, "spec.accountName", "a letter first"),
	Entry("an account name of four characters", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"acme"}`, "spec.accountName", "at least 5"),
	Entry("an account name of 21 characters", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"abcdefghijklmnopqrstu"}`, "spec.accountName", "than 20"),
	Entry("no e-mail", "acme-ok", `{"parentRef":{"name":"acme"}}`, "spec.email", "Required"),
	Entry("an e-mail without @", "acme-ok", `{"parentRef":{"name":"acme"},"email":"acme.example"}`, "spec.email", "one e-mail address"),
	Entry("an e-mail without a domain", "acme-ok", `{"parentRef":{"name":"acme"},"email":"acme@"}`, "spec.email", "one e-mail address"),
	Entry("two e-mails", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example;c@d.example"}`, "spec.email", "one e-mail address"),
	Entry("an e-mail with a blank", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a b@c.example"}`, "spec.email", "one e-mail address"),
	Entry("an e-mail with a domain that is not ASCII", "acme-ok", `{"parentRef":{"name":"acme"},"email":"info@bücher.example"}`, "spec.email", "begins with xn--"),
	Entry("an e-mail with a user that is not ASCII", "acme-ok", `{"parentRef":{"name":"acme"},"email":"jörg@acme.example"}`, "spec.email", "before the @ are not possible"),
	Entry("an e-mail that ends with a dot", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example."}`, "spec.email", "Remove the dot"),
	Entry("an e-mail with two @", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b@c.example"}`, "spec.email", "more than one @"),
	Entry("an e-mail in quotes", "acme-ok", `{"parentRef":{"name":"acme"},"email":"\"a\"@b.example"}`, "spec.email", "before the @ only"),
	Entry("an e-mail with a line break, even where it is only observed", "acme-ok", `{"parentRef":{"name":"acme"},"managementPolicy":"Observe","email":"a\n@b.example"}`, "spec.email", "control characters"),
	Entry("an endless e-mail", "acme-ok", `{"parentRef":{"name":"acme"},"managementPolicy":"Observe","email":"a@`+strings.Repeat("b", 320)+`"}`, "spec.email", "than 320"),
	Entry("a label of the operator's own", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"labels":{"accounts.cpaas.dev/input":"true"}}}`, "spec.connectionSecret.labels", "the operator's own"),
	Entry("an annotation of the operator's own", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"annotations":{"accounts.cpaas.dev/account":"1/x"}}}`, "spec.connectionSecret.annotations", "the operator's own"),
	Entry("a label with a blank", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"labels":{"a b":"x"}}}`, "spec.connectionSecret.labels", "a label's key"),
	Entry("a label's value that is none", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"labels":{"team":"a b"}}}`, "spec.connectionSecret.labels", "should match"),
	Entry("a key without roles", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{}}}`, "spec.connectionSecret.serviceAccountKey.roles", "Required"),
	Entry("a key of no role", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":[]}}}`, "spec.connectionSecret.serviceAccountKey.roles", "at least 1"),
	Entry("a key with two roles in one", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":["Owner;Admin"]}}}`, "spec.connectionSecret.serviceAccountKey.roles", "should match"),
	Entry("a key with a role that begins with a blank", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":[" Owner"]}}}`, "spec.connectionSecret.serviceAccountKey.roles", "should match"),
	Entry("a key with a role in two lines", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":["Owner\nAdmin"]}}}`, "spec.connectionSecret.serviceAccountKey.roles", "should match"),
	Entry("a key with a role twice", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":["Owner","Owner"]}}}`, "spec.connectionSecret.serviceAccountKey.roles", "Duplicate"),
	Entry("a key that is always too old", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":["Owner"],"rotateAfter":"1h59m"}}}`, "spec.connectionSecret.serviceAccountKey.rotateAfter", "from 2h"),
	Entry("a key's age in days", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":["Owner"],"rotateAfter":"30d"}}}`, "spec.connectionSecret.serviceAccountKey.rotateAfter", "should match"),
	Entry("a parent's namespace that is none", "acme-ok", `{"parentRef":{"name":"acme","namespace":"A/b"},"email":"a@b.example"}`, "spec.parentRef.namespace", "should match"),
	Entry("no parent", "acme-ok", `{"email":"a@b.example"}`, "spec.parentRef", "Required"),
	Entry("an empty parent", "acme-ok", `{"parentRef":{"name":""},"email":"a@b.example"}`, "spec.parentRef.name", "at least 1"),
	Entry("an unknown language", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","languageCode":"xx"}`, "spec.languageCode", "Unsupported value"),
	Entry("Norwegian without quotes", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","languageCode":false}`, "spec.languageCode", "must be of type string"),
	Entry("a location with a blank", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","location":"New York"}`, "spec.location", "IANA"),
	Entry("a location that nobody knows", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","location":"Europe/Atlantis"}`, "spec.location", "by its exact name: Europe/Berlin"),
	Entry("a location in lower case", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","location":"europe/berlin"}`, "spec.location", "by its exact name"),
	Entry("a location without a place", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","location":"Local"}`, "spec.location", "IANA"),
	Entry("an unknown location without adopting", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","location":"Europe/Atlantis","adoptionPolicy":"Never","managementPolicy":"Manage"}`, "spec.location", "IANA"),
	Entry("an endless location", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","location":"`+strings.Repeat("A", 65)+`"}`, "spec.location", "than 64"),
	Entry("a balance with a sign", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":"-5"}`, "spec.minBalanceToNotify", "decimal"),
	Entry("a negative balance", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":-5}`, "spec.minBalanceToNotify", "decimal"),
	Entry("a balance with an exponent", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":"1e3"}`, "spec.minBalanceToNotify", "decimal"),
	Entry("a balance with a comma", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":"5,00"}`, "spec.minBalanceToNotify", "decimal"),
	Entry("a balance with a fraction as a number", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":5.5}`, "spec.minBalanceToNotify", "must be of type"),
	Entry("a balance that is too large", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":1000000000}`, "spec.minBalanceToNotify", "decimal"),
	Entry("a boolean in quotes", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","active":"true"}`, "spec.active", "boolean"),
	Entry("a field that does not exist", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","currency":"USD"}`, "spec.currency", "unknown field"),
	Entry("a plan of an unknown type", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","plans":[{"type":"SMS","templateID":"11"}]}`, "spec.plans[0].type", "Unsupported value"),
	Entry("a plan without an id", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","plans":[{"type":"MAU"}]}`, "spec.plans[0].templateID", "Required"),
	Entry("a plan whose id has no quotes", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","plans":[{"type":"MAU","templateID":11}]}`, "spec.plans[0].templateID", "must be of type string"),
	Entry("a plan whose id is none", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","plans":[{"type":"MAU","templateID":"0x11"}]}`, "spec.plans[0].templateID", "a positive whole number in quotes"),
	Entry("two plans of a type", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","plans":[{"type":"MAU","templateID":"11"},{"type":"MAU","templateID":"12"}]}`, "spec.plans[1]", "Duplicate value"),
	Entry("an empty first name", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"firstName":""}}`, "spec.profile.firstName", "at least 1"),
	Entry("a first name of 50 characters", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"firstName":"`+strings.Repeat("a", 50)+`"}}`, "spec.profile.firstName", "than 49"),
	Entry("a last name with a line break", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"lastName":"a\nb"}}`, "spec.profile.lastName", "control characters"),
	Entry("a mobile phone with blanks", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"mobilePhone":"+49 151 1234"}}`, "spec.profile.mobilePhone", "7 to 15 digits"),
	Entry("a mobile phone as a number", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"mobilePhone":4915112345678}}`, "spec.profile.mobilePhone", "must be of type string"),
	Entry("custom data with a NUL", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"customData":"a\u0000"}}`, "spec.profile.customData", "control characters"),
	Entry("endless custom data", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"customData":"`+strings.Repeat("a", 8192)+`"}}`, "spec.profile.customData", "than 8191"),
	Entry("a profile's boolean in quotes", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"storeInboundSMS":"true"}}`, "spec.profile.storeInboundSMS", "boolean"),
	Entry("a country in lower case", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"billingAddress":{"countryCode":"de"}}}`, "spec.profile.billingAddress.countryCode", "in capitals"),
	Entry("a country that is none", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"billingAddress":{"countryCode":"XX"}}}`, "spec.profile.billingAddress.countryCode", "in capitals"),
	Entry("an empty billing address", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"billingAddress":{"address":""}}}`, "spec.profile.billingAddress.address", "at least 1"),
	Entry("an endless ZIP code", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"billingAddress":{"zip":"`+strings.Repeat("1", 30)+`"}}}`, "spec.profile.billingAddress.zip", "than 29"),
	Entry("a callback to a path", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","callback":{"url":"/hook"}}`, "spec.callback.url", "http or https"),
	Entry("a callback by another scheme", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","callback":{"url":"ftp://a.example"}}`, "spec.callback.url", "http or https"),
	Entry("a callback with a password", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","callback":{"url":"https://u:p@a.example"}}`, "spec.callback.url", "without a user"),
	Entry("a salt Secret in capitals", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","callback":{"saltSecretRef":{"name":"Salt"}}}`, "spec.callback.saltSecretRef.name", "should match"),
	Entry("a record storage without a name", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","recordStorage":{}}`, "spec.recordStorage.name", "Required"),
	Entry("an empty record storage", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","recordStorage":{"name":""}}`, "spec.recordStorage.name", "at least 1"),
	Entry("a template without a name", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","cloneFrom":{}}`, "spec.cloneFrom.accountName", "Required"),
	Entry("a template in capitals", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","cloneFrom":{"accountName":"Template"}}`, "spec.cloneFrom.accountName", "a letter first"),
	Entry("two templates", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","cloneFrom":{"accountName":"aaaaa;bbbbb"}}`, "spec.cloneFrom.accountName", "a letter first"),
	Entry("a template of 21 characters", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","cloneFrom":{"accountName":"abcdefghijklmnopqrstu"}}`, "spec.cloneFrom.accountName", "than 20"),
	Entry("itself as the template", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","cloneFrom":{"accountName":"acme-ok"}}`, "spec.cloneFrom.accountName", "can't be cloned from itself"),
	Entry("itself as the template, by its account name", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"acme-one","cloneFrom":{"accountName":"acme-one"}}`, "spec.cloneFrom.accountName", "can't be cloned from itself"),
	Entry("a template and a record storage", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","cloneFrom":{"accountName":"acme-template"},"recordStorage":{"name":"eu"}}`, "spec.recordStorage", "can't be declared together with cloneFrom"),
	Entry("a Secret name with two dots in a row", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"name":"a..b"}}`, "spec.connectionSecret.name", "should match"),
	Entry("a name too long for its Secret", strings.Repeat("a", 243), `{"parentRef":{"name":"acme"},"email":"a@b.example","accountName":"acme-long"}`, "spec.connectionSecret", "too long"),
	Entry("a Secret name in capitals", "acme-ok", `{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"name":"Login"}}`, "spec.connectionSecret.name", "should match"),
)

var _ = DescribeTable("kubectl apply refuses a ParentAccount and names the field",
	func(ctx SpecContext, spec, field, text string) {
		err := testenv.DryApply(ctx, testenv.Manifest("ParentAccount", "default", "acme", spec))
		Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(ContainSubstring(field), ContainSubstring(text))))
	},
	Entry("no provider", `{}`, "spec.voximplant", "exactly one of"),
	Entry("an e-mail of its own account", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"email":"a@b.example"}}`, "spec.account.email", "unknown field"),
	Entry("a password of its own account", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"passwordSecretRef":{"name":"a"}}}`, "spec.account.passwordSecretRef", "unknown field"),
	Entry("an unknown language of its own account", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"languageCode":"xx"}}`, "spec.account.languageCode", "Unsupported value"),
	Entry("a location of its own account that nobody knows", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"location":"Europe/Atlantis"}}`, "spec.account.location", "by its exact name: Europe/Berlin"),
	Entry("a balance of its own account with a sign", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"minBalanceToNotify":"-5"}}`, "spec.account.minBalanceToNotify", "decimal"),
	Entry("a callback of its own account with a password", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"callback":{"url":"https://u:p@a.example"}}}`, "spec.account.callback.url", "without a user"),
	Entry("a mobile phone of its own account with blanks", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"profile":{"mobilePhone":"+49 151 1234"}}}`, "spec.account.profile.mobilePhone", "7 to 15 digits"),
	Entry("custom data of its own account with a NUL", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"profile":{"customData":"a\u0000"}}}`, "spec.account.profile.customData", "control characters"),
	Entry("a first name of its own account of 50 characters", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"profile":{"firstName":"`+strings.Repeat("a", 50)+`"}}}`, "spec.account.profile.firstName", "than 49"),
	Entry("a country of its own account in lower case", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"account":{"profile":{"billingAddress":{"countryCode":"de"}}}}`, "spec.account.profile.billingAddress.countryCode", "in capitals"),
	Entry("two plans of its own of a type", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"plans":[{"type":"MAU","templateID":"11"},{"type":"MAU","templateID":"12"}]}`, "spec.plans[1]", "Duplicate value"),
	Entry("a plan of its own without quotes", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"plans":[{"type":"MAU","templateID":11}]}`, "spec.plans[0].templateID", "must be of type string"),
	Entry("a selector that nobody asks", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"allowedNamespaces":{"selector":{"matchLabels":{"a":"b"}}}}`, "spec.allowedNamespaces", "from: Selector"),
	Entry("Selector without one", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"allowedNamespaces":{"from":"Selector"}}`, "spec.allowedNamespaces", "needs a selector"),
	Entry("an unknown grant", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"allowedNamespaces":{"from":"All","grants":["Everything"]}}`, "spec.allowedNamespaces.grants", "Unsupported value"),
	Entry("no credentials", `{"voximplant":{}}`, "spec.voximplant.credentialsSecretRef", "Required"),
	Entry("a path in the endpoint", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"},"endpoint":"https://api.example/platform_api"}}`, "spec.voximplant.endpoint", "scheme and host"),
	Entry("an endpoint of another scheme", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"},"endpoint":"file:///etc/passwd"}}`, "spec.voximplant.endpoint", "scheme and host"),
	Entry("a user in the endpoint", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"},"endpoint":"https://user@api.example"}}`, "spec.voximplant.endpoint", "scheme and host"),
	Entry("an interval that is too short", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"resyncInterval":"500ms"}`, "spec.resyncInterval", "from 1s"),
	Entry("an interval without a unit", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"resyncInterval":"300"}`, "spec.resyncInterval", "should match"),
	Entry("a rate of nothing", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"limits":{"requestsPerSecond":0}}`, "spec.limits.requestsPerSecond", "greater than or equal to 1"),
	Entry("nothing in flight", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"}},"limits":{"maxInFlight":0}}`, "spec.limits.maxInFlight", "greater than or equal to 1"),
	Entry("a caBundle that is not base64", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"},"caBundle":"-----BEGIN CERTIFICATE-----"}}`, "spec.voximplant.caBundle", "PEM in base64"),
	Entry("a caBundle that lost its end", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"},"caBundle":"LS0tL"}}`, "spec.voximplant.caBundle", "PEM in base64"),
	Entry("an endless caBundle", `{"voximplant":{"credentialsSecretRef":{"name":"voximplant"},"caBundle":"`+strings.Repeat("LS0t", 1<<16+1)+`"}}`, "spec.voximplant.caBundle", "than 262144"),
)

var _ = Describe("What can't be changed", func() {
	DescribeTable("is refused, effective values compared",
		func(ctx SpecContext, before, after *string, allowed bool) {
			w := testenv.NewWorld(ctx)
			c := w.Child("acme-fixed", func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = before })
			Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
			c.Spec.AccountName = after
			err := testenv.K8s.Update(ctx, c)
			if allowed {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(And(ContainSubstring("spec.accountName"), ContainSubstring("can't be changed"))))
			}
		},
		Entry("another name", ptr.To("acme-one"), ptr.To("acme-two"), false),
		Entry("a name added", nil, ptr.To("acme-two"), false),
		Entry("a name removed", ptr.To("acme-one"), nil, false),
		Entry("the same name added", nil, ptr.To("acme-fixed"), true),
		Entry("the same name removed", ptr.To("acme-fixed"), nil, true),
	)

	DescribeTable("a billing address is changed and never removed, a record storage and a template neither",
		func(ctx SpecContext, before, after func(*v1alpha1.ChildAccountSpec), field, text string) {
			w := testenv.NewWorld(ctx)
			c := w.Child("acme-fixed", func(c *v1alpha1.ChildAccount) { before(&c.Spec) })
			Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
			after(&c.Spec)
			err := testenv.K8s.Update(ctx, c)
			if text == "" {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(And(ContainSubstring(field), ContainSubstring(text))))
			}
		},
		Entry("the profile removed", billed, func(s *v1alpha1.ChildAccountSpec) { s.Profile = nil }, "spec.profile", "billingAddress can't be removed"),
		Entry("the address removed", billed, func(s *v1alpha1.ChildAccountSpec) { s.Profile.BillingAddress = nil }, "spec.profile", "billingAddress can't be removed"),
		Entry("a part removed", billed, func(s *v1alpha1.ChildAccountSpec) { s.Profile.BillingAddress.Zip = nil }, "spec.profile.billingAddress", "billingAddress.zip can't be removed"),
		Entry("a part changed, another added", billed, func(s *v1alpha1.ChildAccountSpec) {
			s.Profile.BillingAddress.Zip, s.Profile.BillingAddress.Phone = ptr.To("10117"), ptr.To("030")
		}, "", ""),
		Entry("the rest of the profile removed", billed, func(s *v1alpha1.ChildAccountSpec) { s.Profile.FirstName = nil }, "", ""),
		Entry("a record storage changed", recorded, func(s *v1alpha1.ChildAccountSpec) { s.RecordStorage.Name = "us" }, "spec.recordStorage", "can't be changed"),
		Entry("a record storage removed", recorded, func(s *v1alpha1.ChildAccountSpec) { s.RecordStorage = nil }, "spec.recordStorage", "can't be added or removed"),
		Entry("a record storage added", billed, recorded, "spec.recordStorage", "can't be added or removed"),
		Entry("a template changed", cloned, func(s *v1alpha1.ChildAccountSpec) { s.CloneFrom.AccountName = "acme-other" }, "spec.cloneFrom", "can't be changed"),
		Entry("a template removed", cloned, func(s *v1alpha1.ChildAccountSpec) { s.CloneFrom = nil }, "spec.cloneFrom", "can't be added or removed"),
		Entry("a template added", billed, cloned, "spec.cloneFrom", "can't be added or removed"),
		Entry("a template kept", cloned, func(s *v1alpha1.ChildAccountSpec) { s.Active = ptr.To(false) }, "", ""),
		Entry("a record storage kept", recorded, func(s *v1alpha1.ChildAccountSpec) { s.Active = ptr.To(false) }, "", ""),
	)

	It("is a billing address of the parent account itself, which is changed and never removed", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ParentAccount()
		p.Spec.Account = &v1alpha1.OwnAccount{Profile: &v1alpha1.OwnProfile{FirstName: ptr.To("Ada"), BillingAddress: &v1alpha1.BillingAddress{Name: ptr.To("Acme"), Zip: ptr.To("10115")}}}
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		for _, remove := range []func(*v1alpha1.ParentAccountSpec){
			func(s *v1alpha1.ParentAccountSpec) { s.Account = nil }, func(s *v1alpha1.ParentAccountSpec) { s.Account.Profile = nil },
			func(s *v1alpha1.ParentAccountSpec) { s.Account.Profile.BillingAddress = nil },
		} {
			without := p.DeepCopy()
			remove(&without.Spec)
			Expect(testenv.K8s.Update(ctx, without)).To(MatchError(And(ContainSubstring("spec.account"), ContainSubstring("billingAddress can't be removed"))))
		}
		without := p.DeepCopy()
		without.Spec.Account.Profile.BillingAddress.Zip = nil
		Expect(testenv.K8s.Update(ctx, without)).To(MatchError(ContainSubstring("billingAddress.zip can't be removed")))
		p.Spec.Account.Profile.FirstName, p.Spec.Account.Profile.BillingAddress.Zip = nil, ptr.To("10117")
		Expect(testenv.K8s.Update(ctx, p)).To(Succeed())
	})

	It("but not the parent: which account it leads to the operator alone can see", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		c := w.Apply(ctx, "acme-fixed")
		c.Spec.ParentRef.Name, c.Spec.ParentRef.Namespace = "other", &c.Namespace
		Expect(testenv.K8s.Update(ctx, c)).To(Succeed())
	})

	It("accepts every documented spelling of good values", func(ctx SpecContext) {
		for _, spec := range []string{
			`{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":5}`,
			`{"parentRef":{"name":"acme"},"email":"a@b.example","minBalanceToNotify":"999999999.9999"}`,
			`{"parentRef":{"name":"acme"},"email":"o'brien@acme.example","location":"US/Eastern"}`,
			`{"parentRef":{"name":"acme"},"email":"back` + "`" + `tick@acme.example","location":"Asia/Calcutta"}`,
			`{"parentRef":{"name":"acme"},"email":"acme@localhost","location":"UTC"}`,
			`{"parentRef":{"name":"acme"},"email":"a@b.example","plans":[{"type":"MAU","templateID":"11"},{"type":"IM","templateID":"21"}]}`,
			`{"parentRef":{"name":"acme"},"email":"info@xn--bcher-kva.example","location":"America/Argentina/Buenos_Aires"}`,
			`{"parentRef":{"name":"acme"},"email":"jörg müller@bücher.example","location":"(GMT+01:00) Berlin","managementPolicy":"Observe"}`,
			`{"parentRef":{"name":"acme"},"email":"jörg@bücher.example","location":"Europe/Atlantis","adoptionPolicy":"Always"}`,
			`{"parentRef":{"name":"acme"},"email":"jörg@bücher.example","adoptionPolicy":"IfIdentical"}`,
			`{"parentRef":{"name":"acme"},"email":"a@b.example","connectionSecret":{"serviceAccountKey":{"roles":["Call list manager","A","Менеджер"],"rotateAfter":"2h"}}}`,
			`{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"mobilePhone":"+4915112345678","customData":"{\n\t\"crm\": 4711}","billingAddress":{"countryCode":"AX"}},"callback":{"url":"http://hooks.acme.example:8080/a?b=c&d=e@f"}}`,
			`{"parentRef":{"name":"acme"},"email":"a@b.example","profile":{"firstName":"` + strings.Repeat("ü", 49) + `","customData":"` + strings.Repeat("ü", 8191) + `"}}`,
			`{"parentRef":{"name":"acme"},"email":"First.Last+tag@sub.acme-telephony.example","languageCode":"no","location":"Etc/GMT+10"}`,
		} {
			Expect(testenv.DryApply(ctx, testenv.Manifest("ChildAccount", "default", "acme-ok", spec))).To(Succeed())
		}
	})

	It("takes every caBundle that can be read, and repeats none that can't", func(ctx SpecContext) {
		apply := func(bundle string) (*v1alpha1.ParentAccount, error) {
			spec, err := json.Marshal(map[string]any{"voximplant": map[string]any{"credentialsSecretRef": map[string]any{"name": "voximplant"}, "caBundle": bundle}})
			Expect(err).NotTo(HaveOccurred())
			u := testenv.Manifest("ParentAccount", "default", "acme-ok", string(spec))
			if err := testenv.DryApply(ctx, u); err != nil {
				return nil, err
			}
			text, err := json.Marshal(u)
			Expect(err).NotTo(HaveOccurred())
			p := &v1alpha1.ParentAccount{}
			return p, json.Unmarshal(text, p) // as the operator's cache does
		}
		for _, n := range []int{0, 1, 2, 3, 100, 196000} {
			text := strings.Repeat("-", n)
			whole := base64.StdEncoding.EncodeToString([]byte(text))
			for _, bundle := range []string{whole, whole + "\n", strings.Join(strings.Split(whole, ""), "\n")} {
				if len(bundle) > 262144 {
					continue
				}
				p, err := apply(bundle)
				Expect(err).NotTo(HaveOccurred())
				Expect(string(p.Spec.Voximplant.CABundle)).To(Equal(text))
			}
		}
		for _, bundle := range []string{"hunter2!", "hunter2==", "hunter2=x", "hunter2\t", "=hunter2", "hunter_-", strings.Repeat("hunter22", 1<<15+1)} {
			_, err := apply(bundle)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%q: %v", bundle, err)
			Expect(err).NotTo(MatchError(ContainSubstring("hunter")))
		}
	})
})

func billed(s *v1alpha1.ChildAccountSpec) {
	s.Profile = &v1alpha1.Profile{FirstName: ptr.To("Ada"), BillingAddress: &v1alpha1.BillingAddress{
		Name: ptr.To("Acme"), CountryCode: ptr.To("DE"), Address: ptr.To("Hauptstr. 1"), Zip: ptr.To("10115"),
	}}
}

func cloned(s *v1alpha1.ChildAccountSpec) {
	s.CloneFrom = &v1alpha1.CloneFrom{AccountName: "acme-template"}
}

func recorded(s *v1alpha1.ChildAccountSpec) {
	s.RecordStorage = &v1alpha1.RecordStorage{Name: "eu"}
}
