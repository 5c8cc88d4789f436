package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func example(t *testing.T) Spec {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return Spec{
		Name:         "kubefront.local/edge:dev",
		Architecture: "amd64",
		Files: []File{
			{Source: write("edge", "binary", 0o700), Path: "/edge"},
			{Source: write("roots.pem", "certificates", 0o600), Path: "/etc/ssl/certs/ca-certificates.crt"},
		},
		Entrypoint:  []string{"/edge"},
		Environment: []string{"A=b"},
		User:        NobodyInParticular,
		Labels:      map[string]string{"b": "2", "a": "1"},
	}
}

func archive(t *testing.T, spec Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(&b, spec); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func members(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func decode[T any](t *testing.T, content []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatalf("%v in %s", err, content)
	}
	return value
}

func TestTheSameFilesGiveTheSameBytes(t *testing.T) {
	spec := example(t)
	first := archive(t, spec)
	later := time.Now().Add(time.Hour)
	for _, file := range spec.Files {
		if err := os.Chtimes(file.Source, later, later); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(spec.Files)
	if !bytes.Equal(first, archive(t, spec)) {
		t.Error("time or order of the files changed the archive")
	}
	spec.Labels["a"] = "2"
	if bytes.Equal(first, archive(t, spec)) {
		t.Error("a label changed nothing")
	}
}

// follow reads a blob and checks it against what refers to it.
func follow(t *testing.T, found map[string][]byte, d descriptor) []byte {
	t.Helper()
	content, there := found[blob(d)]
	sum := sha256.Sum256(content)
	if !there || d.Digest != "sha256:"+hex.EncodeToString(sum[:]) || d.Size != int64(len(content)) {
		t.Fatalf("%v does not describe its blob", d)
	}
	return content
}

func TestAnOCIReaderFindsEverything(t *testing.T) {
	found := members(t, archive(t, example(t)))
	if layout := string(found["oci-layout"]); layout != `{"imageLayoutVersion":"1.0.0"}` {
		t.Error(layout)
	}
	top := decode[index](t, found["index.json"]).Manifests[0]
	if top.Annotations["io.containerd.image.name"] != "kubefront.local/edge:dev" || top.Annotations["org.opencontainers.image.ref.name"] != "dev" {
		t.Errorf("%v", top.Annotations)
	}
	manifest := decode[manifest](t, follow(t, found, top))
	config := decode[configuration](t, follow(t, found, manifest.Config))
	layer := follow(t, found, manifest.Layers[0])
	if sum := sha256.Sum256(layer); config.RootFS.DiffIDs[0] != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("the layer is not %v", config.RootFS)
	}
	if c := config.Config; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/edge"}) || c.Labels["a"] != "1" || config.OS != "linux" || config.Architecture != "amd64" {
		t.Errorf("%+v", config)
	}
	if config.Created != "1970-01-01T00:00:00Z" {
		t.Error(config.Created)
	}
}

func TestADockerReaderFindsTheSame(t *testing.T) {
	found := members(t, archive(t, example(t)))
	top := decode[index](t, found["index.json"]).Manifests[0]
	manifest := decode[manifest](t, follow(t, found, top))
	entry := decode[[]dockerEntry](t, found["manifest.json"])[0]
	if entry.Config != blob(manifest.Config) || entry.Layers[0] != blob(manifest.Layers[0]) || entry.RepoTags[0] != "kubefront.local/edge:dev" {
		t.Errorf("%+v", entry)
	}
}

func TestALayerHoldsFilesOfRootAndTheirDirectories(t *testing.T) {
	entries, err := gather(append(example(t).Files, accounts(example(t))...))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeLayer(&b, entries, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for reader := tar.NewReader(&b); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			t.Errorf("%s belongs to %d:%d", header.Name, header.Uid, header.Gid)
		}
		got = append(got, header.FileInfo().Mode().String()+" "+header.Name)
	}
	want := []string{
		"-rwxr-xr-x edge",
		"drwxr-xr-x etc/",
		"-rw-r--r-- etc/group",
		"-rw-r--r-- etc/passwd",
		"drwxr-xr-x etc/ssl/",
		"drwxr-xr-x etc/ssl/certs/",
		"-rw-r--r-- etc/ssl/certs/ca-certificates.crt",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestADirectoryIsTakenWithAllThatIsInIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/below/empty", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/below/page.html", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("page.html", dir+"/below/link.html"); err != nil {
		t.Fatal(err)
	}
	entries, err := gather([]File{{Source: dir, Path: "/site/"}})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range entries {
		paths = append(paths, e.path)
	}
	if want := []string{"/", "/site", "/site/below", "/site/below/empty", "/site/below/link.html", "/site/below/page.html"}; !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
}

func TestWhatCannotBeOneImageIsRefused(t *testing.T) {
	good := example(t)
	a, b := good.Files[0].Source, good.Files[1].Source
	check := func(want string, files ...File) {
		t.Helper()
		if _, err := gather(files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", files, err, want)
		}
	}
	check("two files would be /x", File{Source: a, Path: "/x"}, File{Source: b, Path: "/x"})
	check("two files would be /x", File{Source: a, Path: "/x"}, File{Source: b, Path: "/x/y"})
	check("two files would be /x", File{Source: b, Path: "/x/y"}, File{Source: a, Path: "/x"})
	check("not an absolute path", File{Source: a, Path: "x"})
	check("no such file", File{Source: a + "-gone", Path: "/x"})
	check("neither a file nor a directory", File{Source: "/dev/null", Path: "/x"})
	if _, err := gather([]File{{Source: a, Path: "/x"}, {Source: a, Path: "/x"}}); err != nil {
		t.Errorf("the same file twice: %v", err)
	}
}

func TestAFileThatFailsLeavesNoArchive(t *testing.T) {
	spec := example(t)
	spec.Files[0].Source += "-gone"
	path := filepath.Join(t.TempDir(), "edge.tar")
	if _, err := WriteFile(path, spec); err == nil {
		t.Fatal("no error")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}

func TestTheUserHasAnAccount(t *testing.T) {
	check := func(user string, own []File, want ...string) {
		t.Helper()
		var paths []string
		for _, file := range accounts(Spec{User: user, Files: own}) {
			paths = append(paths, file.Path)
		}
		if !slices.Equal(paths, want) {
			t.Errorf("%s with %v: %v", user, own, paths)
		}
	}
	check("65532:65532", nil, "/etc/passwd", "/etc/group")
	check("65532:65532", []File{{Source: "mine", Path: "/etc/passwd"}}, "/etc/group")
	check("0:0", nil)
	check("65532", nil)
	if text := accounts(Spec{User: "7:8"})[0].Text; !strings.Contains(text, "nonroot:x:7:8:") {
		t.Error(text)
	}
}
