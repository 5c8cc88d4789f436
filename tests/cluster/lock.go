package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// holder is the command that holds a lock, as it wrote itself into the file.
type holder struct {
	Process int
	Command string
}

func (h holder) String() string {
	return fmt.Sprintf("`cluster %s` (process %d)", h.Command, h.Process)
}

// acquire takes the lock file for command and gives back how to release it.
// While another process holds it, waiting is called once with what that process
// says it does. The kernel releases the lock of a process that dies.
func acquire(ctx context.Context, path, command string, waiting func(holder)) (func(), error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			told = true
			waiting(readHolder(path))
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
	// A lock whose holder cannot be named still holds.
	_ = file.Truncate(0)
	_, _ = file.WriteAt([]byte(fmt.Sprintf("%d %s\n", os.Getpid(), command)), 0)
	return func() {
		_ = file.Truncate(0)
		file.Close()
	}, nil
}

func readHolder(path string) holder {
	text, _ := os.ReadFile(path)
	process, command, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	number, err := strconv.Atoi(process)
	if err != nil {
		return holder{Command: "of another process"}
	}
	return holder{Process: number, Command: command}
}
