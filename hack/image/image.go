// Copyright The child-account-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The Dockerfile says the same. The one file holds certificate authorities and time zones as well
// (internal/cli/roots.go, internal/voximplant/location.go).
const (
	file = "child-account-operator"
	user = "65532:65532" // a number, so that runAsNonRoot can be checked
)

// epoch stands in for every time, so that the same binary makes the same image.
var epoch = time.Unix(0, 0).UTC()

func labels(version, revision string) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       file,
		"org.opencontainers.image.description": "Keeps child accounts of a telephony provider in sync with their specs",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     version,
		"org.opencontainers.image.revision":    revision,
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// build makes an index with one image a platform ("linux/amd64").
func build(binaries map[string][]byte, labels map[string]string) (v1.ImageIndex, error) {
	if len(binaries) == 0 {
		return nil, errors.New("no binary given")
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		platform, err := v1.ParsePlatform(name)
		if err != nil {
			return nil, err
		}
		image, err := one(*platform, binaries[name], labels)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return mutate.Annotations(index, labels).(v1.ImageIndex), nil
}

// one is the image of one platform.
func one(platform v1.Platform, binary []byte, labels map[string]string) (v1.Image, error) {
	files, err := archived(binary)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS:           platform.OS,
		Architecture: platform.Architecture,
		Variant:      platform.Variant,
		Created:      v1.Time{Time: epoch},
		RootFS:       v1.RootFS{Type: "layers"},
		Config:       v1.Config{User: user, Entrypoint: []string{"/" + file}, WorkingDir: "/", Labels: labels},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "make image"}})
}

// archived is the layer: the binary, readable and runnable by everybody, writable by nobody.
func archived(binary []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file, Mode: 0o555, Size: int64(len(binary)), ModTime: epoch}),
		func() error { _, err := w.Write(binary); return err }(),
		w.Close())
	return b.Bytes(), err
}

// write writes an index as an OCI archive: the OCI layout in a tar file. name is for whoever loads it; "" for none.
func write(index v1.ImageIndex, path, name string) error {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	whole, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	var options []layout.Option
	if name != "" {
		options = append(options, layout.WithAnnotations(map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}))
	}
	if err := whole.AppendIndex(index, options...); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	return errors.Join(addAll(w, os.DirFS(dir)), w.Close(), f.Close())
}

// addAll is tar.Writer.AddFS with nothing of this machine: no times, no owners.
func addAll(w *tar.Writer, dir fs.FS) error {
	return fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := fs.ReadFile(dir, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: int64(len(data)), ModTime: epoch}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}
