package testenv

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// TakesLong has a spec run before others, so that no process is left with it at the end.
const TakesLong = SpecPriority(1)

// What a process of a suite has.
var (
	// Config is an admin's, of the control plane that the running spec has.
	Config *rest.Config
	// Kubeconfig is for processes beside the operator.
	Kubeconfig []byte
	// K8s is a client with Config, which knows the operator's kinds.
	K8s client.Client
	// SigningKey is the key of the service accounts of all simulators.
	SigningKey *rsa.PrivateKey
	// ProviderServer is the address of whichever simulator the running spec has; ProviderHandler answers there.
	ProviderServer  *httptest.Server
	ProviderHandler atomic.Pointer[http.Handler]
	// Logs is everything that the operator has logged so far, at the debug level.
	Logs = &SyncBuffer{}
)

// SuiteTimeout is how long StartSuite may take.
const SuiteTimeout = NodeTimeout(3 * time.Minute)

// RunSuite runs the specs of the package under test.
func RunSuite(t *testing.T, name string) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)                    // a machine may have much else to do
	SetDefaultEventuallyPollingInterval(150 * time.Millisecond) // a poll is mostly a read, which costs a busy machine more than the wait
	SetDefaultConsistentlyDuration(500 * time.Millisecond)
	RunSpecs(t, name)
}

// StartSuite starts a control plane with what config/default has in it, and a provider. Specs may run in several processes at
// one time (make test has them so): each process has its own, they share nothing. Suites that run one after another may be given
// control planes that are there before and stay.
func StartSuite(ctx SpecContext) {
	ctrl.SetLogger(zap.New(zap.WriteTo(Logs), zap.UseDevMode(false), zap.Level(zapDebug)))
	if given := os.Getenv(givenControlPlanes); given != "" {
		useControlPlane(filepath.Join(given, strconv.Itoa(GinkgoParallelProcess())))
	} else {
		startControlPlane()
	}
	DeployDefault(ctx)

	var err error
	SigningKey, err = rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	ProviderServer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*ProviderHandler.Load()).ServeHTTP(w, r)
	}))
	DeferCleanup(ProviderServer.Close)
}

// givenControlPlanes in the environment is a folder with a kubeconfig for each process, by its number from 1 on: hack/testplanes
// writes them.
const givenControlPlanes = "TESTENV_KUBECONFIGS"

// useControlPlane waits for the kubeconfig of a control plane that somebody else starts, and uses that for all that follows.
func useControlPlane(file string) {
	GinkgoHelper()
	Eventually(func() (err error) {
		Kubeconfig, err = os.ReadFile(file)
		return err
	}).WithTimeout(controlPlanePatience).Should(Succeed())
	var err error
	Config, err = clientcmd.RESTConfigFromKubeConfig(Kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	K8s, err = adminClient(Config)
	Expect(err).NotTo(HaveOccurred())
}

// startControlPlane starts a control plane until the clean-up, for all that follows.
func startControlPlane() {
	GinkgoHelper()
	control := ControlPlane()
	DeferCleanup(control.Stop)
	var err error
	Config, K8s, err = StartControlPlane(control)
	Expect(err).NotTo(HaveOccurred())
	Kubeconfig = control.KubeConfig
}

// StartOwnControlPlane is for specs that change what is the whole cluster's. The suite's control plane is back after them.
func StartOwnControlPlane() {
	GinkgoHelper()
	suiteConfig, suiteKubeconfig, suiteClient := Config, Kubeconfig, K8s
	DeferCleanup(func() { Config, Kubeconfig, K8s = suiteConfig, suiteKubeconfig, suiteClient })
	startControlPlane()
}
