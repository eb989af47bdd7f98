// Command demo shows the operator at work on one machine: a control plane without nodes, the simulated provider, the
// operator, the samples, and a change behind the operator's back that it corrects. It stays up until it is interrupted;
// with ONCE=1 in the environment it ends when all has been shown, and fails when something did not happen.
//
// make run starts it, from the top of the checkout.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// patience is how long the resources may take to be ready, and the operator to correct the drift.
const patience = time.Minute

func main() {
	operator := flag.String("operator", "bin/child-account-operator", "the operator's binary")
	flag.Parse()
	once := os.Getenv("ONCE")
	d := &demo{once: once != "" && once != "0"}
	os.Exit(d.status(stack.Run("demo", *operator, d.show)))
}

// demo is what is running.
type demo struct {
	once bool

	stack     *stack.Stack
	out       io.Writer
	cluster   *stack.Cluster
	simulator *stack.Simulator
	table     *table
}

// show goes through the demo step by step.
func (d *demo) show(ctx context.Context, s *stack.Stack) error {
	d.stack, d.out, d.table = s, s.Out, newTable(s.Out, isTerminal(os.Stdout))
	steps := []func(context.Context) error{d.start, d.applySamples, d.awaitReady, d.awaitSubAccounts, d.showDrift}
	if !d.once {
		steps = append(steps, d.stayUp)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts all that runs.
func (d *demo) start(ctx context.Context) (err error) {
	if d.cluster, err = d.stack.StartCluster(ctx, nil); err != nil {
		return err
	}
	if d.simulator, err = d.stack.StartSimulator(ctx); err != nil {
		return err
	}
	_, err = d.stack.StartOperator(d.cluster.Kubeconfig, []string{d.simulator.URL})
	return err
}

// status is the exit status. An interruption is how the demo ends, unless it was to be shown once and wasn't.
func (d *demo) status(err error) int {
	switch {
	case err == nil, errors.Is(err, stack.ErrInterrupted) && !d.once:
		return 0
	case errors.Is(err, stack.ErrInterrupted):
		fmt.Fprintln(os.Stderr, "demo: interrupted before all was shown")
	}
	return 1
}
