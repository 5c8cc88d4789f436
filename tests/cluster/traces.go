package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Traces are what a cluster could leave on the machine. They are taken before
// `up` and compared after `down` (leftovers.go), so that "leaves nothing" is not
// said by the command that does the leaving.

// traces is what is there at one moment.
type traces struct {
	// Own are the control groups that the one who looks is in, by hierarchy.
	// Groups are inherited, so what a cluster leaves is in these or below them.
	Own       map[string]string `json:"own"`
	Self      int               `json:"self"`
	Processes []process         `json:"processes"`
	// Things are all the rest, by kind, each in words that stay the same as
	// long as it does.
	Things map[string][]string `json:"things"`
}

// The kinds of things. Control groups come and go with other people's sessions;
// of the others, that one is gone is as bad as that one has come.
const (
	controlGroups  = "control group"
	files          = "file"
	firewallRules  = "firewall rule"
	interfaces     = "interface"
	kernelValues   = "kernel setting"
	mounts         = "mount"
	routes         = "route"
	leftPatience   = 10 * time.Second
	leftAskedAgain = 200 * time.Millisecond
)

// printTraces is `cluster traces`.
func printTraces(h home, out io.Writer) error {
	if err := mustBeRoot("traces"); err != nil {
		return err
	}
	now, err := lookForTraces(h)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(now)
}

// compareTraces is `cluster traces --since FILE`. The kernel takes some things
// away after the last process that used them, so it gets a little time.
func compareTraces(ctx context.Context, h home, since string) error {
	if err := mustBeRoot("traces"); err != nil {
		return err
	}
	text, err := os.ReadFile(since)
	if err != nil {
		return err
	}
	var before traces
	if err := json.Unmarshal(text, &before); err != nil {
		return fmt.Errorf("%s: %w (`cluster traces` writes such a file)", since, err)
	}
	ctx, cancel := context.WithTimeout(ctx, leftPatience)
	defer cancel()
	for {
		after, err := lookForTraces(h)
		if err != nil {
			return err
		}
		left := leftovers(before, after)
		if len(left) == 0 {
			newProgress().say("nothing has come since, and nothing is gone: %s", summary(after))
			return nil
		}
		select {
		case <-ctx.Done():
			return &failure{
				what: "the machine is not as it was:\n  " + strings.Join(left, "\n  "),
				next: "if nobody else did that meanwhile, `cluster down` has to learn of it",
			}
		case <-time.After(leftAskedAgain):
		}
	}
}

// summary shows that something was looked at.
func summary(now traces) string {
	counts := []string{fmt.Sprintf("%d processes", len(now.Processes))}
	for _, kind := range sortedKeys(now.Things) {
		counts = append(counts, fmt.Sprintf("%d %ss", len(now.Things[kind]), kind))
	}
	return strings.Join(counts, ", ")
}

// lookForTraces gathers all of it.
func lookForTraces(h home) (traces, error) {
	now := traces{Self: os.Getpid(), Things: map[string][]string{}}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return now, err
	}
	now.Own = parseGroups(string(own))
	for kind, look := range map[string]func() ([]string, error){
		controlGroups: ownGroupsBelow,
		files:         func() ([]string, error) { return leftFiles(h), nil },
		firewallRules: ruleset,
		interfaces:    func() ([]string, error) { return names("/sys/class/net") },
		kernelValues:  func() ([]string, error) { return hostSettings(), nil },
		mounts:        hostMounts,
		routes:        hostRoutes,
	} {
		found, err := look()
		if err != nil {
			return now, fmt.Errorf("look for every %s: %w", kind, err)
		}
		slices.Sort(found)
		now.Things[kind] = found
	}
	// Last, when the commands that were asked have ended.
	now.Processes = everyProcess()
	return now, nil
}
