package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestAFailureSaysWhatWhyWhereAndWhatNext(t *testing.T) {
	log := filepath.Join(t.TempDir(), "kubelet.log")
	if err := os.WriteFile(log, []byte("first\nlast words\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	why := errors.New("not within 2m0s")
	err := &failure{what: "wait for: node1 Ready", why: why, log: log, next: "`cluster down`"}
	want := "wait for: node1 Ready: not within 2m0s\n  log:  " + log + "\n        | first\n        | last words\n  next: `cluster down`"
	if err.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
	if !errors.Is(err, why) {
		t.Error("the reason is lost")
	}
}

func TestOnlyTheEndOfALogIsQuoted(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	var text strings.Builder
	for i := range 200_000 {
		text.WriteString("line " + strconv.Itoa(i) + "\n")
	}
	text.WriteString(strings.Repeat("x", 5000))
	if err := os.WriteFile(log, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	lines := lastLines(log, 2)
	if len(lines) != 2 || lines[0] != "line 199999" || len(lines[1]) > quotedWidth+len("…") {
		t.Errorf("%q", lines)
	}
	if lines := lastLines(log+"-gone", 2); lines != nil {
		t.Errorf("%q", lines)
	}
}
