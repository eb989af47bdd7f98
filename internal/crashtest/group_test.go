package crashtest

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
)

// group is some worlds that share the processes of one operator: each has a namespace, a provider and boundaries of its own. Starting a
// process is what costs most, so a process is killed once for all of them: each is held at its boundary until all others are at theirs.
type group struct {
	operator *operator
	// everywhere is set where the operator looks after all namespaces. Of these it is shown the last world's alone.
	everywhere bool
	shown      atomic.Pointer[string]
	// lasting is the test that outlives those of all worlds.
	lasting *testing.T

	mu      sync.Mutex
	worlds  map[string]*world // by namespace
	members int               // those of them that are not through
	here    int               // those that wait for the others
	then    func() error
	meeting *meeting
	// astray are the writes that were in no world.
	astray []string
}

// meeting is what the worlds of a group wait for.
type meeting struct {
	over chan struct{}
	err  error // of what was done for all of them
}

// newGroup starts nothing yet.
func newGroup(t *testing.T, everywhere bool) *group {
	g := &group{operator: newOperator(t), everywhere: everywhere, lasting: t, worlds: map[string]*world{}, meeting: &meeting{over: make(chan struct{})}}
	api, err := apiServerFront(config, g)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	g.operator.connect(t, g.serve(front(&g.operator.lives, api)))
	return g
}

// serve has a server closed in the end, and returns its address.
func (g *group) serve(server *httptest.Server) (url string) {
	g.lasting.Cleanup(func() {
		_ = g.operator.kill() // a server waits for those that are held
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func (g *group) join(w *world) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.worlds[w.ns] = w
	g.shown.Store(&w.ns)
	g.members++
}

// leave has the others wait no more for a world.
func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members--
	g.proceed()
}

// meet waits until all worlds of the group are here, and does then what is to be done for all of them.
func (g *group) meet(then func() error) error {
	g.mu.Lock()
	meeting := g.meeting
	g.here++
	g.then = then
	g.proceed()
	g.mu.Unlock()
	<-meeting.over
	return meeting.err
}

// proceed ends the meeting where all are there. The caller holds the lock.
func (g *group) proceed() {
	if g.here == 0 || g.here < g.members {
		return
	}
	g.meeting.err = g.then()
	close(g.meeting.over)
	g.here, g.meeting = 0, &meeting{over: make(chan struct{})}
}

// start starts the operator for all worlds, anew if it ran before. The caller holds the lock, as in a meeting.
func (g *group) start() error {
	namespaces := slices.Sorted(maps.Keys(g.worlds))
	var flags []string
	if !g.everywhere {
		flags = append(flags, "--namespaces", strings.Join(namespaces, ","))
	}
	for _, namespace := range namespaces {
		w := g.worlds[namespace]
		w.tap.begin()
		flags = append(flags, "--allowed-endpoints", w.endpoint)
	}
	return g.operator.start(flags...)
}

// tapOf is the tap of a namespace's world, nil where there is none.
func (g *group) tapOf(namespace string) *tap {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w := g.worlds[namespace]; w != nil {
		return w.tap
	}
	return nil
}

// goAstray notes a write that is in no world, which must never be.
func (g *group) goAstray(write string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.astray = append(g.astray, write)
}

// strayed are the writes that were in no world.
func (g *group) strayed() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.astray)
}
