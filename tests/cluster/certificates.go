package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// The cluster lives for days at most; certificates that outlive it help nobody.
const certificateLifetime = 30 * 24 * time.Hour

// writeCredentials makes two authorities and everything that is signed by them:
// serving pairs of the API server and the kubelets, client pairs, a kubeconfig
// for each client, and the key pair that signs service account tokens.
func (h home) writeCredentials(nodes int) error {
	if err := os.MkdirAll(h.credentials(""), 0o700); err != nil {
		return err
	}
	cluster, err := newAuthority("kubefront-cluster")
	if err != nil {
		return err
	}
	// The aggregation layer trusts whatever this one signs to name any user, so
	// it must not be the authority that signs ordinary clients.
	aggregator, err := newAuthority("kubefront-cluster-aggregator")
	if err != nil {
		return err
	}
	w := credentialWriter{home: h}
	w.certificate("ca.crt", cluster.certificate.Raw)
	w.key("ca.key", cluster.key)
	w.certificate("front-proxy-ca.crt", aggregator.certificate.Raw)
	w.pair(cluster, "apiserver", subject{name: "kube-apiserver", addresses: apiServerNames()})
	w.pair(cluster, "apiserver-kubelet-client", subject{name: "kube-apiserver-kubelet-client", group: "system:masters"})
	w.pair(aggregator, "front-proxy-client", subject{name: "front-proxy-client"})
	w.client(cluster, "admin", subject{name: "kubernetes-admin", group: "system:masters"})
	w.client(cluster, "controller-manager", subject{name: "system:kube-controller-manager"})
	w.client(cluster, "scheduler", subject{name: "system:kube-scheduler"})
	w.client(cluster, "proxy", subject{name: "system:kube-proxy"})
	for n := 1; n <= nodes; n++ {
		node := nodeName(n)
		w.client(cluster, "kubelet-"+node, subject{name: "system:node:" + node, group: "system:nodes"})
		w.pair(cluster, "kubelet-"+node+"-serving", subject{name: "system:node:" + node, group: "system:nodes", addresses: []string{node, nodeAddress(n)}})
	}
	w.tokenKeys()
	return w.err
}

func apiServerNames() []string {
	return []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "127.0.0.1", apiAddress, nodeAddress(1),
	}
}

// subject is whom a certificate speaks for: a server if it has addresses, else a client.
type subject struct {
	name      string
	group     string
	addresses []string
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(name string) (authority, error) {
	key, err := newKey()
	if err != nil {
		return authority{}, err
	}
	template, err := newTemplate(subject{name: name})
	if err != nil {
		return authority{}, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = nil
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return authority{certificate, key}, err
}

// issue signs a certificate for a new key.
func (a authority) issue(s subject) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = newKey(); err != nil {
		return nil, nil, err
	}
	template, err := newTemplate(s)
	if err != nil {
		return nil, nil, err
	}
	der, err = x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return der, key, err
}

func newTemplate(s subject) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.name},
		NotBefore:    time.Now().Add(-time.Hour), // clocks that are a little behind
		NotAfter:     time.Now().Add(certificateLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if s.group != "" {
		template.Subject.Organization = []string{s.group}
	}
	if len(s.addresses) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, address := range s.addresses {
		if parsed := net.ParseIP(address); parsed != nil {
			template.IPAddresses = append(template.IPAddresses, parsed)
		} else {
			template.DNSNames = append(template.DNSNames, address)
		}
	}
	return template, nil
}

// newKey makes an ECDSA key: a dozen of them take milliseconds, RSA would take seconds.
func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// credentialWriter keeps the first error, so that the list above stays a list.
type credentialWriter struct {
	home home
	err  error
}

func (w *credentialWriter) file(name string, content []byte) {
	if w.err == nil {
		w.err = os.WriteFile(w.home.credentials(name), content, 0o600)
	}
}

func (w *credentialWriter) encode(name, kind string, der []byte) []byte {
	content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	w.file(name, content)
	return content
}

func (w *credentialWriter) certificate(name string, der []byte) []byte {
	return w.encode(name, "CERTIFICATE", der)
}

func (w *credentialWriter) key(name string, key crypto.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	w.err = errors.Join(w.err, err)
	return w.encode(name, "PRIVATE KEY", der)
}

func (w *credentialWriter) pair(by authority, name string, s subject) (certificate, key []byte) {
	der, private, err := by.issue(s)
	if w.err = errors.Join(w.err, err); w.err != nil {
		return nil, nil
	}
	return w.certificate(name+".crt", der), w.key(name+".key", private)
}

func (w *credentialWriter) client(by authority, name string, s subject) {
	certificate, key := w.pair(by, name, s)
	if w.err != nil {
		return
	}
	authorityPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: by.certificate.Raw})
	content, err := renderKubeconfig(s.name, authorityPEM, certificate, key)
	w.err = errors.Join(w.err, err)
	w.file(name+".kubeconfig", content)
}

func (w *credentialWriter) tokenKeys() {
	key, err := newKey()
	if w.err = errors.Join(w.err, err); w.err != nil {
		return
	}
	w.key("service-account.key", key)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	w.err = errors.Join(w.err, err)
	w.encode("service-account.pub", "PUBLIC KEY", public)
}

func renderKubeconfig(user string, authority, certificate, key []byte) ([]byte, error) {
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, "kubeconfig.yaml", map[string]any{
		"Server": apiServer, "User": user, "Authority": authority, "Certificate": certificate, "Key": key,
	})
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of %s: %w", user, err)
	}
	return b.Bytes(), nil
}
