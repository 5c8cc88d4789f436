package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"
)

func newCredentials(t *testing.T, nodes int) home {
	t.Helper()
	h := home(t.TempDir())
	if err := h.writeCredentials(nodes); err != nil {
		t.Fatal(err)
	}
	return h
}

func readPair(t *testing.T, h home, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(h.credentials(name+".crt"), h.credentials(name+".key"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return pair.Leaf
}

func readRoots(t *testing.T, h home, name string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(h.credentials(name))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", name)
	}
	return roots
}

func TestServersAreTrustedUnderTheirNamesOnly(t *testing.T) {
	h := newCredentials(t, 2)
	roots := readRoots(t, h, "ca.crt")
	check := func(pair, name string, trusted bool) {
		t.Helper()
		_, err := readPair(t, h, pair).Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		if (err == nil) != trusted {
			t.Errorf("%s as %s: %v", pair, name, err)
		}
	}
	check("apiserver", "kubernetes.default.svc", true)
	check("apiserver", "198.18.0.1", true)
	check("apiserver", "10.96.0.1", true)
	check("apiserver", "198.18.0.2", false)
	check("kubelet-node2-serving", "198.18.0.2", true)
	check("kubelet-node2-serving", "node2", true)
	check("kubelet-node2-serving", "198.18.0.1", false)
	check("apiserver-kubelet-client", "", false) // a client is no server
}

func TestClientsAreWhoTheyShouldBe(t *testing.T) {
	h := newCredentials(t, 2)
	check := func(pair, authority, name string, groups ...string) {
		t.Helper()
		certificate := readPair(t, h, pair)
		if certificate.Subject.CommonName != name || !reflect.DeepEqual(certificate.Subject.Organization, groups) {
			t.Errorf("%s is %v", pair, certificate.Subject)
		}
		_, err := certificate.Verify(x509.VerifyOptions{Roots: readRoots(t, h, authority), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil {
			t.Errorf("%s: %v", pair, err)
		}
	}
	check("admin", "ca.crt", "kubernetes-admin", "system:masters")
	check("scheduler", "ca.crt", "system:kube-scheduler")
	check("kubelet-node1", "ca.crt", "system:node:node1", "system:nodes")
	check("kubelet-node2", "ca.crt", "system:node:node2", "system:nodes")
	check("front-proxy-client", "front-proxy-ca.crt", "front-proxy-client")

	// Whoever the aggregator's authority signs may speak for anybody.
	if _, err := readPair(t, h, "admin").Verify(x509.VerifyOptions{Roots: readRoots(t, h, "front-proxy-ca.crt"), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("an ordinary client is signed by the aggregator's authority")
	}
}

func TestAKubeconfigHoldsTheClientsOwnPair(t *testing.T) {
	h := newCredentials(t, 1)
	text, err := os.ReadFile(h.credentials("admin.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server    string `json:"server"`
				Authority []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate []byte `json:"client-certificate-data"`
				Key         []byte `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.Clusters[0].Cluster.Server != apiServer {
		t.Errorf("server %s", config.Clusters[0].Cluster.Server)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(config.Clusters[0].Cluster.Authority) {
		t.Error("no authority")
	}
	pair, err := tls.X509KeyPair(config.Users[0].User.Certificate, config.Users[0].User.Key)
	if err != nil || pair.Leaf.Subject.CommonName != "kubernetes-admin" {
		t.Errorf("%v %v", pair.Leaf, err)
	}
}

func TestOnlyRootReadsCredentials(t *testing.T) {
	h := newCredentials(t, 1)
	err := filepath.WalkDir(h.credentials(""), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
