package main

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed settings
var settingsFiles embed.FS

var templates = template.Must(template.New("").
	Option("missingkey=error").
	Funcs(template.FuncMap{"base64": base64.StdEncoding.EncodeToString}).
	ParseFS(settingsFiles, "settings/*"))

// Where things lie inside a node, wherever they lie on the host.
const (
	nodeRoot        = "/run/kubefront"
	nodeHome        = home(nodeRoot + "/home")
	nodePrograms    = nodeRoot + "/programs"
	nodeSettings    = nodeRoot + "/settings"
	nodeCredentials = string(nodeHome) + "/credentials"
)

// nodeFiles are the settings files of node n: path inside the node → content.
func nodeFiles(n int) (map[string][]byte, error) {
	values := map[string]string{
		"Node":            nodeName(n),
		"Address":         nodeAddress(n),
		"PodRange":        nodePodRange(n),
		"ClusterPodRange": podRange,
		"DNSAddress":      dnsAddress,
		"PauseImage":      pauseImage,
		"Credentials":     nodeCredentials,
		"Settings":        nodeSettings,
	}
	files := map[string][]byte{nodeSettings + "/resolv.conf": []byte("search .\n")}
	for name, path := range map[string]string{
		"containerd.toml": nodeSettings + "/containerd.toml",
		"kubelet.yaml":    nodeSettings + "/kubelet.yaml",
		"kube-proxy.yaml": nodeSettings + "/kube-proxy.yaml",
		"pods.conflist":   "/run/cni/net.d/10-pods.conflist",
	} {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, name, values); err != nil {
			return nil, fmt.Errorf("settings of %s: %w", nodeName(n), err)
		}
		files[path] = b.Bytes()
	}
	return files, nil
}

// systemManifest is what `up` applies to the new cluster.
func systemManifest() ([]byte, error) {
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, "system.yaml", map[string]string{"DNSAddress": dnsAddress, "DNSImage": dnsImage})
	return b.Bytes(), err
}

func writeFiles(files map[string][]byte) error {
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
