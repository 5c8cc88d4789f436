package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

const pollPause = 100 * time.Millisecond

// poll asks until the answer is no error. When the time is over it says what the
// last answer was, which explains more than that the time is over.
func poll(ctx context.Context, ask func(context.Context) error) error {
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if last == nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w; last answer: %w", context.Cause(ctx), last)
		case <-time.After(pollPause):
		}
	}
}

// waiter waits for the parts of a starting cluster.
type waiter struct {
	home     home
	nodes    []nodeState
	progress *progress
	patience time.Duration
}

// until waits for one thing, and gives up early if a node has died or one of its
// programs keeps ending. The log that most likely knows why goes into the failure.
func (w waiter) until(ctx context.Context, what, log string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.patience, fmt.Errorf("not within %s", w.patience))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := poll(ctx, func(ctx context.Context) error {
		if program, err := w.broken(); err != nil {
			log = program
			stop(err) // waiting longer would not help
			return err
		}
		return ask(ctx)
	})
	if err != nil {
		return &failure{what: "wait for: " + what, why: err, log: log, next: "look with `cluster logs` and `cluster exec node1 …`, then `cluster down`"}
	}
	w.progress.say("%s", what)
	return nil
}

// broken names the log of a node or program that has ended for good.
func (w waiter) broken() (log string, err error) {
	for _, node := range w.nodes {
		if program, err := os.ReadFile(w.home.givenUp(node.Name)); err == nil {
			return w.home.log(node.Name, string(program)), fmt.Errorf("%s on %s keeps ending", program, node.Name)
		}
		if !node.alive() {
			return w.home.log(node.Name, "node"), fmt.Errorf("%s has ended", node.Name)
		}
	}
	return "", nil
}

// dnsAnswers asks the cluster's DNS through its Service address, which proves
// that DNS runs, that kube-proxy has programmed the address, and that the host's
// routes lead to it.
func dnsAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort(dnsAddress, "53"))
	}}
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err != nil {
		return err
	}
	if len(addresses) != 1 || addresses[0] != apiAddress {
		return fmt.Errorf("kubernetes.default is said to be at %v, not %s", addresses, apiAddress)
	}
	return nil
}

// proxyHealthy asks a node's kube-proxy whether it has programmed everything it knows of.
func proxyHealthy(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(nodeAddress(n), "10256")+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-proxy on %s: %s", nodeName(n), response.Status)
	}
	return nil
}
