package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

const (
	clusterLog = dir + "/controlplane.log"
	crds       = "config/crd/bases"
	samples    = "config/samples"
	namespace  = "telephony"
	// resync is how often the operator looks for drift here; the samples' five minutes are long to wait.
	resync = "5s"
)

// cluster is the control plane, and how to talk to it.
type cluster struct {
	client.Client
	// kubeconfig is the path of a kubeconfig that may do everything.
	kubeconfig string
}

// startCluster starts etcd and kube-apiserver with our CRDs.
func (d *demo) startCluster(ctx context.Context) error {
	if err := checkAssets(); err != nil {
		return err
	}
	log, err := os.Create(clusterLog)
	if err != nil {
		return err
	}
	ctrllog.SetLogger(zap.New(zap.WriteTo(log)))
	env := &envtest.Environment{CRDDirectoryPaths: []string{crds}, ErrorIfCRDPathMissing: true}
	env.ControlPlane.Etcd = &envtest.Etcd{Out: log, Err: log}
	server := env.ControlPlane.GetAPIServer()
	server.Out, server.Err = log, log

	// envtest puts both in process groups of their own. Starting can't be interrupted, but has its own time limits.
	d.stops = append(d.stops, stopper{"control plane", env.Stop})
	done := d.step("starting a control plane (etcd, kube-apiserver) and installing the CRDs")
	if _, err := env.Start(); err != nil {
		return trouble{fmt.Errorf("there is no control plane: %w", err), clusterLog}
	}
	done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.cluster, err = connect(env)
	if err == nil {
		fmt.Fprintf(d.out, "wrote %s/kubeconfig, log in %s\n", dir, clusterLog)
	}
	return err
}

// checkAssets says it plainly if there is nothing to start; envtest would try five times.
func checkAssets() error {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), name)); err != nil {
			return fmt.Errorf("KUBEBUILDER_ASSETS is not a directory with etcd and kube-apiserver (make run sets it): %w", err)
		}
	}
	return nil
}

// connect writes the kubeconfig of an administrator and returns a client.
func connect(env *envtest.Environment) (*cluster, error) {
	path, err := filepath.Abs(filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, env.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	c, err := client.New(env.Config, client.Options{Scheme: scheme})
	return &cluster{Client: c, kubeconfig: path}, err
}

// applySamples makes the namespace and the credentials Secret, and applies the samples as kubectl apply -k would.
func (d *demo) applySamples(ctx context.Context) error {
	credentials, err := os.ReadFile(d.simulator.credentials)
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "voximplant", Namespace: namespace, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{v1alpha1.DefaultCredentialsKey: credentials},
	}
	for _, object := range []client.Object{ns, secret} {
		if err := d.cluster.Create(ctx, object); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.out, "created namespace %s and Secret %s with the simulator's credentials\n", ns.Name, secret.Name)
	objects, err := readSamples()
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := d.applySample(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) applySample(ctx context.Context, object *unstructured.Unstructured) error {
	note := ""
	if object.GetKind() == "ParentAccount" {
		note = fmt.Sprintf(", with endpoint: %s and, to see drift soon, resyncInterval: %s", d.simulator.url, resync)
		err := errors.Join(
			unstructured.SetNestedField(object.Object, d.simulator.url, "spec", "voximplant", "endpoint"),
			unstructured.SetNestedField(object.Object, resync, "spec", "resyncInterval"))
		if err != nil {
			return err
		}
	}
	err := d.cluster.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("demo"))
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", object.GetKind(), object.GetName(), samples, err)
	}
	fmt.Fprintf(d.out, "applied %s %s%s\n", object.GetKind(), object.GetName(), note)
	return nil
}

// readSamples reads what the kustomization names, in its order: the parent comes first.
func readSamples() ([]*unstructured.Unstructured, error) {
	list, err := readYAML[struct{ Resources []string }](filepath.Join(samples, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range list[0].Resources {
		more, err := readYAML[map[string]any](filepath.Join(samples, file))
		if err != nil {
			return nil, err
		}
		for _, object := range more {
			objects = append(objects, &unstructured.Unstructured{Object: object})
		}
	}
	return objects, nil
}

// readYAML reads all documents of a file.
func readYAML[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data))
	var documents []T
	for {
		var document T
		if err := decoder.Decode(&document); err == io.EOF {
			return documents, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		documents = append(documents, document)
	}
}
