package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestHierarchiesAreFoundOnEveryKindOfHost(t *testing.T) {
	check := func(name, mountinfo, cgroup string, want ...hierarchy) {
		t.Run(name, func(t *testing.T) {
			if found := parseHierarchies(mountinfo, cgroup); !reflect.DeepEqual(found, want) {
				t.Errorf("found %+v, want %+v", found, want)
			}
		})
	}
	check("v1 with a group of our own for memory",
		`25 20 0:21 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
36 25 0:32 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
37 25 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`,
		"9:name=systemd:/\n4:memory:/jobs/7\n1:cpu:/\n0::/\n",
		hierarchy{"/sys/fs/cgroup/memory", "memory", "/sys/fs/cgroup/memory/jobs/7"},
		hierarchy{"/sys/fs/cgroup/cpu", "cpu", "/sys/fs/cgroup/cpu"},
		hierarchy{"/sys/fs/cgroup/systemd", "name=systemd", "/sys/fs/cgroup/systemd"},
		hierarchy{"/sys/fs/cgroup/unified", "", "/sys/fs/cgroup/unified"})
	check("v1 with controllers that share a mount",
		`31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct`,
		"3:cpu,cpuacct:/user.slice\n2:memory:/\n",
		hierarchy{"/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/user.slice"})
	check("v2 alone",
		`30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot`,
		"0::/user.slice/user-0.slice/session-1.scope\n",
		hierarchy{"/sys/fs/cgroup", "", "/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope"})
	check("in a container that sees only its own part",
		`30 24 0:26 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids`,
		"5:pids:/docker/abc/tests\n",
		hierarchy{"/sys/fs/cgroup/pids", "pids", "/sys/fs/cgroup/pids/tests"})
	check("a group outside the mount counts as its root",
		`30 24 0:26 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids`,
		"5:pids:/docker/abcdef\n",
		hierarchy{"/sys/fs/cgroup/pids", "pids", "/sys/fs/cgroup/pids"})
	check("the first of two mounts of one hierarchy",
		`30 24 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
31 24 0:26 / /mnt/with\040space rw - cgroup cgroup rw,pids`,
		"5:pids:/\n",
		hierarchy{"/sys/fs/cgroup/pids", "pids", "/sys/fs/cgroup/pids"})
	check("a mount point with a space",
		`31 24 0:26 / /mnt/with\040space rw - cgroup cgroup rw,pids`,
		"5:pids:/\n",
		hierarchy{"/mnt/with space", "pids", "/mnt/with space"})
	check("other file systems and broken lines", "25 20 0:21 / / rw - ext4 /dev/vda rw\nbroken\n- -\n", "5:pids:/\n0::/\nbroken\n")
}

func TestGroupsLieBelowOurOwnUnlessOnlyV2IsThere(t *testing.T) {
	memory := hierarchy{"/sys/fs/cgroup/memory", "memory", "/sys/fs/cgroup/memory/jobs/7"}
	unified := hierarchy{"/sys/fs/cgroup/unified", "", "/sys/fs/cgroup/unified/jobs"}
	check := func(hierarchies []hierarchy, want ...string) {
		t.Helper()
		if groups := nodeGroups(hierarchies, "node2"); !reflect.DeepEqual(groups, want) {
			t.Errorf("%v, want %v", groups, want)
		}
	}
	check([]hierarchy{memory, unified},
		"/sys/fs/cgroup/memory/jobs/7/kubefront-cluster/node2", "/sys/fs/cgroup/unified/jobs/kubefront-cluster/node2")
	check([]hierarchy{unified}, "/sys/fs/cgroup/unified/kubefront-cluster/node2")
}

func TestNewCPUSetsGetTheirParentsProcessors(t *testing.T) {
	mount := t.TempDir()
	h := hierarchy{MountPoint: mount, Controllers: "cpuset", Own: mount}
	for name, value := range map[string]string{"cpuset.cpus": "0-7\n", "cpuset.mems": "0\n"} {
		if err := os.WriteFile(filepath.Join(mount, name), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
		// The kernel makes these files with the directory.
		for _, group := range []string{"", "node1", "node2"} {
			file := filepath.Join(mount, groupName, group, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := hierarchy{MountPoint: mount, Controllers: "pids", Own: t.TempDir()}
	if err := makeGroups([]hierarchy{h, other}, 2); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"cpuset.cpus": "0-7\n", "node2/cpuset.cpus": "0-7\n", "node1/cpuset.mems": "0\n"} {
		if value, err := os.ReadFile(filepath.Join(mount, groupName, file)); err != nil || string(value) != want {
			t.Errorf("%s is %q (%v), want %q", file, value, err, want)
		}
	}
}

func TestProcessesOfSeveralGroupsAreListedOnce(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, processes := range map[string]string{a: "30\n7\n0\n", b: "7\n1\n31\n"} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(processes), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found := groupProcesses([]string{a, b, "/gone"})
	if want := []int{7, 30, 31}; !reflect.DeepEqual(found, want) {
		t.Errorf("%v, want %v (never 0 or 1)", found, want)
	}
}
