package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/controllers"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/gauges"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/readings"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/twosms"
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
	// CallbackAddress is where callbacks of the provider are received; "" or "0" receives none. CallbackTLSCertFile and CallbackTLSKeyFile are
	// the certificate that they are received with and its key, "" for plain HTTP.
	CallbackAddress, CallbackTLSCertFile, CallbackTLSKeyFile string
	// LeaderElect lets several replicas agree on one that works.
	LeaderElect bool
	// LeaderElectionNamespace is where they do so; "" is the pod's own namespace.
	LeaderElectionNamespace string
	// LeaseDuration is how long a lease is good for that its leader does not renew; 0 is leaseDuration. Tests on busy machines have
	// more.
	LeaseDuration time.Duration
	// Namespaces are those that are looked after; nil: all.
	Namespaces []string
	// ParentSelector picks the ParentAccounts that this operator works for by their labels; "" picks all.
	ParentSelector string
	// StartPolicy overrides what the ParentAccounts say of writes that are pending at a start: Observe holds them until they are approved;
	// "" has each ParentAccount say.
	StartPolicy string
	// Readings say what is read beside the lists of child accounts, at the cost of more calls; the zero value: nothing.
	Readings readings.Options
	// AllowedEndpoints are the API addresses that ParentAccounts may name.
	AllowedEndpoints []string
	// InstallationID tells the claims of this installation from others'; "" takes the UID of the namespace kube-system.
	InstallationID string
	// Clock is the time; nil is the real one.
	Clock clock.Clock
	// SkipNameValidation lets tests start several managers in one process.
	SkipNameValidation bool
	// HTTP2 are the settings of HTTP/2 connections to the provider; nil: those of apihttp.NewTransport. Tests shorten the
	// time-outs of pings.
	HTTP2 *http.HTTP2Config
	// ChildConcurrency is how many ChildAccounts are reconciled at one time; 0 is childConcurrency. Tests have few.
	ChildConcurrency int
	// BelievedAfter is how long credentials have to be missing until that is believed; 0 is controllers.BelievedAfter. Tests have less.
	BelievedAfter time.Duration
	// LeastBatchDelay is how long an update waits at least for others that are the same; 0 is as internal/directory has it. Tests
	// that count calls have more.
	LeastBatchDelay time.Duration
	// CountsAfter is how long after the last new account a ParentAccount's status counts its accounts; 0 is controllers.CountsAfter. Tests
	// that count writes have more.
	CountsAfter time.Duration

	// share is ParentSelector, once it was checked.
	share labels.Selector
}

const (
	// childConcurrency is how many ChildAccounts are reconciled at one time. A reconcile mostly waits: for the provider
	// (whose budget bounds it), for others that change the same (so it must be more than a batch has), for the Kubernetes API.
	// Each parent has a part of them only, so that a slow one leaves room for the others.
	childConcurrency = 512
	// parentConcurrency is how many ParentAccounts are reconciled at one time.
	parentConcurrency = 32
	// gracefulShutdown is longer than a write to the provider may take (voximplant.DefaultTimeout), so that none is
	// left without its answer. A pod needs a terminationGracePeriodSeconds above it.
	gracefulShutdown = 45 * time.Second
	// unpaced leaves the pacing to the Kubernetes API's own priority and fairness.
	unpaced = -1
	// leaseDuration is controller-runtime's own.
	leaseDuration = 15 * time.Second
	// leaseName is the lease by which replicas agree.
	leaseName = "child-account-operator.cpaas.dev"
)

func newManagerCommand() *cobra.Command {
	o := ManagerOptions{}
	logging := zap.Options{}
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Run the operator (the default)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := ctrl.GetConfig() // before there is a logger: the error is returned, and logged with a stack trace beside
			if err != nil {
				return fmt.Errorf("no Kubernetes API to connect to: %w; set --kubeconfig or KUBECONFIG, or run the operator in a pod with a ServiceAccount", err)
			}
			ctrl.SetLogger(newLogger(&logging, cmd.ErrOrStderr()))
			return RunManager(cmd.Context(), config, o)
		},
	}
	f := cmd.Flags()
	o.BindFlags(f)
	goFlags := loggingFlags(&logging)
	if kubeconfig := flag.Lookup("kubeconfig"); kubeconfig != nil {
		goFlags.Var(kubeconfig.Value, kubeconfig.Name, kubeconfig.Usage)
	}
	f.AddGoFlagSet(goFlags)
	return cmd
}

// BindFlags adds the manager's flags, with their defaults.
func (o *ManagerOptions) BindFlags(f *pflag.FlagSet) {
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", "0", "where metrics are served, as host:port; 0 serves none")
	f.BoolVar(&o.MetricsSecure, "metrics-secure", true, "serve metrics over HTTPS, and only to clients that the Kubernetes API allows to get /metrics; =false: plain HTTP, to everybody")
	f.StringVar(&o.MetricsCertPath, "metrics-cert-path", "", "directory of the certificate for metrics, which may be renewed there (default: a self-signed one)")
	f.StringVar(&o.MetricsCertName, "metrics-cert-name", "tls.crt", "its file in that directory")
	f.StringVar(&o.MetricsCertKey, "metrics-cert-key", "tls.key", "the file of its key in that directory")
	f.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served; 0 serves none")
	f.StringVar(&o.CallbackAddress, "callback-address", "0", "where callbacks of the provider are received, as host:port, at POST /callbacks/NAMESPACE/PARENTACCOUNT; 0 receives none")
	f.StringVar(&o.CallbackTLSCertFile, "callback-tls-cert-file", "", "the certificate that callbacks are received with, as PEM; it may be renewed there (default: plain HTTP, for an Ingress that has the certificate)")
	f.StringVar(&o.CallbackTLSKeyFile, "callback-tls-key-file", "", "the key of the certificate in --callback-tls-cert-file, as PEM")
	f.BoolVar(&o.LeaderElect, "leader-elect", false, "elect a leader among several replicas: only the leader works")
	f.StringSliceVar(&o.Namespaces, "namespaces", nil, "work in these namespaces only; repeatable, or separated by commas; needs --installation-id (default: all)")
	f.StringVar(&o.ParentSelector, "parent-selector", "", "work only for the ParentAccounts with these labels, and their children: team=a; several operators side by side share the work so (default: all)")
	f.StringVar(&o.StartPolicy, "start-policy", "", "Observe: writes that are pending at this start wait for an approval, whatever spec.startPolicy of the ParentAccounts says; for a cluster that is restored or cloned (default: as each spec says)")
	f.BoolVar(&o.Readings.Verifications, "read-verifications", false, "read with each list how the child accounts are verified, for status.observed.verification and a metric; costs one more call for each list")
	f.BoolVar(&o.Readings.Money, "money-metrics", false, "serve metrics of balances, of the amount that is recommended to add, and of exchange rates; costs at most two more calls an hour for each ParentAccount, and one series or two for each ChildAccount")
	f.StringArrayVar(&o.AllowedEndpoints, "allowed-endpoints", []string{v1alpha1.DefaultVoximplantEndpoint}, "an API address that ParentAccounts may name; repeatable; replaces the default, so name the default too if it is still needed; plain http is allowed only for addresses given with http")
	f.StringVar(&o.InstallationID, "installation-id", "", "identifies the claims of this installation; keep the id when a cluster is rebuilt (default: the UID of the namespace kube-system)")
}

// Scheme knows the kinds that the operator works with. It is made once, and nobody adds to it.
var Scheme = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
})

// RunManager runs the operator until ctx ends. What it needs of the Kubernetes API it waits for: the probes and the metrics
// are served meanwhile and say what is missing. An error is about the options, or about what only a restart may cure.
func RunManager(ctx context.Context, config *rest.Config, o ManagerOptions) error {
	o, err := o.checked()
	if err != nil {
		return err
	}
	if err := checkAccess(config); err != nil {
		return fmt.Errorf("no Kubernetes API to connect to: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	op, err := newOperator(ctx, config, o)
	if err != nil {
		return err
	}
	if err := op.setup(ctx); err != nil {
		return err
	}
	logStart(o)
	var known sync.WaitGroup
	known.Go(func() { op.identify(ctx) })
	err = op.mgr.Start(ctx)
	cancel()
	known.Wait()
	return err
}

// logStart logs what the operator is and does, by the flags that decide that.
func logStart(o ManagerOptions) {
	ctrl.Log.WithName("start").Info("operator starts",
		"version", version, "allowedEndpoints", o.AllowedEndpoints, "namespaces", o.Namespaces, "parentSelector", o.ParentSelector,
		"startPolicy", o.StartPolicy, "readVerifications", o.Readings.Verifications, "moneyMetrics", o.Readings.Money, "installationID", o.InstallationID, "leaderElection", o.LeaderElect,
		"metricsAddress", o.MetricsAddress, "probeAddress", o.ProbeAddress, "callbackAddress", o.CallbackAddress)
}

// checked are the options, normalized, or what is wrong with them: all that can be known without a request.
func (o ManagerOptions) checked() (ManagerOptions, error) {
	endpoints, err := checkEndpoints(o.AllowedEndpoints)
	if err != nil {
		return o, err
	}
	o.AllowedEndpoints = endpoints
	if err := checkNamespaces(o); err != nil {
		return o, err
	}
	if o.InstallationID != "" && !account.PlainWord(o.InstallationID) {
		return o, fmt.Errorf("--installation-id %q: give at most 253 visible characters, without blanks", o.InstallationID)
	}
	if o.StartPolicy != "" && o.StartPolicy != string(v1alpha1.StartObserve) {
		return o, fmt.Errorf("--start-policy %q: give %s, or leave the flag out to have each ParentAccount's spec.startPolicy decide", o.StartPolicy, v1alpha1.StartObserve)
	}
	if err := checkCallbacks(o); err != nil {
		return o, err
	}
	if o.share, err = labels.Parse(o.ParentSelector); err != nil {
		return o, fmt.Errorf("--parent-selector: %w", err)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o, nil
}

// operator is one run of the manager.
type operator struct {
	options ManagerOptions
	mgr     ctrl.Manager
	cache   *namespacecache.Cache
	// children and subs are told the installation's id once it is known.
	children, subs *controllers.AccountReconciler
	// installation is what may stand in the way of knowing the installation's id, lease of reading the lease.
	installation, lease hindrance
	began               time.Time
}

// leaderOrNot runs with the manager, on replicas that stand by too.
type leaderOrNot func(context.Context) error

// Start implements manager.Runnable.
func (f leaderOrNot) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (leaderOrNot) NeedLeaderElection() bool { return false }

// newOperator makes the manager, its cache and its servers. It makes no request.
func newOperator(ctx context.Context, config *rest.Config, o ManagerOptions) (*operator, error) {
	served, err := metricsOptions(o)
	if err != nil {
		return nil, err
	}
	op := &operator{options: o, began: time.Now()}
	if o.InstallationID == "" {
		op.installation.set("Reading")
	}
	config = rest.CopyConfig(config)
	config.QPS = unpaced
	config.UserAgent = secrets.FieldManager + "/" + version // the Kubernetes API takes the field manager from it
	config.Wrap(explaining(config))
	config.Wrap(op.lease.observing)
	op.mgr, err = ctrl.NewManager(config, ctrl.Options{
		Scheme:                        Scheme(),
		MapperProvider:                func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return restMapper(), nil }, //nolint:forbidigo // the manager's signature
		Metrics:                       served,
		HealthProbeBindAddress:        "0", // our own say more
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(cmp.Or(o.LeaseDuration, leaseDuration)),
		RenewDeadline:                 ptr.To(cmp.Or(o.LeaseDuration, leaseDuration) * 2 / 3), // before anybody else may take the lease
		GracefulShutdownTimeout:       ptr.To(gracefulShutdown),
		Controller:                    ctrlconfig.Controller{SkipNameValidation: &o.SkipNameValidation},
		NewCache: func(config *rest.Config, base cache.Options) (cache.Cache, error) {
			options := cacheOptions(ctx, o)
			options.Find = op.findNamespace
			c, err := namespacecache.New(config, base, options)
			op.cache = c
			return c, err
		},
	})
	if err != nil {
		return nil, err
	}
	return op, op.serveProbes()
}

// cacheOptions say what is cached: of Secrets only those that people marked for the operator, and the metadata of those that
// it has made.
func cacheOptions(ctx context.Context, o ManagerOptions) namespacecache.Options {
	marked := func(label string) labels.Selector { return labels.SelectorFromSet(labels.Set{label: "true"}) }
	kinds := []namespacecache.Kind{
		{Name: parentAccounts, Object: &v1alpha1.ParentAccount{}, Transform: stripped},
		{Name: childAccounts, Object: &v1alpha1.ChildAccount{}, Transform: stripped},
		// Roles of an earlier version don't allow to read them, and an earlier version's CRDs don't have them.
		{Name: subAccounts, Object: &v1alpha1.SubAccount{}, Transform: stripped, Optional: true},
		{Name: "input secrets", Object: &corev1.Secret{}, Label: marked(v1alpha1.LabelInput), Transform: stripped},
		{Name: "connection secrets", Object: secrets.Metadata(), Label: marked(v1alpha1.LabelConnection), Transform: secrets.SlimMetadata()},
	}
	if o.Namespaces == nil { // with the rights of some namespaces, none can be watched; each can be read
		kinds = append(kinds, namespacecache.Kind{Name: "namespaces", Object: controllers.NamespaceMetadata(), Transform: stripped})
	}
	return namespacecache.Options{
		Namespaces: o.Namespaces,
		Kinds:      kinds,
		Requested:  cacheRequested,
		Advice:     advice,
		Log:        ctrl.Log.WithName("cache"),
		Stop:       ctx.Done(),
	}
}

// The operator's own kinds, as the cache names them.
const parentAccounts, childAccounts, subAccounts = "parentaccounts", "childaccounts", "subaccounts"

// advice says what to do where the operator's own kinds can't be read, as their CRDs are not installed.
func advice(kinds []string, reason string) string {
	if slices.Equal(kinds, []string{subAccounts}) {
		return "SubAccounts are not served, all else is: install the CRDs and the operator's roles of this version, which allow to read subaccounts"
	}
	if reason != string(metav1.StatusReasonNotFound) || !slices.Contains(kinds, parentAccounts) && !slices.Contains(kinds, childAccounts) {
		return ""
	}
	return "install the CRDs: make install, or kubectl apply --server-side -f install.yaml; the operator waits for them"
}

// cacheRequested counts a request of the cache.
func cacheRequested(namespace, kind string, err error) {
	result := "OK"
	if err != nil {
		result = namespacecache.ReasonOf(err)
	}
	metrics.CacheRequested(namespace, kind, result)
}

// setup registers the controllers. It makes no request.
func (op *operator) setup(ctx context.Context) error {
	o, mgr := op.options, op.mgr
	if err := controllers.Index(ctx, op.cache); err != nil {
		return err
	}
	connections := &secrets.Watched{Cache: op.cache, DefaultName: controllers.DefaultSecretName}
	if err := connections.Index(ctx); err != nil {
		return err
	}
	parents := &directory.Registry{}
	beside := readings.New(o.Readings, o.Clock)
	if err := op.serveGauges(parents, beside); err != nil {
		return err
	}
	recorder := conditions.NewEventRecorder(mgr.GetEventRecorder("child-account-operator"))
	var namespaces client.Reader = op.cache
	if o.Namespaces != nil {
		namespaces = mgr.GetAPIReader()
	}
	inputs := secrets.Reader{Labelled: op.cache, Live: mgr.GetAPIReader()}
	op.children = &controllers.AccountReconciler{
		ConnectionSecrets: connections,
		Read:              op.cache,
		Client:            mgr.GetClient(),
		Connections:       secrets.Store{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Others: connections.Others},
		Inputs:            inputs,
		Namespaces:        namespaces,
		WatchNamespaces:   o.Namespaces == nil,
		Only:              o.Namespaces,
		Share:             o.share,
		ObserveStarts:     o.StartPolicy == string(v1alpha1.StartObserve),
		Parents:           parents,
		Readings:          beside,
		Recorder:          recorder,
		Clock:             o.Clock,
		Concurrency:       cmp.Or(o.ChildConcurrency, childConcurrency),
	}
	op.subs = op.children.Like(controllers.SubAccounts)
	for _, r := range []*controllers.AccountReconciler{op.children, op.subs} {
		if err := r.SetupWithManager(mgr); err != nil {
			return err
		}
		op.cache.OnJoin(r.Joined)
	}
	parentAccounts := op.parentAccounts(inputs, parents, recorder)
	if err := parentAccounts.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := serveCallbacks(ctx, op, parentAccounts); err != nil {
		return err
	}
	return mgr.Add(leaderOrNot(boundGarbage))
}

// parentAccounts is the reconciler of ParentAccounts, whose ChildAccounts op.children reconciles, and whose SubAccounts op.subs.
func (op *operator) parentAccounts(inputs secrets.Reader, parents *directory.Registry, recorder conditions.EventRecorder) *controllers.ParentAccountReconciler {
	o := op.options
	return &controllers.ParentAccountReconciler{
		Client:           op.mgr.GetClient(),
		Secrets:          inputs,
		Parents:          parents,
		Children:         op.children,
		SubAccounts:      op.subs,
		Providers:        providers(o.Clock, o.transports(), o.Readings.Money),
		AllowedEndpoints: o.AllowedEndpoints,
		Recorder:         recorder,
		Clock:            o.Clock,
		Concurrency:      parentConcurrency,
		BelievedAfter:    o.BelievedAfter,
		LeastBatchDelay:  o.LeastBatchDelay,
		CountsAfter:      o.CountsAfter,
	}
}

// serveGauges serves the metrics that are read off what the operator knows.
func (op *operator) serveGauges(parents *directory.Registry, beside *readings.Store) error {
	selects := func(p *v1alpha1.ParentAccount) bool { return op.options.share.Matches(labels.Set(p.Labels)) }
	g := &gauges.Gauges{Cache: op.cache, Statuses: op.cache.Statuses, Parents: parents, Readings: beside, Selects: selects, Clock: op.options.Clock}
	metrics.WillCall(append(voximplant.Methods(), twosms.Methods()...)...)
	g.Serve()
	return op.mgr.Add(g)
}

// providers are those that there are, by the names that the kinds give them. Connections share one transport for each bundle of
// authorities. With balances the accounts that are read come with theirs.
func providers(c clock.Clock, shared *transports, balances bool) provider.Registry {
	return provider.Registry{
		v1alpha1.ProviderVoximplant: connectVoximplant(shared, c, balances),
		v1alpha1.ProviderTwoSMS:     connectTwoSMS(shared, c),
	}
}

func connectTwoSMS(shared *transports, c clock.Clock) provider.Connect {
	return func(conn provider.Connection) (provider.Parent, error) {
		transport, err := shared.trusting(conn.CABundle)
		if err != nil {
			return nil, err
		}
		credentials, err := twosms.ParseCredentials(conn.Credentials)
		if err != nil {
			return nil, err
		}
		return twosms.New(twosms.Config{
			BaseURL: conn.Endpoint, Credentials: credentials, Transport: transport, Clock: c.Now, Gate: conn.Gate.Acquire, Observe: observed(conn),
			UserAgent: secrets.FieldManager + "/" + version,
		})
	}
}

// observed tells the pacing and the metrics of each call of a connection.
func observed(conn provider.Connection) func(string, time.Duration, *account.Error) {
	return func(method string, took time.Duration, failed *account.Error) {
		conn.Gate.Learn(failed)
		metrics.Called(method, took, failed)
	}
}

func connectVoximplant(shared *transports, c clock.Clock, balances bool) provider.Connect {
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
			Endpoint:      conn.Endpoint,
			Credentials:   credentials,
			ParentAPIKey:  conn.APIKey,
			Transport:     transport,
			Balances:      balances,
			FollowAddress: conn.Follow,
			Clock:         c.Now,
			Gate:          conn.Gate.Acquire,
			Observe:       observed(conn),
			UserAgent:     secrets.FieldManager + "/" + version,
		})
	}
}

// checkAccess refuses to talk to a Kubernetes API over TLS without any credentials: that takes the operator for anybody, who is
// allowed nothing, and the operator would wait for ever. A kubeconfig with a client key alone ends so, too. Over plain HTTP
// somebody else, like kubectl proxy, has the credentials.
func checkAccess(config *rest.Config) error {
	tls := config.TLSClientConfig
	address, _, err := rest.DefaultServerURL(config.Host, config.APIPath, schema.GroupVersion{}, len(tls.CAData) > 0 || tls.CAFile != "" || tls.Insecure)
	if err != nil {
		return err
	}
	byTLS := len(tls.CertData) > 0 || tls.CertFile != ""
	byHeader := config.BearerToken != "" || config.BearerTokenFile != "" || config.Username != ""
	otherwise := config.ExecProvider != nil || config.AuthProvider != nil || config.Transport != nil || config.WrapTransport != nil
	if address.Scheme == "https" && !byTLS && !byHeader && !otherwise {
		return errors.New("there are no credentials for it: neither a token nor a client certificate with its key")
	}
	return nil
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
