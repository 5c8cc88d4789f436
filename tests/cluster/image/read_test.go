package image

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"
)

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNamesAreReadFromBothKindsOfArchive(t *testing.T) {
	check := func(content []byte, want ...string) {
		t.Helper()
		names, err := readNames(bytes.NewReader(content))
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%v %v, want %v", names, err, want)
		}
	}
	check(archive(t, example(t)), "kubefront.local/edge:dev")
	check(tarOf(t, map[string]string{"manifest.json": `[{"RepoTags":["a.b/c:1","a.b/d:1"]}]`}), "a.b/c:1", "a.b/d:1")
}

func TestWhatIsNoArchiveIsSaid(t *testing.T) {
	check := func(content []byte, want string) {
		t.Helper()
		if _, err := readNames(bytes.NewReader(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check([]byte("just some text that is long enough"+strings.Repeat(" ", 600)), "not an image archive")
	check(tarOf(t, map[string]string{"hello": "world"}), "neither index.json")
	check(tarOf(t, map[string]string{"manifest.json": `[{}]`}), "names no image")
	check(tarOf(t, map[string]string{"index.json": `{`}), "index.json in the archive")
}
