package stack

import (
	"bytes"
	"cmp"
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

// Process is a program that the stack runs.
type Process struct {
	cmd      *exec.Cmd
	stopping atomic.Bool
	ended    chan struct{}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Start starts a program; what it writes goes to the log. If it ends by itself, so does ours.
func (s *Stack) Start(what, log string, env []string, name string, args ...string) (*Process, error) {
	file, err := os.Create(s.Path(log))
	if err != nil {
		return nil, err
	}
	defer file.Close() // the process has its own
	p := &Process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = file, file, append(os.Environ(), env...)
	// A group of its own, so that Ctrl-C in a terminal reaches our program alone, which then stops all in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("can't start the %s: %w", what, err)
	}
	s.stops = append(s.stops, stopper{what, p.Stop, p.ended})
	go func() {
		_ = p.cmd.Wait() // the state says it too
		if !p.stopping.Load() {
			s.end(Trouble{fmt.Errorf("the %s has ended unexpectedly: %s", what, p.cmd.ProcessState), log})
		}
		close(p.ended)
	}()
	return p, nil
}

// Stop tells the process to end, and kills it if it doesn't. Stopping it again does nothing.
func (p *Process) Stop() error {
	p.stopping.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return fmt.Errorf("killed: it did not end within %s", stopTimeout)
}

// tail returns the last lines of a file, "" if there are none.
func tail(path string, lines int) string {
	data, _ := os.ReadFile(path) // there may be none yet
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// StartOperator starts the operator, which talks to these endpoints alone, with further flags.
func (s *Stack) StartOperator(kubeconfig string, endpoints []string, flags ...string) (*Process, error) {
	args := append([]string{"manager", "--metrics-bind-address", "0", "--health-probe-bind-address", "0"}, flags...)
	for _, endpoint := range endpoints {
		args = append(args, "--allowed-endpoints", endpoint)
	}
	p, err := s.Start("operator", OperatorLog, []string{"KUBECONFIG=" + kubeconfig}, cmp.Or(s.Operator, s.Binary), args...)
	if err == nil {
		fmt.Fprintf(s.Out, "started the operator, log in %s\n", s.Path(OperatorLog))
	}
	return p, err
}
