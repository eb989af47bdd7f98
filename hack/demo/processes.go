package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end before it is killed.
const stopTimeout = 20 * time.Second

// process is a program that the demo started.
type process struct {
	cmd      *exec.Cmd
	stopping atomic.Bool
	ended    chan struct{}
}

// start starts a program; what it writes goes to the log. If it ends by itself, so does the demo.
func (d *demo) start(what, log string, env []string, name string, args ...string) error {
	file, err := os.Create(log)
	if err != nil {
		return err
	}
	defer file.Close() // the process has its own
	p := &process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = file, file, append(os.Environ(), env...)
	// A group of its own, so that Ctrl-C in a terminal reaches the demo alone, which then stops all in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("can't start the %s: %w", what, err)
	}
	d.stops = append(d.stops, stopper{what, p.stop})
	go func() {
		_ = p.cmd.Wait() // the state says it too
		if !p.stopping.Load() {
			d.end(trouble{fmt.Errorf("the %s has ended unexpectedly: %s", what, p.cmd.ProcessState), log})
		}
		close(p.ended)
	}()
	return nil
}

// stop tells the process to end, and kills it if it doesn't.
func (p *process) stop() error {
	p.stopping.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return fmt.Errorf("killed: it did not end within %s.", stopTimeout)
}

// tail returns the last lines of a file, "" if there are none.
func tail(path string, lines int) string {
	data, _ := os.ReadFile(path) // there may be none yet
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

const operatorLog = dir + "/operator.log"

// startOperator starts the operator, which talks to the simulator alone.
func (d *demo) startOperator(context.Context) error {
	err := d.start("operator", operatorLog, []string{"KUBECONFIG=" + d.cluster.kubeconfig}, d.operator, "manager",
		"--allowed-endpoints", d.simulator.url, "--metrics-bind-address", "0", "--health-probe-bind-address", "0")
	if err == nil {
		fmt.Fprintf(d.out, "started the operator, log in %s\n", operatorLog)
	}
	return err
}
