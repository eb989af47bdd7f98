package secrets

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// Problem is a Secret that can't be used. Reason is that of the condition; the message says what to do.
type Problem struct {
	Reason, Message string
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

// Reader reads input Secrets.
type Reader struct {
	// Labelled sees only Secrets with the input label: the manager's cache, which watches those alone.
	Labelled client.Reader
	// Live asks the API server. It is used for metadata only, to tell a missing label from a missing Secret.
	Live client.Reader
}

// Input returns the value of a key of an input Secret. A *Problem says why it can't be used.
func (r Reader) Input(ctx context.Context, namespace, name, key string) ([]byte, error) {
	var secret corev1.Secret
	id := client.ObjectKey{Namespace: namespace, Name: name}
	err := r.Labelled.Get(ctx, id, &secret)
	if apierrors.IsNotFound(err) {
		return nil, r.whyNotThere(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	if secret.Labels[v1alpha1.LabelInput] != "true" { // a reader without the filter must not see more than one with it
		return nil, notLabelled(id)
	}
	value := secret.Data[key]
	if len(value) == 0 {
		return nil, &Problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("Secret %s has no key %q, or it is empty", name, key)}
	}
	return value, nil
}

// longestPassword is how many characters a declared password may have.
const longestPassword = 256

// Password returns the password under a key of an input Secret, without the newline that an editor leaves at its end.
// A *Problem says why it can't be used; whether it is a good one is the provider's to say.
func (r Reader) Password(ctx context.Context, namespace, name, key string) (account.Secret, error) {
	value, err := r.Input(ctx, namespace, name, key)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(string(value), "\n")
	var wrong string
	switch {
	case password == "":
		wrong = "is empty"
	case !utf8.ValidString(password):
		wrong = "is not text in UTF-8"
	case utf8.RuneCountInString(password) > longestPassword:
		wrong = fmt.Sprintf("has more than %d characters", longestPassword)
	case strings.ContainsFunc(password, unicode.IsControl):
		wrong = "has a line break or another control character in it"
	default:
		return account.Secret(password), nil
	}
	return "", &Problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("Secret %s can't serve as the password: key %q %s", name, key, wrong)}
}

func (r Reader) whyNotThere(ctx context.Context, id client.ObjectKey) error {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.Live.Get(ctx, id, meta)
	switch {
	case apierrors.IsNotFound(err):
		return &Problem{v1alpha1.ReasonSecretMissing, fmt.Sprintf(
			"Secret %s does not exist in namespace %s: create it, with the label %s=true", id.Name, id.Namespace, v1alpha1.LabelInput)}
	case err != nil:
		return err
	case meta.Labels[v1alpha1.LabelInput] == "true":
		return fmt.Errorf("secret %s has only just been labelled: the cache does not have it yet", id)
	}
	return notLabelled(id)
}

func notLabelled(id client.ObjectKey) *Problem {
	return &Problem{v1alpha1.ReasonSecretNotLabelled, fmt.Sprintf(
		"Secret %s lacks the label that lets the operator read it: kubectl label secret -n %s %s %s=true",
		id.Name, id.Namespace, id.Name, v1alpha1.LabelInput)}
}
