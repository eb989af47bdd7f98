package callback

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

const (
	parentID   = "900"
	parentSalt = "s4lt-of-the-parent"
	parentKey  = "key-of-the-parent-900"
	childSalt  = "s4lt-of-the-child"
	childKey   = "key-of-the-child-1"
)

var parentName = types.NamespacedName{Namespace: "telephony", Name: "acme"}

// world is a receiver with a ParentAccount, and ChildAccounts of it: acme-one has a salt of its own, acme-two has none, and acme-three has
// no API key in its connection Secret. acme-alone is an account without a resource.
type world struct {
	*testing.T
	*Receiver

	service *fake.Service
	clock   *clocktesting.FakeClock
	events  *events.FakeRecorder
	parents *directory.Registry
	leads   chan struct{}
	log     *logged
	// ids are the accounts' ids by their names.
	ids      map[string]string
	children map[string]*v1alpha1.ChildAccount
	// secretReads counts the requests for connection Secrets, and read is what was read because of callbacks.
	mu          sync.Mutex
	secretReads int
	refusing    error
	read        []string
}

// logged is what was logged, at any level.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) add(prefix, args string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(prefix + args + "\n")
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		T: t, service: fake.New(fake.Options{}), clock: clocktesting.NewFakeClock(time.Now()), events: events.NewFakeRecorder(10000),
		parents: &directory.Registry{}, leads: make(chan struct{}), log: &logged{}, ids: map[string]string{}, children: map[string]*v1alpha1.ChildAccount{},
	}
	close(w.leads)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	objects := []client.Object{w.parent(), w.input("voximplant-api-key", map[string]string{"api-key": parentKey, "callback-salt": parentSalt + "\n"}), w.input("acme-salt", map[string]string{"salt": childSalt + "\r\n"})}
	for _, name := range []string{"acme-one", "acme-two", "acme-three", "acme-alone"} {
		w.ids[name] = w.service.Put(name, account.State{}, "")
		if name == "acme-alone" {
			continue
		}
		objects = append(objects, w.child(name))
	}
	k8s := interceptor.NewClient(fakeclient.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, isSecret := o.(*corev1.Secret); isSecret && strings.HasSuffix(key.Name, "-connection") {
				if err := w.asked(); err != nil {
					return err
				}
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	dir := directory.New(w.service.Remote(), w.clock)
	if err := dir.Refresh(t.Context(), directory.Known{}); err != nil {
		t.Fatal(err)
	}
	w.parents.Put(parentName, &directory.Parent{Directory: dir, AccountID: parentID, UID: "uid-of-acme"})
	w.Receiver = New(Config{
		Decode: voximplant.ParseCallbacks, Cache: k8s, Parents: w.parents,
		Owner: func(_ context.Context, parent types.NamespacedName, accountName, accountID string) (*v1alpha1.ChildAccount, error) {
			if c := w.children[accountName]; parent == parentName && c != nil && c.Status.AccountID == accountID {
				return c, nil
			}
			return nil, nil
		},
		ReadAccount: func(c *v1alpha1.ChildAccount) { w.noteRead("account of " + c.Name) },
		ReadList:    func(p types.NamespacedName) { w.noteRead("list of " + p.Name) },
		Keys:        SecretKeys{Inputs: secrets.Reader{Labelled: k8s, Live: k8s}, Connections: secrets.Store{Live: k8s}},
		Recorder:    conditions.NewEventRecorder(w.events), Clock: w.clock, Leads: w.leads, Log: funcr.New(w.log.add, funcr.Options{Verbosity: 10}),
	})
	return w
}

func (w *world) asked() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secretReads++
	return w.refusing
}

func (w *world) noteRead(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = append(w.read, what)
}

func (*world) parent() *v1alpha1.ParentAccount {
	p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: parentName.Namespace, Name: parentName.Name, UID: "uid-of-acme"}}
	p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-api-key"}
	return p
}

func (*world) input(name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: parentName.Namespace, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}}, Data: map[string][]byte{}}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

// child is a ChildAccount, which it returns the connection Secret of.
func (w *world) child(name string) *corev1.Secret {
	c := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: parentName.Namespace, Name: name, UID: types.UID("uid-of-" + name)}}
	c.Status.AccountID = w.ids[name]
	if name == "acme-one" {
		c.Spec.Callback = &v1alpha1.Callback{SaltSecretRef: &v1alpha1.SecretKeyReference{Name: "acme-salt"}}
	}
	w.children[name] = c
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: c.Namespace, Name: name + "-connection", Labels: map[string]string{v1alpha1.LabelConnection: "true"},
		Annotations: map[string]string{v1alpha1.AnnotationResource: "ChildAccount/" + name, v1alpha1.AnnotationAccount: parentID + "/" + name},
	}, Data: map[string][]byte{secrets.KeyAccountID: []byte(w.ids[name]), secrets.KeyAPIKey: []byte(childKey)}}
	if name == "acme-three" {
		delete(s.Data, secrets.KeyAPIKey)
	}
	return s
}

// signed is a callback as the provider's cloud signs it.
func signed(salt, key, accountID, id, kind string) string {
	sum := md5.Sum([]byte(salt + accountID + key + id))
	return fmt.Sprintf(`{"callback_id": %q, "type": %q, "account_id": %s, "hash": %q, "account_name": "a name", "balance": 9.75, %q: {}}`, id, kind, accountID, hex.EncodeToString(sum[:]), kind)
}

// frozen is a good callback of acme-one.
func (w *world) frozen(id string) string {
	return signed(childSalt, childKey, w.ids["acme-one"], id, "account_is_frozen")
}

func bodyOf(callbacks ...string) string {
	return `{"callbacks": [` + strings.Join(callbacks, ",") + `]}`
}

// post sends a body, and returns the HTTP status.
func (w *world) post(body string) int { return w.postTo("/callbacks/telephony/acme", body) }

func (w *world) postTo(path, body string) int {
	w.Helper()
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, httptest.NewRequestWithContext(w.Context(), http.MethodPost, path, bytes.NewBufferString(body)))
	if text := answer.Body.String(); text != http.StatusText(answer.Code)+"\n" {
		w.Errorf("the answer says %q", text)
	}
	if retry := answer.Header().Get("Retry-After") != ""; retry != (answer.Code == 503 || answer.Code == 429) {
		w.Errorf("%d, Retry-After %v", answer.Code, retry)
	}
	return answer.Code
}

// emitted are the events since it was last asked.
func (w *world) emitted() (out []string) {
	for {
		select {
		case e := <-w.events.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

// counted are the callbacks that were counted so far, by type and result.
func counted(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != metrics.Prefix+metrics.Callbacks.Name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels["type"]+"/"+labels["result"]] = m.GetCounter().GetValue()
		}
	}
	return out
}

var errAway = errors.New("the Kubernetes API is away")
