package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAWaitThatIsOverSaysTheLastAnswer(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Millisecond, errors.New("not in time"))
	defer cancel()
	err := poll(ctx, func(context.Context) error { return errors.New("connection refused") })
	if err == nil || err.Error() != "not in time; last answer: connection refused" {
		t.Errorf("%v", err)
	}
}

func TestAWaitEndsWithTheFirstGoodAnswer(t *testing.T) {
	asked := 0
	err := poll(context.Background(), func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 3 {
		t.Errorf("%v after %d answers", err, asked)
	}
}

// self is a node that is alive: this test.
func self(t *testing.T) nodeState {
	t.Helper()
	started, err := processStart(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return nodeState{Name: "node1", Process: os.Getpid(), Started: started}
}

func TestAWaitIsGivenUpWhenAProgramKeepsEnding(t *testing.T) {
	h := home(t.TempDir())
	w := waiter{home: h, nodes: []nodeState{self(t)}, progress: quiet, patience: time.Minute}
	if err := w.until(context.Background(), "nothing", "", func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(h.givenUp("node1")), 0o755); err != nil {
		t.Fatal(err)
	}
	never := func(context.Context) error {
		if err := os.WriteFile(h.log("node1", "etcd"), []byte("no space\n"), 0o644); err != nil {
			return err
		}
		return errors.Join(errors.New("refused"), os.WriteFile(h.givenUp("node1"), []byte("etcd"), 0o644))
	}
	err := w.until(context.Background(), "API server ready", h.log("node1", "kube-apiserver"), never)
	if err == nil || !strings.Contains(err.Error(), "etcd on node1 keeps ending") || !strings.Contains(err.Error(), "| no space") {
		t.Errorf("%v", err)
	}
}

func TestAWaitIsGivenUpWhenANodeEnds(t *testing.T) {
	gone := self(t)
	gone.Started++
	w := waiter{home: home(t.TempDir()), nodes: []nodeState{gone}, progress: quiet, patience: time.Minute}
	err := w.until(context.Background(), "API server ready", "", func(context.Context) error { return errors.New("refused") })
	if err == nil || !strings.Contains(err.Error(), "node1 has ended") {
		t.Errorf("%v", err)
	}
}
