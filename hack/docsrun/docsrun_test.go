// Package docsrun runs the commands of the documents as a reader would, from top to bottom: against a control plane, the
// simulator and the operator, in a copy of the tree. tables_test.go says what is not run, and why, and what a reader has,
// or sees, beside what the page shows.
package docsrun

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/hack/internal/stack"
	"cpaas.dev/child-account-operator/hack/internal/treecopy"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

const top = "../.."

// Rows of the tables that no document needs any more are to go.
func TestTablesSpeakOfWhatIsThere(t *testing.T) {
	var all []step
	for _, page := range pages(t, top) {
		all = append(all, read(t, top, page)...)
	}
	anywhere := func(what string, is func(step) bool) {
		if !slices.ContainsFunc(all, is) {
			t.Errorf("no document has %s", what)
		}
	}
	for _, row := range notRun {
		anywhere("notRun: "+row.page+": "+row.command, row.is)
	}
	for _, row := range instead {
		anywhere("instead: "+row.page+": "+row.written, func(s step) bool { return s.page == row.page && strings.Contains(s.text, row.written) })
	}
	for _, row := range asides {
		anywhere("asides: "+row.page+": "+row.words, row.is)
	}
	for _, row := range later {
		anywhere("later: "+row.page+": "+row.section, func(s step) bool { return s.page == row.page && s.section == row.section })
		anywhere("later: "+row.page+": "+row.after, func(s step) bool { return s.page == row.page && s.section == row.after })
	}
	for _, row := range foreground {
		anywhere("foreground: "+row.command, func(s step) bool { return strings.Contains(s.text, row.command) })
	}
}

func TestDocuments(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("slow: TEST_ALL=1")
	}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	for _, name := range []string{"kubectl", "kube-controller-manager"} {
		if _, err := os.Stat(filepath.Join(assets, name)); err != nil {
			t.Fatalf("KUBEBUILDER_ASSETS must hold %s (make sets it with TEST_ALL=1): %v", name, err)
		}
	}
	t.Chdir(copied(t))
	t.Setenv("PATH", assets+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv("KUBECACHEDIR", t.TempDir())
	err := stack.Run("docsrun", "bin/child-account-operator", func(ctx context.Context, s *stack.Stack) error {
		readAll(ctx, t, s)
		if t.Failed() {
			return errors.New("see above") // and a log's end
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// copied is a copy of the tree, as a reader has it who has just cloned it.
func copied(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	if err := treecopy.Copy(top, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// readAll reads the README first, which starts what it needs by itself, and then the others beside a simulator and an operator.
func readAll(ctx context.Context, t *testing.T, s *stack.Stack) {
	cluster, err := s.StartBareCluster(ctx)
	if err == nil {
		err = cluster.StartControllerManager()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", cluster.Kubeconfig)
	r := &reader{stack: s}
	r.page(ctx, t, "README.md")
	if ctx.Err() != nil {
		return // a program has ended that goes on
	}
	r.hangUp(t)
	r.settle(ctx, t, cluster)
	for _, page := range pages(t, ".") {
		if page != "README.md" {
			r.page(ctx, t, page)
		}
	}
}

// freeAddress returns the address, or a free one if somebody is there.
func freeAddress(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err == nil {
		listener.Close()
		return address
	}
	return freeport.Reserve(t)
}

// settle gives the reader what the other pages take for granted: the kinds, an operator, a provider, which is reached by
// way of an endpoint with a private certificate as well.
func (r *reader) settle(ctx context.Context, t *testing.T, cluster *stack.Cluster) {
	t.Helper()
	if out, err := r.run(ctx, "make build install", ""); err != nil {
		t.Fatal(err, out)
	}
	sim, err := r.stack.StartSimulator(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.sim = sim
	to, err := url.Parse(sim.URL)
	if err != nil {
		t.Fatal(err)
	}
	private := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(to))
	private.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it yet says so
	private.EnableHTTP2 = true
	private.StartTLS()
	t.Cleanup(private.Close)
	authority := certificate(private.Certificate())
	r.write(t, "ca.pem", string(authority))
	t.Setenv("ENDPOINT", sim.URL)
	t.Setenv("PRIVATE_ENDPOINT", private.URL)
	t.Setenv("CA_BUNDLE", base64.StdEncoding.EncodeToString(authority))
	r.call(ctx, t, call{"POST", "parents", parent, ""})
	r.call(ctx, t, call{"GET", "parents/900000/credentials", "", "credentials.json"})
	if _, err := r.stack.StartOperator(cluster.Kubeconfig, []string{sim.URL, private.URL}); err != nil {
		t.Fatal(err)
	}
}

func certificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
