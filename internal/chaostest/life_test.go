package chaostest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// population is how many ChildAccounts there are, besides those for which there is no account to have.
const population = 100

// resource is a ChildAccount, in the books of those who declare it.
type resource struct {
	// child is what is declared; deleted is set while nothing is.
	child   *v1alpha1.ChildAccount
	deleted bool
	// passwords are the declared ones by the name of their Secret.
	passwords map[string]string
	// salt is that of its callbacks.
	salt string
	// special changes what this resource declares more than others; nil for most.
	special func(*life, *resource)
	// keptOn is set where nobody ever asks for the account to be switched off.
	keptOn bool
	// switchedOff is set once somebody switched the account off at the provider: a second time would pass for a value
	// that the provider doesn't keep.
	switchedOff bool
	// Its deeds are what is to be done about it, in order.
	todo chan deed
}

// deed is something done to the API server or at the provider; it is tried until it works.
type deed func(context.Context) error

func (r *resource) name() string { return r.child.Name }

// life is everybody who declares and changes something. One draws what is done, so that it can be drawn again; for each
// resource somebody does it, however long that takes.
type life struct {
	*world
	dice      *rand.Rand
	resources []*resource
	refused   map[string]string // the reason of Ready, by the name of a resource that has no account to have
	doers     sync.WaitGroup
	drawn     int
}

func newLife(w *world, r *rand.Rand) *life {
	l := &life{world: w, dice: r, refused: map[string]string{}}
	l.meetStrangers()
	for i := range population {
		c := newChild(fmt.Sprintf("child-%03d", i))
		c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) // so that a declared password is that of an account found again too
		res := &resource{child: c, deleted: true, keptOn: i%5 == 0, special: special(i), passwords: map[string]string{}, todo: make(chan deed, 10_000)}
		l.resources = append(l.resources, res)
		if res.keptOn {
			l.keptOn = append(l.keptOn, res.name())
		}
		if res.special != nil {
			res.special(l, res)
		}
		l.doers.Go(func() { l.do(res) })
	}
	return l
}

func newChild(name string) *v1alpha1.ChildAccount {
	return &v1alpha1.ChildAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{}},
		Spec: v1alpha1.ChildAccountSpec{
			ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: name + "@acme.example", Active: ptr.To(true),
		},
	}
}

// undeclared is an account that no resource declares and that some are clones of, undeclaredParts what such a clone gets.
const undeclared = "unmanaged"

var undeclaredParts = simulator.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}}

// meetStrangers makes accounts that are nobody's business, and resources that would like to have some of them.
func (l *life) meetStrangers() {
	other := l.sim.AddParent(simulator.Parent{Name: "other-telephony", Email: "owner@other.example"})
	child := func(name string, parent simulator.Parent, claim ...account.Claim) simulator.Account {
		a := simulator.Account{ParentID: parent.ID, Fields: simulator.Fields{
			"account_name": name, "account_email": name + "@else.example", "active": true,
		}}
		for _, c := range claim {
			a.Fields["account_custom_data"] = c.CustomData()
		}
		return l.sim.PutAccount(a)
	}
	own := account.Claim{Installation: installation, Namespace: namespace, Name: "child-000"}
	others := account.Claim{Installation: "other", Namespace: namespace, Name: "claimed"}
	l.addForeign(child("child-00", l.parent))
	l.addForeign(child("child-0000", l.parent, own)) // a claim without the name is none
	l.addForeign(child("claimed", l.parent, others))
	cloned := child(undeclared, l.parent)
	simulator.SetParts(l.sim, cloned.ID, undeclaredParts)
	l.addForeign(cloned)
	l.addForeign(child("kept-back", l.parent))
	l.addForeign(child("other-child", other))
	l.addForeign(l.sim.AddStranger("stranger", "stranger@else.example"))
	for name, reason := range map[string]string{
		"kept-back": v1alpha1.ReasonAdoptionRefused, "other-child": v1alpha1.ReasonNameTaken, "stranger": v1alpha1.ReasonNameTaken,
		"claimed": v1alpha1.ReasonClaimedElsewhere,
	} {
		c := newChild(name)
		if reason != v1alpha1.ReasonAdoptionRefused {
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		}
		l.create(c)
		l.refused[name] = reason
	}
}

// goOn draws what happens next until the time is over.
func (l *life) goOn(ctx context.Context) {
	for pass(ctx, between(l.dice, 20*time.Millisecond, 160*time.Millisecond)) {
		l.drawn++
		happening := l.draw()
		happening(l, l.resources[l.dice.IntN(len(l.resources))])
	}
}

// happenings are what can happen to a resource, each as often as it weighs.
var happenings = []struct {
	weight int
	happen func(*life, *resource)
}{
	{40, (*life).edit},
	{20, (*life).drift},
	{10, (*life).delete},
	{8, (*life).rotatePassword},
	{8, (*life).declarePassword},
	{8, (*life).changePassword},
	{1, (*life).rotateCredentials},
	{1, (*life).welcomeStranger},
}

func (l *life) draw() func(*life, *resource) {
	total := 0
	for _, h := range happenings {
		total += h.weight
	}
	at := l.dice.IntN(total)
	for _, h := range happenings {
		if at -= h.weight; at < 0 {
			return h.happen
		}
	}
	panic("unreachable")
}

// edit changes some of the spec, or applies anew what was deleted.
func (l *life) edit(r *resource) {
	s, d := &r.child.Spec, l.dice
	if r.special != nil && d.IntN(3) == 0 {
		r.special(l, r)
		l.declare(r)
		return
	}
	switch d.IntN(7) {
	case 0:
		s.Location = ptr.To(pick(d, "Europe/Berlin", "Asia/Tokyo", "America/Lima", "Etc/GMT+10"))
	case 1:
		s.LanguageCode = ptr.To(pick(d, "en", "de", "fr", "ja"))
	case 2:
		s.MinBalanceToNotify = ptr.To(intstr.FromString(fmt.Sprintf("%d.50", l.drawn)))
	case 3:
		s.Notifications = &v1alpha1.Notifications{Account: ptr.To(d.IntN(2) == 0), News: ptr.To(d.IntN(2) == 0)}
	case 4:
		s.Active = ptr.To(d.IntN(3) > 0 || r.keptOn || r.special != nil) // of an account that is off neither plan nor key is changed
	case 5:
		s.Email = fmt.Sprintf("%s-%d@acme.example", r.name(), l.drawn)
	case 6:
		s.CanUseRestricted = ptr.To(d.IntN(2) == 0)
	}
	l.declare(r)
}

// drift changes the account at the provider, if there is one by then. Each value is a new one.
func (l *life) drift(r *resource) {
	field, value := "min_balance_to_notify", any(float64(l.drawn)+0.25)
	switch l.dice.IntN(3) {
	case 0:
		field, value = "account_email", fmt.Sprintf("drift-%d@else.example", l.drawn)
	case 1:
		if !r.switchedOff {
			r.switchedOff, field, value = true, "active", false
		}
	}
	r.todo <- func(context.Context) error {
		if a, ok := l.sim.Account(r.name()); ok {
			return l.sim.SetField(a.ID, field, value)
		}
		return nil
	}
}

// delete deletes the resource; the account stays, but may be switched off.
func (l *life) delete(r *resource) {
	policy := pick(l.dice, v1alpha1.DeletionRetain, v1alpha1.DeletionDeactivate)
	if r.keptOn {
		policy = v1alpha1.DeletionRetain
	}
	r.child.Spec.DeletionPolicy = &policy
	l.declare(r)
	r.deleted = true
	r.todo <- func(ctx context.Context) error {
		return client.IgnoreNotFound(l.k8s.Delete(ctx, newChild(r.name())))
	}
}

// rotatePassword asks for a new generated password.
func (l *life) rotatePassword(r *resource) {
	metav1.SetMetaDataAnnotation(&r.child.ObjectMeta, v1alpha1.AnnotationRotatePassword, fmt.Sprint(l.drawn))
	l.declare(r)
}

// declarePassword lets one of two Secrets have the password from now on. It is never taken back: the account would keep a
// password that is nowhere to be found.
func (l *life) declarePassword(r *resource) {
	name := r.name() + pick(l.dice, "-a", "-b")
	r.child.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: name}
	l.setPassword(r, name) // a new one: a provider may refuse what the account has had before
	l.declare(r)
}

// changePassword changes a declared password.
func (l *life) changePassword(r *resource) {
	if ref := r.child.Spec.PasswordSecretRef; ref != nil {
		l.setPassword(r, ref.Name)
	}
}

func (l *life) setPassword(r *resource, secret string) {
	password := fmt.Sprintf("Chaos-%d-%s", l.drawn, strings.ToUpper(secret))
	r.passwords[secret] = password
	r.todo <- l.input(secret, v1alpha1.DefaultPasswordKey, []byte(password))
}

// rotateCredentials puts a new key of the service account into its Secret.
func (l *life) rotateCredentials(r *resource) {
	credentials := l.sim.Credentials(l.parent.ID)
	r.todo <- l.input("voximplant", v1alpha1.DefaultCredentialsKey, credentials)
}

// welcomeStranger lets somebody else have an account, under the same parent or none.
func (l *life) welcomeStranger(*resource) {
	name := fmt.Sprintf("newcomer-%d", l.drawn)
	l.addForeign(l.sim.PutAccount(simulator.Account{ParentID: pick(l.dice, 0, l.parent.ID), Fields: simulator.Fields{
		"account_name": name, "account_email": name + "@else.example", "active": true,
	}}))
}

// declare has the resource applied as it is in the books.
func (l *life) declare(r *resource) {
	r.deleted = false
	r.todo <- l.apply(r.child.DeepCopy())
}

var errGoing = errors.New("it is still there, and going")

// apply creates the resource or brings it to what is declared.
func (l *life) apply(c *v1alpha1.ChildAccount) deed {
	return func(ctx context.Context) error {
		there := &v1alpha1.ChildAccount{}
		switch err := l.k8s.Get(ctx, client.ObjectKeyFromObject(c), there); {
		case apierrors.IsNotFound(err):
			return l.k8s.Create(ctx, c.DeepCopy())
		case err != nil:
			return err
		case !there.DeletionTimestamp.IsZero():
			return errGoing
		}
		there.Spec = c.Spec
		for name, value := range c.Annotations {
			metav1.SetMetaDataAnnotation(&there.ObjectMeta, name, value)
		}
		return l.k8s.Update(ctx, there)
	}
}

// input writes a Secret for the operator.
func (w *world) input(name, key string, value []byte) deed {
	return func(ctx context.Context) error {
		secret := input(name, key, value)
		err := w.k8s.Create(ctx, secret)
		if apierrors.IsAlreadyExists(err) {
			return w.k8s.Update(ctx, secret)
		}
		return err
	}
}

// do does what is to be done about a resource.
func (l *life) do(r *resource) {
	for deed := range r.todo {
		until(l.t.Context(), deed)
	}
}

// until tries until it works or the time is over.
func until(ctx context.Context, deed deed) {
	for deed(ctx) != nil && pass(ctx, 200*time.Millisecond) {
	}
}

// end declares whatever is not declared, and waits until all that was drawn has been done.
func (l *life) end() {
	for _, r := range l.resources {
		if r.deleted {
			l.declare(r)
		}
		close(r.todo)
	}
	l.doers.Wait()
}
