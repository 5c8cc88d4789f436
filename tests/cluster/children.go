package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// children starts processes for a first process. Whatever ends in the node and
// has no parent left is handed to the first process, so one place collects every
// exit and passes those on that somebody waits for; `exec.Cmd.Wait` beside it
// would lose its own.
type children struct {
	mu      sync.Mutex
	waiting map[int]chan<- syscall.WaitStatus
}

func newChildren() *children {
	c := &children{waiting: map[int]chan<- syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			c.collect()
		}
	}()
	return c
}

// collect takes every exit there is: one SIGCHLD may stand for many.
func (c *children) collect() {
	for {
		var status syscall.WaitStatus
		process, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || process <= 0 {
			return
		}
		c.mu.Lock()
		if waiting, known := c.waiting[process]; known {
			waiting <- status
			delete(c.waiting, process)
		}
		c.mu.Unlock()
	}
}

// start runs a process whose output goes to a file; the channel gets its end.
// The lock is held across the start, so that a process that ends at once is not
// collected before it is known.
func (c *children) start(p program, output *os.File) (<-chan syscall.WaitStatus, error) {
	command := exec.Command(p.path, p.args...)
	command.Stdout, command.Stderr = output, output
	command.Dir = "/"
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := command.Start(); err != nil {
		return nil, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	c.waiting[command.Process.Pid] = ended
	return ended, command.Process.Release()
}

// run waits for a process that is meant to end.
func (c *children) run(p program, output *os.File) error {
	ended, err := c.start(p, output)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if status := <-ended; status != 0 {
		return fmt.Errorf("%s: %s", p.name, describe(status))
	}
	return nil
}

const (
	restartPause = time.Second
	// A program that has ended this often within a moment of its start will not
	// do better next time.
	hopelessEnds = 5
	moment       = 3 * time.Second
)

// keep runs a program for ever. When it looks hopeless it is said once, by way
// of givenUp, so that whoever waits for it need not wait for nothing.
func (c *children) keep(p program, output *os.File, givenUp func(program)) {
	ends := 0
	for {
		began := time.Now()
		ended, err := c.start(p, output)
		if err == nil {
			err = fmt.Errorf("%s", describe(<-ended))
		}
		fmt.Fprintf(output, "--- %s ended (%v), starting it again\n", p.name, err)
		if time.Since(began) < moment {
			if ends++; ends == hopelessEnds {
				givenUp(p)
			}
		} else {
			ends = 0
		}
		time.Sleep(restartPause)
	}
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}
