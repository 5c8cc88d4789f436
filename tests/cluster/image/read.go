package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ArchiveNames lists the image names in an archive, and says what is wrong with
// a file that is none, before a node answers it less clearly.
func ArchiveNames(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readNames(file)
}

func readNames(in io.Reader) ([]string, error) {
	var layout index
	var docker []dockerEntry
	found := false
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not an image archive (a tar of an OCI layout or of `docker save`, not compressed): %w", err)
		}
		switch header.Name {
		case "index.json":
			found, err = true, json.NewDecoder(archive).Decode(&layout)
		case "manifest.json":
			found, err = true, json.NewDecoder(archive).Decode(&docker)
		}
		if err != nil {
			return nil, fmt.Errorf("%s in the archive: %w", header.Name, err)
		}
	}
	if !found {
		return nil, errors.New("not an image archive: it has neither index.json (OCI layout) nor manifest.json (docker save)")
	}
	names := namesIn(layout, docker)
	if len(names) == 0 {
		return nil, errors.New("the archive names no image (no io.containerd.image.name annotation and no RepoTags)")
	}
	return names, nil
}

// namesIn believes the OCI index where it has names, as containerd does.
func namesIn(layout index, docker []dockerEntry) []string {
	var names []string
	for _, m := range layout.Manifests {
		if name := m.Annotations["io.containerd.image.name"]; name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, entry := range docker {
		names = append(names, entry.RepoTags...)
	}
	return names
}
