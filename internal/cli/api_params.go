package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cpaas.dev/child-account-operator/internal/charset"
	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// readParams reads the parameters as they were typed. A secret that stands on the command line is refused: other users of the machine see
// it there, and the shell keeps it.
func readParams(cmd *cobra.Command, m methods.Method, typed []string) (map[string]string, error) {
	params := map[string]string{}
	stdin := ""
	for _, text := range typed {
		name, value, found := strings.Cut(text, "=")
		p, known := m.Parameter(name)
		_, twice := params[name]
		switch {
		case !found || name == "":
			return nil, usage(errors.New("-p: write name=value, name=@FILE or name=@-"))
		case twice:
			return nil, usage(fmt.Errorf("%s: parameter %s is given twice: leave one out", m.Name, name))
		case !known:
			return nil, usage(m.Check(map[string]string{name: ""}))
		}
		file, fromFile := strings.CutPrefix(value, "@")
		switch {
		case strings.HasPrefix(value, "@@"):
			value, fromFile = value[1:], false
		case !fromFile:
		case file == "-" && stdin != "":
			return nil, usage(fmt.Errorf("%s: parameters %s and %s are both from the standard input: give one of them as @FILE", m.Name, stdin, name))
		case file == "-":
			stdin = name
		}
		if p.Secret && !fromFile {
			return nil, usage(fmt.Errorf("%s: parameter %s is a secret, which other users and the shell's history would see: give it as -p %s=@FILE or -p %s=@-", m.Name, name, name, name))
		}
		if fromFile {
			var err error
			if value, err = readParam(cmd, p, file); err != nil {
				return nil, fmt.Errorf("%s: parameter %s: %w", m.Name, name, err)
			}
		}
		params[name] = value
	}
	return params, nil
}

// readParam reads a parameter's value from a file, - for the standard input, without the line break at its end.
func readParam(cmd *cobra.Command, p methods.Parameter, file string) (string, error) {
	var data []byte
	var err error
	switch {
	case file == "":
		return "", usage(errors.New("@ without a file: write @FILE, @- for the standard input, or @@ for a value that begins with @"))
	case file != "-":
		data, err = readBounded(file)
	case isTerminal(cmd.InOrStdin()):
		data, err = askFor(cmd, p)
	default:
		data, err = fromInput(cmd, func() ([]byte, error) { return readAll(cmd.InOrStdin(), standardInput) })
	}
	if err != nil {
		return "", err
	}
	if wide := charset.Wide(data); wide != "" {
		return "", fmt.Errorf("is text in %s: save it as UTF-8", wide)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(charset.WithoutMark(data), []byte("\n")), []byte("\r"))
	return string(data), nil
}

// askFor reads a value that is typed, a secret unseen.
func askFor(cmd *cobra.Command, p methods.Parameter) ([]byte, error) {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", p.Name)
	if !p.Secret {
		return fromInput(cmd, func() ([]byte, error) { return readAll(cmd.InOrStdin(), standardInput) })
	}
	file, ok := cmd.InOrStdin().(*os.File)
	if !ok { // isTerminal has said so
		return nil, errors.New("no terminal")
	}
	fd := int(file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	data, err := fromInput(cmd, func() ([]byte, error) { return term.ReadPassword(fd) })
	_ = term.Restore(fd, before) // what is typed later is seen again, also after Ctrl-C
	fmt.Fprintln(cmd.ErrOrStderr())
	return data, err
}

const standardInput = "the standard input"

// fromInput reads what comes from the standard input, until the command is told to end: by Ctrl-C, which ends no read by itself.
func fromInput(cmd *cobra.Command, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := read()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-cmd.Context().Done():
		return nil, &exitError{exitNotConfirmed, errors.New("interrupted, so nothing was called")}
	}
}

// readAll reads all there is, up to maxFile bytes.
func readAll(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return data, err
}

// isTerminal says whether somebody types what comes from there.
func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
