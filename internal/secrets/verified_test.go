package secrets_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// latestOf is the connection with what is remembered of its Secret, once that was written.
func latestOf(t *testing.T, c *cluster, con secrets.Connection, values secrets.Values) *secrets.Latest {
	t.Helper()
	con.Latest = &secrets.Latest{}
	if _, err := c.store().Write(background, con, values); err != nil {
		t.Fatal(err)
	}
	return con.Latest
}

// A Secret says that it lacks the password where one was known once, and only there.
func TestPasswordUnknown(t *testing.T) {
	had := func(c secrets.Connection) secrets.Connection { c.HadPassword = true; return c }
	for name, test := range map[string]struct {
		connection  secrets.Connection
		data        map[string]string
		annotations map[string]string
		values      secrets.Values
		unknown     bool
	}{
		"never known":               {connection, map[string]string{"accountID": "7"}, nil, nil, false},
		"known once":                {had(connection), map[string]string{"accountID": "7"}, nil, nil, true},
		"there":                     {had(connection), map[string]string{"accountID": "7", "password": "p"}, nil, nil, false},
		"the next is there":         {had(connection), map[string]string{"accountID": "7", "passwordNext": "p"}, nil, nil, false},
		"empty":                     {had(connection), map[string]string{"accountID": "7", "password": ""}, nil, nil, true},
		"of no account":             {had(connection), nil, nil, nil, false},
		"declared once":             {had(connection), map[string]string{"accountID": "7"}, map[string]string{v1alpha1.AnnotationPasswordDigest: "s:d"}, nil, false},
		"given once":                {connection, map[string]string{"accountID": "7"}, map[string]string{v1alpha1.AnnotationPasswordSerial: "2"}, nil, true},
		"said before":               {connection, map[string]string{"accountID": "7"}, map[string]string{v1alpha1.AnnotationPasswordUnknown: "7"}, nil, true},
		"said of another account":   {connection, map[string]string{"accountID": "7"}, map[string]string{v1alpha1.AnnotationPasswordUnknown: "6"}, nil, false},
		"said before, there by now": {connection, map[string]string{"accountID": "7"}, map[string]string{v1alpha1.AnnotationPasswordUnknown: "7"}, secrets.Values{secrets.KeyPassword: "p"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := held(connection, test.data)
			maps.Copy(s.Annotations, test.annotations)
			if got := latestOf(t, newCluster(interceptor.Funcs{}, s), test.connection, test.values).PasswordUnknown(); got != test.unknown {
				t.Errorf("unknown: %v, want %v", got, test.unknown)
			}
		})
	}
	declared := had(connection)
	declared.Declared = "d"
	if latestOf(t, newCluster(interceptor.Funcs{}, held(connection, map[string]string{"accountID": "7"})), declared, nil).PasswordUnknown() {
		t.Error("a declared password is in no connection Secret, and known")
	}
	var none *secrets.Latest
	if none.PasswordUnknown() || none.Refuses("p") || (&secrets.Latest{}).PasswordUnknown() || (&secrets.Latest{}).Refuses("p") {
		t.Error("known of a Secret that was never read")
	}
}

// A Secret that is made anew says so too, also where nothing is known but that somebody asked for a new password of the account.
func TestPasswordUnknownInANewSecret(t *testing.T) {
	values := secrets.Values{secrets.KeyAccountID: "7"}
	bound, unbound := rotating("1"), rotating("1")
	bound.Bound = "7"
	for name, test := range map[string]struct {
		connection secrets.Connection
		unknown    bool
	}{"adopted now": {unbound, false}, "rotated before": {bound, true}, "nothing asked for": {connection, false}} {
		if got := latestOf(t, newCluster(interceptor.Funcs{}), test.connection, values).PasswordUnknown(); got != test.unknown {
			t.Errorf("%s: unknown: %v, want %v", name, got, test.unknown)
		}
	}
}

// A refused password is remembered until the Secret has another one, or is of another account; the digest shows nothing of it.
func TestRefuse(t *testing.T) {
	c := newCluster(interceptor.Funcs{}, held(connection, map[string]string{"accountID": "7", "password": "wrong"}))
	con := connection
	con.Latest = &secrets.Latest{}
	if err := secrets.NoteRefused(background, c.store(), con, "wrong"); err != nil {
		t.Fatal(err)
	}
	if !con.Latest.Refuses("wrong") || con.Latest.Refuses("right") || con.Latest.Refuses("") {
		t.Error("the wrong ones are refused")
	}
	first := c.data(t, connection.Name)["passwordRefused"]
	if first == "" || strings.Contains(first, "wrong") {
		t.Errorf("remembered as %q", first)
	}
	writes := c.writes
	if err := secrets.NoteRefused(background, c.store(), connection, "wrong"); err != nil || c.writes != writes {
		t.Errorf("%d writes for what is remembered, %v", c.writes-writes, err)
	}
	if !latestOf(t, c, connection, secrets.Values{secrets.KeyEmail: "a@acme.example"}).Refuses("wrong") {
		t.Error("forgotten with another edit")
	}
	other := connection
	other.Declared = "wrong"
	if !latestOf(t, c, other, secrets.Values{secrets.KeyEmail: "b@acme.example"}).Refuses("wrong") {
		t.Error("a declared password that was refused counts as another")
	}
	if latestOf(t, c, connection, secrets.Values{secrets.KeyPassword: "right"}).Refuses("wrong") {
		t.Error("remembered of a password that is not there any more")
	}
	if data := c.data(t, connection.Name); data["passwordRefused"] != "" || data["password"] != "right" {
		t.Errorf("left: %v", data)
	}

	for name, s := range map[string]*corev1.Secret{
		"no salt": held(connection, map[string]string{"accountID": "7", "password": "p", "passwordRefused": ":00"}),
		"no hex":  held(connection, map[string]string{"accountID": "7", "password": "p", "passwordRefused": "zz:zz"}),
		"another": held(connection, map[string]string{"accountID": "8", "password": "wrong", "passwordRefused": first}),
	} {
		if latestOf(t, newCluster(interceptor.Funcs{}, s), connection, secrets.Values{secrets.KeyEmail: "e"}).Refuses(account.Secret(s.Data["password"])) {
			t.Errorf("%s: refused", name)
		}
	}
	if err := secrets.NoteRefused(background, newCluster(interceptor.Funcs{}).store(), connection, "wrong"); err != nil {
		t.Errorf("no Secret: %v", err)
	}
	gone := newCluster(interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return errors.New("away")
	}}, held(connection, map[string]string{"accountID": "7", "password": "wrong"}))
	if err := secrets.NoteRefused(background, gone.store(), connection, "wrong"); err == nil {
		t.Error("not remembered, and no error")
	}
}

// An id that somebody edited costs nothing of what the Secret holds; one that the operator wrote is that of an earlier account.
func TestEditedAccountID(t *testing.T) {
	of := func(manager string) interceptor.Funcs {
		written := []metav1.ManagedFieldsEntry{{Manager: manager, FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:accountID":{}}}`)}}
		return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, o, opts...)
			o.SetManagedFields(written)
			return err
		}}
	}
	for name, test := range map[string]struct {
		manager, bound string
		kept           bool
	}{
		"edited":                          {"kubectl-edit", "7", true},
		"of an earlier account":           {secrets.FieldManager, "7", false},
		"edited, bound to another":        {"kubectl-edit", "6", false},
		"edited, not bound to any so far": {"kubectl-edit", "", false},
	} {
		c := newCluster(of(test.manager), held(connection, map[string]string{"accountID": "4242", "apiKey": "k", "password": "p"}))
		con := connection
		con.Bound = account.Secret(test.bound)
		con.Try = func(account.Secret) (bool, error) { return false, nil }
		if _, err := c.store().Write(background, con, secrets.Values{secrets.KeyAccountID: "7"}); err != nil {
			t.Fatal(err)
		}
		data := c.data(t, connection.Name)
		if data["accountID"] != "7" || (data["apiKey"] == "k") != test.kept || (data["password"] == "p") != test.kept {
			t.Errorf("%s: %v", name, data)
		}
	}
}
