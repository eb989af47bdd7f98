package engine_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// variations are the providers that the seam allows.
var variations = map[string]fake.Options{
	"plain":                 {},
	"full replace":          {FullReplace: true},
	"no id at creation":     {NoID: true},
	"shown late":            {NoID: true, Hidden: 1},
	"no claim":              {NoClaims: true},
	"no password":           {NoPasswords: true},
	"nothing but the least": {FullReplace: true, NoID: true, NoClaims: true, NoPasswords: true},
}

// eachVariation runs a life with each of the providers.
func eachVariation(t *testing.T, life func(*world)) {
	t.Helper()
	for name, o := range variations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			life(newWorld(t, o))
		})
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		l := w.declared(name)
		w.apply(l)
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(values(l, account.State{fake.PathEnabled: "true"}))
		w.expectPassword(w.secret(name)[secrets.KeyPassword])
		st := w.line(name).Status
		if st.AccountID != w.account().ID || st.Origin != v1alpha1.OriginCreated || st.Seen["contact"] != l.Spec.Contact {
			w.Errorf("the status: %+v", st)
		}
		w.expectRest(name)
		w.start()
		w.settle(name)
		w.expectRest(name)
		if n := w.service.Count(fake.MethodCreate); n != 1 {
			w.Errorf("%d creations", n)
		}
	})
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		id := w.service.Put(name, account.State{fake.PathContact: "somebody@acme.example", fake.PathEnabled: "true"}, "")
		w.list()
		w.password("declared-password-1")
		l := w.declared(name)
		if !w.options.NoPasswords {
			l.Spec.Password = "declared"
		}
		w.apply(l)
		w.expect(name, "False AdoptionRefused")
		w.edit(name, func(l *Line) { l.Spec.Policy.Adopt = account.AdoptIfIdentical })
		w.expect(name, "False AdoptionRefused")
		if n := w.service.Count(fake.MethodUpdate) + w.service.Count(fake.MethodCreate); n != 0 {
			w.Errorf("%d writes to an account that may not be adopted", n)
		}
		w.edit(name, func(l *Line) { l.Spec.Policy.Adopt = account.AdoptAlways })
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(values(l, nil))
		w.expectPassword("declared-password-1")
		st := w.line(name).Status
		if st.AccountID != id || st.Origin != v1alpha1.OriginAdopted {
			w.Errorf("bound to %s as %s", st.AccountID, st.Origin)
		}
		if a := w.account(); !w.options.NoClaims {
			if claim, ok := a.Claim(); !ok || claim.Name != name {
				w.Errorf("the account's custom data is %q", a.CustomData)
			}
		}
		w.expectRest(name)
	})
}

func TestDrift(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		l := w.declared(name)
		w.apply(l)
		w.settle(name)
		w.service.Set(w.account().ID, fake.PathTongue, "fr")
		w.list()
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(values(l, nil))
		w.edit(name, func(l *Line) { l.Spec.Policy.ReportDrift = true })
		w.service.Set(w.account().ID, fake.PathTongue, "es")
		w.list()
		w.settle(name)
		w.expect(name, "True DriftDetected")
		if d := w.line(name).Status.Drift; len(d) != 1 || d[0].Field != fake.PathTongue || *d[0].Observed != "es" {
			w.Errorf("drift: %+v", d)
		}
		w.expectValues(account.State{fake.PathTongue: "es"})
		w.expectRest(name)
	})
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		l := w.declared(name)
		w.apply(l)
		w.settle(name)
		password := w.secret(name)[secrets.KeyPassword]
		w.edit(name, func(l *Line) { l.Spec.Contact, l.Spec.Limits.Credit = "new@acme.example", ptr.To("7.5") })
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(values(l, account.State{fake.PathContact: "new@acme.example", fake.PathCredit: "7.50"}))
		w.expectPassword(password)
		if got := w.secret(name)[secrets.KeyEmail]; got != "new@acme.example" {
			w.Errorf("the connection Secret has %q", got)
		}
		w.expectRest(name)
	})
}

func TestPassword(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		w.apply(w.declared(name))
		w.settle(name)
		if w.options.NoPasswords {
			w.edit(name, func(l *Line) { l.Spec.Password = "declared" })
			w.expect(name, "False Rejected")
			return
		}
		first := w.secret(name)[secrets.KeyPassword]
		w.edit(name, func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: "now"} })
		w.settle(name)
		next := w.secret(name)[secrets.KeyPassword]
		if next == first {
			w.Error("the password was not rotated")
		}
		w.expectPassword(next)
		for i := range 2 {
			w.password(fmt.Sprint("declared-password-", i))
			w.edit(name, func(l *Line) { l.Spec.Password = "declared" })
			w.settle(name)
			w.expect(name, "True Available")
			w.expectPassword(fmt.Sprint("declared-password-", i))
		}
		w.expectRest(name)
	})
}

// A declared password that changes while the provider carries out a call is given to the account, whichever call is lost.
func TestDeclaredPasswordChangesDuringACall(t *testing.T) {
	t.Parallel()
	faults := map[string]func(string) fake.Fault{"answer": fake.LoseAnswer, "request": fake.LoseRequest}
	for _, during := range []string{fake.MethodCreate, fake.MethodGet, fake.MethodUpdate, fake.MethodCheckPassword} {
		for _, lost := range []string{fake.MethodCreate, fake.MethodSetPassword} {
			for what, lose := range faults {
				t.Run(fmt.Sprintf("during %s, %s of %s lost", during, what, lost), func(t *testing.T) {
					t.Parallel()
					eachVariation(t, func(w *world) {
						if w.options.NoPasswords {
							w.Skip("no password can be declared")
						}
						w.password("declared-password-1")
						fake.During(w.service, during, func() { w.password("declared-password-2") })
						w.service.Add(lose(lost))
						l := w.declared(name)
						l.Spec.Password, l.Spec.Policy.Adopt = "declared", account.AdoptAlways
						w.apply(l)
						w.settle(name)
						w.password("declared-password-2") // not every life has each of the calls
						for range 2 {
							w.settle(name)
							w.expect(name, "True Available")
							w.expectPassword("declared-password-2")
							w.expectRest(name)
							w.start()
						}
					})
				})
			}
		}
	}
}

// The same where the former process stored the connection Secret and not the status: the next one takes the password from there.
func TestDeclaredPasswordChangesAfterACrash(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		if w.options.NoPasswords {
			w.Skip("no password can be declared")
		}
		w.password("declared-password-1")
		l := w.declared(name)
		l.Spec.Password, l.Spec.Policy.Adopt = "declared", account.AdoptAlways
		w.apply(l)
		w.settle(name)
		stored := w.line(name)
		stored.Status = LineStatus{}
		if err := w.client.Status().Update(w.Context(), stored); err != nil {
			w.Fatal(err)
		}
		w.start()
		fake.During(w.service, fake.MethodUpdate, func() { w.password("declared-password-2") })
		w.edit(name, func(l *Line) { l.Spec.Contact = "new@acme.example" })
		w.settle(name)
		w.expect(name, "True Available")
		w.expectPassword("declared-password-2")
		w.expectRest(name)
	})
}

// A password that the account was given counts, although the connection Secret could not be told of it.
func TestPasswordThatTheSecretWasNotToldOf(t *testing.T) {
	t.Parallel()
	rotate := func(value string) func(*Line) {
		return func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: value} }
	}
	eachVariation(t, func(w *world) {
		if w.options.NoPasswords {
			w.Skip("there are no passwords")
		}
		untold := func(change func()) {
			fake.During(w.service, fake.MethodSetPassword, func() { w.refusing = true })
			change()
			w.refusing = false
		}
		w.apply(w.declared(name))
		w.edit(name, rotate("1"))
		w.settle(name)
		untold(func() { w.edit(name, rotate("2")) })
		w.edit(name, rotate("1")) // taken back
		w.settle(name)
		w.expectPassword(w.secret(name)[secrets.KeyPassword])
		w.expectRest(name)

		w.password("declared-password-1")
		w.edit(name, func(l *Line) { l.Spec.Password = "declared" })
		w.settle(name)
		w.password("declared-password-2")
		untold(func() { w.reconcile(name) })
		w.expectPassword("declared-password-2")
		w.password("declared-password-1")
		w.clock.Step(time.Minute)
		w.reconcile(name)
		if w.service.Password(w.account().ID) != "declared-password-1" && w.said(name) == "True Available" {
			w.Error("the account has another password than the declared one, and nobody says so")
		}
	})
}

// A value that the provider never shows is sent again when a change of it has no answer and is taken back.
func TestHiddenValueTakenBackAfterALostAnswer(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		l := w.declared(name)
		w.apply(l)
		w.settle(name)
		w.service.Add(fake.LoseAnswer(fake.MethodUpdate))
		w.edit(name, func(l *Line) { l.Spec.Login = ptr.To("another") })
		w.start() // nothing is left of it in memory
		w.edit(name, func(changed *Line) { changed.Spec.Login = l.Spec.Login })
		w.clock.Step(time.Minute)
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(values(l, nil))
		w.expectRest(name)
	})
}

func TestDeactivate(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		for _, deactivate := range []bool{false, true} {
			l := w.declared(name)
			l.Spec.Deactivate, l.Spec.Policy.Adopt = deactivate, account.AdoptAlways
			l.UID += "-" + l.UID
			w.apply(l)
			w.settle(name)
			w.expect(name, "True Available")
			stored := w.line(name)
			if err := w.client.Delete(w.Context(), stored); err != nil {
				w.Fatal(err)
			}
			w.clock.SetTime(time.Now())
			if deactivate {
				w.reconcile(name)
			}
			if err := w.client.Get(w.Context(), client.ObjectKeyFromObject(stored), &Line{}); client.IgnoreNotFound(err) != nil || err == nil {
				w.Fatalf("the resource is still there: %v", err)
			}
			w.expectValues(account.State{fake.PathEnabled: fmt.Sprint(!deactivate)})
			w.secret(name) // stays
		}
		if len(w.stored.Deactivations) != 1 {
			w.Errorf("counted: %+v", w.stored)
		}
	})
}

func TestOutage(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		l := w.declared(name)
		w.apply(l)
		w.settle(name)
		w.service.Add(fake.Fault{Times: 1000, Error: account.Error{Class: account.Unavailable, Message: "down"}})
		w.list()
		w.edit(name, func(l *Line) { l.Spec.Contact = "new@acme.example" })
		w.expect(name, "True APIUnavailable")
		calls := len(w.service.Calls())
		for range 5 {
			w.reconcile(name)
		}
		if n := len(w.service.Calls()) - calls; n != 0 {
			w.Errorf("%d calls before it is time", n)
		}
		w.clock.Step(20 * time.Minute)
		w.list()
		w.reconcile(name)
		w.expect(name, "Unknown APIUnavailable")
		w.service.Heal()
		w.list()
		w.clock.Step(time.Hour)
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(values(l, account.State{fake.PathContact: "new@acme.example"}))
	})
}

func TestMassChange(t *testing.T) {
	t.Parallel()
	eachVariation(t, func(w *world) {
		const all, most = 5, 2
		for i := range all {
			w.apply(w.declared(fmt.Sprint("child-", i)))
			w.settle(fmt.Sprint("child-", i))
		}
		w.parent.Limits.Percent, w.parent.Limits.Minimum = 1, most
		w.clock.Step(time.Hour)
		w.list()
		for i := range all {
			w.edit(fmt.Sprint("child-", i), func(l *Line) { l.Spec.Tongue = ptr.To("fr") })
		}
		for waits := map[string]bool{}; len(waits) < all-most; { // on a busy machine some are woken before the last is stopped
			woken := (<-w.woken).Name
			if w.reconcile(woken); w.said(woken) == "True AwaitingApproval" {
				waits[woken] = true
			}
		}
		changed, message := 0, ""
		for i := range all {
			switch got := w.said(fmt.Sprint("child-", i)); got {
			case "True Available":
				changed++
			case "True AwaitingApproval":
				message = w.message(fmt.Sprint("child-", i))
			default:
				w.Errorf("child-%d: %s", i, got)
			}
		}
		if changed != most || hash(message) == "" {
			w.Fatalf("%d changed, the others wait: %s", changed, message)
		}
		w.parent.Approvals = []string{hash(message)}
		for i := range all {
			w.settle(fmt.Sprint("child-", i))
			w.expect(fmt.Sprint("child-", i), "True Available")
		}
		for _, id := range w.service.Accounts() {
			if a, _ := w.service.Account(id); a.State[fake.PathTongue] != "fr" {
				w.Errorf("account %s was not changed", id)
			}
		}
	})
}

// A process ends at any call, before it left or after it was carried out: never two accounts, and in the end all is as declared.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, method := range []string{fake.MethodCreate, fake.MethodUpdate, fake.MethodGet, fake.MethodSetPassword} {
		for what, lose := range map[string]func(string) fake.Fault{"answer": fake.LoseAnswer, "request": fake.LoseRequest} {
			t.Run(method+" "+what, func(t *testing.T) {
				t.Parallel()
				eachVariation(t, func(w *world) {
					w.service.Add(lose(method))
					l := w.declared(name)
					w.apply(l)
					w.start() // the process that made the call is no more
					w.settle(name)
					w.edit(name, func(l *Line) {
						l.Spec.Contact = "new@acme.example"
						if !w.options.NoPasswords {
							l.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: "now"}
						}
					})
					w.start()
					w.settle(name)
					w.expect(name, "True Available")
					w.expectValues(values(l, account.State{fake.PathContact: "new@acme.example"}))
					w.expectPassword(w.secret(name)[secrets.KeyPassword])
					if got := w.line(name).Status.Origin; got != v1alpha1.OriginCreated {
						w.Errorf("the account counts as %s", got)
					}
					w.expectRest(name)
				})
			})
		}
	}
}
