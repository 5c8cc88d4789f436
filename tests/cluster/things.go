package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ownGroupsBelow lists the control groups below our own, and the cluster's
// wherever they are.
func ownGroupsBelow() ([]string, error) {
	hierarchies, err := readHierarchies()
	if err != nil {
		return nil, err
	}
	found := findGroups()
	for _, h := range hierarchies {
		_ = filepath.WalkDir(h.Own, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir // ended while we looked
			}
			if entry.IsDir() {
				found = append(found, path)
			}
			return nil
		})
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// programFiles are where the node's programs keep what they have, if they run on
// the machine itself.
var programFiles = []string{
	"/etc/cni/net.d", "/opt/cni", "/run/cni", "/run/containerd", "/run/netns", nodeRoot, "/run/runc", "/run/xtables.lock",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
}

// leftFiles lists the cluster's own files but its logs, which are kept, and
// those of its programs.
func leftFiles(h home) []string {
	var found []string
	entries, _ := names(string(h))
	for _, name := range entries {
		if path := h.path(name); path != h.path("log") {
			found = append(found, path)
		}
	}
	for _, path := range append([]string{ownerFile, lockFile}, programFiles...) {
		if isThere(path) {
			found = append(found, path)
		}
	}
	return found
}

// hostSettings are the values of the kernel's settings that a node's programs
// would write.
func hostSettings() []string {
	var found []string
	for _, settings := range []map[string]string{kernelSettings, nodeNetworkSettings} {
		for name := range settings {
			if value, err := os.ReadFile("/proc/sys/" + name); err == nil {
				found = append(found, fmt.Sprintf("%s = %s", name, strings.TrimSpace(string(value))))
			}
		}
	}
	return found
}

func hostMounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	return parseMounts(string(text)), err
}

// parseMounts says of each mount what does not depend on the order in which they
// were made. A network namespace that a mount holds is among them, as nsfs.
func parseMounts(mountinfo string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		before, after, separated := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if separated && len(left) > 5 && len(right) > 1 {
			found = append(found, fmt.Sprintf("%s (%s of %s, %s)", left[4], right[0], left[3], left[5]))
		}
	}
	return found
}

func hostRoutes() ([]string, error) {
	var found []string
	for _, family := range []string{"-4", "-6"} {
		for _, what := range [][]string{{"route", "show", "table", "all"}, {"rule", "show"}} {
			output, err := ask("ip", append([]string{"-o", family}, what...)...)
			if err != nil {
				return nil, err
			}
			found = append(found, parseRoutes(what[0], output)...)
		}
	}
	return found, nil
}

// remaining is how long a route that a router announced is good for.
var remaining = regexp.MustCompile(` expires \S+`)

func parseRoutes(what, output string) []string {
	var found []string
	for line := range strings.Lines(output) {
		if line = strings.Join(strings.Fields(remaining.ReplaceAllString(line, "")), " "); line != "" {
			found = append(found, what+" "+line)
		}
	}
	return found
}

func ask(name string, arguments ...string) (string, error) {
	output, err := exec.Command(name, arguments...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(arguments, " "), err)
	}
	return string(output), nil
}

func names(directory string) ([]string, error) {
	entries, err := os.ReadDir(directory)
	found := make([]string, 0, len(entries))
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found, err
}
