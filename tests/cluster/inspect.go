package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// printEnvironment is `cluster env`: what a shell needs, and nothing if no
// cluster is up, so that `eval "$(cluster env)"` fails loudly under `set -e`.
func printEnvironment(h home, out io.Writer) error {
	s, err := h.readState()
	if err != nil {
		return err
	}
	if !s.Complete {
		fmt.Fprintln(os.Stderr, "cluster: the start of this cluster was not completed; see `cluster status`")
	}
	fmt.Fprintf(out, "export KUBECONFIG=%s\n", shellQuote(h.kubeconfig()))
	fmt.Fprintf(out, "export PATH=%s:\"$PATH\"\n", shellQuote(s.Programs))
	return nil
}

func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printStatus is `cluster status`. Its exit status says whether the cluster is healthy.
func printStatus(ctx context.Context, h home, out io.Writer) error {
	if err := mustBeRoot("status"); err != nil {
		return err
	}
	s, err := h.readState()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Kubernetes %s, %d node(s), up for %s\n", kubernetesVersion, len(s.Nodes), time.Since(s.Began).Round(time.Second))
	fmt.Fprintf(out, "  API server  %s\n  kubeconfig  %s\n  programs    %s\n  logs        %s\n", apiServer, h.kubeconfig(), s.Programs, h.path("log"))
	for i, node := range s.Nodes {
		fmt.Fprintf(out, "  %-10s  %-14s %-7s process %-8d %s\n", node.Name, nodeAddress(i+1), nodeZone(i+1), node.Process, nodeCondition(ctx, h, node))
	}
	if err := health(ctx, h, s); err != nil {
		return &failure{what: "not healthy", why: err, next: "`cluster logs`, `cluster up --fresh`"}
	}
	fmt.Fprintln(out, "  healthy")
	return nil
}

func nodeCondition(ctx context.Context, h home, node nodeState) string {
	if !node.alive() {
		return "ended"
	}
	api, err := newAPIClient(h, "admin")
	if err != nil {
		return err.Error()
	}
	if err := api.nodeReady(ctx, node.Name); err != nil {
		return "not ready: " + err.Error()
	}
	return "ready"
}

// execute is `cluster exec`: it becomes the command, inside the node.
func execute(h home, name string, command []string) error {
	if err := mustBeRoot("exec"); err != nil {
		return err
	}
	s, err := h.readState()
	if err != nil {
		return err
	}
	node, err := s.node(name)
	if err != nil {
		return err
	}
	if !node.alive() {
		return &failure{what: node.Name + " has ended", log: h.log(node.Name, "node"), next: "`cluster up --fresh`"}
	}
	arguments := append(insideNode(node), command...)
	path, err := exec.LookPath(arguments[0])
	if err != nil {
		return err
	}
	environment := append(nodeEnvironment, "TERM="+os.Getenv("TERM"), "KUBECONFIG="+nodeHome.kubeconfig())
	return syscall.Exec(path, arguments, environment)
}

// logOptions is what a user may ask of `logs`.
type logOptions struct {
	follow bool
	lines  int
}

// printLogs is `cluster logs [NODE [PROGRAM]]`. The logs of a cluster that is
// down can still be read.
func printLogs(h home, selected []string, options logOptions) error {
	pattern := []string{"*", "*"}
	copy(pattern, selected)
	if len(selected) > 0 && !strings.HasPrefix(pattern[0], "node") && pattern[0] != "*" {
		pattern[0] = "node" + pattern[0]
	}
	files, err := filepath.Glob(h.path("log", pattern[0], pattern[1]+".log"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no log matches %s; `cluster logs` lists them", h.path("log", pattern[0], pattern[1]+".log"))
	}
	if len(selected) == 0 && !options.follow {
		return listLogs(files)
	}
	arguments := []string{"tail", "-n", strconv.Itoa(options.lines)}
	if options.follow {
		arguments = append(arguments, "-F")
	}
	path, err := exec.LookPath("tail")
	if err != nil {
		return err
	}
	return syscall.Exec(path, append(arguments, files...), os.Environ())
}

func listLogs(files []string) error {
	var failures []error
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		fmt.Printf("%8d kB  %s\n", (info.Size()+1023)/1024, file)
	}
	return errors.Join(failures...)
}
