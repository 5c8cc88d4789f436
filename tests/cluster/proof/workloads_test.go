//go:build cluster

package proof

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPodsSpreadOverTheZonesAndBecomeReady(t *testing.T) {
	in(t, "rollout", "status", "deployment/hello", "--timeout=60s")
	on := strings.Fields(in(t, "get", "pods", "-l", "app=hello", "-o", `jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}`))
	used := map[string]bool{}
	for _, node := range on {
		used[node] = true
	}
	if len(on) != 3 || len(used) != len(nodes) {
		t.Fatalf("3 pods are on %v of nodes %v", on, nodes)
	}
	for _, node := range nodes {
		zone := in(t, "get", "node", node, "-o", `jsonpath={.metadata.labels.topology\.kubernetes\.io/zone}`)
		if zone != "zone-"+strings.TrimPrefix(node, "node") {
			t.Errorf("%s is in zone %q", node, zone)
		}
	}
}

func TestACommandRunsInAPodAsItsUser(t *testing.T) {
	in(t, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
	if answer := in(t, "exec", "client", "--", "/hello", "user"); answer != "user 65532 group 65532\n" {
		t.Fatal(answer)
	}
}

func TestLogsCanBeRead(t *testing.T) {
	eventually(t, func() error {
		if log := in(t, "logs", "client"); !strings.Contains(log, "listening on :8080") {
			return fmt.Errorf("the log is %q", log)
		}
		return nil
	})
}

func TestAPortCanBeForwarded(t *testing.T) {
	var output bytes.Buffer
	background(t, &output, "kubectl", "-n", namespace, "port-forward", "--address=127.0.0.1", "deployment/hello", "38080:8080")
	eventually(t, func() error { return wantHello("v1")(fetch("http://127.0.0.1:38080/")) })
}

func TestAMemoryLimitIsKept(t *testing.T) {
	eventually(t, func() error {
		if reason := in(t, "get", "pod", "hog", "-o", "jsonpath={.status.containerStatuses[0].state.terminated.reason}"); reason != "OOMKilled" {
			return fmt.Errorf("the reason is %q", reason)
		}
		return nil
	})
}

func TestTheKubeletMeasuresPods(t *testing.T) {
	eventually(t, func() error {
		stats, err := kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/stats/summary")
		if _, pods, found := strings.Cut(stats, `"pods"`); err != nil || !found || !strings.Contains(pods, `"workingSetBytes"`) {
			return fmt.Errorf("no memory of any pod: %w", errors.Join(err, errors.New("or not yet")))
		}
		return nil
	})
}

func TestAReadinessGateHoldsAPodBack(t *testing.T) {
	in(t, "wait", "--for=condition=ContainersReady", "pod/gated", "--timeout=60s")
	if ready := in(t, "get", "pod", "gated", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`); ready != "False" {
		t.Fatalf("Ready is %q before the gate opens", ready)
	}
	in(t, "patch", "pod", "gated", "--subresource=status", "--type=strategic",
		"-p", `{"status":{"conditions":[{"type":"proof.kubefront.local/gate","status":"True"}]}}`)
	in(t, "wait", "--for=condition=Ready", "pod/gated", "--timeout=20s")
}

func TestAnEvictionKeepsTheBudget(t *testing.T) {
	in(t, "rollout", "status", "deployment/hello", "--timeout=60s")
	pod := in(t, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].metadata.name}")
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, namespace)
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", namespace, pod)
	refused(t, "disruption budget", eviction, "create", "--raw", path, "-f", "-")
	in(t, "patch", "pdb", "hello", "--type=merge", "-p", `{"spec":{"minAvailable":2}}`)
	in(t, "wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/hello", "--timeout=20s")
	create(t, eviction, "--raw", path)
	in(t, "rollout", "status", "deployment/hello", "--timeout=60s")
}

func TestARollingUpdateLosesNoRequest(t *testing.T) {
	in(t, "rollout", "status", "deployment/hello", "--timeout=60s")
	stop, lost := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(lost)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if answer, err := fromHost(); err != nil {
				lost <- fmt.Errorf("%w: %s", err, answer)
				return
			}
		}
	}()
	in(t, "set", "env", "deployment/hello", "VERSION=v2")
	in(t, "rollout", "status", "deployment/hello", "--timeout=90s")
	eventually(t, func() error { return wantHello("v2")(fromHost()) })
	close(stop)
	if err, some := <-lost; some {
		t.Fatal(err)
	}
}

func fromHost() (string, error) { return fetch("http://198.18.0.1:30080/") }

func TestHelmInstallsAndRemoves(t *testing.T) {
	chart := t.TempDir()
	for name, content := range map[string]string{
		"Chart.yaml":            "apiVersion: v2\nname: proof\nversion: 0.1.0\n",
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {answer: {{ .Values.answer | quote }}}\n",
		"values.yaml":           "answer: first\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(chart, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(chart, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	helm := func(arguments ...string) {
		t.Helper()
		if output, err := run(append([]string{"helm", "-n", namespace}, arguments...)...); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
	}
	helm("install", "release", chart)
	helm("upgrade", "release", chart, "--set", "answer=second", "--wait")
	if answer := in(t, "get", "configmap", "release", "-o", "jsonpath={.data.answer}"); answer != "second" {
		t.Fatal(answer)
	}
	helm("rollback", "release", "1")
	if answer := in(t, "get", "configmap", "release", "-o", "jsonpath={.data.answer}"); answer != "first" {
		t.Fatal(answer)
	}
	helm("uninstall", "release", "--wait")
}
