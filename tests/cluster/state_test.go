package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestStateIsReadAsItWasWritten(t *testing.T) {
	h := home(t.TempDir())
	if _, err := h.readState(); !errors.Is(err, errNotUp) {
		t.Errorf("before: %v", err)
	}
	wrote := state{Began: time.Unix(7, 0).UTC(), Programs: "/bin", Nodes: []nodeState{{Name: "node1", Process: 5, Started: 9}}, Complete: true}
	if err := h.writeState(wrote); err != nil {
		t.Fatal(err)
	}
	read, err := h.readState()
	if err != nil || read.Programs != wrote.Programs || read.Nodes[0] != wrote.Nodes[0] || !read.Began.Equal(wrote.Began) || !read.Complete {
		t.Errorf("%+v %v", read, err)
	}
	if err := h.clear(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.readState(); !errors.Is(err, errNotUp) {
		t.Errorf("after: %v", err)
	}
}

func TestNodesHaveNamesAndNumbers(t *testing.T) {
	s := state{Nodes: []nodeState{{Name: "node1"}, {Name: "node2"}}}
	for _, name := range []string{"node2", "2"} {
		if node, err := s.node(name); err != nil || node.Name != "node2" {
			t.Errorf("%s: %v %v", name, node, err)
		}
	}
	if _, err := s.node("node3"); err == nil || !strings.Contains(err.Error(), "node1, node2") {
		t.Errorf("an unknown node: %v", err)
	}
}

func TestAStartTimeIsReadBehindAnyName(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
	check := func(stat string, want uint64) {
		t.Helper()
		started, err := parseProcessStart(stat)
		if (err == nil) != (want != 0) || started != want {
			t.Errorf("%q: %d %v, want %d", stat, started, err, want)
		}
	}
	check("5 (exe)"+rest, 4711)
	check("5 (a) b (c)"+rest, 4711)
	check(strings.Replace("5 (exe)"+rest, " S ", " Z ", 1), 0)
	check("5 (exe) S 1", 0)
	check("", 0)
}

func TestAProcessThatEndedIsNotAlive(t *testing.T) {
	command := exec.Command("cat")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	started, err := processStart(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	node := nodeState{Process: command.Process.Pid, Started: started}
	if !node.alive() {
		t.Error("it runs")
	}
	if (nodeState{Process: node.Process, Started: started + 1}).alive() {
		t.Error("another process with its number is taken for it")
	}
	input.Close()
	_ = command.Wait()
	if node.alive() {
		t.Error("it has ended")
	}
}

func TestADirectoryThatOthersCanWriteToIsRefused(t *testing.T) {
	dir := t.TempDir()
	h := home(dir + "/home")
	if err := h.make(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(string(h), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := h.make(); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("writable by all: %v", err)
	}
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := home(dir + "/link").make(); err == nil {
		t.Error("a link is taken for a directory")
	}
}
