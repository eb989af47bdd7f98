package docsrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/hack/internal/stack"
)

const (
	// commandTimeout is how long a command may take, patience how long what is promised.
	commandTimeout = 5 * time.Minute
	patience       = 45 * time.Second
)

// reader does what the pages say.
type reader struct {
	stack *stack.Stack
	sim   *stack.Simulator
	// terminals are the commands that stay in the foreground of terminals of their own.
	terminals []*stack.Process
}

// page plays a page up to the first step that fails.
func (r *reader) page(ctx context.Context, t *testing.T, page string) {
	t.Run(page, func(t *testing.T) {
		defer r.lookAround(ctx, t)
		for _, s := range inOrder(read(t, ".", page)) {
			if !slices.ContainsFunc(notRun, func(row exception) bool { return row.is(s) }) {
				r.play(ctx, t, s)
			}
		}
	})
}

// lookAround says how things stand where a step has failed.
func (r *reader) lookAround(ctx context.Context, t *testing.T) {
	t.Helper()
	if t.Failed() {
		out, _ := r.run(ctx, "kubectl get parentaccounts,childaccounts -A -o custom-columns="+
			"KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,REASONS:.status.conditions[*].reason,MESSAGES:.status.conditions[*].message", "")
		t.Log("the resources:\n" + out)
	}
}

// inOrder puts the sections that are read later to their place.
func inOrder(steps []step) []step {
	for _, row := range later {
		moved := func(s step) bool { return s.page == row.page && s.section == row.section }
		var out, postponed []step
		for _, s := range steps {
			if moved(s) {
				postponed = append(postponed, s)
			}
		}
		rest := slices.DeleteFunc(slices.Clone(steps), moved)
		for n, s := range rest {
			out = append(out, s)
			if s.page == row.page && s.section == row.after && (n+1 == len(rest) || rest[n+1].section != row.after) {
				out = append(out, postponed...)
			}
		}
		steps = out
	}
	return steps
}

// is says whether the step is the row's.
func (row exception) is(s step) bool {
	command, _, _ := strings.Cut(s.text, " #")
	prefix, more := strings.CutSuffix(row.command, "*")
	return s.page == row.page && (strings.TrimSpace(command) == row.command || more && strings.HasPrefix(s.text, prefix))
}

func (row aside) is(s step) bool { return s.page == row.page && strings.Contains(s.text, row.words) }

// play does what a step says, and looks whether what comes of it is what is promised.
func (r *reader) play(ctx context.Context, t *testing.T, s step) {
	t.Helper()
	begun := time.Now()
	var beside aside
	if n := slices.IndexFunc(asides, func(row aside) bool { return row.is(s) }); n >= 0 {
		beside = asides[n]
	}
	for _, c := range beside.provider {
		r.call(ctx, t, c)
	}
	r.do(ctx, t, s, "what goes before", beside.before, "")
	text := written(s)
	switch {
	case beside.file != "":
		r.write(t, beside.file, text)
	case s.manifest:
		r.do(ctx, t, s, text, "kubectl apply -f -", text)
		if beside.after == "" {
			r.do(ctx, t, s, "what is declared gets Ready", "kubectl wait -f - --for=condition=Ready --timeout="+patience.String(), text)
		}
	case r.stays(ctx, t, s, text):
	default:
		compare(t, s, r.do(ctx, t, s, text, text, ""))
	}
	r.eventually(ctx, t, s, beside.after)
	t.Logf("%s:%d (%.1f s): %s", s.page, s.line, time.Since(begun).Seconds(), strings.SplitN(text, "\n", 2)[0])
}

var voximplant = regexp.MustCompile(`(?m)^( *)voximplant:$`)

// written is what the reader writes where the page has the step: what the tables say, and in ParentAccounts where the simulator is.
func written(s step) string {
	text := s.text
	for _, row := range instead {
		if row.page == s.page {
			text = strings.ReplaceAll(text, row.written, os.ExpandEnv(row.instead))
		}
	}
	if strings.Contains(text, "kind: ParentAccount") && !strings.Contains(text, "endpoint:") {
		text = voximplant.ReplaceAllString(text, "$0\n$1  endpoint: "+os.Getenv("ENDPOINT"))
	}
	return text
}

// do runs a command for a step, and fails unless it succeeds.
func (r *reader) do(ctx context.Context, t *testing.T, s step, what, command, input string) string {
	t.Helper()
	if command == "" {
		return ""
	}
	out, err := r.run(ctx, command, input)
	if err != nil {
		t.Fatalf("%s:%d: %s\n%v\n%s", s.page, s.line, what, err, out)
	}
	return out
}

// run runs a command in a shell of its own.
func (r *reader) run(ctx context.Context, command, input string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, errors.New("it does not come to an end"))
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	shell.Stdin = strings.NewReader(input)
	// With what it has started.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	err := shell.Run()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), err
}

// eventually waits until the commands succeed.
func (r *reader) eventually(ctx context.Context, t *testing.T, s step, commands string) {
	t.Helper()
	if commands == "" {
		return
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out string
	var err error
	if stack.Poll(waiting, 200*time.Millisecond, func() (bool, error) {
		out, err = r.run(ctx, commands, "")
		return err == nil, nil
	}) != nil {
		t.Fatalf("%s:%d: %s\nwhat comes of it does not come: %s\n%v\n%s", s.page, s.line, s.text, commands, err, out)
	}
}

// stays starts a command that stays in the foreground, in a terminal of its own, and says whether it is one.
func (r *reader) stays(ctx context.Context, t *testing.T, s step, text string) bool {
	t.Helper()
	for _, row := range foreground {
		if !strings.Contains(text, row.command) {
			continue
		}
		address := freeAddress(t, row.address)
		if address != row.address {
			text += " " + row.flag + " " + address
		}
		t.Setenv(row.name, address)
		first, last, both := strings.Cut(text, " && ")
		if !both {
			first, last = "", text
		}
		r.do(ctx, t, s, text, first, "")
		terminal, err := r.stack.Start(row.command, row.log, nil, "bash", "-c", "exec "+last)
		if err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		r.terminals = append(r.terminals, terminal)
		return true
	}
	return false
}

// hangUp ends what stays in the foreground.
func (r *reader) hangUp(t *testing.T) {
	t.Helper()
	for _, terminal := range slices.Backward(r.terminals) {
		if err := terminal.Stop(); err != nil {
			t.Error(err)
		}
	}
	r.terminals = nil
}

func (r *reader) write(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// call makes a call of the simulator's control API.
func (r *reader) call(ctx context.Context, t *testing.T, c call) {
	t.Helper()
	var in any
	if c.body != "" {
		in = json.RawMessage(c.body)
	}
	var answer json.RawMessage
	out := any(&answer)
	if c.into == "" {
		out = nil
	}
	if err := r.sim.Control(ctx, c.method, c.path, in, out); err != nil {
		t.Fatal(err)
	}
	if c.into != "" {
		r.write(t, c.into, string(answer))
	}
}

// ever are the columns that differ from one run to the next.
var ever = []string{"AGE", "ACCOUNT ID"}

// compare says where a table that came out is not as the page shows it: another column, a row that is not there.
func compare(t *testing.T, s step, out string) {
	t.Helper()
	have := rows(out)
	for _, row := range rows(s.shown) {
		if !slices.Contains(have, row) {
			t.Fatalf("%v\nthe page shows\n%s\nbut it says\n%s", s, s.shown, out)
		}
	}
}

var column = regexp.MustCompile(`\S+( \S+)*`)

// rows are a table's rows, each with its columns' names. A cell begins where its column's name does; it may be empty.
func rows(table string) []string {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := column.FindAllStringIndex(lines[0], -1)
	var out []string
	for _, line := range lines[1:] {
		var row []string
		for n, at := range columns {
			head, end := lines[0][at[0]:at[1]], len(line)
			if n+1 < len(columns) {
				end = min(columns[n+1][0], end)
			}
			cell := strings.TrimSpace(line[min(at[0], end):end])
			if slices.Contains(ever, head) {
				cell = "…"
			}
			row = append(row, head+"="+cell)
		}
		out = append(out, strings.Join(row, " "))
	}
	return out
}

func TestRows(t *testing.T) {
	got := rows("NAME   ACCOUNT ID   DELETING   AGE\na      1                       2s\nb      2            5m         3s\nc\n")
	if want := []string{"NAME=a ACCOUNT ID=… DELETING= AGE=…", "NAME=b ACCOUNT ID=… DELETING=5m AGE=…", "NAME=c ACCOUNT ID=… DELETING= AGE=…"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
