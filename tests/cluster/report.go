package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress tells a person what has been reached and after how long. It writes
// to standard error, so that standard output holds only what a script reads.
type progress struct {
	out   io.Writer
	began time.Time
}

func newProgress() *progress {
	return &progress{out: os.Stderr, began: time.Now()}
}

func (p *progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "[%5.1fs] %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// failure is an error that a person can act on: what was attempted, why it
// failed, the log that knows more, and what to do next.
type failure struct {
	what string
	why  error
	log  string
	next string
}

const (
	quotedLines = 12
	quotedWidth = 240
)

func (f *failure) Error() string {
	var b strings.Builder
	b.WriteString(f.what)
	if f.why != nil {
		fmt.Fprintf(&b, ": %v", f.why)
	}
	if f.log != "" {
		fmt.Fprintf(&b, "\n  log:  %s", f.log)
		for _, line := range lastLines(f.log, quotedLines) {
			fmt.Fprintf(&b, "\n        | %s", line)
		}
	}
	if f.next != "" {
		fmt.Fprintf(&b, "\n  next: %s", f.next)
	}
	return b.String()
}

func (f *failure) Unwrap() error { return f.why }

// lastLines reads the end of a log. A log that cannot be read has no lines:
// the failure it would explain matters more than its absence.
func lastLines(path string, count int) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > 1<<20 {
		_, _ = file.Seek(-1<<20, io.SeekEnd)
	}
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		if len(line) > quotedWidth {
			line = line[:quotedWidth] + "…"
		}
		lines = append(lines, line)
		if len(lines) > count {
			lines = lines[1:]
		}
	}
	return lines
}
