package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const (
	ourGroup = "/jobs/7"
	hostNet  = "net:[1]"
)

// The one who looks is process 30, started by the shell 20 in our group; an agent
// in another group is 40.
func look(processes ...process) traces {
	there := append([]process{
		{Number: 1, Parent: 0, Started: 1}, {Number: 2, Parent: 0, Started: 1},
		{Number: 20, Parent: 1, Started: 5}, {Number: 40, Parent: 1, Started: 6, Groups: map[string]string{"memory": "/jobs/8"}},
	}, processes...)
	for i := range there {
		if there[i].Groups == nil {
			there[i].Groups = map[string]string{"memory": ourGroup}
		}
		if there[i].Namespaces == nil {
			there[i].Namespaces = map[string]string{"net": hostNet}
		}
	}
	return traces{Own: map[string]string{"memory": ourGroup}, Self: 30, Processes: there}
}

func TestOnlyProcessesThatMustBeTheClustersAreLeft(t *testing.T) {
	looking := process{Number: 30, Parent: 20, Started: 90}
	group := func(name string) map[string]string { return map[string]string{"memory": name} }
	net := func(name string) map[string]string { return map[string]string{"net": name} }
	check := func(name string, want string, processes ...process) {
		t.Helper()
		left := strings.Join(leftProcesses(look(), look(append(processes, looking)...)), "; ")
		if (want == "") != (left == "") || !strings.Contains(left, want) {
			t.Errorf("%s: %q, want %q", name, left, want)
		}
	}
	check("nothing new", "")
	check("one in the cluster's group, whoever started it", "process left: 50, in control group /jobs/9/kubefront-cluster/node1/kubepods: pause",
		process{Number: 50, Parent: 40, Started: 70, Command: "pause", Groups: group("/jobs/9/kubefront-cluster/node1/kubepods")})
	check("one in a network of its own", "50, in namespace net:[7]",
		process{Number: 50, Parent: 20, Started: 70, Namespaces: net("net:[7]")})
	check("one in a group below ours, left behind", "50, left behind by its parent",
		process{Number: 50, Parent: 1, Started: 70, Groups: group("/jobs/7/node")})
	check("a child of one that was left behind", "51, left behind by its parent",
		process{Number: 50, Parent: 1, Started: 70}, process{Number: 51, Parent: 50, Started: 71})
	check("another child of the shell", "", process{Number: 50, Parent: 20, Started: 70})
	check("a child of the one who looks", "", process{Number: 50, Parent: 30, Started: 91})
	check("a kernel's thread", "", process{Number: 50, Parent: 2, Started: 70})
	check("one that was started from outside of the process namespace", "", process{Number: 50, Parent: 0, Started: 70})
	check("a service of another group, in a network of its own", "",
		process{Number: 50, Parent: 1, Started: 70, Groups: group("/system.slice/backup.service"), Namespaces: net("net:[8]")})
	check("a group that only begins like ours", "", process{Number: 50, Parent: 1, Started: 70, Groups: group("/jobs/77")})
}

func TestALookFromANewTerminalFindsNoneOfThatTerminal(t *testing.T) {
	before := look()
	after := look(process{Number: 60, Parent: 1, Started: 80}, process{Number: 30, Parent: 60, Started: 90})
	if left := leftProcesses(before, after); left != nil {
		t.Errorf("%v", left)
	}
}

func TestOneWithTheNumberOfAnEndedOneIsAnother(t *testing.T) {
	before := look(process{Number: 50, Parent: 1, Started: 60})
	for started, want := range map[uint64]int{60: 0, 70: 1} {
		if left := leftProcesses(before, look(process{Number: 50, Parent: 1, Started: started})); len(left) != want {
			t.Errorf("started at %d: %v", started, left)
		}
	}
}

func TestAnyGroupIsBelowTheTopmost(t *testing.T) {
	p := process{Groups: map[string]string{"memory": "/a/b", "": "/"}}
	if !p.within(map[string]string{"memory": "/", "": "/"}) {
		t.Error("it is")
	}
	if p.within(map[string]string{"memory": "/a", "pids": "/"}) {
		t.Error("it is in no group of that hierarchy")
	}
}

func TestThingsThatCameOrWentAreNamed(t *testing.T) {
	things := func(kind string, names ...string) traces {
		return traces{Things: map[string][]string{kind: names}}
	}
	check := func(before, after traces, want ...string) {
		t.Helper()
		if left := leftovers(before, after); !reflect.DeepEqual(left, want) {
			t.Errorf("%v, want %v", left, want)
		}
	}
	check(things(interfaces, "eth0", "lo"), things(interfaces, "eth0", "lo"))
	check(things(interfaces, "eth0"), things(interfaces, "eth0", hostInterface), "interface left: kubefront0")
	check(things(routes, "default"), things(routes), "route gone: default")
	check(things(kernelValues, "net/ipv4/ip_forward = 0"), things(kernelValues, "net/ipv4/ip_forward = 1"),
		"kernel setting left: net/ipv4/ip_forward = 1", "kernel setting gone: net/ipv4/ip_forward = 0")
	check(things(controlGroups, "/a", "/b"), things(controlGroups, "/b", "/c"), "control group left: /c")
	check(things(mounts, "/mnt"), things(mounts, "/mnt", "/mnt"), "mount left: /mnt")
	check(things(mounts, "/mnt"), traces{}, "mount gone: /mnt")
	check(traces{}, things(files, ownerFile), "file left: "+ownerFile)
}

func TestProcessesAreFoundWithTheirParentsAndNamespaces(t *testing.T) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range everyProcess() {
		if p.Number != os.Getpid() {
			continue
		}
		if p.Parent != os.Getppid() || p.Started == 0 || !strings.HasPrefix(p.Namespaces["net"], "net:[") || !p.within(parseGroups(string(own))) {
			t.Errorf("%+v", p)
		}
		return
	}
	t.Error("this process is not among them")
}

func TestRulesAreToldWithTheirTableAndChain(t *testing.T) {
	check := func(found []string, want ...string) {
		t.Helper()
		if !reflect.DeepEqual(found, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
		}
	}
	check(parseNftables(`table ip nat {
	set hosts {
		type ipv4_addr
		elements = { 10.0.0.1,
			     10.0.0.2 }
	}

	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr @hosts drop
	}
}
table ip6 nat {
}
`),
		"table ip nat",
		"table ip nat: set hosts",
		"table ip nat: set hosts: type ipv4_addr",
		"table ip nat: set hosts: elements = { 10.0.0.1,",
		"table ip nat: set hosts: 10.0.0.2 }",
		"table ip nat: chain PREROUTING",
		"table ip nat: chain PREROUTING: type nat hook prerouting priority dstnat; policy accept;",
		"table ip nat: chain PREROUTING: ip daddr @hosts drop",
		"table ip6 nat")
	check(parseIptables("ip", `# Generated by iptables-save v1.8.9 on Wed Nov 25 18:00:00 2026
*filter
:INPUT ACCEPT [12:3456]
-A INPUT -s 10.0.0.1/32 -j DROP
COMMIT
# Completed on Wed Nov 25 18:00:00 2026
`),
		"ip filter: :INPUT ACCEPT", "ip filter: -A INPUT -s 10.0.0.1/32 -j DROP")
}

func TestWhatChangesByItselfIsNotTold(t *testing.T) {
	if found := fmt.Sprint(parseRoutes("route", "default via fe80::1 dev eth0 proto ra metric 100 expires 1790sec pref medium\n\n")); found != "[route default via fe80::1 dev eth0 proto ra metric 100 pref medium]" {
		t.Error(found)
	}
	const mountinfo = "25 20 0:21 /sub /mnt/a rw,relatime shared:4 - tmpfs tmpfs rw,mode=755\nbroken\n90 20 0:4 net:[4026532719] /run/netns/a rw - nsfs nsfs rw\n"
	if found := fmt.Sprint(parseMounts(mountinfo)); found != "[/mnt/a (tmpfs of /sub, rw,relatime) /run/netns/a (nsfs of net:[4026532719], rw)]" {
		t.Error(found)
	}
}
