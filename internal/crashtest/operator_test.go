package crashtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// operator runs the operator, one process after another.
type operator struct {
	t          *testing.T
	kubeconfig string
	endpoint   string
	logs       []string

	mu      sync.Mutex // it is killed by whoever sees it at the boundary
	running *exec.Cmd
	ended   chan struct{}
}

// newOperator starts nothing yet.
func newOperator(t *testing.T, apiServer, endpoint string) *operator {
	o := &operator{t: t, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), endpoint: endpoint}
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"front": {Server: apiServer}},
		Contexts:       map[string]*clientcmdapi.Context{"front": {Cluster: "front"}},
		CurrentContext: "front",
	}
	NewWithT(t).Expect(clientcmd.WriteToFile(config, o.kubeconfig)).To(Succeed())
	t.Cleanup(o.kill)
	return o
}

// start starts a process. Nothing waits for it to be of use.
func (o *operator) start() {
	g := NewWithT(o.t)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.logs = append(o.logs, filepath.Join(filepath.Dir(o.kubeconfig), fmt.Sprintf("operator-%d.log", len(o.logs)+1)))
	log, err := os.Create(o.logs[len(o.logs)-1])
	g.Expect(err).NotTo(HaveOccurred())
	defer log.Close() // the process has its own
	cmd := exec.Command(os.Args[0], "manager", "--installation-id", installation, "--allowed-endpoints", o.endpoint, "--metrics-bind-address", "0", "--health-probe-bind-address", "0")
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), beOperator+"=1", "KUBECONFIG="+o.kubeconfig)
	_, err = cmd.StdinPipe() // closed with this process
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmd.Start()).To(Succeed())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	o.running, o.ended = cmd, ended
}

// freeze has the process stand still meanwhile.
func (o *operator) freeze(meanwhile func()) {
	g := NewWithT(o.t)
	g.Expect(o.running.Process.Signal(syscall.SIGSTOP)).To(Succeed())
	defer func() { g.Expect(o.running.Process.Signal(syscall.SIGCONT)).To(Succeed()) }()
	meanwhile()
}

// kill kills the process, if there is one, and returns once it is dead.
func (o *operator) kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running == nil {
		return
	}
	_ = o.running.Process.Kill() // it may have ended
	<-o.ended
	o.running = nil
}
