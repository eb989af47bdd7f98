package crashtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"slices"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const (
	// subEmail is the e-mail of the SubAccount, by which it recognizes its account.
	subEmail = name + "@acme.example"
	// everySubList is everyList of a master account, whose one list is every look, too.
	everySubList = simulator.TwoSMSList + ": all"
)

// subScenarios are those of a SubAccount.
var subScenarios = []scenario{
	{
		name: "SubAccount: create", about: "A SubAccount is applied.", again: true, sub: true,
		before: withMaster,
		act:    func(w *world) { w.createSub() },
		then:   subAvailable,
	},
	{
		name: "SubAccount: create, the answer is lost", about: "The same, and the answer to the first creation is lost, too.", again: true, sub: true,
		before: withMaster,
		act: func(w *world) {
			w.tap.lose(simulator.TwoSMSCreate)
			w.createSub()
		},
		then: subAvailable,
	},
	{
		name: "SubAccount: create, with passwordSecretRef", about: "A SubAccount with a declared password is applied.", sub: true,
		before: func(w *world) { w.createMaster(); w.declarePassword() },
		act:    func(w *world) { w.createSub(subWithPassword) },
		then:   subAvailable.with(declared(firstPassword)),
	},
	{
		name: "SubAccount: create, with another e-mail", about: "A SubAccount is applied, and after the crash, before the operator is started again, gets another e-mail.", sub: true,
		before:    withMaster,
		act:       func(w *world) { w.createSub() },
		meanwhile: func(w *world) { w.editSub(func(c *v1alpha1.SubAccount) { c.Spec.Email = "new@acme.example" }) },
		then:      subAvailable,
	},
	{
		name: "SubAccount: update", about: "spec.lastName is changed.", again: true, sub: true,
		before: func(w *world) { w.createMaster(); w.createSub() }, was: subAvailable,
		act:  func(w *world) { w.editSub(func(c *v1alpha1.SubAccount) { c.Spec.LastName = "King" }) },
		then: subAvailable.with(field("Lastname", "King")),
	},
	{
		name: "SubAccount: rotate-password", about: "The annotation accounts.cpaas.dev/rotate-password gets a value.", again: true, sub: true,
		before: func(w *world) { w.createMaster(); w.createSub() }, was: subAvailable,
		act: func(w *world) {
			w.passwordBefore = string(w.connection(name + "-connection").Data[secrets.KeyPassword])
			w.editSub(func(c *v1alpha1.SubAccount) {
				metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationRotatePassword, "now")
			})
		},
		then: subAvailable,
	},
	{
		name: "SubAccount: change a declared password", about: "The Secret of passwordSecretRef gets another password.", sub: true,
		before: func(w *world) { w.createMaster(); w.declarePassword(); w.createSub(subWithPassword) },
		was:    subAvailable.with(declared(firstPassword)),
		act: func(w *world) {
			edit(w, "declared", &corev1.Secret{}, func(s *corev1.Secret) { s.Data["password"] = []byte(secondPassword) })
		},
		then: subAvailable.with(declared(secondPassword)),
	},
	{
		name: "SubAccount: adopt", about: "A SubAccount with adoptionPolicy Always and passwordSecretRef is applied for an account that is there, with another last name.", again: true, sub: true,
		before: func(w *world) {
			w.createMaster(simulator.Params{"Email": subEmail, "Username": "theirs", "Firstname": "Ada", "Lastname": "Byron"})
			w.declarePassword()
		},
		act: func(w *world) {
			w.createSub(subWithPassword, func(c *v1alpha1.SubAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		},
		then: subAvailable.with(declared(firstPassword)),
	},
}

// subAvailable is as declared, with a generated password.
var subAvailable = want{reason: v1alpha1.ReasonAvailable, fields: simulator.Fields{"Lastname": "Lovelace"}}

func subWithPassword(c *v1alpha1.SubAccount) {
	c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: "declared"}
}

// withMaster has a master account at rest.
func withMaster(w *world) { w.createMaster() }

// createMaster creates a master account with these sub-accounts, and its ParentAccount. Others there are each nearly the resource's own: all of its e-mail
// but the beginning or the end, or its very username.
func (w *world) createMaster(ours ...simulator.Params) {
	sms := w.sim.TwoSMS
	w.master = sms.AddMaster(simulator.Master{CompanyName: "Acme Ltd", Email: "owner@acme.example"})
	for _, values := range ours {
		sms.PutAccount(simulator.SubAccount{MasterID: w.master.ID, Values: values})
	}
	for _, values := range []simulator.Params{
		{"Email": "x" + subEmail, "Username": "x"}, {"Email": subEmail + ".org", "Username": "y"}, {"Email": "z@acme.example", "Username": name},
	} {
		w.foreignSubs = append(w.foreignSubs, sms.PutAccount(simulator.SubAccount{MasterID: w.master.ID, Values: values}))
	}
	credentials := input("twosms", v1alpha1.ClientIDKey, []byte(w.master.ClientID))
	credentials.Data[v1alpha1.ClientSecretKey] = []byte(w.master.ClientSecret)
	w.create(credentials)
	w.create(&v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.ParentAccountSpec{
		TwoSMS: &v1alpha1.TwoSMSParent{
			BaseURL: w.endpoint + simulator.TwoSMSPath, AccountID: w.master.ID, ClientSecretRef: v1alpha1.SecretReference{Name: "twosms"},
		},
		Limits: &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](500)},
	}})
}

func (w *world) createSub(change ...func(*v1alpha1.SubAccount)) {
	c := &v1alpha1.SubAccount{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SubAccountSpec{
		ParentRef: v1alpha1.ParentReference{Name: "acme"}, Username: name, Email: subEmail,
		FirstName: "Ada", LastName: "Lovelace", CompanyName: "Acme Ltd", MobilePhone: "+44 1234 567890",
	}}
	for _, f := range change {
		f(c)
	}
	w.create(c)
}

func (w *world) editSub(change func(*v1alpha1.SubAccount)) {
	edit(w, name, &v1alpha1.SubAccount{}, change)
}

// ownSubs are the sub-accounts that are not those of others.
func (w *world) ownSubs() []simulator.SubAccount {
	return slices.DeleteFunc(w.sim.TwoSMS.Accounts(w.master.ID), func(a simulator.SubAccount) bool {
		return slices.ContainsFunc(w.foreignSubs, func(other simulator.SubAccount) bool { return other.ID == a.ID })
	})
}

// expectSub says how the SubAccount, its account and its connection Secret must be.
func (w *world) expectSub(g Gomega, want want) {
	var c v1alpha1.SubAccount
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)).To(Succeed())
	g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation))
	g.Expect(c.Status.Conditions).To(ConsistOf(condition(v1alpha1.ConditionReady, want.reason), condition(v1alpha1.ConditionSynced, want.reason),
		condition(v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonAvailable)))
	g.Expect(c.Status.Conditions).To(HaveEach(HaveField("ObservedGeneration", c.Generation)))
	own := w.ownSubs()
	g.Expect(own).To(HaveLen(1), "accounts of the resource")
	a := own[0]
	g.Expect(c.Status.AccountID).To(Equal(a.ID))
	g.Expect(c.Status.ParentAccountID).To(Equal(w.master.ID))
	g.Expect(c.Status.Creation).To(BeNil(), "an attempt is left open")
	g.Expect(c.Finalizers).To(BeEmpty())
	wanted := map[string]string{"Email": c.Spec.Email, "Username": name, "Firstname": "Ada", "CompanyName": "Acme Ltd", "MobilePhone": "+44 1234 567890"}
	for field, value := range want.fields {
		wanted[field] = value.(string)
	}
	for member, value := range wanted {
		g.Expect(a.Values).To(HaveKeyWithValue(member, value))
	}
	w.expectSubSecret(g, a, want)
}

// expectSubSecret says that the connection Secret has all that is known of the account, and is right.
func (w *world) expectSubSecret(g Gomega, a simulator.SubAccount, want want) {
	var secret corev1.Secret
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name + "-connection"}, &secret)).To(Succeed())
	held := map[string]string{}
	for k, v := range secret.Data {
		held[k] = string(v)
	}
	known := map[string]string{
		secrets.KeyAccountID: a.ID, secrets.KeyAccountName: a.Values["Email"], secrets.KeyEmail: a.Values["Email"],
		secrets.KeyEndpoint: w.endpoint + simulator.TwoSMSPath,
	}
	remembered := Not(BeEmpty())
	if want.password == "" {
		known[secrets.KeyPassword], remembered = a.Values["Password"], BeEmpty()
	}
	g.Expect(held).To(Equal(known)) // so no next password is left, nor a generated one beside a declared one
	g.Expect(secret.Annotations[v1alpha1.AnnotationPasswordDigest]).To(remembered)
	g.Expect(a.Values["Password"]).To(Equal(cmp.Or(want.password, held[secrets.KeyPassword])), "not the account's password")
	g.Expect(a.Values["Password"]).NotTo(And(Equal(w.passwordBefore), Not(BeEmpty())), "still the password from before")
}

// subsViolated says which sub-account of others was changed, or that the resource has two.
func (w *world) subsViolated() string {
	for _, before := range w.foreignSubs {
		if after, _ := w.sim.TwoSMS.Account(before.ID); !reflect.DeepEqual(after, before) {
			return fmt.Sprintf("sub-account %s, which is not ours, was changed", before.ID)
		}
	}
	if own := w.ownSubs(); w.master.ID != "" && len(own) > 1 {
		return fmt.Sprintf("%d sub-accounts for one resource", len(own))
	}
	return ""
}

// subUnprepared says what of all that the next process would go by is not there at the moment when an account is created or replaced: the attempt in the
// status, with the e-mail that is sent, and the password.
func (w *world) subUnprepared(s step) string {
	var c v1alpha1.SubAccount
	if err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c); err != nil {
		return err.Error()
	}
	if open := c.Status.Creation; s.account != "" && (open == nil || open.AccountName != s.account) {
		return s.account + ": no attempt is recorded"
	}
	var connection, declared corev1.Secret
	err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &connection)
	if ref := c.Spec.PasswordSecretRef; ref != nil {
		err = errors.Join(err, k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: ref.Name}, &declared))
	}
	stored := []string{string(connection.Data[secrets.KeyPassword]), string(connection.Data[secrets.KeyPasswordNext]), string(declared.Data[v1alpha1.DefaultPasswordKey])}
	if err != nil || s.password == "" || !slices.Contains(stored, s.password) {
		return name + ": the password is not stored"
	}
	return ""
}

// subCallOf is a call of the master account's API in words. A list that is filtered is no look.
func subCallOf(r *http.Request, body []byte) step {
	var members map[string]string
	_ = json.Unmarshal(body, &members) // a token's form has none
	of := func(what string) step { return step{what: what, method: what, params: url.Values{}} }
	switch base := path.Base(r.URL.Path); {
	case base == "Token":
		return of(simulator.TwoSMSToken)
	case r.Method == http.MethodGet && r.URL.RawQuery == "":
		s := of(simulator.TwoSMSList)
		s.what, s.looks = everySubList, true
		return s
	case r.Method == http.MethodGet:
		s := of(simulator.TwoSMSList)
		s.what += ": by e-mail"
		return s
	case r.Method == http.MethodPost:
		s := of(simulator.TwoSMSCreate)
		s.account, s.password = members["Email"], members["Password"]
		return s
	default:
		s := of(simulator.TwoSMSUpdate)
		s.password = members["Password"]
		return s
	}
}
