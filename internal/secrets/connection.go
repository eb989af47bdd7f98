package secrets

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// The keys of a connection Secret.
const (
	KeyAccountID   = "accountID"
	KeyAccountName = "accountName"
	KeyEmail       = "email"
	KeyEndpoint    = "endpoint"
	KeyAPIKey      = "apiKey"
	// KeyPassword is the password of the account that KeyAccountID names. Before there is a KeyAccountID it is the one that an
	// account is about to be created with.
	KeyPassword = "password"
	// KeyPasswordNext is a generated password that the account may have already: while the present one is being replaced, or
	// while an account is recreated that may still be there.
	KeyPasswordNext = "passwordNext"
	// KeyPasswordRefused is a salted digest of the password that the provider refused when it was verified.
	KeyPasswordRefused = "passwordRefused"
)

// Connection names a connection Secret and its owner.
type Connection struct {
	// Namespace and Name are the Secret's.
	Namespace, Name string
	// Resource is "ChildAccount/<name>", Account "<parent account id>/<account name>".
	Resource, Account string
	// UID is the resource's: Prepare and PrepareDeclared record for it that an account is to be created. "" records nothing.
	UID types.UID
	// MayExist is set where the Secret may exist: Prepare and PrepareDeclared read it before they try to create it.
	MayExist bool
	// Applied is the declared password that the account is known to have, "" where none is declared or that is not known.
	// The Secret remembers a digest of it when it is written.
	Applied account.Secret
	// Declared is the declared password that the account is to have, "" where its password is generated or its own.
	Declared account.Secret
	// HadPassword is set where the account's password was known once: a Secret that holds none then says so.
	HadPassword bool
	// Bound is the id of the account that the resource was bound to before, "" where it was bound to none.
	Bound account.Secret
	// Rotation is the value of the annotation that asks for a new generated password, "" where none does.
	Rotation string
	// Generated is the password to prepare where the Secret has none to create an account with; "" generates one.
	Generated account.Secret
	// Try tells whether the account that the Secret comes to (KeyAccountID) has a password that the Secret holds for another
	// account, or for none yet. Nil takes what is held for the account's.
	Try func(account.Secret) (bool, error)
	// Latest remembers the Secret as it was last read or written, so that it is read once only; nil remembers nothing.
	Latest *Latest
	// FormerResource is the previous owner of the account, "ChildAccount/<name>", where its connection Secret becomes the resource's: it
	// may have the same name. "" where there is none, or in another namespace.
	FormerResource string
	// Previous are the connection Secrets of the previous owner of the account, which is the resource's from now on: what they hold of it
	// goes along.
	Previous []corev1.Secret
	// TookOut is told the resource version of a Secret that something was taken out of; nil tells nobody.
	TookOut func(resourceVersion string)
	// Renames is set where the account's name can change: the Secret then is the resource's, whatever name it has, if it tells of the account that the
	// resource was bound to, or records the resource's own attempt to create one.
	Renames bool
	// Labels and Annotations are those that the resource declares for the Secret.
	Labels, Annotations map[string]string
}

// Latest is a connection Secret as it was last read or written. A write that fails makes it forgotten.
type Latest struct{ secret *corev1.Secret }

func (l *Latest) set(secret *corev1.Secret) {
	if l != nil {
		l.secret = secret.DeepCopy()
	}
}

func (l *Latest) get() *corev1.Secret {
	if l == nil {
		return nil
	}
	return l.secret.DeepCopy()
}

// Values are what a connection Secret holds. An empty value means: leave what is there.
type Values map[string]account.Secret

// Store keeps connection Secrets. They have no owner reference: under Retain one may be the only copy of a live
// account's password.
type Store struct {
	// Client writes connection Secrets, Live reads them: none of them is cached.
	Client client.Client
	Live   client.Reader
	// Others names the other connection Secrets of a resource, as far as that is known without a call; nil knows none.
	Others func(ctx context.Context, c Connection) ([]string, error)
}

// Read returns what the connection Secret holds; nil where there is none. A *Problem says that another resource owns it.
func (s Store) Read(ctx context.Context, c Connection) (Values, error) {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return nil, err
	}
	return valuesOf(secret), nil
}

// Write makes sure that the connection Secret holds the values, and returns all that it holds afterwards.
// Where there is none yet, what another connection Secret of the same resource and account holds is taken along,
// so that a new name loses nothing. What is there is never overwritten with nothing. Where values name an account that the
// Secret has told nothing of, a password that it holds is kept as that account's only if it is.
func (s Store) Write(ctx context.Context, c Connection, values Values) (Values, error) {
	secret, err := s.get(ctx, c)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return s.restore(ctx, c, values)
	}
	before := secret.DeepCopy()
	restoreID(secret, c, values[KeyAccountID])
	others, err := newer(ctx, s, secret, c, values[KeyAccountID])
	if err != nil {
		return nil, err
	}
	if err := takeOver(secret, others, c, values); err != nil {
		return nil, err
	}
	return s.patchFrom(ctx, before, secret, c, values)
}

// newer are the other connection Secrets of the resource that know what this one has missed: its name was given, taken away and
// given again.
func newer(ctx context.Context, s Store, secret *corev1.Secret, c Connection, id account.Secret) (knowing []corev1.Secret, err error) {
	others, err := named(ctx, s, c)
	for _, other := range append(others, c.Previous...) {
		if serial(&other) > serial(secret) || tellsOf(&other, id) && !tellsOf(secret, id) {
			knowing = append(knowing, other)
		}
	}
	return knowing, err
}

// named are the other connection Secrets of the resource and account, as far as their names are known without a call.
func named(ctx context.Context, s Store, c Connection) (found []corev1.Secret, err error) {
	if s.Others == nil {
		return nil, nil
	}
	names, err := s.Others(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var other corev1.Secret
		err := s.Live.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, &other)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && belongs(&other, c) {
			found = append(found, other)
		}
	}
	return found, nil
}

// patchFrom writes the values, and whatever else was changed since before, into the Secret as it was read; a conflict says that somebody
// else wrote since.
func (s Store) patchFrom(ctx context.Context, before, secret *corev1.Secret, c Connection, values Values) (Values, error) {
	fill(secret, c, values)
	if sameSecret(before, secret) {
		return valuesOf(secret), nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := redactError(s.Client.Patch(ctx, secret, patch), before, secret); err != nil {
		c.Latest.set(nil)
		return nil, err
	}
	c.Latest.set(secret)
	if c.TookOut != nil && tookOut(before, secret) {
		c.TookOut(secret.ResourceVersion)
	}
	return valuesOf(secret), nil
}

// tellsOf says whether the Secret is about the account with this id.
func tellsOf(secret *corev1.Secret, id account.Secret) bool {
	return id != "" && string(secret.Data[KeyAccountID]) == id.Reveal()
}

// takeOver gives the Secret what others of its resource hold, and settles what it holds of the account that the values name. Where
// none of them has told anything of that account, their passwords were prepared to create one with, or are those of one that is
// gone: none is this account's for being there.
func takeOver(secret *corev1.Secret, others []corev1.Secret, c Connection, values Values) error {
	id := values[KeyAccountID]
	if tellsOf(secret, id) {
		others = slices.DeleteFunc(others, func(o corev1.Secret) bool { return !tellsOf(&o, id) })
	}
	open := passwordsOf(secret)
	for i := range others {
		open = append(open, passwordsOf(&others[i])...)
	}
	inherit(secret, others, id)
	known := values[KeyPassword] != "" || c.Applied != ""
	switch {
	case id == "", tellsOf(secret, id), c.Try == nil && !known:
		return nil
	case known:
		setPasswords(secret, values[KeyPassword], "")
		return nil
	}
	has, unknown, err := tried(open, c.Try)
	switch len(unknown) {
	case 0:
		setPasswords(secret, has, "")
	case 1: // it may be the only copy
		setPasswords(secret, has, unknown[0])
	default:
		return err
	}
	return nil
}

// setPasswords replaces all that the Secret holds of passwords, by the one that the account has and one that it may have; "" is none.
func setPasswords(secret *corev1.Secret, has, may account.Secret) {
	if had := secret.Data[KeyPassword]; has != "" && len(had) > 0 && string(had) != has.Reveal() {
		countPassword(secret)
	}
	delete(secret.Annotations, v1alpha1.AnnotationPasswordDigest)
	for key, value := range map[string]account.Secret{KeyPassword: has, KeyPasswordNext: may} {
		if delete(secret.Data, key); value != "" {
			secret.Data[key] = []byte(value.Reveal())
		}
	}
}

// tried is the password that the account has, "" for none of them, or else those of which nobody can say, and why.
func tried(open []account.Secret, try func(account.Secret) (bool, error)) (has account.Secret, unknown []account.Secret, why error) {
	for i, password := range open {
		if slices.Contains(open[:i], password) {
			continue
		}
		switch is, err := try(password); {
		case err != nil:
			unknown, why = append(unknown, password), err
		case is:
			return password, nil, nil
		}
	}
	return "", unknown, why
}

// passwordsOf are the passwords that a Secret holds.
func passwordsOf(secret *corev1.Secret) (passwords []account.Secret) {
	for _, key := range []string{KeyPassword, KeyPasswordNext} {
		if p := secret.Data[key]; len(p) > 0 {
			passwords = append(passwords, account.Secret(p))
		}
	}
	return passwords
}

// Prepare makes sure that the connection Secret exists, records the attempt to create an account, and holds a password to create it
// with, generated if there was none (whatever values say of it), and returns the password. Only after that may the account be
// created with it. ErrReadFirst says that the account is to be read before. A Secret that tells of an account, which may still be
// there, gets no password beside that account's: it holds a generated one as KeyPasswordNext.
func (s Store) Prepare(ctx context.Context, c Connection, values Values) (account.Secret, error) {
	fresh := maps.Clone(values)
	fresh[KeyPassword] = cmp.Or(c.Generated, GeneratePassword())
	held, secret, err := s.begin(ctx, c, fresh)
	if err != nil || secret == nil {
		return held[KeyPassword], err
	}
	before := secret.DeepCopy()
	c.intend(secret)
	if open := passwordsOf(secret); len(open) > 0 { // never overwritten: an account may already have it
		_, err = s.patchFrom(ctx, before, secret, c, nil)
		return open[0], err
	}
	key := KeyPassword
	if len(secret.Data[KeyAccountID]) > 0 {
		key = KeyPasswordNext
		fresh[KeyPassword], fresh[key] = "", fresh[KeyPassword]
	}
	held, err = s.patchFrom(ctx, before, secret, c, fresh)
	return held[key], err
}

// begin creates the connection Secret with the values and the first intent. Where there is one already it is returned as it is. Only a
// Secret that may exist is read first: creating is one request in the common case. Whatever the Kubernetes API refuses, it may be a quota
// that has no room for another Secret, while the Secret is there: so a refusal is final only where the Secret is missing.
func (s Store) begin(ctx context.Context, c Connection, values Values) (held Values, there *corev1.Secret, err error) {
	known := c.Latest.get() != nil
	if known || c.MayExist {
		there, err = s.get(ctx, c)
	}
	if err == nil && there == nil {
		secret := newSecret(c)
		c.intend(secret)
		if held, err = s.createFrom(ctx, secret, c, values); !refused(err) {
			return held, nil, err
		}
		there, err = afterRefusal(ctx, s, c, err)
	}
	if err == nil {
		err = maySecretsBeCreated(ctx, s, c.Namespace)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case c.UID != "" && !known:
		return nil, nil, ErrReadFirst
	}
	return nil, there, nil
}

// Withdraw takes back passwords that were prepared, and that certainly no account was created with; and the Secret with them
// where it says nothing else of an account.
func (s Store) Withdraw(ctx context.Context, c Connection, prepared ...account.Secret) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return client.IgnoreNotFound(err)
	}
	before := secret.DeepCopy()
	for _, key := range []string{KeyPassword, KeyPasswordNext} {
		anAccounts := key == KeyPassword && len(secret.Data[KeyAccountID]) > 0
		if !anAccounts && slices.Contains(prepared, account.Secret(secret.Data[key])) {
			delete(secret.Data, key)
		}
	}
	if len(passwordsOf(secret)) == 0 && len(secret.Data[KeyAccountID]) == 0 && len(secret.Data[KeyAPIKey]) == 0 {
		return s.Discard(ctx, c)
	}
	_, err = s.patchFrom(ctx, before, secret, c, nil)
	return err
}

// Discard deletes the connection Secret if it is the resource's own and says nothing of an account.
// To be called only where no account was ever made.
func (s Store) Discard(ctx context.Context, c Connection) error {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return client.IgnoreNotFound(err)
	}
	if len(secret.Data[KeyAccountID]) > 0 || len(secret.Data[KeyAPIKey]) > 0 {
		return nil
	}
	c.Latest.set(nil)
	uid, version := secret.UID, secret.ResourceVersion
	return client.IgnoreNotFound(redactError(s.Client.Delete(ctx, secret, client.Preconditions{UID: &uid, ResourceVersion: &version}), secret))
}

func (s Store) get(ctx context.Context, c Connection) (*corev1.Secret, error) {
	if latest := c.Latest.get(); latest != nil {
		return latest, nil
	}
	var secret corev1.Secret
	err := s.Live.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.Name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !belongs(&secret, c):
		return nil, notTheirs(&secret, c)
	}
	c.Latest.set(&secret)
	return &secret, nil
}

// restore recreates the Secret, with what other connection Secrets of the same resource and account still hold: they had
// the names that the spec gave before.
func (s Store) restore(ctx context.Context, c Connection, values Values) (Values, error) {
	others, err := s.others(ctx, c)
	if err != nil {
		return nil, err
	}
	others = append(others, c.Previous...)
	secret := newSecret(c)
	if err := takeOver(secret, others, c, values); err != nil {
		return nil, err
	}
	// Whoever asked for a new password of an account that was the resource's already has got one.
	c.HadPassword = c.HadPassword || c.Rotation != "" && c.Bound != "" && c.Bound == values[KeyAccountID]
	return s.createFrom(ctx, secret, c, values)
}

// others are all connection Secrets of the same resource and account.
func (s Store) others(ctx context.Context, c Connection) ([]corev1.Secret, error) {
	var all corev1.SecretList
	if err := s.Live.List(ctx, &all, client.InNamespace(c.Namespace), client.MatchingLabels{v1alpha1.LabelConnection: "true"}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Items, func(o corev1.Secret) bool { return !belongs(&o, c) }), nil
}

func newSecret(c Connection) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{},
	}
}

func (s Store) createFrom(ctx context.Context, secret *corev1.Secret, c Connection, values Values) (Values, error) {
	fill(secret, c, values)
	if err := redactError(s.Client.Create(ctx, secret), secret); err != nil {
		return nil, err
	}
	c.Latest.set(secret)
	return valuesOf(secret), nil
}

func fill(secret *corev1.Secret, c Connection, values Values) {
	set(&secret.Labels, v1alpha1.LabelConnection, "true")
	set(&secret.Annotations, v1alpha1.AnnotationResource, c.Resource)
	set(&secret.Annotations, v1alpha1.AnnotationAccount, c.Account)
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	applyMetadata(secret, c)
	dropStaleKey(secret, values[KeyAccountID])
	if len(secret.Data[KeyAccountID]) == 0 && values[KeyAccountID] != "" && c.Rotation != "" {
		// A resource that comes to its account asks for nothing yet: the password is as new as can be, or not ours.
		set(&secret.Annotations, v1alpha1.AnnotationPasswordRotated, c.Rotation)
	}
	for k, v := range values {
		if v != "" {
			secret.Data[k] = []byte(v.Reveal())
		}
	}
	if values[KeyPassword] != "" { // the account has, or will have, a generated one
		delete(secret.Annotations, v1alpha1.AnnotationPasswordDigest)
	}
	remember(secret, c)
	notePassword(secret, c)
}

// dropStaleKey removes the API key, and the service-account key, of an earlier account of the same name that is missing at the provider.
func dropStaleKey(secret *corev1.Secret, id account.Secret) {
	if before := secret.Data[KeyAccountID]; id != "" && len(before) > 0 && string(before) != id.Reveal() {
		delete(secret.Data, KeyAPIKey)
		dropServiceKeys(secret)
	}
}

func set(m *map[string]string, k, v string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = v
}

func sameSecret(a, b *corev1.Secret) bool {
	return maps.EqualFunc(a.Data, b.Data, bytes.Equal) && maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)
}

func valuesOf(secret *corev1.Secret) Values {
	out := Values{}
	for k, v := range secret.Data {
		out[k] = account.Secret(v)
	}
	return out
}
