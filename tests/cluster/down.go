package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// downPatience is how long the kernel may take to end the cluster's processes.
const downPatience = 20 * time.Second

// down ends everything, whatever state it is in, and says so if something stays.
func down(ctx context.Context, h home, force bool) error {
	if err := mustBeRoot("down"); err != nil {
		return err
	}
	p := newProgress()
	if err := checkOwner(h); err != nil && !force {
		return err
	}
	nothing := len(findGroups()) == 0 && !hostInterfaceExists()
	held, err := acquire(ctx, lockFile, "down", func(other holder) {
		// An `up` would only build what is taken down next.
		if other.Command == "up" {
			p.say("stopping %s", other)
			_ = syscall.Kill(other.Process, syscall.SIGTERM)
			return
		}
		p.say("waiting for %s to end", other)
	})
	if err != nil {
		return err
	}
	defer held.release()
	if err := dismantle(h); err != nil {
		return err
	}
	if nothing {
		p.say("nothing was up")
		return nil
	}
	p.say("down; the logs stay in %s until the next `up`", h.path("log"))
	return nil
}

// dismantle is `down` for those who hold the lock.
func dismantle(h home) error {
	left := unwireHost()
	_, groups := endGroups(downPatience)
	for _, group := range groups {
		left = append(left, fmt.Sprintf("control group %s with processes %v", group, groupProcesses([]string{group})))
	}
	err := errors.Join(h.clear(), removeIfThere(ownerFile))
	if len(left) > 0 {
		return &failure{what: "these are left behind: " + strings.Join(left, "; "), why: err, next: "`cluster down` again; a process that cannot be killed waits for the kernel (see its state in `ps`)"}
	}
	return err
}

// checkOwner refuses to touch a cluster whose state lies elsewhere: it may be
// somebody else's.
func checkOwner(h home) error {
	owner := readOwner()
	if owner == "" || owner == h {
		return nil
	}
	if len(findGroups()) == 0 && !hostInterfaceExists() {
		return nil // what it speaks of is gone
	}
	return &failure{
		what: fmt.Sprintf("the cluster that is up on this machine keeps its state in %s, not in %s; a machine can hold one", owner, h),
		next: fmt.Sprintf("use it or take it down with KUBEFRONT_CLUSTER_DIR=%s, or end it with `cluster down --force`", owner),
	}
}

// mustBeRoot says what root is needed for: whoever is asked for it may want to know.
func mustBeRoot(command string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("`cluster %s` must be root: a node is made of namespaces, mounts, control groups and network interfaces, and the cluster's keys are root's (try sudo)", command)
}
