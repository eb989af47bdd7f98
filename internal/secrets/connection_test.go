package secrets_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

func TestPrepareANewSecret(t *testing.T) {
	c := newCluster(interceptor.Funcs{})
	password, err := c.store().Prepare(background, connection, known())
	if err != nil || password == "" {
		t.Fatalf("password empty: %v, error %v", password == "", err)
	}
	wantData(t, "the Secret", c.data(t, connection.Name), map[string]string{"accountName": "acme-support", "email": "a@acme.example", "password": password.Reveal()})
	if c.reads != 1 || c.writes != 1 { // the read is the test's
		t.Errorf("%d reads and %d writes; the common case is one request", c.reads-1, c.writes)
	}
	var s corev1.Secret
	if err := c.Get(background, client.ObjectKey{Namespace: namespace, Name: connection.Name}, &s); err != nil {
		t.Fatal(err)
	}
	if s.Labels[v1alpha1.LabelConnection] != "true" || s.Labels[v1alpha1.LabelInput] != "" ||
		s.Annotations[v1alpha1.AnnotationResource] != connection.Resource || s.Annotations[v1alpha1.AnnotationAccount] != connection.Account {
		t.Errorf("marked as %v %v", s.Labels, s.Annotations)
	}
	if len(s.OwnerReferences) != 0 {
		t.Error("it has an owner, with whom it would go")
	}
}

func TestPrepareAgain(t *testing.T) {
	for name, c := range map[string]struct {
		there map[string]string
		want  string // "" for any
	}{
		"with a password":        {map[string]string{"password": "there already", "apiKey": "key"}, "there already"},
		"without":                {map[string]string{"apiKey": "key"}, ""},
		"with an empty password": {map[string]string{"password": "", "apiKey": "key"}, ""},
		"with nothing in it":     {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			api := newCluster(interceptor.Funcs{}, held(connection, c.there))
			password, err := api.store().Prepare(background, connection, known())
			if err != nil || password == "" || c.want != "" && password.Reveal() != c.want {
				t.Fatalf("password %q, error %v", password.Reveal(), err)
			}
			data := api.data(t, connection.Name)
			if data["password"] != password.Reveal() || data["apiKey"] != c.there["apiKey"] {
				t.Errorf("the Secret holds %v, the password is %q", data, password.Reveal())
			}
			again, err := api.store().Prepare(background, connection, known())
			if err != nil || again != password {
				t.Errorf("another password the second time, or %v", err)
			}
		})
	}
}

// Nothing is done to a Secret that is somebody else's, nor is anything of it shown.
func TestSomebodyElsesSecret(t *testing.T) {
	for name, theirs := range somebodyElses() {
		for what, try := range map[string]func(secrets.Store) (any, error){
			"Prepare": func(s secrets.Store) (any, error) { return s.Prepare(background, connection, known()) },
			"PrepareDeclared": func(s secrets.Store) (any, error) {
				return nil, s.PrepareDeclared(background, connection, known())
			},
			"Read":    func(s secrets.Store) (any, error) { return s.Read(background, connection) },
			"Write":   func(s secrets.Store) (any, error) { return s.Write(background, connection, known()) },
			"Discard": func(s secrets.Store) (any, error) { return nil, s.Discard(background, connection) },
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				c := newCluster(interceptor.Funcs{}, theirs.DeepCopy())
				got, err := try(c.store())
				wantProblem(t, err, v1alpha1.ReasonSecretInvalid, connection.Name)
				switch got := got.(type) {
				case account.Secret:
					if got != "" {
						t.Error("hands out a password")
					}
				case secrets.Values:
					if len(got) != 0 {
						t.Error("hands out values")
					}
				}
				wantData(t, "their Secret", c.data(t, connection.Name), map[string]string{"password": "theirs"})
			})
		}
	}
}

func TestRead(t *testing.T) {
	c := newCluster(interceptor.Funcs{})
	if got, err := c.store().Read(background, connection); got != nil || err != nil {
		t.Errorf("%v, %v where there is none", got, err)
	}
	c = newCluster(interceptor.Funcs{}, held(connection, map[string]string{"password": "p", "apiKey": "k"}))
	got, err := c.store().Read(background, connection)
	if err != nil {
		t.Fatal(err)
	}
	wantData(t, "read", revealed(got), map[string]string{"password": "p", "apiKey": "k"})
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, ":p") || strings.Contains(text, ":k") {
		t.Errorf("printed, the values show: %s", text)
	}
}

func TestWrite(t *testing.T) {
	full := map[string]string{"accountID": "5", "password": "p", "apiKey": "k", "email": "a@acme.example", "added-by-hand": "x"}
	with := func(changes map[string]string) map[string]string {
		out := map[string]string{}
		maps.Copy(out, full)
		maps.Copy(out, changes)
		return out
	}
	for name, c := range map[string]struct {
		values secrets.Values
		want   map[string]string
		writes int
	}{
		"nothing":                 {nil, full, 0},
		"what is there":           {secrets.Values{"accountID": "5", "apiKey": "k"}, full, 0},
		"nothing over something":  {secrets.Values{"apiKey": "", "password": "", "email": ""}, full, 0},
		"something new":           {secrets.Values{"endpoint": "https://api"}, with(map[string]string{"endpoint": "https://api"}), 1},
		"something over it":       {secrets.Values{"email": "b@acme.example"}, with(map[string]string{"email": "b@acme.example"}), 1},
		"some of each":            {secrets.Values{"apiKey": "", "email": "b@acme.example", "accountID": "5"}, with(map[string]string{"email": "b@acme.example"}), 1},
		"nothing that was absent": {secrets.Values{"endpoint": ""}, full, 0},
	} {
		t.Run(name, func(t *testing.T) {
			api := newCluster(interceptor.Funcs{}, held(connection, full))
			got, err := api.store().Write(background, connection, c.values)
			if err != nil {
				t.Fatal(err)
			}
			if api.writes != c.writes {
				t.Errorf("%d writes, want %d", api.writes, c.writes)
			}
			wantData(t, "returned", revealed(got), c.want)
			wantData(t, "the Secret", api.data(t, connection.Name), c.want)
		})
	}
}

// The key of an account that is gone is not that of its successor.
func TestWriteForAnotherAccountOfTheSameName(t *testing.T) {
	api := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"accountID": "5", "apiKey": "of 5", "password": "p"}))
	if _, err := api.store().Write(background, connection, secrets.Values{"accountID": "6"}); err != nil {
		t.Fatal(err)
	}
	wantData(t, "without a new key", api.data(t, connection.Name), map[string]string{"accountID": "6", "password": "p"})
	if _, err := api.store().Write(background, connection, secrets.Values{"accountID": "7", "apiKey": "of 7"}); err != nil {
		t.Fatal(err)
	}
	wantData(t, "with one", api.data(t, connection.Name), map[string]string{"accountID": "7", "apiKey": "of 7", "password": "p"})
}

// A key that came before the id was known is kept.
func TestWriteTheFirstID(t *testing.T) {
	api := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"apiKey": "k", "password": "p"}))
	if _, err := api.store().Write(background, connection, secrets.Values{"accountID": "5"}); err != nil {
		t.Fatal(err)
	}
	wantData(t, "the Secret", api.data(t, connection.Name), map[string]string{"accountID": "5", "apiKey": "k", "password": "p"})
}

// A new name of the Secret loses nothing; what is of another resource or account is not taken.
func TestWriteTakesAlongFromAnOlderName(t *testing.T) {
	named := func(name string, change func(*secrets.Connection)) *corev1.Secret {
		c := connection
		c.Name = name
		change(&c)
		return held(c, map[string]string{"password": "of " + name, "apiKey": "key of " + name, "added-by-hand": "x"})
	}
	own := named("older", func(*secrets.Connection) {})
	foreign := []client.Object{
		named("other-resource", func(c *secrets.Connection) { c.Resource = "ChildAccount/other" }),
		named("other-account", func(c *secrets.Connection) { c.Account = "18/acme-support" }),
		named("other-namespace", func(c *secrets.Connection) { c.Namespace = "elsewhere" }),
	}
	unlabelled := named("unlabelled", func(*secrets.Connection) {})
	unlabelled.Labels = nil
	foreign = append(foreign, unlabelled)

	c := newCluster(interceptor.Funcs{}, append(foreign, own)...)
	got, err := c.store().Write(background, connection, secrets.Values{"apiKey": "", "email": "a@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"password": "of older", "apiKey": "key of older", "added-by-hand": "x", "email": "a@acme.example"}
	wantData(t, "returned", revealed(got), want)
	wantData(t, "the new Secret", c.data(t, connection.Name), want)
	wantData(t, "the older one stays", c.data(t, "older"), map[string]string{"password": "of older", "apiKey": "key of older", "added-by-hand": "x"})

	c = newCluster(interceptor.Funcs{}, foreign...)
	if _, err := c.store().Write(background, connection, known()); err != nil {
		t.Fatal(err)
	}
	wantData(t, "with nothing to take along", c.data(t, connection.Name), map[string]string{"accountName": "acme-support", "email": "a@acme.example"})
}

// Somebody changes the Secret between our look and our write: nothing of theirs is lost.
func TestWriteOvertaken(t *testing.T) {
	var once sync.Once
	c := newCluster(interceptor.Funcs{Patch: func(ctx context.Context, w client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		once.Do(func() {
			var s corev1.Secret
			if err := w.Get(ctx, client.ObjectKeyFromObject(o), &s); err != nil {
				t.Error(err)
			}
			s.Data["apiKey"] = []byte("theirs")
			if err := w.Update(ctx, &s); err != nil {
				t.Error(err)
			}
		})
		return w.Patch(ctx, o, p, opts...)
	}}, held(connection, map[string]string{"password": "p"}))
	if _, err := c.store().Write(background, connection, known()); !apierrors.IsConflict(err) {
		t.Fatalf("error %v, want a conflict", err)
	}
	if _, err := c.store().Write(background, connection, known()); err != nil {
		t.Fatal(err)
	}
	wantData(t, "in the end", c.data(t, connection.Name), map[string]string{"password": "p", "apiKey": "theirs", "accountName": "acme-support", "email": "a@acme.example"})
}

func TestDiscard(t *testing.T) {
	c := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"password": "p"}))
	if err := c.store().Discard(background, connection); err != nil {
		t.Fatal(err)
	}
	if c.data(t, connection.Name) != nil {
		t.Error("it is still there")
	}
	if err := c.store().Discard(background, connection); err != nil {
		t.Errorf("discarding nothing: %v", err)
	}
}

// A Secret that says something of an account is not thrown away.
func TestDiscardKeepsWhatIsOfAnAccount(t *testing.T) {
	for _, data := range []map[string]string{{"password": "p", "accountID": "5"}, {"password": "p", "apiKey": "k"}} {
		c := newCluster(interceptor.Funcs{}, held(connection, data))
		if err := c.store().Discard(background, connection); err != nil {
			t.Fatal(err)
		}
		wantData(t, "the Secret", c.data(t, connection.Name), data)
	}
}

// What is deleted is what was looked at: not a Secret that was changed or replaced meanwhile.
func TestDiscardOvertaken(t *testing.T) {
	var seen []client.DeleteOption
	c := newCluster(interceptor.Funcs{Delete: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
		seen = opts
		var s corev1.Secret
		if err := w.Get(ctx, client.ObjectKeyFromObject(o), &s); err != nil {
			t.Error(err)
		}
		s.Data["apiKey"] = []byte("of an account, after all")
		if err := w.Update(ctx, &s); err != nil {
			t.Error(err)
		}
		return w.Delete(ctx, o, opts...)
	}}, held(connection, map[string]string{"password": "p"}))
	if err := c.store().Discard(background, connection); !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	if c.data(t, connection.Name) == nil {
		t.Error("the changed Secret is deleted")
	}
	options := (&client.DeleteOptions{}).ApplyOptions(seen)
	if p := options.Preconditions; p == nil || p.UID == nil || *p.UID == "" || p.ResourceVersion == nil || *p.ResourceVersion == "" {
		t.Errorf("preconditions %+v, want UID and version", p)
	}
}

// Two that prepare at once agree on one password.
func TestPrepareRace(t *testing.T) {
	const many = 16
	c := newCluster(interceptor.Funcs{})
	one := serial(c)
	store := secrets.Store{Client: one, Live: one}
	passwords := make(chan account.Secret, many)
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			password, err := store.Prepare(background, connection, known())
			if err != nil {
				t.Error(err)
			}
			passwords <- password
		})
	}
	all.Wait()
	close(passwords)
	want := c.data(t, connection.Name)["password"]
	for p := range passwords {
		if p.Reveal() != want || want == "" {
			t.Error("a password that the Secret does not hold")
		}
	}
}

// serial lets one request after the other reach the cluster, whose counters are not safe otherwise.
func serial(c client.WithWatch) client.Client {
	var mu sync.Mutex
	locked := func() func() { mu.Lock(); return mu.Unlock }
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			defer locked()()
			return w.Get(ctx, key, o, opts...)
		},
		Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			defer locked()()
			return w.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, w client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			defer locked()()
			return w.Patch(ctx, o, p, opts...)
		},
	})
}

// An API server in trouble is an error of its own, and no password is handed out that nobody holds.
func TestWithoutAnAPIServer(t *testing.T) {
	down := errors.New("down")
	c := newCluster(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return down
		},
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return down },
	})
	password, err := c.store().Prepare(background, connection, known())
	if !errors.Is(err, down) || password != "" {
		t.Errorf("Prepare: a password: %v, error %v", password != "", err)
	}
	if _, err := c.store().Write(background, connection, known()); !errors.Is(err, down) {
		t.Errorf("Write: %v", err)
	}
	if err := c.store().Discard(background, connection); !errors.Is(err, down) {
		t.Errorf("Discard: %v", err)
	}
}

func TestPrepareOvertaken(t *testing.T) {
	gets := 0
	var other account.Secret
	var store secrets.Store
	c := newCluster(interceptor.Funcs{Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		err := w.Get(ctx, key, o, opts...)
		if gets++; gets == 1 { // between our look and our write
			var prepared error
			if other, prepared = store.Prepare(ctx, connection, known()); prepared != nil {
				t.Error(prepared)
			}
		}
		return err
	}}, held(connection, map[string]string{"apiKey": "k"}))
	store = c.store()
	_, err := store.Prepare(background, connection, known())
	if !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	if c.data(t, connection.Name)["password"] != other.Reveal() {
		t.Error("the other one was given a password that is overwritten")
	}
}

func TestWriteTakesNoStaleKeyAlong(t *testing.T) {
	older := connection
	older.Name = "older"
	c := newCluster(interceptor.Funcs{}, held(older, map[string]string{"accountID": "5", "apiKey": "of 5", "password": "p"}))
	if _, err := c.store().Write(background, connection, secrets.Values{"accountID": "6"}); err != nil {
		t.Fatal(err)
	}
	wantData(t, "the new Secret", c.data(t, connection.Name), map[string]string{"accountID": "6", "password": "p"})
}

func TestPrepareWithAnEmptyPassword(t *testing.T) {
	password, err := newCluster(interceptor.Funcs{}).store().Prepare(background, connection, secrets.Values{secrets.KeyPassword: ""})
	if err != nil || password == "" {
		t.Errorf("no password, %v", err)
	}
}

// An API server that repeats what it was given, as an admission policy may have it do.
func TestErrorsShowNothingOfASecret(t *testing.T) {
	refusal := func(o client.Object) error {
		text, err := json.Marshal(o) // []byte as base64, as the API server writes it
		if err != nil {
			return err
		}
		s := o.(*corev1.Secret)
		return apierrors.NewForbidden(corev1.Resource("secrets"), s.Name, fmt.Errorf("%s; %s; %.10s", text, s.Data[secrets.KeyPassword], s.Data[secrets.KeyPasswordNext]))
	}
	hooks := interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			return refusal(o)
		},
		Patch: func(_ context.Context, _ client.WithWatch, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
			return refusal(o)
		},
	}
	values := secrets.Values{secrets.KeyPassword: "Pa55word-generated", secrets.KeyAPIKey: "key-of-the-account", secrets.KeyEmail: "a@acme.example"}
	old := map[string]string{"password": "Pa55word-before", "passwordNext": "Pa55word-thereafter", "mine": "something-of-mine"}
	for name, do := range map[string]func(secrets.Store) error{
		"create":  func(s secrets.Store) error { _, err := s.Write(background, connection, values); return err },
		"prepare": func(s secrets.Store) error { _, err := s.Prepare(background, connection, values); return err },
		"promote": func(s secrets.Store) error { return s.Promote(background, connection, "Pa55word-promoted") },
	} {
		for state, api := range map[string]*cluster{"new": newCluster(hooks), "there": newCluster(hooks, held(connection, old))} {
			err := do(api.store())
			if name == "prepare" && state == "there" { // nothing to write
				continue
			}
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), connection.Name) {
				t.Errorf("%s, %s: error %v", name, state, err)
				continue
			}
			for _, secret := range []string{"Pa55word-generated", "key-of-the-account", "Pa55word-before", "Pa55word-thereafter", "Pa55word-promoted", "something-of-mine"} {
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
					if strings.Contains(text, secret[:10]) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))[:8]) {
						t.Errorf("%s, %s: %s is shown: %v", name, state, secret, text)
					}
				}
			}
		}
	}
}

// A Secret that somebody has emptied is filled again from one that the resource had by another name.
func TestWriteIntoAnEmptiedSecret(t *testing.T) {
	empty, other := held(connection, nil), connection
	other.Name = "by-another-name"
	empty.Data = nil
	newer := held(other, map[string]string{"password": "newer"})
	newer.Annotations[v1alpha1.AnnotationPasswordSerial] = "3"
	store := newCluster(interceptor.Funcs{}, empty, newer).store()
	store.Others = func(context.Context, secrets.Connection) ([]string, error) { return []string{other.Name}, nil }
	got, err := store.Write(background, connection, known())
	if err != nil || got[secrets.KeyPassword].Reveal() != "newer" {
		t.Errorf("%v, %v", revealed(got), err)
	}
}
