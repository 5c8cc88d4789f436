package main

import (
	"bytes"
	"strings"
	"testing"
)

// runCommand runs the command line and gives what it would say.
func runCommand(arguments ...string) (output string, err error) {
	var b bytes.Buffer
	command := newCommand()
	command.SetArgs(arguments)
	command.SetOut(&b)
	command.SetErr(&b)
	err = command.Execute()
	return b.String(), err
}

func TestWrongArgumentsAreRefusedBeforeAnythingIsDone(t *testing.T) {
	t.Setenv("KUBEFRONT_CLUSTER_DIR", t.TempDir())
	check := func(want string, arguments ...string) {
		t.Helper()
		if _, err := runCommand(arguments...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", arguments, err, want)
		}
	}
	check("1 to 3 nodes", "up", "--nodes", "0")
	check("1 to 3 nodes", "up", "--nodes", "4")
	check("invalid argument", "up", "--nodes", "many")
	check("unknown command", "up", "now")
	check("requires at least 1 arg", "load")
	check("requires at least 2 arg", "exec", "node1")
	check("accepts at most 2 arg", "logs", "node1", "kubelet", "more")
	check("required flag(s)", "image")
	check("unknown command \"start\"", "start")
	check("no cluster is up", "env")
	check("`cluster logs` lists them", "logs", "node1", "kubelet")
}

func TestHelpNamesEverySubcommandOfAUser(t *testing.T) {
	output, err := runCommand("--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"up", "down", "load", "image", "env", "status", "exec", "logs", "build", "traces"} {
		if !strings.Contains(output, "\n  "+name+" ") {
			t.Errorf("%s is missing:\n%s", name, output)
		}
	}
	if strings.Contains(output, "node-enter") || strings.Contains(output, "node-main") {
		t.Errorf("the inner commands are shown:\n%s", output)
	}
}

func TestShellWordsAreQuoted(t *testing.T) {
	for word, want := range map[string]string{"/a b": `'/a b'`, "it's": `'it'\''s'`} {
		if quoted := shellQuote(word); quoted != want {
			t.Errorf("%s: %s", word, quoted)
		}
	}
}

func TestTheEnvironmentIsForAShell(t *testing.T) {
	h := home(t.TempDir())
	if err := h.writeState(state{Programs: "/cache/bin", Complete: true}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := printEnvironment(h, &b); err != nil {
		t.Fatal(err)
	}
	if want := "export KUBECONFIG='" + h.kubeconfig() + "'\nexport PATH='/cache/bin':\"$PATH\"\n"; b.String() != want {
		t.Errorf("%s", b.String())
	}
}
