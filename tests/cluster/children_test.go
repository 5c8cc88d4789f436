package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The first process of a node collects every process, so it cannot share one
// with other tests: this test starts itself again.
func TestChildrenAreCollectedAlsoTheAdopted(t *testing.T) {
	if os.Getenv("FIRST_PROCESS") == "" {
		command := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
		command.Env = append(os.Environ(), "FIRST_PROCESS=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return
	}
	// As the first process of a namespace does, take the orphans.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	c := newChildren()
	shell := func(script string) program {
		return program{name: "script", path: "sh", args: []string{"-c", script}}
	}
	if err := c.run(shell("exit 0"), os.Stderr); err != nil {
		t.Error(err)
	}
	if err := c.run(shell("sleep 0.1 & exit 3"), os.Stderr); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	if err := c.run(shell("kill -9 $$"), os.Stderr); err == nil || !strings.Contains(err.Error(), "killed by killed") {
		t.Errorf("%v", err)
	}
	if err := c.run(program{name: "nothing", path: "/nothing"}, os.Stderr); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	// The orphan of the second script is gone too: nobody is left to wait for.
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.ECHILD {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a child is left: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
