package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
)

// tenant is somebody in a namespace of their own who may work with ChildAccounts there and read Secrets, and nothing else.
type tenant struct {
	w  *world
	ns string
	client.Client
}

// tenant makes a namespace and whoever works there.
func (w *world) tenant(ctx context.Context, labels map[string]string) *tenant {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-", Labels: labels}}
	Expect(k8s.Create(ctx, ns)).To(Succeed())
	user := "user-of-" + ns.Name
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "tenant"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"childaccounts"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list"}},
	}}
	Expect(k8s.Create(ctx, role)).To(Succeed())
	Expect(k8s.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "tenant"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tenant"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	})).To(Succeed())
	as := rest.CopyConfig(config)
	as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	c, err := client.New(as, client.Options{Scheme: cli.NewScheme()})
	Expect(err).NotTo(HaveOccurred())
	t := &tenant{w: w, ns: ns.Name, Client: c}
	DeferCleanup(func(ctx SpecContext) { w.sweep(ctx, ns.Name) })
	return t
}

// child declares an account of the parent in the world's namespace.
func (t *tenant) child(name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := t.w.child(name, change...)
	c.Namespace = t.ns
	c.Spec.ParentRef.Namespace = ptr.To(t.w.ns)
	return c
}

func (t *tenant) apply(ctx context.Context, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	GinkgoHelper()
	c := t.child(name, change...)
	Expect(t.Create(ctx, c)).To(Succeed())
	return c
}

// sharing is a parent that lets other namespaces in.
func sharing(allowed v1alpha1.AllowedNamespaces) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces = &allowed }
}

// startShared is a world with such a parent and a running operator.
func startShared(ctx context.Context, allowed v1alpha1.AllowedNamespaces) (*world, *v1alpha1.ParentAccount) {
	w := newWorld(ctx)
	p := w.applyParent(ctx, sharing(allowed))
	w.start(ctx)
	return w, p
}

var fromAll = v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll)}

// writes is how many calls there were that make or change an account.
func (w *world) writes() int {
	return w.count("AddAccount") + w.count("SetChildAccountInfo") + w.count("SetAccountInfo")
}

var _ = Describe("Sharing a parent", func() {
	It("Same: another namespace is not let in, without a call, and hears nothing of what is there", func(ctx SpecContext) {
		w := startWorld(ctx)
		t := w.tenant(ctx, nil)
		c := t.apply(ctx, "acme-stranger")
		nowhere := t.apply(ctx, "acme-nowhere", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "not-there" })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		Eventually(state(ctx, nowhere)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		same := func(c *v1alpha1.ChildAccount) string {
			return strings.ReplaceAll(state(ctx, c)(Default).message, c.Spec.ParentRef.Name, "NAME")
		}
		Expect(same(c)).To(Equal(same(nowhere)))
		w.awaitLists(2)
		Expect(w.writes()).To(BeZero())
		for _, call := range w.sim.Calls() {
			Expect(call.Params).NotTo(ContainElement(ContainSubstring("acme-stranger")))
		}
		Expect(t.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
	})

	It("All: another namespace has accounts, with its own connection Secret; withdrawn, they stay and nothing is written", func(ctx SpecContext) {
		w, p := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		c := t.apply(ctx, "acme-guest", func(c *v1alpha1.ChildAccount) {
			c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate)
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-guest").Fields["api_key"]))

		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces = nil })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		writes := w.writes()
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "changed@acme.example" })
		Expect(w.sim.SetField(w.account("acme-guest").ID, "account_email", "drift@else.example")).To(Succeed())
		w.awaitLists(2)
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Expect(w.writes()).To(Equal(writes))
		Expect(w.account("acme-guest").Active()).To(BeTrue())
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))

		edit(ctx, p, sharing(fromAll))
		c = t.apply(ctx, "acme-guest")
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(w.account("acme-guest").Fields["account_email"]).To(Equal("acme-guest@acme.example"))
	})

	It("Selector: a namespace is let in and out again by its labels", func(ctx SpecContext) {
		w, p := startShared(ctx, v1alpha1.AllowedNamespaces{
			From:     ptr.To(v1alpha1.NamespacesSelector),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"telephony": "yes"}},
		})
		in, out := w.tenant(ctx, map[string]string{"telephony": "yes"}), w.tenant(ctx, nil)
		guest, stranger := in.apply(ctx, "acme-inside"), out.apply(ctx, "acme-outside")
		Eventually(state(ctx, guest)).Should(BeAvailable())
		Eventually(state(ctx, stranger)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		label := func(ns string, labels map[string]string) {
			edit(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, func(n *corev1.Namespace) { n.Labels = labels })
		}
		label(out.ns, map[string]string{"telephony": "yes"})
		Eventually(state(ctx, stranger)).Should(BeAvailable())
		label(in.ns, nil)
		Eventually(state(ctx, guest)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))

		edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "telephony", Operator: "Roughly"}}}
		})
		Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonInvalidSelector))
		Expect(state(ctx, p)(Default).message).To(ContainSubstring("spec.allowedNamespaces.selector"))
	})

	It("a parent that is not ready tells other namespaces no more than that", func(ctx SpecContext) {
		w, p := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		Eventually(state(ctx, p)).Should(BeAvailable())
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.CredentialsSecretRef.Name = "hidden-name" })
		c := t.apply(ctx, "acme-curious")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(state(ctx, c)(Default).message).To(And(ContainSubstring("SecretMissing"), Not(ContainSubstring("hidden-name"))))
	})
})

var _ = Describe("A tenant who may do nothing but work with ChildAccounts", func() {
	adopting := func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }
	observing := func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) }

	It("gets no account that was there before, by no policy, without the grant", func(ctx SpecContext) {
		w, p := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		victim := w.sim.PutAccount(simulatorChild(w, "acme-treasure", "treasure@acme.example"))
		named := func(name string) func(*v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = &name }
		}
		plain := t.apply(ctx, "acme-plain", named("acme-treasure"))
		Eventually(state(ctx, plain)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(t.Delete(ctx, plain)).To(Succeed())
		taker := t.apply(ctx, "acme-taker", named("acme-treasure"), adopting)
		looker := t.apply(ctx, "acme-looker", named("acme-treasure"), observing)
		Eventually(state(ctx, taker)).Should(BeStalledAs(v1alpha1.ReasonNotPermitted))
		Eventually(state(ctx, looker)).Should(BeStalledAs(v1alpha1.ReasonNotPermitted))
		Expect(looker.Status.Observed).To(BeNil())
		Expect(w.writes()).To(BeZero())

		edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Grants = []v1alpha1.Grant{v1alpha1.GrantAdopt}
		})
		Eventually(state(ctx, taker)).Should(BeAvailable())
		Expect(taker.Status.AccountID).To(Equal(fmt.Sprint(victim.ID)))
		Eventually(state(ctx, looker)).Should(BeReadyAs(v1alpha1.ReasonObserved))
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces.Grants = nil })
		Eventually(state(ctx, taker)).Should(BeStalledAs(v1alpha1.ReasonNotPermitted))
	})

	It("gets no account of somebody else's resource, and can't stand in its way", func(ctx SpecContext) {
		w := startWorld(ctx)
		t := w.tenant(ctx, nil)
		name := func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To("acme-wanted") }
		squatter := t.apply(ctx, "acme-squatter", name) // older, and not let in
		Eventually(state(ctx, squatter)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		owner := w.applyReady(ctx, "acme-wanted")
		edit(ctx, w.parentAccount(), sharing(fromAll))
		Eventually(state(ctx, squatter)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Consistently(state(ctx, owner)).Should(BeAvailable())
		// Not even after its resource is gone: the claim stays.
		remove(ctx, w, owner)
		Eventually(state(ctx, squatter)).Should(BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(w.count("AddAccount")).To(Equal(1))
	})

	It("can't pass for the holder of an account by forging what the operator writes", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		owner := w.applyReady(ctx, "acme-mine")
		forged := t.child("acme-forged", func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName = ptr.To("acme-mine")
			c.Annotations = map[string]string{
				v1alpha1.AnnotationCreateIntent: owner.Status.ParentAccountID + "/acme-mine",
				v1alpha1.AnnotationAcceptParent: owner.Status.ParentAccountID,
			}
			c.Finalizers = []string{v1alpha1.Finalizer}
			c.Status = owner.Status
		})
		Expect(t.Create(ctx, forged)).To(Succeed())
		Eventually(state(ctx, forged)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(forged.Status.AccountID).To(BeEmpty())
		err := t.Status().Patch(ctx, forged, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"accountID":"1","origin":"Created"}}`)))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("can't have another's Secret read, written or taken over", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		w.applyPassword(ctx, "owners-password", firstPassword)
		c := t.apply(ctx, "acme-reader", withPassword("owners-password")) // means one in the tenant's own namespace
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonSecretMissing))
		bystander := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.ns, Name: "bystander"}, Data: map[string][]byte{"password": []byte("untouched")}}
		Expect(k8s.Create(ctx, bystander)).To(Succeed())
		unlabelled := t.apply(ctx, "acme-unmarked", withPassword("bystander"))
		Eventually(state(ctx, unlabelled)).Should(BeStalledAs(v1alpha1.ReasonSecretNotLabelled))
		over := t.apply(ctx, "acme-over", func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("bystander")}
		})
		Eventually(state(ctx, over)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(k8s.Get(ctx, clientKey(bystander), bystander)).To(Succeed())
		Expect(bystander.Data).To(Equal(map[string][]byte{"password": []byte("untouched")}))
		Expect(w.count("AddAccount")).To(BeZero())
	})

	It("can't choose the host, nor make a parent of their own", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		own := w.parentAccount()
		own.Namespace = t.ns
		Expect(apierrors.IsForbidden(t.Create(ctx, own))).To(BeTrue())
		Expect(apierrors.IsForbidden(t.Update(ctx, w.parentAccount()))).To(BeTrue())
		// Even somebody who may make ParentAccounts has the endpoints of --allowed-endpoints and no other.
		own.Spec.Voximplant.Endpoint = ptr.To("https://collector.example")
		Expect(k8s.Create(ctx, own)).To(Succeed())
		Eventually(state(ctx, own)).Should(BeStalledAs(v1alpha1.ReasonEndpointNotAllowed))
	})

	DescribeTable("can't smuggle anything into a parameter", func(ctx SpecContext, field, value string) {
		spec, err := json.Marshal(map[string]any{"parentRef": map[string]any{"name": "acme"}, "email": "a@b.example"})
		Expect(err).NotTo(HaveOccurred())
		u := manifest("ChildAccount", "default", "acme-inject", string(spec))
		u.Object["spec"].(map[string]any)[field] = value
		Expect(apierrors.IsInvalid(dryApply(ctx, u))).To(BeTrue(), "%s %q", field, value)
	}, injections())

	It("what a value may hold arrives as one value and changes one account", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		other := w.applyReady(ctx, "acme-other")
		c := t.apply(ctx, "acme-special", func(c *v1alpha1.ChildAccount) { c.Spec.Email = "a+b&child_account_id=all#{x}|y~%3B@acme.example" })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-special").Fields["account_email"]).To(Equal(c.Spec.Email))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "all&child_account_email=x@acme.example" })
		Eventually(func() any { return w.account("acme-special").Fields["account_email"] }).Should(Equal("all&child_account_email=x@acme.example"))
		Expect(w.account("acme-other").Fields["account_email"]).To(Equal(other.Spec.Email))
	})

	It("a password with separators is one password, and one with line breaks or NUL is none", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyPassword(ctx, "separators", "Aa1;all,x=y&z%3B#-long")
		w.applyReady(ctx, "acme-password", withPassword("separators"))
		Expect(w.has("acme-password", "Aa1;all,x=y&z%3B#-long")()).To(BeTrue())
		for name, password := range map[string]string{"nul": "Aa1-\x00-zzzz", "line": "Aa1-zzzz\nx: y", "bytes": "Aa1-zzzz\xff"} {
			w.applyPassword(ctx, name, password)
			c := w.apply(ctx, "acme-"+name+"-x", withPassword(name))
			Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
		}
		Expect(w.count("AddAccount")).To(Equal(1))
	})
})

// injections tries every piece that means something to the API, or to whatever carries it, in every field of text.
func injections() []TableEntry {
	var out []TableEntry
	for field, good := range map[string]string{"accountName": "acme-x", "email": "a@b.example", "location": "Europe/Berlin", "languageCode": "en", "minBalanceToNotify": "5.00"} {
		for what, piece := range map[string]string{"semicolon": ";", "comma": ",", "newline": "\n", "carriage return": "\r", "NUL": "\x00", "blank": " ", "quote": "\""} {
			out = append(out, Entry(field+", "+what+" inside", field, good[:1]+piece+good[1:]), Entry(field+", "+what+" at the end", field, good+piece))
		}
	}
	return append(out, Entry("accountName, all", "accountName", "all"), Entry("a list of names", "accountName", "acme-a;acme-b"))
}
