package secrets_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// applied is the connection of an account that has the declared password.
func applied(password account.Secret) secrets.Connection {
	c := connection
	c.Applied = password
	return c
}

func digestOf(t *testing.T, c *cluster, name string) string {
	t.Helper()
	var s corev1.Secret
	if err := c.WithWatch.Get(background, client.ObjectKey{Namespace: namespace, Name: name}, &s); err != nil {
		t.Fatal(err)
	}
	return s.Annotations[v1alpha1.AnnotationPasswordDigest]
}

func wantRemembered(t *testing.T, c *cluster, in secrets.Connection, password account.Secret, want bool) {
	t.Helper()
	if got, err := c.store().Remembers(background, in, password); err != nil || got != want {
		t.Errorf("remembered: %v, %v; want %v", got, err, want)
	}
}

func TestRemembers(t *testing.T) {
	c := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"password": "generated", "apiKey": "k"}))
	wantRemembered(t, c, connection, "declared", false)
	if _, err := c.store().Write(background, applied("declared"), nil); err != nil {
		t.Fatal(err)
	}
	wantData(t, "the generated password goes", c.data(t, connection.Name), map[string]string{"apiKey": "k"})
	wantRemembered(t, c, connection, "declared", true)
	wantRemembered(t, c, connection, "another", false)
	first := digestOf(t, c, connection.Name)
	if len(first) != 32+1+64 || strings.Contains(first, "declared") {
		t.Errorf("digest %q", first)
	}

	writes := c.writes
	if _, err := c.store().Write(background, applied("declared"), nil); err != nil || c.writes != writes || digestOf(t, c, connection.Name) != first {
		t.Errorf("the same password is written again, %v", err)
	}
	if _, err := c.store().Write(background, applied("another"), nil); err != nil || digestOf(t, c, connection.Name) == first {
		t.Errorf("another password is not remembered, %v", err)
	}
	wantRemembered(t, c, connection, "another", true)
	wantRemembered(t, newCluster(interceptor.Funcs{}), connection, "another", false)
}

// The same password gives another digest each time, and one of another account is worth nothing.
func TestDigestsDiffer(t *testing.T) {
	other := applied("declared")
	other.Name, other.Account = "other", "17/other"
	c := newCluster(interceptor.Funcs{}, held(connection, nil), held(other, nil))
	for _, conn := range []secrets.Connection{applied("declared"), other} {
		if _, err := c.store().Write(background, conn, nil); err != nil {
			t.Fatal(err)
		}
	}
	if digestOf(t, c, connection.Name) == digestOf(t, c, "other") {
		t.Error("two digests are the same")
	}
	stolen := held(connection, nil)
	stolen.Annotations[v1alpha1.AnnotationPasswordDigest] = digestOf(t, c, "other")
	wantRemembered(t, newCluster(interceptor.Funcs{}, stolen), connection, "declared", false)
}

func TestDigestThatIsNone(t *testing.T) {
	for _, digest := range []string{"", ":", "00", "zz:zz", "00:", strings.Repeat("00", 16) + ":", strings.Repeat("00", 16) + ":" + strings.Repeat("00", 32)} {
		s := held(connection, nil)
		s.Annotations[v1alpha1.AnnotationPasswordDigest] = digest
		wantRemembered(t, newCluster(interceptor.Funcs{}, s), connection, "", false)
	}
}

// Before a password is given nothing is remembered, and a generated one stays until the declared one is there.
func TestReserve(t *testing.T) {
	c := newCluster(interceptor.Funcs{})
	if err := c.store().Reserve(background, connection, known()); err != nil {
		t.Fatal(err)
	}
	wantData(t, "a new one", c.data(t, connection.Name), map[string]string{"accountName": "acme-support", "email": "a@acme.example"})

	c = newCluster(interceptor.Funcs{}, held(connection, map[string]string{"password": "generated"}))
	if err := c.store().Reserve(background, connection, nil); err != nil || c.writes > 0 {
		t.Errorf("%d writes, %v", c.writes, err)
	}
	wantData(t, "one with a generated password", c.data(t, connection.Name), map[string]string{"password": "generated"})

	if _, err := c.store().Write(background, applied("declared"), nil); err != nil {
		t.Fatal(err)
	}
	for _, in := range []secrets.Connection{connection, applied("declared")} { // the account has it now, and gets another
		if err := c.store().Reserve(background, in, nil); err != nil || digestOf(t, c, connection.Name) != "" {
			t.Errorf("it still remembers, %v", err)
		}
	}
	theirs := held(connection, nil)
	theirs.Labels = nil
	err := newCluster(interceptor.Funcs{}, theirs).store().Reserve(background, connection, nil)
	wantProblem(t, err, v1alpha1.ReasonSecretInvalid, connection.Name)
}

// The first request is the one that the API server refuses in a namespace that is being deleted.
func TestPrepareDeclared(t *testing.T) {
	c := newCluster(interceptor.Funcs{})
	if err := c.store().PrepareDeclared(background, connection, known()); err != nil || c.reads > 0 || c.writes != 1 {
		t.Errorf("%d reads, %d writes, %v; the common case is one request", c.reads, c.writes, err)
	}
	wantData(t, "a new one", c.data(t, connection.Name), map[string]string{"accountName": "acme-support", "email": "a@acme.example"})

	there := held(connection, map[string]string{"password": "generated"})
	there.Annotations[v1alpha1.AnnotationPasswordDigest] = "of another account"
	c = newCluster(interceptor.Funcs{}, there)
	if err := c.store().PrepareDeclared(background, connection, nil); err != nil || digestOf(t, c, connection.Name) != "" {
		t.Errorf("it still remembers, %v", err)
	}
	wantData(t, "one that was there", c.data(t, connection.Name), map[string]string{"password": "generated"})

	going := interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
		return apierrors.NewForbidden(corev1.Resource("secrets"), connection.Name, errors.New("the namespace is being terminated"))
	}}
	if err := newCluster(going, held(connection, nil)).store().PrepareDeclared(background, connection, nil); !apierrors.IsForbidden(err) {
		t.Errorf("%v in a namespace that goes", err)
	}
}

// A generated password takes the place of a declared one.
func TestGeneratedAfterDeclared(t *testing.T) {
	c := newCluster(interceptor.Funcs{}, held(connection, nil))
	if _, err := c.store().Write(background, applied("declared"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.store().Prepare(background, connection, known()); err != nil || digestOf(t, c, connection.Name) != "" {
		t.Errorf("it remembers a password that the account will not have, %v", err)
	}
}

// A Secret of a new name takes along what the newest of the others remembers, and what older ones know besides.
func TestNewNameTakesTheNewest(t *testing.T) {
	first, second := applied("first"), applied("second")
	first.Name, second.Name = "z-first", "a-second"
	c := newCluster(interceptor.Funcs{}, held(first, map[string]string{"apiKey": "k", "password": "generated"}))
	for _, one := range []secrets.Connection{first, second} {
		if _, err := c.store().Write(background, one, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.store().Write(background, connection, nil); err != nil {
		t.Fatal(err)
	}
	wantRemembered(t, c, connection, "second", true)
	wantData(t, "the new one", c.data(t, connection.Name), map[string]string{"apiKey": "k"})
	if err := c.store().Reserve(background, named(connection, "third"), nil); err != nil || digestOf(t, c, "third") != "" {
		t.Errorf("a password is about to be given, and another one is remembered, %v", err)
	}
}

// A Secret whose name is given again catches up with what happened meanwhile.
func TestOldNameCatchesUp(t *testing.T) {
	c := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"accountID": "4711", "password": "old"}))
	store := c.store()
	store.Others = func(context.Context, secrets.Connection) ([]string, error) {
		return []string{"gone", "elsewhere"}, nil
	}
	meanwhile := named(connection, "elsewhere")
	meanwhile.Rotation = "1"
	if _, err := store.Write(background, meanwhile, nil); err != nil {
		t.Fatal(err)
	}
	if err := store.Promote(background, meanwhile, "new"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Write(background, connection, nil); err != nil {
		t.Fatal(err)
	}
	wantData(t, "the old one", c.data(t, connection.Name), map[string]string{"accountID": "4711", "password": "new"})
	again := connection
	again.Rotation = "1"
	if next, err := store.Next(background, again, nil); next != "" || err != nil {
		t.Errorf("the rotation is done again: %v", err)
	}
}

func named(c secrets.Connection, name string) secrets.Connection {
	c.Name = name
	return c
}

func TestPassword(t *testing.T) {
	for name, c := range map[string]struct{ value, want, says string }{
		"plain":                {"Passw0rd!", "Passw0rd!", ""},
		"of a file":            {"Passw0rd!\n", "Passw0rd!", ""},
		"with blanks":          {" Pass w0rd! ", " Pass w0rd! ", ""},
		"as long as may be":    {strings.Repeat("ü", 256), strings.Repeat("ü", 256), ""},
		"too long":             {strings.Repeat("ü", 257), "", "more than 256 characters"},
		"empty":                {"", "", `"pw"`},
		"a line break alone":   {"\n", "", "is empty"},
		"two line breaks":      {"theirs\n\n", "", "line break"},
		"of Windows":           {"theirs\r\n", "", "line break"},
		"two lines":            {"theirs\nmore", "", "line break"},
		"a control character":  {"theirs\x00", "", "control character"},
		"a tabulator":          {"theirs\tmore", "", "control character"},
		"not text":             {"theirs\xff", "", "UTF-8"},
		"a later C1 character": {"theirs\u0085", "", "control character"},

		"a byte order mark":            {"\ufefftheirs", "", "byte order mark (U+FEFF)"},
		"a byte order mark of a file":  {"\ufefftheirs\n", "", "save it as UTF-8 without a byte order mark"},
		"a byte order mark alone":      {"\ufeff", "", "byte order mark (U+FEFF)"},
		"a byte order mark inside":     {"the\ufeffirs", "", "byte order mark (U+FEFF)"},
		"a byte order mark at the end": {"theirs\ufeff", "", "byte order mark (U+FEFF)"},
		"a mark and a line of Windows": {"\ufefftheirs\r\n", "", "byte order mark (U+FEFF)"},
		"UTF-16LE":                     {"\xff\xfet\x00h\x00e\x00i\x00r\x00s\x00", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16LE of a file":           {"\xff\xfet\x00h\x00e\x00i\x00r\x00s\x00\r\x00\n\x00", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16BE":                     {"\xfe\xff\x00t\x00h\x00e\x00i\x00r\x00s", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16BE of a file":           {"\x00t\x00h\x00e\x00i\x00r\x00s\x00\n", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16LE without a mark":      {"t\x00h\x00e\x00i\x00r\x00s\x00", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-32":                       {"\xff\xfe\x00\x00t\x00\x00\x00", "", "is text in UTF-32: save it as UTF-8"},
		"a space of no width":          {"the\u200birs", "", "the character U+200B"},
		"a soft hyphen":                {"the\u00adirs", "", "the character U+00AD"},
		"a mark of direction":          {"theirs\u200e", "", "the character U+200E"},
		"a line separator":             {"theirs\u2028", "", "the character U+2028"},
		"a blank that does not break":  {"Pass\u00a0w0rd!", "Pass\u00a0w0rd!", ""},
		"an emoji with joiners":        {"Pass👨‍👩‍👧w0rd!", "Pass👨‍👩‍👧w0rd!", ""},
		"too long, in lines":           {strings.Repeat("line\n", 100), "", "more than 256 characters"}, // as ever: a status has it
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCluster(interceptor.Funcs{}, input(map[string]string{v1alpha1.LabelInput: "true"}, map[string][]byte{"pw": []byte(c.value)}))
			got, err := secrets.Reader{Labelled: cl, Live: cl}.Password(background, namespace, "voximplant", "pw")
			if c.says == "" {
				if err != nil || got.Reveal() != c.want {
					t.Errorf("not as it was given: %v", err)
				}
				return
			}
			p := wantProblem(t, err, v1alpha1.ReasonSecretInvalid, "voximplant")
			if got != "" || !strings.Contains(p.Message, c.says) || !strings.Contains(p.Message, `"pw"`) {
				t.Errorf("%s; want %s", p.Message, c.says)
			}
		})
	}
}
