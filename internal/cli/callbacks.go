package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/controllers"
	"cpaas.dev/child-account-operator/internal/callback"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// callbackShutdown is for how long requests with callbacks are answered once the operator is told to stop.
const callbackShutdown = 5 * time.Second

// receives says whether callbacks are received.
func (o ManagerOptions) receives() bool { return o.CallbackAddress != "" && o.CallbackAddress != "0" }

// checkCallbacks says what is wrong with the options for callbacks: all that can be known without opening anything.
func checkCallbacks(o ManagerOptions) error {
	cert, key := o.CallbackTLSCertFile, o.CallbackTLSKeyFile
	switch {
	case (cert == "") != (key == ""):
		return errors.New("--callback-tls-cert-file and --callback-tls-key-file belong together: give both, or none to receive callbacks over plain HTTP")
	case cert != "" && !o.receives():
		return errors.New("--callback-tls-cert-file needs --callback-address: give the address at which callbacks are received, such as :8444")
	}
	return nil
}

// serveCallbacks receives callbacks with the manager, from its start on: a replica that does not lead has every sender come again.
func serveCallbacks(ctx context.Context, op *operator, parents *controllers.ParentAccountReconciler) error {
	o := op.options
	if !o.receives() {
		return nil
	}
	log := ctrl.Log.WithName("callbacks")
	var certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	if o.CallbackTLSCertFile != "" {
		watcher, err := certwatcher.New(o.CallbackTLSCertFile, o.CallbackTLSKeyFile)
		if err != nil {
			return fmt.Errorf("--callback-tls-cert-file %s, --callback-tls-key-file %s: %w", o.CallbackTLSCertFile, o.CallbackTLSKeyFile, err)
		}
		if err := op.mgr.Add(watcher); err != nil {
			return err
		}
		certificate = watcher.GetCertificate
	}
	listener, err := callback.Listen(ctx, o.CallbackAddress, certificate)
	if err != nil {
		return fmt.Errorf("--callback-address: %w", err)
	}
	children := op.children
	receiver := callback.New(callback.Config{
		Decode:  voximplant.ParseCallbacks,
		Cache:   op.cache,
		Parents: children.Parents,
		Owner: func(ctx context.Context, parent types.NamespacedName, accountName, accountID string) (*v1alpha1.ChildAccount, error) {
			owner, err := engine.OwnerOf(ctx, children.Engine(), parent, accountName, accountID)
			if owner == nil || err != nil {
				return nil, err
			}
			child, _ := owner.Object().(*v1alpha1.ChildAccount)
			return child, nil
		},
		ReadAccount: func(child *v1alpha1.ChildAccount) { engine.ReadNow(children.Engine(), child) },
		ReadList:    func(parent types.NamespacedName) { controllers.ReadList(parents, parent) },
		Keys:        callback.SecretKeys{Inputs: children.Inputs, Connections: secrets.Store{Live: op.mgr.GetAPIReader()}},
		Recorder:    children.Recorder,
		Clock:       o.Clock,
		Leads:       op.mgr.Elected(),
		Log:         log,
	})
	return op.mgr.Add(&manager.Server{
		Name: "callbacks", Server: callback.NewServer(receiver, log), Listener: listener, ShutdownTimeout: ptr.To(callbackShutdown),
	})
}
