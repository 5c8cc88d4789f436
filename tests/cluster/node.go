package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A node is one process tree. `up` starts `cluster node-enter`, which moves into
// the node's control groups, starts `cluster node-main` in new namespaces as
// their first process, says which process that is, and ends. `node-main` waits
// for its order on standard input: `up` sends it when the network is wired. If
// `up` dies before that, the input ends and so does the node.

// nodeOrder is all that a node is told.
type nodeOrder struct {
	Number      int         `json:"number"`
	Nodes       int         `json:"nodes"`
	Home        string      `json:"home"`
	Programs    string      `json:"programs"`
	Hierarchies []hierarchy `json:"hierarchies"`
}

// nodeEnvironment is everything that a node inherits: no proxy, no locale and
// no credentials of whoever ran `up`.
var nodeEnvironment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
}

// enterNode is `cluster node-enter GROUP…`.
func enterNode(groups []string) error {
	if err := joinGroups(groups); err != nil {
		return err
	}
	first := exec.Command("/proc/self/exe", "node-main")
	first.Env = nodeEnvironment
	first.Stdin, first.Stdout, first.Stderr = os.Stdin, os.Stderr, os.Stderr
	first.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		// The new control group namespace begins at the groups joined above.
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWCGROUP,
	}
	if err := first.Start(); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	fmt.Println(first.Process.Pid)
	return nil
}

// nodeMain is `cluster node-main`, the first process of a node. It only returns
// if the node cannot start.
func nodeMain() error {
	if os.Getpid() != 1 {
		return errors.New("node-main is the first process of a node, which `cluster up` starts")
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	go func() {
		<-signals
		os.Exit(0)
	}()
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return errors.New("`up` ended before the node's network was ready")
	}
	var order nodeOrder
	if err := json.Unmarshal(text, &order); err != nil {
		return fmt.Errorf("the node's order: %w", err)
	}
	if err := unix.Sethostname([]byte(nodeName(order.Number))); err != nil {
		return err
	}
	if err := makeFilesystem(order); err != nil {
		return err
	}
	if err := wireNode(order.Number, order.Nodes); err != nil {
		return err
	}
	files, err := nodeFiles(order.Number)
	if err != nil {
		return err
	}
	if err := writeFiles(files); err != nil {
		return err
	}
	return newSupervisor(order).start()
}

// supervisor keeps the programs of one node running.
type supervisor struct {
	order    nodeOrder
	node     string
	children *children
}

func newSupervisor(order nodeOrder) *supervisor {
	return &supervisor{order: order, node: nodeName(order.Number), children: newChildren()}
}

// start brings the programs up in the order in which they need each other. A
// client that does not find the API server at its start retries only slowly, so
// each waits for what it needs: the kubelet for the API server, kube-proxy for
// the Node object.
func (s *supervisor) start() error {
	ctx := context.Background()
	if s.order.Number == 1 {
		s.keep(etcd())
		s.keep(kubeAPIServer())
	}
	s.keep(containerd())
	// What is waited for here, a kubelet may ask for.
	api, err := newAPIClient(nodeHome, "kubelet-"+s.node)
	if err != nil {
		return err
	}
	if err := s.importImages(ctx); err != nil {
		return err
	}
	if err := poll(ctx, api.ready); err != nil {
		return err
	}
	s.keep(kubeletOf(s.order.Number))
	if s.order.Number == 1 {
		s.keep(kubeControllerManager())
		s.keep(kubeScheduler())
	}
	if err := poll(ctx, func(ctx context.Context) error { return api.get(ctx, "/api/v1/nodes/"+s.node, nil) }); err != nil {
		return err
	}
	s.keep(kubeProxy())
	select {}
}

func (s *supervisor) keep(p program) {
	output, err := s.output(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: start %s\n", time.Now().UTC().Format(time.TimeOnly), p.name)
	go s.children.keep(p, output, func(p program) {
		if err := os.WriteFile(nodeHome.givenUp(s.node), []byte(p.name), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
}

func (s *supervisor) output(p program) (*os.File, error) {
	return os.OpenFile(nodeHome.log(s.node, p.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// importImages gives containerd the images that the cluster itself needs.
func (s *supervisor) importImages(ctx context.Context) error {
	if err := poll(ctx, func(context.Context) error {
		connection, err := net.Dial("unix", "/run/containerd/containerd.sock")
		if err != nil {
			return err
		}
		return connection.Close()
	}); err != nil {
		return err
	}
	archives, err := filepath.Glob(nodePrograms + "/*.tar")
	if err != nil {
		return err
	}
	for _, archive := range archives {
		p := program{name: "images", path: "ctr", args: []string{"-n", "k8s.io", "images", "import", archive}}
		output, err := s.output(p)
		if err != nil {
			return err
		}
		err = s.children.run(p, output)
		output.Close()
		if err != nil {
			return fmt.Errorf("import %s: %w", strings.TrimPrefix(archive, nodePrograms+"/"), err)
		}
	}
	return nil
}
