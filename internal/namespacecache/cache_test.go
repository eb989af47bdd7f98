package namespacecache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var realTime = clock.RealClock{}

// both are the kinds of a namespace.
func both(namespace string) []string {
	return []string{namespace + "/configmaps", namespace + "/secrets"}
}

func get(w *watched, namespace, name string) error {
	return w.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, &corev1.ConfigMap{})
}

func TestANamespaceThatIsRefusedHoldsUpNoOther(t *testing.T) {
	a := newAPI(t)
	a.put("a/configmaps", "one", "1")
	a.put("b/configmaps", "two", "1")
	a.put("b/secrets", "key", "1")
	a.refuse(http.StatusForbidden, both("b")...)
	w := a.watch(realTime, "a", "b").start()
	if !w.WaitForCacheSync(t.Context()) {
		t.Fatal("not synced")
	}
	config, secret := w.handle(&corev1.ConfigMap{}, "config"), w.handle(metadataOf("Secret"), "secret")
	w.expect("joined a", "add config a/one=1")
	eventually(t, "the handlers have all that can be read", func() bool { return config.HasSynced() && secret.HasSynced() })

	if err := get(w, "b", "two"); !IsNotSynced(err) || apierrors.IsNotFound(err) || IgnoreNotSynced(err) != nil {
		t.Errorf("what can't be read: %v", err)
	}
	if err := get(w, "a", "two"); !apierrors.IsNotFound(err) || IsNotSynced(err) {
		t.Errorf("what is not there: %v", err)
	}
	if err := get(w, "c", "two"); err == nil || IsNotSynced(err) || apierrors.IsNotFound(err) {
		t.Errorf("a namespace that is not cached: %v", err)
	}
	if all, b := w.names(""), w.names("b"); all != "a/one" || b != "namespace b can't be read at present" {
		t.Errorf("all are %q, those of b %q", all, b)
	}
	if w.Synced("") || !w.Synced("a") || w.Synced("b") || w.Synced("c") || w.Complete(&corev1.ConfigMap{}) {
		t.Error("b counts as synced, or a does not")
	}
	eventually(t, "each kind of b is known to be refused", func() bool {
		kinds := w.Statuses()[1].Kinds
		return len(kinds) > 0 && kinds[0] == "configmaps"
	})
	s := w.Statuses()
	if !s[0].Synced || s[0].Reason != "" || s[1].Synced || s[1].Ever || s[1].Kinds[0] != "configmaps" || s[1].Reason != "Forbidden" || s[1].Since.IsZero() {
		t.Errorf("statuses %+v", s)
	}
	if log := strings.Join(w.log.all(), "\n"); !strings.Contains(log, `"namespace"="b"`) || !strings.Contains(log, `"reason"="Forbidden"`) {
		t.Errorf("log %s", log)
	}

	a.refuse(0, both("b")...)
	w.expect("joined b", "add config b/two=1", "add secret b/key=1")
	if all := w.names(""); all != "a/one b/two" || !w.Synced("") || !w.Complete(&corev1.ConfigMap{}) {
		t.Errorf("all are %q", all)
	}
	a.put("b/configmaps", "two", "2")
	w.expect("update config b/two=2")
}

// All kinds of a namespace can be read, or none.
func TestANamespaceIsReadAsAWhole(t *testing.T) {
	a := newAPI(t)
	a.put("b/configmaps", "two", "1")
	a.refuse(http.StatusForbidden, "b/secrets")
	w := a.watch(realTime, "a", "b").start()
	w.handle(&corev1.ConfigMap{}, "config")
	w.expect("joined a", "add config b/two=1")
	if err := get(w, "b", "two"); !IsNotSynced(err) {
		t.Errorf("error %v", err)
	}
	if all := w.names(""); all != "b/two" || !w.Complete(&corev1.ConfigMap{}) || w.Complete(metadataOf("Secret")) {
		t.Errorf("all that is known: %q", all)
	}
	eventually(t, "what can be read is watched", func() bool { return a.watched("b/configmaps") }) // which is a request of its own
	asked := a.requests("b/configmaps")
	a.refuse(0, "b/secrets")
	w.expect("joined b", "add config b/two=1") // once more: what was made of it before was nothing
	if a.requests("b/configmaps") != asked {
		t.Error("what could be read was read again")
	}
}

func TestANamespaceThatIsLostAndComesBack(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"forbidden": http.StatusForbidden, "without the kind": http.StatusNotFound, "unauthorized": http.StatusUnauthorized} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			for _, name := range []string{"changed", "gone", "kept", "replaced"} {
				a.put("b/configmaps", name, "1")
			}
			w := a.watch(realTime, "a", "b").start()
			w.handle(&corev1.ConfigMap{}, "config")
			w.expect("joined a", "joined b", "add config b/changed=1", "add config b/gone=1", "add config b/kept=1", "add config b/replaced=1")

			a.refuse(status, both("b")...)
			w.awaitSynced("b", false)
			eventually(t, "both kinds are lost", func() bool { return !w.holds("b", "configmaps") && !w.holds("b", "secrets") })
			if s := w.Statuses()[1]; s.Synced || !s.Ever || s.Reason == "" {
				t.Errorf("status %+v", s)
			}
			if err := get(w, "b", "kept"); !IsNotSynced(err) {
				t.Errorf("what can't be read any more: %v", err)
			}
			if all := w.names(""); all != "b/changed b/gone b/kept b/replaced" || !w.Complete(&corev1.ConfigMap{}) {
				t.Errorf("what b last had is forgotten: %q", all)
			}
			late := w.handle(&corev1.ConfigMap{}, "late") // as that of a replica that leads from now on
			eventually(t, "a handler does not wait for b", late.HasSynced)

			a.put("b/configmaps", "changed", "2")
			a.remove("b/configmaps", "gone")
			a.remove("b/configmaps", "replaced")
			a.put("b/configmaps", "replaced", "2")
			a.put("b/configmaps", "new", "1")
			if seen := w.seen.all(); len(seen) != 0 {
				t.Errorf("seen while b can't be read: %v", seen)
			}
			a.refuse(0, both("b")...)
			w.expect("joined b",
				"add config b/changed=2", "add config b/kept=1", "add config b/replaced=2", "add config b/new=1", "delete config b/gone=1", "delete config b/replaced=1",
				"add late b/changed=2", "add late b/kept=1", "add late b/replaced=2", "add late b/new=1", "delete late b/gone=1", "delete late b/replaced=1")
			if all := w.names(""); all != "b/changed b/kept b/new b/replaced" {
				t.Errorf("all are %q", all)
			}
		})
	}
}

// A Kubernetes API that fails, or does not answer, says nothing of what there is.
func TestAnOutageLosesNothing(t *testing.T) {
	a := newAPI(t)
	a.put("/configmaps", "one", "1")
	w := a.watch(realTime).start()
	w.handle(&corev1.ConfigMap{}, "config")
	w.expect("joined ", "add config /one=1")
	asked := a.requests("/configmaps")
	a.refuse(http.StatusServiceUnavailable, "/configmaps", "/secrets")
	eventually(t, "some tries", func() bool { return a.requests("/configmaps") >= asked+4 })
	if !w.Synced("") || w.names("") != "/one" {
		t.Errorf("%+v", w.Statuses())
	}
	a.refuse(0, "/configmaps", "/secrets")
	a.put("/configmaps", "two", "1")
	w.expect("update config /one=1", "add config /two=1") // listed anew
}

func TestTheWholeCluster(t *testing.T) {
	a := newAPI(t)
	a.put("/configmaps", "one", "1")
	a.refuse(http.StatusForbidden, "/secrets")
	w := a.watch(realTime).start()
	eventually(t, "refused", func() bool { return w.Statuses()[0].Reason == "Forbidden" })
	if s := w.Statuses()[0]; !slices.Equal(s.Kinds, []string{"secrets"}) || s.Namespace != "" {
		t.Errorf("status %+v", s)
	}
	if err := get(w, "x", "one"); !IsNotSynced(err) || err.Error() != "the cluster can't be read at present" {
		t.Errorf("error %v", err)
	}
	a.refuse(0, "/secrets")
	w.awaitSynced("", true)
	w.awaitSynced("any", true)
}

// The start waits for what answers, and for nothing else.
func TestTheStartWaits(t *testing.T) {
	t.Parallel()
	waits := func(w *watched) chan bool {
		out := make(chan bool, 1)
		go func() { out <- w.WaitForCacheSync(context.Background()) }()
		return out
	}
	open := func(out chan bool) bool {
		select {
		case <-out:
			return true
		case <-time.After(300 * time.Millisecond):
			return false
		}
	}

	t.Run("until one can be read, if all are refused", func(t *testing.T) {
		t.Parallel()
		a := newAPI(t)
		a.refuse(http.StatusForbidden, append(both("a"), both("b")...)...)
		w := a.watch(realTime, "a", "b").start()
		out := waits(w)
		eventually(t, "refused", func() bool { return w.Statuses()[1].Reason == "Forbidden" })
		if open(out) {
			t.Error("it does not wait")
		}
		a.refuse(0, both("a")...)
		if !<-out || !w.WaitForCacheSync(t.Context()) {
			t.Error("not synced")
		}
		a.refuse(http.StatusForbidden, both("a")...)
		w.awaitSynced("a", false)
		if !open(waits(w)) {
			t.Error("it waits again, which would end the process")
		}
	})
	t.Run("for one that does not answer, but not for ever", func(t *testing.T) {
		t.Parallel()
		a := newAPI(t)
		a.refuse(silence, both("b")...)
		fake := clocktesting.NewFakeClock(time.Now())
		w := a.watch(fake, "a", "b").start()
		out := waits(w)
		w.awaitSynced("a", true)
		if open(out) {
			t.Error("it does not wait")
		}
		fake.Step(startPatience)
		if !<-out {
			t.Error("not synced")
		}
		if s := w.Statuses()[1]; s.Reason != "Reading" {
			t.Errorf("status %+v", s)
		}
		fake.Step(syncTimeout)
		eventually(t, "a timeout", func() bool { return w.Statuses()[1].Reason == "Timeout" })
	})
	t.Run("until it is open", func(t *testing.T) {
		t.Parallel()
		a := newAPI(t)
		w := a.watch(realTime, "a")
		w.open = false
		w.start()
		out := waits(w)
		eventually(t, "read", func() bool { return w.Statuses()[0].Reason == "Waiting" })
		if open(out) || !IsNotSynced(get(w, "a", "one")) {
			t.Error("it does not wait")
		}
		w.Open()
		if !<-out || !apierrors.IsNotFound(get(w, "a", "one")) {
			t.Error("not synced")
		}
	})
	t.Run("until it is told to stop", func(t *testing.T) {
		t.Parallel()
		a := newAPI(t)
		a.refuse(http.StatusForbidden, both("a")...)
		w := a.watch(realTime, "a").start()
		out := waits(w)
		w.stop()
		if !<-out {
			t.Error("false would have the manager wait for ever")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		a2 := newAPI(t)
		if a2.watch(realTime, "a").WaitForCacheSync(ctx) {
			t.Error("synced though it never started")
		}
	})
}

// Whatever it waits for, it stops at once and leaves nothing behind.
func TestItStops(t *testing.T) {
	before := runtime.NumGoroutine()
	for name, prepare := range map[string]func(*api){
		"reading":     func(*api) {},
		"refused":     func(a *api) { a.refuse(http.StatusForbidden, both("a")...) },
		"in silence":  func(a *api) { a.refuse(silence, both("a")...) },
		"unreachable": func(a *api) { a.server.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			prepare(a)
			w := a.watch(realTime, "a").start()
			w.handle(&corev1.ConfigMap{}, "config")
			eventually(t, "an answer, or none", func() bool {
				return w.Synced("a") || w.Statuses()[0].Err != nil || a.requests("a/configmaps") > 0
			})
			w.end()
			select {
			case <-w.ended:
			case <-time.After(30 * time.Second): // a reflector would go on for as long and longer
				t.Error("it does not stop")
			}
		})
	}
	eventually(t, "no goroutine is left", func() bool {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		return runtime.NumGoroutine() <= before+2
	})
}

// What can't be read is tried again, within bounds: never twice within a pause.
func TestThePaces(t *testing.T) {
	a := newAPI(t)
	a.refuse(http.StatusForbidden, both("b")...)
	fake := clocktesting.NewFakeClock(time.Now())
	w := a.watch(fake, "b").start()
	const lasts, perTry = 60 * time.Second, 2 // a streamed list, and a list
	eventually(t, "the first try", func() bool { return a.requests("b/configmaps") == perTry })
	for range lasts / (100 * time.Millisecond) {
		fake.Step(100 * time.Millisecond)
		time.Sleep(time.Millisecond) //nolint:forbidigo // a loop that is busy would try many times meanwhile: no event tells that nothing happens
	}
	const most = 8 // after 0, 1, 3, 7, 15, 30, 45 and 60 seconds at the earliest
	if n := a.requests("b/configmaps"); n > most*perTry {
		t.Errorf("%d requests within %s", n, lasts)
	}
	asked := a.requests("b/configmaps")
	a.refuse(0, both("b")...)
	eventually(t, "synced", func() bool {
		fake.Step(200 * time.Millisecond)
		return w.Synced("b")
	})
	if asked <= perTry {
		t.Error("it was not tried again")
	}
}

// A namespace that can't be read is logged when that begins, when the reason changes, and now and then; so is one that is worked
// on as it was read before, once that has lasted.
func TestTheLog(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now())
	w := newAPI(t).watch(fake, "b")
	readers := w.scopes[0].readers
	fails := func(err error) {
		w.update(func() { readers[1].trouble.add(err, fake.Now()) })
	}
	lines := func(after time.Duration, want ...string) {
		t.Helper()
		fake.Step(after)
		w.update(func() {})
		got := w.log.take()
		if len(got) != len(want) {
			t.Fatalf("log %v, want %v", got, want)
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("log %v, want %v", got, want)
			}
		}
	}
	forbidden := apierrors.NewForbidden(corev1.Resource("secrets"), "", nil)
	fails(forbidden)
	lines(0, `and wait until they can" "error"="secrets is forbidden: <nil>" "namespace"="b" "kinds"="secrets" "reason"="Forbidden"`)
	fails(forbidden)
	lines(remindsAfter - time.Second)
	lines(time.Second, `"reason"="Forbidden"`)
	fails(apierrors.NewNotFound(corev1.Resource("secrets"), ""))
	lines(0, `"reason"="NotFound"`)
	w.update(func() {
		for _, r := range readers {
			r.synced, r.trouble = true, trouble{}
			r.latest.Store(&mirror{informer: toolscache.NewSharedIndexInformer(nil, nil, 0, nil)})
		}
	})
	lines(0, `"resources are read" "namespace"="b"`)
	lines(2 * remindsAfter)
	fails(errors.New("no route to host"))
	lines(failsAfter - time.Second)
	lines(time.Second, `works with what it has read before" "error"="no route to host"`)
	w.update(func() { readers[1].trouble = trouble{} })
	lines(0, `"resources are read"`)
}

func TestIndexes(t *testing.T) {
	a := newAPI(t)
	for _, ns := range []string{"a", "b"} {
		a.put(ns+"/configmaps", "one", "1")
		a.put(ns+"/configmaps", "two", "2")
	}
	a.refuse(http.StatusForbidden, both("b")...)
	w := a.watch(realTime, "a", "b")
	byValue := func(o client.Object) []string { return []string{o.GetAnnotations()["value"]} }
	if err := w.IndexField(t.Context(), &corev1.ConfigMap{}, "value", byValue); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.awaitSynced("a", true)
	if err := w.IndexField(t.Context(), &corev1.ConfigMap{}, "late", byValue); err == nil {
		t.Error("an index was added after the start")
	}
	with := client.MatchingFields{"value": "2"}
	if got := w.names("", with); got != "a/two" {
		t.Errorf("all with 2: %s", got)
	}
	a.refuse(0, both("b")...)
	w.awaitSynced("b", true)
	if got := w.names("", with) + ", " + w.names("b", with); got != "a/two b/two, b/two" {
		t.Errorf("all with 2, and those of b: %s", got)
	}
	if got := w.names("", client.Limit(3)); len(strings.Fields(got)) != 3 {
		t.Errorf("three of all: %s", got)
	}
	if got := w.names("", client.Continue("x")); !strings.Contains(got, "continued") {
		t.Errorf("a continued list: %s", got)
	}
}

func TestOnlyWhatWasGivenIsCached(t *testing.T) {
	a := newAPI(t)
	w := a.watch(realTime, "a").start()
	w.awaitSynced("a", true)
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "a", Name: "x"}, &corev1.Secret{}); err == nil || !strings.Contains(err.Error(), "is not cached") {
		t.Errorf("a Secret itself, of which the metadata is cached: %v", err)
	}
	if err := w.List(t.Context(), &corev1.PodList{}); err == nil || !strings.Contains(err.Error(), "is not cached") {
		t.Errorf("Pods: %v", err)
	}
	if _, err := w.GetInformer(t.Context(), &corev1.Pod{}); err == nil {
		t.Error("an informer of Pods")
	}
	if _, err := w.GetInformerForKind(t.Context(), corev1.SchemeGroupVersion.WithKind("ConfigMap")); err != nil {
		t.Error(err)
	}
	if n := a.requests("a/pods"); n != 0 {
		t.Errorf("%d requests for Pods", n)
	}
}

func TestAHandlerIsRemoved(t *testing.T) {
	a := newAPI(t)
	w := a.watch(realTime, "a").start()
	first, second := w.handle(&corev1.ConfigMap{}, "first"), w.handle(&corev1.ConfigMap{}, "second")
	w.expect("joined a")
	i, err := w.GetInformer(t.Context(), &corev1.ConfigMap{})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.RemoveEventHandler(first); err != nil {
		t.Fatal(err)
	}
	a.put("a/configmaps", "one", "1")
	w.expect("add second a/one=1")
	<-second.HasSyncedChecker().Done()
	<-i.HasSyncedChecker().Done()
	if i.IsStopped() || !i.HasSynced() {
		t.Error("it runs, and has synced")
	}
}

// A namespace that does not exist can be read, and is empty. It is reported all the same.
func TestANamespaceThatDoesNotExist(t *testing.T) {
	a := newAPI(t)
	a.put("a/configmaps", "one", "1")
	fake := clocktesting.NewFakeClock(time.Now())
	w := a.watch(fake, "a", "b", "c")
	var b, asked atomic.Int32
	w.options.Find = func(_ context.Context, namespace string) error {
		asked.Add(1)
		switch {
		case namespace == "b" && b.Load() == 0:
			return apierrors.NewNotFound(corev1.Resource("namespaces"), namespace)
		case namespace == "c":
			return apierrors.NewForbidden(corev1.Resource("namespaces"), namespace, nil)
		}
		return nil
	}
	for _, s := range w.scopes {
		s.found = false
	}
	w.start()
	eventually(t, "b is missing", func() bool {
		s := w.Statuses()
		return s[0].Synced && s[1].Reason == "NotFound" && s[2].Synced
	})
	if s := w.Statuses(); s[1].Synced || s[1].Ever || !slices.Equal(s[1].Kinds, []string{"namespace"}) || !s[0].Ever || !s[2].Ever {
		t.Errorf("statuses %+v", s)
	}
	if !w.Synced("b") || w.names("b") != "" || w.names("") != "a/one" {
		t.Error("b can't be read, although it is only empty")
	}
	if log := strings.Join(w.log.all(), "\n"); !strings.Contains(log, `"namespace"="b" "kinds"="namespace" "reason"="NotFound"`) {
		t.Errorf("log %s", log)
	}
	b.Store(1)
	eventually(t, "b is found", func() bool {
		fake.Step(findEvery)
		return w.Statuses()[1].Synced
	})
	if s := w.Statuses()[1]; !s.Ever {
		t.Errorf("status %+v", s)
	}
	b.Store(0)
	eventually(t, "b is missing again", func() bool {
		fake.Step(findEvery)
		return !w.Statuses()[1].Synced && w.Statuses()[1].Ever
	})
	a.put("b/configmaps", "two", "1")
	eventually(t, "b has something", func() bool {
		fake.Step(findEvery)
		return w.Statuses()[1].Synced
	})
}

// What a reflector would wait for without noticing that it is told to stop is hidden from it.
func TestImpatient(t *testing.T) {
	refused := &url.Error{Op: "Get", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
	for _, err := range []error{refused, apierrors.NewTooManyRequests("wait", 1)} {
		hidden := impatient(err)
		if utilnet.IsConnectionRefused(hidden) || apierrors.IsTooManyRequests(hidden) || hidden.Error() != err.Error() {
			t.Errorf("%v became %v", err, hidden)
		}
	}
	if forbidden := apierrors.NewForbidden(corev1.Resource("secrets"), "", nil); !apierrors.IsForbidden(impatient(forbidden)) {
		t.Error("another failure is hidden")
	}
}

// A right that is taken away is noticed only by a new watch.
func TestWatchesAreShort(t *testing.T) {
	a := newAPI(t)
	w := a.watch(realTime, "a").start()
	w.awaitSynced("a", true)
	eventually(t, "watches", func() bool { return len(a.timeouts()) >= 2 })
	for _, s := range a.timeouts() {
		if s < 60 || s > 120 {
			t.Errorf("a watch of %d s", s)
		}
	}
}

func TestReasonOf(t *testing.T) {
	for want, err := range map[string]error{
		"Forbidden":   fmt.Errorf("can't list: %w", apierrors.NewForbidden(corev1.Resource("secrets"), "", nil)),
		"Timeout":     &url.Error{Op: "Get", Err: context.DeadlineExceeded},
		"Unreachable": errors.New("dial tcp: no route to host"),
	} {
		if got := ReasonOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	if got := ReasonOf(errNoAnswer); got != "Timeout" {
		t.Errorf("no answer: %s", got)
	}
}
