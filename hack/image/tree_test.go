// Copyright The child-account-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const top = "../.."

// The Dockerfile can't be tried without a container engine; it is compared with what is made here.
func TestDockerfileMakesTheSame(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "FROM scratch\n")
	for _, line := range []string{"USER " + user, `ENTRYPOINT ["/` + file + `"]`, "WORKDIR /", "COPY --from=build --chmod=0555 /src/bin/" + file + " /" + file} {
		if !strings.Contains(last, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if n := strings.Count(last, "\nCOPY "); n != 1 || strings.Contains(last, "\nADD ") {
		t.Errorf("%d files are copied into the image, want the binary alone", n)
	}
	for label, value := range labels("$VERSION", "") {
		if !strings.Contains(last, label+`="`+value+`"`) {
			t.Errorf("no label %s=%q", label, value)
		}
	}
	gomod, err := os.ReadFile(filepath.Join(top, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	series := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(gomod)[1]
	if !strings.Contains(string(text), " golang:"+string(series)+" AS build\n") {
		t.Errorf("built with another Go than go.mod's %s", series)
	}
}

// The kubelet lets a Pod with runAsNonRoot and no runAsUser start only where the image's user is a number, and not root's.
func TestUserIsANumberAndNotRoot(t *testing.T) {
	nonRoot := regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`)
	index, _, _ := made(t, two)
	for platform, image := range imagesOf(t, index) {
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if !nonRoot.MatchString(config.Config.User) {
			t.Errorf("the image for %s has the user %q", platform, config.Config.User)
		}
	}
	text, err := os.ReadFile(filepath.Join(top, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(string(text), "\nFROM ")
	users := regexp.MustCompile(`(?m)^USER (.*)$`).FindAllStringSubmatch(stages[len(stages)-1], -1)
	if len(users) != 1 || !nonRoot.MatchString(users[0][1]) {
		t.Errorf("the Dockerfile's image has the users %q", users)
	}
}

// What the binary is built from is let through by .dockerignore, and nothing of it is kept out.
func TestDockerignoreLetsTheSourcesIn(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-C", top, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "cpaas.dev/child-account-operator/"
	for _, path := range strings.Fields(string(out)) {
		if dir, ours := strings.CutPrefix(path, module); ours && !strings.Contains(string(text), "\n!"+strings.Split(dir, "/")[0]+"\n") {
			t.Errorf("%s is not let in", dir)
		}
	}
	embedded, err := exec.Command("go", "list", "-C", top, "-deps", "-f", `{{range .EmbedFiles}}{{if not $.Standard}}{{$.ImportPath}}/{{.}} {{end}}{{end}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(embedded)) {
		if strings.HasPrefix(path, module) && strings.Contains(path, "/testdata/") {
			t.Errorf("%s is kept out", path)
		}
	}
}

// make image in this tree, and in a copy of it elsewhere, makes the same image: its binary needs nothing but the kernel.
func TestTheTreeMakesOneImage(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("slow: TEST_ALL=1")
	}
	platform := "linux/" + runtime.GOARCH
	here, elsewhere := filepath.Join(t.TempDir(), "image.tar"), filepath.Join(t.TempDir(), "image.tar")
	makeImage(t, copied(t), platform, here)
	makeImage(t, copied(t), platform, elsewhere)
	index := opened(t, here)
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := opened(t, elsewhere).Digest(); err != nil || other != digest {
		t.Errorf("one tree, two images: %s, %s, %v", digest, other, err)
	}
	image := imagesOf(t, index)[platform]
	if image == nil {
		t.Fatalf("no image for %s", platform)
	}
	binary := filesOf(t, image)[file]
	program, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the binary needs a dynamic linker, which the image does not have")
	}
	if runtime.GOOS == "linux" {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, binary, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "version").CombinedOutput(); err != nil || string(out) != "v0.0.0-test\n" {
			t.Errorf("says %q, %v", out, err)
		}
	}
}

// copied is a copy of the tree, in a folder of its own.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "tree")
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "main.go", "api", "controllers", "internal", "hack/image"} {
		from, dest := filepath.Join(top, name), filepath.Join(to, name)
		info, err := os.Stat(from)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(dest, os.DirFS(from))
		} else {
			err = copyFile(from, dest)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func makeImage(t *testing.T, dir, platform, archive string) {
	t.Helper()
	command := exec.CommandContext(context.Background(), "make", "image", "VERSION=v0.0.0-test", "REVISION=", "PLATFORMS="+platform, "ARCHIVE="+archive)
	command.Dir = dir
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, out)
	}
}
