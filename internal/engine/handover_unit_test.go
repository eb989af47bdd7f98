package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// staleCache is a cache that does not have what has happened to lines of some namespaces.
type staleCache struct {
	client.WithWatch
	// hidden are namespaces whose lines the cache has not seen, unbound those whose lines had no account when it saw them.
	hidden, unbound map[string]bool
}

func (c *staleCache) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	line, ok := o.(*Line)
	if ok && c.hidden[key.Namespace] {
		return apierrors.NewNotFound(corev1.Resource("lines"), key.Name)
	}
	err := c.WithWatch.Get(ctx, key, o, opts...)
	if ok && c.unbound[key.Namespace] {
		line.Status = LineStatus{}
	}
	return err
}

func (c *staleCache) List(ctx context.Context, o client.ObjectList, opts ...client.ListOption) error {
	err := c.WithWatch.List(ctx, o, opts...)
	if list, ok := o.(*LineList); ok {
		list.Items = slices.DeleteFunc(list.Items, func(l Line) bool { return c.hidden[l.Namespace] })
		for i := range list.Items {
			if c.unbound[list.Items[i].Namespace] {
				list.Items[i].Status = LineStatus{}
			}
		}
	}
	return err
}

// in has a line of another namespace, which is one of the parent's too.
func (w *world) in(ns string, change ...func(*Line)) *Line {
	l := w.declared(name)
	l.Namespace, l.UID = ns, types.UID("uid-"+ns)
	for _, c := range change {
		c(l)
	}
	if err := w.client.Create(w.Context(), l); err != nil {
		w.Fatal(err)
	}
	return w.reconcileIn(ns)
}

// acceptingLine has a line accept the account of another namespace.
func acceptingLine(l *Line) {
	metav1.SetMetaDataAnnotation(&l.ObjectMeta, v1alpha1.AnnotationTakeover, "prod")
}

func (w *world) reconcileIn(ns string) *Line {
	w.Helper()
	l := &Line{}
	key := client.ObjectKey{Namespace: ns, Name: name}
	if err := w.client.Get(w.Context(), key, l); err != nil {
		w.Fatal(err)
	}
	if _, err := w.engine.Reconcile(w.Context(), managedLine{l}); err != nil {
		w.Logf("reconcile %s: %v", key, err)
	}
	if err := w.client.Get(w.Context(), key, l); err != nil {
		w.Fatal(err)
	}
	return l
}

func (w *world) remove(ns string) {
	w.Helper()
	if err := w.client.Delete(w.Context(), &Line{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}); err != nil {
		w.Fatal(err)
	}
}

// What the cache has not seen yet, a read of the Kubernetes API finds out before an account changes hands.
func TestNobodyTakesOverWhatIsAnothers(t *testing.T) {
	t.Run("the previous owner is there", func(t *testing.T) {
		w := newWorld(t, fake.Options{})
		cache := &staleCache{WithWatch: w.client, hidden: map[string]bool{"sales": true}}
		w.cache, w.lines.Reader = cache, cache
		w.start()
		owner := w.in("sales")
		if owner.Status.AccountID == "" {
			t.Fatal("the owner has no account")
		}
		w.in(namespace, acceptingLine)
		for range 3 {
			if l := w.reconcileIn(namespace); l.Status.AccountID != "" {
				t.Fatal("it has taken the account of another one")
			}
		}
		if !strings.Contains(w.account().CustomData, "sales") {
			t.Fatalf("the claim is %s", w.account().CustomData)
		}

		w.remove("sales")
		if w.settle(name); w.line(name).Status.AccountID != owner.Status.AccountID {
			t.Errorf("it has account %q", w.line(name).Status.AccountID)
		}
		w.expect(name, "True Available")
		if !strings.Contains(w.account().CustomData, namespace) {
			t.Errorf("the claim is %s", w.account().CustomData)
		}
	})
	t.Run("another one was faster", func(t *testing.T) {
		w := newWorld(t, fake.Options{})
		owner := w.in("sales")
		w.remove("sales")
		cache := &staleCache{WithWatch: w.client, unbound: map[string]bool{}}
		w.cache, w.lines.Reader = cache, cache
		w.start()
		w.service.Add(fake.Refuse(fake.MethodSetCustomData, account.RoleMissing)) // so that the claim is still the previous owner's
		if first := w.in(namespace, acceptingLine); w.reconcileIn(namespace).Status.AccountID != owner.Status.AccountID {
			t.Fatalf("nobody has taken the account over: %s", w.message(first.Name))
		}
		w.service.Heal()
		if !strings.Contains(w.account().CustomData, "sales") {
			t.Fatalf("the claim is %s", w.account().CustomData)
		}

		// A second leader, whose cache is behind, knows of no binding.
		cache.unbound[namespace] = true
		w.start()
		w.parent.GrantsAdopt = true
		second := w.declared(name)
		acceptingLine(second)
		second.Namespace, second.UID = "aa", "uid-aa" // the lesser name, if of one age
		if err := w.client.Create(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		w.reconcileIn("aa") // it is left to the previous owner's namespace for a while
		w.clock.Step(11 * time.Minute)
		w.list()
		for range 3 {
			if l := w.reconcileIn("aa"); l.Status.AccountID != "" {
				t.Fatal("two have one account")
			}
		}
	})
}

// The password of an account that was handed over is known to have been known, unless the account may have been adopted: where it is lost, that is
// PasswordUnknown with an event, and the command that makes a new one is there once.
func TestThePasswordDoesNotComeAlong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		adopt  account.Adoption
		reason string
		events int
	}{{"", v1alpha1.ReasonPasswordUnknown, 1}, {account.AdoptAlways, v1alpha1.ReasonPartialAdopted, 0}} {
		w := newWorld(t, fake.Options{})
		w.apply(w.declared(name))
		w.settle(name)
		owner := w.line(name)
		w.remove(namespace)
		if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-connection"}}); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.parent.GrantsAdopt = true
		got := w.in("sales", func(l *Line) { l.Spec.Policy.Adopt = c.adopt }).Status // from the ParentAccount's namespace, so nothing has to be accepted
		for range 3 {
			w.clock.Step(11 * time.Minute)
			w.list()
			got = w.reconcileIn("sales").Status
		}
		state := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionConnectionSecretReady)
		if got.AccountID != owner.Status.AccountID || state == nil || state.Reason != c.reason {
			t.Errorf("adoption %q: account %s: %+v, want %s", c.adopt, got.AccountID, state, c.reason)
			continue
		}
		if n := strings.Count(state.Message, "kubectl annotate"); n != 1 || !strings.Contains(state.Message, "not inherited from its previous owner") {
			t.Errorf("adoption %q: %d commands: %s", c.adopt, n, state.Message)
		}
		told := 0
		for len(w.events.Events) > 0 {
			if strings.HasPrefix(<-w.events.Events, "Warning "+v1alpha1.ReasonPasswordUnknown) {
				told++
			}
		}
		if told != c.events {
			t.Errorf("adoption %q: %d events", c.adopt, told)
		}
	}
}

// A cache may have lost a resource while its deletion is carried out: who gets its account is known all the same.
func TestHandsOverWhatTheCacheHasLost(t *testing.T) {
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Namespace, l.UID, l.Spec.Deactivate = "sales", "uid-sales", true
	if err := w.client.Create(w.Context(), l); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l = w.reconcileIn("sales")
	}
	if len(l.Finalizers) == 0 || l.Status.AccountID == "" {
		t.Fatalf("it is %+v", l.Status)
	}
	w.in(namespace, acceptingLine)
	w.remove("sales")
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(l), l); err != nil {
		t.Fatal(err)
	}
	cache := &staleCache{WithWatch: w.client, hidden: map[string]bool{"sales": true}}
	w.cache, w.lines.Reader = cache, cache
	w.start()
	for range 3 {
		if _, err := w.engine.Reconcile(t.Context(), managedLine{copied(l)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.account().State[fake.PathEnabled]; got != "true" {
		t.Errorf("the account is enabled: %q", got)
	}
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(l), l); !apierrors.IsNotFound(err) {
		t.Errorf("the resource is still there: %v", err)
	}
}

// With the grant Adopt another tenant gets the account of a resource that is gone only after a while, in which the resource may come back.
func TestAnAccountIsLeftToItsNamespaceForAWhile(t *testing.T) {
	t.Parallel()
	for what, back := range map[string]bool{"gone for good": false, "created anew": true} {
		w := newWorld(t, fake.Options{})
		w.parent.GrantsAdopt = true
		owner := w.in("sales")
		remove := func() {
			w.remove("sales")
			if err := w.engine.Forget(t.Context(), ctrl.Request{}, owner.UID); err != nil {
				t.Fatal(err)
			}
		}
		remove()
		expectNone := func() {
			t.Helper()
			if l := w.reconcileIn("tenant"); l.Status.AccountID != "" || l.Status.Conditions == nil || !strings.Contains(l.Status.Conditions[0].Message, "which may be applied again") {
				t.Fatalf("%s: %+v", what, l.Status)
			}
		}
		w.in("tenant", acceptingLine)
		expectNone()
		if back {
			w.clock.Step(9 * time.Minute)
			if w.in("sales"); w.reconcileIn("sales").Status.AccountID != owner.Status.AccountID {
				t.Fatalf("%s: its owner does not get it back", what)
			}
			remove()
			w.clock.Step(2 * time.Minute) // the first deletion does not count any more
			w.list()
			expectNone()
		}
		w.clock.Step(9 * time.Minute)
		w.list()
		expectNone()
		w.clock.Step(time.Minute)
		w.list()
		for range 3 {
			w.reconcileIn("tenant")
		}
		if l := w.reconcileIn("tenant"); l.Status.AccountID != owner.Status.AccountID {
			t.Errorf("%s: %+v", what, l.Status)
		}
	}
}

// Whoever has had an account knows its password and API key for good: a resource gets the account of another namespace only if it accepts that.
// The ParentAccount's own namespace gives without a word.
func TestAnAccountOfAnotherNamespaceHasToBeAccepted(t *testing.T) {
	t.Parallel()
	adopting := func(policy account.Adoption) func(*Line) {
		return func(l *Line) { l.Spec.Policy.Adopt = policy }
	}
	for what, c := range map[string]struct {
		from, to             string
		accept               func(*Line)
		taken, warned, waits bool
	}{
		"no word":                         {from: "sales", to: namespace, accept: adopting("")},
		"another word":                    {from: "sales", to: namespace, accept: adopting(account.AdoptNever)},
		"a takeover from elsewhere":       {from: "sales", to: namespace, accept: func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "other"} }},
		"a policy":                        {from: "sales", to: namespace, accept: adopting(account.AdoptIfIdentical), taken: true, warned: true},
		"any policy":                      {from: "sales", to: namespace, accept: adopting(account.AdoptAlways), taken: true, warned: true},
		"a takeover":                      {from: "sales", to: namespace, accept: acceptingLine, taken: true, warned: true},
		"from the parent's own namespace": {from: namespace, to: "sales", accept: adopting(""), taken: true, waits: true},
	} {
		for _, deactivate := range []bool{false, true} {
			w := newWorld(t, fake.Options{})
			w.parent.GrantsAdopt = true
			left := w.noteLeftActive()
			w.in(c.from, func(l *Line) { l.Spec.Deactivate = deactivate })
			owner := w.reconcileIn(c.from)
			w.parents.Put(types.NamespacedName{Namespace: "sales", Name: "acme"}, w.dir)
			w.in(c.to, c.accept)
			w.remove(c.from)
			w.endDeletionIn(c.from)
			if err := w.engine.Forget(t.Context(), ctrl.Request{}, owner.UID); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				w.clock.Step(11 * time.Minute) // it is left to the former namespace for a while
				w.list()
				w.reconcileIn(c.to)
			}
			l := w.reconcileIn(c.to)
			if taken := l.Status.AccountID == owner.Status.AccountID; taken != c.taken || !taken && !strings.Contains(l.Status.Conditions[0].Message, "To accept the account, set spec.adoptionPolicy") {
				t.Errorf("%s, deactivate %v: %+v", what, deactivate, l.Status)
			}
			if w.account().State[fake.PathEnabled] != "true" {
				t.Errorf("%s: the account is switched off", what)
			}
			said := deactivate && (!c.taken || c.waits)
			if (len(*left) == 1) != said {
				t.Errorf("%s, deactivate %v: the parent is told of %+v", what, deactivate, *left)
			}
			emitted := strings.Join(w.emitted(), "\n")
			if strings.Contains(emitted, "Warning CredentialsKnownElsewhere") != c.warned || strings.Contains(emitted, "Warning NotDeactivated") != said ||
				strings.Contains(emitted, "HandedOver") != (deactivate && c.taken && !c.waits) {
				t.Errorf("%s, deactivate %v: %s", what, deactivate, emitted)
			}
		}
	}
}

// noteLeftActive has the parent keep the accounts that were not deactivated.
func (w *world) noteLeftActive() *[]v1alpha1.NotDeactivatedAccount {
	left := &[]v1alpha1.NotDeactivatedAccount{}
	w.parent.NoteNotDeactivated = func(_ context.Context, a v1alpha1.NotDeactivatedAccount) error {
		*left = append(*left, a)
		return nil
	}
	return left
}

// Under a shared parent an account counts as handed over only to a resource that can prove that it is to have the account, and that gets it at
// once, as its owner names it: else nobody has the account, it stays active, and that is said.
func TestAnAccountIsHandedOverOnlyToOneThatCanProveIt(t *testing.T) {
	t.Parallel()
	named := func(l *Line) {
		metav1.SetMetaDataAnnotation(&l.ObjectMeta, v1alpha1.AnnotationHandOverTo, "sales/"+name)
	}
	declaring := func(l *Line) { l.Spec.Password = "declared" }
	none := func(*Line) {}
	for what, c := range map[string]struct {
		from, to         func(*Line)
		noSecret         bool
		private          bool
		password         string
		handsOver, later bool
	}{
		"unnamed":                          {from: none, to: none},
		"named":                            {from: named, to: none, handsOver: true},
		"named, without a Secret":          {from: named, to: none, noSecret: true},
		"without a Secret, to be adopted":  {from: none, to: func(l *Line) { l.Spec.Policy.Adopt = account.AdoptIfIdentical }, noSecret: true, later: true},
		"without a Secret, not shared":     {from: none, to: none, noSecret: true, private: true, later: true},
		"both declare the password":        {from: declaring, to: declaring, password: "of both-1", later: true},
		"both declare it, named":           {from: func(l *Line) { declaring(l); named(l) }, to: declaring, password: "of both-1", handsOver: true},
		"they declare different passwords": {from: declaring, to: declaring, password: "another-1"},
	} {
		w := newWorld(t, fake.Options{})
		w.parent.GrantsAdopt, w.parent.Shared = true, !c.private
		left := w.noteLeftActive()
		w.password("of both-1")
		theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "declared", Labels: map[string]string{v1alpha1.LabelInput: "true"}}}
		theirs.Data = map[string][]byte{"password": []byte(c.password)}
		if err := w.client.Create(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
		w.in(namespace, c.from, func(l *Line) { l.Spec.Deactivate = true })
		w.settle(name)
		owner := w.line(name)
		w.parents.Put(types.NamespacedName{Namespace: "sales", Name: "acme"}, w.dir)
		w.in("sales", c.to)
		if c.noSecret {
			if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-connection"}}); err != nil {
				t.Fatal(err)
			}
		}
		w.emitted()
		w.remove(namespace)
		w.endDeletionIn(namespace)
		emitted := strings.Join(w.emitted(), "\n")
		if handedOver := strings.Contains(emitted, "HandedOver"); handedOver != c.handsOver || strings.Contains(emitted, "Warning NotDeactivated") == handedOver || (len(*left) == 0) != handedOver {
			t.Errorf("%s: %s, and the parent is told of %+v", what, emitted, *left)
		}
		if w.account().State[fake.PathEnabled] != "true" {
			t.Errorf("%s: the account is switched off", what)
		}
		for range 3 {
			w.clock.Step(11 * time.Minute) // it is left to the former namespace for a while
			w.list()
			w.reconcileIn("sales")
		}
		if l := w.reconcileIn("sales"); (l.Status.AccountID == owner.Status.AccountID) != (c.handsOver || c.later) {
			t.Errorf("%s: what was said is not what became of it: %+v", what, l.Status)
		}
	}
}

// emitted are the events since it was last asked.
func (w *world) emitted() (all []string) {
	for {
		select {
		case e := <-w.events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// endDeletionIn reconciles a line that is being deleted until it is gone.
func (w *world) endDeletionIn(ns string) {
	w.Helper()
	l := &Line{}
	for range 5 {
		switch err := w.client.Get(w.Context(), client.ObjectKey{Namespace: ns, Name: name}, l); {
		case apierrors.IsNotFound(err):
			return
		case err != nil:
			w.Fatal(err)
		}
		if _, err := w.engine.Reconcile(w.Context(), managedLine{copied(l)}); err != nil {
			w.Logf("reconcile %s: %v", ns, err)
		}
	}
	w.Fatalf("it is still there: %+v", l.Status)
}

// A resource that is being deleted is not told to accept another parent account; and whoever does it all the same is told that the account
// stays active.
func TestADeletionIsNotServedByAnotherParentAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	left := w.noteLeftActive()
	w.in(namespace, func(l *Line) { l.Spec.Deactivate = true })
	w.settle(name)
	w.dir.AccountID = "another"
	w.reconcile(name)
	w.expect(name, "False ParentChanged")
	if !strings.Contains(w.message(name), v1alpha1.AnnotationAcceptParent) {
		t.Errorf("before: %s", w.message(name))
	}
	w.remove(namespace)
	w.reconcile(name)
	if said := w.message(name); strings.Contains(said, v1alpha1.AnnotationAcceptParent) || !strings.Contains(said, "Name a ParentAccount of account parent in spec.parentRef") || !strings.Contains(said, "its account stays active") {
		t.Errorf("while it is being deleted: %s", said)
	}
	if len(*left) > 0 {
		t.Errorf("before: %+v", *left)
	}
	w.emitted()
	l := w.line(name)
	metav1.SetMetaDataAnnotation(&l.ObjectMeta, v1alpha1.AnnotationAcceptParent, "another")
	if err := w.client.Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.endDeletionIn(namespace)
	if emitted := strings.Join(w.emitted(), "\n"); !strings.Contains(emitted, "Warning NotDeactivated") || !strings.Contains(emitted, l.Status.AccountID) {
		t.Errorf("events: %s", emitted)
	}
	if len(*left) != 1 || (*left)[0].AccountID == nil || *(*left)[0].AccountID != l.Status.AccountID {
		t.Errorf("the parent is told of %+v", *left)
	}
	if w.account().State[fake.PathEnabled] != "true" {
		t.Error("another parent account switched it off")
	}
}
