package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchy is one mounted tree of control groups: one for each controller (or
// a few together) in cgroup v1, a single one in v2, both kinds on a hybrid host.
type hierarchy struct {
	MountPoint  string `json:"mountPoint"`
	Controllers string `json:"controllers"` // "memory", "cpu,cpuacct", "name=systemd"; empty for v2
	Own         string `json:"own"`         // directory of the group this process is in
}

func (h hierarchy) unified() bool { return h.Controllers == "" }

// group is the directory that holds all nodes' groups. It lies below the
// caller's own group, so that the limits and the accounting that somebody put
// on the caller go on to count. With v2 alone that cannot be: a group that
// holds processes can give no controllers to groups below it, so the nodes'
// groups lie at the top.
func (h hierarchy) group(alone bool) string {
	if alone {
		return filepath.Join(h.MountPoint, groupName)
	}
	return filepath.Join(h.Own, groupName)
}

func readHierarchies() ([]hierarchy, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	found := parseHierarchies(string(mounts), string(own))
	if len(found) == 0 {
		return nil, errors.New("no cgroup file system is mounted; /sys/fs/cgroup must be, with at least cpu, cpuset, memory and pids")
	}
	return found, nil
}

// parseHierarchies joins the mounts in /proc/self/mountinfo with the process's
// own groups in /proc/self/cgroup (cgroups(7), proc_pid_mountinfo(5)).
func parseHierarchies(mountinfo, cgroup string) []hierarchy {
	var found []hierarchy
	for line := range strings.Lines(mountinfo) {
		before, after, separated := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !separated || len(left) < 5 || len(right) < 3 {
			continue
		}
		controllers, group, member := ownGroup(cgroup, right[0], right[2])
		seen := slices.ContainsFunc(found, func(h hierarchy) bool { return h.Controllers == controllers })
		if !member || seen {
			continue
		}
		root, mountPoint := unescapeMount(left[3]), unescapeMount(left[4])
		found = append(found, hierarchy{
			MountPoint:  mountPoint,
			Controllers: controllers,
			Own:         filepath.Join(mountPoint, belowRoot(group, root)),
		})
	}
	return found
}

// ownGroup finds the line of /proc/self/cgroup (`number:controllers:group`)
// that belongs to a mount of the given type with the given options.
func ownGroup(cgroup, fileSystem, options string) (controllers, group string, found bool) {
	if fileSystem != "cgroup" && fileSystem != "cgroup2" {
		return "", "", false
	}
	have := strings.Split(options, ",")
	for line := range strings.Lines(cgroup) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || (parts[1] == "") != (fileSystem == "cgroup2") {
			continue
		}
		missing := func(c string) bool { return !slices.Contains(have, c) }
		if fileSystem == "cgroup2" || !slices.ContainsFunc(strings.Split(parts[1], ","), missing) {
			return parts[1], parts[2], true
		}
	}
	return "", "", false
}

// belowRoot takes from a group's path what the mount already starts at, as it
// does in a container that was given only its own part of the tree.
func belowRoot(group, root string) string {
	if root == "/" {
		return path.Clean("/" + group)
	}
	if rest, inside := strings.CutPrefix(group, root); inside && (rest == "" || rest[0] == '/') {
		return path.Clean("/" + rest)
	}
	return "/"
}

func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// aloneUnified says whether the host has cgroup v2 and nothing else.
//
// That way is written from the kernel's documentation and from how other
// node-in-a-namespace tools do it; it has not been run, because the machines
// this was made on mount v1 controllers.
func aloneUnified(hierarchies []hierarchy) bool {
	return len(hierarchies) == 1 && hierarchies[0].unified()
}

// nodeGroups are the directories whose processes make up one node.
func nodeGroups(hierarchies []hierarchy, node string) []string {
	alone := aloneUnified(hierarchies)
	groups := make([]string, 0, len(hierarchies))
	for _, h := range hierarchies {
		groups = append(groups, filepath.Join(h.group(alone), node))
	}
	return groups
}

// makeGroups creates the groups of every node.
func makeGroups(hierarchies []hierarchy, nodes int) error {
	alone := aloneUnified(hierarchies)
	for _, h := range hierarchies {
		group := h.group(alone)
		for n := range nodes {
			if err := os.MkdirAll(filepath.Join(group, nodeName(n+1)), 0o755); err != nil {
				return err
			}
		}
		if alone {
			if err := errors.Join(delegate(h.MountPoint), delegate(group)); err != nil {
				return err
			}
		}
		if slices.Contains(strings.Split(h.Controllers, ","), "cpuset") {
			if err := fillCPUSets(group, nodes); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillCPUSets gives v1 cpuset groups their parent's processors and memory
// nodes: they start without any, and then take no process.
func fillCPUSets(group string, nodes int) error {
	groups := []string{group}
	for n := range nodes {
		groups = append(groups, filepath.Join(group, nodeName(n+1)))
	}
	for _, g := range groups {
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(filepath.Dir(g), file))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(g, file), value, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegate lets the groups below a v2 group use every controller it has.
func delegate(group string) error {
	available, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(available)) {
		if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0); err != nil {
			return fmt.Errorf("give controller %s to the groups below %s: %w", controller, group, err)
		}
	}
	return nil
}

// joinGroups moves this process, with all its threads, into the groups.
func joinGroups(groups []string) error {
	self := []byte(strconv.Itoa(os.Getpid()))
	for _, group := range groups {
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), self, 0); err != nil {
			return err
		}
	}
	return nil
}

// findGroups lists every directory of the cluster in every hierarchy, deepest
// first. It looks at the whole tree: `down` may run in another group than `up`.
func findGroups() []string {
	hierarchies, err := readHierarchies()
	if err != nil {
		return nil
	}
	var found []string
	for _, h := range hierarchies {
		_ = filepath.WalkDir(h.MountPoint, func(p string, entry fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir // ended while we looked
			}
			if entry.IsDir() && slices.Contains(strings.Split(p, "/"), groupName) {
				found = append(found, p)
			}
			return nil
		})
	}
	slices.Reverse(found)
	return found
}

// groupProcesses lists the processes in the groups, each once.
func groupProcesses(groups []string) []int {
	var processes []int
	for _, group := range groups {
		text, _ := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		for _, field := range strings.Fields(string(text)) {
			// Zero stands for a process outside our process namespace.
			if process, err := strconv.Atoi(field); err == nil && process > 1 {
				processes = append(processes, process)
			}
		}
	}
	slices.Sort(processes)
	return slices.Compact(processes)
}

// endGroups kills what is in the cluster's own groups, and nothing else, and
// removes the groups. The first process of a node takes its whole process
// namespace along; mounts, interfaces and rules go with the namespaces.
func endGroups(patience time.Duration) (killed int, left []string) {
	deadline := time.Now().Add(patience)
	all := map[int]bool{}
	for {
		groups := findGroups()
		if len(groups) == 0 {
			return len(all), nil
		}
		for _, process := range groupProcesses(groups) {
			all[process] = true
			_ = syscall.Kill(process, syscall.SIGKILL)
		}
		for _, group := range groups {
			_ = syscall.Rmdir(group)
		}
		if time.Now().After(deadline) {
			return len(all), findGroups()
		}
		time.Sleep(20 * time.Millisecond)
	}
}
