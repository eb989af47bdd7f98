package secrets_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

const theirPassword = "Theirs-before-3x"

// withAPIKey lets a parent know its own API key.
func withAPIKey(ctx context.Context, w *testenv.World) func(*v1alpha1.ParentAccount) {
	GinkgoHelper()
	Expect(testenv.K8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "voximplant-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"api-key": []byte(w.Parent.APIKey)},
	})).To(Succeed())
	return func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
	}
}

// putTheirs makes an account that is there before any resource, with a password that only its owner knows.
func putTheirs(w *testenv.World, name string) simulator.Account {
	a := testenv.SimulatorChild(w, name, name+"@acme.example")
	a.Fields["account_password"] = theirPassword
	return w.Sim.PutAccount(a)
}

// presented watches the connection Secrets of a namespace, and returns the passwords that any of them ever had beside the id of an
// account that is there and has another password. None of the accounts may get another one meanwhile.
func presented(w *testenv.World, ns string) (wrong func() []string) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	c, err := client.NewWithWatch(testenv.Config, client.Options{Scheme: cli.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	events, err := c.Watch(ctx, &corev1.SecretList{}, client.InNamespace(ns), client.MatchingLabels{v1alpha1.LabelConnection: "true"})
	Expect(err).NotTo(HaveOccurred())
	var mu sync.Mutex
	var found []string
	go func() {
		for event := range events.ResultChan() {
			secret, ok := event.Object.(*corev1.Secret)
			if !ok {
				continue
			}
			id, err := strconv.ParseInt(string(secret.Data["accountID"]), 10, 64)
			if _, there := w.Sim.AccountByID(id); err != nil || !there {
				continue
			}
			if password := string(secret.Data["password"]); password != "" && !w.Sim.CheckPassword(id, password) {
				mu.Lock()
				found = append(found, fmt.Sprintf("%s of account %d in version %s of Secret %s", password, id, secret.ResourceVersion, secret.Name))
				mu.Unlock()
			}
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return found
	}
}

func recreating(c *v1alpha1.ChildAccount) { c.Spec.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) }

func adoptingAlways(c *v1alpha1.ChildAccount) {
	c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
}

// hide makes the provider's list wrongly empty; with look a look-up by name finds nothing, either.
func hide(w *testenv.World, look bool) {
	fault := simulator.Fault{Kind: simulator.FaultEmptyList, Method: "GetChildrenAccounts"}
	if !look {
		fault.Match = map[string]string{"child_account_id": "all"}
	}
	w.Sim.AddFault(fault)
}

// identity is what a status says of whose the account is.
func identity(c *v1alpha1.ChildAccount) string {
	return fmt.Sprint(c.Status.AccountID, " of ", c.Status.ParentAccountID, " ", c.Status.Origin)
}

// reappearance is a way in which an account is missing for a while, and there after all.
type reappearance struct {
	// adopted accounts were there before the resource, with their own password; others are created.
	adopted bool
	// declared is set where the resource declares a password, which an adopted account does not get.
	declared bool
	// key is set where the parent's own API key is known.
	key bool
	// look is set where a look-up by name finds nothing, either.
	look bool
	// lost is set where the answer of AddAccount is lost.
	lost bool
	// restart is set where the operator is started anew before the account is there again.
	restart bool
}

func (r reappearance) String() string {
	parts := []string{map[bool]string{true: "adopted", false: "created"}[r.adopted]}
	for _, part := range []struct {
		set  bool
		name string
	}{
		{r.declared, "with a declared password"}, {r.key, "with the parent's API key"}, {r.look, "hidden from look-ups too"},
		{r.lost, "the answer lost"}, {!r.lost, "the name taken"}, {r.restart, "and a restart"},
	} {
		if part.set {
			parts = append(parts, part.name)
		}
	}
	return strings.Join(parts, ", ")
}

// everyCase is set where all cases of a table are to be run, and not only some that have every value of each.
var everyCase = os.Getenv("TEST_ALL") != ""

// reappearances are all of them, or some.
func reappearances() (entries []TableEntry) {
	for i := range 1 << 6 {
		bit := func(n int) bool { return i&(1<<n) != 0 }
		r := reappearance{adopted: bit(0), key: bit(1), look: bit(2), lost: bit(3), restart: bit(4), declared: bit(5)}
		if r.declared && r.key || !everyCase && (r.restart != r.lost || r.look != (r.key || r.declared)) { // of a declared password no key tells
			continue
		}
		entries = append(entries, Entry(r.String(), r))
	}
	return entries
}

// start has the operator keep an account as it is for a case.
func (r reappearance) start(ctx context.Context, w *testenv.World) *v1alpha1.ChildAccount {
	GinkgoHelper()
	change := []func(*v1alpha1.ChildAccount){recreating}
	if r.adopted {
		putTheirs(w, "acme-hidden")
		change = append(change, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical) })
	}
	if r.declared {
		testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
		change = append(change, testenv.WithPassword("declared"))
	}
	if r.key {
		w.ApplyParent(ctx, withAPIKey(ctx, w))
	} else {
		w.ApplyParent(ctx)
	}
	w.Start(ctx)
	return w.ApplyReady(ctx, "acme-hidden", change...)
}

var _ = Describe("An account that the provider's list wrongly doesn't have", func() {
	DescribeTable("is the resource's as before when it is there again, with the password that it had before", func(ctx SpecContext, r reappearance) {
		w := testenv.NewWorld(ctx)
		c := r.start(ctx, w)
		w.AwaitLists(1)
		before, was, digest := testenv.ConnectionOf(ctx, c), identity(c), connectionDigest(ctx, c)
		is := w.Account("acme-hidden")
		wrong := presented(w, w.NS)

		adds := w.Count("AddAccount")
		if r.lost {
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		}
		hide(w, r.look)
		if !r.look { // the connection Secret is there, so the account is read first
			w.AwaitLists(3)
			Expect(w.Count("AddAccount")).To(Equal(adds))
		} else {
			Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", adds))
			w.AwaitLists(2)
		}
		if r.restart {
			w.Stop()
		}
		w.Sim.ClearFaults()
		if r.restart {
			w.Start(ctx)
		}

		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			g.Expect(identity(c)).To(Equal(was))
			g.Expect(testenv.ConnectionOf(ctx, c)).To(Equal(before))
			g.Expect(connectionDigest(ctx, c)).To(WithTransform(func(now string) bool { return now == "" }, Equal(digest == "")))
		}).Should(Succeed())
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(Equal(before))
		Expect(identity(c)).To(Equal(was))
		Expect(w.Account("acme-hidden")).To(Equal(is), "the account itself")
		Expect(w.Sim.Accounts(w.Parent.ID)).To(HaveLen(1))
		Expect(wrong()).To(BeEmpty())
	}, reappearances())

	It("is refused to who may not have it, and no password is kept for it, when it was there before the resource", func(ctx SpecContext) {
		for _, lost := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				w := testenv.NewWorld(ctx)
				putTheirs(w, "acme-before")
				hide(w, false)
				if lost {
					w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
				}
				if restart { // nobody finds out before
					w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "GetChildrenAccounts", Match: map[string]string{"child_account_name": "acme-before"}, Status: 503})
				}
				w.ApplyParent(ctx)
				w.Start(ctx)
				c := w.Apply(ctx, "acme-before")
				Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", 0))
				if restart {
					w.Stop()
				}
				w.Sim.ClearFaults()
				if restart {
					w.Start(ctx)
				}
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
				Eventually(passwordsIn(ctx, c)).Should(BeEmpty())
				w.AwaitLists(2)
				Expect(passwordsIn(ctx, c)()).To(BeEmpty())
				Expect(testenv.HasPassword(w, "acme-before", theirPassword)()).To(BeTrue())

				By("and none when it may, after all")
				testenv.Edit(ctx, c, adoptingAlways)
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
				Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
				Expect(passwordsIn(ctx, c)()).To(BeEmpty())
				w.Sweep(ctx, w.NS)
			}
		}
	})

	It("is adopted without a password, and without the declared one, when it was there before the resource", func(ctx SpecContext) {
		for _, lost := range []bool{false, true} {
			for _, declared := range []bool{false, true} {
				w := testenv.NewWorld(ctx)
				putTheirs(w, "acme-before")
				wrong := presented(w, w.NS)
				hide(w, false)
				if lost {
					w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
				}
				w.ApplyParent(ctx)
				testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
				w.Start(ctx)
				c := w.Apply(ctx, "acme-before", func(c *v1alpha1.ChildAccount) {
					c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical)
					if declared {
						testenv.WithPassword("declared")(c)
					}
				})
				Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", 0))
				w.Sim.ClearFaults()
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
				w.AwaitLists(2)
				Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
				Expect(passwordsIn(ctx, c)()).To(BeEmpty())
				Expect(testenv.HasPassword(w, "acme-before", theirPassword)()).To(BeTrue())
				Expect(wrong()).To(BeEmpty())
				w.Sweep(ctx, w.NS)
			}
		}
	})

	It("is found again, with its password, by a resource that was deleted and applied anew, and does not get a declared one", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-again")
		before := testenv.ConnectionOf(ctx, c)
		testenv.Remove(ctx, w, c)
		wrong := presented(w, w.NS)
		testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
		hide(w, true)
		w.AwaitLists(2)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		c = w.Apply(ctx, "acme-again", testenv.WithPassword("declared"))
		Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">=", 2))
		w.Sim.ClearFaults()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		w.AwaitLists(2)
		Expect(testenv.ConnectionOf(ctx, c)).To(Equal(before))
		Expect(testenv.HasPassword(w, "acme-again", before["password"])()).To(BeTrue())
		Expect(wrong()).To(BeEmpty())
	})

	It("is the resource's as before though it has no claim, and none would be adopted any more", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		putTheirs(w, "acme-hidden")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetAccountInfo", Code: 100})
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-hidden", recreating, adoptingAlways)
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = nil })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-hidden").Text("account_custom_data")).To(BeEmpty())
		before, was := testenv.ConnectionOf(ctx, c), identity(c)
		hide(w, true)
		Eventually(func() int { return w.Count("AddAccount") }).Should(Equal(1))
		w.Stop()
		w.Sim.ClearFaults()
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(identity(c)).To(Equal(was))
		Expect(testenv.ConnectionOf(ctx, c)).To(Equal(before))
	})

	It("is its tenant's as before under a shared parent, which has to prove nothing of what it had", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		c := t.Apply(ctx, "acme-hidden", recreating)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		By("its password was changed by whoever has it")
		Expect(w.Sim.SetField(w.Account("acme-hidden").ID, "account_password", theirPassword)).To(Succeed())
		before, was := testenv.ConnectionOf(ctx, c), identity(c)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		hide(w, true)
		Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", 1))
		w.Stop()
		w.Sim.ClearFaults()
		w.Start(ctx)
		w.AwaitLists(2)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(identity(c)).To(Equal(was))
		Expect(testenv.ConnectionOf(ctx, c)).To(Equal(before))
	})
})

// passwordsIn are the passwords in the connection Secret of a resource, if there is one.
func passwordsIn(ctx context.Context, c *v1alpha1.ChildAccount) func() []string {
	return func() (passwords []string) {
		var secret corev1.Secret
		Expect(client.IgnoreNotFound(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &secret))).To(Succeed())
		for _, key := range []string{"password", "passwordNext"} {
			if len(secret.Data[key]) > 0 {
				passwords = append(passwords, key)
			}
		}
		return passwords
	}
}

// replacement is a way in which an account that is gone is made anew.
type replacement struct{ adopted, key, shared, lost, restart bool }

func replacements() (entries []TableEntry) {
	for i := range 1 << 5 {
		bit := func(n int) bool { return i&(1<<n) != 0 }
		r := replacement{adopted: bit(0), key: bit(1), shared: bit(2), lost: bit(3), restart: bit(4)}
		if r.restart && !r.lost || r.adopted && r.shared || !everyCase && (r.restart != r.lost || r.key == r.shared) {
			continue
		}
		entries = append(entries, Entry(fmt.Sprintf("%+v", r), r))
	}
	return entries
}

var _ = Describe("An account that is gone at the provider, with missingPolicy Recreate,", func() {
	DescribeTable("is made anew with a password that is in the connection Secret, and never lost", func(ctx SpecContext, r replacement) {
		w := testenv.NewWorld(ctx)
		change := []func(*v1alpha1.ParentAccount){}
		if r.key {
			change = append(change, withAPIKey(ctx, w))
		}
		if r.shared {
			change = append(change, testenv.Sharing(testenv.FromAll))
		}
		w.ApplyParent(ctx, change...)
		var old simulator.Account
		if r.adopted {
			old = putTheirs(w, "acme-anew")
		}
		w.Start(ctx)
		t := &testenv.Tenant{World: w, NS: w.NS, Client: testenv.K8s}
		if r.shared {
			t = w.NewTenant(ctx, nil)
		}
		c := t.Apply(ctx, "acme-anew", recreating, func(c *v1alpha1.ChildAccount) {
			if r.adopted {
				adoptingAlways(c)
			}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		old = w.Account("acme-anew")
		w.AwaitLists(1)

		if r.lost {
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
			hide(w, true) // nobody finds out before
		}
		adds := w.Count("AddAccount")
		w.Sim.Remove(old.ID)
		wrong := presented(w, c.Namespace)
		Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", adds))
		if r.restart {
			w.Stop()
		}
		w.Sim.ClearFaults()
		if r.restart {
			w.Start(ctx)
		}
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			g.Expect(c.Status.AccountID).NotTo(Equal(fmt.Sprint(old.ID)))
		}).Should(Succeed())
		a := w.Account("acme-anew")
		Expect(identity(c)).To(Equal(fmt.Sprint(a.ID, " of ", w.Parent.ID, " ", v1alpha1.OriginCreated)))
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(And(
			HaveKeyWithValue("accountID", fmt.Sprint(a.ID)), HaveKeyWithValue("apiKey", a.APIKey()),
			HaveKeyWithValue("password", Satisfy(func(p string) bool { return w.Sim.CheckPassword(a.ID, p) })), Not(HaveKey("passwordNext")),
		))
		Expect(w.Sim.Accounts(w.Parent.ID)).To(HaveLen(1))
		w.AwaitLists(2)
		Expect(wrong()).To(BeEmpty())
	}, replacements())

	It("has no password in the connection Secret any more when somebody else has made one of its name", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-other", recreating, adoptingAlways)
		old := w.Account("acme-other")
		hide(w, false)
		w.Sim.Remove(old.ID)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "AddAccount", Times: 1})
		now := putTheirs(w, "acme-other")
		wrong := presented(w, w.NS)
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			g.Expect(c.Status.AccountID).To(Equal(fmt.Sprint(now.ID)))
		}).Should(Succeed())
		w.Sim.ClearFaults()
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		Expect(testenv.ConnectionOf(ctx, c)).To(And(HaveKeyWithValue("accountID", fmt.Sprint(now.ID)), Not(HaveKey("password")), Not(HaveKey("passwordNext"))))
		Expect(testenv.HasPassword(w, "acme-other", theirPassword)()).To(BeTrue())
		Expect(wrong()).To(BeEmpty())
	})

	It("is switched off with its resource though the answer to its creation was lost", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-off", recreating, testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		hide(w, true)
		w.Sim.Remove(w.Account("acme-off").ID)
		Eventually(func() int { return w.Count("AddAccount") }).Should(BeNumerically(">", 1))
		w.Stop()
		w.Sim.ClearFaults()
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		w.Start(ctx)
		testenv.ExpectGone(ctx, c)
		Expect(w.Account("acme-off").Active()).To(BeFalse())
	})

	It("is not made where another resource waits for the name, which it keeps", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		w.Start(ctx)
		waiting := w.Apply(ctx, "acme-waits", testenv.WithAccountName("acme-name"), func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		testenv.AwaitNextSecond(waiting)
		c := w.ApplyReady(ctx, "acme-holds", testenv.WithAccountName("acme-name"), recreating)
		testenv.Edit(ctx, waiting, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = nil })
		Eventually(testenv.StateOf(ctx, waiting)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		old := c.Status.AccountID
		w.Sim.Remove(w.Account("acme-name").ID)
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			g.Expect(c.Status.AccountID).NotTo(Equal(old))
		}).Should(Succeed())
		Expect(testenv.StateOf(ctx, waiting)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		claim, _ := account.ParseClaim(w.Account("acme-name").Text("account_custom_data"))
		Expect(claim.Name).To(Equal("acme-holds"))
	})
})
