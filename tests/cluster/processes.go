package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is one that runs, a kernel's thread included.
type process struct {
	Number     int               `json:"number"`
	Parent     int               `json:"parent"`
	Started    uint64            `json:"started"` // in clock ticks since boot
	Command    string            `json:"command"`
	Groups     map[string]string `json:"groups"`     // control groups by hierarchy
	Namespaces map[string]string `json:"namespaces"` // by kind, like "net:[4026531840]"
}

// everyProcess passes by those that end meanwhile.
func everyProcess() []process {
	var found []process
	directories, _ := filepath.Glob("/proc/[0-9]*")
	for _, directory := range directories {
		if p, err := readProcess(directory); err == nil {
			found = append(found, p)
		}
	}
	return found
}

func readProcess(directory string) (process, error) {
	stat, err := os.ReadFile(filepath.Join(directory, "stat"))
	if err != nil {
		return process{}, err
	}
	p := process{Namespaces: map[string]string{}}
	if p.Number, err = strconv.Atoi(filepath.Base(directory)); err != nil {
		return process{}, err
	}
	if p.Started, err = parseProcessStart(string(stat)); err != nil {
		return process{}, err
	}
	if p.Parent, err = strconv.Atoi(afterName(string(stat))[1]); err != nil {
		return process{}, err
	}
	groups, err := os.ReadFile(filepath.Join(directory, "cgroup"))
	if err != nil {
		return process{}, err
	}
	p.Groups = parseGroups(string(groups))
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"} {
		if p.Namespaces[kind], err = os.Readlink(filepath.Join(directory, "ns", kind)); err != nil {
			return process{}, err
		}
	}
	command, err := os.ReadFile(filepath.Join(directory, "cmdline"))
	p.Command = strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
	return p, err
}

// parseGroups reads /proc/PID/cgroup: the group by hierarchy.
func parseGroups(text string) map[string]string {
	groups := map[string]string{}
	for line := range strings.Lines(text) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			groups[parts[1]] = parts[2]
		}
	}
	return groups
}
