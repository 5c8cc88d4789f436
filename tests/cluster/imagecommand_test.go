package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"kubefront.io/tests/cluster/image"
)

// staticBinary builds one; the Go command is there, or this would not run.
func staticBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pause")
	t.Setenv("CGO_ENABLED", "0")
	if output, err := exec.Command("go", "build", "-o", path, "./pause").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return path
}

func TestFlagsBecomeAnImage(t *testing.T) {
	binary := staticBinary(t)
	options := imageOptions{
		name: "kubefront.local/edge:dev", architecture: runtime.GOARCH, user: image.NobodyInParticular,
		binaries: []string{binary, binary + ":/usr/bin/other"}, files: []string{"go.mod:/etc/go.mod"},
		caCertificates: "go.sum", labels: []string{"a=b=c"}, environment: []string{"X="},
	}
	spec, err := options.spec()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, file := range spec.Files {
		paths = append(paths, file.Path)
	}
	if want := []string{"/pause", "/usr/bin/other", "/etc/go.mod", "/etc/ssl/certs/ca-certificates.crt"}; !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
	if !slices.Equal(spec.Entrypoint, []string{"/pause"}) || spec.Labels["a"] != "b=c" {
		t.Errorf("%+v", spec)
	}
}

func TestWrongFlagsOfAnImageAreExplained(t *testing.T) {
	binary := staticBinary(t)
	check := func(want string, change func(*imageOptions)) {
		t.Helper()
		options := imageOptions{name: "kubefront.local/edge:dev", architecture: runtime.GOARCH, user: image.NobodyInParticular, binaries: []string{binary}}
		change(&options)
		if _, err := options.spec(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check("give numbers", func(o *imageOptions) { o.user = "nobody" })
	check("give numbers", func(o *imageOptions) { o.user = "" })
	check("say where it goes", func(o *imageOptions) { o.files = []string{"a.txt"} })
	check("--label", func(o *imageOptions) { o.labels = []string{"a"} })
	check("--env", func(o *imageOptions) { o.environment = []string{"=a"} })
	check("not a Linux binary", func(o *imageOptions) { o.binaries = []string{"go.mod"} })
	check("SOURCE_DATE_EPOCH", func(*imageOptions) { t.Setenv("SOURCE_DATE_EPOCH", "today") })
}

func TestMakingAnImageTwiceGivesTheSameFile(t *testing.T) {
	binary, dir := staticBinary(t), t.TempDir()
	for _, name := range []string{"a.tar", "b.tar"} {
		if _, err := runCommand("image", "--name", "kubefront.local/pause:1", "--binary", binary, "-o", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	a, errA := os.ReadFile(dir + "/a.tar")
	b, errB := os.ReadFile(dir + "/b.tar")
	if errA != nil || errB != nil || !slices.Equal(a, b) {
		t.Errorf("%v %v, %d and %d bytes", errA, errB, len(a), len(b))
	}
}
