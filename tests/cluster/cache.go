package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// cacheDirectory follows the XDG base directory specification.
func cacheDirectory() (string, error) {
	if dir := os.Getenv("KUBEFRONT_CACHE"); dir != "" {
		absolute, err := filepath.Abs(dir)
		return filepath.Join(absolute, "cluster"), err
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: set KUBEFRONT_CACHE to a directory", err)
	}
	return filepath.Join(dir, "kubefront", "cluster"), nil
}

// ensurePrograms gives the directory of the built programs, after building them
// if no build of these very sources is there. Two builds at once are one build:
// the second waits.
func ensurePrograms(ctx context.Context, p *progress) (bin string, err error) {
	hash, err := sourcesHash()
	if err != nil {
		return "", err
	}
	cache, err := cacheDirectory()
	if err != nil {
		return "", err
	}
	built := filepath.Join(cache, hash)
	bin = filepath.Join(built, "bin")
	if isThere(built) {
		return bin, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	held, err := acquire(ctx, filepath.Join(cache, "lock"), "build", func(other holder) {
		p.say("%s builds already; waiting for it", other)
	})
	if err != nil {
		return "", err
	}
	defer held.release()
	if isThere(built) {
		return bin, nil
	}
	return bin, buildInto(ctx, p, cache, built)
}

// buildInto makes the directory appear under its name only when it is whole. The
// caller holds the lock, so a partial one is what a killed build has left.
func buildInto(ctx context.Context, p *progress, cache, built string) error {
	partial := filepath.Join(cache, "partial")
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	if err := buildPrograms(ctx, p, partial, filepath.Join(cache, "build.log")); err != nil {
		return err
	}
	if err := os.Rename(partial, built); err != nil {
		return err
	}
	p.say("programs built: %s", filepath.Join(built, "bin"))
	return nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
