package secrets

import (
	"cmp"
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
	"cpaas.dev/child-account-operator/internal/charset"
)

// Problem is a Secret that can't be used. Reason is that of the condition. Next is what to do next, where it is otherwise than the reason's.
type Problem struct {
	Reason, Message, Next string
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

// Reader reads input Secrets.
type Reader struct {
	// Labelled sees only Secrets with the input label: the manager's cache, which watches those alone.
	Labelled client.Reader
	// Live asks the Kubernetes API. It is used for metadata only, to tell a missing label from a missing Secret.
	Live client.Reader
}

// Input returns the text under a key of an input Secret, without the byte order mark that an editor leaves at its beginning.
// A *Problem says why it can't be used.
func (r Reader) Input(ctx context.Context, namespace, name, key string) ([]byte, error) {
	value, err := r.value(ctx, namespace, name, key)
	if err != nil {
		return nil, err
	}
	if wide := charset.Wide(value); wide != "" {
		return nil, invalid(fmt.Sprintf("Secret %s can't be used: key %q %s", name, key, savedAs(wide)))
	}
	if value = charset.WithoutMark(value); len(value) == 0 {
		return nil, noValue(name, key)
	}
	return value, nil
}

// value returns what is under a key of an input Secret as it stands.
func (r Reader) value(ctx context.Context, namespace, name, key string) ([]byte, error) {
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
		return nil, notLabelled(id, secret.Labels)
	}
	value := secret.Data[key]
	if len(value) == 0 {
		return nil, noValue(name, key)
	}
	return value, nil
}

func noValue(name, key string) *Problem {
	return invalid(fmt.Sprintf("Secret %s has no key %q, or it is empty", name, key))
}

func invalid(message string) *Problem {
	return &Problem{Reason: v1alpha1.ReasonSecretInvalid, Message: message}
}

// longestPassword is how many characters a declared password may have.
const longestPassword = 256

// Password returns the password under a key of an input Secret, without the newline that an editor leaves at its end.
// A *Problem says why it can't be used; whether it is a good one is the provider's to say. A byte order mark is not taken off
// in silence: the account may have it in its password already, and who types that can't know.
func (r Reader) Password(ctx context.Context, namespace, name, key string) (account.Secret, error) {
	value, err := r.value(ctx, namespace, name, key)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(string(value), "\n")
	if wrong := cmp.Or(wrongEncoding(password), tooLong(password), wrongCharacter(password)); wrong != "" {
		return "", invalid(fmt.Sprintf("Secret %s can't serve as the password: key %q %s", name, key, wrong))
	}
	return account.Secret(password), nil
}

// APIKey returns the API key under a key of an input Secret, without byte order mark and blanks at its ends. A *Problem says
// why it can't be used; whether it is the right one is the provider's to say.
func (r Reader) APIKey(ctx context.Context, namespace, name, key string) (account.Secret, error) {
	value, err := r.Input(ctx, namespace, name, key)
	if err != nil {
		return "", err
	}
	apiKey := strings.TrimSpace(string(value))
	if wrong := cmp.Or(wrongEncoding(apiKey), wrongCharacter(apiKey)); wrong != "" {
		return "", invalid(fmt.Sprintf("Secret %s can't serve as the API key: key %q %s", name, key, wrong))
	}
	return account.Secret(apiKey), nil
}

// wrongEncoding says why bytes are no text that people could type or paste, "" where they are. It continues a sentence that begins
// with the Secret's key, as do the two below.
func wrongEncoding(text string) string {
	wide := charset.Wide([]byte(text))
	switch {
	case text == "":
		return "is empty"
	case wide != "":
		return savedAs(wide)
	case !utf8.ValidString(text):
		return "is not text in UTF-8"
	}
	return ""
}

func tooLong(password string) string {
	if utf8.RuneCountInString(password) > longestPassword {
		return fmt.Sprintf("has more than %d characters", longestPassword)
	}
	return ""
}

// wrongCharacter says which character can't stand in a text of one line, whose every character people see.
func wrongCharacter(text string) string {
	invisible := charset.Invisible(text)
	switch {
	case strings.Contains(text, charset.Mark):
		return "has a byte order mark (U+FEFF) in it, which nobody sees or types: save it as UTF-8 without a byte order mark, and put that into the Secret"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "has a line break or another control character in it"
	case invisible != "":
		return fmt.Sprintf("has the character %s in it, which nobody sees or types: type the text instead of pasting it", invisible)
	}
	return ""
}

// savedAs says what to do about a text in an encoding other than UTF-8.
func savedAs(encoding string) string {
	return fmt.Sprintf("is text in %s: save it as UTF-8, without a byte order mark, and put that into the Secret", encoding)
}

func (r Reader) whyNotThere(ctx context.Context, id client.ObjectKey) error {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.Live.Get(ctx, id, meta)
	switch {
	case apierrors.IsNotFound(err):
		return &Problem{
			Reason: v1alpha1.ReasonSecretMissing, Message: fmt.Sprintf("Secret %s does not exist in namespace %s", id.Name, id.Namespace),
			Next: fmt.Sprintf("Create the Secret, with the label %s=true, or correct the reference to the Secret.", v1alpha1.LabelInput),
		}
	case err != nil:
		return err
	case meta.Labels[v1alpha1.LabelInput] == "true":
		return fmt.Errorf("secret %s has only just been labelled: the cache does not have it yet", id)
	}
	return notLabelled(id, meta.Labels)
}

// notLabelled is why a Secret with these labels can't be used. A connection Secret is not to be labelled: the operator writes it for one resource, and
// its content changes with that resource.
func notLabelled(id client.ObjectKey, labels map[string]string) *Problem {
	if labels[v1alpha1.LabelConnection] == "true" {
		return &Problem{
			Reason: v1alpha1.ReasonSecretNotLabelled, Message: fmt.Sprintf("Secret %s is a connection Secret, which the operator writes and does not read as an input", id.Name),
			Next: fmt.Sprintf("Create a Secret of its own with the value and the label %s=true, and name that Secret in the reference.", v1alpha1.LabelInput),
		}
	}
	return &Problem{
		Reason: v1alpha1.ReasonSecretNotLabelled, Message: fmt.Sprintf("Secret %s lacks the label that allows the operator to read it", id.Name),
		Next: fmt.Sprintf("Add the label: kubectl label secret -n %s %s %s=true --overwrite", id.Namespace, id.Name, v1alpha1.LabelInput),
	}
}
