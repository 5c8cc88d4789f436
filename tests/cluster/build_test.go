package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeGo puts a `go` into PATH that counts its calls and does what the script says.
func fakeGo(t *testing.T, script string) (calls func() int) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	text := fmt.Sprintf("#!/bin/sh\necho call >> %s\n%s\n", log, script)
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("KUBEFRONT_CACHE", t.TempDir())
	return func() int {
		content, _ := os.ReadFile(log)
		return strings.Count(string(content), "call\n")
	}
}

// Finds the directory after -o and fills it. That go.mod is there is part of it.
const buildsAll = `
test -f go.mod || exit 1
while [ "$1" != -o ]; do shift; done
for program in kubelite coredns pause helm; do echo $program > "$2$program"; done`

var quiet = &progress{out: io.Discard, began: time.Now()}

func TestUnchangedSourcesAreBuiltOnce(t *testing.T) {
	calls := fakeGo(t, buildsAll)
	first, err := ensurePrograms(context.Background(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ensurePrograms(context.Background(), quiet)
	if err != nil || first != second || calls() != 1 {
		t.Errorf("%s and %s (%v) after %d builds", first, second, err, calls())
	}
	for _, file := range []string{"kubelite", "kubectl", "helm", "coredns.tar", "pause.tar"} {
		if _, err := os.Stat(filepath.Join(first, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestTwoBuildsAtOnceAreOne(t *testing.T) {
	calls := fakeGo(t, "sleep 0.2"+buildsAll)
	var both sync.WaitGroup
	for range 2 {
		both.Add(1)
		go func() {
			defer both.Done()
			if _, err := ensurePrograms(context.Background(), quiet); err != nil {
				t.Error(err)
			}
		}()
	}
	both.Wait()
	if calls() != 1 {
		t.Errorf("%d builds", calls())
	}
}

func TestABuildThatFailsLeavesNothingButItsLog(t *testing.T) {
	calls := fakeGo(t, "echo no such module >&2; exit 1")
	for range 2 {
		_, err := ensurePrograms(context.Background(), quiet)
		if err == nil || !strings.Contains(err.Error(), "| no such module") || !strings.Contains(err.Error(), "build.log") {
			t.Errorf("%v", err)
		}
	}
	left, err := os.ReadDir(filepath.Join(os.Getenv("KUBEFRONT_CACHE"), "cluster"))
	if err != nil || len(left) != 1 || left[0].Name() != "build.log" {
		t.Errorf("left: %v %v", left, err)
	}
	if calls() != 2 {
		t.Errorf("a failed build was taken for a good one: %d calls", calls())
	}
}

func TestTheSourcesCarryTheirVersions(t *testing.T) {
	module, err := sources.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"k8s.io/kubernetes " + kubernetesVersion, "helm.sh/helm/v3 " + helmVersion} {
		if !strings.Contains(string(module), want) {
			t.Errorf("go.mod lacks %s", want)
		}
	}
	for _, flag := range []string{"k8s.io/component-base/version.gitVersion=" + kubernetesVersion, "k8s.io/client-go/pkg/version.gitVersion=" + kubernetesVersion, "version=" + helmVersion} {
		if !strings.Contains(linkFlags(), flag) {
			t.Errorf("no flag %s", flag)
		}
	}
}
