//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/onsi/gomega"
)

// openTerminal makes a terminal: what is written to the keyboard is typed there.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	var unlocked, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(value))); failed != 0 {
			t.Skipf("no terminals here: %v", failed)
		}
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return keyboard, terminal
}

// typed runs the program at a terminal, types the lines one after another as each is asked for, and returns what came of it.
func (w *apiWorld) typed(lines map[string]string, args ...string) (o outcome, echo string) {
	w.t.Helper()
	keyboard, terminal := openTerminal(w.t)
	asks, errors := io.Pipe()
	var out, said bytes.Buffer
	cmd := w.command(terminal, append(args, "--credentials", "credentials.json", "--endpoint", w.url)...)
	cmd.Stdout, cmd.Stderr = &out, errors
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that Ctrl-C is one
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := asks.Read(buffer)
			said.Write(buffer[:n])
			for question, line := range lines {
				if strings.HasSuffix(said.String(), question) {
					delete(lines, question)
					if strings.HasSuffix(question, ": ") {
						gomega.NewWithT(w.t).Eventually(echoes).WithArguments(terminal).WithTimeout(time.Minute).Should(gomega.BeFalse())
					}
					_, _ = keyboard.WriteString(line)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	_ = cmd.Wait()
	_ = errors.Close()
	<-read
	if !echoes(terminal) {
		w.t.Error("the terminal shows nothing that is typed any more")
	}
	_ = terminal.Close()
	shown, _ := io.ReadAll(keyboard) // ends as nobody has the terminal open any more
	return outcome{cmd.ProcessState.ExitCode(), out.String(), said.String()}, string(shown)
}

// echoes says whether what is typed at a terminal is seen there.
func echoes(terminal *os.File) bool {
	var state syscall.Termios
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&state)))
	return failed == 0 && state.Lflag&syscall.ECHO != 0
}

// At a terminal, what changes something asks first, and says who it is for and what it does.
func TestAPIAsks(t *testing.T) {
	w := newAPIWorld(t)
	change := []string{"api", "SetChildAccountInfo", "-p", "child_account_id=" + fmt.Sprint(apiFirstID), "-p", "active=false"}
	for answer, made := range map[string]bool{"y\n": true, "Yes\n": true, "n\n": false, "\n": false, "\x04": false, "\x03": false, "maybe\n": false} {
		o, _ := w.typed(map[string]string{"[y/N] ": answer}, change...)
		for _, says := range []string{"SetChildAccountInfo changes something. It runs as account " + fmt.Sprint(apiParentID), "at " + w.url, "\n  active=false\n"} {
			if !strings.Contains(o.stderr, says) {
				t.Errorf("%q: nobody says %q: %s", answer, says, o.stderr)
			}
		}
		status, called := exitNotConfirmed, ""
		if made {
			status, called = 0, "SetChildAccountInfo"
		}
		w.want(o, status, "", called)
	}
	o, _ := w.typed(map[string]string{"[y/N] ": "y\n"}, "api", "ChargeAccount", "-p", "phone_id=all", "--as-child", "acme-first")
	w.want(o, 0, "may cost money. It runs as child account acme-first of account", "GetChildrenAccounts ChargeAccount")
	o, _ = w.typed(nil, "api", "GetAccountInfo")
	w.want(o, 0, "", "GetAccountInfo") // what only reads asks nothing
}

// A secret that is typed is not seen.
func TestAPIReadsASecretUnseen(t *testing.T) {
	w := newAPIWorld(t)
	o, echo := w.typed(map[string]string{"new_child_account_password: ": "Canary-0ther-Pass!\n", "[y/N] ": "y\n"},
		"api", "SetChildAccountInfo", "-p", "child_account_id="+fmt.Sprint(apiFirstID), "-p", "new_child_account_password=@-")
	w.want(o, 0, "new_child_account_password=[redacted]", "SetChildAccountInfo")
	if !w.CheckPassword(apiFirstID, "Canary-0ther-Pass!") {
		t.Error("the password was not set")
	}
	if strings.Contains(o.stderr+o.stdout+echo, "Canary") {
		t.Errorf("the password shows: %q %q", o.stderr, echo)
	}
	o, _ = w.typed(map[string]string{"new_child_account_password: ": "\x03"},
		"api", "SetChildAccountInfo", "-p", "child_account_id="+fmt.Sprint(apiFirstID), "-p", "new_child_account_password=@-", "--yes")
	w.want(o, exitNotConfirmed, "interrupted", "")
}
