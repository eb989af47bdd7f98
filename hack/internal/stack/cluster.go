package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

const crds = "config/crd/bases"

// Cluster is the control plane, and how to talk to it.
type Cluster struct {
	client.Client
	// Config is an administrator's.
	Config *rest.Config
	// Kubeconfig is the path of a kubeconfig that may do everything.
	Kubeconfig string

	stack *Stack
	env   *envtest.Environment
}

// StartCluster starts etcd and kube-apiserver, which gets the flags as well, and installs our CRDs.
func (s *Stack) StartCluster(ctx context.Context, flags map[string]string) (*Cluster, error) {
	env := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join(s.Manifests, crds)}, ErrorIfCRDPathMissing: true}
	return s.startCluster(ctx, "starting a control plane (etcd, kube-apiserver) and installing the CRDs", env, flags)
}

// StartBareCluster starts etcd and kube-apiserver alone.
func (s *Stack) StartBareCluster(ctx context.Context) (*Cluster, error) {
	return s.startCluster(ctx, "starting a control plane (etcd, kube-apiserver)", &envtest.Environment{}, nil)
}

// patience is how long a control plane may take to start or stop on a machine that has much else to do. An idle one takes seconds.
const patience = 2 * time.Minute

func (s *Stack) startCluster(ctx context.Context, what string, env *envtest.Environment, flags map[string]string) (*Cluster, error) {
	if err := checkAssets(); err != nil {
		return nil, err
	}
	log, err := os.Create(s.Path(ClusterLog))
	if err != nil {
		return nil, err
	}
	ctrllog.SetLogger(zap.New(zap.WriteTo(log)))
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout = patience, patience
	env.ControlPlane.Etcd = &envtest.Etcd{Out: log, Err: log}
	server := env.ControlPlane.GetAPIServer()
	server.Out, server.Err = log, log
	for name, value := range flags {
		server.Configure().Set(name, value)
	}

	// envtest puts both in process groups of their own. Starting can't be interrupted, but has its own time limits.
	s.stops = append(s.stops, stopper{what: "control plane", stop: env.Stop})
	done := s.Step(what)
	if _, err := env.Start(); err != nil {
		return nil, Trouble{fmt.Errorf("there is no control plane: %w", err), ClusterLog}
	}
	done()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c, err := s.connect(env)
	if err == nil {
		fmt.Fprintf(s.Out, "wrote %s, log in %s\n", s.Path("kubeconfig"), s.Path(ClusterLog))
	}
	return c, err
}

// checkAssets says it plainly if there is nothing to start; envtest would try five times.
func checkAssets() error {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), name)); err != nil {
			return fmt.Errorf("KUBEBUILDER_ASSETS is not a directory with etcd and kube-apiserver (make sets it): %w", err)
		}
	}
	return nil
}

// StartControllerManager starts those of Kubernetes' controllers that delete: namespaces with what is in them, and what
// has lost its owner. KUBEBUILDER_ASSETS must hold a kube-controller-manager.
func (c *Cluster) StartControllerManager() error {
	_, err := c.stack.Start("controller manager", "controllermanager.log", nil,
		filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"), "--kubeconfig="+c.Kubeconfig,
		"--controllers=namespace-controller,garbage-collector-controller", "--leader-elect=false",
		"--secure-port=0", "--bind-address=127.0.0.1", "--kube-api-qps=200", "--kube-api-burst=400")
	return err
}

// connect writes the kubeconfig of an administrator and returns a client.
func (s *Stack) connect(env *envtest.Environment) (*Cluster, error) {
	cluster := &Cluster{Config: env.Config, stack: s, env: env}
	var err error
	if cluster.Kubeconfig, err = s.writeKubeconfig("kubeconfig", env.KubeConfig); err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	cluster.Client, err = client.New(env.Config, client.Options{Scheme: scheme})
	return cluster, err
}

// newScheme knows Kubernetes' kinds and ours.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

func (s *Stack) writeKubeconfig(file string, content []byte) (path string, err error) {
	if path, err = filepath.Abs(s.Path(file)); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o600)
}

// AddServiceAccount makes a namespace and a service account in it, and returns the path of a kubeconfig with its token.
func (c *Cluster) AddServiceAccount(ctx context.Context, namespace, name string) (kubeconfig string, err error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	for _, object := range []client.Object{ns, account} {
		if err := c.Create(ctx, object); err != nil {
			return "", err
		}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](24 * 60 * 60)}}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return "", err
	}
	config, err := clientcmd.Load(c.env.KubeConfig)
	if err != nil {
		return "", err
	}
	for user := range config.AuthInfos {
		config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		return "", err
	}
	return c.stack.writeKubeconfig(name+".kubeconfig", content)
}

// AddCredentials makes the namespace and in it the Secret voximplant, with the simulator's credentials.
func (c *Cluster) AddCredentials(ctx context.Context, namespace string, sim *Simulator) error {
	credentials, err := os.ReadFile(sim.CredentialsFile)
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "voximplant", Namespace: namespace, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{v1alpha1.DefaultCredentialsKey: credentials},
	}
	for _, object := range []client.Object{ns, secret} {
		if err := c.Create(ctx, object); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.stack.Out, "created namespace %s and Secret %s with the simulator's credentials\n", ns.Name, secret.Name)
	return nil
}

// ReadYAML reads all documents of a file.
func ReadYAML[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data))
	var documents []T
	for {
		var document T
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		documents = append(documents, document)
	}
}
