package secrets_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// asOperator is the variable in whose presence the test binary is the operator's own.
const asOperator = "RUN_AS_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(asOperator) != "" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// process is the operator in a process of its own, with all that it writes anywhere.
type process struct {
	cmd     *exec.Cmd
	output  *testenv.SyncBuffer
	metrics string
	ended   chan struct{}
}

// command prepares a command line of the operator.
func command(kubeconfig string, output io.Writer, args ...string) *exec.Cmd {
	GinkgoHelper()
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asOperator+"=1", "KUBECONFIG="+kubeconfig)
	cmd.Stdout, cmd.Stderr = output, output
	return cmd
}

// runOperator runs a command line to its end.
func runOperator(kubeconfig string, args ...string) (status int, output string) {
	GinkgoHelper()
	written := &testenv.SyncBuffer{}
	err := command(kubeconfig, written, args...).Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		Expect(err).NotTo(HaveOccurred())
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return status, written.String()
}

// startProcess starts a command line that does not end by itself.
func startProcess(kubeconfig string, output *testenv.SyncBuffer, args ...string) *process {
	GinkgoHelper()
	p := &process{cmd: command(kubeconfig, output, args...), output: output, ended: make(chan struct{})}
	Expect(p.cmd.Start()).To(Succeed())
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	DeferCleanup(func() {
		p.end(syscall.SIGKILL)
		if written := output.String(); CurrentSpecReport().Failed() {
			GinkgoWriter.Println("The operator wrote:\n" + written[max(0, len(written)-20_000):])
		}
	})
	return p
}

// startManager starts the manager at the debug level, with its metrics served.
func startManager(kubeconfig string, output *testenv.SyncBuffer, args ...string) *process {
	GinkgoHelper()
	metrics := freeport.Reserve(GinkgoT())
	p := startProcess(kubeconfig, output, append([]string{
		"manager", "--zap-log-level=debug", "--health-probe-bind-address=0", "--metrics-bind-address=" + metrics, "--metrics-secure=false",
	}, args...)...)
	p.metrics = fmt.Sprintf("http://%s/metrics", metrics)
	return p
}

// end sends a signal and waits.
func (p *process) end(signal syscall.Signal) {
	GinkgoHelper()
	_ = p.cmd.Process.Signal(signal) // it may have ended
	Eventually(p.ended).WithTimeout(testenv.GracefulStop).Should(BeClosed())
}

// scrape is what the metrics say.
func (p *process) scrape(g Gomega) string {
	resp, err := http.Get(p.metrics)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return string(body)
}

// kubeconfigFile leads to the suite's API server, with the operator's rights.
func kubeconfigFile() string {
	GinkgoHelper()
	c := clientcmdapi.NewConfig()
	c.Clusters["suite"] = &clientcmdapi.Cluster{Server: testenv.Config.Host, CertificateAuthorityData: testenv.Config.CAData}
	c.AuthInfos["suite"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: testenv.Config.CertData, ClientKeyData: testenv.Config.KeyData,
		Impersonate: testenv.OperatorUser, ImpersonateGroups: testenv.ServiceAccountGroups(testenv.OperatorNamespace),
	}
	c.Contexts["suite"] = &clientcmdapi.Context{Cluster: "suite", AuthInfo: "suite"}
	c.CurrentContext = "suite"
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*c, file)).To(Succeed())
	return file
}
