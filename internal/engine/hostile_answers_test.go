package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// hostileAnswers are given by a provider that means harm, or by what stands before it. They end with done at the latest.
var hostileAnswers = map[string]func(w http.ResponseWriter, r *http.Request, done <-chan struct{}){
	"100 MB": func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
		w.Header().Set("Content-Length", fmt.Sprint(100<<20))
		pour(w, []byte(" "), 100<<20)
	},
	"100 MB that don't say so": func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) { pour(w, []byte(" "), 100<<20) },
	"a list of a million accounts": func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
		_, _ = io.WriteString(w, `{"total_count": 1000000, "result": [{"account_id":1}`)
		pour(w, []byte(`,{"account_id":2}`), 1_000_000*17)
		_, _ = io.WriteString(w, "]}")
	},
	"an account of a million fields": func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
		_, _ = io.WriteString(w, `{"total_count": 1, "result": [{"account_id": 1`)
		for i := range 400_000 {
			if _, err := fmt.Fprintf(w, `,"f%d":1`, i); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, "}]}")
	},
	"a byte a second": func(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
		w.Header().Set("Content-Length", "1000000")
		for {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				return
			case <-done:
				return
			}
		}
	},
	"a redirect without end": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		http.Redirect(w, r, r.URL.Path+"/again", http.StatusTemporaryRedirect)
	},
	"a header without end": func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
		w.Header().Set("X-Long", longHeader)
	},
}

// longHeader is made once: what is measured is the operator's memory, in the same process.
var longHeader = strings.Repeat("x", 10<<20)

func pour(w io.Writer, text []byte, n int) {
	part := bytes.Repeat(text, (64<<10)/len(text))
	for n > 0 {
		written, err := w.Write(part[:min(n, len(part))])
		if err != nil {
			return
		}
		n -= written
	}
}

// fiend is a provider that is a good one until it turns.
type fiend struct {
	*httptest.Server
	turned                  atomic.Bool
	calls, inFlight, widest atomic.Int64
}

func newFiend(sim http.Handler, answer func(http.ResponseWriter, *http.Request, <-chan struct{})) *fiend {
	f := &fiend{}
	done := make(chan struct{})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.turned.Load() {
			sim.ServeHTTP(w, r)
			return
		}
		f.calls.Add(1)
		over := sync.OnceFunc(func() { f.inFlight.Add(-1) })
		defer over()
		defer context.AfterFunc(r.Context(), over)() // who has hung up waits for nothing any more
		for now, most := f.inFlight.Add(1), f.widest.Load(); now > most && !f.widest.CompareAndSwap(most, now); most = f.widest.Load() {
		}
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r, done)
	}))
	DeferCleanup(f.Close)
	DeferCleanup(sync.OnceFunc(func() { close(done) })) // before Close, which waits for all answers
	return f
}

// heap watches the memory until it is told to stop, and returns by how much it grew at most. The provider's is in it.
func heap() (stop func() uint64) {
	runtime.GC()
	base := heapInUse()
	end, most := make(chan struct{}), make(chan uint64)
	go func() {
		peak := uint64(0)
		for ticker := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-ticker.C:
				peak = max(peak, heapInUse())
			case <-end:
				most <- peak - min(peak, base)
				return
			}
		}
	}()
	return func() uint64 {
		close(end)
		return <-most
	}
}

// heapInUse is runtime.MemStats.HeapInuse, for which nothing has to stand still.
func heapInUse() uint64 {
	parts := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(parts)
	return parts[0].Value.Uint64() + parts[1].Value.Uint64()
}

// victims is how many resources a hostile provider has, several times what may wait for it at one time; make test-release has 200.
var victims = map[bool]int{false: 80, true: 200}[os.Getenv("TEST_RELEASE") != ""]

const (
	// heapBound is what they may cost altogether, many times what is usual.
	heapBound = 256 << 20
	// widestBound is maxInFlight twice: a call that the operator has given up ends here a little later.
	widestBound = 2 * 10
)

var _ = Describe("A hostile provider", func() {
	for name, answer := range hostileAnswers {
		It("costs few calls and little memory, and keeps nobody else waiting: "+name, func(ctx SpecContext) {
			onlyInTestAll()
			w := testenv.NewWorld(ctx)
			f := newFiend(w.Sim.Handler(), answer)
			w.ApplyParent(ctx)
			bad := hostileParent(ctx, w, "bad", f.URL, nil)
			w.Start(ctx, f.URL)
			Eventually(testenv.StateOf(ctx, bad)).Should(testenv.BeAvailable())
			w.ApplyReady(ctx, "acme-before")
			used := heap()
			f.turned.Store(true)
			testenv.InParallel(victims, func(i int) error {
				return testenv.K8s.Create(ctx, w.Child(fmt.Sprintf("victim-%03d", i), func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "bad" }))
			})
			Eventually(f.calls.Load).Should(BeNumerically(">", 2))
			made := w.Count("AddAccount")
			start := time.Now()
			w.ApplyReady(ctx, "acme-beside")
			AddReportEntry("beside", fmt.Sprint(time.Since(start)))
			Expect(w.Count("AddAccount")).To(Equal(made + 1))
			Consistently(f.calls.Load).WithTimeout(5 * time.Second).Should(BeNumerically("<", 40))
			grown := used()
			AddReportEntry("cost", fmt.Sprintf("%d calls, %d at a time, %d MB", f.calls.Load(), f.widest.Load(), grown>>20))
			Expect(f.widest.Load()).To(BeNumerically("<=", widestBound))
			Expect(grown).To(BeNumerically("<", heapBound))
		})
	}
})

// hostileParent is a ParentAccount of an account of its own, with these credentials or good ones.
func hostileParent(ctx context.Context, w *testenv.World, name, endpoint string, credentials []byte) *v1alpha1.ParentAccount {
	GinkgoHelper()
	if credentials == nil {
		credentials = w.Sim.Credentials(w.Sim.AddParent(simulator.Parent{Name: name + "-parent", Email: name + "@else.example"}).ID)
	}
	Expect(testenv.K8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"credentials.json": credentials},
	})).To(Succeed())
	p := w.ParentAccount()
	p.Name, p.Spec.Voximplant.CredentialsSecretRef.Name, p.Spec.Voximplant.Endpoint = name, name, &endpoint
	Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
	return p
}

// brokenParents are enough for every change; make test-release has 1,000.
var brokenParents = map[bool]int{false: 300, true: 1000}[os.Getenv("TEST_RELEASE") != ""]

var _ = Describe("ParentAccounts with broken credentials by the hundred", func() {
	It("cost a call each at most, and little memory", Label("scale"), func(ctx SpecContext) {
		onlyInTestAll()
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		good := w.Sim.Credentials(w.Parent.ID)
		var file map[string]any
		Expect(json.Unmarshal(good, &file)).To(Succeed())
		broken := func(i int) []byte {
			switch i % 4 {
			case 0:
				return good[:len(good)-40]
			case 1:
				return bytes.Replace(good, []byte("MII"), []byte("MIX"), 1)
			}
			unknown := map[string]any{"account_id": file["account_id"], "key_id": fmt.Sprintf("revoked-%d", i), "private_key": file["private_key"]}
			if i%4 == 3 {
				unknown["account_id"] = 7_000_000_000 + i
			}
			text, err := json.Marshal(unknown)
			Expect(err).NotTo(HaveOccurred())
			return text
		}
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-before")
		used, goroutines := heap(), runtime.NumGoroutine()
		before := w.Count("GetAccountInfo")
		testenv.InParallel(brokenParents, func(i int) error {
			defer GinkgoRecover()
			hostileParent(ctx, w, fmt.Sprintf("broken-%04d", i), testenv.ProviderServer.URL, broken(i))
			return nil
		})
		Eventually(func(g Gomega) {
			var list v1alpha1.ParentAccountList
			g.Expect(testenv.K8s.List(ctx, &list, client.InNamespace(w.NS))).To(Succeed())
			stalled := 0
			for i := range list.Items {
				if s := testenv.Summarize(g, &list.Items[i]); s.Flags == v1alpha1.ConditionStalled {
					stalled++
				}
			}
			g.Expect(stalled).To(Equal(brokenParents))
		}).WithTimeout(time.Minute).Should(Succeed())
		start := time.Now()
		w.ApplyReady(ctx, "acme-beside")
		AddReportEntry("beside", fmt.Sprint(time.Since(start)))
		// Half of them can't be called with at all. An event that comes late is a second look.
		asked := w.Count("GetAccountInfo")
		Expect(asked - before).To(BeNumerically("~", brokenParents/2, brokenParents/20))
		Consistently(func() int { return w.Count("GetAccountInfo") }).WithTimeout(3 * time.Second).Should(Equal(asked))
		grown := used()
		AddReportEntry("cost", fmt.Sprintf("%d MB, %d goroutines", grown>>20, runtime.NumGoroutine()-goroutines))
		Expect(grown).To(BeNumerically("<", heapBound))
		Expect(runtime.NumGoroutine() - goroutines).To(BeNumerically("<", brokenParents*3/10))
	}, NodeTimeout(5*time.Minute))
})
