package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// What every part of the cluster agrees on. None of it can be configured: one
// machine has one of these clusters, and a test that fails elsewhere should
// fail here at the same addresses.
const (
	kubernetesVersion = "v1.34.4"
	helmVersion       = "v3.19.5"

	maxNodes = 3

	// The nodes' network. 198.18.0.0/15 is set aside for benchmarks (RFC 2544)
	// and never routed, so it collides with no network that anybody has.
	nodeRange    = "198.18.0.0/24"
	hostAddress  = "198.18.0.254"
	podRange     = "10.244.0.0/16"
	serviceRange = "10.96.0.0/16"
	dnsAddress   = "10.96.0.10"
	apiAddress   = "10.96.0.1"
	apiServer    = "https://198.18.0.1:6443"

	hostInterface = "kubefront0"
	groupName     = "kubefront-cluster"
	ownerFile     = "/run/kubefront-cluster.owner"
	lockFile      = "/run/kubefront-cluster.lock"
	defaultHome   = "/run/kubefront-cluster"
)

func nodeName(n int) string     { return fmt.Sprintf("node%d", n) }
func nodeAddress(n int) string  { return fmt.Sprintf("198.18.0.%d", n) }
func nodePodRange(n int) string { return fmt.Sprintf("10.244.%d.0/24", n) }
func nodeZone(n int) string     { return fmt.Sprintf("zone-%d", n) }

// home is the directory that holds all state of the cluster that the machine
// can see: credentials, logs, and which processes are the nodes.
type home string

// homeFromEnvironment honours KUBEFRONT_CLUSTER_DIR. The default lies in /run
// because the cluster, too, does not survive a reboot.
func homeFromEnvironment() (home, error) {
	dir := os.Getenv("KUBEFRONT_CLUSTER_DIR")
	if dir == "" {
		return defaultHome, nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("KUBEFRONT_CLUSTER_DIR=%s: %w", dir, err)
	}
	return home(absolute), nil
}

func (h home) path(names ...string) string {
	return filepath.Join(append([]string{string(h)}, names...)...)
}

func (h home) credentials(name string) string  { return h.path("credentials", name) }
func (h home) kubeconfig() string              { return h.path("kubeconfig") }
func (h home) stateFile() string               { return h.path("state.json") }
func (h home) log(node, program string) string { return h.path("log", node, program+".log") }
func (h home) givenUp(node string) string      { return h.path("log", node, "given-up") }
