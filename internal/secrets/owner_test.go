package secrets_test

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// The command that marks a Secret as the resource's is given only where that can lose nothing of another resource's.
func TestWhoIsToldToMarkASecretAsTheirs(t *testing.T) {
	const other = "ChildAccount/other"
	theirs := map[string]string{"accountID": "6", "accountName": "other", "password": "theirs", "apiKey": "theirs"}
	ours := map[string]string{"accountID": "5", "accountName": "acme-support", "password": "theirs"}
	change := func(data map[string]string, annotations ...string) *corev1.Secret {
		s := held(connection, data)
		for i := 0; i < len(annotations); i += 2 {
			if s.Annotations[annotations[i]] = annotations[i+1]; annotations[i+1] == "" {
				delete(s.Annotations, annotations[i])
			}
		}
		return s
	}
	for name, c := range map[string]struct {
		secret         *corev1.Secret
		bound          string
		command, names bool
	}{
		"another resource's":                  {secret: change(theirs, v1alpha1.AnnotationResource, other, v1alpha1.AnnotationAccount, "17/other"), names: true},
		"another's, and bound":                {secret: change(theirs, v1alpha1.AnnotationResource, other, v1alpha1.AnnotationAccount, "17/other"), bound: "5"},
		"another's of an account like it":     {secret: change(map[string]string{"accountID": "6", "accountName": "acme-support", "password": "theirs"}, v1alpha1.AnnotationResource, other, v1alpha1.AnnotationAccount, "18/acme-support"), names: true},
		"another's that is only prepared":     {secret: change(map[string]string{"password": "theirs"}, v1alpha1.AnnotationResource, other), names: true},
		"marked as this one's":                {secret: change(theirs)},
		"ours, restored without annotations":  {secret: change(ours, v1alpha1.AnnotationResource, "", v1alpha1.AnnotationAccount, ""), command: true},
		"ours, marked as another's":           {secret: change(ours, v1alpha1.AnnotationResource, other), bound: "5", command: true},
		"ours, of a parent with another name": {secret: change(ours, v1alpha1.AnnotationAccount, "18/acme-support"), command: true},
	} {
		t.Run(name, func(t *testing.T) {
			api := newCluster(interceptor.Funcs{}, c.secret)
			asked := connection
			asked.Bound = account.Secret(c.bound)
			_, err := api.store().Read(background, asked)
			p := wantProblem(t, err, v1alpha1.ReasonSecretInvalid, connection.Name)
			if has := strings.Contains(p.Next, "kubectl label"); has != c.command {
				t.Errorf("next: %s; with a command: %v, want %v", p.Next, has, c.command)
			}
			if c.names && !strings.Contains(p.Message, other) {
				t.Errorf("%s; want the owner's name", p.Message)
			}
			if strings.Contains(p.Message, asked.Account) {
				t.Errorf("%s; it names the account by its parent's id", p.Message)
			}
			if !strings.Contains(p.Next, "Choose another spec.connectionSecret.name") {
				t.Errorf("next: %s", p.Next)
			}
		})
	}
}

// What a Secret holds of another account is neither used nor lost, though somebody has marked the Secret as the resource's.
func TestMarkedAsTheResourcesByMistake(t *testing.T) {
	intent := func(of string) map[string]string {
		return map[string]string{v1alpha1.AnnotationCreateIntent: "uid-2/1/" + of}
	}
	for name, c := range map[string]struct {
		data, annotations map[string]string
		fine              bool
	}{
		"of another name":                   {data: map[string]string{"accountID": "6", "accountName": "other", "password": "p", "apiKey": "k"}},
		"of another parent":                 {data: map[string]string{"accountID": "6", "accountName": "acme-support", "password": "p"}, annotations: intent("18/acme-support")},
		"prepared for another":              {data: map[string]string{"accountName": "acme-support", "password": "p"}, annotations: intent("18/acme-support")},
		"of an earlier account of the name": {data: map[string]string{"accountID": "4", "accountName": "acme-support", "password": "p"}, annotations: intent("17/acme-support"), fine: true},
		"with an edited name":               {data: map[string]string{"accountID": "5", "accountName": "other", "password": "p"}, fine: true},
	} {
		for what, try := range map[string]func(secrets.Store, secrets.Connection) error{
			"Prepare": func(s secrets.Store, c secrets.Connection) error {
				_, err := s.Prepare(background, c, known())
				return err
			},
			"Write": func(s secrets.Store, c secrets.Connection) error {
				_, err := s.Write(background, c, secrets.Values{secrets.KeyAccountID: "5", secrets.KeyPassword: "new"})
				return err
			},
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				secret := held(connection, c.data)
				maps.Copy(secret.Annotations, c.annotations)
				api := newCluster(interceptor.Funcs{}, secret)
				asked := connection
				asked.Bound = "5"
				err := try(api.store(), asked)
				if c.fine {
					if err != nil {
						t.Errorf("refused: %v", err)
					}
					return
				}
				wantProblem(t, err, v1alpha1.ReasonSecretInvalid, connection.Name)
				wantData(t, "the other account's Secret", api.data(t, connection.Name), c.data)
			})
		}
	}
}

// A Secret of another account adds nothing to the one that is made, either.
func TestNothingIsInheritedFromAnotherAccount(t *testing.T) {
	former := connection
	former.Name = "former"
	api := newCluster(interceptor.Funcs{}, held(former, map[string]string{"accountID": "6", "accountName": "other", "password": "theirs", "apiKey": "theirs"}))
	if _, err := api.store().Write(background, connection, secrets.Values{secrets.KeyAccountID: "5"}); err != nil {
		t.Fatal(err)
	}
	wantData(t, "the Secret", api.data(t, connection.Name), map[string]string{"accountID": "5"})
}
