package main

import "fmt"

// program is one process that a node keeps running.
type program struct {
	name string
	path string
	args []string
}

// kubelite is called with the program's name as its first argument.
func kubelite(name string, flags ...string) program {
	return program{name: name, path: nodePrograms + "/kubelite", args: append([]string{name}, flags...)}
}

func credential(name string) string { return nodeCredentials + "/" + name }

// etcd keeps the cluster's objects. Its directory is in memory, so waiting for
// the disk would only cost time.
func etcd() program {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return kubelite("etcd",
		"--name=cluster", "--data-dir=/var/lib/etcd", "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=cluster="+peer)
}

func kubeAPIServer() program {
	return kubelite("kube-apiserver",
		"--advertise-address="+nodeAddress(1), "--bind-address=0.0.0.0", "--secure-port=6443",
		"--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range="+serviceRange,
		"--allow-privileged=true", "--profiling=false",
		"--authorization-mode=Node,RBAC",
		// OwnerReferencesPermissionEnforcement is off by default, but on in
		// some distributions: a controller that owns objects must have the right
		// to its own kind's /finalizers, and only here does a test notice.
		"--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
		"--client-ca-file="+credential("ca.crt"),
		"--tls-cert-file="+credential("apiserver.crt"),
		"--tls-private-key-file="+credential("apiserver.key"),
		"--kubelet-certificate-authority="+credential("ca.crt"),
		"--kubelet-client-certificate="+credential("apiserver-kubelet-client.crt"),
		"--kubelet-client-key="+credential("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+credential("service-account.pub"),
		"--service-account-signing-key-file="+credential("service-account.key"),
		"--requestheader-client-ca-file="+credential("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file="+credential("front-proxy-client.crt"),
		"--proxy-client-key-file="+credential("front-proxy-client.key"),
		"--enable-aggregator-routing=true")
}

func kubeControllerManager() program {
	return kubelite("kube-controller-manager",
		"--kubeconfig="+credential("controller-manager.kubeconfig"),
		"--authentication-kubeconfig="+credential("controller-manager.kubeconfig"),
		"--authorization-kubeconfig="+credential("controller-manager.kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
		"--use-service-account-credentials=true",
		// Its many controllers ask for a token each before they start; at the
		// default rate that alone takes three seconds.
		"--kube-api-qps=500", "--kube-api-burst=500",
		"--root-ca-file="+credential("ca.crt"),
		"--service-account-private-key-file="+credential("service-account.key"),
		"--cluster-signing-cert-file="+credential("ca.crt"),
		"--cluster-signing-key-file="+credential("ca.key"),
		// The default lies in /usr, which is read-only in a node.
		"--flex-volume-plugin-dir=/var/lib/kube-controller-manager/volume-plugins")
}

func kubeScheduler() program {
	return kubelite("kube-scheduler",
		"--kubeconfig="+credential("scheduler.kubeconfig"),
		"--authentication-kubeconfig="+credential("scheduler.kubeconfig"),
		"--authorization-kubeconfig="+credential("scheduler.kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false")
}

func containerd() program {
	return program{name: "containerd", path: "containerd", args: []string{"--config", nodeSettings + "/containerd.toml"}}
}

func kubeletOf(n int) program {
	return kubelite("kubelet",
		"--config="+nodeSettings+"/kubelet.yaml",
		"--kubeconfig="+credential("kubelet-"+nodeName(n)+".kubeconfig"),
		"--hostname-override="+nodeName(n), "--node-ip="+nodeAddress(n),
		"--root-dir=/var/lib/kubelet",
		fmt.Sprintf("--node-labels=topology.kubernetes.io/region=local,topology.kubernetes.io/zone=%s", nodeZone(n)))
}

func kubeProxy() program {
	return kubelite("kube-proxy", "--config="+nodeSettings+"/kube-proxy.yaml")
}
