package crashtest

import (
	"fmt"
	"slices"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const (
	name           = "acme-crash"
	firstPassword  = "Canary-first-1x"
	secondPassword = "Canary-second-2x"
)

// scenario is some work that the operator is killed at.
type scenario struct {
	name, about string
	// before is what there is before, and was how the resource is then; nothing but the operator where before is nil.
	before func(*world)
	was    want
	// atOnce is set where the operator gets to see all that act does at once.
	atOnce bool
	// act is what gives the operator its work, and then how the resource is in the end.
	act  func(*world)
	then want
	// over says that it has come to its end, where the resource is in between as it is in the end.
	over func(*world, Gomega)
	// also is whatever else must hold in the end.
	also func(*world)
	// meanwhile is what happens after the crash, before the operator is started again.
	meanwhile func(*world)
	// again is set where the operator is killed a second time, in its recovery.
	again bool
	// resources are the names of the resources; nil is one, an empty list none.
	resources []string
	// sub is set where the resource is a SubAccount.
	sub bool
}

var scenarios = slices.Concat(childScenarios, subScenarios)

// childScenarios are those of a ChildAccount, and of a ParentAccount.
var childScenarios = []scenario{
	{
		name: "connect", about: "A ParentAccount is applied.",
		act:       func(w *world) { w.createParent() },
		resources: []string{},
	},
	{
		name: "the parent account itself", about: "A ParentAccount gets spec.account, with a callback's salt and with storeInboundSMS, which the provider never returns, and spec.plans. After the crash a minute passes.",
		before: createSalted, again: true,
		act:       declareOwn,
		meanwhile: passMinuteOfParent,
		over:      (*world).expectOwn, also: (*world).expectBoughtOnce,
		resources: []string{},
	},
	{
		name: "the parent account itself, changed", about: "storeInboundSMS of spec.account is changed.",
		before: func(w *world) {
			createSalted(w)
			declareOwn(w)
			w.eventually(w.expectOwn)
		},
		act:  changeOwn,
		over: (*world).expectOwn, also: (*world).expectBoughtOnce,
		resources: []string{},
	},
	{
		name: "create", about: "A ChildAccount is applied.", again: true,
		before: func(w *world) { w.createParent() },
		act:    func(w *world) { w.createChild(name) },
		then:   available,
	},
	{
		name: "create, with apiKeySecretRef", about: "The same, where the parent's own API key is known.",
		before: func(w *world) { w.createParent(w.withAPIKey) },
		act:    func(w *world) { w.createChild(name) },
		then:   available,
	},
	{
		name: "create, with passwordSecretRef", about: "The same, where the account is to have a declared password.",
		before: func(w *world) { w.createParent(); w.declarePassword() },
		act:    func(w *world) { w.createChild(name, withPassword) },
		then:   available.with(declared(firstPassword)),
	},
	{
		name: "create, in two calls", about: "A ChildAccount is applied with spec.canUseRestricted, which AddAccount can't set and the provider never returns.",
		before: func(w *world) { w.createParent() },
		act: func(w *world) {
			w.createChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.CanUseRestricted = ptr.To(true) })
		},
		then: available.with(field("can_use_restricted", true)),
	},
	{
		name: "create, with a profile", about: "A ChildAccount is applied with spec.profile, whose customData replaces the claim that AddAccount writes.", again: true,
		before: func(w *world) { w.createParent() },
		act:    func(w *world) { w.createChild(name, profiled) },
		then: available.with(fields(simulator.Fields{
			"account_first_name": "Ada", "mobile_phone": "+4915112345678", "store_inbound_sms": true, "account_custom_data": "crm 4711",
		})),
	},
	{
		name: "clone", about: "A ChildAccount is applied with spec.cloneFrom, and with spec.minBalanceToNotify, which CloneAccount can't set.", again: true,
		before: withTemplate,
		act:    func(w *world) { w.createChild(name, cloned) },
		then:   available, resources: []string{templateName, name},
		also: (*world).expectClonedOnce,
	},
	{
		name: "clone, with its template", about: "The same, where the ChildAccount of the template is applied with it.",
		before: func(w *world) { w.createParent() }, atOnce: true,
		act: func(w *world) {
			w.createChild(name, cloned)
			w.createChild(templateName)
		},
		then: available, resources: []string{templateName, name},
		also: (*world).expectClonedOnce,
	},
	{
		name: "update, of the profile", about: "spec.profile.storeInboundSMS is changed, which the provider never returns.",
		before: func(w *world) { w.createParent(); w.createChild(name, profiled) },
		was:    available.with(field("store_inbound_sms", true)),
		act: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.Profile.StoreInboundSMS = ptr.To(false) })
		},
		then: available.with(field("store_inbound_sms", false)),
	},
	{
		name: "create, with a callback's salt", about: "A ChildAccount is applied with spec.callback.saltSecretRef.",
		before: func(w *world) { w.createParent(); w.declareSalt() },
		act:    func(w *world) { w.createChild(name, withSalt) },
		then:   available.with(field("callback_salt", firstPassword)),
	},
	{
		name: "change a callback's salt", about: "The Secret of saltSecretRef gets another salt.",
		before: func(w *world) { w.createParent(); w.declareSalt(); w.createChild(name, withSalt) },
		was:    available.with(field("callback_salt", firstPassword)),
		act: func(w *world) {
			edit(w, "salt", &corev1.Secret{}, func(s *corev1.Secret) { s.Data["salt"] = []byte(secondPassword) })
		},
		then: available.with(field("callback_salt", secondPassword)),
	},
	{
		name: "create, with a plan and a service-account key", about: "A ChildAccount is applied with spec.plans and spec.connectionSecret.serviceAccountKey. After the crash a minute passes.", again: true,
		before:    func(w *world) { w.createParent() },
		act:       func(w *world) { w.createChild(name, planned, keyed) },
		meanwhile: passMinute,
		then:      available.with(bought).with(keys(1)),
		also:      (*world).expectBoughtOnce,
	},
	{
		name: "buy a plan", about: "spec.plans gets a plan. After the crash a minute passes.", again: true,
		before: generated, was: available,
		act:       func(w *world) { w.editChild(name, planned) },
		meanwhile: passMinute,
		then:      available.with(bought),
		also:      (*world).expectBoughtOnce,
	},
	{
		name: "rotate a service-account key", about: "The service-account key becomes as old as rotateAfter allows, and the overlap of the one before it ends.", again: true,
		before: withTwoKeys, was: available.with(keys(2)),
		act: ageKeys, over: (*world).expectKeysReplaced,
		then: available.with(keys(2)),
	},
	{
		name: "service-account key no longer declared", about: "spec.connectionSecret.serviceAccountKey is removed, while there is a key and one that it replaced.",
		before: withTwoKeys, was: available.with(keys(2)),
		act: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.ConnectionSecret = nil })
		},
		then: available,
	},
	{
		name: "adopt", about: "A ChildAccount with adoptionPolicy Always is applied for an account that is there, with another location. The parent's own API key is known.",
		before: func(w *world) { w.sim.PutAccount(w.account(name)); w.createParent(w.withAPIKey) }, // in that order: the first list shows the account
		act: func(w *world) {
			w.createChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		},
		then: available.with(lost),
	},
	{
		name: "claimed elsewhere", about: "A ChildAccount with adoptionPolicy Always is applied for an account that a resource of another installation holds.",
		before: func(w *world) {
			theirs := account.Claim{Installation: "other", Namespace: w.ns, Name: name}
			w.addForeign(w.sim.PutAccount(w.with(w.account(name), theirs)))
			w.createParent()
		},
		act: func(w *world) {
			w.createChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		},
		then: want{reason: v1alpha1.ReasonClaimedElsewhere, stalled: true},
	},
	{
		name: "take over", about: "The same with the annotation accounts.cpaas.dev/takeover, which names that installation. The parent's own API key is known.",
		before: func(w *world) {
			theirs := account.Claim{Installation: "other", Namespace: w.ns, Name: name}
			w.sim.PutAccount(w.with(w.account(name), theirs))
			w.createParent(w.withAPIKey)
		},
		act: func(w *world) {
			w.createChild(name, func(c *v1alpha1.ChildAccount) {
				c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "other"}
			})
		},
		then: available.with(lost),
		also: func(w *world) {
			ours := account.Claim{Installation: installation, Namespace: w.ns, Name: name}
			a, _ := w.sim.Account(name)
			w.Expect(a.Text("account_custom_data")).To(Equal(ours.CustomData()))
		},
	},
	{
		name: "name taken", about: "A ChildAccount with adoptionPolicy Always is applied for the account of a stranger, which the operator's parent can't see.",
		before: func(w *world) {
			w.addForeign(w.sim.AddStranger(name, "taken@else.example"))
			w.createParent()
		},
		act: func(w *world) {
			w.createChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		},
		then: want{reason: v1alpha1.ReasonNameTaken, stalled: true},
	},
	{
		name: "recreate", about: "An account that the operator has made is missing at the provider; missingPolicy is Recreate.", again: true,
		before: func(w *world) { w.createParent(readingOften); w.createChild(name, recreating); w.awaitCounted() },
		was:    available, act: vanish,
		then: available,
	},
	{
		name: "recreate, after an adoption", about: "An adopted account, whose password nobody knew, is missing at the provider; missingPolicy is Recreate.", again: true,
		before: adopted, was: available.with(lost), act: vanish,
		then: available,
	},
	{
		name: "wrongly empty list", about: "The provider's list lacks all accounts, again and again, and limits.massChange lets none go missing; missingPolicy is Recreate.",
		before: func(w *world) {
			w.createParent(readingOften, believingNone)
			w.createChild(name, recreating)
			w.awaitCounted()
		},
		was: available, act: hideAll, over: (*world).expectMissing,
		then: available, also: func(w *world) { w.expectShownAgain(1, available) },
	},
	{
		name: "wrongly empty list, after an adoption", about: "The same, of an adopted account whose password nobody knows.",
		before: adoptedAsDeclared, was: available.with(lost), act: hideAll, over: (*world).expectMissing,
		then: available.with(lost), also: func(w *world) {
			w.expectShownAgain(0, available.with(lost))
			w.Expect(w.sim.CheckPassword(w.taken().ID, firstPassword)).To(BeTrue())
		},
	},
	{
		name: "update", about: "spec.email is changed.",
		before: generated, was: available,
		act: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		},
		then: available.with(field("account_email", "new@acme.example")),
	},
	{
		name: "change a declared password", about: "The Secret of passwordSecretRef gets another password.",
		before: func(w *world) { w.createParent(); w.declarePassword(); w.createChild(name, withPassword) },
		was:    available.with(declared(firstPassword)),
		act: func(w *world) {
			edit(w, "declared", &corev1.Secret{}, func(s *corev1.Secret) { s.Data["password"] = []byte(secondPassword) })
		},
		then: available.with(declared(secondPassword)),
	},
	{
		name: "rotate-password", about: "The annotation accounts.cpaas.dev/rotate-password gets a value.", again: true,
		before: generated, was: available,
		act: func(w *world) {
			w.passwordBefore = string(w.connection(name + "-connection").Data[secrets.KeyPassword])
			w.editChild(name, rotating)
		},
		then: available,
	},
	{
		name: "rotate-password, taken back", about: "The same, but after the crash, before the operator is started again, the annotation is taken away.",
		before: generated, was: available,
		act: func(w *world) { w.editChild(name, rotating) },
		meanwhile: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) { delete(c.Annotations, v1alpha1.AnnotationRotatePassword) })
		},
		then: available,
	},
	{
		name: "connection Secret deleted, with passwordSecretRef", about: "Somebody deletes the connection Secret. The account's password is declared, so it finds the API key.",
		before: func(w *world) { w.createParent(); w.declarePassword(); w.createChild(name, withPassword) },
		was:    available.with(declared(firstPassword)),
		act:    deleteConnection,
		then:   available.with(declared(firstPassword)),
	},
	{
		name: "connection Secret deleted, with apiKeySecretRef", about: "Somebody deletes the connection Secret, and with it the only copy of the password. The parent's own API key finds the account's.",
		before: func(w *world) { w.createParent(w.withAPIKey); w.createChild(name) },
		was:    available,
		act:    deleteConnection,
		then:   available.with(lost).with(func(x *want) { x.unknown = true }),
	},
	{
		name: "connection Secret renamed", about: "spec.connectionSecret.name is changed.",
		before: generated, was: available,
		act: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) {
				c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("login")}
			})
		},
		then: available.with(func(x *want) { x.secret = "login" }),
	},
	{
		name: "batch", about: "spec.location of twelve ChildAccounts is changed at once: one call for all of them.",
		before: func(w *world) {
			w.createParent(func(p *v1alpha1.ParentAccount) {
				p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
			})
			for _, name := range twelve {
				w.createChild(name)
			}
		},
		was: available, resources: twelve, atOnce: true,
		act: func(w *world) {
			for _, name := range twelve {
				w.editChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Madrid") })
			}
		},
		then: available.with(field("location", "Europe/Madrid")),
		also: func(w *world) { // as many as it takes to see all the edits: without batches one for each
			w.Expect(w.sim.Counts()["SetChildAccountInfo"]).To(BeNumerically("<", len(twelve)), "calls for a batch")
		},
	},
	{
		name: "deactivate", about: "spec.active is set to false.", again: true,
		before: generated, was: available,
		act: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		},
		then: available.with(field("active", false)).with(func(x *want) { x.reason = v1alpha1.ReasonDeactivated }),
		also: (*world).expectSwitchedOffOnce,
	},
	{
		name: "delete, with deletionPolicy Deactivate", about: "The ChildAccount is deleted.", again: true,
		before: deactivating,
		was:    available, act: deleteChild,
		then: available.with(gone).with(field("active", false)),
		also: (*world).expectSwitchedOffOnce,
	},
	{
		name: "start under startPolicy Observe", about: "The operator starts under startPolicy Observe with spec.location to be written, which was changed at the provider meanwhile.", again: true,
		before: generated, was: available,
		act:  restoreCluster,
		then: held,
	},
	{
		name: "approve-start", about: "What waits since such a start is approved by the annotation accounts.cpaas.dev/approve-start.", again: true,
		before: func(w *world) {
			generated(w)
			w.eventually(func(g Gomega) { w.expect(g, name, available) })
			restoreCluster(w)
		},
		was: held, act: approveStart,
		then: available,
	},
	{
		name: "delete, with deletionPolicy Retain", about: "The deletionPolicy is changed from Deactivate to Retain, and the ChildAccount deleted.",
		before: deactivating, was: available, atOnce: true,
		act: func(w *world) {
			w.editChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = nil })
			deleteChild(w)
		},
		then: available.with(gone),
	},
	{
		name: "rename, with deletionPolicy Deactivate", about: "A ChildAccount of another name is applied for the same account, and the ChildAccount is deleted.", again: true,
		before: func(w *world) { w.beforeRename(v1alpha1.DeletionDeactivate) }, atOnce: true,
		act: func(w *world) {
			w.createRenamed(v1alpha1.DeletionDeactivate)
			w.deleteFormer()
		},
		then: available,
		also: (*world).expectHandedOver,
	},
	{
		name: "rename, with deletionPolicy Retain", about: "The ChildAccount is deleted, and one of another name is applied for the same account.",
		before: func(w *world) { w.beforeRename(v1alpha1.DeletionRetain) },
		act: func(w *world) {
			w.deleteFormer()
			w.createRenamed(v1alpha1.DeletionRetain)
		},
		then: available,
		also: (*world).expectHandedOver,
	},
}

// formerName is what the resource is called before it is renamed.
const formerName = "former"

// beforeRename has a ChildAccount of another name than its account's.
func (w *world) beforeRename(policy v1alpha1.DeletionPolicy) {
	w.createParent()
	w.createChild(formerName, func(c *v1alpha1.ChildAccount) {
		c.Spec.AccountName, c.Spec.Email, c.Spec.DeletionPolicy = ptr.To(name), name+"@acme.example", &policy
	})
	w.eventually(func(g Gomega) {
		var c v1alpha1.ChildAccount
		g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: formerName}, &c)).To(Succeed())
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready).To(HaveField("Reason", v1alpha1.ReasonAvailable))
		w.passwordHandedOver = string(w.connection(formerName + "-connection").Data[secrets.KeyPassword])
	})
}

func (w *world) createRenamed(policy v1alpha1.DeletionPolicy) {
	w.createChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = &policy })
}

func (w *world) deleteFormer() {
	w.Expect(k8s.Delete(w.ctx(), &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: formerName}})).To(Succeed())
}

// expectHandedOver says that the account was never switched off, is the new resource's alone, and has its password still.
func (w *world) expectHandedOver() {
	for _, call := range w.sim.Calls() {
		w.Expect(call.Params).NotTo(HaveKeyWithValue("active", "false"), "the account was switched off")
	}
	err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: formerName}, &v1alpha1.ChildAccount{})
	w.Expect(client.IgnoreNotFound(err)).To(Succeed())
	w.Expect(err).To(HaveOccurred(), "the former resource is still there")
	ours := account.Claim{Installation: installation, Namespace: w.ns, Name: name}
	w.Expect(w.taken().Text("account_custom_data")).To(Equal(ours.CustomData()))
	w.Expect(string(w.connection(name + "-connection").Data[secrets.KeyPassword])).To(Equal(w.passwordHandedOver))
}

// twelve change at once. The mass change that it is must be allowed.
var twelve = func() (names []string) {
	for i := range 12 {
		names = append(names, fmt.Sprintf("%s-%02d", name, i))
	}
	return names
}()

// held has an account that differs from the spec, which waits for the approval of the start.
var held = want{reason: v1alpha1.ReasonAwaitingApproval, held: true, fields: simulator.Fields{"location": "Asia/Tokyo"}}

// available is as declared, with a generated password.
var available = want{reason: v1alpha1.ReasonAvailable, fields: simulator.Fields{"location": "Europe/Berlin", "active": true}}

func (w want) with(change func(*want)) want {
	change(&w)
	return w
}

func declared(password string) func(*want) { return func(w *want) { w.password = password } }

func lost(w *want) { w.lost = true }

func gone(w *want) { w.reason = "" }

func field(name string, value any) func(*want) {
	return func(w *want) { w.fields = simulator.Fields{name: value} }
}

func fields(of simulator.Fields) func(*want) {
	return func(w *want) { w.fields = of }
}

func rotating(c *v1alpha1.ChildAccount) {
	metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationRotatePassword, "now")
}

func recreating(c *v1alpha1.ChildAccount) { c.Spec.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) }

// readingOften has the list read again soon: an account is missing only after two lists.
func readingOften(p *v1alpha1.ParentAccount) {
	p.Spec.ResyncInterval = &metav1.Duration{Duration: 3 * pause}
}

// adopted is an account that was there before. The parent's own API key finds that of the account.
func adopted(w *world) {
	a := w.account(name)
	a.Fields["account_password"] = firstPassword
	w.sim.PutAccount(a)
	w.createParent(w.withAPIKey, readingOften)
	w.createChild(name, recreating, func(c *v1alpha1.ChildAccount) {
		c.Spec.AdoptionPolicy, c.Spec.Location = ptr.To(v1alpha1.AdoptAlways), ptr.To("Europe/Berlin")
	})
	w.awaitCounted()
}

// awaitCounted waits until the ParentAccount's status counts all accounts, so that all is at rest before.
func (w *world) awaitCounted() {
	w.eventually(func(g Gomega) {
		var p v1alpha1.ParentAccount
		g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)).To(Succeed())
		g.Expect(p.Status.ChildAccounts).To(HaveValue(And(
			HaveField("Total", BeEquivalentTo(len(w.sim.Accounts(w.parent.ID)))), HaveField("Managed", BeEquivalentTo(1)),
		)))
	})
}

// taken is the resource's account at the provider.
func (w *world) taken() simulator.Account {
	a, there := w.sim.Account(name)
	w.Expect(there).To(BeTrue())
	return a
}

// adoptedAsDeclared is an account that was there before and needs no change.
func adoptedAsDeclared(w *world) {
	a := w.account(name)
	a.Fields["account_password"], a.Fields["location"] = firstPassword, "Europe/Berlin"
	w.sim.PutAccount(a)
	w.createParent(w.withAPIKey, readingOften, believingNone)
	w.createChild(name, recreating, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
	w.awaitCounted()
}

// believingNone believes of no account that it is missing without an approval.
func believingNone(p *v1alpha1.ParentAccount) {
	p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](0), Minimum: ptr.To[int32](0)}
}

// hideAll has the provider answer that there are no accounts, whatever is asked for.
func hideAll(w *world) {
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultEmptyList, Method: "GetChildrenAccounts"})
}

// expectMissing says that the ParentAccount tells of missing accounts, and how to approve that they are.
func (w *world) expectMissing(g Gomega) {
	var p v1alpha1.ParentAccount
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)).To(Succeed())
	g.Expect(meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionAccountsMissing)).To(BeTrue(), "the ParentAccount does not say that accounts are missing")
	g.Expect(p.Status.PendingApprovals).To(HaveLen(1))
}

// expectShownAgain says that further lists without the account make no difference, and that all is as it was once the provider shows it
// again: no account was created beside those that there were.
func (w *world) expectShownAgain(created int, then want) {
	lists := w.sim.Counts()["GetChildrenAccounts"]
	w.eventually(func(g Gomega) {
		g.Expect(w.sim.Counts()["GetChildrenAccounts"]).To(BeNumerically(">", lists+3))
	})
	w.expectMissing(w)
	w.expect(w, name, then)
	w.sim.ClearFaults()
	w.eventually(func(g Gomega) {
		var p v1alpha1.ParentAccount
		g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)).To(Succeed())
		g.Expect(meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAccountsMissing)).To(BeNil())
		g.Expect(p.Status.PendingApprovals).To(BeEmpty())
		w.expect(g, name, then)
	})
	w.Expect(w.sim.Counts()["AddAccount"]).To(Equal(created), "accounts that were to be created")
}

func vanish(w *world) { w.sim.Remove(w.taken().ID) }

// generated is an account with a generated password.
func generated(w *world) { w.createParent(); w.createChild(name) }

func withPassword(c *v1alpha1.ChildAccount) {
	c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: "declared"}
}

// profiled declares a profile.
func profiled(c *v1alpha1.ChildAccount) {
	c.Spec.Profile = &v1alpha1.Profile{
		FirstName: ptr.To("Ada"), MobilePhone: ptr.To("+4915112345678"), CustomData: ptr.To("crm 4711"), StoreInboundSMS: ptr.To(true),
	}
}

// withSalt declares a salt that is a canary.
func withSalt(c *v1alpha1.ChildAccount) {
	c.Spec.Callback = &v1alpha1.Callback{SaltSecretRef: &v1alpha1.SecretKeyReference{Name: "salt"}}
}

func (w *world) declareSalt() { w.create(input("salt", "salt", []byte(firstPassword))) }

func (w *world) declarePassword() { w.create(input("declared", "password", []byte(firstPassword))) }

// withAPIKey lets the parent know its own API key.
func (w *world) withAPIKey(p *v1alpha1.ParentAccount) {
	w.create(input("voximplant-key", "api-key", []byte(w.parent.APIKey)))
	p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
}

// restoreCluster has the operator start with a ChildAccount that is older than its account.
func restoreCluster(w *world) {
	w.meet(w.group.operator.kill)
	edit(w, "acme", &v1alpha1.ParentAccount{}, func(p *v1alpha1.ParentAccount) { p.Spec.StartPolicy = ptr.To(v1alpha1.StartObserve) })
	w.Expect(w.sim.SetField(w.taken().ID, "location", "Asia/Tokyo")).To(Succeed())
	w.meet(w.group.start)
}

// approveStart approves what the ParentAccount shows.
func approveStart(w *world) {
	edit(w, "acme", &v1alpha1.ParentAccount{}, func(p *v1alpha1.ParentAccount) {
		metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationApproveStart, p.Status.PendingApprovals[0].Hash)
	})
}

func deleteConnection(w *world) {
	w.Expect(k8s.Delete(w.ctx(), w.connection(name+"-connection"))).To(Succeed())
}

func deactivating(w *world) {
	w.createParent()
	w.createChild(name, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
}

func deleteChild(w *world) {
	w.Expect(k8s.Delete(w.ctx(), &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}})).To(Succeed())
}

// connection is the connection Secret of this name.
func (w *world) connection(name string) *corev1.Secret {
	var secret corev1.Secret
	w.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &secret)).To(Succeed())
	return &secret
}
