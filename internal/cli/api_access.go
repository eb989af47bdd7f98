package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// accessOptions say with which credentials, and where, a command talks to a provider itself.
type accessOptions struct {
	// credentials are files, each perhaps for a parent: [PARENT=]FILE.
	credentials []string
	endpoint    string
	// parent is NAMESPACE/NAME.
	parent              string
	kubeconfig, context string
}

// access is who a command is at a provider.
type access struct {
	client *voximplant.Client
	// endpoint is scheme and host of the API.
	endpoint string
	// accountID is the id of the account that the credentials are of.
	accountID string
	apiKey    account.Secret
}

// clusterTimeout bounds each request to the Kubernetes API.
const clusterTimeout = 30 * time.Second

var parentPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// open connects. It makes no call to the provider. A wrong flag is an error of usage.
func (o accessOptions) open(ctx context.Context) (*access, error) {
	endpoint, err := plainEndpoint(o.endpoint)
	if err != nil {
		return nil, usage(err)
	}
	o.endpoint = endpoint
	if o.parent != "" && !parentPattern.MatchString(o.parent) {
		return nil, usage(fmt.Errorf("--parent %.60q: write NAMESPACE/NAME", o.parent))
	}
	if len(o.credentials) == 0 && o.parent != "" {
		return o.fromCluster(ctx)
	}
	if o.kubeconfig != "" || o.context != "" {
		return nil, usage(errors.New("--kubeconfig and --context are for --parent without --credentials: name a ParentAccount with --parent NAMESPACE/NAME, or leave them out"))
	}
	file, err := o.file()
	if err != nil {
		return nil, usage(err)
	}
	document, err := readBounded(file)
	if err != nil {
		return nil, fmt.Errorf("the credentials can't be read: %w", err)
	}
	credentials, err := voximplant.ParseCredentials(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return connect(voximplant.Config{Endpoint: cmp.Or(endpoint, voximplant.DefaultEndpoint), Credentials: credentials})
}

// connect makes the client. Its calls are sent as the operator's are.
func connect(config voximplant.Config) (*access, error) {
	config.UserAgent = secrets.FieldManager + "/" + version
	c, err := voximplant.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &access{client: c, endpoint: config.Endpoint, accountID: config.Credentials.AccountID, apiKey: config.ParentAPIKey}, nil
}

// plainEndpoint is an endpoint in the spelling that ParentAccounts have, "" for none given.
func plainEndpoint(endpoint string) (string, error) {
	if endpoint == "" {
		return "", nil
	}
	lower := strings.ToLower(strings.TrimRight(endpoint, "/"))
	u, err := url.Parse(lower)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || lower != u.Scheme+"://"+u.Host || strings.HasSuffix(u.Host, ":") {
		shown := ""
		if !strings.Contains(endpoint, "@") { // it may hold a password
			shown = fmt.Sprintf(" %.80q", endpoint)
		}
		return "", fmt.Errorf("--endpoint%s: give scheme and host and nothing else, like %s", shown, voximplant.DefaultEndpoint)
	}
	return lower, nil
}

// file is the file with the credentials.
func (o accessOptions) file() (string, error) {
	given := o.credentials
	if fallback := environment(credentialsVariable); len(given) == 0 && fallback != "" {
		return fallback, nil
	}
	var parents []string
	found := ""
	for _, entry := range given {
		parent, file := splitCredentials(entry)
		if file == "" {
			return "", fmt.Errorf("--credentials %.80q: write [PARENT=]FILE", entry)
		}
		parents = append(parents, cmp.Or(parent, "(without a name)"))
		switch {
		case o.parent != "" && parent != o.parent:
			continue
		case found != "":
			return "", fmt.Errorf("--credentials has several files (%s): choose one with --parent NAMESPACE/NAME", strings.Join(parents, ", "))
		}
		found = file
	}
	switch {
	case found != "":
		return found, nil
	case len(given) == 0:
		return "", fmt.Errorf("there are no credentials: add --credentials FILE, set $%s, or name a ParentAccount with --parent NAMESPACE/NAME", credentialsVariable)
	}
	return "", fmt.Errorf("--credentials has no file for %s: write --credentials %s=FILE, or leave --credentials out to read the Secret from the cluster", o.parent, o.parent)
}

// splitCredentials splits [PARENT=]FILE. A file's name may have = in it, where what is before it is no NAMESPACE/NAME.
func splitCredentials(entry string) (parent, file string) {
	before, after, found := strings.Cut(entry, "=")
	if found && parentPattern.MatchString(before) {
		return before, after
	}
	return "", entry
}

// maxFile is how many bytes of a file are read, for a parameter or for credentials.
const maxFile = 1 << 20

// readBounded reads a file. Its error names the file.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name)
}

// fromCluster reads a ParentAccount and its Secrets with the rights that the kubeconfig gives.
func (o accessOptions) fromCluster(ctx context.Context) (*access, error) {
	c, err := o.cluster()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	namespace, name, _ := strings.Cut(o.parent, "/")
	var parent v1alpha1.ParentAccount
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &parent); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("there is no ParentAccount %s: kubectl get parentaccounts -A lists them", o.parent)
		}
		return nil, fmt.Errorf("the ParentAccount %s can't be read: %w", o.parent, err)
	}
	if err := o.mayUse(&parent); err != nil {
		return nil, err
	}
	config, err := configOf(ctx, secrets.Reader{Labelled: c, Live: c}, &parent)
	if problem, ok := errors.AsType[*secrets.Problem](err); ok && problem.Next != "" {
		return nil, fmt.Errorf("ParentAccount %s: %w. %s", o.parent, problem, problem.Next)
	}
	if err != nil {
		return nil, fmt.Errorf("ParentAccount %s: %w", o.parent, err)
	}
	return connect(config)
}

// mayUse refuses an endpoint that nobody has allowed: whoever may write a ParentAccount would get the parameters of the call.
func (o accessOptions) mayUse(parent *v1alpha1.ParentAccount) error {
	endpoint := parent.Endpoint()
	switch {
	case parent.Provider() != v1alpha1.ProviderVoximplant:
		return usage(fmt.Errorf("ParentAccount %s has spec.twoSMS, and api calls methods of the Voximplant API alone: name a ParentAccount with spec.voximplant", o.parent))
	case o.endpoint != "" && o.endpoint != endpoint:
		return usage(fmt.Errorf("--endpoint %s is not the endpoint of ParentAccount %s, which is %s: correct one of them", o.endpoint, o.parent, endpoint))
	case o.endpoint == "" && endpoint != v1alpha1.DefaultVoximplantEndpoint:
		return usage(fmt.Errorf("ParentAccount %s has the endpoint %s, which is not the vendor's: add --endpoint %s if the call may go there", o.parent, endpoint, endpoint))
	}
	return nil
}

// configOf reads what a ParentAccount's calls are made with. A *secrets.Problem says which Secret can't be used.
func configOf(ctx context.Context, reader secrets.Reader, parent *v1alpha1.ParentAccount) (config voximplant.Config, err error) {
	secret, key := parent.CredentialsSecret()
	document, err := reader.Input(ctx, parent.Namespace, secret, key)
	if err != nil {
		return config, err
	}
	config.Endpoint = parent.Endpoint()
	if config.Credentials, err = voximplant.ParseCredentials(document); err != nil {
		return config, fmt.Errorf("key %s of Secret %s: %w", key, secret, err)
	}
	if pinned := parent.Status.AccountID; pinned != "" && pinned != config.Credentials.AccountID {
		return config, fmt.Errorf("its credentials are of account %s, but it is of account %s: correct the Secret %s, or accept the other account first", config.Credentials.AccountID, pinned, secret)
	}
	if name, key, ok := parent.APIKeySecret(); ok {
		if config.ParentAPIKey, err = reader.APIKey(ctx, parent.Namespace, name, key); err != nil {
			return config, err
		}
	}
	config.Transport, err = new(transports).trusting(parent.Spec.Voximplant.CABundle)
	return config, err
}

// cluster is a client of the Kubernetes API by the kubeconfig.
func (o accessOptions) cluster() (client.Client, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.context}).ClientConfig()
	if err == nil {
		err = checkAccess(config)
	}
	if err != nil {
		return nil, fmt.Errorf("no Kubernetes API to connect to: %w; set --kubeconfig, KUBECONFIG or --context, or use --credentials instead of --parent", err)
	}
	config.UserAgent = secrets.FieldManager + "/" + version
	config.Timeout = clusterTimeout
	config.WarningHandler = rest.NoWarnings{}
	ctrl.SetLogger(logr.Discard()) // else controller-runtime complains on the standard error, 30 s after the start
	return client.New(config, client.Options{Scheme: Scheme(), Mapper: restMapper()})
}
