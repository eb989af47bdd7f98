package engine

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/internal/provider"
)

// ReportAddress tells where the calls of a new connection go, where the provider prefers another address than the parent's endpoint: in the
// log, or, where that address is not followed, in an event.
func ReportAddress(ctx context.Context, e *Engine, parent runtime.Object, remote provider.Parent) {
	f, ok := remote.(provider.Follower)
	if !ok {
		return
	}
	switch host, refused := f.Following(); {
	case host != "":
		log.FromContext(ctx).Info("calls go to the address that the provider prefers", "host", host)
	case refused != nil:
		e.Recorder.Eventf(parent, nil, corev1.EventTypeWarning, "APIAddressIgnored", "Connect",
			"calls go to the endpoint, and not to the address that the provider prefers: %s. If the address is right, name it as the endpoint, or set spec.followAPIAddress: false", refused)
	}
}
