package plan_test

import (
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
)

// drawn is a pointer to a drawn value, or nil.
func drawn[T any](t *rapid.T, g *rapid.Generator[T], label string) *T {
	if !rapid.Bool().Draw(t, label+" set") {
		return nil
	}
	return ptr.To(g.Draw(t, label))
}

func drawSpec(t *rapid.T) *v1alpha1.ChildAccountSpec {
	text := rapid.SampledFrom([]string{"", "en", "Europe/Berlin", "a@acme.example", "no"})
	spec := &v1alpha1.ChildAccountSpec{
		Email: text.Draw(t, "email"), Active: drawn(t, rapid.Bool(), "active"), LanguageCode: drawn(t, text, "languageCode"),
		Location: drawn(t, text, "location"), CanUseRestricted: drawn(t, rapid.Bool(), "canUseRestricted"),
	}
	if rapid.Bool().Draw(t, "notifications") {
		spec.Notifications = &v1alpha1.Notifications{Account: drawn(t, rapid.Bool(), "account"), News: drawn(t, rapid.Bool(), "news")}
	}
	if rapid.Bool().Draw(t, "payments") {
		spec.Payments = &v1alpha1.Payments{Invoice: drawn(t, rapid.Bool(), "invoice")}
	}
	if rapid.Bool().Draw(t, "profile") {
		spec.Profile = &v1alpha1.Profile{FirstName: drawn(t, text, "firstName"), StoreInboundSMS: drawn(t, rapid.Bool(), "storeInboundSMS")}
		if rapid.Bool().Draw(t, "billingAddress") {
			spec.Profile.BillingAddress = &v1alpha1.BillingAddress{Zip: drawn(t, text, "zip")}
		}
	}
	if rapid.Bool().Draw(t, "callback") {
		spec.Callback = &v1alpha1.Callback{URL: drawn(t, text, "url")}
	}
	if rapid.Bool().Draw(t, "recordStorage") {
		spec.RecordStorage = &v1alpha1.RecordStorage{Name: text.Draw(t, "storage")}
	}
	switch rapid.IntRange(0, 2).Draw(t, "minBalanceToNotify") {
	case 1:
		spec.MinBalanceToNotify = ptr.To(intstr.FromInt32(rapid.Int32().Draw(t, "number")))
	case 2:
		spec.MinBalanceToNotify = ptr.To(intstr.FromString(rapid.SampledFrom([]string{"", "5.00", "0"}).Draw(t, "decimal")))
	}
	return spec
}

// What is read off a spec directly is what a detour over JSON finds.
func TestDeclaredIsWhatJSONHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
		if err != nil {
			t.Fatal(err)
		}
		want, got := account.FromObject(schema, object), plan.Declared(schema, spec)
		if !maps.Equal(got, want) {
			t.Fatalf("read %v, JSON has %v", got, want)
		}
	})
}

// A spec of another kind: plain values, an embedded struct, a value with a spelling of its own, and paths that it lacks.
func TestDeclaredOfAnotherKind(t *testing.T) {
	type common struct {
		Email string `json:"email"`
	}
	type inner struct {
		Name *string `json:"name,omitempty"`
	}
	type spec struct {
		common `json:",inline"`
		Size   int                 `json:"size"`
		Inner  inner               `json:"inner"`
		Amount intstr.IntOrString  `json:"amount"`
		None   *intstr.IntOrString `json:"none,omitempty"`
		List   []string            `json:"list"`
	}
	table := account.Schema{{Path: "email"}, {Path: "size"}, {Path: "inner.name"}, {Path: "amount"}, {Path: "none"}, {Path: "list"}, {Path: "email.x"}, {Path: "other"}}
	got := plan.Declared(table, &spec{common: common{"a@acme.example"}, Size: 3, Inner: inner{ptr.To("x")}, Amount: intstr.FromInt32(5), List: []string{"a"}})
	want := account.State{"email": "a@acme.example", "size": "3", "inner.name": "x", "amount": "5"}
	if !maps.Equal(got, want) {
		t.Fatalf("read %v, want %v", got, want)
	}
}

func BenchmarkDeclared(b *testing.B) {
	spec := &v1alpha1.ChildAccountSpec{Email: "support@acme.example", Location: ptr.To("Europe/Berlin"), MinBalanceToNotify: ptr.To(intstr.FromString("5.00"))}
	b.ReportAllocs()
	for b.Loop() {
		plan.Declared(schema, spec)
	}
}
