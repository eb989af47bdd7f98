// Command timezones keeps the list of time zones: list FILE writes the names of the IANA time zone database that the Go toolchain embeds
// into programs (time/tzdata), one a line; crd LIST FILE puts the names of a list into a CRD, in place of TIME_ZONES.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "timezones:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: timezones list FILE | timezones crd LIST FILE")

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "list":
		names, err := embedded(ctx)
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], []byte(strings.Join(names, "\n")+"\n"), 0o644)
	case len(args) == 3 && args[0] == "crd":
		list, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		crd, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		if crd, err = inserted(crd, strings.Fields(string(list))); err != nil {
			return fmt.Errorf("%s: %w", args[2], err)
		}
		return os.WriteFile(args[2], crd, 0o644)
	}
	return errUsage
}

// embedded are the zones of the toolchain, sorted. Factory stands for no place.
func embedded(ctx context.Context) ([]string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip")
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = z.Close() }()
	var names []string
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no time zones", file)
	}
	return names, nil
}

const (
	placeholder = "TIME_ZONES"
	// width is how long a line with names is at most, but for its indentation.
	width = 110
)

// inserted is a CRD with the names, as CEL has strings, in place of the placeholder. They are folded into lines, which a YAML scalar
// reads as spaces.
func inserted(crd []byte, names []string) ([]byte, error) {
	if n := bytes.Count(crd, []byte(placeholder)); n != 1 {
		return nil, fmt.Errorf("%s stands there %d times, not once", placeholder, n)
	}
	before, after, _ := bytes.Cut(crd, []byte(placeholder))
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	indent := "\n" + strings.Repeat(" ", len(line)-len(bytes.TrimLeft(line, " "))+2)
	var out bytes.Buffer
	out.Write(before)
	length := width // the list begins on a line of its own
	for i, name := range names {
		text := fmt.Sprintf("%q", name)
		if i < len(names)-1 {
			text += ","
		}
		if length+len(text)+1 > width {
			out.WriteString(indent)
			length = 0
		} else {
			out.WriteByte(' ')
		}
		out.WriteString(text)
		length += len(text) + 1
	}
	out.Write(after)
	return out.Bytes(), nil
}
