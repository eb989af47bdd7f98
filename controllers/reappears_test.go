package controllers_test

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
)

const theirPassword = "Theirs-before-3x"

// withAPIKey lets a parent know its own API key.
func (w *world) withAPIKey(ctx context.Context) func(*v1alpha1.ParentAccount) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "voximplant-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"api-key": []byte(w.parent.APIKey)},
	})).To(Succeed())
	return func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
	}
}

// putTheirs makes an account that is there before any resource, with a password that only its owner knows.
func (w *world) putTheirs(name string) simulator.Account {
	a := simulatorChild(w, name, name+"@acme.example")
	a.Fields["account_password"] = theirPassword
	return w.sim.PutAccount(a)
}

// presented watches the connection Secrets of a namespace, and returns the passwords that any of them ever had beside the id of an
// account that is there and has another password. None of the accounts may get another one meanwhile.
func (w *world) presented(ns string) (wrong func() []string) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	c, err := client.NewWithWatch(config, client.Options{Scheme: cli.NewScheme()})
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
			if _, there := w.sim.AccountByID(id); err != nil || !there {
				continue
			}
			if password := string(secret.Data["password"]); password != "" && !w.sim.CheckPassword(id, password) {
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
func (w *world) hide(look bool) {
	fault := simulator.Fault{Kind: simulator.FaultEmptyList, Method: "GetChildrenAccounts"}
	if !look {
		fault.Match = map[string]string{"child_account_id": "all"}
	}
	w.sim.AddFault(fault)
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
func (r reappearance) start(ctx context.Context, w *world) *v1alpha1.ChildAccount {
	GinkgoHelper()
	change := []func(*v1alpha1.ChildAccount){recreating}
	if r.adopted {
		w.putTheirs("acme-hidden")
		change = append(change, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical) })
	}
	if r.declared {
		w.applyPassword(ctx, "declared", firstPassword)
		change = append(change, withPassword("declared"))
	}
	if r.key {
		w.applyParent(ctx, w.withAPIKey(ctx))
	} else {
		w.applyParent(ctx)
	}
	w.start(ctx)
	return w.applyReady(ctx, "acme-hidden", change...)
}

var _ = Describe("An account that the provider's list wrongly doesn't have", func() {
	DescribeTable("is the resource's as before when it is there again, with the password that it had before", func(ctx SpecContext, r reappearance) {
		w := newWorld(ctx)
		c := r.start(ctx, w)
		w.awaitLists(1)
		before, was, digest := connectionOf(ctx, c), identity(c), digestOf(ctx, c)
		is := w.account("acme-hidden")
		wrong := w.presented(w.ns)

		adds := w.count("AddAccount")
		if r.lost {
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		}
		w.hide(r.look)
		if !r.adopted && !r.look { // who has made it looks first
			w.awaitLists(3)
			Expect(w.count("AddAccount")).To(Equal(adds))
		} else {
			Eventually(func() int { return w.count("AddAccount") }).Should(BeNumerically(">", adds))
			w.awaitLists(2)
		}
		if r.restart {
			w.stop()
		}
		w.sim.ClearFaults()
		if r.restart {
			w.start(ctx)
		}

		Eventually(func(g Gomega) {
			g.Expect(state(ctx, c)(g)).To(BeAvailable())
			g.Expect(identity(c)).To(Equal(was))
			g.Expect(connectionOf(ctx, c)).To(Equal(before))
			g.Expect(digestOf(ctx, c)).To(WithTransform(func(now string) bool { return now == "" }, Equal(digest == "")))
		}).Should(Succeed())
		w.awaitLists(2)
		Expect(state(ctx, c)(Default)).To(BeAvailable())
		Expect(connectionOf(ctx, c)).To(Equal(before))
		Expect(identity(c)).To(Equal(was))
		Expect(w.account("acme-hidden")).To(Equal(is), "the account itself")
		Expect(w.sim.Accounts(w.parent.ID)).To(HaveLen(1))
		Expect(wrong()).To(BeEmpty())
	}, reappearances())

	It("is refused to who may not have it, and no password is kept for it, when it was there before the resource", func(ctx SpecContext) {
		for _, lost := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				w := newWorld(ctx)
				w.putTheirs("acme-before")
				w.hide(false)
				if lost {
					w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
				}
				if restart { // nobody finds out before
					w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "GetChildrenAccounts", Match: map[string]string{"child_account_name": "acme-before"}, Status: 503})
				}
				w.applyParent(ctx)
				w.start(ctx)
				c := w.apply(ctx, "acme-before")
				Eventually(func() int { return w.count("AddAccount") }).Should(BeNumerically(">", 0))
				if restart {
					w.stop()
				}
				w.sim.ClearFaults()
				if restart {
					w.start(ctx)
				}
				Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
				Eventually(passwordsIn(ctx, c)).Should(BeEmpty())
				w.awaitLists(2)
				Expect(passwordsIn(ctx, c)()).To(BeEmpty())
				Expect(w.has("acme-before", theirPassword)()).To(BeTrue())

				By("and none when it may, after all")
				edit(ctx, c, adoptingAlways)
				Eventually(state(ctx, c)).Should(BeAvailable())
				Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
				Expect(passwordsIn(ctx, c)()).To(BeEmpty())
				w.sweep(ctx, w.ns)
			}
		}
	})

	It("is adopted without a password, and without the declared one, when it was there before the resource", func(ctx SpecContext) {
		for _, lost := range []bool{false, true} {
			for _, declared := range []bool{false, true} {
				w := newWorld(ctx)
				w.putTheirs("acme-before")
				wrong := w.presented(w.ns)
				w.hide(false)
				if lost {
					w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
				}
				w.applyParent(ctx)
				w.applyPassword(ctx, "declared", firstPassword)
				w.start(ctx)
				c := w.apply(ctx, "acme-before", func(c *v1alpha1.ChildAccount) {
					c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical)
					if declared {
						withPassword("declared")(c)
					}
				})
				Eventually(func() int { return w.count("AddAccount") }).Should(BeNumerically(">", 0))
				w.sim.ClearFaults()
				Eventually(state(ctx, c)).Should(BeAvailable())
				w.awaitLists(2)
				Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
				Expect(passwordsIn(ctx, c)()).To(BeEmpty())
				Expect(w.has("acme-before", theirPassword)()).To(BeTrue())
				Expect(wrong()).To(BeEmpty())
				w.sweep(ctx, w.ns)
			}
		}
	})

	It("is found again, with its password, by a resource that was deleted and applied anew, and does not get a declared one", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-again")
		before := connectionOf(ctx, c)
		remove(ctx, w, c)
		wrong := w.presented(w.ns)
		w.applyPassword(ctx, "declared", firstPassword)
		w.hide(false)
		w.awaitLists(2)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		c = w.apply(ctx, "acme-again", withPassword("declared"))
		Eventually(func() int { return w.count("AddAccount") }).Should(Equal(2))
		w.sim.ClearFaults()
		Eventually(state(ctx, c)).Should(BeAvailable())
		w.awaitLists(2)
		Expect(connectionOf(ctx, c)).To(Equal(before))
		Expect(w.has("acme-again", before["password"])()).To(BeTrue())
		Expect(wrong()).To(BeEmpty())
	})

	It("is the resource's as before though it has no claim, and none would be adopted any more", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.putTheirs("acme-hidden")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetAccountInfo", Code: 100})
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-hidden", recreating, adoptingAlways)
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = nil })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-hidden").Text("account_custom_data")).To(BeEmpty())
		before, was := connectionOf(ctx, c), identity(c)
		w.hide(true)
		Eventually(func() int { return w.count("AddAccount") }).Should(Equal(1))
		w.stop()
		w.sim.ClearFaults()
		w.start(ctx)
		Eventually(state(ctx, c)).Should(BeAvailable())
		w.awaitLists(2)
		Expect(state(ctx, c)(Default)).To(BeAvailable())
		Expect(identity(c)).To(Equal(was))
		Expect(connectionOf(ctx, c)).To(Equal(before))
	})

	It("is its tenant's as before under a shared parent, which has to prove nothing of what it had", func(ctx SpecContext) {
		w, _ := startShared(ctx, fromAll)
		t := w.tenant(ctx, nil)
		c := t.apply(ctx, "acme-hidden", recreating)
		Eventually(state(ctx, c)).Should(BeAvailable())
		By("its password was changed by whoever has it")
		Expect(w.sim.SetField(w.account("acme-hidden").ID, "account_password", theirPassword)).To(Succeed())
		before, was := connectionOf(ctx, c), identity(c)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		w.hide(true)
		Eventually(func() int { return w.count("AddAccount") }).Should(BeNumerically(">", 1))
		w.stop()
		w.sim.ClearFaults()
		w.start(ctx)
		w.awaitLists(2)
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(identity(c)).To(Equal(was))
		Expect(connectionOf(ctx, c)).To(Equal(before))
	})
})

// passwordsIn are the passwords in the connection Secret of a resource, if there is one.
func passwordsIn(ctx context.Context, c *v1alpha1.ChildAccount) func() []string {
	return func() (passwords []string) {
		var secret corev1.Secret
		Expect(client.IgnoreNotFound(k8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &secret))).To(Succeed())
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
		w := newWorld(ctx)
		change := []func(*v1alpha1.ParentAccount){}
		if r.key {
			change = append(change, w.withAPIKey(ctx))
		}
		if r.shared {
			change = append(change, sharing(fromAll))
		}
		w.applyParent(ctx, change...)
		var old simulator.Account
		if r.adopted {
			old = w.putTheirs("acme-anew")
		}
		w.start(ctx)
		t := &tenant{w: w, ns: w.ns, Client: k8s}
		if r.shared {
			t = w.tenant(ctx, nil)
		}
		c := t.apply(ctx, "acme-anew", recreating, func(c *v1alpha1.ChildAccount) {
			if r.adopted {
				adoptingAlways(c)
			}
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
		old = w.account("acme-anew")
		w.awaitLists(1)

		if r.lost {
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
			w.hide(true) // nobody finds out before
		}
		adds := w.count("AddAccount")
		w.sim.Remove(old.ID)
		wrong := w.presented(c.Namespace)
		Eventually(func() int { return w.count("AddAccount") }).Should(BeNumerically(">", adds))
		if r.restart {
			w.stop()
		}
		w.sim.ClearFaults()
		if r.restart {
			w.start(ctx)
		}
		Eventually(func(g Gomega) {
			g.Expect(state(ctx, c)(g)).To(BeAvailable())
			g.Expect(c.Status.AccountID).NotTo(Equal(fmt.Sprint(old.ID)))
		}).Should(Succeed())
		a := w.account("acme-anew")
		Expect(identity(c)).To(Equal(fmt.Sprint(a.ID, " of ", w.parent.ID, " ", v1alpha1.OriginCreated)))
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(And(
			HaveKeyWithValue("accountID", fmt.Sprint(a.ID)), HaveKeyWithValue("apiKey", a.APIKey()),
			HaveKeyWithValue("password", Satisfy(func(p string) bool { return w.sim.CheckPassword(a.ID, p) })), Not(HaveKey("passwordNext")),
		))
		Expect(w.sim.Accounts(w.parent.ID)).To(HaveLen(1))
		w.awaitLists(2)
		Expect(wrong()).To(BeEmpty())
	}, replacements())

	It("has no password in the connection Secret any more when somebody else has made one of its name", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-other", recreating, adoptingAlways)
		old := w.account("acme-other")
		w.hide(false)
		w.sim.Remove(old.ID)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "AddAccount", Times: 1})
		now := w.putTheirs("acme-other")
		wrong := w.presented(w.ns)
		Eventually(func(g Gomega) {
			g.Expect(state(ctx, c)(g)).To(BeAvailable())
			g.Expect(c.Status.AccountID).To(Equal(fmt.Sprint(now.ID)))
		}).Should(Succeed())
		w.sim.ClearFaults()
		w.awaitLists(2)
		Expect(state(ctx, c)(Default)).To(BeAvailable())
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		Expect(connectionOf(ctx, c)).To(And(HaveKeyWithValue("accountID", fmt.Sprint(now.ID)), Not(HaveKey("password")), Not(HaveKey("passwordNext"))))
		Expect(w.has("acme-other", theirPassword)()).To(BeTrue())
		Expect(wrong()).To(BeEmpty())
	})

	It("is switched off with its resource though the answer to its creation was lost", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-off", recreating, deactivating)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		w.hide(true)
		w.sim.Remove(w.account("acme-off").ID)
		Eventually(func() int { return w.count("AddAccount") }).Should(BeNumerically(">", 1))
		w.stop()
		w.sim.ClearFaults()
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		w.start(ctx)
		gone(ctx, c)
		Expect(w.account("acme-off").Active()).To(BeFalse())
	})

	It("is not made where another resource waits for the name, which it keeps", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx)
		w.start(ctx)
		waiting := w.apply(ctx, "acme-waits", ofAccount("acme-name"), func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		secondLater(waiting)
		c := w.applyReady(ctx, "acme-holds", ofAccount("acme-name"), recreating)
		edit(ctx, waiting, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = nil })
		Eventually(state(ctx, waiting)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		old := c.Status.AccountID
		w.sim.Remove(w.account("acme-name").ID)
		Eventually(func(g Gomega) {
			g.Expect(state(ctx, c)(g)).To(BeAvailable())
			g.Expect(c.Status.AccountID).NotTo(Equal(old))
		}).Should(Succeed())
		Expect(state(ctx, waiting)(Default)).To(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		claim, _ := account.ParseClaim(w.account("acme-name").Text("account_custom_data"))
		Expect(claim.Name).To(Equal("acme-holds"))
	})
})
