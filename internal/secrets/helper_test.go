package secrets_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

var background = context.Background()

const namespace = "telephony"

// connection is that of a ChildAccount acme-support.
var connection = secrets.Connection{
	Namespace: namespace, Name: "acme-support-connection", Resource: "ChildAccount/acme-support", Account: "17/acme-support",
}

// cluster is an API server that knows Secrets, and counts what is asked of it.
type cluster struct {
	client.WithWatch
	reads, writes int
}

// onlySecrets knows what a cluster of these tests has: the client goes through all kinds of a scheme at each write.
var onlySecrets = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.SecretList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	return scheme
}()

func newCluster(hooks interceptor.Funcs, objects ...client.Object) *cluster {
	c := &cluster{}
	counted := fake.NewClientBuilder().WithScheme(onlySecrets).WithObjects(objects...).WithInterceptorFuncs(hooks).Build()
	c.WithWatch = interceptor.NewClient(counted, interceptor.Funcs{
		Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			c.reads++
			return w.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, w client.WithWatch, o client.ObjectList, opts ...client.ListOption) error {
			c.reads++
			return w.List(ctx, o, opts...)
		},
		Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			c.writes++
			return w.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, w client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			c.writes++
			return w.Patch(ctx, o, p, opts...)
		},
		Delete: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			c.writes++
			return w.Delete(ctx, o, opts...)
		},
	})
	return c
}

func (c *cluster) store() secrets.Store { return secrets.Store{Client: c, Live: c} }

// data is what a Secret holds; nil where there is none.
func (c *cluster) data(t *testing.T, name string) map[string]string {
	t.Helper()
	var s corev1.Secret
	err := c.WithWatch.Get(background, client.ObjectKey{Namespace: namespace, Name: name}, &s)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range s.Data {
		out[k] = string(v)
	}
	return out
}

// held is a connection Secret as it stands in the cluster.
func held(c secrets.Connection, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: c.Namespace, Name: c.Name, UID: "uid",
		Labels:      map[string]string{v1alpha1.LabelConnection: "true"},
		Annotations: map[string]string{v1alpha1.AnnotationResource: c.Resource, v1alpha1.AnnotationAccount: c.Account},
	}, Data: map[string][]byte{}}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

// somebodyElses are Secrets of the connection's name that aren't the resource's, each for another reason.
func somebodyElses() map[string]*corev1.Secret {
	change := func(f func(*corev1.Secret)) *corev1.Secret {
		s := held(connection, map[string]string{"password": "theirs"})
		f(s)
		return s
	}
	return map[string]*corev1.Secret{
		"a plain Secret":       change(func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil }),
		"without the label":    change(func(s *corev1.Secret) { s.Labels = map[string]string{"app": "x"} }),
		"with the label false": change(func(s *corev1.Secret) { s.Labels[v1alpha1.LabelConnection] = "false" }),
		"of another resource":  change(func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationResource] = "ChildAccount/other" }),
		"of another kind":      change(func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationResource] = "SubAccount/acme-support" }),
		"of another account":   change(func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationAccount] = "18/acme-support" }),
		"of no account":        change(func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.AnnotationAccount) }),
		"an input Secret": change(func(s *corev1.Secret) {
			s.Labels, s.Annotations = map[string]string{v1alpha1.LabelInput: "true"}, nil
		}),
	}
}

// wantProblem checks the reason, that the message names the Secret, and that it shows nothing of its content.
func wantProblem(t *testing.T, err error, reason, name string) *secrets.Problem {
	t.Helper()
	var p *secrets.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v; want a problem", err)
	}
	if p.Reason != reason || p.Error() != p.Message || !strings.Contains(p.Message, name) || strings.Contains(p.Message, "theirs") {
		t.Errorf("%+v; want reason %s, and the name %s in the message", *p, reason, name)
	}
	return p
}

// revealed are the values themselves.
func revealed(v secrets.Values) map[string]string {
	out := map[string]string{}
	for k, s := range v {
		out[k] = s.Reveal()
	}
	return out
}

func wantData(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// known are values that need no account.
func known() secrets.Values {
	return secrets.Values{secrets.KeyAccountName: "acme-support", secrets.KeyEmail: account.Secret("a@acme.example")}
}
