package callback

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

const (
	// Path is the path of the callbacks of a ParentAccount's account and of its children.
	Path = "/callbacks/{namespace}/{parentaccount}"
	// maxBody is how many bytes a request may have. A callback has less than a kilobyte.
	maxBody = 64 << 10
	// maxRequests is how many requests are worked on at one time.
	maxRequests = 32
	// retryAfter is when a sender who is refused for now may come again, in seconds.
	retryAfter = 30
)

// Config is what a Receiver is made of.
type Config struct {
	// Decode decodes the callbacks of the provider: only one has any.
	Decode provider.DecodeCallbacks
	// Cache has the ParentAccounts. Parents are those that can be worked with, and the accounts that they know.
	Cache   client.Reader
	Parents *directory.Registry
	// Owner is the ChildAccount of a ParentAccount that an account belongs to, nil where there is none; it is not changed.
	Owner func(ctx context.Context, parent types.NamespacedName, accountName, accountID string) (*v1alpha1.ChildAccount, error)
	// ReadAccount has the account of a ChildAccount read, and the ChildAccount reconciled, at once. ReadList has the list of a ParentAccount
	// read, and the ParentAccount reconciled.
	ReadAccount func(*v1alpha1.ChildAccount)
	ReadList    func(types.NamespacedName)
	// Keys reads what callbacks are signed with.
	Keys Keys
	// Recorder emits events.
	Recorder conditions.EventRecorder
	// Clock is the time.
	Clock clock.PassiveClock
	// Leads is closed once this replica leads: before, it knows no account.
	Leads <-chan struct{}
	// Log has the callbacks that were accepted, and at the debug level the requests that were refused.
	Log logr.Logger
}

// Receiver takes callbacks in requests POST /callbacks/NAMESPACE/PARENTACCOUNT. It is safe for concurrent use.
type Receiver struct {
	config  Config
	mux     *http.ServeMux
	keys    *keyring
	limits  *limiter
	replays *replays
	slots   chan struct{}
}

// New makes a Receiver that remembers nothing.
func New(c Config) *Receiver {
	r := &Receiver{
		config: c, mux: http.NewServeMux(), keys: newKeyring(c.Clock), limits: newLimiter(), replays: newReplays(rememberedCallbacks),
		slots: make(chan struct{}, maxRequests),
	}
	r.mux.HandleFunc("POST "+Path, r.receive)
	r.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { r.refuse(w, NotFound) })
	for _, t := range provider.CallbackTypes() {
		metrics.WillReceiveCallbacks(string(t), string(resultOf(t)))
	}
	for _, o := range outcomes {
		if o.status != http.StatusOK {
			metrics.WillReceiveCallbacks("", string(o.result))
		}
	}
	return r
}

// resultOf is what becomes of a callback of a type, if nothing stands in its way.
func resultOf(t provider.CallbackType) Result {
	if _, acted := reports[t]; acted {
		return Accepted
	}
	return Ignored
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
		r.mux.ServeHTTP(w, request)
	default:
		r.refuse(w, Overloaded)
	}
}

// refuse answers a request none of whose callbacks was looked at.
func (r *Receiver) refuse(w http.ResponseWriter, result Result) {
	metrics.CallbackReceived("", string(result))
	r.config.Log.V(1).Info("request with callbacks refused", "result", result)
	w.Header().Set("Connection", "close") // what is left of the body is not read
	answer(w, statusOf(result))
}

// answer says no more than the HTTP status does: who sends callbacks may be anybody.
func answer(w http.ResponseWriter, status int) {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status)+"\n") // whoever asked has gone
}

// source is the ParentAccount that a request is for.
type source struct {
	object    *v1alpha1.ParentAccount
	connected *directory.Parent
}

func (r *Receiver) receive(w http.ResponseWriter, request *http.Request) {
	ctx, cancel := context.WithTimeout(request.Context(), requestTimeout)
	defer cancel()
	callbacks, result := r.read(w, request)
	if result != "" {
		r.refuse(w, result)
		return
	}
	from, result := r.source(ctx, types.NamespacedName{Namespace: request.PathValue("namespace"), Name: request.PathValue("parentaccount")})
	if from == nil {
		r.refuse(w, result)
		return
	}
	results := make([]Result, len(callbacks))
	for i, c := range callbacks {
		results[i] = r.one(ctx, from, c)
	}
	answer(w, statusOf(results...))
}

// read returns the callbacks of a request, or why it is refused as it stands.
func (r *Receiver) read(w http.ResponseWriter, request *http.Request) ([]provider.Callback, Result) {
	if request.ContentLength > maxBody {
		return nil, TooLarge
	}
	select {
	case <-r.config.Leads:
	default:
		return nil, Standby
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, TooLarge
	}
	if err != nil {
		return nil, Malformed
	}
	callbacks, err := r.config.Decode(body)
	if err != nil {
		return nil, Malformed
	}
	return callbacks, ""
}

// source is the ParentAccount of a name; without one, the result says whether there may be one later. Who names one that does not exist hears
// the same as of an unknown account: nobody learns which there are.
func (r *Receiver) source(ctx context.Context, key types.NamespacedName) (*source, Result) {
	object := &v1alpha1.ParentAccount{}
	switch err := r.config.Cache.Get(ctx, key, object); {
	case apierrors.IsNotFound(err):
		return nil, UnknownAccount
	case err != nil:
		return nil, NotReady
	}
	connected := r.config.Parents.Get(key)
	if connected == nil || connected.Directory == nil || connected.UID != object.UID {
		return nil, NotReady
	}
	return &source{object, connected}, ""
}

// one looks at one callback.
func (r *Receiver) one(ctx context.Context, from *source, c provider.Callback) (result Result) {
	proven := false
	var about *subject
	defer func() {
		reported := ""
		if proven {
			reported = string(c.Type)
		}
		metrics.CallbackReceived(reported, string(result))
		log := r.config.Log.WithValues("parentAccount", client.ObjectKeyFromObject(from.object).String(), "type", reported, "resource", about.name())
		if result == Accepted {
			log.Info("callback accepted")
		} else {
			log.V(1).Info("callback not accepted", "result", result)
		}
	}()
	switch {
	case c.Malformed:
		return Malformed
	case ctx.Err() != nil: // the sender has gone, or those before took too long
		return NotReady
	}
	if about, result = r.about(ctx, from, c.AccountID); about == nil {
		return result
	}
	signing, err := r.keys.get(ctx, about.object.GetUID(), about.signing)
	switch {
	case errors.Is(err, errTooManyReads):
		return Overloaded
	case isProblem(err):
		return NoSecret
	case err != nil:
		return NotReady
	case !c.SignedWith(signing.Salt, signing.APIKey):
		return WrongHash
	}
	proven = true
	return r.act(about, c)
}

// act turns a callback that is proven to be the provider's into an event and a read, unless there were too many, or it was sent before.
func (r *Receiver) act(about *subject, c provider.Callback) Result {
	event, acted := reports[c.Type]
	if !acted {
		return Ignored
	}
	f := fingerprintOf(about.object.GetUID(), c.ID)
	switch {
	case r.replays.has(f):
		return Replayed
	case !r.limits.allow(about.object.GetUID(), about.rate, r.config.Clock.Now()):
		return RateLimited
	case !r.replays.add(f): // it came twice at one time
		return Replayed
	}
	r.config.Recorder.Eventf(about.object, nil, event.eventType, event.reason, "Callback", noteOf, c.AccountID, event.what, about.reads)
	about.read()
	return Accepted
}

// subject is the resource that a callback is about.
type subject struct {
	object client.Object
	// signing reads what the callbacks of its account are signed with.
	signing func(context.Context) (Signing, error)
	// read has it read what reads names, and reconciled. rate bounds that.
	read  func()
	reads string
	rate  rate
}

// name is the resource's, for the log; "" for none.
func (s *subject) name() string {
	if s == nil {
		return ""
	}
	return client.ObjectKeyFromObject(s.object).String()
}

// about is the resource whose account has an id; without one, the result says why.
func (r *Receiver) about(ctx context.Context, from *source, accountID string) (*subject, Result) {
	parent := from.object
	key := client.ObjectKeyFromObject(parent)
	if accountID == from.connected.AccountID {
		return &subject{
			object: parent, reads: "the list of its child accounts", rate: parentRate, read: func() { r.config.ReadList(key) },
			signing: func(ctx context.Context) (Signing, error) { return r.config.Keys.OfParent(ctx, parent) },
		}, ""
	}
	name, known, ready := directory.NameOf(from.connected.Directory, accountID)
	switch {
	case !ready:
		return nil, NotReady
	case !known:
		return nil, UnknownAccount
	}
	child, err := r.config.Owner(ctx, key, name, accountID)
	switch {
	case err != nil:
		return nil, NotReady
	case child == nil:
		return nil, UnknownAccount
	}
	return &subject{
		object: child, reads: "the account", rate: childRate, read: func() { r.config.ReadAccount(child) },
		signing: func(ctx context.Context) (Signing, error) {
			return r.config.Keys.OfChild(ctx, parent, from.connected.AccountID, child)
		},
	}, ""
}

func isProblem(err error) bool {
	_, is := errors.AsType[*secrets.Problem](err)
	return is
}
