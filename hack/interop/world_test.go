package interop

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

const (
	parentName    = "acme-parent"
	parentKey     = account.Secret("canary-parent-api-key")
	firstPassword = account.Secret("Canary-Pa55word!")
	nextPassword  = account.Secret("Canary-0ther-Pass!")
)

// The ids in each world, so that what is sent in two of them can be compared.
const (
	parentID = int64(5_000_000_100)
	childA   = int64(5_000_000_201)
	childB   = int64(5_000_000_202)
	childC   = int64(5_000_000_203)
	complete = int64(5_000_000_204)
	stranger = int64(5_000_000_300)
)

// world is a simulated provider, served by TLS, with one parent and some children: the same in every world.
type world struct {
	*simulator.Simulator
	server *simulator.Server
	// began is before anything was sent.
	began time.Time
	// keyID is the id of the parent's key, credentialsFile and credentials the document that it stands in.
	keyID, credentialsFile string
	credentials            []byte
	dir, caFile            string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		Simulator: simulator.New(simulator.Options{Key: simulator.SharedKey(), KeepWire: true}),
		began:     time.Now(), dir: t.TempDir(),
	}
	w.AddParent(simulator.Parent{ID: parentID, Name: parentName, Email: "owner@acme.example", APIKey: parentKey.Reveal()})
	for id, name := range map[int64]string{childA: "child-a", childB: "child-b", childC: "child-c"} {
		w.PutAccount(simulator.Account{ID: id, ParentID: parentID, Fields: simulator.Fields{
			"account_name": name, "account_email": name + "@acme.example", "account_password": firstPassword.Reveal(), "active": true,
		}})
	}
	w.PutAccount(simulator.Account{ID: stranger, Fields: simulator.Fields{"account_name": "stranger", "account_email": "them@stranger.example"}})
	var err error
	if w.server, err = w.Serve(t.Context(), simulator.ServeOptions{TLS: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.server.Wait(); err != nil {
			t.Error(err)
		}
	})
	w.caFile = w.write(t, "ca.pem", w.server.CA)
	w.credentials = w.Credentials(parentID)
	w.credentialsFile = w.write(t, "credentials.json", w.credentials)
	parsed, err := voximplant.ParseCredentials(w.credentials)
	if err != nil {
		t.Fatal(err)
	}
	w.keyID = parsed.KeyID
	return w
}

// ours is our client of the world. Its clock stands at the world's beginning.
func (w *world) ours(t *testing.T) *voximplant.Remote {
	t.Helper()
	credentials, err := voximplant.ParseCredentials(w.credentials)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.server.CA)
	transport := apihttp.NewTransport(roots)
	t.Cleanup(transport.CloseIdleConnections)
	remote, err := voximplant.New(voximplant.Config{
		Endpoint: w.server.URL, Credentials: credentials, ParentAPIKey: parentKey, Transport: transport,
		Clock: func() time.Time { return w.began },
	})
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

// write writes a file that its owner alone may read.
func (w *world) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (w *world) lastCall(t *testing.T) simulator.Call {
	t.Helper()
	calls := w.Calls()
	if len(calls) == 0 {
		t.Fatal("no call has come")
	}
	return calls[len(calls)-1]
}

var tokens = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*`)

// clean prints a value without any secret of the world.
func (w *world) clean(value any) string {
	text := tokens.ReplaceAllString(fmt.Sprint(value), simulator.Masked)
	secrets := []string{firstPassword.Reveal(), nextPassword.Reveal()}
	for _, a := range w.Accounts(0) {
		secrets = append(secrets, a.Text("account_password"), a.APIKey(), a.Text("callback_salt"))
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, simulator.Masked)
		}
	}
	return text
}
