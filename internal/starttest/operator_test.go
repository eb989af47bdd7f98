package starttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// operator is the operator in a process of its own, with all that it writes.
type operator struct {
	t               *testing.T
	cmd             *exec.Cmd
	output          *testenv.SyncBuffer
	probes, metrics string
	began           time.Time
	ended           chan struct{}
}

// start starts the operator of a user, as all of whose requests go through the front.
func (c *cluster) start(t *testing.T, f *front, user string, env []string, args ...string) *operator {
	t.Helper()
	g := NewWithT(t)
	o := &operator{t: t, output: &testenv.SyncBuffer{}, probes: freeport.Reserve(t), metrics: freeport.Reserve(t), ended: make(chan struct{}), began: time.Now()}
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	o.cmd = exec.Command(self, append([]string{
		"manager", "--health-probe-bind-address=" + o.probes, "--metrics-bind-address=" + o.metrics, "--metrics-secure=false",
	}, args...)...)
	o.cmd.Env = append(append(os.Environ(), beOperator+"=1", "KUBECONFIG="+c.kubeconfig(t, f, user)), env...)
	o.cmd.Stdout, o.cmd.Stderr = o.output, o.output
	g.Expect(o.cmd.Start()).To(Succeed())
	go func() {
		_ = o.cmd.Wait()
		close(o.ended)
	}()
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill() // it may have ended
		<-o.ended
		if t.Failed() {
			written := o.output.String()
			t.Logf("the operator wrote:\n%s", written[max(0, len(written)-20_000):])
		}
	})
	return o
}

func (c *cluster) kubeconfig(t *testing.T, f *front, user string) string {
	k := clientcmdapi.NewConfig()
	k.Clusters["front"] = &clientcmdapi.Cluster{Server: "https://" + f.address, CertificateAuthorityData: c.config.CAData}
	k.AuthInfos["front"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: c.config.CertData, ClientKeyData: c.config.KeyData,
		Impersonate: user, ImpersonateGroups: []string{"system:serviceaccounts", "system:authenticated"},
	}
	k.Contexts["front"] = &clientcmdapi.Context{Cluster: "front", AuthInfo: "front"}
	k.CurrentContext = "front"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	NewWithT(t).Expect(clientcmd.WriteToFile(*k, file)).To(Succeed())
	return file
}

// answer is what the operator's own HTTP server says; code 0 stands for nothing.
type answer struct {
	code int
	body string
}

func get(url string) answer {
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{response.StatusCode, string(body)}
}

func (o *operator) readyz() answer  { return get("http://" + o.probes + "/readyz") }
func (o *operator) healthz() answer { return get("http://" + o.probes + "/healthz") }

// metric is the sum of a metric's values whose labels contain all of these, -1 where there is none.
func (o *operator) metric(name string, labels ...string) float64 {
	sum, some := 0.0, false
	for _, line := range strings.Split(get("http://"+o.metrics+"/metrics").body, "\n") {
		series, value, ok := strings.Cut(line, "} ")
		if !ok || !strings.HasPrefix(series, "child_account_operator_"+name+"{") || !has(series+",", labels) {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			sum, some = sum+n, true
		}
	}
	if !some {
		return -1
	}
	return sum
}

func has(text string, all []string) bool {
	for _, one := range all {
		if !strings.Contains(text, one) {
			return false
		}
	}
	return true
}

// line is a line of /readyz.
func line(mark, name, says string) string {
	return `(?m)^` + regexp.QuoteMeta(mark+name) + ` .*` + regexp.QuoteMeta(says)
}

// expectReady waits until /readyz has a status code and lines like these.
func (o *operator) expectReady(code int, lines ...string) {
	o.t.Helper()
	NewWithT(o.t).Eventually(func(g Gomega) {
		got := o.readyz()
		g.Expect(got.code).To(Equal(code), got.body)
		for _, l := range lines {
			g.Expect(got.body).To(MatchRegexp(l))
		}
	}).WithTimeout(patience).WithPolling(100 * time.Millisecond).Should(Succeed())
	NewWithT(o.t).Expect(o.healthz().code).To(Equal(http.StatusOK), "a restart would help nothing")
}

// stopsWithin is for how long the process may go on after SIGTERM where nothing is under way. An idle machine takes less than
// a second.
const stopsWithin = 15 * time.Second

// stop sends SIGTERM and expects a good end, soon.
func (o *operator) stop() {
	o.t.Helper()
	g := NewWithT(o.t)
	g.Expect(o.ended).NotTo(BeClosed(), "it has ended by itself")
	told := time.Now()
	g.Expect(o.cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	g.Eventually(o.ended).WithTimeout(stopsWithin).Should(BeClosed(), "it does not end")
	o.t.Logf("ended %.1f s after SIGTERM, with %.1f s of CPU in %.1f s", time.Since(told).Seconds(), o.cmd.ProcessState.UserTime().Seconds()+o.cmd.ProcessState.SystemTime().Seconds(), time.Since(o.began).Seconds())
	g.Expect(o.cmd.ProcessState.ExitCode()).To(BeZero())
}

// cpu is the time that the process has had of the processors.
func (o *operator) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", o.cmd.Process.Pid))
	g := NewWithT(o.t)
	g.Expect(err).NotTo(HaveOccurred())
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	g.Expect(err).NotTo(HaveOccurred())
	system, err := strconv.Atoi(fields[12])
	g.Expect(err).NotTo(HaveOccurred())
	return time.Duration(user+system) * 10 * time.Millisecond
}

// tries are how often a kind may have been asked for within a time: after 0, 1, 3, 7 seconds and so on, and once more for
// each other kind of the namespace that could be read meanwhile.
func tries(within time.Duration) int {
	n := 1 + 5
	for pause := time.Second; within >= pause; pause = min(2*pause, 15*time.Second) {
		within -= pause
		n++
	}
	return n
}

// expectPaced says that the process, while it waits, asks within bounds and leaves the processors alone.
func (o *operator) expectPaced() {
	o.t.Helper()
	g := NewWithT(o.t)
	const looks = 3 * time.Second
	before, since := o.cpu(), time.Now()
	g.Consistently(o.ended, looks).ShouldNot(BeClosed())
	used, took := o.cpu()-before, time.Since(since)
	g.Expect(used).To(BeNumerically("<", took/2), "processor time while it waits")
	for _, kind := range []string{"parentaccounts", "childaccounts", "input secrets", "connection secrets", "namespaces"} {
		n := o.metric("cache_requests_total", fmt.Sprintf("kind=%q", kind))
		g.Expect(n).To(BeNumerically("<=", 2*tries(time.Since(o.began))), "requests for %s: a streamed list and a list for each try", kind)
	}
	o.t.Logf("%.2f s of CPU in %.1f s; requests of all kinds since the start: %.0f", used.Seconds(), took.Seconds(), o.metric("cache_requests_total"))
}
