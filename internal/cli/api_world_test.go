package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The ids and secrets of the world.
const (
	apiParentID = int64(5_000_000_100)
	apiFirstID  = int64(5_000_000_201)
	apiSecondID = int64(5_000_000_202)

	canaryPassword = "Canary-Pa55word!/+x"
	canaryAPIKey   = "canary-parent-api-key"
	canarySalt     = "canary-s4lt"
)

// apiWorld is a simulated provider with a parent and two child accounts, and a folder with the parent's credentials.
type apiWorld struct {
	*simulator.Simulator
	t           *testing.T
	url, dir    string
	credentials []byte
	// environment is that of the commands, beside the credentials' variable.
	environment []string
}

func newAPIWorld(t *testing.T) *apiWorld {
	t.Helper()
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey(), Settings: simulator.Settings{APIAddress: "api.voximplant.com"}})
	sim.AddParent(simulator.Parent{ID: apiParentID, Name: "acme-parent", Email: "owner@acme.example", APIKey: canaryAPIKey})
	for id, name := range map[int64]string{apiFirstID: "acme-first", apiSecondID: "acme-second"} {
		sim.PutAccount(simulator.Account{ID: id, ParentID: apiParentID, Fields: simulator.Fields{
			"account_name": name, "account_email": strings.TrimPrefix(name, "acme-") + "@acme.example", "account_password": canaryPassword,
			"api_key": "canary-key-of-" + name, "callback_salt": canarySalt, "active": id == apiFirstID, "balance": 12.5, "currency": "EUR", "created": "2026-01-02 03:04:05",
			"account_custom_data": "a\x1b[31mred\x1b[0m\u202e\n\u0085\U000e0001 \u00e4<&>",
			"phones":              []map[string]any{{"phone_id": 11, "phone_number": "4930111", "price": 2.5}, {"phone_id": 12, "phone_number": "4930112", "price": 1.0, "auto_charge": true}},
		}})
	}
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	w := &apiWorld{Simulator: sim, t: t, url: server.URL, dir: t.TempDir(), credentials: sim.Credentials(apiParentID)}
	w.file("credentials.json", string(w.credentials))
	w.file("password.txt", canaryPassword+"\r\n")
	return w
}

// file writes a file into the world's folder, and returns its path.
func (w *apiWorld) file(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// outcome is what came of a command.
type outcome struct {
	status         int
	stdout, stderr string
}

// command is the operator's own program with the arguments, in the world's folder.
func (w *apiWorld) command(stdin io.Reader, args ...string) *exec.Cmd {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), self, args...)
	cmd.Dir, cmd.Stdin = w.dir, stdin
	cmd.Env = append([]string{asOperator + "=1", "HOME=" + w.dir, "GOCOVERDIR=" + w.dir}, w.environment...)
	return cmd
}

// exec runs the program as a process of its own.
func (w *apiWorld) exec(stdin string, args ...string) outcome {
	w.t.Helper()
	cmd := w.command(strings.NewReader(stdin), args...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !asExit(err, &exit) {
		w.t.Fatal(err)
	}
	return w.looked(outcome{cmd.ProcessState.ExitCode(), out.String(), errors.String()})
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

// api runs the subcommand api in this process, with the world's credentials and endpoint unless others are given.
func (w *apiWorld) api(args ...string) outcome {
	w.t.Helper()
	args = append([]string{"api"}, args...)
	given := strings.Join(args, " ")
	if !strings.Contains(given, "--credentials") && !strings.Contains(given, "--parent") {
		args = append(args, "--credentials", filepath.Join(w.dir, "credentials.json"))
	}
	if !strings.Contains(given, "--endpoint") {
		args = append(args, "--endpoint", w.url)
	}
	status, stdout, stderr := run(w.t, args...)
	return w.looked(outcome{status, stdout, stderr})
}

// looked fails the test for a secret that shows, or something that a terminal takes for a command.
func (w *apiWorld) looked(o outcome) outcome {
	w.t.Helper()
	for _, stream := range []string{o.stdout, o.stderr} {
		if strings.Contains(strings.ToLower(stream), "canary") || strings.Contains(stream, "PRIVATE KEY") {
			w.t.Errorf("a secret shows: %s", stream)
		}
		if strings.ContainsAny(stream, "\x1b\u0085\u202e\U000e0001") {
			w.t.Errorf("something that is no text comes through: %q", stream)
		}
	}
	if o.status != 0 && (!strings.HasPrefix(o.stderr, "Error: ") || strings.Count(o.stderr, "\n") != 1 || o.stdout != "") {
		w.t.Errorf("no error of one line: %+v", o)
	}
	return o
}

// called are the methods that were called since the last look.
func (w *apiWorld) called() string {
	var names []string
	for _, c := range w.Calls() {
		names = append(names, c.Method)
	}
	w.ResetCalls()
	return strings.Join(names, " ")
}

// want checks a status and a part of the error, and how often the provider was called for it.
func (w *apiWorld) want(o outcome, status int, says, called string) {
	w.t.Helper()
	if o.status != status || !strings.Contains(o.stderr, says) {
		w.t.Errorf("%+v; want status %d and %q", o, status, says)
	}
	if got := w.called(); got != called {
		w.t.Errorf("called %q, want %q", got, called)
	}
}

// cluster serves a ParentAccount and Secrets as the Kubernetes API does, and writes a kubeconfig for it.
func (w *apiWorld) cluster(parent *v1alpha1.ParentAccount, secrets ...*corev1.Secret) (kubeconfig string) {
	w.t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		status := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404, Message: "not found"}
		serveJSON(rw, 404, status)
	})
	parent.TypeMeta = metav1.TypeMeta{Kind: "ParentAccount", APIVersion: v1alpha1.GroupVersion.String()}
	mux.HandleFunc("GET /apis/"+v1alpha1.GroupVersion.String()+"/namespaces/"+parent.Namespace+"/parentaccounts/"+parent.Name, func(rw http.ResponseWriter, _ *http.Request) { serveJSON(rw, 200, parent) })
	for _, s := range secrets {
		s.TypeMeta = metav1.TypeMeta{Kind: "Secret", APIVersion: "v1"}
		mux.HandleFunc("GET /api/v1/namespaces/"+s.Namespace+"/secrets/"+s.Name, func(rw http.ResponseWriter, _ *http.Request) { serveJSON(rw, 200, s) })
	}
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	return w.file("kubeconfig", fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "here",
		"clusters": [{"name": "c", "cluster": {"server": %q}}], "contexts": [{"name": "here", "context": {"cluster": "c"}}]}`, server.URL))
}

func serveJSON(rw http.ResponseWriter, status int, value any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(value)
}

// parentAccount is the ParentAccount telephony/acme and its Secrets.
func (w *apiWorld) parentAccount() (*v1alpha1.ParentAccount, *corev1.Secret, *corev1.Secret) {
	parent := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme"}}
	parent.Spec.Voximplant = v1alpha1.VoximplantParent{
		Endpoint: &w.url, CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"}, APIKeySecretRef: &v1alpha1.SecretKeyReference{Name: "voximplant-api-key"},
	}
	parent.Status.AccountID = fmt.Sprint(apiParentID)
	secret := func(name, key string, value []byte) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			Data:       map[string][]byte{key: value},
		}
	}
	return parent, secret("voximplant", "credentials.json", w.credentials), secret("voximplant-api-key", "api-key", []byte(canaryAPIKey+"\n"))
}
