//go:build cluster

package proof

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func serviceAddress(t *testing.T) string {
	t.Helper()
	in(t, "rollout", "status", "deployment/hello", "--timeout=60s")
	in(t, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
	return in(t, "get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")
}

func TestAPodReachesAServiceByAddressAndName(t *testing.T) {
	address := serviceAddress(t)
	for _, host := range []string{address, "hello", "hello." + namespace, "hello." + namespace + ".svc.cluster.local"} {
		t.Run(host, func(t *testing.T) {
			eventually(t, func() error { return wantHello("")(fromPodAnyVersion("http://" + host + "/")) })
		})
	}
}

// fromPodAnyVersion hides the version, which other tests change.
func fromPodAnyVersion(url string) (string, error) { return withoutVersion(fromPod(url)) }

func withoutVersion(answer string, err error) (string, error) {
	words := strings.Fields(answer)
	if err == nil && len(words) == 4 && words[0] == "hello" {
		return "hello  " + strings.Join(words[2:], " "), nil
	}
	return answer, err
}

// Every pod of the Service is asked often enough to be picked, also one on the
// client's own node and the client's own address.
func TestAPodReachesEveryPodOfAService(t *testing.T) {
	address := serviceAddress(t)
	want := strings.Fields(in(t, "get", "pods", "-l", "app=hello", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
	seen := map[string]bool{}
	eventually(t, func() error {
		answer, err := fromPod("http://" + address + "/")
		if err != nil {
			return fmt.Errorf("%w: %s", err, answer)
		}
		words := strings.Fields(answer)
		seen[words[len(words)-1]] = true
		for _, pod := range want {
			if !seen[pod] {
				return fmt.Errorf("%s has not answered yet", pod)
			}
		}
		return nil
	})
}

func TestAPodReachesTheAPIServer(t *testing.T) {
	serviceAddress(t)
	answer, err := fromPod("https://kubernetes.default.svc/version")
	if err == nil || !strings.Contains(answer, "certificate signed by unknown authority") {
		t.Fatalf("wanted a TLS server that is not trusted, got %v: %s", err, answer)
	}
}

func TestTheHostReachesEveryNodePort(t *testing.T) {
	serviceAddress(t)
	for _, node := range nodes {
		url := "http://198.18.0." + strings.TrimPrefix(node, "node") + ":30080/"
		eventually(t, func() error { return wantHello("")(withoutVersion(fetch(url))) })
	}
}

func TestTheHostReachesServicesAndPods(t *testing.T) {
	eventually(t, func() error { return wantHello("")(withoutVersion(fetch("http://" + serviceAddress(t) + "/"))) })
	eventually(t, func() error {
		for _, address := range strings.Fields(in(t, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[*].status.podIP}")) {
			if err := wantHello("")(withoutVersion(fetch("http://" + address + ":8080/"))); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestTheHostReachesAHostPort(t *testing.T) {
	serviceAddress(t)
	host := in(t, "get", "pod", "client", "-o", "jsonpath={.status.hostIP}")
	eventually(t, func() error {
		answer, err := fetch("http://" + host + ":31999/")
		if err == nil && answer != "hello  from client\n" {
			err = fmt.Errorf("got %q", answer)
		}
		return err
	})
}

func TestNothingLeavesTheMachine(t *testing.T) {
	serviceAddress(t)
	if answer, err := fromPod("http://203.0.113.1/"); err == nil || !strings.Contains(answer, "network is unreachable") && !strings.Contains(answer, "no route to host") {
		t.Fatalf("wanted no route from the pod, got %v: %s", err, answer)
	}
	for _, node := range nodes {
		output, err := run(clusterCommand, "exec", node, "ip", "-4", "route", "show", "default")
		if err != nil || output != "" {
			t.Errorf("%s has a default route: %v %s", node, err, output)
		}
	}
}

// A service address that nobody has dies in the cluster, and does not go on to
// the network that the machine is in.
func TestAnUnusedServiceAddressIsADeadEnd(t *testing.T) {
	serviceAddress(t)
	const unused = "10.96.200.200"
	if answer, err := fromPod("http://" + unused + "/"); err == nil {
		t.Fatalf("a pod got an answer: %s", answer)
	}
	connection, err := net.DialTimeout("tcp", unused+":80", time.Second)
	if err == nil {
		connection.Close()
		t.Fatal("the host got a connection")
	}
	for _, node := range nodes {
		output, err := run(clusterCommand, "exec", node, "ip", "-4", "route", "get", unused)
		if err != nil || !strings.Contains(output, " dev sink ") {
			t.Errorf("on %s it is routed to %s (%v)", node, output, err)
		}
	}
}

func TestAServiceWithoutPodsRefusesAtOnce(t *testing.T) {
	serviceAddress(t)
	create(t, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"empty"},"spec":{"selector":{"app":"nobody"},"ports":[{"port":80}]}}`)
	address := in(t, "get", "service", "empty", "-o", "jsonpath={.spec.clusterIP}")
	eventually(t, func() error {
		if answer, err := fromPod("http://" + address + "/"); err == nil || !strings.Contains(answer, "connection refused") {
			return fmt.Errorf("wanted a refusal, got %v: %s", err, answer)
		}
		return nil
	})
}
