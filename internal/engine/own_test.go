package engine_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/engine"
)

const (
	accountSynced = v1alpha1.ConditionAccountSynced
	ownPause      = time.Hour
)

// german declares a field that is shown, one that is not, and a salt.
func german(p *v1alpha1.ParentAccount) {
	p.Spec.Account = &v1alpha1.OwnAccount{
		LanguageCode: ptr.To("de"), Profile: &v1alpha1.OwnProfile{StoreInboundSMS: ptr.To(true)},
		Callback: &v1alpha1.Callback{SaltSecretRef: &v1alpha1.SecretKeyReference{Name: ownSaltSecret}},
	}
}

func speaks(language string) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) {
		p.Spec.Account = &v1alpha1.OwnAccount{LanguageCode: ptr.To(language)}
	}
}

// A field that is not in the spec costs nothing, however long that lasts.
func TestAnAccountThatIsNotDeclaredCostsNothing(t *testing.T) {
	w := newOwnWorld(t)
	for range 3 {
		w.expectPass("undeclared", "")
		w.clock.Step(ownPause)
	}
	w.restart()
	w.expectPass("after a restart", "")
	w.edit(func(p *v1alpha1.ParentAccount) {
		p.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
	})
	w.expectPass("a request", "")
	if w.object().Status.Account != nil || w.said() != "" {
		t.Errorf("%+v %s", w.object().Status.Account, w.said())
	}
}

// What differs is one call, with the salt; then nothing is called or written but a read an hour, over restarts too.
func TestAnAccountIsWrittenOnce(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.expectPass("declared", "UpdateOwn languageCode, profile.storeInboundSMS salt, status")
	w.expectSaid(accountSynced, "True Available")
	if w.state["languageCode"] != "de" || w.state["profile.storeInboundSMS"] != "true" || w.salt != ownSalt || w.state["location"] != "Etc/UTC" {
		t.Errorf("%v, salt %q", w.state, w.salt.Reveal())
	}
	if got := w.emitted(); got != "AccountChanged" {
		t.Errorf("events %s", got)
	}
	status, err := json.Marshal(w.object().Status)
	if err != nil || strings.Contains(string(status), ownSalt) || w.object().Status.Account.CallbackSaltDigest == "" {
		t.Errorf("%s, %v", status, err)
	}
	pause, done := w.pass()
	if done != "" || pause <= 0 || pause > ownPause {
		t.Errorf("at rest: %q, again in %s", done, pause)
	}
	w.restart()
	w.expectPass("after a restart", "")
	w.clock.Step(ownPause)
	w.expectPass("an hour later", "Own")
	w.expectPass("and then", "")
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(false) })
	w.expectPass("an edit of something else", "status") // of the generation alone
	if w.emitted() != "" {
		t.Error("an event at rest")
	}
}

// A value that was changed at the provider is corrected, and one that the provider does not keep is written twice.
func TestAnAccountThatIsChangedElsewhere(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.expectPass("declared", "UpdateOwn languageCode, status")
	w.state["languageCode"] = "fr"
	w.clock.Step(ownPause)
	w.expectPass("drift", "Own, UpdateOwn languageCode")
	w.clock.Step(ownPause)
	w.expectPass("seen to be kept", "Own")
	w.forgetful = true
	w.state["languageCode"] = "fr"
	w.clock.Step(ownPause)
	w.expectPass("drift again", "Own, UpdateOwn languageCode")
	w.clock.Step(ownPause)
	w.expectPass("not kept once", "Own, UpdateOwn languageCode")
	for range 3 {
		w.clock.Step(ownPause)
		_, done := w.pass()
		if strings.Contains(done, callUpdate) {
			t.Errorf("not kept twice: %s", done)
		}
	}
	w.expectSaid(accountSynced, "False ValueNotKept", "spec.account.languageCode", "de", "fr")
	w.forgetful = false
	w.edit(speaks("nl"))
	w.clock.Step(time.Minute)
	if _, done := w.pass(); !strings.Contains(done, "UpdateOwn languageCode") {
		t.Errorf("another value: %s", done)
	}
	w.expectSaid(accountSynced, "True Available")
}

// An edit is compared with what the account is now.
func TestAnEditIsComparedWithTheAccountAsItIs(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.pass()
	w.state["location"] = "Asia/Tokyo"
	w.clock.Step(10 * time.Minute)
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account.Location = ptr.To("Etc/UTC") })
	w.expectPass("the value of the last read", "Own, UpdateOwn location, status")
}

// After a lost answer the account is read first. What is shown is not written again, what is not shown is.
func TestALostAnswerOfAnUpdate(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.fails[callUpdate] = []account.Error{{Class: account.Unavailable, Message: "no answer in time", OutcomeUnknown: true}}
	w.expectPass("lost", "UpdateOwn languageCode, profile.storeInboundSMS salt, status")
	w.expectSaid(accountSynced, "Unknown APIUnavailable")
	w.clock.Step(time.Minute)
	w.expectPass("later", "Own, UpdateOwn profile.storeInboundSMS salt, status")
	w.expectSaid(accountSynced, "True Available")
}

// The process ends between an update and the write of the status that says so, and the spec goes back to what was applied before: the status
// must not take that for what the account has.
func TestACrashAfterAnUpdate(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.pass()
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account.Profile.StoreInboundSMS = ptr.To(false) })
	w.setSalt("another-salt-of-the-parent")
	writes := 0
	w.refuse = func() error {
		if writes++; writes > 1 {
			return errors.New("killed")
		}
		return nil
	}
	w.expectPass("killed", "status, UpdateOwn profile.storeInboundSMS salt, status")
	w.refuse = nil
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account.Profile.StoreInboundSMS = ptr.To(true) })
	w.setSalt(ownSalt)
	w.restart()
	w.expectPass("after the restart", "UpdateOwn profile.storeInboundSMS salt, status")
	if w.salt != ownSalt || w.state["profile.storeInboundSMS"] != "true" {
		t.Errorf("%v, salt %q", w.state, w.salt.Reveal())
	}
}

// setSalt changes the Secret with the declared salt.
func (w *ownWorld) setSalt(value string) {
	w.Helper()
	s := &corev1.Secret{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: ownSaltSecret}, s); err != nil {
		w.Fatal(err)
	}
	s.Data["salt"] = []byte(value)
	if err := w.client.Update(w.Context(), s); err != nil {
		w.Fatal(err)
	}
}

// A status that can't be stored has nothing written again and again.
func TestAStatusThatIsRefused(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.refuse = func() error { return errors.New("away") }
	w.expectPass("first", "UpdateOwn languageCode, profile.storeInboundSMS salt, status")
	for range 3 {
		w.expectPass("again", "status")
	}
	w.refuse = nil
	w.expectPass("stored", "status")
	w.expectPass("at rest", "")
	w.expectSaid(accountSynced, "True Available")
}

// The digest of a salt is of no use without the credentials: with others it is another one, and the salt is written once more.
func TestTheDigestOfASaltNeedsTheCredentials(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.pass()
	before := w.object().Status.Account.CallbackSaltDigest
	w.connection = laterOwnCredentials
	w.connect()
	w.expectPass("other credentials", "status, UpdateOwn salt, status")
	if after := w.object().Status.Account.CallbackSaltDigest; after == before || after == "" {
		t.Errorf("%q, before %q", after, before)
	}
	w.expectPass("and then", "")
}

// A Secret that can't be used stops the account's fields, and says which.
func TestASaltThatCantBeUsed(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.setSalt(strings.Repeat("x", 40))
	w.expectPass("too long", "status")
	w.expectSaid(accountSynced, "False SecretInvalid", "spec.account.callback.saltSecretRef", "39 characters")
	w.setSalt(ownSalt)
	w.expectPass("corrected", "UpdateOwn languageCode, profile.storeInboundSMS salt, status")
}

// A missing role is said once, tried again after ten minutes, and stops nothing else.
func TestARoleThatIsMissing(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { speaks("de")(p); buys("11")(p) })
	missing := account.Error{Class: account.RoleMissing, Message: "Authorization failed", Code: 100, Answered: true, Next: "Give it one of the roles Owner, Admin."}
	w.fails[callUpdate] = []account.Error{missing, missing}
	w.expectPass("refused", "Plans, UpdateOwn languageCode, PlanOffers, status, ChangePlan 11, Plans, status")
	w.expectSaid(accountSynced, "False RoleMissing", "roles Owner, Admin", "code 100")
	w.expectSaid(plansCondition, "True Available")
	if got := w.emitted(); got != "PlanChanging PlanChanged RoleMissing" {
		t.Errorf("events %s", got)
	}
	if ready := meta.FindStatusCondition(w.object().Status.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
		t.Error("Ready changed")
	}
	pause, done := w.pass()
	if done != "" || pause < 9*time.Minute || pause > 12*time.Minute {
		t.Errorf("in backoff: %q, again in %s", done, pause)
	}
	w.clock.Step(pause)
	w.expectPass("ten minutes later", "UpdateOwn languageCode")
	w.request("please")
	w.expectPass("requested", "Own, Plans, UpdateOwn languageCode, status")
	w.expectSaid(accountSynced, "True Available")
	if got := w.emitted(); got != "AccountChanged" {
		t.Errorf("events %s", got)
	}
}

// request requests a reconcile.
func (w *ownWorld) request(value string) {
	w.Helper()
	p := w.object()
	p.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: value}
	if err := w.client.Update(w.Context(), p); err != nil {
		w.Fatal(err)
	}
}

// A refused value is named with its whole path, before any call where that is known, and tried again after an edit alone.
func TestAValueThatIsRefused(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account = &v1alpha1.OwnAccount{Location: ptr.To("Mars")} })
	w.expectPass("by the table", "status")
	w.expectSaid(accountSynced, "False Rejected", "spec.account.location: is no time zone")
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account.Location = ptr.To("Europe/Berlin") })
	w.fails[callUpdate] = []account.Error{{Class: account.Invalid, Field: "location", Message: "no", Answered: true}}
	w.expectPass("by the provider", "UpdateOwn location, status")
	w.expectSaid(accountSynced, "False Rejected", "spec.account.location: no")
	w.clock.Step(30 * time.Minute)
	w.expectPass("later", "")
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account.LanguageCode = ptr.To("de") })
	w.expectPass("after an edit", "Own, UpdateOwn languageCode, location, status")
	w.expectSaid(accountSynced, "True Available")
}

// A request has the account read once, over restarts too.
func TestARequestedReadOfTheAccount(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.pass()
	w.request("please")
	w.expectPass("requested", "Own, status")
	w.expectPass("and then", "")
	w.restart()
	w.expectPass("after a restart", "")
}

// What is removed from the spec stays at the provider, and leaves the status.
func TestAnAccountThatIsNotDeclaredAnyMore(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { german(p); buys("11")(p) })
	w.pass()
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account.Profile, p.Spec.Account.Callback = nil, nil })
	w.expectPass("less", "status")
	if st := w.object().Status.Account; st.CallbackSaltDigest != "" || len(st.LastApplied) != 2 {
		t.Errorf("%+v", st)
	}
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Account, p.Spec.Plans = nil, nil })
	w.expectPass("nothing", "status")
	if st := w.object().Status.Account; st != nil || w.said() != "" || w.state["languageCode"] != "de" || w.salt != ownSalt {
		t.Errorf("%+v %s %v", st, w.said(), w.state)
	}
	w.expectPass("and then", "")
}

// What nobody shows may have been changed while it was not declared: declared again it is written again.
func TestAnAccountThatIsDeclaredAgain(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.pass()
	w.edit(speaks("de"))
	w.expectPass("less", "status")
	w.state["profile.storeInboundSMS"], w.salt = "false", "another"
	w.edit(german)
	w.expectPass("declared again", "UpdateOwn profile.storeInboundSMS salt, status")
	if w.state["profile.storeInboundSMS"] != "true" || w.salt != ownSalt {
		t.Errorf("%v, salt %q", w.state, w.salt.Reveal())
	}
}

// Amid an outage nothing is called and nothing is said anew.
func TestAnAccountAmidAnOutage(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.pass()
	w.clock.Step(ownPause)
	w.fails[callRead] = []account.Error{{Class: account.Unavailable, Message: "no route"}}
	pause, done := w.pass()
	if done != "Own" || pause <= 0 || pause > time.Minute {
		t.Errorf("%q, again in %s", done, pause)
	}
	w.expectSaid(accountSynced, "True Available")
	w.clock.Step(pause)
	w.expectPass("over", "Own")
}

// Of two ParentAccounts of the account the older applies, as long as it is of use.
func TestTwoParentAccountsThatDeclareTheAccount(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { speaks("de")(p); buys("11")(p) })
	w.pass()
	w.clock.Step(time.Second)
	w.declare("younger", func(p *v1alpha1.ParentAccount) { speaks("nl")(p); buys("12")(p) })
	w.name = "younger"
	w.connect()
	w.expectPass("the younger", "status")
	w.expectSaid(accountSynced, "False DuplicateResource", "ParentAccount "+namespace+"/acme", "Remove spec.account")
	w.expectSaid(plansCondition, "False DuplicateResource", "ParentAccount "+namespace+"/acme", "Remove spec.plans")
	w.expectPass("again", "")
	for what, change := range map[string]func(*v1alpha1.ParentAccount){
		"another account":      func(p *v1alpha1.ParentAccount) { p.Status.AccountID = "1" },
		"not usable":           func(p *v1alpha1.ParentAccount) { p.Status.Conditions[0].Status = metav1.ConditionFalse },
		"other authorities":    func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.CABundle = []byte("x") },
		"another endpoint":     func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = ptr.To("https://other.example") },
		"nothing declared":     func(p *v1alpha1.ParentAccount) { p.Spec.Account, p.Spec.Plans = nil, nil },
		"not the older one":    func(p *v1alpha1.ParentAccount) { p.CreationTimestamp = metav1.NewTime(w.clock.Now().Add(time.Hour)) },
		"not connected before": func(p *v1alpha1.ParentAccount) { p.Status.Conditions = nil },
	} {
		t.Run(what, func(t *testing.T) {
			w := newOwnWorld(t)
			w.edit(func(p *v1alpha1.ParentAccount) { speaks("de")(p); buys("11")(p) })
			w.clock.Step(time.Second)
			w.declare("younger", speaks("nl"))
			elder := w.object()
			change(elder)
			status := elder.Status
			if err := w.client.Update(w.Context(), elder); err != nil {
				t.Fatal(err)
			}
			elder.Status = status
			if err := w.client.Status().Update(w.Context(), elder); err != nil {
				t.Fatal(err)
			}
			w.name = "younger"
			w.connect()
			w.expectPass("the younger", "UpdateOwn languageCode, status")
		})
	}
	// Both are from the same second: their names decide, the same way for both.
	w = newOwnWorld(t)
	w.edit(speaks("de"))
	w.declare("a-twin", speaks("nl"))
	w.expectPass("the second by name", "status")
	w.expectSaid(accountSynced, "False DuplicateResource", namespace+"/a-twin")
	w.name = "a-twin"
	w.connect()
	w.expectPass("the first by name", "UpdateOwn languageCode, status")
}

// What a ParentAccount has applied counts no longer once another one may have written to the account: to what nobody shows, too.
func TestAParentAccountThatGetsItsPlaceBack(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { german(p); buys("11")(p) })
	w.pass()
	ready := func(status metav1.ConditionStatus) {
		p := w.object()
		p.Status.Conditions[0].Status = status
		if err := w.client.Status().Update(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	ready(metav1.ConditionFalse)
	w.clock.Step(time.Second)
	w.declare("younger", func(p *v1alpha1.ParentAccount) {
		german(p)
		buys("12")(p)
		p.Spec.Account.Profile.StoreInboundSMS = ptr.To(false)
	})
	w.name = "younger"
	w.connect()
	w.pass()
	w.expectSaid(accountSynced, "True Available")
	if w.state["profile.storeInboundSMS"] != "false" || w.plans[0].ID != "12" {
		t.Fatalf("%v %v", w.state, w.plans)
	}
	w.name = "acme"
	ready(metav1.ConditionTrue)
	w.parents.Put(client.ObjectKey{Namespace: namespace, Name: "acme"}, nil)
	w.connect()
	w.pass()
	if w.state["profile.storeInboundSMS"] != "true" {
		t.Errorf("%v", w.state)
	}
	w.expectSaid(plansCondition, "False Rejected", "does not cost more than the present plan")
	w.name = "younger"
	w.expectPass("the younger", "status")
	if st := w.object().Status.Account; st.CallbackSaltDigest != "" || len(st.LastApplied) != 0 || st.Plans != nil {
		t.Errorf("%+v", st)
	}
	w.expectPass("and then", "")
}

// Where the credentials of another account were accepted, nothing counts that was applied to the former.
func TestAnotherAccountHasNothingApplied(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { german(p); buys("11")(p) })
	w.pass()
	p := w.object()
	p.Status.Account.AccountID = "another"
	if err := w.client.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.expectPass("another account", "Plans, UpdateOwn profile.storeInboundSMS salt, status")
}

// The change guard has a change of the account wait, and its approval lets exactly that pass.
func TestAChangeOfTheAccountWaitsForAnApproval(t *testing.T) {
	w := newOwnWorld(t)
	w.limits = changeguard.Limits{Window: time.Minute}
	w.edit(func(p *v1alpha1.ParentAccount) { speaks("de")(p); buys("11")(p) })
	w.expectPass("the limits are used up", "Plans, status")
	<-w.settled
	w.expectPass("settled", "status")
	w.expectSaid(accountSynced, "False AwaitingApproval", "account.languageCode=de, plans.MAU=11", "approve-mass-change=")
	w.expectSaid(plansCondition, "False AwaitingApproval", "approve-mass-change=")
	w.clock.Step(10 * time.Minute)
	w.expectPass("waiting costs nothing", "")
	c := meta.FindStatusCondition(w.object().Status.Conditions, accountSynced)
	_, approval, _ := strings.Cut(c.Message, "approve-mass-change=")
	p := w.object()
	p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: strings.Fields(approval)[0]}
	if err := w.client.Update(w.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, done := w.pass(); !strings.Contains(done, callUpdate) || !strings.Contains(done, callBuy) {
		t.Errorf("approved: %s", done)
	}
	w.expectSaid(accountSynced, "True Available")
	w.expectSaid(plansCondition, "True Available")
}

// What is pending at a start is held under startPolicy Observe, until it is approved; a later edit is not.
func TestAStartHoldsAChangeOfTheAccount(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.start = engine.StartPolicy{Holds: true}
	w.restart()
	w.expectPass("pending at the start", "status")
	w.expectSaid(accountSynced, "False AwaitingApproval", "account.languageCode=de waits: this change was pending when the operator, after its start, first read the accounts of ParentAccount acme")
	w.clock.Step(time.Minute)
	w.expectPass("held", "")
	w.restart()
	w.expectPass("another start", "")
	group := w.engine.Starts.Group(w.parent(w.object()))
	if group.Count != 1 || !strings.Contains(group.List, "acme (account.languageCode=de)") {
		t.Fatalf("%+v", group)
	}
	p := w.object()
	p.Annotations = map[string]string{v1alpha1.AnnotationApproveStart: group.Hash}
	if err := w.client.Update(w.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.expectPass("approved", "UpdateOwn languageCode, status")
	w.expectPass("at rest", "")
	w.edit(speaks("nl"))
	w.expectPass("a later edit", "UpdateOwn languageCode, status")
}

// What can't be written at a start is not at rest: once it can be, it is held all the same.
func TestAStartHoldsWhatCouldNotBeWrittenAtFirst(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(german)
	w.setSalt(strings.Repeat("x", 40))
	w.start = engine.StartPolicy{Holds: true}
	w.restart()
	w.expectPass("with a broken Secret", "status")
	w.expectSaid(accountSynced, "False SecretInvalid")
	w.setSalt(ownSalt)
	w.expectPass("corrected", "status")
	w.expectSaid(accountSynced, "False AwaitingApproval", "pending when the operator, after its start, first read the accounts of ParentAccount acme")
	if strings.Contains(w.said(), ownSalt) {
		t.Error("the salt shows")
	}
}

// What needs no write at a start is free from then on.
func TestAStartLeavesAnAccountAtRestAlone(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("en"))
	w.start = engine.StartPolicy{Holds: true}
	w.restart()
	w.expectPass("at rest", "status")
	w.edit(speaks("de"))
	w.expectPass("an edit", "UpdateOwn languageCode, status")
	if slices.Contains(w.calls, "Own") {
		t.Errorf("%v", w.calls)
	}
}

// An approval of a start lets pass what it was shown: plans that could not be read by then wait for another one.
func TestAnApprovedStartBuysNoPlanThatItDidNotShow(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { speaks("de")(p); buys("11")(p) })
	w.start = engine.StartPolicy{Holds: true}
	w.fails[callPlans] = []account.Error{{Class: account.Unavailable}}
	w.restart()
	approve := func(list string) {
		t.Helper()
		group := w.engine.Starts.Group(w.parent(w.object()))
		if group.List != list {
			t.Fatalf("%+v waits, want %s", group, list)
		}
		p := w.object()
		p.Annotations = map[string]string{v1alpha1.AnnotationApproveStart: group.Hash}
		if err := w.client.Update(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	w.expectPass("the plans can't be read", "Plans, status")
	approve("acme (account.languageCode=de)")
	w.expectPass("approved", "UpdateOwn languageCode, status")
	w.clock.Step(10 * time.Minute)
	w.expectPass("the plans were read", "Plans, status")
	w.expectSaid(plansCondition, "False AwaitingApproval", "plans.MAU=11 waits: ")
	w.expectPass("held", "")
	approve("acme (plans.MAU=11)")
	w.pass()
	w.expectSaid(plansCondition, "True Available")
}

// Credentials that are refused for a moment, while a clock is off for example, are used again later, though they are the same.
func TestCredentialsThatAreRefusedForAMoment(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(func(p *v1alpha1.ParentAccount) { speaks("de")(p); buys("11")(p) })
	w.pass()
	w.clock.Step(ownPause)
	refused := account.Error{Class: account.Unauthorized, Message: "the token is expired", MayPass: true}
	w.fails[callRead] = []account.Error{refused}
	w.expectPass("refused", "Own, status")
	w.expectSaid(accountSynced, "False Unauthorized", "the token is expired", "Read the condition Ready")
	w.clock.Step(2 * time.Minute)
	w.expectPass("later", "Own, status")
	w.expectSaid(accountSynced, "True Available")
	w.edit(buys("12"))
	w.fails[callPlans] = []account.Error{refused}
	w.pass()
	w.expectSaid(plansCondition, "False Unauthorized")
	w.clock.Step(2 * time.Minute)
	w.pass()
	w.expectSaid(plansCondition, "True Available")
}

// A balance that is too low for a change of the account's fields is a state of theirs, too.
func TestABalanceThatIsTooLowForFields(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.fails[callUpdate] = []account.Error{{Class: account.BalanceTooLow, Message: "no", Answered: true}}
	w.expectPass("refused", "UpdateOwn languageCode, status")
	w.expectSaid(accountSynced, "False BalanceTooLow", "Top up")
}

// setReady sets the condition Ready of the ParentAccount.
func (w *ownWorld) setReady(status metav1.ConditionStatus) {
	w.Helper()
	p := w.object()
	meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady).Status = status
	if err := w.client.Status().Update(w.Context(), p); err != nil {
		w.Fatal(err)
	}
}

// While a ParentAccount is False in Ready another one takes its place, and it writes nothing, even if its former credentials go on. Once it is Ready
// again, by the same connection too, what it has applied before counts no longer.
func TestAParentAccountThatIsReadyAgain(t *testing.T) {
	for what, usable := range map[string]bool{"its former credentials went on": true, "it could do nothing": false} {
		t.Run(what, func(t *testing.T) {
			w := newOwnWorld(t)
			w.edit(func(p *v1alpha1.ParentAccount) { german(p); buys("11")(p) })
			w.pass()
			w.clock.Step(time.Second)
			w.declare("younger", func(p *v1alpha1.ParentAccount) {
				german(p)
				buys("12")(p)
				p.Spec.Account.LanguageCode, p.Spec.Account.Profile.StoreInboundSMS = ptr.To("nl"), ptr.To(false)
			})
			w.setReady(metav1.ConditionFalse)
			if !usable {
				w.parents.Former(client.ObjectKey{Namespace: namespace, Name: w.name}).Verified = ""
			}
			w.name = "younger"
			w.connect()
			w.pass()
			w.expectSaid(accountSynced, "True Available")
			w.name = "acme"
			w.pass()
			if usable {
				for _, kind := range []string{accountSynced, plansCondition} {
					w.expectSaid(kind, "False DuplicateResource", "ParentAccount "+namespace+"/younger is of the same account and declares spec.", "while its condition Ready is False")
				}
			}
			w.expectPass("and then", "")
			if w.state["languageCode"] != "nl" || w.state["profile.storeInboundSMS"] != "false" || w.plans[0].ID != "12" {
				t.Errorf("both write: %v %v", w.state, w.plans)
			}
			w.setReady(metav1.ConditionTrue)
			w.connect()
			w.pass()
			if w.state["languageCode"] != "de" || w.state["profile.storeInboundSMS"] != "true" {
				t.Errorf("%v", w.state)
			}
			w.expectSaid(accountSynced, "True Available")
			w.expectSaid(plansCondition, "False Rejected", "does not cost more than the present plan")
			w.expectPass("at rest", "")
		})
	}
}

// What a request says is kept in the status only as far as there is room.
func TestARequestThatIsTooLong(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(speaks("de"))
	w.request(strings.Repeat("please ", 1000))
	w.pass()
	if n := len(w.object().Status.Account.LastHandledReconcileAt); n != 1024 {
		t.Errorf("%d bytes", n)
	}
	w.expectPass("and then", "")
}

// A ParentAccount that is being deleted has nothing of its own wait for an approval.
func TestNothingWaitsOfAParentAccountThatIsDeleted(t *testing.T) {
	w := newOwnWorld(t)
	w.limits = changeguard.Limits{Window: time.Minute}
	w.edit(speaks("de"))
	w.pass()
	p := w.object()
	waits := func() int {
		n := 0
		for _, group := range w.engine.Held(w.parent(p).Guarded).Changes {
			n += group.Count
		}
		return n
	}
	<-w.settled
	if n := waits(); n != 1 {
		t.Fatalf("%d wait", n)
	}
	p.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
	engine.KeepOwnAccount(t.Context(), w.engine, w.parent(p), p, 0)
	if n := waits(); n != 0 {
		t.Errorf("%d wait", n)
	}
}
