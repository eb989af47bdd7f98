package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// hack/progress, by which make run compiles, says what it waits for, and ends as the command does.
func TestProgress(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		status  int
		said    bool
	}{
		"a command that takes a while":   {[]string{"sleep", "1"}, 0, true},
		"one that fails after a while":   {[]string{"sh", "-c", "sleep 1; exit 7"}, 7, true},
		"one that does not exist":        {[]string{"/does/not/exist"}, 127, false},
		"one that says something itself": {[]string{"sh", "-c", "echo done; sleep 1"}, 0, true},
	} {
		command := exec.CommandContext(t.Context(), "../progress", append([]string{"building all"}, c.command...)...)
		command.Env = append(os.Environ(), "PROGRESS_SECONDS=0")
		var out, said bytes.Buffer
		command.Stdout, command.Stderr = &out, &said
		err := command.Run()
		status := 0
		if failed := (&exec.ExitError{}); errors.As(err, &failed) {
			status = failed.ExitCode()
		} else if err != nil {
			t.Fatal(name, err)
		}
		if status != c.status || c.said && !strings.Contains(said.String(), "building all (") || strings.Contains(out.String(), "building") {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", name, status, out.String(), said.String())
		}
	}
}
