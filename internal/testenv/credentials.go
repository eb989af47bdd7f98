package testenv

import (
	"context"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"unicode/utf16"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// ExpectStopped expects that the parent is stalled, and its child because of it.
func ExpectStopped(ctx context.Context, p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, reason string) {
	GinkgoHelper()
	Eventually(StateOf(ctx, p)).Should(BeStalledAs(reason))
	Eventually(func(g Gomega) {
		s := StateOf(ctx, c)(g)
		g.Expect(s).To(BeStalledAs(v1alpha1.ReasonParentNotReady))
		g.Expect(s.Message).To(ContainSubstring(reason))
	}).Should(Succeed())
}

// ResourceVersion is the resource's version.
func ResourceVersion(ctx context.Context, o client.Object) string {
	GinkgoHelper()
	Expect(K8s.Get(ctx, KeyOf(o), o)).To(Succeed())
	return o.GetResourceVersion()
}

const goOn = "; the former credentials continue until the operator restarts. "

// PutCredentials changes the credentials Secret as a person would.
func PutCredentials(ctx context.Context, w *World, data map[string][]byte) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "voximplant"}}
	Edit(ctx, secret, func(s *corev1.Secret) { s.Data = data })
}

// InUTF16 is a text as some tools of Windows save it, without the byte order mark that most put before it.
func InUTF16(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}

// ExpectFormerCredentials is a parent that is stalled because of its new credentials, while the former ones continue.
func ExpectFormerCredentials(ctx context.Context, p *v1alpha1.ParentAccount, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		s := StateOf(ctx, p)(g)
		g.Expect(s).To(BeStalledAs(reason))
		g.Expect(s.Message).To(ContainSubstring(goOn))
	}).Should(Succeed())
}

// Gate holds the answer of the next call of a method, which was carried out when answered is closed, until it is released.
func (w *World) Gate(method string) (answered <-chan struct{}, release func()) {
	carriedOut, released := make(chan struct{}), make(chan struct{})
	var once sync.Once
	api := w.Sim.Handler()
	var handler http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mine := false
		if path.Base(r.URL.Path) == method {
			once.Do(func() { mine = true })
		}
		if !mine {
			api.ServeHTTP(rw, r)
			return
		}
		recorder := httptest.NewRecorder()
		api.ServeHTTP(recorder, r)
		close(carriedOut)
		<-released
		rw.WriteHeader(recorder.Code)
		_, _ = rw.Write(recorder.Body.Bytes())
	})
	ProviderHandler.Store(&handler)
	release = sync.OnceFunc(func() { close(released) })
	DeferCleanup(release)
	return carriedOut, release
}
