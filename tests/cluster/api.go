package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// apiClient is the little that this command asks of the API server. A full
// client library would make the command take longer to compile than the cluster
// takes to start.
type apiClient struct {
	http *http.Client
}

func newAPIClient(h home, user string) (*apiClient, error) {
	authority, err := os.ReadFile(h.credentials("ca.crt"))
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(h.credentials(user+".crt"), h.credentials(user+".key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &apiClient{http: &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			// A node whose interface is not up yet does not answer at all.
			DialContext: (&net.Dialer{Timeout: 300 * time.Millisecond}).DialContext,
			TLSClientConfig: &tls.Config{
				RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13,
			},
		},
	}}, nil
}

func (c *apiClient) ready(ctx context.Context) error {
	return c.get(ctx, "/readyz", nil)
}

// get decodes the answer into a value, if one is given.
func (c *apiClient) get(ctx context.Context, path string, into any) error {
	answer, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// apply creates or changes each object of a manifest (server-side apply).
func (c *apiClient) apply(ctx context.Context, manifest []byte) error {
	for _, document := range bytes.Split(manifest, []byte("\n---\n")) {
		path, err := objectPath(document)
		if err != nil {
			return err
		}
		_, err = c.do(ctx, http.MethodPatch, path+"?fieldManager=cluster-up&force=true", "application/apply-patch+yaml", document)
		if err != nil {
			return fmt.Errorf("apply %s: %w", path, err)
		}
	}
	return nil
}

func (c *apiClient) do(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, apiServer+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s: %s", response.Status, statusMessage(answer))
	}
	return answer, nil
}

// statusMessage takes the sentence out of a Status object. /readyz answers with
// plain text, where the failed checks are the lines that say so.
func statusMessage(answer []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &status) == nil && status.Message != "" {
		return status.Message
	}
	var failed []string
	for line := range strings.Lines(string(answer)) {
		if check, bad := strings.CutPrefix(strings.TrimSpace(line), "[-]"); bad {
			failed = append(failed, check)
		}
	}
	return strings.Join(failed, ", ")
}

// collections of the kinds that the system manifest uses.
var collections = map[string]string{
	"ClusterRole":        "clusterroles",
	"ClusterRoleBinding": "clusterrolebindings",
	"ConfigMap":          "configmaps",
	"Deployment":         "deployments",
	"Service":            "services",
	"ServiceAccount":     "serviceaccounts",
}

// objectPath is the address of the object that a YAML document describes.
func objectPath(document []byte) (string, error) {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(document, &object); err != nil {
		return "", err
	}
	collection, known := collections[object.Kind]
	if !known || object.Metadata.Name == "" {
		return "", fmt.Errorf("no collection is known for %s %q", object.Kind, object.Metadata.Name)
	}
	path := "/apis/" + object.APIVersion
	if !strings.Contains(object.APIVersion, "/") {
		path = "/api/" + object.APIVersion
	}
	if object.Metadata.Namespace != "" {
		path += "/namespaces/" + object.Metadata.Namespace
	}
	return path + "/" + collection + "/" + object.Metadata.Name, nil
}

// object is what the conditions below need of any object.
type object struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

var errNoCondition = errors.New("has not said anything about itself yet")

// holds says why a condition is not true.
func (o object) holds(name string) error {
	for _, c := range o.Status.Conditions {
		if c.Type != name {
			continue
		}
		if c.Status == "True" {
			return nil
		}
		return fmt.Errorf("%s is %s: %s", c.Type, c.Status, c.Message)
	}
	return errNoCondition
}

func (c *apiClient) nodeReady(ctx context.Context, node string) error {
	var o object
	if err := c.get(ctx, "/api/v1/nodes/"+node, &o); err != nil {
		return err
	}
	return o.holds("Ready")
}

func (c *apiClient) deploymentAvailable(ctx context.Context, namespace, name string) error {
	var o object
	if err := c.get(ctx, "/apis/apps/v1/namespaces/"+namespace+"/deployments/"+name, &o); err != nil {
		return err
	}
	return o.holds("Available")
}
