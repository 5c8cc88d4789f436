package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var machines = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}

// libraryDirectories are where Debian and its relatives keep shared libraries.
var libraryDirectories = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
}

// ErrDynamic says that a binary needs files that an image of nothing but the
// binary does not have. Started there, it fails with a misleading "no such file".
var ErrDynamic = errors.New("is linked to shared libraries, which the image would not have")

// CheckBinary makes sure that a binary can run in the image: built for Linux on
// the architecture, and static.
func CheckBinary(path, architecture string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is not a Linux binary: %w", path, err)
	}
	defer file.Close()
	if built := machines[file.Machine]; built != architecture {
		return fmt.Errorf("%s is built for %s, the image for %s", path, file.Machine, architecture)
	}
	if interpreter(file) != "" {
		return fmt.Errorf("%s %w", path, ErrDynamic)
	}
	return nil
}

// Libraries lists the shared libraries of a binary on this machine, those that
// they need in turn, and the loader, each to be put where it is here.
func Libraries(binary string) ([]File, error) {
	found := map[string]bool{}
	var files []File
	take := func(path string) bool {
		if found[path] {
			return false
		}
		found[path] = true
		files = append(files, File{Source: path, Path: path})
		return true
	}
	queue := []string{binary}
	for len(queue) > 0 {
		file, err := elf.Open(queue[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", queue[0], err)
		}
		names, err := file.ImportedLibraries()
		loader := interpreter(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", queue[0], err)
		}
		queue = queue[1:]
		if loader != "" {
			take(loader)
		}
		for _, name := range names {
			path, err := findLibrary(name)
			if err != nil {
				return nil, err
			}
			if take(path) {
				queue = append(queue, path)
			}
		}
	}
	return files, nil
}

func interpreter(file *elf.File) string {
	for _, part := range file.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		path := make([]byte, part.Filesz)
		if _, err := part.ReadAt(path, 0); err != nil || len(path) == 0 {
			return "unreadable"
		}
		return string(path[:len(path)-1]) // ends with a zero
	}
	return ""
}

func findLibrary(name string) (string, error) {
	for _, directory := range libraryDirectories {
		path := filepath.Join(directory, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("shared library %s is in none of %v", name, libraryDirectories)
}
