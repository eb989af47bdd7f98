package starttest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// proxyPassword must show nowhere.
const proxyPassword = "canary-proxy-password"

// behindProxy starts the operator where the environment names a proxy, and NO_PROXY does not have the Kubernetes API's address. The proxy
// does not let the operator through.
func (w *world) behindProxy(args ...string) *operator {
	w.t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) }))
	w.t.Cleanup(proxy.Close)
	k := clientcmdapi.NewConfig()
	k.Clusters["cluster"] = &clientcmdapi.Cluster{Server: "https://10.96.0.1:443", CertificateAuthorityData: w.config.CAData}
	k.AuthInfos["operator"] = &clientcmdapi.AuthInfo{Token: "token"}
	k.Contexts["cluster"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: "operator"}
	k.CurrentContext = "cluster"
	file := filepath.Join(w.t.TempDir(), "kubeconfig")
	w.Expect(clientcmd.WriteToFile(*k, file)).To(Succeed())
	env := []string{
		"KUBECONFIG=" + file, "NO_PROXY=.svc,localhost", "no_proxy=", "https_proxy=",
		fmt.Sprintf("HTTPS_PROXY=http://operator:%s@%s", proxyPassword, proxy.Listener.Addr()),
	}
	o := w.start(w.t, w.front, w.user, env, append([]string{"--allowed-endpoints=" + w.endpoint}, args...)...)
	w.t.Cleanup(func() { w.Expect(o.output.String()).NotTo(ContainSubstring(proxyPassword)) })
	return o
}

// expectProxyNamed says that the log names the step that failed and what to do, and nothing that does not help.
func (w *world) expectProxyNamed(o *operator) {
	w.t.Helper()
	w.eventually(func(g Gomega) {
		g.Expect(o.output.String()).To(MatchRegexp(`the Kubernetes API at 10\.96\.0\.1:443 can't be reached: the proxy 127\.0\.0\.1:\d+ did not connect to ` +
			`10\.96\.0\.1:443: HTTP 403 Forbidden; .* add 10\.96\.0\.1, or the cluster's service CIDR, to NO_PROXY in the operator's environment`))
	})
	for _, l := range strings.Split(o.output.String(), "\n") {
		if strings.Contains(l, "10.96.0.1") {
			w.Expect(l).NotTo(ContainSubstring("--installation-id"))
		}
	}
}

// proxyPhases are those in which a proxy stands in the way.
var proxyPhases = []phase{
	{"a proxy that refuses the Kubernetes API", func(w *world) *operator {
		o := w.behindProxy()
		o.expectReady(http.StatusInternalServerError, line("[-]", "installation-id", "namespace kube-system Unreachable"))
		w.expectProxyNamed(o)
		return o
	}},
	{"a proxy that refuses the Kubernetes API, the installation's id is known", func(w *world) *operator {
		o := w.behindProxy("--installation-id=blue")
		o.expectReady(http.StatusInternalServerError, line("[-]", "cache", "Unreachable"))
		w.expectProxyNamed(o)
		return o
	}},
}
