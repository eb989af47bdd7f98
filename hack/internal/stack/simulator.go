package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"
)

// startTimeout is how long a process of ours may take until it serves.
const startTimeout = time.Minute

// Simulator is the simulated provider.
type Simulator struct {
	// URL is where it serves.
	URL string
	// CredentialsFile holds the credentials of its parent account.
	CredentialsFile string
	// Process is the one that it runs as.
	Process *Process
}

// announcement is the line by which the simulator says that it serves.
var announcement = regexp.MustCompile(`(?m)^simulator: (\S+),`)

// StartSimulator starts the simulated provider, at its usual port if that is free.
func (s *Stack) StartSimulator(ctx context.Context, flags ...string) (*Simulator, error) {
	sim := &Simulator{CredentialsFile: s.Path("credentials.json")}
	args := append([]string{"simulate", "--listen", freeAddress("127.0.0.1:8090"), "--credentials-file", sim.CredentialsFile}, flags...)
	var err error
	if sim.Process, err = s.Start("simulator", SimulatorLog, nil, s.Binary, args...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, Trouble{errors.New("the simulator does not say where it serves"), SimulatorLog})
	defer cancel()
	err = Poll(ctx, 50*time.Millisecond, func() (bool, error) {
		written, err := os.ReadFile(s.Path(SimulatorLog))
		if found := announcement.FindSubmatch(written); found != nil {
			sim.URL = string(found[1])
		}
		return sim.URL != "", err
	})
	if err == nil {
		fmt.Fprintf(s.Out, "started the simulated provider at %s, log in %s\n", sim.URL, s.Path(SimulatorLog))
	}
	return sim, err
}

// freeAddress returns the address, or one with any free port if somebody is there.
func freeAddress(address string) string {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = listener.Close()
	return address
}

// Control makes a call of the simulator's control API (below /_simulator/): in is sent, and the answer read into out,
// as JSON; either may be nil.
func (sim *Simulator) Control(ctx context.Context, method, path string, in, out any) error {
	body := io.Reader(http.NoBody)
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, sim.URL+"/_simulator/"+path, body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("simulator: %s %s: %s: %s", method, request.URL, response.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
