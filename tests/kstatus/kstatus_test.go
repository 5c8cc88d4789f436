// Package kstatus asks the library by which Flux, Helm and others decide whether
// an object is done what it makes of every state of Kubefront's objects. The
// operator's golden tests write them, each with the verdict that its author
// meant:
//
//	UPDATE=1 cargo test -p operator --test golden
package kstatus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

const folder = "../../operator/tests/golden/status"

// state is one file.
type state struct {
	Verdict status.Status             `json:"verdict"`
	Object  unstructured.Unstructured `json:"object"`
}

// states reads every file of one kind, which together must have all verdicts.
func states(t *testing.T, kind string) map[string]state {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, strings.ToLower(kind)+"-*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found, verdicts := map[string]state{}, map[status.Status]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var one state
		if err := yaml.UnmarshalStrict(text, &one); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if one.Object.GetKind() != kind {
			t.Errorf("%s holds a %q", file, one.Object.GetKind())
		}
		found[strings.TrimSuffix(filepath.Base(file), ".yaml")], verdicts[one.Verdict] = one, true
	}
	for _, verdict := range []status.Status{status.InProgressStatus, status.CurrentStatus, status.FailedStatus, status.TerminatingStatus} {
		if !verdicts[verdict] {
			t.Errorf("no %s is %s", kind, verdict)
		}
	}
	return found
}

func TestKstatusSaysOfEveryStateWhatItsFileSays(t *testing.T) {
	for _, kind := range []string{"Distribution", "Invalidation"} {
		for name, state := range states(t, kind) {
			t.Run(name, func(t *testing.T) {
				said, err := status.Compute(&state.Object)
				if err != nil {
					t.Fatal(err)
				}
				if said.Status != state.Verdict {
					t.Errorf("kstatus says %s (%s), and should say %s", said.Status, said.Message, state.Verdict)
				}
			})
		}
	}
}
