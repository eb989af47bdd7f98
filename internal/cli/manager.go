package cli

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/controllers"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// ManagerOptions are the flags of the manager.
type ManagerOptions struct {
	// MetricsAddress and ProbeAddress are where metrics and probes are served; "0" serves none.
	MetricsAddress, ProbeAddress string
	// MetricsSecure serves metrics over HTTPS, to those alone who may read them.
	MetricsSecure bool
	// MetricsCertPath is the directory of the certificate that metrics are served with, MetricsCertName and MetricsCertKey
	// are its files; "" is for a self-signed one.
	MetricsCertPath, MetricsCertName, MetricsCertKey string
	// LeaderElect lets several replicas agree on one that works.
	LeaderElect bool
	// LeaderElectionNamespace is where they do so; "" is the pod's own namespace.
	LeaderElectionNamespace string
	// Namespaces are those that are looked after; nil: all.
	Namespaces []string
	// ParentSelector picks the ParentAccounts that this operator works for by their labels; "" picks all.
	ParentSelector string
	// AllowedEndpoints are the API addresses that ParentAccounts may name.
	AllowedEndpoints []string
	// InstallationID tells the claims of this installation from others'; "" takes the UID of the namespace kube-system.
	InstallationID string
	// Clock is the time; nil is the real one.
	Clock clock.Clock
	// SkipNameValidation lets tests start several managers in one process.
	SkipNameValidation bool
	// HTTP2 are the settings of HTTP/2 connections to the provider; nil: those of voximplant.NewTransport. Tests shorten the
	// time-outs of pings.
	HTTP2 *http.HTTP2Config
	// ChildConcurrency is how many ChildAccounts are reconciled at one time; 0 is childConcurrency. Tests have few.
	ChildConcurrency int
}

const (
	// childConcurrency is how many ChildAccounts are reconciled at one time. A reconcile mostly waits: for the provider
	// (whose budget bounds it), for others that change the same (so it must be more than a batch has), for the API server.
	// Each parent has a part of them only, so that a slow one leaves room for the others.
	childConcurrency = 512
	// parentConcurrency is how many ParentAccounts are reconciled at one time.
	parentConcurrency = 32
	// gracefulShutdown is longer than a write to the provider may take (voximplant.DefaultTimeout), so that none is
	// left without its answer. A pod needs a terminationGracePeriodSeconds above it.
	gracefulShutdown = 45 * time.Second
	// unpaced leaves the pacing to the API server's own priority and fairness.
	unpaced = -1
)

func newManagerCommand() *cobra.Command {
	o := ManagerOptions{}
	logging := zap.Options{}
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Run the operator (the default)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging), zap.WriteTo(cmd.ErrOrStderr())))
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("no Kubernetes to talk to: %w", err)
			}
			return RunManager(cmd.Context(), config, o)
		},
	}
	f := cmd.Flags()
	o.BindFlags(f)
	goFlags := flag.NewFlagSet("", flag.ContinueOnError)
	logging.BindFlags(goFlags)
	if kubeconfig := flag.Lookup("kubeconfig"); kubeconfig != nil {
		goFlags.Var(kubeconfig.Value, kubeconfig.Name, kubeconfig.Usage)
	}
	f.AddGoFlagSet(goFlags)
	return cmd
}

// BindFlags adds the manager's flags, with their defaults.
func (o *ManagerOptions) BindFlags(f *pflag.FlagSet) {
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", "0", "where metrics are served, as host:port; 0 serves none")
	f.BoolVar(&o.MetricsSecure, "metrics-secure", true, "serve metrics over HTTPS, and only to those whom the API server lets get /metrics; =false: plain HTTP, to everybody")
	f.StringVar(&o.MetricsCertPath, "metrics-cert-path", "", "directory of the certificate for metrics, which may be renewed there (default: a self-signed one)")
	f.StringVar(&o.MetricsCertName, "metrics-cert-name", "tls.crt", "its file in that directory")
	f.StringVar(&o.MetricsCertKey, "metrics-cert-key", "tls.key", "the file of its key in that directory")
	f.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served; 0 serves none")
	f.BoolVar(&o.LeaderElect, "leader-elect", false, "let several replicas agree on one that works")
	f.StringSliceVar(&o.Namespaces, "namespaces", nil, "look after these namespaces only; repeatable, or separated by commas; needs --installation-id (default: all)")
	f.StringVar(&o.ParentSelector, "parent-selector", "", "work only for the ParentAccounts with these labels, and their children: team=a; several operators side by side share the work so (default: all)")
	f.StringArrayVar(&o.AllowedEndpoints, "allowed-endpoints", []string{v1alpha1.DefaultVoximplantEndpoint}, "an API address that ParentAccounts may name; repeatable; plain http only where given so")
	f.StringVar(&o.InstallationID, "installation-id", "", "tells the claims of this installation from others'; keep it when a cluster is rebuilt (default: the UID of the namespace kube-system)")
}

// NewScheme knows the kinds that the operator works with.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// RunManager runs the operator until ctx ends.
func RunManager(ctx context.Context, config *rest.Config, o ManagerOptions) error {
	endpoints, err := checkEndpoints(o.AllowedEndpoints)
	if err != nil {
		return err
	}
	o.AllowedEndpoints = endpoints
	if err := checkNamespaces(o); err != nil {
		return err
	}
	mgr, err := newManager(config, o)
	if err != nil {
		return err
	}
	if err := setup(ctx, mgr, o); err != nil {
		return err
	}
	if err := warm(ctx, mgr.GetCache(), o); err != nil {
		return err
	}
	if err := mgr.Add(leaderOrNot(boundGarbage)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// leaderOrNot runs with the manager, on replicas that stand by too.
type leaderOrNot func(context.Context) error

// Start implements manager.Runnable.
func (f leaderOrNot) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (leaderOrNot) NeedLeaderElection() bool { return false }

func newManager(config *rest.Config, o ManagerOptions) (ctrl.Manager, error) {
	metrics, err := metricsOptions(o)
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = unpaced
	config.UserAgent = secrets.FieldManager + "/" + version // the API server takes the field manager from it
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        NewScheme(),
		Metrics:                       metrics,
		HealthProbeBindAddress:        o.ProbeAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              "child-account-operator.cpaas.dev",
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       ptr.To(gracefulShutdown),
		Cache:                         cacheOptions(o.Namespaces),
		Controller:                    ctrlconfig.Controller{SkipNameValidation: &o.SkipNameValidation},
	})
	if err != nil {
		return nil, err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return mgr, mgr.AddReadyzCheck("ping", healthz.Ping)
}

// cacheOptions let the cache see only those Secrets that people marked for the operator.
func cacheOptions(namespaces []string) cache.Options {
	input := labels.SelectorFromSet(labels.Set{v1alpha1.LabelInput: "true"})
	return cache.Options{
		DefaultNamespaces: only(namespaces),
		DefaultTransform:  stripped,
		ByObject:          map[client.Object]cache.ByObject{&corev1.Secret{}: {Label: input}},
	}
}

func setup(ctx context.Context, mgr ctrl.Manager, o ManagerOptions) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.InstallationID == "" {
		id, err := clusterID(ctx, mgr.GetAPIReader())
		if err != nil {
			return err
		}
		o.InstallationID = id
	}
	if !account.PlainWord(o.InstallationID) {
		return fmt.Errorf("--installation-id %q: give at most 253 visible characters, without blanks", o.InstallationID)
	}
	if err := controllers.Index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	parents := &directory.Registry{}
	(&controllers.Gauges{Cache: mgr.GetClient(), Parents: parents, Clock: o.Clock}).Show()
	recorder := conditions.NewEventRecorder(mgr.GetEventRecorder("child-account-operator"))
	connections, err := connectionSecrets(ctx, mgr, o.Namespaces)
	if err != nil {
		return err
	}
	var namespaces client.Reader = mgr.GetClient()
	if o.Namespaces != nil { // with the rights of some namespaces, none can be watched; each can be read
		namespaces = mgr.GetAPIReader()
	}
	share, err := labels.Parse(o.ParentSelector)
	if err != nil {
		return fmt.Errorf("--parent-selector: %w", err)
	}
	inputs := secrets.Reader{Labelled: mgr.GetClient(), Live: mgr.GetAPIReader()}
	children := &controllers.ChildAccountReconciler{
		ConnectionSecrets: connections,
		Client:            mgr.GetClient(),
		Connections:       secrets.Store{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Others: connections.Others},
		Inputs:            inputs,
		Namespaces:        namespaces,
		WatchNamespaces:   o.Namespaces == nil,
		Only:              o.Namespaces,
		Share:             share,
		Parents:           parents,
		Recorder:          recorder,
		Clock:             o.Clock,
		Installation:      o.InstallationID,
		Concurrency:       cmp.Or(o.ChildConcurrency, childConcurrency),
	}
	if err := children.SetupWithManager(mgr); err != nil {
		return err
	}
	return (&controllers.ParentAccountReconciler{
		Client:           mgr.GetClient(),
		Secrets:          inputs,
		Parents:          parents,
		Children:         children,
		Providers:        providers(o.Clock, o.transports()),
		AllowedEndpoints: o.AllowedEndpoints,
		Recorder:         recorder,
		Clock:            o.Clock,
		Concurrency:      parentConcurrency,
	}).SetupWithManager(mgr)
}

// connectionSecrets is a cache beside the manager's, of the metadata of connection Secrets: a cache takes one selector a
// kind, and the manager's sees the input Secrets.
func connectionSecrets(ctx context.Context, mgr ctrl.Manager, namespaces []string) (*secrets.Watched, error) {
	connection := labels.SelectorFromSet(labels.Set{v1alpha1.LabelConnection: "true"})
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient:        mgr.GetHTTPClient(),
		Scheme:            mgr.GetScheme(),
		Mapper:            mgr.GetRESTMapper(),
		DefaultNamespaces: only(namespaces),
		ByObject:          map[client.Object]cache.ByObject{secrets.Metadata(): {Label: connection, Transform: secrets.SlimMetadata()}},
	})
	if err != nil {
		return nil, err
	}
	watched := &secrets.Watched{Cache: c, DefaultName: controllers.DefaultSecretName}
	if err := watched.Index(ctx); err != nil {
		return nil, err
	}
	return watched, mgr.Add(leaderOrNot(c.Start))
}

// warm has what the controllers watch read by a replica that stands by, too: else some would be only when it leads.
func warm(ctx context.Context, c cache.Cache, o ManagerOptions) error {
	kinds := []client.Object{&v1alpha1.ParentAccount{}, &v1alpha1.ChildAccount{}, &corev1.Secret{}}
	if o.Namespaces == nil {
		kinds = append(kinds, controllers.NamespaceMetadata())
	}
	for _, kind := range kinds {
		if _, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return err
		}
	}
	return nil
}

// providers are those that there are, by the names that the kinds give them. Connections share one transport for each bundle of
// authorities.
func providers(c clock.Clock, shared *transports) provider.Registry {
	return provider.Registry{
		v1alpha1.ProviderVoximplant: connectVoximplant(shared, c),
	}
}

func connectVoximplant(shared *transports, c clock.Clock) provider.Connect {
	return func(conn provider.Connection) (provider.Parent, error) {
		transport, err := shared.trusting(conn.CABundle)
		if err != nil {
			return nil, err
		}
		credentials, err := voximplant.ParseCredentials(conn.Credentials)
		if err != nil {
			return nil, err
		}
		return voximplant.New(voximplant.Config{
			Endpoint:     conn.Endpoint,
			Credentials:  credentials,
			ParentAPIKey: conn.APIKey,
			Transport:    transport,
			Clock:        c.Now,
			Gate:         conn.Gate.Acquire,
			Observe: func(method string, took time.Duration, failed *account.Error) {
				conn.Gate.Learn(failed)
				metrics.Called(method, took, failed)
			},
			UserAgent: secrets.FieldManager + "/" + version,
		})
	}
}

// clusterID is the UID of the namespace kube-system, by which a cluster is commonly known.
func clusterID(ctx context.Context, reader client.Reader) (string, error) {
	var ns corev1.Namespace
	if err := reader.Get(ctx, client.ObjectKey{Name: "kube-system"}, &ns); err != nil {
		return "", fmt.Errorf("can't read the UID of namespace kube-system (give --installation-id instead): %w", err)
	}
	return string(ns.UID), nil
}

// checkEndpoints returns the allowed endpoints in the spelling that ParentAccount.Endpoint has, or says which is none.
// An error does not repeat one that may hold a password.
func checkEndpoints(endpoints []string) ([]string, error) {
	var out []string
	for i, e := range endpoints {
		endpoint := strings.ToLower(strings.TrimRight(e, "/"))
		u, err := url.Parse(endpoint)
		if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || endpoint != u.Scheme+"://"+u.Host || strings.HasSuffix(u.Host, ":") {
			shown := fmt.Sprintf("%q", e)
			if strings.Contains(e, "@") {
				shown = fmt.Sprintf("number %d", i+1)
			}
			return nil, fmt.Errorf("--allowed-endpoints %s: give scheme and host and nothing else, like %s", shown, v1alpha1.DefaultVoximplantEndpoint)
		}
		out = append(out, endpoint)
	}
	return out, nil
}
