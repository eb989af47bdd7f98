package starttest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/testenv"
)

const (
	// beOperator in the environment makes the operator of this test's binary.
	beOperator = "STARTTEST_BE_OPERATOR"
	// leaseNamespace has the namespace of the lease, which outside of a pod no flag can name.
	leaseNamespace = "STARTTEST_LEASE_NAMESPACE"
	// operatorNamespace is where the operators' ServiceAccounts and their lease are.
	operatorNamespace = "operators"
	// atOnce is how many tests run at one time. Mostly they wait.
	atOnce = "8"
	// patience is for what has to happen on a busy machine; the longest pause between two tries is 18 seconds.
	patience = 90 * time.Second
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(beOperator) == "":
		ctrl.SetLogger(logr.Discard())
		flag.Parse()
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	case os.Getenv(leaseNamespace) == "":
		os.Exit(cli.Main(os.Args[1:]))
	}
	os.Exit(runReplica(os.Args[2:]))
}

// runReplica is cli.Main for one replica of several.
func runReplica(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	o := cli.ManagerOptions{LeaderElectionNamespace: os.Getenv(leaseNamespace)}
	f := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	o.BindFlags(f)
	err := f.Parse(args)
	if err == nil {
		err = cli.RunManager(ctx, ctrl.GetConfigOrDie(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return 0
}

// cluster is a control plane whose API server can be restarted.
type cluster struct {
	control *envtest.Environment
	config  *rest.Config
	k8s     client.Client
}

// startCluster starts one without the operator's kinds.
func startCluster(t *testing.T) *cluster {
	g := NewWithT(t)
	c := &cluster{control: testenv.ControlPlane()}
	c.control.CRDDirectoryPaths, c.control.ControlPlaneStopTimeout = nil, time.Second
	c.control.ControlPlane.GetAPIServer().CertDir = t.TempDir() // it outlives a restart
	t.Cleanup(func() { _ = c.control.Stop() })
	var err error
	c.config, c.k8s, err = testenv.StartControlPlane(c.control)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.k8s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}})).To(Succeed())
	c.installRoles(t)
	return c
}

// installKinds installs the operator's CRDs.
func (c *cluster) installKinds(t *testing.T) {
	_, err := envtest.InstallCRDs(c.config, envtest.CRDInstallOptions{Paths: []string{testenv.InTree("config/crd/bases")}, ErrorIfPathMissing: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// restart stops the API server and starts it anew, at the same port and upon the same etcd.
func (c *cluster) restart(t *testing.T) {
	server := c.control.ControlPlane.GetAPIServer()
	_ = server.Stop() // one that does not end in time is killed
	NewWithT(t).Eventually(server.Start).WithTimeout(3*time.Minute).Should(Succeed(), "the API server does not come back")
}

// The subtests share the control plane, which gets the kinds on the way.
func TestStartAndStop(t *testing.T) {
	c := startCluster(t)
	t.Run("without the kinds", c.testKindsInstalledLater)
	c.installKinds(t)
	t.Run("beside each other", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"a namespace that is refused at first":           c.testNamespaceGrantedLater,
			"a namespace that does not exist at first":       c.testNamespaceCreatedLater,
			"a namespace that is lost":                       c.testNamespaceLost,
			"a namespace that is lost quietly":               c.testNamespaceLostQuietly,
			"a namespace that is deleted and recreated":      c.testNamespaceRecreated,
			"a kind of the cluster that is refused at first": c.testKindGrantedLater,
			"replicas": c.testReplicas,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
		c.testStops(t)
		c.testAPIComesLater(t)
	})
	t.Run("a restart of the API server", c.testAPIRestart)
}
