package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// The operator has a service account as in a cluster, so that its requests are treated alike, and can be told from the
// bench's own.
const (
	operatorNamespace = "child-account-operator-system"
	operatorAccount   = "controller-manager"
	operatorUser      = "system:serviceaccount:" + operatorNamespace + ":" + operatorAccount
)

// auditPolicy has each request of the operator in the log once, but for watches, events and leases.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  verbs: [watch]
- level: None
  resources:
  - {group: "", resources: [events]}
  - {group: events.k8s.io, resources: [events]}
  - {group: coordination.k8s.io, resources: [leases]}
- level: Metadata
  users: ["` + operatorUser + `"]
`

// auditFlags make the API server write the log, whole in one file.
func auditFlags(policy, log string) (map[string]string, error) {
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	flags := map[string]string{"audit-policy-file": policy, "audit-log-path": log}
	for name, path := range flags {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		flags[name] = absolute
	}
	flags["audit-log-maxsize"] = "10000"
	return flags, nil
}

// requests are the requests of one kind.
type requests struct {
	Count int
	// Failed counts those that were refused, conflicts for example.
	Failed int `json:",omitempty"`
	// Seconds is how long the API server took for all of them.
	Seconds float64
}

// auditLog sums up the log as it grows.
type auditLog struct {
	file    io.ReadCloser
	reader  *bufio.Reader
	partial []byte
	sums    map[string]requests
}

func openAuditLog(path string) (*auditLog, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return newAuditLog(file), nil
}

func newAuditLog(file io.ReadCloser) *auditLog {
	return &auditLog{file: file, reader: bufio.NewReaderSize(file, 1<<20), sums: map[string]requests{}}
}

// read reads on to the end of what is there, and returns the sums by verb and resource ("patch childaccounts/status").
func (a *auditLog) read() (map[string]requests, error) {
	for {
		line, err := a.reader.ReadBytes('\n')
		if a.partial = append(a.partial, line...); errors.Is(err, io.EOF) {
			return maps.Clone(a.sums), nil
		} else if err != nil {
			return nil, err
		}
		if err := a.add(a.partial); err != nil {
			return nil, err
		}
		a.partial = a.partial[:0]
	}
}

// auditEvent is what is read of an entry.
type auditEvent struct {
	Verb      string
	ObjectRef struct{ Resource, Subresource string }
	// A request is not answered where it panicked.
	ResponseStatus           struct{ Code int }
	RequestReceivedTimestamp time.Time
	StageTimestamp           time.Time
}

func (a *auditLog) add(line []byte) error {
	var e auditEvent
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	kind := e.kind()
	sum := a.sums[kind]
	sum.Count++
	sum.Seconds += e.StageTimestamp.Sub(e.RequestReceivedTimestamp).Seconds()
	if e.ResponseStatus.Code >= 400 {
		sum.Failed++
	}
	a.sums[kind] = sum
	return nil
}

func (e auditEvent) kind() string {
	what := e.ObjectRef.Resource
	if what == "" {
		what = "discovery"
	}
	if e.ObjectRef.Subresource != "" {
		what += "/" + e.ObjectRef.Subresource
	}
	return e.Verb + " " + what
}
