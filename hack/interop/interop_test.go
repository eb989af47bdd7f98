// Package interop runs the provider's own Node.js client, as it is published, against the simulator: the simulator must
// answer so that this client understands it, and our client must send what this client sends. Both are looked at in
// docs/interop.md, which is made by this test. make test-interop runs it.
package interop

import (
	"bytes"
	"os"
	"testing"

	"cpaas.dev/child-account-operator/internal/golden"
)

// clientVersion is the version of the client that all of this is about.
const clientVersion = "4.11.0"

func TestInterop(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("make test-interop runs it: it needs Node.js and the provider's client")
	}
	promised := newPromises(t)
	var answers, errors, requests, parameters string
	for _, look := range []struct {
		name  string
		do    func(*testing.T, *promises) string
		table *string
	}{
		{"what the client makes of the answers", lookAtAnswers, &answers},
		{"what the client makes of errors", lookAtErrors, &errors},
		{"what both clients send", lookAtRequests, &requests},
		{"what parameters there are", lookAtParameters, &parameters},
	} {
		if !t.Run(look.name, func(t *testing.T) { *look.table = look.do(t, promised) }) {
			return // what follows would only repeat it
		}
	}
	t.Run("each promise was put to the test", promised.kept)
	if t.Failed() {
		return
	}
	golden.Check(t, "../../docs/interop.md", pageOf(answers, errors, requests, parameters, promised.table()), "UPDATE_DOCS=1 make test-interop")
}

// Whoever makes the lockfile may have a registry of their own; everybody else need not have it.
func TestLockfileNamesNoRegistry(t *testing.T) {
	lockfile, err := os.ReadFile("package-lock.json")
	if err != nil || bytes.Contains(lockfile, []byte(`"resolved"`)) {
		t.Errorf("package-lock.json says where packages were taken from (%v): make it here, where .npmrc leaves that out", err)
	}
}
