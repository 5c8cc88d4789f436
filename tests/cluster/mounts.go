package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A node sees the host's files read-only, with these exceptions: everything
// that a program writes to by default is memory of the node's own and gone with
// its mount namespace; /proc and /sys are the node's; and the cluster's home and
// programs lie at fixed places, wherever the host has them.

var memoryDirectories = map[string]string{ // → options
	"/run":     "mode=755",
	"/var/lib": "mode=755,size=75%",
	"/var/log": "mode=755",
	"/var/tmp": "mode=1777",
	"/tmp":     "mode=1777",
	"/dev/shm": "mode=1777",
}

// kernelSettings are what the kubelet insists on and would write. They belong to
// the whole machine: it is shown plain files that hold what it wants to read.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// makeFilesystem runs as the first process in the node's new mount namespace.
func makeFilesystem(order nodeOrder) error {
	// Opened before they may be covered.
	shared := map[string]string{order.Home: string(nodeHome), order.Programs: nodePrograms}
	handles := map[string]int{}
	for from := range shared {
		handle, err := unix.Open(from, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", from, err)
		}
		defer unix.Close(handle)
		handles[from] = handle
	}

	// Nothing that is mounted from here on may reach the host.
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return fmt.Errorf("make the host's files read-only in the node (needs Linux 5.12): %w", err)
	}
	for directory, options := range memoryDirectories {
		if err := mount("tmpfs", directory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
			return err
		}
	}
	for from, to := range shared {
		if err := bind(fmt.Sprintf("/proc/self/fd/%d", handles[from]), to); err != nil {
			return fmt.Errorf("show %s in the node: %w", from, err)
		}
	}
	for _, directory := range []string{"/run/lock", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/lib/etcd", nodeSettings} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	if err := mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := guardKernelSettings(); err != nil {
		return err
	}
	if err := makeSys(order.Hierarchies); err != nil {
		return err
	}
	// Volumes must reach the pods that are already there.
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// guardKernelSettings lets the node write the network's settings, which are its
// own, and none of the machine's.
func guardKernelSettings() error {
	if err := bind("/proc/sys", "/proc/sys"); err != nil {
		return err
	}
	if err := bind("/proc/sys/net", "/proc/sys/net"); err != nil {
		return err
	}
	if err := mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	for name, value := range kernelSettings {
		file := filepath.Join(nodeSettings, "kernel", strings.ReplaceAll(name, "/", "-"))
		if err := writeFiles(map[string][]byte{file: []byte(value + "\n")}); err != nil {
			return err
		}
		if err := mount(file, "/proc/sys/"+name, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// makeSys gives the node a /sys of its network namespace and hierarchies that
// begin at its own groups. The host's are taken away, not covered: runc and
// cAdvisor believe the first match in mountinfo.
func makeSys(hierarchies []hierarchy) error {
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount /sys: %w", err)
	}
	if err := mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if aloneUnified(hierarchies) {
		return makeUnified()
	}
	if err := mount("tmpfs", "/sys/fs/cgroup", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return err
	}
	for _, h := range hierarchies {
		if err := os.MkdirAll(h.MountPoint, 0o755); err != nil {
			return err
		}
		if err := mountHierarchy(h); err != nil {
			return err
		}
	}
	return nil
}

func mountHierarchy(h hierarchy) error {
	kind, options := "cgroup", h.Controllers
	switch {
	case h.unified():
		kind = "cgroup2"
	case strings.HasPrefix(options, "name="):
		options = "none," + options
	}
	if err := mount(kind, h.MountPoint, kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return err
	}
	// Controllers that are mounted together are looked for under each name.
	if names := strings.Split(h.Controllers, ","); len(names) > 1 {
		for _, name := range names {
			_ = os.Symlink(filepath.Base(h.MountPoint), filepath.Join(filepath.Dir(h.MountPoint), name))
		}
	}
	return nil
}

// makeUnified mounts cgroup v2 where it is alone, and moves the node's first
// process out of the topmost group, which then can give its controllers to
// those below. See aloneUnified: written, not run.
func makeUnified() error {
	const top = "/sys/fs/cgroup"
	if err := mount("cgroup2", top, "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := os.Mkdir(top+"/node", 0o755); err != nil {
		return err
	}
	if err := joinGroups([]string{top + "/node"}); err != nil {
		return err
	}
	return delegate(top)
}

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s on %s (%s): %w", source, target, options, err)
	}
	return nil
}

// bind shows a directory in another place, writable.
func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return mount("", to, "", unix.MS_REMOUNT|unix.MS_BIND, "")
}
