package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// state is what `up` leaves for the other subcommands.
type state struct {
	Began    time.Time   `json:"began"`
	Programs string      `json:"programs"` // directory of kubelite, kubectl, helm …
	Nodes    []nodeState `json:"nodes"`
	Complete bool        `json:"complete"` // every condition that `up` waits for was reached
}

// nodeState names the first process of a node. A process number alone could
// have passed to another process, so its start time goes with it.
type nodeState struct {
	Name    string `json:"name"`
	Process int    `json:"process"`
	Started uint64 `json:"started"` // in clock ticks since boot, as the kernel says it
}

func (n nodeState) alive() bool {
	started, err := processStart(n.Process)
	return err == nil && started == n.Started
}

func (s state) node(name string) (nodeState, error) {
	names := make([]string, 0, len(s.Nodes))
	for _, node := range s.Nodes {
		if node.Name == name || node.Name == "node"+name {
			return node, nil
		}
		names = append(names, node.Name)
	}
	return nodeState{}, fmt.Errorf("there is no node %q; there are: %s", name, strings.Join(names, ", "))
}

func (h home) writeState(s state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(h.stateFile(), append(text, '\n'), 0o644)
}

var errNotUp = errors.New("no cluster is up")

// readState answers errNotUp, with the place it looked at, when `up` has not run.
func (h home) readState() (state, error) {
	text, err := os.ReadFile(h.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		if owner := readOwner(); owner != "" && owner != h {
			return state{}, fmt.Errorf("%w with its state in %s; one is said to be in %s: set KUBEFRONT_CLUSTER_DIR to that", errNotUp, h, owner)
		}
		return state{}, fmt.Errorf("%w (nothing in %s): start one with `cluster up`", errNotUp, h)
	}
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, fmt.Errorf("%s: %w", h.stateFile(), err)
	}
	return s, nil
}

// make creates the state directory, and refuses one that somebody else could
// write to: it will hold the keys of a cluster whose programs run as root.
func (h home) make() error {
	if err := os.MkdirAll(string(h), 0o755); err != nil {
		return err
	}
	info, err := os.Lstat(string(h))
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory: set KUBEFRONT_CLUSTER_DIR to another place", h)
	case int(owner) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d: set KUBEFRONT_CLUSTER_DIR to another place", h, owner)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (%s): chmod go-w it, or set KUBEFRONT_CLUSTER_DIR to another place", h, info.Mode().Perm())
	}
	return nil
}

// clear removes everything but the logs of the last run.
func (h home) clear() error {
	return errors.Join(
		os.RemoveAll(h.path("credentials")),
		removeIfThere(h.kubeconfig()),
		removeIfThere(h.stateFile()),
	)
}

// The owner file says which state directory the machine's one cluster belongs to.
func readOwner() home {
	text, err := os.ReadFile(ownerFile)
	if err != nil {
		return ""
	}
	return home(strings.TrimSpace(string(text)))
}

func (h home) claim() error {
	return replaceFile(ownerFile, []byte(string(h)+"\n"), 0o644)
}

// processStart reads field 22 of /proc/PID/stat. A zombie has ended.
func processStart(process int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		return 0, err
	}
	return parseProcessStart(string(text))
}

func parseProcessStart(stat string) (uint64, error) {
	fields := afterName(stat)
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/PID/stat has only %d fields after the name", len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, errors.New("the process has ended")
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// afterName gives the fields of /proc/PID/stat from the third on. The second is
// the program's name in brackets and may hold anything, brackets and spaces
// included; the state follows the last bracket.
func afterName(stat string) []string {
	return strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
}

// replaceFile writes a file so that a reader sees the old or the new one whole.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	partial, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(partial.Name())
	_, err = partial.Write(content)
	if err := errors.Join(err, partial.Chmod(mode), partial.Close()); err != nil {
		return err
	}
	return os.Rename(partial.Name(), path)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
