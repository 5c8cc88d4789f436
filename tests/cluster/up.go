package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// upOptions is what a user may ask of `up`.
type upOptions struct {
	nodes    int
	install  bool
	fresh    bool
	patience time.Duration
}

// up brings a cluster up, or finds the one it would bring up.
func up(ctx context.Context, h home, options upOptions) error {
	if options.nodes < 1 || options.nodes > maxNodes {
		return fmt.Errorf("--nodes %d: a cluster here has 1 to %d nodes", options.nodes, maxNodes)
	}
	if err := mustBeRoot("up"); err != nil {
		return err
	}
	p := newProgress()
	if err := checkPackages(ctx, p, options.install); err != nil {
		return err
	}
	programs, err := ensurePrograms(ctx, p)
	if err != nil {
		return err
	}
	if err := h.make(); err != nil {
		return err
	}
	held, err := acquire(ctx, lockFile, "up", func(other holder) {
		p.say("waiting for %s to end", other)
	})
	if err != nil {
		return err
	}
	defer held.release()
	if done, err := reuse(ctx, h, p, programs, options); done || err != nil {
		return err
	}
	err = start(ctx, h, p, programs, options)
	if err != nil && ctx.Err() != nil {
		// Whoever breaks it off does not want half a cluster.
		p.say("broken off; taking everything down")
		return errors.Join(errors.New("broken off"), dismantle(h))
	}
	return err
}

// reuse decides what to do about a cluster that is there already.
func reuse(ctx context.Context, h home, p *progress, programs string, options upOptions) (done bool, err error) {
	if err := checkOwner(h); err != nil {
		return false, err
	}
	if len(findGroups()) == 0 && !hostInterfaceExists() {
		return false, nil
	}
	if options.fresh {
		p.say("taking down what is there")
		return false, dismantle(h)
	}
	s, err := h.readState()
	if err == nil {
		err = health(ctx, h, s)
	}
	switch {
	case err != nil:
		return false, &failure{what: "there is a cluster, but it is not healthy", why: err, next: "`cluster down`, or `cluster up --fresh`"}
	case len(s.Nodes) != options.nodes:
		return false, &failure{what: fmt.Sprintf("there is a cluster with %d node(s), not %d", len(s.Nodes), options.nodes), next: "`cluster down`, or `cluster up --fresh`"}
	case s.Programs != programs:
		p.say("already up and healthy with %d node(s), but from other sources than these; `cluster up --fresh` starts anew", len(s.Nodes))
	default:
		p.say("already up and healthy with %d node(s)", len(s.Nodes))
	}
	return true, nil
}

// health says what is wrong with a cluster, if anything.
func health(ctx context.Context, h home, s state) error {
	if !s.Complete {
		return errors.New("its start was not completed")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := (waiter{home: h, nodes: s.Nodes}).broken(); err != nil {
		return err
	}
	api, err := newAPIClient(h, "admin")
	if err != nil {
		return err
	}
	if err := api.ready(ctx); err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	for _, node := range s.Nodes {
		if err := api.nodeReady(ctx, node.Name); err != nil {
			return fmt.Errorf("%s: %w", node.Name, err)
		}
	}
	if err := dnsAnswers(ctx); err != nil {
		return fmt.Errorf("DNS: %w", err)
	}
	return nil
}

func start(ctx context.Context, h home, p *progress, programs string, options upOptions) error {
	if err := checkRanges(); err != nil {
		return err
	}
	hierarchies, err := readHierarchies()
	if err != nil {
		return err
	}
	if err := h.claim(); err != nil {
		return err
	}
	if err := errors.Join(h.clear(), os.RemoveAll(h.path("log"))); err != nil {
		return err
	}
	if err := h.writeCredentials(options.nodes); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := publishKubeconfig(h); err != nil {
		return err
	}
	s := state{Began: time.Now().UTC().Truncate(time.Second), Programs: programs}
	if err := startNodes(ctx, h, &s, hierarchies, options.nodes); err != nil {
		return &failure{what: "start the nodes", why: err, log: newestNodeLog(h, options.nodes), next: "`cluster down`"}
	}
	p.say("%d node(s) started", options.nodes)
	w := waiter{home: h, nodes: s.Nodes, progress: p, patience: options.patience}
	if err := awaitCluster(ctx, h, w); err != nil {
		return err
	}
	s.Complete = true
	if err := h.writeState(s); err != nil {
		return err
	}
	p.say(`up: eval "$(cluster env)"`)
	return nil
}

// publishKubeconfig gives the administrator's access to root, and to whoever
// called sudo.
func publishKubeconfig(h home) error {
	content, err := os.ReadFile(h.credentials("admin.kubeconfig"))
	if err != nil {
		return err
	}
	if err := replaceFile(h.kubeconfig(), content, 0o600); err != nil {
		return err
	}
	if user, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		return os.Chown(h.kubeconfig(), user, -1)
	}
	return nil
}

// startNodes starts every node's first process, wires them, and only then tells
// them to go on.
func startNodes(ctx context.Context, h home, s *state, hierarchies []hierarchy, nodes int) error {
	if err := makeGroups(hierarchies, nodes); err != nil {
		return fmt.Errorf("make control groups: %w", err)
	}
	var orders []io.WriteCloser
	var processes []int
	for n := 1; n <= nodes; n++ {
		process, order, err := startNode(ctx, h, nodeName(n), nodeGroups(hierarchies, nodeName(n)))
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(n), err)
		}
		defer order.Close()
		started, err := processStart(process)
		if err != nil {
			return fmt.Errorf("%s has ended at once: %w", nodeName(n), err)
		}
		orders, processes = append(orders, order), append(processes, process)
		s.Nodes = append(s.Nodes, nodeState{Name: nodeName(n), Process: process, Started: started})
	}
	if err := h.writeState(*s); err != nil {
		return err
	}
	loadSinkDrivers()
	if err := ip(hostCommands(processes)); err != nil {
		return err
	}
	for i, to := range orders {
		order := nodeOrder{Number: i + 1, Nodes: nodes, Home: string(h), Programs: s.Programs, Hierarchies: hierarchies}
		if err := json.NewEncoder(to).Encode(order); err != nil {
			return fmt.Errorf("%s: %w", nodeName(i+1), err)
		}
	}
	return nil
}

// startNode gives the number of a node's first process and where its order goes.
func startNode(ctx context.Context, h home, node string, groups []string) (process int, order io.WriteCloser, err error) {
	if err := os.MkdirAll(filepath.Dir(h.log(node, "node")), 0o755); err != nil {
		return 0, nil, err
	}
	log, err := os.Create(h.log(node, "node"))
	if err != nil {
		return 0, nil, err
	}
	defer log.Close()
	input, order, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer input.Close()
	command := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"node-enter"}, groups...)...)
	command.Stdin, command.Stderr = input, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives this terminal
	output, err := command.Output()
	if err == nil {
		process, err = strconv.Atoi(strings.TrimSpace(string(output)))
	}
	if err != nil {
		order.Close()
		return 0, nil, err
	}
	return process, order, nil
}

func newestNodeLog(h home, nodes int) string {
	for n := nodes; n > 0; n-- {
		if info, err := os.Stat(h.log(nodeName(n), "node")); err == nil && info.Size() > 0 {
			return h.log(nodeName(n), "node")
		}
	}
	return ""
}

func awaitCluster(ctx context.Context, h home, w waiter) error {
	api, err := newAPIClient(h, "admin")
	if err != nil {
		return err
	}
	if err := w.until(ctx, "API server ready", h.log("node1", "kube-apiserver"), api.ready); err != nil {
		return err
	}
	manifest, err := systemManifest()
	if err != nil {
		return err
	}
	// The first objects may come before the API server has made its own.
	apply := func(ctx context.Context) error { return api.apply(ctx, manifest) }
	if err := w.until(ctx, "DNS applied", h.log("node1", "kube-apiserver"), apply); err != nil {
		return err
	}
	for i, node := range w.nodes {
		ready := func(ctx context.Context) error { return api.nodeReady(ctx, node.Name) }
		if err := w.until(ctx, node.Name+" Ready", h.log(node.Name, "kubelet"), ready); err != nil {
			return err
		}
		proxied := func(ctx context.Context) error { return proxyHealthy(ctx, i+1) }
		if err := w.until(ctx, node.Name+" proxies services", h.log(node.Name, "kube-proxy"), proxied); err != nil {
			return err
		}
	}
	available := func(ctx context.Context) error {
		if err := api.deploymentAvailable(ctx, "kube-system", "coredns"); err != nil {
			return err
		}
		return dnsAnswers(ctx)
	}
	return w.until(ctx, "DNS answers", h.log("node1", "kubelet"), available)
}
