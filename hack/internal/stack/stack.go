// Package stack runs a control plane without nodes, the simulated provider and the operator as processes of this machine:
// for the demo, the bench, and the commands of the documents. All run from the top of a checkout.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ErrInterrupted is why a program ends when somebody ends it.
var ErrInterrupted = errors.New("interrupted")

// Stack is what a program has started, and where it keeps its files.
type Stack struct {
	// Name is the program's.
	Name string
	// Dir has the kubeconfigs, the simulator's credentials, the logs: bin/<name>.
	Dir string
	// Binary is the operator, which is the simulator too.
	Binary string
	// Operator is another binary for the operator alone, "" Binary.
	Operator string
	// Manifests is the checkout whose CRDs are installed: "" is this one.
	Manifests string
	// Out hears what is being done.
	Out io.Writer

	// end ends the program, for a reason: somebody's wish or a process that died.
	end   context.CancelCauseFunc
	stops []stopper
}

// stopper stops something that was started.
type stopper struct {
	what string
	stop func() error
	// over is closed when there is nothing left to stop; nil where that isn't known.
	over <-chan struct{}
}

// Run runs a program's body and returns how it ended; what went wrong has been told by then. Whatever happens, all that
// was started is stopped. The context ends when somebody interrupts the program, or when a process of it dies.
func Run(name, binary string, body func(context.Context, *Stack) error) error {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	s := &Stack{Name: name, Dir: filepath.Join("bin", name), Binary: binary, Out: &output{to: os.Stdout, end: end}, end: end}
	unlock, err := s.lock()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return err
	}
	defer unlock()
	endOnSignals(end)
	endWithParent(end)

	err = s.run(ctx, body)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // rather than what came of it
	}
	return err
}

// run stops all that was started even after a panic.
func (s *Stack) run(ctx context.Context, body func(context.Context, *Stack) error) error {
	for _, what := range []string{ClusterLog, SimulatorLog, OperatorLog} {
		_ = os.Remove(s.Path(what)) // of an earlier time
	}
	defer s.Stop()
	err := body(ctx, s)
	switch {
	case errors.Is(context.Cause(ctx), ErrInterrupted):
		fmt.Fprintln(s.Out) // the terminal's ^C stands there
	case err != nil:
		s.explain(cmp.Or(context.Cause(ctx), err)) // a process that died is the cause of other errors
	}
	return err
}

// The files in a stack's directory.
const (
	// ClusterLog is the control plane's log.
	ClusterLog = "controlplane.log"
	// SimulatorLog is the simulator's.
	SimulatorLog = "simulator.log"
	// OperatorLog is the operator's.
	OperatorLog = "operator.log"
)

// Path is where a file of the stack's is.
func (s *Stack) Path(file string) string { return filepath.Join(s.Dir, file) }

// Stop stops what was started, the last first.
func (s *Stack) Stop() {
	for len(s.stops) > 0 {
		last := s.stops[len(s.stops)-1]
		s.stops = s.stops[:len(s.stops)-1]
		select {
		case <-last.over:
			continue
		default:
		}
		done := s.Step("stopping the " + last.what)
		if err := last.stop(); err != nil {
			fmt.Fprintf(s.Out, "%v ", err)
		}
		done()
	}
}

// Step says what is being done; the function that it returns says how long it took.
func (s *Stack) Step(what string) (done func()) {
	start := time.Now()
	fmt.Fprintf(s.Out, "%s … ", what)
	return func() { fmt.Fprintf(s.Out, "%.1f s\n", time.Since(start).Seconds()) }
}

// Trouble is an error of which a log may know more.
type Trouble struct {
	// Err is what went wrong.
	Err error
	// Log is the log's file, in the stack's directory.
	Log string
}

// Error says what went wrong.
func (t Trouble) Error() string { return t.Err.Error() }

// Unwrap returns what went wrong.
func (t Trouble) Unwrap() error { return t.Err }

// explain says why the program failed.
func (s *Stack) explain(err error) {
	log := OperatorLog
	if t, ok := errors.AsType[Trouble](err); ok {
		log = t.Log
	}
	fmt.Fprintf(os.Stderr, "\n%s: %v\n", s.Name, err)
	if lines := tail(s.Path(log), 20); lines != "" {
		fmt.Fprintf(os.Stderr, "\nthe end of %s:\n%s\n\n", s.Path(log), lines)
	}
}

// Poll asks again and again until it is done, fails, or the context ends; then it says why that was.
func Poll(ctx context.Context, every time.Duration, ask func() (done bool, err error)) error {
	for {
		done, err := ask()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case done || err != nil:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}
