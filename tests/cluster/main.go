// Command cluster runs a real Kubernetes of one to three nodes on one Linux
// machine, each node in namespaces of its own: no Docker, no registry, nothing
// downloaded but Go modules and a few Debian packages.
//
// Reading order: `up` (up.go) makes groups (cgroups.go), starts the nodes'
// first processes and wires them (network.go); each of those (node.go) makes its
// file system (mounts.go), writes its settings (settings.go) and keeps its
// programs (programs.go, children.go) running; `up` waits (wait.go) until the
// API server (api.go) says that all is there. `down` (down.go) ends it all, and
// `traces` (traces.go, leftovers.go) shows whether it did.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		os.Exit(1)
	}
}

const longHelp = `A real Kubernetes ` + kubernetesVersion + ` of one to three nodes on this machine, for tests.

  cluster up --nodes 3                       start it (the first time builds it: 5 to 10 min)
  cluster image --name kubefront.local/edge:dev --binary target/release/edge -o edge.tar
  cluster load edge.tar                      give the image to every node
  eval "$(cluster env)"; kubectl get nodes   use it
  cluster down                               end it and leave nothing

From the host: the API server is ` + apiServer + `, node N is 198.18.0.N (with
every NodePort), and pod and Service addresses can be reached directly. Nothing
that runs in the cluster can reach beyond this machine.

Environment:
  KUBEFRONT_CLUSTER_DIR  state and logs        (default ` + defaultHome + `)
  KUBEFRONT_CACHE        built programs        (default ~/.cache/kubefront)`

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "A real Kubernetes of one to three nodes on this machine, for tests",
		Long:          longHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(upCommand(), downCommand(), loadCommand(), imageCommand(), envCommand(),
		statusCommand(), execCommand(), logsCommand(), buildCommand(), tracesCommand(), nodeEnterCommand(), nodeMainCommand())
	return root
}

func upCommand() *cobra.Command {
	var options upOptions
	command := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or find that it is up and healthy",
		Long: `Start the cluster and return when its nodes are Ready and its DNS answers.

A healthy cluster with as many nodes as asked for is left as it is: tests can
call this first. If the start fails, what is there stays for a look until
` + "`cluster down`" + `; if it is interrupted, everything is taken down at once.`,
		Args: cobra.NoArgs,
		RunE: withHome(func(ctx context.Context, h home, _ []string) error { return up(ctx, h, options) }),
	}
	command.Flags().IntVar(&options.nodes, "nodes", 1, "number of nodes, 1 to 3; node N is in zone-N")
	command.Flags().BoolVar(&options.fresh, "fresh", false, "take down whatever is there first")
	command.Flags().BoolVar(&options.install, "install", false, "install Debian packages that are missing")
	command.Flags().DurationVar(&options.patience, "patience", 2*time.Minute, "how long to wait for each part")
	return command
}

func downCommand() *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use:   "down",
		Short: "End the cluster and leave nothing but its logs",
		Long: `End every process of the cluster and remove its interface, routes, control
groups and credentials. Safe at any time, also twice, also while ` + "`up`" + ` runs.`,
		Args: cobra.NoArgs,
		RunE: withHome(func(ctx context.Context, h home, _ []string) error { return down(ctx, h, force) }),
	}
	command.Flags().BoolVar(&force, "force", false, "also if the cluster keeps its state in another directory")
	return command
}

func loadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "load ARCHIVE.tar…",
		Short: "Import image archives (OCI layout or docker save) into every node",
		Long: `Import image archives into every node. Pods use them with their full names
(kubefront.local/edge:dev) and imagePullPolicy IfNotPresent or Never: there is no
registry to pull from.`,
		Args: cobra.MinimumNArgs(1),
		RunE: withHome(load),
	}
}

func envCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print shell exports: KUBECONFIG, and PATH with kubectl and helm",
		Args:  cobra.NoArgs,
		RunE: withHome(func(_ context.Context, h home, _ []string) error {
			return printEnvironment(h, os.Stdout)
		}),
	}
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say what is up; exit status 0 means healthy",
		Args:  cobra.NoArgs,
		RunE: withHome(func(ctx context.Context, h home, _ []string) error {
			return printStatus(ctx, h, os.Stdout)
		}),
	}
}

func execCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "exec NODE COMMAND…",
		Short:   "Run a command inside a node, in all of its namespaces",
		Example: "  cluster exec node1 nft list ruleset\n  cluster exec 2 ip route\n  cluster exec node1 ctr -n k8s.io images ls",
		Args:    cobra.MinimumNArgs(2),
		RunE: withHome(func(_ context.Context, h home, args []string) error {
			return execute(h, args[0], args[1:])
		}),
	}
	command.Flags().SetInterspersed(false) // what follows belongs to the command
	return command
}

func logsCommand() *cobra.Command {
	var options logOptions
	command := &cobra.Command{
		Use:     "logs [NODE [PROGRAM]]",
		Short:   "List the logs, or print some",
		Example: "  cluster logs\n  cluster logs node1 kube-apiserver\n  cluster logs '*' kubelet --follow",
		Args:    cobra.MaximumNArgs(2),
		RunE: withHome(func(_ context.Context, h home, args []string) error {
			return printLogs(h, args, options)
		}),
	}
	command.Flags().BoolVarP(&options.follow, "follow", "f", false, "go on printing what is added")
	command.Flags().IntVarP(&options.lines, "lines", "n", 50, "how many of the last lines of each")
	return command
}

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the cluster's programs into the cache and print where they are",
		Long: `Build kubelite (all of Kubernetes), CoreDNS, pause, kubectl and Helm into the
cache. ` + "`up`" + ` does this by itself; unchanged sources cost nothing.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			bin, err := ensurePrograms(command.Context(), newProgress())
			if err == nil {
				fmt.Println(bin)
			}
			return err
		},
	}
}

func tracesCommand() *cobra.Command {
	var since string
	command := &cobra.Command{
		Use:   "traces",
		Short: "Print what a cluster could leave on this machine; --since: fail if it has",
		Long: `Print, for a program, what a cluster could leave on this machine: processes with
their namespaces, mounts, interfaces, routes, firewall rules, control groups,
kernel settings and files. With --since, compare that with what an earlier call
printed, and fail with the name of everything that has come or is gone.`,
		Example: "  cluster traces >before; cluster up; cluster down; cluster traces --since before",
		Args:    cobra.NoArgs,
		RunE: withHome(func(ctx context.Context, h home, _ []string) error {
			if since == "" {
				return printTraces(h, os.Stdout)
			}
			return compareTraces(ctx, h, since)
		}),
	}
	command.Flags().StringVar(&since, "since", "", "a file that `cluster traces` has printed")
	return command
}

func nodeEnterCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "node-enter GROUP…",
		Hidden: true,
		RunE:   func(_ *cobra.Command, groups []string) error { return enterNode(groups) },
	}
}

func nodeMainCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "node-main",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return nodeMain() },
	}
}

func withHome(run func(context.Context, home, []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		h, err := homeFromEnvironment()
		if err != nil {
			return err
		}
		return run(command.Context(), h, args)
	}
}
