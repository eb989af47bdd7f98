// Copyright The child-account-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command image makes the operator's image from binaries that are already built, without a container engine and without a
// base image, and writes it as an OCI archive or pushes it to a registry (make image, make push).
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	archive := f.String("o", "", "write an OCI archive to this file")
	to := f.String("push", "", "push to this reference, with the credentials of docker login")
	called := f.String("name", "", "the image's name in the archive, for whoever loads it")
	version := f.String("version", "", "the operator's version")
	revision := f.String("revision", "", "the commit that it was built from")
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: image [flags] os/arch=binary…")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	binaries := map[string][]byte{}
	for _, arg := range f.Args() {
		platform, path, _ := strings.Cut(arg, "=")
		binary, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		binaries[platform] = binary
	}
	index, err := build(binaries, labels(*version, *revision))
	if err != nil {
		return err
	}
	if *archive != "" {
		if err := write(index, *archive, *called); err != nil {
			return err
		}
		if err := tell(stdout, *archive, index); err != nil {
			return err
		}
	}
	if *to != "" {
		if err := push(index, *to); err != nil {
			return err
		}
		return tell(stdout, *to, index)
	}
	return nil
}

func push(index v1.ImageIndex, to string) error {
	ref, err := name.ParseReference(to)
	if err != nil {
		return err
	}
	return remote.WriteIndex(ref, index, remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

func tell(stdout io.Writer, where string, index v1.ImageIndex) error {
	digest, err := index.Digest()
	if err == nil {
		_, err = fmt.Fprintf(stdout, "%s: %s\n", where, digest)
	}
	return err
}
