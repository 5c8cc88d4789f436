package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// The network, and what of it the host sees:
//
//	host                    node1                          node2 …
//	kubefront0 .254 ──veth── lan-host ┐
//	                                  ├─ lan0 (bridge) .1
//	                        lan-node2 ┘── veth ──────────── eth0 .2
//
// No node has a default route, so nothing that runs in the cluster can leave
// the machine. In each node, the service range is routed to a sink: a service
// address must have some route for the kernel to accept a connection to it,
// kube-proxy then rewrites it, and one that kube-proxy does not know dies there.

// straysMetric is far above any real route's: these routes only catch what the
// cluster's own routes do not, so that nothing meant for the cluster leaves by
// the machine's default route before the cluster is up or after it has died.
const straysMetric = "4278198272"

var ranges = []string{nodeRange, podRange, serviceRange}

// hostCommands make the host's end, in the form that `ip -batch` reads.
func hostCommands(processes []int) []string {
	var commands []string
	for _, r := range ranges {
		commands = append(commands, fmt.Sprintf("route replace unreachable %s metric %s", r, straysMetric))
	}
	commands = append(commands,
		fmt.Sprintf("link add %s type veth peer name lan-host netns %d", hostInterface, processes[0]),
		fmt.Sprintf("link set %s addrgenmode none up", hostInterface),
		fmt.Sprintf("addr add %s/24 dev %s", hostAddress, hostInterface),
		fmt.Sprintf("route add %s via %s dev %s", serviceRange, nodeAddress(1), hostInterface),
	)
	for i, process := range processes {
		n := i + 1
		commands = append(commands, fmt.Sprintf("route add %s via %s dev %s", nodePodRange(n), nodeAddress(n), hostInterface))
		if n > 1 {
			commands = append(commands, fmt.Sprintf("link add lan-%s netns %d type veth peer name eth0 netns %d", nodeName(n), processes[0], process))
		}
	}
	return commands
}

// nodeCommands make the inside of node n, once its interfaces have arrived.
func nodeCommands(n, nodes int) []string {
	commands := []string{"link set lo up"}
	lan := "eth0"
	if n == 1 {
		lan = "lan0"
		commands = append(commands, "link add lan0 type bridge", "link set lan-host master lan0 up")
		for other := 2; other <= nodes; other++ {
			commands = append(commands, fmt.Sprintf("link set lan-%s master lan0 up", nodeName(other)))
		}
	}
	commands = append(commands,
		fmt.Sprintf("link set %s up", lan),
		fmt.Sprintf("addr add %s/24 dev %s", nodeAddress(n), lan),
		"link set sink up",
		fmt.Sprintf("route add %s dev sink", serviceRange),
	)
	for other := 1; other <= nodes; other++ {
		if other != n {
			commands = append(commands, fmt.Sprintf("route add %s via %s", nodePodRange(other), nodeAddress(other)))
		}
	}
	return commands
}

// nodeNetworkSettings are set before any interface is made. A node forwards for
// its pods; replies may come in by another way than requests went out; and it
// must not tell senders to pass kube-proxy by (ICMP redirects).
var nodeNetworkSettings = map[string]string{
	"net/ipv4/ip_forward":                  "1",
	"net/ipv4/conf/all/rp_filter":          "0",
	"net/ipv4/conf/default/rp_filter":      "0",
	"net/ipv4/conf/all/send_redirects":     "0",
	"net/ipv4/conf/default/send_redirects": "0",
}

// loadSinkDrivers runs on the host. A driver that is a module is loaded when the
// first interface of its kind is made, in whatever namespace, and then makes one
// of its own on the host, unless it was told not to before.
func loadSinkDrivers() {
	_ = exec.Command("modprobe", "dummy", "numdummies=0").Run()
	_ = exec.Command("modprobe", "ifb", "numifbs=0").Run()
}

// wireNode runs inside a node.
func wireNode(n, nodes int) error {
	for name, value := range nodeNetworkSettings {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	// The bridge is a switch between the nodes: where the kernel can, keep node1's
	// kube-proxy from looking into what it only passes on.
	_ = os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0)
	// Kernels without the dummy driver often have ifb, which drops as well.
	if dummy := ip([]string{"link add sink type dummy"}); dummy != nil {
		if err := ip([]string{"link add sink type ifb"}); err != nil {
			return errors.Join(dummy, err)
		}
	}
	return ip(nodeCommands(n, nodes))
}

// unwireHost takes the host's end away and lists what would not go. Deleting
// the interface deletes its peer and every route over it.
func unwireHost() []string {
	_ = ip([]string{"link del " + hostInterface})
	for _, r := range ranges {
		_ = ip([]string{fmt.Sprintf("route del unreachable %s metric %s", r, straysMetric)})
	}
	var left []string
	if hostInterfaceExists() {
		left = append(left, "interface "+hostInterface)
	}
	routes, _ := exec.Command("ip", "-4", "route", "show", "type", "unreachable").Output()
	for line := range strings.Lines(string(routes)) {
		if strings.Contains(line, straysMetric) {
			left = append(left, "route "+strings.TrimSpace(line))
		}
	}
	return left
}

func hostInterfaceExists() bool {
	_, err := os.Stat("/sys/class/net/" + hostInterface)
	return err == nil
}

// checkRanges refuses to start where the host already routes one of the
// cluster's ranges elsewhere: the cluster would take that network away from it.
func checkRanges() error {
	routes, err := exec.Command("ip", "-4", "-json", "route", "show").Output()
	if err != nil {
		return fmt.Errorf("ip -4 -json route show: %w", err)
	}
	taken, err := overlappingRoutes(routes)
	if err != nil {
		return err
	}
	if len(taken) > 0 {
		return fmt.Errorf("this host already has routes in the cluster's ranges (%s): %s", strings.Join(ranges, ", "), strings.Join(taken, "; "))
	}
	return nil
}

// overlappingRoutes reads the output of `ip -json route show`. The cluster's
// own leftover routes do not count.
func overlappingRoutes(output []byte) ([]string, error) {
	var routes []struct {
		Type   string      `json:"type"`
		To     string      `json:"dst"`
		Device string      `json:"dev"`
		Metric json.Number `json:"metric"`
	}
	if err := json.Unmarshal(output, &routes); err != nil {
		return nil, fmt.Errorf("ip -4 -json route show: %w", err)
	}
	var taken []string
	for _, route := range routes {
		if route.To == "default" || route.Device == hostInterface || route.Metric.String() == straysMetric {
			continue
		}
		to, err := parseRange(route.To)
		if err != nil {
			return nil, err
		}
		for _, r := range ranges {
			if to.Overlaps(netip.MustParsePrefix(r)) {
				taken = append(taken, strings.TrimSpace(fmt.Sprintf("%s %s dev %s", route.Type, route.To, route.Device)))
			}
		}
	}
	return taken, nil
}

func parseRange(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		s += "/32"
	}
	return netip.ParsePrefix(s)
}

// ip gives the commands to one `ip -batch`.
func ip(commands []string) error {
	command := exec.Command("ip", "-4", "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip: %s (commands: %s)", strings.TrimSpace(string(output)), strings.Join(commands, "; "))
	}
	return nil
}
