package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"cpaas.dev/child-account-operator/internal/testenv"
)

// controllerManager is a real kube-controller-manager beside the control plane: it empties namespaces that go and
// collects garbage, and does nothing else.
type controllerManager struct{ session *gexec.Session }

// startControllerManager runs one until the container of specs is through. Only without TEST_ALL are its specs skipped.
func startControllerManager() *controllerManager {
	GinkgoHelper()
	if os.Getenv("TEST_ALL") == "" {
		Skip("needs a kube-controller-manager: make test-all")
	}
	binary := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager")
	Expect(binary).To(BeARegularFile(), "KUBEBUILDER_ASSETS must hold a kube-controller-manager (make sets it with TEST_ALL=1): hack/controlplane/assets --with controller-manager")
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(path, testenv.Kubeconfig, 0o600)).To(Succeed())
	session, err := gexec.Start(exec.Command(binary,
		"--kubeconfig="+path,
		"--controllers=namespace-controller,garbage-collector-controller",
		"--leader-elect=false",
		"--secure-port=0", "--bind-address=127.0.0.1",
		"--kube-api-qps=200", "--kube-api-burst=400",
	), GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	m := &controllerManager{session}
	DeferCleanup(m.stop)
	return m
}

// freeze stops it where it is until it is thawed, at the spec's end at the latest: so what goes goes in the spec's order.
func (m *controllerManager) freeze() {
	m.session.Signal(syscall.SIGSTOP)
	DeferCleanup(m.thaw)
}

func (m *controllerManager) thaw() { m.session.Signal(syscall.SIGCONT) }

func (m *controllerManager) stop() {
	Expect(m.session).NotTo(gexec.Exit(), "the kube-controller-manager has ended by itself")
	m.session.Terminate()
	Eventually(m.session).WithTimeout(testenv.Patience).Should(gexec.Exit())
}
