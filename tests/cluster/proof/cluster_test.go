//go:build cluster

// Package proof shows what a cluster of `cluster up` can do. It needs one that
// is up, and root:
//
//	cluster up --nodes 3 && go test -tags cluster ./proof
package proof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const namespace = "proof"

// clusterCommand is the path of the built command, and nodes are the names of
// what is up; TestMain sets both.
var (
	clusterCommand string
	nodes          []string
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cluster-proof-")
	if err != nil {
		panic(err)
	}
	code := 1
	if err := prepare(dir); err != nil {
		fmt.Fprintln(os.Stderr, "prepare the proof:", err)
	} else {
		code = m.Run()
		_, _ = kubectl("delete", "--ignore-not-found", "-f", "policy.yaml")
		_, _ = kubectl("delete", "namespace", namespace)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// prepare builds the command and the image, loads it, and applies the manifests.
func prepare(dir string) error {
	clusterCommand = filepath.Join(dir, "cluster")
	hello, archive := filepath.Join(dir, "hello"), filepath.Join(dir, "hello.tar")
	if err := os.Setenv("CGO_ENABLED", "0"); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"go", "build", "-o", clusterCommand, ".."},
		{"go", "build", "-o", hello, "./hello"},
		{clusterCommand, "image", "--name", "kubefront.local/proof/hello:1", "--binary", hello, "-o", archive},
		{clusterCommand, "load", archive},
	} {
		if output, err := run(command...); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
	}
	environment, err := run("sh", "-c", `eval "$("$0" env)" && echo "$KUBECONFIG" && echo "$PATH"`, clusterCommand)
	if err != nil {
		return fmt.Errorf("%w: %s", err, environment)
	}
	kubeconfig, path, _ := strings.Cut(strings.TrimSpace(environment), "\n")
	os.Setenv("KUBECONFIG", kubeconfig)
	os.Setenv("PATH", path)
	for _, arguments := range [][]string{
		{"create", "namespace", namespace},
		{"apply", "-n", namespace, "-f", "hello.yaml"},
		{"apply", "-f", "policy.yaml"},
		{"wait", "--for=condition=Established", "crd/widgets.proof.kubefront.local", "--timeout=30s"},
	} {
		if output, err := kubectl(arguments...); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
	}
	names, err := kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
	nodes = strings.Fields(names)
	return err
}

func run(command ...string) (string, error) {
	output, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	return string(output), nil
}

func kubectl(arguments ...string) (string, error) {
	return run(append([]string{"kubectl"}, arguments...)...)
}

// in runs kubectl in the proof's namespace and fails the test if that fails.
func in(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := kubectl(append([]string{"-n", namespace}, arguments...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return output
}

// refusal runs kubectl and wants it to fail with a certain sentence.
func refusal(sentence, manifest string, arguments ...string) error {
	command := exec.Command("kubectl", append([]string{"-n", namespace}, arguments...)...)
	command.Stdin = strings.NewReader(manifest)
	output, err := command.CombinedOutput()
	if err == nil || !strings.Contains(string(output), sentence) {
		return fmt.Errorf("kubectl %s: wanted a refusal with %q, got %v: %s", strings.Join(arguments, " "), sentence, err, output)
	}
	return nil
}

func refused(t *testing.T, sentence, manifest string, arguments ...string) {
	t.Helper()
	if err := refusal(sentence, manifest, arguments...); err != nil {
		t.Fatal(err)
	}
}

// create makes an object from a manifest.
func create(t *testing.T, manifest string, arguments ...string) string {
	t.Helper()
	command := exec.Command("kubectl", append([]string{"-n", namespace, "create", "-f", "-"}, arguments...)...)
	command.Stdin = strings.NewReader(manifest)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("create: %v: %s", err, output)
	}
	return string(output)
}

// eventually asks until the answer is no error.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// fetch is a request from the host.
func fetch(url string) (string, error) {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// wantHello checks an answer of one of the hello pods.
func wantHello(version string) func(answer string, err error) error {
	return func(answer string, err error) error {
		if err != nil {
			return fmt.Errorf("%w: %s", err, answer)
		}
		if !strings.HasPrefix(answer, "hello "+version+" from hello-") {
			return fmt.Errorf("wanted a hello %s, got %q", version, answer)
		}
		return nil
	}
}

// fromPod is a request from the client pod.
func fromPod(url string) (string, error) {
	return kubectl("-n", namespace, "exec", "client", "--", "/hello", "get", url)
}

// background runs a command until the test ends; output gets what it prints.
func background(t *testing.T, output *bytes.Buffer, command ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	process.Stdout, process.Stderr = output, output
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = process.Wait()
	})
}
