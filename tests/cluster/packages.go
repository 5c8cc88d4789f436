package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// needed maps each program or file that a node uses to the Debian package that
// has it. Absolute paths are looked at as they are, names in PATH.
var needed = []struct{ file, from string }{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"/usr/lib/cni/ptp", "containernetworking-plugins"},
	{"/usr/lib/cni/host-local", "containernetworking-plugins"},
	{"/usr/lib/cni/loopback", "containernetworking-plugins"},
	{"/usr/lib/cni/portmap", "containernetworking-plugins"},
	{"iptables", "iptables"},
	{"nft", "nftables"},
	{"ip", "iproute2"},
	{"nsenter", "util-linux"},
}

// missingPackages lists what has to be installed, each once.
func missingPackages(have func(file string) bool) []string {
	var missing []string
	for _, n := range needed {
		if !have(n.file) && !slices.Contains(missing, n.from) {
			missing = append(missing, n.from)
		}
	}
	return missing
}

func haveFile(file string) bool {
	if strings.HasPrefix(file, "/") {
		_, err := os.Stat(file)
		return err == nil
	}
	for _, directory := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if info, err := os.Stat(directory + "/" + file); err == nil && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// checkPackages says all that is missing at once, or installs it if asked to.
func checkPackages(ctx context.Context, p *progress, install bool) error {
	missing := missingPackages(haveFile)
	if len(missing) == 0 {
		return nil
	}
	arguments := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
	if !install {
		return &failure{
			what: "Debian packages are missing: " + strings.Join(missing, " "),
			next: "apt-get " + strings.Join(arguments, " ") + "   (or `cluster up --install`)",
		}
	}
	p.say("installing: %s", strings.Join(missing, " "))
	command := exec.CommandContext(ctx, "apt-get", arguments...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := command.CombinedOutput(); err != nil {
		return &failure{what: "apt-get " + strings.Join(arguments, " "), why: fmt.Errorf("%w\n%s", err, output), next: "perhaps `apt-get update`"}
	}
	if missing = missingPackages(haveFile); len(missing) > 0 {
		return fmt.Errorf("still missing after the installation: %s", strings.Join(missing, " "))
	}
	return nil
}
