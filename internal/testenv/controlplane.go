package testenv

import (
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"cpaas.dev/child-account-operator/internal/cli"
)

// controlPlanePatience is how long a control plane may take to start or stop on a machine that has much else to do.
const controlPlanePatience = 2 * time.Minute

// uncached are kinds that no test watches: a cache of each, with its watch of etcd and its timers, would be made at the start and be
// kept up to date for nothing. All of them are served as ever.
var uncached = []string{
	"configmaps", "endpoints", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "replicationcontrollers", "services",
	"controllerrevisions.apps", "daemonsets.apps", "deployments.apps", "replicasets.apps", "statefulsets.apps",
	"horizontalpodautoscalers.autoscaling", "cronjobs.batch", "jobs.batch", "certificatesigningrequests.certificates.k8s.io",
	"leases.coordination.k8s.io", "endpointslices.discovery.k8s.io", "poddisruptionbudgets.policy", "runtimeclasses.node.k8s.io",
	"ingresses.networking.k8s.io", "ipaddresses.networking.k8s.io", "networkpolicies.networking.k8s.io", "servicecidrs.networking.k8s.io",
	"deviceclasses.resource.k8s.io", "resourceclaims.resource.k8s.io", "resourceclaimtemplates.resource.k8s.io", "resourceslices.resource.k8s.io",
	"csidrivers.storage.k8s.io", "csinodes.storage.k8s.io", "csistoragecapacities.storage.k8s.io", "volumeattachments.storage.k8s.io",
	"volumeattributesclasses.storage.k8s.io",
}

// ControlPlane is an etcd and a kube-apiserver that are not started yet, with the operator's CRDs. Who starts it stops it.
func ControlPlane() *envtest.Environment {
	e := &envtest.Environment{
		CRDDirectoryPaths:        []string{InTree("config/crd/bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: controlPlanePatience,
		ControlPlaneStopTimeout:  controlPlanePatience,
	}
	// What follows saves what nobody here needs: a tenth of what a start computes, and a quarter of what is computed at rest.
	e.ControlPlane.GetAPIServer().Configure().
		Set("watch-cache-sizes", strings.Join(uncached, "#0,")+"#0").
		Set("etcd-count-metric-poll-period", "0").
		Set("etcd-db-metric-poll-interval", "0")
	return e
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
	return client.New(config, client.Options{Scheme: cli.Scheme()})
}
