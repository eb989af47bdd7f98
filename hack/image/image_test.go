// Copyright The child-account-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var two = map[string][]byte{"linux/amd64": []byte("a binary"), "linux/arm64": []byte("another")}

// made is what the command line writes into an archive.
func made(t *testing.T, binaries map[string][]byte, more ...string) (index v1.ImageIndex, archive []byte, says string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "image.tar")
	var out bytes.Buffer
	if err := run(append(append([]string{"-o", path, "-version", "v1.2.3", "-revision", "abc"}, more...), arguments(t, binaries)...), &out); err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, path), archive, out.String()
}

func arguments(t *testing.T, binaries map[string][]byte) []string {
	t.Helper()
	dir := t.TempDir()
	var args []string
	for platform, content := range binaries {
		path := filepath.Join(dir, strings.ReplaceAll(platform, "/", "-"))
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		args = append(args, platform+"="+path)
	}
	return args
}

// opened is the image in an OCI archive.
func opened(t *testing.T, path string) v1.ImageIndex {
	t.Helper()
	dir := t.TempDir()
	archive, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for name, content := range entries(t, archive) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := whole.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("an archive of %+v, %v; want one index", manifest, err)
	}
	index, err := whole.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// entries are the files of a tar archive, which may hold nothing else.
func entries(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg || !header.ModTime.Equal(epoch) || header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			t.Errorf("entry %+v: want a file of root's, without a time", header)
		}
		if all[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
		if header.Name == file && header.Mode != 0o555 {
			t.Errorf("%s has mode %o", file, header.Mode)
		}
	}
}

func imagesOf(t *testing.T, index v1.ImageIndex) map[string]v1.Image {
	t.Helper()
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]v1.Image{}
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		all[m.Platform.String()] = image
	}
	return all
}

func TestImage(t *testing.T) {
	index, _, _ := made(t, two)
	images := imagesOf(t, index)
	if got := slices.Sorted(maps.Keys(images)); !slices.Equal(got, []string{"linux/amd64", "linux/arm64"}) {
		t.Fatalf("images for %v", got)
	}
	for platform, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c := config.Config
		if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/child-account-operator"}) || c.Cmd != nil || c.WorkingDir != "/" || c.Env != nil || c.Volumes != nil {
			t.Errorf("%s runs as %+v", platform, c)
		}
		if got := config.OS + "/" + config.Architecture; got != platform || !config.Created.Equal(epoch) {
			t.Errorf("%s says it is for %s, of %s", platform, got, config.Created)
		}
		want := map[string]string{
			"org.opencontainers.image.title": "child-account-operator", "org.opencontainers.image.description": "Keeps child accounts of a telephony provider in sync with their specs",
			"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.version": "v1.2.3", "org.opencontainers.image.revision": "abc",
		}
		if !maps.Equal(c.Labels, want) {
			t.Errorf("%s has the labels %v", platform, c.Labels)
		}
		if files := filesOf(t, image); len(files) != 1 || !bytes.Equal(files["child-account-operator"], two[platform]) {
			t.Errorf("%s holds %q", platform, files)
		}
		if kind, err := image.MediaType(); err != nil || kind != types.OCIManifestSchema1 {
			t.Errorf("%s is a %s, %v", platform, kind, err)
		}
	}
}

// filesOf are the files of an image that has one layer.
func filesOf(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	return entries(t, content)
}

func TestSameBinarySameImage(t *testing.T) {
	first, archive, says := made(t, two)
	_, again, saysAgain := made(t, two)
	digest, err := first.Digest()
	if err != nil || !strings.HasSuffix(says, "image.tar: "+digest.String()+"\n") {
		t.Errorf("says %q of %s, %v", says, digest, err)
	}
	if !bytes.Equal(archive, again) {
		t.Errorf("two archives of the same: %s %s", says, saysAgain)
	}
	named, other, _ := made(t, two, "-name", "registry.example/operator:v1")
	if d, _ := named.Digest(); d != digest || bytes.Equal(other, archive) || !bytes.Contains(other, []byte(`"io.containerd.image.name": "registry.example/operator:v1"`)) {
		t.Errorf("a name changes the image, or is not in the archive: %s, %s", d, digest)
	}
	changed := maps.Clone(two)
	changed["linux/arm64"] = []byte("a third")
	if index, _, _ := made(t, changed); func() bool { d, _ := index.Digest(); return d == digest }() {
		t.Error("another binary, the same digest")
	}
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	to := strings.TrimPrefix(server.URL, "http://") + "/telephony/operator:v1"
	var out bytes.Buffer
	if err := run(append([]string{"-push", to, "-version", "v1.2.3", "-revision", "abc"}, arguments(t, two)...), &out); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(to)
	if err != nil {
		t.Fatal(err)
	}
	there, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if len(imagesOf(t, there)) != 2 {
		t.Error("not all of it arrived")
	}
	local, _, _ := made(t, two)
	want, _ := local.Digest()
	if got, _ := there.Digest(); got != want || out.String() != fmt.Sprintf("%s: %s\n", to, want) {
		t.Errorf("pushed %s, says %q; the archive has %s", got, &out, want)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"no binary":              {"-o", filepath.Join(t.TempDir(), "image.tar")},
		"a binary that is not":   {"linux/amd64=" + filepath.Join(t.TempDir(), "none")},
		"no platform":            {"binary"},
		"no such platform":       append([]string{"-o", os.DevNull}, arguments(t, map[string][]byte{"a/b/c/d": nil})...),
		"a reference that isn't": append([]string{"-push", "Not A Reference"}, arguments(t, two)...),
	} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
