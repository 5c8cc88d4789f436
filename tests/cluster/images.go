package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"kubefront.io/tests/cluster/image"
)

// The images that the cluster itself needs are made from the built programs.
const (
	pauseImage = "kubefront.local/cluster/pause:1"
	dnsImage   = "kubefront.local/cluster/coredns:1"
)

// writeSystemImages puts their archives beside the programs.
func writeSystemImages(bin string) error {
	for program, name := range map[string]string{"pause": pauseImage, "coredns": dnsImage} {
		spec := image.Spec{
			Name:       name,
			Files:      []image.File{{Source: filepath.Join(bin, program), Path: "/" + program}},
			Entrypoint: []string{"/" + program},
			User:       image.NobodyInParticular,
		}
		if _, err := image.WriteFile(filepath.Join(bin, program+".tar"), spec); err != nil {
			return err
		}
	}
	return nil
}

// load imports archives into every node, all nodes at once.
func load(ctx context.Context, h home, archives []string) error {
	if err := mustBeRoot("load"); err != nil {
		return err
	}
	s, err := h.readState()
	if err != nil {
		return err
	}
	p := newProgress()
	if _, err := (waiter{home: h, nodes: s.Nodes}).broken(); err != nil {
		return &failure{what: "the cluster is not healthy", why: err, next: "`cluster up --fresh`"}
	}
	for _, archive := range archives {
		names, err := image.ArchiveNames(archive)
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		if err := importEverywhere(ctx, h, s.Nodes, archive); err != nil {
			return err
		}
		p.say("loaded %s into %d node(s)", strings.Join(names, ", "), len(s.Nodes))
	}
	return nil
}

func importEverywhere(ctx context.Context, h home, nodes []nodeState, archive string) error {
	failures := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := importInto(ctx, node, archive); err != nil {
				failures[i] = &failure{what: fmt.Sprintf("import %s into %s", archive, node.Name), why: err, log: h.log(node.Name, "containerd"), next: "`cluster status`"}
			}
		}()
	}
	all.Wait()
	return errors.Join(failures...)
}

// importInto hands the archive over as standard input: the node does not see
// the host's temporary directories.
func importInto(ctx context.Context, node nodeState, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	arguments := append(insideNode(node), "ctr", "-n", "k8s.io", "images", "import", "-")
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Stdin = file
	command.Env = nodeEnvironment
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

// insideNode begins a command line that runs in all namespaces of a node.
func insideNode(node nodeState) []string {
	return []string{"nsenter", "--target", strconv.Itoa(node.Process), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
}
