// Command demo shows the operator at work on one machine: a control plane without nodes, the simulated provider, the
// operator, the samples, and a change behind the operator's back that it corrects. It stays up until it is interrupted;
// with ONCE=1 in the environment it ends when all has been shown, and fails when something did not happen.
//
// make run starts it, from the top of the checkout.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// dir is where the demo keeps its files: the kubeconfig, the simulator's credentials, the logs.
const dir = "bin/demo"

// patience is how long the resources may take to be ready, and the operator to correct the drift.
const patience = time.Minute

// errInterrupted is why the demo ends when somebody ends it.
var errInterrupted = errors.New("interrupted")

func main() {
	operator := flag.String("operator", "bin/child-account-operator", "the operator's binary")
	flag.Parse()
	once := os.Getenv("ONCE")
	d := &demo{operator: *operator, once: once != "" && once != "0"}
	os.Exit(d.main())
}

// demo is what is running.
type demo struct {
	operator string
	once     bool

	// end ends the demo, for a reason: somebody's wish or a process that died.
	end   context.CancelCauseFunc
	out   io.Writer
	stops []stopper

	cluster   *cluster
	simulator *simulator
	table     *table
}

// stopper stops something that the demo started.
type stopper struct {
	what string
	stop func() error
}

// main runs the demo and returns the exit status. Whatever happens, all that was started is stopped.
func (d *demo) main() int {
	unlock, err := lock()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	defer unlock()
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	d.end = end
	d.out = &output{to: os.Stdout, end: end}
	d.table = newTable(d.out, isTerminal(os.Stdout))
	endOnSignals(end)
	endWithParent(end)

	err = d.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // rather than what came of it
	}
	return d.status(err)
}

// run runs the demo and stops all that it started, even after a panic.
func (d *demo) run(ctx context.Context) error {
	for _, log := range []string{clusterLog, simulatorLog, operatorLog} {
		_ = os.Remove(log) // of an earlier demo
	}
	defer d.stop()
	err := d.show(ctx)
	switch {
	case errors.Is(context.Cause(ctx), errInterrupted):
		fmt.Fprintln(d.out) // the terminal's ^C stands there
	case err != nil:
		explain(cmp.Or(context.Cause(ctx), err)) // a process that died is the cause of other errors
	}
	return err
}

// show goes through the demo step by step.
func (d *demo) show(ctx context.Context) error {
	steps := []func(context.Context) error{d.startCluster, d.startSimulator, d.startOperator, d.applySamples, d.awaitReady, d.showDrift}
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

// status is the exit status. An interruption is how the demo ends, unless it was to be shown once and wasn't.
func (d *demo) status(err error) int {
	switch {
	case err == nil, errors.Is(err, errInterrupted) && !d.once:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "demo: interrupted before all was shown")
	}
	return 1
}

// stop stops what was started, the last first.
func (d *demo) stop() {
	for len(d.stops) > 0 {
		last := d.stops[len(d.stops)-1]
		d.stops = d.stops[:len(d.stops)-1]
		done := d.step("stopping the " + last.what)
		if err := last.stop(); err != nil {
			fmt.Fprintf(d.out, "%v ", err)
		}
		done()
	}
}

// step says what is being done; the function that it returns says how long it took.
func (d *demo) step(what string) (done func()) {
	start := time.Now()
	fmt.Fprintf(d.out, "%s … ", what)
	return func() { fmt.Fprintf(d.out, "%.1f s\n", time.Since(start).Seconds()) }
}

// trouble is an error of which a log may know more.
type trouble struct {
	error
	log string
}

func (t trouble) Unwrap() error { return t.error }

// explain says why the demo failed.
func explain(err error) {
	log := operatorLog
	if t, ok := errors.AsType[trouble](err); ok {
		log = t.log
	}
	fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
	if lines := tail(log, 20); lines != "" {
		fmt.Fprintf(os.Stderr, "\nthe end of %s:\n%s\n\n", log, lines)
	}
}

// endOnSignals ends the demo in good order when it is told to. More than one signal changes nothing: stopping is bounded.
func endOnSignals(end context.CancelCauseFunc) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		<-told
		end(errInterrupted)
	}()
	// Without this, writing to a closed pipe (make run | head) would kill the demo, and leave its children behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// endWithParent ends the demo when the process that started it is gone: go run passes no SIGTERM on.
func endWithParent(end context.CancelCauseFunc) {
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(time.Second)
		}
		end(errInterrupted)
	}()
}

// output ends the demo when nobody reads it any more.
type output struct {
	to  io.Writer
	end context.CancelCauseFunc
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.end(errInterrupted)
	}
	return n, err
}

// lock makes sure that one demo at a time uses the directory. The lock goes with the process.
func lock() (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another demo is running in this checkout (%s is locked)", file.Name())
	}
	return func() { _ = file.Close() }, nil
}

// poll asks again and again until it is done, fails, or the context ends; then it says why that was.
func poll(ctx context.Context, every time.Duration, ask func() (done bool, err error)) error {
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
