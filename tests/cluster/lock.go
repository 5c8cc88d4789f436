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

// lock is a held lock file. The kernel releases the lock of a process that dies.
type lock struct {
	file *os.File
}

// acquire takes the lock file for command. While another process holds it,
// waiting is called once with what that process says it does.
func acquire(ctx context.Context, path, command string, waiting func(holder)) (*lock, error) {
	told := false
	for {
		taken, err := try(path)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if taken != nil {
			// A lock whose holder cannot be named still holds.
			_, _ = taken.file.WriteAt(fmt.Appendf(nil, "%d %s\n", os.Getpid(), command), 0)
			return taken, nil
		}
		if !told {
			told = true
			waiting(readHolder(path))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// try gives nil if another process holds the lock, or has just removed the file.
func try(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && isStill(file, path) {
		return &lock{file}, file.Truncate(0)
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = nil
	}
	return nil, err
}

func isStill(file *os.File, path string) bool {
	held, heldErr := file.Stat()
	there, thereErr := os.Stat(path)
	return heldErr == nil && thereErr == nil && os.SameFile(held, there)
}

// release takes the file away too; whoever waits for it makes a new one.
func (l *lock) release() {
	_ = os.Remove(l.file.Name())
	l.file.Close()
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
