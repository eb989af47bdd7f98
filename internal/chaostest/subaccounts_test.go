package chaostest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// subPopulation is how many SubAccounts there are beside the ChildAccounts: a tenth.
const subPopulation = population / 10

// sub is a SubAccount, in the books of those who declare it. Of two, one has a declared password, adopts what is there, and is deleted and applied
// again; the other has a generated password, must recognize its account by itself, and gets other e-mails.
type sub struct {
	sub     *v1alpha1.SubAccount
	adopts  bool
	deleted bool
	// password is the declared one.
	password string
	todo     chan deed
}

// subLife is everybody who declares and changes SubAccounts.
type subLife struct {
	*world
	dice  *rand.Rand
	subs  []*sub
	doers sync.WaitGroup
	drawn int
}

// newSubLife makes the master account, sub-accounts of it that nobody declares, and its ParentAccount.
func newSubLife(w *world, r *rand.Rand) *subLife {
	l := &subLife{world: w, dice: r}
	w.master = w.sim.TwoSMS.AddMaster(simulator.Master{CompanyName: "Acme Ltd", Email: "owner@acme.example"})
	for _, email := range []string{"sub-0@acme.example", "xsub-00@acme.example", "sub-00@acme.example.org"} {
		w.foreignSubs = append(w.foreignSubs, w.sim.TwoSMS.PutAccount(simulator.SubAccount{MasterID: w.master.ID, Values: simulator.Params{"Email": email}}))
	}
	credentials := input("twosms", v1alpha1.ClientIDKey, []byte(w.master.ClientID))
	credentials.Data[v1alpha1.ClientSecretKey] = []byte(w.master.ClientSecret)
	w.create(credentials)
	parent := w.parentAccount()
	parent.Name, parent.Spec.Voximplant = "acme-sms", v1alpha1.VoximplantParent{}
	parent.Spec.TwoSMS = &v1alpha1.TwoSMSParent{
		BaseURL: w.endpoint + simulator.TwoSMSPath, AccountID: w.master.ID, ClientSecretRef: v1alpha1.SecretReference{Name: "twosms"},
	}
	w.create(parent)
	for i := range subPopulation {
		s := &sub{sub: newSub(fmt.Sprintf("sub-%02d", i)), adopts: i%2 == 0, deleted: true, todo: make(chan deed, 10_000)}
		if s.adopts {
			s.sub.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
			s.sub.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: s.sub.Name + "-a"}
			l.changePassword(s)
		}
		l.subs = append(l.subs, s)
		l.doers.Go(func() {
			for deed := range s.todo {
				until(w.t.Context(), deed)
			}
		})
	}
	return l
}

func newSub(name string) *v1alpha1.SubAccount {
	return &v1alpha1.SubAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{}},
		Spec: v1alpha1.SubAccountSpec{
			ParentRef: v1alpha1.ParentReference{Name: "acme-sms"}, Username: name, Email: name + "@acme.example",
			FirstName: "Ada", LastName: "Lovelace", CompanyName: "Acme Ltd", MobilePhone: "+44 1234 567890",
		},
	}
}

// goOn draws what happens next until the time is over.
func (l *subLife) goOn(ctx context.Context) {
	for pass(ctx, between(l.dice, 200*time.Millisecond, time.Second)) {
		l.drawn++
		s := l.subs[l.dice.IntN(len(l.subs))]
		switch at := l.dice.IntN(10); {
		case at < 5:
			l.edit(s)
		case at < 7:
			l.drift(s)
		case s.adopts && at < 9:
			l.delete(s)
		case s.adopts:
			l.changePassword(s)
		default:
			metav1.SetMetaDataAnnotation(&s.sub.ObjectMeta, v1alpha1.AnnotationRotatePassword, fmt.Sprint(l.drawn))
			l.declare(s)
		}
	}
}

// edit changes some of the spec, or applies anew what was deleted.
func (l *subLife) edit(s *sub) {
	spec := &s.sub.Spec
	switch l.dice.IntN(4) {
	case 0:
		spec.LastName = fmt.Sprintf("Lovelace %d", l.drawn)
	case 1:
		spec.Username = fmt.Sprintf("%s-%d", s.sub.Name, l.drawn)
	case 2:
		spec.MobilePhone = fmt.Sprintf("+44 1234 %06d", l.drawn)
	case 3:
		if !s.adopts { // whoever has lost the status with the resource knows the account by its e-mail alone
			spec.Email = fmt.Sprintf("%s-%d@acme.example", s.sub.Name, l.drawn)
		}
	}
	l.declare(s)
}

// drift changes the account at the provider, if the resource has one by then: before that the account would be otherwise than was sent.
func (l *subLife) drift(s *sub) {
	value := fmt.Sprintf("Elsewhere %d", l.drawn)
	s.todo <- func(ctx context.Context) error {
		var c v1alpha1.SubAccount
		if err := l.k8s.Get(ctx, client.ObjectKeyFromObject(s.sub), &c); err != nil || c.Status.AccountID == "" {
			return client.IgnoreNotFound(err)
		}
		return l.sim.TwoSMS.SetValue(c.Status.AccountID, "CompanyName", value)
	}
}

// delete deletes the resource; the account stays.
func (l *subLife) delete(s *sub) {
	s.deleted = true
	s.todo <- func(ctx context.Context) error { return client.IgnoreNotFound(l.k8s.Delete(ctx, newSub(s.sub.Name))) }
}

// changePassword changes the declared password.
func (l *subLife) changePassword(s *sub) {
	s.password = fmt.Sprintf("Chaos-%d-%s", l.drawn, strings.ToUpper(s.sub.Name))
	s.todo <- l.input(s.sub.Spec.PasswordSecretRef.Name, v1alpha1.DefaultPasswordKey, []byte(s.password))
}

// declare has the resource applied as it is in the books.
func (l *subLife) declare(s *sub) {
	s.deleted = false
	declared := s.sub.DeepCopy()
	s.todo <- func(ctx context.Context) error {
		there := &v1alpha1.SubAccount{}
		switch err := l.k8s.Get(ctx, client.ObjectKeyFromObject(declared), there); {
		case apierrors.IsNotFound(err):
			return l.k8s.Create(ctx, declared.DeepCopy())
		case err != nil:
			return err
		case !there.DeletionTimestamp.IsZero():
			return errGoing
		}
		there.Spec, there.Annotations = declared.Spec, declared.Annotations
		return l.k8s.Update(ctx, there)
	}
}

// end declares whatever is not declared, and waits until all that was drawn has been done.
func (l *subLife) end() {
	for _, s := range l.subs {
		if s.deleted {
			l.declare(s)
		}
		close(s.todo)
	}
	l.doers.Wait()
}

// expectConverged waits until every SubAccount has its one account, as declared.
func (l *subLife) expectConverged() {
	g := NewWithT(l.t)
	g.Eventually(l.unsettled).WithTimeout(convergence).WithPolling(time.Second).Should(BeEmpty())
	g.Expect(l.sim.TwoSMS.Accounts(l.master.ID)).To(HaveLen(subPopulation+len(l.foreignSubs)), "one sub-account for each SubAccount, and those of others")
	counts := l.sim.TwoSMS.Counts()
	l.t.Logf("%d edits of SubAccounts and the like; calls: %v", l.drawn, counts)
	g.Expect(counts[simulator.TwoSMSCreate]).To(BeNumerically(">=", subPopulation))
	g.Expect(counts[simulator.TwoSMSUpdate]).To(BeNumerically(">", 0))
}

// unsettled says what is not as declared yet.
func (l *subLife) unsettled() (open []string) {
	for _, s := range l.subs {
		if problem := l.wrong(s); problem != "" {
			open = append(open, s.sub.Name+": "+problem)
		}
	}
	return open
}

// wrong says how a SubAccount, its account or its connection Secret is not as declared; "" if all is.
func (l *subLife) wrong(s *sub) string {
	var c v1alpha1.SubAccount
	var secret corev1.Secret
	err := cmp.Or(
		l.k8s.Get(l.t.Context(), client.ObjectKeyFromObject(s.sub), &c),
		l.k8s.Get(l.t.Context(), client.ObjectKey{Namespace: namespace, Name: s.sub.Name + "-connection"}, &secret))
	if err != nil {
		return err.Error()
	}
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionSynced, v1alpha1.ConditionConnectionSecretReady} {
		is := meta.FindStatusCondition(c.Status.Conditions, kind)
		if is == nil || is.ObservedGeneration != c.Generation || is.Status != metav1.ConditionTrue || is.Reason != v1alpha1.ReasonAvailable {
			return fmt.Sprintf("%s is %v", kind, is)
		}
	}
	a, ok := l.sim.TwoSMS.Account(c.Status.AccountID)
	if !ok {
		return "no account " + c.Status.AccountID
	}
	spec := &s.sub.Spec
	for member, want := range map[string]string{
		"Email": spec.Email, "Username": spec.Username, "Firstname": spec.FirstName, "Lastname": spec.LastName, "CompanyName": spec.CompanyName, "MobilePhone": spec.MobilePhone,
	} {
		if is := a.Values[member]; is != want {
			return fmt.Sprintf("%s is %q, not %q", member, is, want)
		}
	}
	if a.Values["Password"] != cmp.Or(s.password, string(secret.Data[secrets.KeyPassword])) {
		return fmt.Sprintf("the password is wrong: the account has %s", passwordText(a.Values["Password"]))
	}
	if _, left := secret.Data[secrets.KeyPasswordNext]; left || string(secret.Data[secrets.KeyAccountID]) != a.ID {
		return "the Secret has a next password, or is of another account"
	}
	return ""
}

// checkSubs says what was done to sub-accounts that must never be.
func (w *world) checkSubs() (wrong []string) {
	for _, before := range w.foreignSubs {
		if after, ok := w.sim.TwoSMS.Account(before.ID); !ok || fmt.Sprint(after.Values) != fmt.Sprint(before.Values) {
			wrong = append(wrong, fmt.Sprintf("sub-account %s, which is not ours, was changed", before.ID))
		}
	}
	return slices.Concat(wrong, unlooked(w.sim.TwoSMS.Calls()), twins(w.sim.TwoSMS.Accounts(w.master.ID)))
}

// twins are sub-accounts with one e-mail.
func twins(accounts []simulator.SubAccount) (wrong []string) {
	seen := map[string]string{}
	for _, a := range accounts {
		email := a.Values["Email"]
		if other := seen[email]; other != "" {
			wrong = append(wrong, fmt.Sprintf("sub-accounts %s and %s have one e-mail: %s", other, a.ID, email))
		}
		seen[email] = a.ID
	}
	return wrong
}

// spoilSubCalls spoils calls of the master account's API, and revokes its tokens now and then. No creation is slow: one that is carried out after its
// operator is dead, and the next one has read the list, makes a second account, as nothing there is unique.
func (w *world) spoilSubCalls(ctx context.Context, r *rand.Rand) {
	for waiting := 0; pass(ctx, between(r, 300*time.Millisecond, 1500*time.Millisecond)); waiting++ {
		if waiting%mostFaults == 0 {
			w.sim.TwoSMS.ClearFaults()
		}
		fault := someFault(r, "", simulator.TwoSMSCreate, simulator.TwoSMSCreate, simulator.TwoSMSUpdate, simulator.TwoSMSList, simulator.TwoSMSToken)
		if fault.Kind == simulator.FaultSlow && (fault.Method == "" || fault.Method == simulator.TwoSMSCreate) {
			fault.Kind = simulator.FaultLoseAnswer
		}
		w.sim.TwoSMS.AddFault(fault)
		if r.IntN(20) == 0 {
			w.sim.TwoSMS.RevokeTokens()
		}
	}
}
