package namespacecache

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// api is a Kubernetes API with config maps and secrets, which refuses what it is told to.
type api struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	version int
	objects map[string]map[string]*metav1.PartialObjectMetadata // by "namespace/resource", then by name
	// refusals are the status codes by "namespace/resource"; silence leaves requests without an answer.
	refusals map[string]int
	watchers map[string][]*watcher
	// past are the events so far: a watch begins where a list ended.
	past  map[string][]event
	asked map[string]int
	// lasting are for how many seconds watches were asked.
	lasting []int
}

const silence = -1

type event struct {
	version int
	line    string
}

type watcher struct {
	events chan string
	end    chan struct{}
}

func newAPI(t *testing.T) *api {
	a := &api{
		t: t, objects: map[string]map[string]*metav1.PartialObjectMetadata{}, refusals: map[string]int{},
		watchers: map[string][]*watcher{}, past: map[string][]event{}, asked: map[string]int{},
	}
	a.server = httptest.NewServer(a)
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
	return a
}

// put creates or replaces an object, with a UID of its own where it is new.
func (a *api) put(where, name, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	if a.objects[where] == nil {
		a.objects[where] = map[string]*metav1.PartialObjectMetadata{}
	}
	kind := "ADDED"
	o := &metav1.PartialObjectMetadata{}
	if old := a.objects[where][name]; old != nil {
		kind, o = "MODIFIED", old.DeepCopy()
	} else {
		o.Namespace, o.Name, o.UID = strings.Split(where, "/")[0], name, types.UID(fmt.Sprintf("uid-%d", a.version))
	}
	o.Annotations, o.ResourceVersion = map[string]string{"value": value}, strconv.Itoa(a.version)
	a.objects[where][name] = o
	a.tell(where, kind, o)
}

func (a *api) remove(where, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	o := a.objects[where][name].DeepCopy()
	o.ResourceVersion = strconv.Itoa(a.version)
	delete(a.objects[where], name)
	a.tell(where, "DELETED", o)
}

func (a *api) tell(where, kind string, o *metav1.PartialObjectMetadata) {
	line := fmt.Sprintf(`{"type":%q,"object":%s}`, kind, a.encoded(where, o))
	a.past[where] = append(a.past[where], event{a.version, line})
	for _, w := range a.watchers[where] {
		w.events <- line
	}
}

func (a *api) encoded(where string, o *metav1.PartialObjectMetadata) []byte {
	o = o.DeepCopy()
	o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: kinds[strings.Split(where, "/")[1]]}
	out, err := json.Marshal(o)
	if err != nil {
		a.t.Error(err)
	}
	return out
}

var kinds = map[string]string{"configmaps": "ConfigMap", "secrets": "Secret"}

// refuse answers all requests with a status, 0 for none, and ends the watches.
func (a *api) refuse(status int, where ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range where {
		a.refusals[w] = status
		for _, one := range a.watchers[w] {
			close(one.end)
		}
		delete(a.watchers, w)
	}
}

func (a *api) requests(where string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[where]
}

func (a *api) watched(where string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.watchers[where]) > 0
}

func (a *api) timeouts() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.lasting)
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	where := strings.TrimPrefix(path, "namespaces/")
	if path == where {
		where = "/" + path // the whole cluster
	}
	query := r.URL.Query()
	a.mu.Lock()
	a.asked[where]++
	refusal := a.refusals[where]
	switch {
	case refusal == silence:
		a.mu.Unlock()
		<-r.Context().Done()
	case refusal != 0:
		a.mu.Unlock()
		status(w, refusal)
	case query.Get("sendInitialEvents") != "":
		a.mu.Unlock()
		status(w, http.StatusUnprocessableEntity) // as an older one does
	case query.Get("watch") != "":
		seconds, _ := strconv.Atoi(query.Get("timeoutSeconds"))
		a.lasting = append(a.lasting, seconds)
		one := &watcher{events: make(chan string, 100), end: make(chan struct{})}
		from, _ := strconv.Atoi(query.Get("resourceVersion"))
		for _, e := range a.past[where] {
			if e.version > from {
				one.events <- e.line
			}
		}
		a.watchers[where] = append(a.watchers[where], one)
		a.mu.Unlock()
		one.serve(w, r)
	default:
		defer a.mu.Unlock()
		a.list(w, where)
	}
}

func (a *api) list(w http.ResponseWriter, where string) {
	var items []string
	for _, o := range a.objects[where] {
		items = append(items, string(a.encoded(where, o)))
	}
	slices.Sort(items)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"apiVersion":"v1","kind":"%sList","metadata":{"resourceVersion":"%d"},"items":[%s]}`, kinds[strings.Split(where, "/")[1]], a.version, strings.Join(items, ","))
}

func (one *watcher) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case e := <-one.events:
			fmt.Fprintln(w, e)
			w.(http.Flusher).Flush()
		case <-one.end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func status(w http.ResponseWriter, code int) {
	reasons := map[int]metav1.StatusReason{
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusNotFound: metav1.StatusReasonNotFound,
		http.StatusUnauthorized: metav1.StatusReasonUnauthorized, http.StatusUnprocessableEntity: metav1.StatusReasonInvalid,
		http.StatusInternalServerError: metav1.StatusReasonInternalError, http.StatusServiceUnavailable: metav1.StatusReasonServiceUnavailable,
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reasons[code], Message: "as told",
	})
}

// watched is a cache of the API, with all that it says.
type watched struct {
	*Cache

	t    *testing.T
	log  *journal
	seen *journal
	// stop ends Options.Stop, end the context of Start; ended is closed when Start has returned.
	stop, end func()
	ended     chan struct{}
	// handlers are the registrations of those that write what they see.
	handlers []toolscache.ResourceEventHandlerRegistration
}

// journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// take returns the lines so far, sorted, and forgets them.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := slices.Sorted(slices.Values(j.lines))
	j.lines = nil
	return out
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// watch makes a cache of config maps and the metadata of secrets, not started yet. It is open.
func (a *api) watch(c clock.WithTicker, namespaces ...string) *watched {
	a.t.Helper()
	m := meta.NewDefaultRESTMapper(nil)
	for resource, kind := range kinds {
		gvk := corev1.SchemeGroupVersion.WithKind(kind)
		m.AddSpecific(gvk, corev1.SchemeGroupVersion.WithResource(resource), corev1.SchemeGroupVersion.WithResource(resource[:len(resource)-1]), meta.RESTScopeNamespace)
	}
	stop := make(chan struct{})
	w := &watched{t: a.t, log: &journal{}, seen: &journal{}, stop: sync.OnceFunc(func() { close(stop) }), ended: make(chan struct{})}
	config := &rest.Config{Host: a.server.URL, QPS: -1}
	h, err := rest.HTTPClientFor(config)
	if err != nil {
		a.t.Fatal(err)
	}
	w.Cache, err = New(config, cache.Options{HTTPClient: h, Scheme: scheme.Scheme, Mapper: m}, Options{
		Namespaces: namespaces,
		Kinds: []Kind{
			{Name: "configmaps", Object: &corev1.ConfigMap{}},
			{Name: "secrets", Object: metadataOf("Secret"), Label: labels.Everything()},
		},
		Log: logr.New(funcr.New(func(_, args string) { w.log.add(args) }, funcr.Options{}).GetSink()), Clock: c, Stop: stop,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	w.OnJoin(func(namespace string) { w.seen.add("joined " + namespace) })
	w.Open()
	return w
}

func metadataOf(kind string) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return o
}

// start starts it until the test is over.
func (w *watched) start() *watched {
	ctx, cancel := context.WithCancel(context.Background())
	w.end = cancel
	go func() {
		defer close(w.ended)
		if err := w.Start(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		w.stop()
		<-w.ended
	})
	return w
}

// handle notes the events of a kind.
func (w *watched) handle(o client.Object, name string) toolscache.ResourceEventHandlerRegistration {
	w.t.Helper()
	i, err := w.GetInformer(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	is := func(o any) string {
		if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		m, err := meta.Accessor(o)
		if err != nil {
			w.t.Error(err)
			return ""
		}
		return fmt.Sprintf("%s %s/%s=%s", name, m.GetNamespace(), m.GetName(), m.GetAnnotations()["value"])
	}
	r, err := i.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.seen.add("add " + is(o)) },
		UpdateFunc: func(_, o any) { w.seen.add("update " + is(o)) },
		DeleteFunc: func(o any) { w.seen.add("delete " + is(o)) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.handlers = append(w.handlers, r)
	return r
}

// eventually waits for a condition; a test that waits in vain fails after a minute.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	gomega.NewWithT(t).Eventually(is).WithTimeout(time.Minute).WithPolling(5*time.Millisecond).Should(gomega.BeTrue(), what)
}

// expect waits until what was seen, but for repetitions, is this and nothing else. A handler may be given an object twice, when it is
// registered and when the namespace joins: so it waits as well until each has what it is given at its registration, or a repetition
// that is late would be taken for what is expected next.
func (w *watched) expect(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	var got []string
	eventually(w.t, fmt.Sprint(want), func() bool {
		got = slices.Compact(slices.Sorted(slices.Values(w.seen.all())))
		if len(got) > len(want) {
			w.t.Fatalf("saw %v, want %v", got, want)
		}
		return slices.Equal(got, want) && !slices.ContainsFunc(w.handlers, func(h toolscache.ResourceEventHandlerRegistration) bool { return !h.HasSynced() })
	})
	w.seen.take()
}

func (w *watched) awaitSynced(namespace string, synced bool) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("synced %s %v: %+v", namespace, synced, w.Statuses()), func() bool { return w.Synced(namespace) == synced })
}

// holds says whether a kind of a namespace is kept up to date.
func (w *watched) holds(namespace, kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.scopeOf(namespace).readers {
		if r.kind.Name == kind {
			return r.synced
		}
	}
	return false
}

// names are those of the config maps of a namespace, "" for all, or the error.
func (w *watched) names(namespace string, opts ...client.ListOption) string {
	var list corev1.ConfigMapList
	if err := w.List(context.Background(), &list, append(opts, client.InNamespace(namespace))...); err != nil {
		return err.Error()
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Namespace+"/"+list.Items[i].Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
