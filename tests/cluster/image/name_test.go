package image

import "testing"

func TestOnlyFullNamesAreTaken(t *testing.T) {
	check := func(name, tag string) {
		t.Helper()
		got, err := checkName(name)
		if got != tag || (err == nil) != (tag != "") {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	check("kubefront.local/edge:dev", "dev")
	check("kubefront.local/team/edge-proxy:v1.2.3_x", "v1.2.3_x")
	check("localhost/edge:dev", "dev")
	check("localhost:5000/edge:dev", "dev")
	check("registry:5000/edge:dev", "dev")
	check("edge:dev", "")
	check("library/edge:dev", "")
	check("kubefront.local/edge", "")
	check("kubefront.local/edge:", "")
	check("kubefront.local/Edge:dev", "")
	check("kubefront.local//edge:dev", "")
	check("kubefront.local/edge:dev@sha256:0", "")
	check("", "")
}
