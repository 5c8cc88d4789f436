// Package image turns static binaries and files into a container image archive
// without any container tool. The archive is an OCI image layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) that
// also carries the index of `docker save`, so that `ctr images import`, `docker
// load`, `kind load image-archive` and `skopeo` all read it. The same files give
// the same bytes, whenever and wherever it is made.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// NobodyInParticular is the user that images run as unless they say otherwise:
// numeric, so that Kubernetes can see that it is not root.
const NobodyInParticular = "65532:65532"

// Spec says what goes into an image.
type Spec struct {
	Name         string // full, with a tag: kubefront.local/edge:dev
	Architecture string // as Go calls it; this machine's if empty
	Files        []File
	Entrypoint   []string
	Command      []string
	Environment  []string // NAME=value
	User         string
	Labels       map[string]string
	Created      time.Time // the beginning of 1970 if zero
}

// Reference: https://github.com/opencontainers/image-spec, version 1.1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	// Not compressed: what compresses best changes with the compressor, and the
	// digest with it. A published archive is compressed as a whole.
	typeLayer = "application/vnd.oci.image.layer.v1.tar"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type configuration struct {
	Created      string    `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       execution `json:"config"`
	RootFS       rootFS    `json:"rootfs"`
	History      []step    `json:"history"`
}

type execution struct {
	User       string            `json:"User,omitempty"`
	Env        []string          `json:"Env,omitempty"`
	Entrypoint []string          `json:"Entrypoint,omitempty"`
	Cmd        []string          `json:"Cmd,omitempty"`
	Labels     map[string]string `json:"Labels,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type step struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// dockerEntry is one image in the manifest.json of `docker save`.
type dockerEntry struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// WriteFile writes an archive and gives the image's digest. The file appears
// only when it is whole.
func WriteFile(path string, spec Spec) (digest string, err error) {
	partial, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return "", err
	}
	defer os.Remove(partial.Name())
	defer partial.Close()
	if digest, err = Write(partial, spec); err != nil {
		return "", err
	}
	if err := partial.Chmod(0o644); err != nil {
		return "", err
	}
	if err := partial.Close(); err != nil {
		return "", err
	}
	return digest, os.Rename(partial.Name(), path)
}

// Write writes an archive and gives the image's digest. It reads the files
// twice: a layer's name, which is its digest, stands before the layer.
func Write(out io.Writer, spec Spec) (digest string, err error) {
	tag, err := checkName(spec.Name)
	if err != nil {
		return "", err
	}
	if spec.Architecture == "" {
		spec.Architecture = runtime.GOARCH
	}
	if spec.Created.IsZero() {
		spec.Created = time.Unix(0, 0)
	}
	entries, err := gather(slices.Concat(spec.Files, accounts(spec)))
	if err != nil {
		return "", err
	}
	layer, err := measureLayer(entries, spec.Created)
	if err != nil {
		return "", err
	}
	config := encode(spec.configuration(layer.Digest))
	configAt := describe(typeConfig, config)
	manifest := encode(manifest{SchemaVersion: 2, MediaType: typeManifest, Config: configAt, Layers: []descriptor{layer}})
	manifestAt := describe(typeManifest, manifest)
	manifestAt.Platform = &platform{Architecture: spec.Architecture, OS: "linux"}
	manifestAt.Annotations = map[string]string{
		"io.containerd.image.name":          spec.Name,
		"org.opencontainers.image.ref.name": tag,
	}

	w := archiveWriter{tar: tar.NewWriter(out), created: spec.Created}
	w.bytes("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	w.bytes("index.json", encode(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{manifestAt}}))
	w.bytes("manifest.json", encode([]dockerEntry{{Config: blob(configAt), RepoTags: []string{spec.Name}, Layers: []string{blob(layer)}}}))
	w.bytes(blob(manifestAt), manifest)
	w.bytes(blob(configAt), config)
	w.layer(layer, entries)
	return manifestAt.Digest, w.close()
}

func (s Spec) configuration(layer string) configuration {
	created := s.Created.UTC().Format(time.RFC3339)
	return configuration{
		Created:      created,
		Architecture: s.Architecture,
		OS:           "linux",
		Config:       execution{User: s.User, Env: s.Environment, Entrypoint: s.Entrypoint, Cmd: s.Command, Labels: s.Labels},
		RootFS:       rootFS{Type: "layers", DiffIDs: []string{layer}},
		History:      []step{{Created: created, CreatedBy: "cluster image"}},
	}
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // structs of strings and numbers
	}
	return text
}

func describe(kind string, content []byte) descriptor {
	sum := sha256.Sum256(content)
	return descriptor{MediaType: kind, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(content))}
}

func blob(d descriptor) string {
	return "blobs/sha256/" + d.Digest[len("sha256:"):]
}

// archiveWriter keeps the first error.
type archiveWriter struct {
	tar     *tar.Writer
	created time.Time
	err     error
}

func (w *archiveWriter) bytes(name string, content []byte) {
	w.stream(name, int64(len(content)), func(out io.Writer) error {
		_, err := io.Copy(out, bytes.NewReader(content))
		return err
	})
}

// layer writes the layer and makes sure that it is what was measured.
func (w *archiveWriter) layer(d descriptor, entries []entry) {
	hash := sha256.New()
	w.stream(blob(d), d.Size, func(out io.Writer) error {
		return writeLayer(io.MultiWriter(out, hash), entries, w.created)
	})
	if w.err == nil && "sha256:"+hex.EncodeToString(hash.Sum(nil)) != d.Digest {
		w.err = fmt.Errorf("the files changed while the image was made from them")
	}
}

func (w *archiveWriter) stream(name string, size int64, content func(io.Writer) error) {
	if w.err != nil {
		return
	}
	w.err = w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: w.created, Format: tar.FormatUSTAR})
	if w.err == nil {
		w.err = content(w.tar)
	}
}

func (w *archiveWriter) close() error {
	if w.err != nil {
		return w.err
	}
	return w.tar.Close()
}
