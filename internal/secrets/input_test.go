package secrets_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// cached is a cache that watches only labelled Secrets.
func cached(c client.WithWatch) client.Reader {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			var list corev1.SecretList
			if err := w.List(ctx, &list, client.InNamespace(key.Namespace), client.MatchingLabels{v1alpha1.LabelInput: "true"}); err != nil {
				return err
			}
			for i := range list.Items {
				if list.Items[i].Name == key.Name {
					return w.Get(ctx, key, o, opts...)
				}
			}
			return w.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: "not-there"}, o, opts...)
		},
	})
}

func input(labels map[string]string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "voximplant", Labels: labels}, Data: data}
}

func TestInput(t *testing.T) {
	labelled := map[string]string{v1alpha1.LabelInput: "true"}
	data := map[string][]byte{"credentials.json": []byte("theirs"), "empty": {}}
	for name, c := range map[string]struct {
		secret       *corev1.Secret
		namespace    string
		key          string
		reason, says string // "" for no problem
	}{
		"labelled":             {input(labelled, data), namespace, "credentials.json", "", ""},
		"missing":              {nil, namespace, "credentials.json", v1alpha1.ReasonSecretMissing, "does not exist in namespace telephony"},
		"in another namespace": {input(labelled, data), "other", "credentials.json", v1alpha1.ReasonSecretMissing, "does not exist in namespace other"},
		"unlabelled": {input(nil, data), namespace, "credentials.json", v1alpha1.ReasonSecretNotLabelled,
			"kubectl label secret -n telephony voximplant accounts.cpaas.dev/input=true"},
		"labelled otherwise": {input(map[string]string{v1alpha1.LabelInput: "yes"}, data), namespace, "credentials.json", v1alpha1.ReasonSecretNotLabelled, "kubectl label"},
		"a connection Secret": {input(map[string]string{v1alpha1.LabelConnection: "true"}, data), namespace, "credentials.json", v1alpha1.ReasonSecretNotLabelled,
			"Create a Secret of its own with the value and the label accounts.cpaas.dev/input=true"},
		"another key": {input(labelled, data), namespace, "api-key", v1alpha1.ReasonSecretInvalid, `"api-key"`},
		"empty":       {input(labelled, data), namespace, "empty", v1alpha1.ReasonSecretInvalid, `"empty"`},
		"no data":     {input(labelled, nil), namespace, "credentials.json", v1alpha1.ReasonSecretInvalid, `"credentials.json"`},
	} {
		for reader, filter := range map[string]bool{"by a cache that filters": true, "by one that does not": false} {
			t.Run(name+" "+reader, func(t *testing.T) {
				var objects []client.Object
				if c.secret != nil {
					objects = append(objects, c.secret)
				}
				api := newCluster(interceptor.Funcs{}, objects...)
				r := secrets.Reader{Labelled: api, Live: metadataOnly(t, api)}
				if filter {
					r.Labelled = cached(api)
				}
				got, err := r.Input(background, c.namespace, "voximplant", c.key)
				if c.reason == "" {
					if err != nil || string(got) != "theirs" {
						t.Fatalf("%q, %v", got, err)
					}
					return
				}
				p := wantProblem(t, err, c.reason, "voximplant")
				if !strings.Contains(p.Message+" "+p.Next, c.says) || got != nil {
					t.Errorf("message %q does not say %q, or there is a value beside it", p.Message, c.says)
				}
			})
		}
	}
}

// What an editor saves with a text is no part of it; what it saves as something else is called by its name.
func TestInputEncodings(t *testing.T) {
	for name, c := range map[string]struct{ value, input, apiKey, says string }{
		"as it is":                      {" theirs\r\n", " theirs\r\n", "theirs", ""},
		"a byte order mark":             {"\ufefftheirs\n", "theirs\n", "theirs", ""},
		"two of them":                   {"\ufeff\ufefftheirs", "theirs", "theirs", ""},
		"one, and of Windows":           {"\ufeff theirs\r\n", " theirs\r\n", "theirs", ""},
		"a byte order mark alone":       {"\ufeff", "", "", "or it is empty"},
		"blanks alone":                  {"\ufeff \n", " \n", "", "is empty"},
		"a byte order mark inside":      {"the\ufeffirs", "the\ufeffirs", "", "byte order mark (U+FEFF)"},
		"a space of no width":           {"theirs\u200b", "theirs\u200b", "", "the character U+200B"},
		"two lines":                     {"theirs\nmore", "theirs\nmore", "", "line break"},
		"not text":                      {"theirs\xff", "theirs\xff", "", "is not text in UTF-8"},
		"UTF-16LE":                      {"\xff\xfet\x00h\x00e\x00i\x00r\x00s\x00", "", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16BE":                      {"\xfe\xff\x00t\x00h\x00e\x00i\x00r\x00s", "", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16LE, without the mark":    {"t\x00h\x00e\x00i\x00r\x00s\x00\r\x00\n\x00", "", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16BE, without the mark":    {"\x00t\x00h\x00e\x00i\x00r\x00s", "", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-16LE, and a line of bytes": {"\xff\xfet\x00h\x00e\x00i\x00r\x00s\x00\n", "", "", "is text in UTF-16: save it as UTF-8"},
		"UTF-32":                        {"\x00\x00\xfe\xff\x00\x00\x00t", "", "", "is text in UTF-32: save it as UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			r := secrets.Reader{Labelled: one{secret: input(map[string]string{v1alpha1.LabelInput: "true"}, map[string][]byte{"k": []byte(c.value)})}}
			check := func(got, want string, err error) {
				t.Helper()
				if want != "" {
					if err != nil || got != want {
						t.Errorf("%q, %v; want %q", got, err, want)
					}
					return
				}
				p := wantProblem(t, err, v1alpha1.ReasonSecretInvalid, "voximplant")
				if got != "" || !strings.Contains(p.Message, c.says) || !strings.Contains(p.Message, `"k"`) || strings.Contains(p.Message, "theirs") {
					t.Errorf("%q, %s; want %s", got, p.Message, c.says)
				}
			}
			text, err := r.Input(background, namespace, "voximplant", "k")
			check(string(text), c.input, err)
			apiKey, err := r.APIKey(background, namespace, "voximplant", "k")
			check(apiKey.Reveal(), c.apiKey, err)
		})
	}
}

// metadataOnly fails the test where whole Secrets are asked for: they may be anybody's.
func metadataOnly(t *testing.T, c client.WithWatch) client.Reader {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, ok := o.(*metav1.PartialObjectMetadata); !ok {
				t.Errorf("asks for a whole %T", o)
			}
			return w.Get(ctx, key, o, opts...)
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			t.Error("lists Secrets")
			return nil
		},
	})
}

// The cache is a moment behind: nothing is wrong with the Secret, it is tried again.
func TestInputJustLabelled(t *testing.T) {
	api := newCluster(interceptor.Funcs{}, input(map[string]string{v1alpha1.LabelInput: "true"}, map[string][]byte{"k": []byte("theirs")}))
	empty := newCluster(interceptor.Funcs{})
	_, err := secrets.Reader{Labelled: empty, Live: api}.Input(background, namespace, "voximplant", "k")
	var p *secrets.Problem
	if err == nil || errors.As(err, &p) || strings.Contains(err.Error(), "theirs") {
		t.Errorf("error %v", err)
	}
}

// The API server's own troubles are no problem of the Secret.
func TestInputWithoutAnAPIServer(t *testing.T) {
	down := errors.New("down")
	broken := newCluster(interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
		return down
	}})
	for name, r := range map[string]secrets.Reader{
		"the cache": {Labelled: broken, Live: newCluster(interceptor.Funcs{})},
		"live":      {Labelled: newCluster(interceptor.Funcs{}), Live: broken},
	} {
		if _, err := r.Input(background, namespace, "voximplant", "k"); !errors.Is(err, down) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
