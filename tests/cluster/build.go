package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// sources are what the cluster's programs are built from. They are part of this
// command, so that a built command works wherever it lies, and always with the
// cluster that it was written with.
//
//go:embed go.mod go.sum coredns/*.go kubelite/*.go pause/*.go
var sources embed.FS

// The tag keeps the programs that take minutes to compile out of `go test ./...`.
const programsTag = "kubernetes"

var packages = []string{"./kubelite", "./coredns", "./pause", "helm.sh/helm/v3/cmd/helm"}

// linkFlags make the programs say their true versions.
func linkFlags() string {
	flags := []string{"-s", "-w", "-X helm.sh/helm/v3/internal/version.version=" + helmVersion}
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, value := range []string{
			"gitVersion=" + kubernetesVersion, "gitMajor=1", "gitMinor=34", "gitTreeState=clean", "gitCommit=kubefront", "buildDate=1970-01-01T00:00:00Z",
		} {
			flags = append(flags, "-X "+p+"."+value)
		}
	}
	return strings.Join(flags, " ")
}

// sourcesHash changes whenever the built programs could.
func sourcesHash() (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.GOOS, runtime.GOARCH, linkFlags(), programsTag, packages)
	err := fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := sources.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil))[:16], err
}

// buildPrograms fills a directory with src/ and bin/.
func buildPrograms(ctx context.Context, p *progress, dir, logPath string) error {
	source, bin := filepath.Join(dir, "src"), filepath.Join(dir, "bin")
	if err := errors.Join(os.CopyFS(source, sources), os.Mkdir(bin, 0o755)); err != nil {
		return err
	}
	goCommand, err := findGo()
	if err != nil {
		return err
	}
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	p.say("building Kubernetes %s from source; with nothing in the caches of Go it takes five to ten minutes (log: %s)", kubernetesVersion, logPath)
	arguments := append([]string{"build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly", "-tags", programsTag, "-ldflags", linkFlags(), "-o", bin + "/"}, packages...)
	command := exec.CommandContext(ctx, goCommand, arguments...)
	command.Dir = source
	command.Env = append(os.Environ(),
		"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local",
		"GOGC=400", // the compiler collects less often: more memory, less time
	)
	// Interrupted, Go removes its temporary files; killed, it would not.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	lines := &lineCounter{file: log}
	command.Stdout, command.Stderr = lines, lines
	stop := heartbeat(p, &lines.count)
	err = command.Run()
	stop()
	if ctx.Err() != nil {
		return errors.New("the build was broken off; what it compiled is kept by Go, so the next one is shorter")
	}
	if err != nil {
		return &failure{what: goCommand + " build", why: err, log: logPath, next: "the build needs Go 1.24 or later and, the first time, a Go module proxy (`go env GOPROXY`)"}
	}
	if err := os.Symlink("kubelite", filepath.Join(bin, "kubectl")); err != nil {
		return err
	}
	return writeSystemImages(bin)
}

// findGo also looks where Go's own installer puts it: sudo forgets PATH.
func findGo() (string, error) {
	if path, err := exec.LookPath("go"); err == nil {
		return path, nil
	}
	const usual = "/usr/local/go/bin/go"
	if _, err := os.Stat(usual); err == nil {
		return usual, nil
	}
	return "", errors.New("the cluster's programs are built with Go, and there is no `go` in PATH; see https://go.dev/doc/install")
}

// lineCounter counts what `go build -v` compiles, a line for each package.
type lineCounter struct {
	file  *os.File
	count atomic.Int64
}

func (l *lineCounter) Write(b []byte) (int, error) {
	l.count.Add(int64(strings.Count(string(b), "\n")))
	return l.file.Write(b)
}

// heartbeat shows a person that a long build goes on.
func heartbeat(p *progress, lines *atomic.Int64) (stop func()) {
	ticker, done := time.NewTicker(20*time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.say("still building (%d modules fetched and packages compiled)", lines.Load())
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
	}
}
