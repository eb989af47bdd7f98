// Copyright The child-account-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package release has tests alone: of what make release makes.
package release

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"cpaas.dev/child-account-operator/internal/testenv"
)

const (
	top     = "../.."
	image   = "registry.example:5000/telephony/operator:v0.0.0-test"
	version = "v0.0.0-test"
	missing = "make: say which image: make release IMG=registry.example/child-account-operator:v1\n"
)

// run runs a command in a directory and returns what it says on stdout and on stderr.
func run(t *testing.T, dir, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") || strings.HasPrefix(v, "IMG=") || strings.HasPrefix(v, "DIST=")
	})
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err = command.Run()
	return out.String(), problems.String(), err
}

func mustRun(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	stdout, stderr, err := run(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

// files are what a directory holds.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// expectFiles says that a directory holds these files, that all but SHA256SUMS are in that, and that the sums are right.
func expectFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	var have, summed []string
	for name := range files(t, dir) {
		have = append(have, name)
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("%s holds %v, want %v", dir, have, want)
	}
	for line := range strings.Lines(mustRun(t, dir, "sha256sum", "--strict", "-c", "SHA256SUMS")) {
		name, ok := strings.CutSuffix(line, ": OK\n")
		if !ok {
			t.Errorf("sha256sum says %q", line)
		}
		summed = append(summed, name)
	}
	if own := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return name == "SHA256SUMS" || name == "notes.txt" }); !slices.Equal(summed, own) {
		t.Errorf("there are sums of %v, want those of %v", summed, own)
	}
}

// objects are those of a manifest, in its order.
func objects(t *testing.T, text []byte) (all []*unstructured.Unstructured) {
	t.Helper()
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		u := &unstructured.Unstructured{}
		switch err := documents.Decode(&u.Object); {
		case err == io.EOF:
			return all
		case err != nil:
			t.Fatal(err)
		case u.Object != nil:
			all = append(all, u)
		}
	}
}

// expectInstall says that a manifest is config/default with the image.
func expectInstall(t *testing.T, manifest []byte) {
	t.Helper()
	rendered := mustRun(t, top, "go", "tool", "-modfile=hack/kustomize/go.mod", "kustomize", "build", "config/default")
	want := strings.ReplaceAll(rendered, "image: child-account-operator:latest\n", "image: "+image+"\n")
	header, have, _ := strings.Cut(string(manifest), "\n")
	if have != want || want == rendered {
		t.Error("install.yaml is not config/default with the image")
	}
	if !strings.HasPrefix(header, "# child-account-operator "+version+", ") || !strings.HasSuffix(header, "kubectl apply --server-side -f install.yaml") {
		t.Errorf("it begins with %q", header)
	}
	for _, u := range objects(t, manifest) {
		var d appsv1.Deployment
		if u.GetKind() != "Deployment" {
			continue
		}
		if err := apiruntime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &d); err != nil || d.Spec.Template.Spec.Containers[0].Image != image {
			t.Errorf("the Deployment's image is %s, %v", d.Spec.Template.Spec.Containers[0].Image, err)
		}
		return
	}
	t.Error("there is no Deployment")
}

func TestImageIsRequired(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	stdout, stderr, err := run(t, top, "make", "release", "DIST="+dist, "GO=false") // nothing is built before
	if err == nil || !strings.HasPrefix(stderr, missing) || stdout != "" {
		t.Errorf("%v, says %q and %q", err, stdout, stderr)
	}
	if _, err := os.Stat(dist); !os.IsNotExist(err) {
		t.Errorf("something is there: %v", err)
	}
}

func TestAssemble(t *testing.T) {
	in := t.TempDir()
	archive, one, two := write(t, filepath.Join(in, "a.tar"), "an image"), write(t, filepath.Join(in, "one"), "one"), write(t, filepath.Join(in, "two"), "two")
	assemble := func(dist string, binaries ...string) {
		t.Helper()
		mustRun(t, top, "hack/release/assemble", append([]string{dist, version, image, archive}, binaries...)...)
	}
	first, again := filepath.Join(t.TempDir(), "dist"), t.TempDir()
	assemble(first, "linux/amd64="+one, "linux/arm64="+two)
	expectFiles(t, first, "SHA256SUMS", "child-account-operator-linux-amd64", "child-account-operator-linux-arm64", "image.tar", "install.yaml")
	made := files(t, first)
	if string(made["child-account-operator-linux-amd64"]) != "one" || string(made["child-account-operator-linux-arm64"]) != "two" || string(made["image.tar"]) != "an image" {
		t.Errorf("holds %q", made)
	}
	expectInstall(t, made["install.yaml"])
	for name, want := range map[string]os.FileMode{"child-account-operator-linux-amd64": 0o755, "install.yaml": 0o644} {
		if info, err := os.Stat(filepath.Join(first, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}

	// The same makes the same, and of what was there before only what is ours goes.
	write(t, filepath.Join(again, "notes.txt"), "mine")
	assemble(again, "linux/riscv64="+one)
	assemble(again, "linux/amd64="+one, "linux/arm64="+two)
	expectFiles(t, again, "SHA256SUMS", "child-account-operator-linux-amd64", "child-account-operator-linux-arm64", "image.tar", "install.yaml", "notes.txt")
	for name, content := range made {
		if !bytes.Equal(content, files(t, again)[name]) {
			t.Errorf("another %s the second time", name)
		}
	}
	if _, stderr, err := run(t, top, "hack/release/assemble", again, version, image, archive, one); err == nil || !strings.Contains(stderr, "is not OS/ARCH=BINARY") {
		t.Errorf("a binary without a platform: %v, %s", err, stderr)
	}
}

// What is made is no part of the tree, nor of what an image is built from, and goes with make clean.
func TestDistIsNoSource(t *testing.T) {
	for name, line := range map[string]string{".gitignore": "/dist/", ".dockerignore": "dist"} {
		text, err := os.ReadFile(filepath.Join(top, name))
		if err != nil || !slices.Contains(strings.Split(string(text), "\n"), line) {
			t.Errorf("%s has no line %s, %v", name, line, err)
		}
	}
	if out := mustRun(t, top, "make", "-n", "clean"); out != "rm -rf bin dist\n" {
		t.Errorf("make clean does %q", out)
	}
}

// copied is a copy of the tree, as far as a release is made from it.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "tree")
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "main.go", "api", "config", "controllers", "internal", "hack/image", "hack/kustomize", "hack/overlay", "hack/release"} {
		from, dest := filepath.Join(top, name), filepath.Join(to, name)
		info, err := os.Stat(from)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(dest, os.DirFS(from))
		} else {
			err = copyFile(from, dest, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// make release in two copies of the tree makes the same files. A cluster takes the manifest, and the binary runs.
func TestRelease(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("slow: TEST_ALL=1")
	}
	platform := "linux-" + runtime.GOARCH
	binary := "child-account-operator-" + platform
	dist := t.TempDir()
	release := func(dir, dist string) {
		t.Helper()
		out := mustRun(t, dir, "make", "release", "IMG="+image, "VERSION="+version, "REVISION=", "PLATFORMS=linux/"+runtime.GOARCH, "DIST="+dist)
		if last := fmt.Sprintf("%s: SHA256SUMS %s image.tar install.yaml \n", dist, binary); !strings.HasSuffix(out, last) {
			t.Errorf("says %q", out)
		}
	}
	tree := copied(t)
	release(tree, "dist")
	release(copied(t), dist)
	expectFiles(t, filepath.Join(tree, "dist"), "SHA256SUMS", binary, "image.tar", "install.yaml")
	made := files(t, dist)
	for name, content := range files(t, filepath.Join(tree, "dist")) {
		if !bytes.Equal(content, made[name]) {
			t.Errorf("one tree, two files %s", name)
		}
	}
	if archive, err := os.ReadFile(filepath.Join(tree, "bin/image.tar")); err != nil || !bytes.Equal(archive, made["image.tar"]) || !bytes.Contains(archive, []byte(image)) {
		t.Errorf("bin/image.tar is another one, or has no name: %v", err)
	}
	expectInstall(t, made["install.yaml"])
	if runtime.GOOS == "linux" {
		if out := mustRun(t, dist, "./"+binary, "version"); out != version+"\n" {
			t.Errorf("the binary says %q", out)
		}
	}
	mustRun(t, tree, "make", "clean")
	if left, err := filepath.Glob(filepath.Join(tree, "[bd]i*")); err != nil || len(left) > 0 {
		t.Errorf("make clean leaves %v, %v", left, err)
	}
	expectInstallable(t, filepath.Join(dist, "install.yaml"), made["install.yaml"])
}

// expectInstallable says that a new cluster takes the manifest in one go, without a warning, and again.
func expectInstallable(t *testing.T, path string, manifest []byte) {
	t.Helper()
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		t.Fatal("KUBEBUILDER_ASSETS must hold a kubectl (make sets it with TEST_ALL=1): hack/controlplane/assets --with kubectl")
	}
	control := testenv.ControlPlane()
	control.CRDDirectoryPaths = nil // the manifest has them
	if _, err := control.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Stop() })
	kubeconfig := write(t, filepath.Join(t.TempDir(), "kubeconfig"), string(control.KubeConfig))
	all := len(objects(t, manifest))
	for range 2 {
		stdout, stderr, err := run(t, top, kubectl, "--kubeconfig="+kubeconfig, "apply", "--server-side", "-f", path)
		if applied := strings.Count(stdout, " serverside-applied\n"); err != nil || stderr != "" || applied != all {
			t.Fatalf("%v, %d of %d objects applied\n%s%s", err, applied, all, stdout, stderr)
		}
	}
	mustRun(t, top, kubectl, "--kubeconfig="+kubeconfig, "wait", "--for=condition=Established", "--timeout=1m", "crd/childaccounts.accounts.cpaas.dev", "crd/parentaccounts.accounts.cpaas.dev")
	if out := mustRun(t, top, kubectl, "--kubeconfig="+kubeconfig, "get", "deployment", "-n", "child-account-operator-system", "child-account-operator-controller-manager", "-o", "jsonpath={..image}"); out != image {
		t.Errorf("the cluster has the image %s", out)
	}
}
