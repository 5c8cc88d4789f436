package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is a file, or a directory with all that is in it, and where it goes.
type File struct {
	Source string
	Path   string // absolute
}

// entry is one line of a layer. A directory has no source.
type entry struct {
	path   string // absolute
	source string
	size   int64
	mode   fs.FileMode
}

// gather lists everything that goes into the layer, in order of path, with the
// directories on the way. All of it belongs to root; a file is executable or
// not, and no other permission is taken over from this machine.
func gather(files []File) ([]entry, error) {
	found := map[string]entry{}
	for _, file := range files {
		if !path.IsAbs(file.Path) {
			return nil, fmt.Errorf("%q is not an absolute path in the image", file.Path)
		}
		err := filepath.Walk(file.Source, func(source string, info fs.FileInfo, err error) error {
			if err != nil {
				return err
			}
			below, err := filepath.Rel(file.Source, source)
			if err != nil {
				return err
			}
			return add(found, source, path.Join(file.Path, below))
		})
		if err != nil {
			return nil, err
		}
	}
	entries := make([]entry, 0, len(found))
	for _, e := range found {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return entries, nil
}

// add follows symbolic links: the image gets what they lead to.
func add(found map[string]entry, source, to string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	e := entry{path: path.Clean(to), mode: 0o755}
	switch {
	case info.IsDir():
	case info.Mode().IsRegular():
		e.source, e.size, e.mode = source, info.Size(), 0o644
		if info.Mode()&0o111 != 0 {
			e.mode = 0o755
		}
	default:
		return fmt.Errorf("%s is neither a file nor a directory", source)
	}
	other, taken := found[e.path]
	if taken && other.source != e.source {
		return fmt.Errorf("%s and %s would both be %s", other.source, source, e.path)
	}
	found[e.path] = e
	for parent := path.Dir(e.path); parent != "/"; parent = path.Dir(parent) {
		if other, taken := found[parent]; taken && other.source != "" {
			return fmt.Errorf("%s is a file, so there can be no %s", parent, e.path)
		}
		found[parent] = entry{path: parent, mode: 0o755}
	}
	return nil
}

func measureLayer(entries []entry, created time.Time) (descriptor, error) {
	hash, count := sha256.New(), &counter{}
	if err := writeLayer(io.MultiWriter(hash, count), entries, created); err != nil {
		return descriptor{}, err
	}
	return descriptor{MediaType: typeLayer, Digest: "sha256:" + hex.EncodeToString(hash.Sum(nil)), Size: count.bytes}, nil
}

type counter struct{ bytes int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += int64(len(b))
	return len(b), nil
}

func writeLayer(out io.Writer, entries []entry, created time.Time) error {
	w := tar.NewWriter(out)
	for _, e := range entries {
		header := &tar.Header{Name: strings.TrimPrefix(e.path, "/"), Mode: int64(e.mode), ModTime: created, Format: tar.FormatPAX}
		if e.source == "" {
			if e.path == "/" {
				continue
			}
			header.Typeflag = tar.TypeDir
			header.Name += "/"
		} else {
			header.Typeflag = tar.TypeReg
			header.Size = e.size
		}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if e.source == "" {
			continue
		}
		if err := copyFile(w, e.source); err != nil {
			return err
		}
	}
	return w.Close()
}

func copyFile(out io.Writer, source string) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(out, file); err != nil {
		if errors.Is(err, tar.ErrWriteTooLong) {
			return fmt.Errorf("%s grew while it was read", source)
		}
		return fmt.Errorf("%s: %w", source, err)
	}
	return nil
}
