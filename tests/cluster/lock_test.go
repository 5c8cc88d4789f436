package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestASecondCommandWaitsForTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unexpected := func(h holder) { t.Errorf("waits for %s", h) }
	first, err := acquire(context.Background(), path, "up", unexpected)
	if err != nil {
		t.Fatal(err)
	}
	waits, entered := make(chan holder, 1), make(chan *lock)
	go func() {
		second, err := acquire(context.Background(), path, "down", func(h holder) { waits <- h })
		if err != nil {
			t.Error(err)
		}
		entered <- second
	}()
	if other := <-waits; other != (holder{Process: os.Getpid(), Command: "up"}) {
		t.Errorf("waits for %v", other)
	}
	select {
	case <-entered:
		t.Fatal("two hold the lock")
	default:
	}
	first.release()
	(<-entered).release()
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is left behind")
	}
}

func TestWaitingForALockCanBeBrokenOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := acquire(context.Background(), path, "up", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer held.release()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := acquire(ctx, path, "down", func(holder) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAHolderThatSaidNothingIsStillNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for text, want := range map[string]holder{
		"12 up\n": {12, "up"},
		"":        {0, "of another process"},
		"odd":     {0, "of another process"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if h := readHolder(path); h != want {
			t.Errorf("%q: %v", text, h)
		}
	}
}

func TestNeverTwoHoldALockThatIsRemovedAndMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 3 {
				held, err := acquire(context.Background(), path, "test", func(holder) {})
				if err != nil {
					t.Error(err)
					return
				}
				if holders.Add(1) > 1 {
					t.Error("two hold the lock")
				}
				time.Sleep(time.Millisecond)
				holders.Add(-1)
				held.release()
			}
		}()
	}
	all.Wait()
}
