package crashtest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// operator runs the operator, one process after another.
type operator struct {
	kubeconfig string
	lives      lives

	mu      sync.Mutex
	logs    []string
	running *exec.Cmd
	ended   chan struct{}
}

// lives counts the processes of an operator. A connection belongs to the last one that was begun when it was opened.
type lives struct{ begun, ended atomic.Int64 }

// alive says whether a request is that of a process that was not killed.
func (l *lives) alive(r *http.Request) bool { return lifeOf(r) > l.ended.Load() }

// newOperator starts nothing yet.
func newOperator(t *testing.T) *operator {
	return &operator{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
}

// connect has the processes talk to this API server.
func (o *operator) connect(t *testing.T, apiServer string) {
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"front": {Server: apiServer}},
		Contexts:       map[string]*clientcmdapi.Context{"front": {Cluster: "front"}},
		CurrentContext: "front",
	}
	NewWithT(t).Expect(clientcmd.WriteToFile(config, o.kubeconfig)).To(Succeed())
}

// start starts a process. Nothing waits for it to be of use.
func (o *operator) start(flags ...string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lives.ended.Store(o.lives.begun.Load())
	o.lives.begun.Add(1)
	o.logs = append(o.logs, filepath.Join(filepath.Dir(o.kubeconfig), fmt.Sprintf("operator-%d.log", len(o.logs)+1)))
	log, err := os.Create(o.logs[len(o.logs)-1])
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	args := []string{"manager", "--installation-id", installation, "--metrics-bind-address", "0", "--health-probe-bind-address", "0"}
	cmd := exec.Command(os.Args[0], append(args, flags...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), beOperator+"=1", "KUBECONFIG="+o.kubeconfig)
	if _, err := cmd.StdinPipe(); err != nil { // closed with this process
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	o.running, o.ended = cmd, ended
	return nil
}

// logFiles are those of all processes so far.
func (o *operator) logFiles() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.logs)
}

// freeze has the process stand still until thaw.
func (o *operator) freeze() error { return o.signal(syscall.SIGSTOP) }

func (o *operator) thaw() error { return o.signal(syscall.SIGCONT) }

func (o *operator) signal(s os.Signal) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running.Process.Signal(s)
}

// kill kills the process, if there is one, and returns once it is dead.
func (o *operator) kill() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running == nil {
		return nil
	}
	_ = o.running.Process.Kill() // it may have ended
	<-o.ended
	o.running = nil
	o.lives.ended.Store(o.lives.begun.Load())
	return nil
}

// dead is closed once the last process that was started is dead.
func (o *operator) dead() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended
}
