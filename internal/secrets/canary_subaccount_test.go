package secrets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// smsParrot is the 2sms admin API, which answers the first calls of each kind with all that it was sent, each time in another way.
type smsParrot struct {
	sim   http.Handler
	known *testenv.Canaries

	mu     sync.Mutex
	echoed map[string]int
	urls   strings.Builder
}

// smsEchoes are the ways in which it repeats a text.
var smsEchoes = []func(w http.ResponseWriter, text string){
	func(w http.ResponseWriter, text string) { reply(w, http.StatusInternalServerError, "text/plain", text) },
	func(w http.ResponseWriter, text string) {
		reply(w, http.StatusBadRequest, "application/json", fmt.Sprintf(`{"Error":{"ErrorCode":%q,"ErrorReason":%q}}`, text, "refused: "+text))
	},
	func(w http.ResponseWriter, text string) {
		reply(w, http.StatusOK, "application/json", fmt.Sprintf(`{"Error":{"ErrorCode":"E1","ErrorReason":%q},"ResponseData":null}`, text))
	},
	func(w http.ResponseWriter, text string) { reply(w, http.StatusUnauthorized, "text/html", text) },
	func(w http.ResponseWriter, text string) {
		reply(w, http.StatusOK, "application/json", `{"ResponseData": `+text)
	},
}

// ServeHTTP implements http.Handler.
func (p *smsParrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.known.Add("token", token)
	var sent map[string]string
	if json.Unmarshal(body, &sent) == nil {
		p.known.Add("password", sent["Password"])
	}
	form, _ := url.ParseQuery(string(body))
	kind := r.Method + " " + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if r.Method == http.MethodPut {
		kind = r.Method
	}
	p.mu.Lock()
	p.urls.WriteString(r.URL.String() + "\n")
	n := p.echoed[kind]
	p.echoed[kind]++
	p.mu.Unlock()
	if n < len(smsEchoes) {
		smsEchoes[n](w, fmt.Sprintf("%s %s %s %s", sent["Password"], form.Get("client_secret"), token, body))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.sim.ServeHTTP(w, r)
}

var _ = Describe("Canaries of SubAccounts", func() {
	It("none shows, whatever the provider repeats", testenv.TakesLong, func(ctx SpecContext) {
		w := testenv.NewTwoSMSWorld(ctx)
		c := &cage{World: w.World, output: &testenv.SyncBuffer{}, kubeconfig: kubeconfigFile()}
		p := &smsParrot{sim: w.Sim.Handler(), known: &c.known, echoed: map[string]int{}}
		server := httptest.NewServer(p)
		DeferCleanup(server.Close)
		c.known.Add("client secret", w.Master.ClientSecret)
		c.known.Add("declared password", "Zz9-declared-of-the-sub-account")
		c.secret(ctx, "declared", map[string]string{"password": "Zz9-declared-of-the-sub-account"})
		w.ApplyMaster(ctx, func(parent *v1alpha1.ParentAccount) {
			parent.Spec.TwoSMS.BaseURL = server.URL + simulator.TwoSMSPath
		})
		made := w.ApplySub(ctx, "canary")
		told := w.ApplySub(ctx, "told", func(s *v1alpha1.SubAccount) {
			s.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: "declared"}
		})
		process := startManager(c.kubeconfig, c.output, "--allowed-endpoints="+server.URL, "--zap-log-level=debug")
		ask := func(o interface {
			metav1.Object
			GetConditions() *[]metav1.Condition
		}) {
			annotations := o.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[v1alpha1.AnnotationReconcileRequestedAt] = time.Now().String()
			o.SetAnnotations(annotations)
		}
		parent := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-sms"}}
		ready := func(s *v1alpha1.SubAccount) {
			GinkgoHelper()
			Eventually(func(g Gomega) {
				testenv.Edit(ctx, parent, func(parent *v1alpha1.ParentAccount) { ask(parent) })
				testenv.Edit(ctx, s, func(s *v1alpha1.SubAccount) { ask(s) })
				g.Eventually(testenv.StateOf(ctx, s)).WithTimeout(3 * time.Second).Should(testenv.BeAvailable())
			}).WithTimeout(4 * time.Minute).Should(Succeed())
		}
		ready(made)
		ready(told)
		testenv.Edit(ctx, made, func(s *v1alpha1.SubAccount) { s.Spec.LastName = "King" })
		ready(made)
		c.look(ctx, process)
		process.end(syscall.SIGQUIT)
		Expect(c.output.String()).To(ContainSubstring("goroutine "))
		c.expectNothingShown()
		for _, kind := range []string{"client secret", "token", "password", "declared password"} {
			Expect(c.known.Kinds).To(HaveKeyWithValue(kind, BeNumerically(">", 0)), "nothing is looked for: %s", kind)
		}
		Expect(c.known.In(p.urls.String())).To(BeEmpty(), "in addresses")
	})
})
