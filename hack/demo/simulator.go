package main

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
	"path/filepath"
	"regexp"
	"time"
)

const simulatorLog = dir + "/simulator.log"

// simulator is the simulated provider.
type simulator struct {
	url, credentials string
}

// announcement is the line by which the simulator says that it serves.
var announcement = regexp.MustCompile(`(?m)^simulator: (\S+),`)

// startSimulator starts the simulated provider, at its usual port if that is free.
func (d *demo) startSimulator(ctx context.Context) error {
	s := &simulator{credentials: filepath.Join(dir, "credentials.json")}
	err := d.start("simulator", simulatorLog, nil, d.operator, "simulate", "--listen", freeAddress("127.0.0.1:8090"), "--credentials-file", s.credentials)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, trouble{errors.New("the simulator does not say where it serves"), simulatorLog})
	defer cancel()
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		written, err := os.ReadFile(simulatorLog)
		if found := announcement.FindSubmatch(written); found != nil {
			s.url = string(found[1])
		}
		return s.url != "", err
	})
	if err == nil {
		d.simulator = s
		fmt.Fprintf(d.out, "started the simulated provider at %s, log in %s\n", s.url, simulatorLog)
	}
	return err
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

// email returns an account's e-mail as the provider has it.
func (s *simulator) email(ctx context.Context, id string) (string, error) {
	return s.account(ctx, http.MethodGet, id, nil)
}

// setEmail changes an account's e-mail, as somebody would in the provider's control panel.
func (s *simulator) setEmail(ctx context.Context, id, email string) error {
	_, err := s.account(ctx, http.MethodPatch, id, map[string]string{"account_email": email})
	return err
}

// account asks the simulator's control API for an account, and returns its e-mail.
func (s *simulator) account(ctx context.Context, method, id string, change map[string]string) (email string, err error) {
	body, err := json.Marshal(change)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+"/_simulator/accounts/"+id, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("simulator: %s %s: %s: %s", method, request.URL, response.Status, answer)
	}
	var account struct {
		Fields struct {
			Email string `json:"account_email"`
		} `json:"fields"`
	}
	err = json.Unmarshal(answer, &account)
	return account.Fields.Email, err
}
