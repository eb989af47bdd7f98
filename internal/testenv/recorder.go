package testenv

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes/scheme"
)

// Recorder notes what one operator asks of the Kubernetes API, and whether it was done.
type Recorder struct {
	mu sync.Mutex
	// begun are lists and watches, by "watch resource"; wrote is what was written, by "resource namespace/name", and refused
	// what wasn't. Leases are left out.
	begun, wrote, refused map[string]int
}

// RecordRequests has a world's operator noted, from its next start on.
func (w *World) RecordRequests() *Recorder {
	s := &Recorder{begun: map[string]int{}, wrote: map[string]int{}, refused: map[string]int{}}
	w.Config.Wrap(s.recording)
	return s
}

func (s *Recorder) recording(next http.RoundTripper) http.RoundTripper {
	paths := &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	return RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
		defer GinkgoRecover()
		info, err := paths.NewRequestInfo(r)
		Expect(err).NotTo(HaveOccurred())
		name := info.Namespace + "/" + info.Name
		if info.Verb == "create" {
			name = nameOf(r)
		}
		response, err := next.RoundTrip(r)
		s.note(info, name, err == nil && response.StatusCode < http.StatusBadRequest)
		return response, err
	})
}

func (s *Recorder) note(info *request.RequestInfo, name string, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !info.IsResourceRequest, info.Resource == "leases", info.Verb == "get":
	case info.Verb == "list", info.Verb == "watch":
		s.begun[info.Verb+" "+info.Resource]++
	case done:
		s.wrote[info.Resource+" "+name]++
	default:
		s.refused[info.Resource+" "+name]++
	}
}

// nameOf is the namespace and name of what is created, of an event those of what it is about.
func nameOf(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	Expect(err).NotTo(HaveOccurred())
	r.Body = io.NopCloser(bytes.NewReader(body))
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	Expect(err).NotTo(HaveOccurred())
	if e, ok := o.(*eventsv1.Event); ok {
		return e.Regarding.Namespace + "/" + e.Regarding.Name
	}
	m, err := meta.Accessor(o)
	Expect(err).NotTo(HaveOccurred())
	return m.GetNamespace() + "/" + m.GetName()
}

// Written are the resources that were written since the last time that somebody asked, and how often.
func (s *Recorder) Written() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	wrote := s.wrote
	s.wrote = map[string]int{}
	return wrote
}

// Watched are the kinds that are listed or watched, each with how many times that began.
func (s *Recorder) Watched() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.begun)
}

// WrittenTo counts what concerns an object, by its name.
func WrittenTo(wrote map[string]int, name string) (n int) {
	for key, times := range wrote {
		if strings.HasSuffix(key, "/"+name) {
			n += times
		}
	}
	return n
}

// WrittenByBoth are what two have written.
func WrittenByBoth(a, b map[string]int) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a)), func(key string) bool { return b[key] == 0 })
}
