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
// Without a source, it is a file of the given text.
type File struct {
	Source string
	Text   string
	Path   string // absolute
}

// entry is one line of a layer.
type entry struct {
	path      string // absolute
	directory bool
	source    string
	text      string
	size      int64
	mode      fs.FileMode
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
		if file.Source == "" {
			if err := place(found, entry{path: path.Clean(file.Path), text: file.Text, size: int64(len(file.Text)), mode: 0o644}); err != nil {
				return nil, err
			}
			continue
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
	e := entry{path: path.Clean(to), source: source, size: info.Size(), mode: 0o644}
	switch {
	case info.IsDir():
		e = entry{path: e.path, directory: true}
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a directory", source)
	case info.Mode()&0o111 != 0:
		e.mode = 0o755
	}
	return place(found, e)
}

// place puts an entry into the layer, with the directories that lead to it. The
// same file may be named twice, as a library of two binaries is.
func place(found map[string]entry, e entry) error {
	if e.directory {
		e.mode = 0o755
	}
	if other, taken := found[e.path]; taken && other != e {
		return fmt.Errorf("two files would be %s in the image", e.path)
	}
	found[e.path] = e
	if e.path == "/" {
		return nil
	}
	return place(found, entry{path: path.Dir(e.path), directory: true})
}

func measureLayer(entries []entry, created time.Time) (descriptor, error) {
	hash, count := sha256.New(), &counter{}
	if err := writeLayer(io.MultiWriter(hash, count), entries, created); err != nil {
		return descriptor{}, err
	}
	return descriptor{MediaType: typeLayer, Digest: "sha256:" + hex.EncodeToString(hash.Sum(nil)), Size: count.bytes}, nil
}

// counter counts what is written to it.
type counter struct{ bytes int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += int64(len(b))
	return len(b), nil
}

func writeLayer(out io.Writer, entries []entry, created time.Time) error {
	w := tar.NewWriter(out)
	for _, e := range entries {
		if e.path == "/" {
			continue
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.path[1:], Size: e.size, Mode: int64(e.mode), ModTime: created, Format: tar.FormatPAX}
		if e.directory {
			header.Typeflag = tar.TypeDir
			header.Name += "/"
		}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if err := writeContent(w, e); err != nil {
			return err
		}
	}
	return w.Close()
}

func writeContent(out io.Writer, e entry) error {
	if e.source != "" {
		return copyFile(out, e.source)
	}
	_, err := io.WriteString(out, e.text)
	return err
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
