// Command testplanes holds control planes for the suites of hack/test, which come one after another: each has a kube-apiserver and
// an etcd, with the operator's CRDs.
//
//	testplanes FILE...
//
// An admin's kubeconfig of each is written to its file, once it runs. They end with testplanes, on SIGTERM or SIGINT.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"cpaas.dev/child-account-operator/internal/testenv"
)

func main() {
	if err := hold(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testplanes:", err)
		os.Exit(1)
	}
}

func hold(files []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	planes := make([]*envtest.Environment, len(files))
	err := each(planes, func(i int) error {
		planes[i] = testenv.ControlPlane()
		return start(planes[i], files[i])
	})
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, each(planes, func(i int) error { return planes[i].Stop() }))
}

// each does something for all control planes at one time.
func each(planes []*envtest.Environment, do func(i int) error) error {
	var all sync.WaitGroup
	failed := make([]error, len(planes))
	for i := range planes {
		all.Go(func() { failed[i] = do(i) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// start writes the file in one piece: who reads it while it is awaited must not see half of it.
func start(p *envtest.Environment, file string) error {
	if _, err := p.Start(); err != nil {
		return fmt.Errorf("the control plane of %s: %w", file, err)
	}
	if err := os.WriteFile(file+".new", p.KubeConfig, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
