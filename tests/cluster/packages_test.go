package main

import (
	"slices"
	"testing"
)

func TestEveryMissingPackageIsNamedOnce(t *testing.T) {
	check := func(have func(string) bool, want ...string) {
		t.Helper()
		if missing := missingPackages(have); !slices.Equal(missing, want) {
			t.Errorf("%v, want %v", missing, want)
		}
	}
	check(func(string) bool { return true })
	check(func(string) bool { return false }, "containerd", "runc", "containernetworking-plugins", "iptables", "nftables", "iproute2", "util-linux")
	check(func(file string) bool { return file != "ctr" && file != "nft" }, "containerd", "nftables")
}
