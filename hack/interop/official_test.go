package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience is how long all calls of one process of the client may take.
const patience = 2 * time.Minute

// call is a call by the provider's client.
type call struct {
	Client client `json:"client"`
	// Method is the client's, setChildAccountInfo for example; with Generic one that it does not have, as the API calls it.
	Method  string         `json:"method"`
	Generic bool           `json:"generic,omitempty"`
	Request map[string]any `json:"request"`
}

// client is what the provider's client is made with.
type client struct {
	Credentials string `json:"pathToCredentials"`
	Host        string `json:"host"`
	// AccountID is the account to act as; 0: the key's own.
	AccountID int64 `json:"accountId,omitempty"`
}

// outcome is what came of a call: the promise was kept with Answer or broken with Failure.
type outcome struct {
	Answer  map[string]any `json:"answer"`
	Failure *failure       `json:"failure"`
}

type failure struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Status  int    `json:"status"`
	Data    any    `json:"data"`
}

// official is the provider's client, in a process of its own.
type official struct {
	*world
	in  *json.Encoder
	out *json.Decoder
}

// official starts the client; it trusts the certificate of the CA, if there is one, besides those of the public.
func (w *world) official(t *testing.T, caFile string) *official {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "driver.js")
	// Nothing else of the environment: neither a proxy nor credentials.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_EXTRA_CA_CERTS=" + caFile}
	said := new(bytes.Buffer)
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	impatience := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		impatience.Stop()
		_ = in.Close()
		_ = cmd.Wait() // killed, if need be, by the test's context
		if said.Len() > 0 {
			t.Log(w.clean(said))
		}
	})
	o := &official{world: w, in: json.NewEncoder(in), out: json.NewDecoder(out)}
	o.out.UseNumber()
	return o
}

// call makes a call. A client that doesn't say otherwise has the parent's credentials.
func (o *official) call(t *testing.T, c call) outcome {
	t.Helper()
	c.Client.Host = o.server.Addr
	if c.Client.Credentials == "" {
		c.Client.Credentials = o.credentialsFile
	}
	if err := o.in.Encode(c); err != nil {
		t.Fatal(err)
	}
	var came outcome
	if err := o.out.Decode(&came); err != nil {
		t.Fatalf("the client's process: %v", err)
	}
	return came
}

// succeed makes a call that is to be answered without an error.
func (o *official) succeed(t *testing.T, c call) map[string]any {
	t.Helper()
	came := o.call(t, c)
	if came.Failure != nil || came.Answer["error"] != nil || came.Answer["errors"] != nil {
		t.Fatalf("%s %s: %s", c.Method, o.clean(c.Request), o.clean(jsonOf(came)))
	}
	return came.Answer
}

func jsonOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// plain is a value as it is after JSON: what was written in Go is then like what came from the client.
func plain(t *testing.T, value any) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(jsonOf(value))))
	decoder.UseNumber()
	var read any
	if err := decoder.Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read
}
