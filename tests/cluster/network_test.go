package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestTheHostRoutesToEveryNode(t *testing.T) {
	want := []string{
		"route replace unreachable 198.18.0.0/24 metric 4278198272",
		"route replace unreachable 10.244.0.0/16 metric 4278198272",
		"route replace unreachable 10.96.0.0/16 metric 4278198272",
		"link add kubefront0 type veth peer name lan-host netns 101",
		"link set kubefront0 addrgenmode none up",
		"addr add 198.18.0.254/24 dev kubefront0",
		"route add 10.96.0.0/16 via 198.18.0.1 dev kubefront0",
		"route add 10.244.1.0/24 via 198.18.0.1 dev kubefront0",
		"route add 10.244.2.0/24 via 198.18.0.2 dev kubefront0",
		"link add lan-node2 netns 101 type veth peer name eth0 netns 102",
	}
	if commands := hostCommands([]int{101, 102}); !reflect.DeepEqual(commands, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(commands, "\n"), strings.Join(want, "\n"))
	}
}

func TestANodeIsWiredForItsPlace(t *testing.T) {
	check := func(n, nodes int, want ...string) {
		t.Helper()
		if commands := nodeCommands(n, nodes); !reflect.DeepEqual(commands, want) {
			t.Errorf("node %d of %d: got\n%s\nwant\n%s", n, nodes, strings.Join(commands, "\n"), strings.Join(want, "\n"))
		}
	}
	check(1, 1,
		"link set lo up", "link add lan0 type bridge", "link set lan-host master lan0 up",
		"link set lan0 up", "addr add 198.18.0.1/24 dev lan0", "link set sink up", "route add 10.96.0.0/16 dev sink")
	check(1, 2,
		"link set lo up", "link add lan0 type bridge", "link set lan-host master lan0 up", "link set lan-node2 master lan0 up",
		"link set lan0 up", "addr add 198.18.0.1/24 dev lan0", "link set sink up", "route add 10.96.0.0/16 dev sink",
		"route add 10.244.2.0/24 via 198.18.0.2")
	check(3, 3,
		"link set lo up", "link set eth0 up", "addr add 198.18.0.3/24 dev eth0", "link set sink up", "route add 10.96.0.0/16 dev sink",
		"route add 10.244.1.0/24 via 198.18.0.1", "route add 10.244.2.0/24 via 198.18.0.2")
}

func TestNoNodeHasADefaultRoute(t *testing.T) {
	for n := 1; n <= maxNodes; n++ {
		for _, command := range nodeCommands(n, maxNodes) {
			if strings.Contains(command, "default") || strings.Contains(command, "0.0.0.0/0") {
				t.Errorf("node %d: %s", n, command)
			}
		}
	}
}

func TestRoutesInTheClustersRangesAreNoticed(t *testing.T) {
	check := func(routes string, want ...string) {
		t.Helper()
		taken, err := overlappingRoutes([]byte(routes))
		if err != nil || !slices.Equal(taken, want) {
			t.Errorf("%s: %q (%v), want %q", routes, taken, err, want)
		}
	}
	check(`[]`)
	check(`[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"192.0.2.0/24","dev":"eth0"}]`)
	check(`[{"dst":"10.0.0.0/8","dev":"tun0"}]`, "10.0.0.0/8 dev tun0", "10.0.0.0/8 dev tun0")
	check(`[{"dst":"10.96.0.10","dev":"lo"}]`, "10.96.0.10 dev lo")
	check(`[{"type":"blackhole","dst":"198.18.0.0/15","dev":""}]`, "blackhole 198.18.0.0/15 dev")
	check(`[{"dst":"10.244.1.0/24","gateway":"198.18.0.1","dev":"kubefront0"}]`)
	check(`[{"type":"unreachable","dst":"10.96.0.0/16","metric":4278198272}]`)
	if _, err := overlappingRoutes([]byte(`[{"dst":"nonsense"}]`)); err == nil {
		t.Error("nonsense is taken for a route")
	}
}
