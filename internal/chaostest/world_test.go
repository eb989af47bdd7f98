package chaostest

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

const (
	namespace = "telephony"
	// installation is the operator's --installation-id.
	installation = "chaos"
	// rate and inFlight are the budget that the ParentAccount grants: less than a leader would ask for that has found its
	// feet, or nothing would be known of whether it is kept.
	rate, inFlight = 20, 4
	// manyCalls are more than a soak makes: the log must have all of them.
	manyCalls = 1_000_000
)

// world is the control plane and the provider.
type world struct {
	t          *testing.T
	control    *envtest.Environment
	k8s        client.Client
	kubeconfig string
	sim        *simulator.Simulator
	parent     simulator.Parent
	endpoint   string
	// restarts are how many times the API server came back.
	restarts atomic.Int32

	mu sync.Mutex
	// foreign are accounts that the operator must leave alone, as they were made.
	foreign []simulator.Account
	// master is the master account, foreignSubs are its sub-accounts that the operator must leave alone. Both are there from the beginning.
	master      simulator.Master
	foreignSubs []simulator.SubAccount
	// keptOn are the names of accounts that nobody asks to be switched off.
	keptOn []string
	// clones are the names of the accounts that are to be clones. They are all known before the first is declared.
	clones []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	w.startControlPlane()
	w.sim = simulator.New(simulator.Options{Key: simulator.SharedKey(), MaxCalls: manyCalls})
	w.parent = w.sim.AddParent(simulator.Parent{Name: "acme-telephony", Email: "owner@acme.example"})
	server := httptest.NewServer(w.sim.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.endpoint = server.URL
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	w.create(input("voximplant", v1alpha1.DefaultCredentialsKey, w.sim.Credentials(w.parent.ID)))
	w.create(w.parentAccount())
	return w
}

// startControlPlane starts etcd and an API server that can be restarted: its certificates outlive it.
func (w *world) startControlPlane() {
	g := NewWithT(w.t)
	w.control = testenv.ControlPlane()
	w.control.ControlPlaneStartTimeout, w.control.ControlPlaneStopTimeout = time.Minute, time.Second // the server's own are set to these
	w.control.ControlPlane.GetAPIServer().CertDir = w.t.TempDir()
	config, err := w.control.Start()
	g.Expect(err).NotTo(HaveOccurred())
	w.t.Cleanup(func() { _ = w.control.Stop() })
	config.QPS, config.Burst, config.Timeout = 500, 1000, 10*time.Second
	w.kubeconfig = filepath.Join(w.t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(w.kubeconfig, w.control.KubeConfig, 0o600)).To(Succeed())
	w.k8s, err = client.New(config, client.Options{Scheme: cli.Scheme()})
	g.Expect(err).NotTo(HaveOccurred())
}

// restartAPIServer restarts the API server now and then, at the same port and upon the same etcd.
func (w *world) restartAPIServer(ctx context.Context, r *rand.Rand) {
	server := w.control.ControlPlane.GetAPIServer()
	for pass(ctx, between(r, 30*time.Second, 60*time.Second)) {
		down := time.Now()
		_ = server.Stop() // one that does not end in time is killed
		NewWithT(w.t).Eventually(server.Start).WithTimeout(2*time.Minute).Should(Succeed(), "the API server does not come back")
		w.restarts.Add(1)
		w.t.Logf("the API server was away for %.1f s", time.Since(down).Seconds())
	}
}

func (w *world) parentAccount() *v1alpha1.ParentAccount {
	return &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme"}, Spec: v1alpha1.ParentAccountSpec{
		Voximplant: v1alpha1.VoximplantParent{
			CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"},
			Endpoint:             &w.endpoint,
		},
		ResyncInterval: &metav1.Duration{Duration: 5 * time.Second},
		Limits: &v1alpha1.Limits{
			RequestsPerSecond: ptr.To[int32](rate), MaxInFlight: ptr.To[int32](inFlight),
			MaxDeactivationsPerHour: ptr.To[int32](1000), MassChange: &v1alpha1.MassChange{Percent: ptr.To[int32](100)},
		},
	}}
}

func (w *world) create(o client.Object) {
	NewWithT(w.t).Expect(w.k8s.Create(w.t.Context(), o)).To(Succeed())
}

// input is a Secret that the operator may read.
func input(name, key string, value []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{key: value},
	}
}

// addForeign notes an account that must be left alone.
func (w *world) addForeign(a simulator.Account) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.foreign = append(w.foreign, a)
}
