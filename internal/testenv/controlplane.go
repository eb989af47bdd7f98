package testenv

import (
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"cpaas.dev/child-account-operator/internal/cli"
)

// controlPlanePatience is how long a control plane may take to start or stop on a machine that has much else to do.
const controlPlanePatience = 2 * time.Minute

// ControlPlane is an etcd and a kube-apiserver that are not started yet, with the operator's CRDs. Who starts it stops it.
func ControlPlane() *envtest.Environment {
	return &envtest.Environment{
		CRDDirectoryPaths:        []string{InTree("config/crd/bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: controlPlanePatience,
		ControlPlaneStopTimeout:  controlPlanePatience,
	}
}

// StartControlPlane starts it and returns an admin's configuration, and a client with it that knows the operator's kinds.
func StartControlPlane(control *envtest.Environment) (*rest.Config, client.Client, error) {
	config, err := control.Start()
	if err != nil {
		return nil, nil, err
	}
	k8s, err := adminClient(config)
	return config, k8s, err
}

// adminClient is a client that knows the operator's kinds. It lifts the configuration's limit of requests a second.
func adminClient(config *rest.Config) (client.Client, error) {
	config.QPS, config.Burst = 1000, 2000
	return client.New(config, client.Options{Scheme: cli.NewScheme()})
}
