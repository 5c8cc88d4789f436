package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestEverySettingsFileIsWellFormed(t *testing.T) {
	for n := 1; n <= maxNodes; n++ {
		files, err := nodeFiles(n)
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range files {
			var value map[string]any
			switch {
			case strings.HasSuffix(path, ".yaml"):
				err = yaml.UnmarshalStrict(content, &value)
			case strings.HasSuffix(path, ".conflist"):
				err = json.Unmarshal(content, &value)
			}
			if err != nil || bytes.Contains(content, []byte("{{")) || bytes.Contains(content, []byte("<no value>")) {
				t.Errorf("%s of %s: %v\n%s", path, nodeName(n), err, content)
			}
		}
	}
}

func TestANodesSettingsAreItsOwn(t *testing.T) {
	files, err := nodeFiles(2)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/run/cni/net.d/10-pods.conflist": `"subnet": "10.244.2.0/24"`,
		nodeSettings + "/kube-proxy.yaml": "hostnameOverride: node2",
		nodeSettings + "/kubelet.yaml":    "/kubelet-node2-serving.crt",
		nodeSettings + "/containerd.toml": `sandbox_image = "` + pauseImage + `"`,
	} {
		if !bytes.Contains(files[path], []byte(want)) {
			t.Errorf("%s lacks %s", path, want)
		}
	}
}

func TestPodsDoNotGetTheHostsNameServers(t *testing.T) {
	files, err := nodeFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	if resolver := files[nodeSettings+"/resolv.conf"]; len(resolver) == 0 || bytes.Contains(resolver, []byte("nameserver")) {
		t.Errorf("resolv.conf is %q", resolver)
	}
	if kubelet := files[nodeSettings+"/kubelet.yaml"]; !bytes.Contains(kubelet, []byte("resolvConf: "+nodeSettings+"/resolv.conf")) {
		t.Error("the kubelet uses another one")
	}
}

// Whatever a flag or a settings file says of credentials is written, and
// whatever it says of settings too.
func TestEveryFileThatIsReferredToExists(t *testing.T) {
	h := newCredentials(t, maxNodes)
	credentials := regexp.MustCompile(regexp.QuoteMeta(nodeCredentials) + `/([a-z0-9.-]+)`)
	settings := regexp.MustCompile(regexp.QuoteMeta(nodeSettings) + `/[a-z0-9./-]+`)
	for n := 1; n <= maxNodes; n++ {
		files, err := nodeFiles(n)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(slices.Concat(etcd().args, kubeAPIServer().args, kubeControllerManager().args, kubeScheduler().args,
			containerd().args, kubeletOf(n).args, kubeProxy().args), "\n")
		for _, content := range files {
			text += "\n" + string(content)
		}
		found := credentials.FindAllStringSubmatch(text, -1)
		if len(found) < 15 {
			t.Fatalf("only %d references to credentials", len(found))
		}
		for _, match := range found {
			if _, err := os.Stat(h.credentials(match[1])); err != nil {
				t.Error(err)
			}
		}
		for _, path := range settings.FindAllString(text, -1) {
			if _, there := files[path]; !there {
				t.Errorf("nobody writes %s", path)
			}
		}
	}
}

func TestTheRightToFinalizersIsEnforced(t *testing.T) {
	for _, flag := range kubeAPIServer().args {
		if plugins, found := strings.CutPrefix(flag, "--enable-admission-plugins="); found {
			if !slices.Contains(strings.Split(plugins, ","), "OwnerReferencesPermissionEnforcement") {
				t.Errorf("plugins are %s", plugins)
			}
			return
		}
	}
	t.Error("no admission plugins")
}

func TestEverySystemObjectHasAnAddress(t *testing.T) {
	manifest, err := systemManifest()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, document := range bytes.Split(manifest, []byte("\n---\n")) {
		path, err := objectPath(document)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	want := []string{
		"/api/v1/namespaces/kube-system/serviceaccounts/coredns",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/system:coredns",
		"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:coredns",
		"/api/v1/namespaces/kube-system/configmaps/coredns",
		"/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		"/api/v1/namespaces/kube-system/services/kube-dns",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
	if _, err := objectPath([]byte("apiVersion: v1\nkind: Oddity\nmetadata: {name: x}")); err == nil {
		t.Error("an unknown kind has an address")
	}
}
