package secrets_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// A Secret that tells of an account, which may be there, gets no password beside that account's.
func TestPrepareBesideAnAccount(t *testing.T) {
	for name, test := range map[string]struct {
		there map[string]string
		want  string // "" for a new one
	}{
		"that has a password":                 {map[string]string{"accountID": "5", "password": "of 5"}, "of 5"},
		"whose password is being replaced":    {map[string]string{"accountID": "5", "password": "of 5", "passwordNext": "next"}, "of 5"},
		"whose password is not known":         {map[string]string{"accountID": "5", "apiKey": "of 5"}, ""},
		"whose password may be known":         {map[string]string{"accountID": "5", "passwordNext": "maybe"}, "maybe"},
		"that is none, with one prepared":     {map[string]string{"password": "prepared"}, "prepared"},
		"that is none, with one that may be":  {map[string]string{"passwordNext": "maybe"}, "maybe"},
		"with an empty password and next one": {map[string]string{"accountID": "5", "password": "", "passwordNext": ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			api, c := newCluster(interceptor.Funcs{}, held(connection, test.there)), connection
			c.Generated = "generated"
			password, err := api.store().Prepare(background, c, known())
			if err != nil || password.Reveal() != cmp.Or(test.want, c.Generated.Reveal()) {
				t.Fatalf("password %q, error %v", password.Reveal(), err)
			}
			data := api.data(t, c.Name)
			if data["password"] != test.there["password"] || data["accountID"] != test.there["accountID"] || data["apiKey"] != test.there["apiKey"] {
				t.Errorf("what was there became %v", data)
			}
			if !slices.Contains([]string{data["password"], data["passwordNext"]}, password.Reveal()) {
				t.Errorf("the password is not in it: %v", data)
			}
		})
	}
}

func TestWithdraw(t *testing.T) {
	for name, test := range map[string]struct {
		there, want map[string]string
	}{
		"with nothing else":            {map[string]string{"accountName": "acme-support", "password": "void"}, nil},
		"with another":                 {map[string]string{"password": "void", "passwordNext": "open"}, map[string]string{"passwordNext": "open"}},
		"with an API key":              {map[string]string{"password": "void", "apiKey": "k"}, map[string]string{"apiKey": "k"}},
		"beside an account's":          {map[string]string{"accountID": "5", "password": "of 5", "passwordNext": "void"}, map[string]string{"accountID": "5", "password": "of 5"}},
		"that is the account's":        {map[string]string{"accountID": "5", "password": "void"}, map[string]string{"accountID": "5", "password": "void"}},
		"that is not there (any more)": {map[string]string{"password": "open"}, map[string]string{"password": "open"}},
	} {
		t.Run(name, func(t *testing.T) {
			api := newCluster(interceptor.Funcs{}, held(connection, test.there))
			if err := api.store().Withdraw(background, connection, "void", "void too"); err != nil {
				t.Fatal(err)
			}
			wantData(t, "the Secret", api.data(t, connection.Name), test.want)
		})
	}
	if err := newCluster(interceptor.Funcs{}).store().Withdraw(background, connection, "void"); err != nil {
		t.Errorf("without a Secret: %v", err)
	}
}

// A Secret that the resource had by another name may hold what an account was made with.
func TestWriteTriesWhatOtherSecretsHold(t *testing.T) {
	other := connection
	other.Name = "other"
	for name, test := range map[string]struct{ own, others, want map[string]string }{
		"where there is none":            {nil, map[string]string{"accountID": "5", "password": "right"}, map[string]string{"accountID": "6", "password": "right"}},
		"prepared under the former name": {nil, map[string]string{"password": "right"}, map[string]string{"accountID": "6", "password": "right"}},
		"of an account that is gone":     {nil, map[string]string{"accountID": "5", "password": "wrong", "apiKey": "k"}, map[string]string{"accountID": "6"}},
		"told before":                    {map[string]string{"password": "wrong"}, map[string]string{"accountID": "6", "password": "told"}, map[string]string{"accountID": "6", "password": "told"}},
		"which is none of its business":  {map[string]string{"accountID": "6", "password": "told"}, map[string]string{"accountID": "5", "password": "right"}, map[string]string{"accountID": "6", "password": "told"}},
	} {
		t.Run(name, func(t *testing.T) {
			api, c := newCluster(interceptor.Funcs{}, held(other, test.others)), connection
			if test.own != nil {
				api = newCluster(interceptor.Funcs{}, held(other, test.others), held(c, test.own))
			}
			store := api.store()
			store.Others = func(context.Context, secrets.Connection) ([]string, error) { return []string{other.Name}, nil }
			c.Try = func(p account.Secret) (bool, error) { return p == "right", nil }
			if _, err := store.Write(background, c, secrets.Values{secrets.KeyAccountID: "6"}); err != nil {
				t.Fatal(err)
			}
			wantData(t, "the Secret", api.data(t, c.Name), test.want)
			wantData(t, "the other one", api.data(t, other.Name), test.others)
		})
	}
}

// What can't be tried now is not lost for that.
func TestWriteWhereNobodyCanSay(t *testing.T) {
	down := errors.New("down")
	c := connection
	c.Try = func(account.Secret) (bool, error) { return false, down }
	api := newCluster(interceptor.Funcs{}, held(c, map[string]string{"password": "open"}))
	if _, err := api.store().Write(background, c, secrets.Values{secrets.KeyAccountID: "6"}); err != nil {
		t.Error(err)
	}
	wantData(t, "one", api.data(t, c.Name), map[string]string{"accountID": "6", "passwordNext": "open"})
	two := map[string]string{"accountID": "5", "password": "of 5", "passwordNext": "open"}
	api = newCluster(interceptor.Funcs{}, held(c, two))
	if _, err := api.store().Write(background, c, secrets.Values{secrets.KeyAccountID: "6"}); !errors.Is(err, down) {
		t.Errorf("two: %v", err)
	}
	wantData(t, "two", api.data(t, c.Name), two)
}

func TestRotated(t *testing.T) {
	c := connection
	done := held(connection, map[string]string{"password": "p"})
	done.Annotations[v1alpha1.AnnotationPasswordRotated] = "1"
	for rotation, want := range map[string]bool{"": true, "1": true, "2": false} {
		c.Rotation = rotation
		if got, err := newCluster(interceptor.Funcs{}, done.DeepCopy()).store().Rotated(background, c); got != want || err != nil {
			t.Errorf("%q: %v, %v", rotation, got, err)
		}
	}
	c.Rotation = "1"
	if got, err := newCluster(interceptor.Funcs{}).store().Rotated(background, c); got || err != nil {
		t.Errorf("without a Secret: %v, %v", got, err)
	}
}
