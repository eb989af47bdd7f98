// Package golden is for tests whose outcome is checked in: golden files, and the pages of docs/ that tests make.
package golden

import (
	"os"
	"strings"
	"testing"
)

// Check fails the test where the file at path is not as made. With UPDATE_DOCS in the environment, not empty, it writes the
// file first; again is the command that does so, for the message.
func Check(t testing.TB, path, made, again string) {
	t.Helper()
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(made), 0o644); err != nil { //nolint:gosec // for all to read, as whatever is checked in
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != made {
		t.Errorf("%s is not as the test makes it: %s, and look at the difference. It begins with\n%s", path, again, difference(string(have), made))
	}
}

// difference shows the first line that is another one.
func difference(have, made string) string {
	was, is := strings.Split(have, "\n"), strings.Split(made, "\n")
	n := 0
	for n < min(len(was), len(is)) && was[n] == is[n] {
		n++
	}
	return "- " + strings.Join(was[n:min(n+1, len(was))], "") + "\n+ " + strings.Join(is[n:min(n+1, len(is))], "")
}
