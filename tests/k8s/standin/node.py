"""Plays `k3s server` inside a container, with the real parts of Kubernetes: for machines that cannot pull k3s.

    k3d create ──▶ /bin/k3s server … (this) ──▶ etcd, apiserver, controller-manager, scheduler, containerd, kubelet,
                                                kube-proxy, all real; pods really run
                └──▶ waits for two lines in our log, reads /output/kubeconfig.yaml

What of k3s it is not: its own network policies, its packaged manifests beside CoreDNS, sqlite, its images. Used by
hand only; tests/k8s/README.md says how and what was seen.
"""

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

STATE = Path("/var/lib/rancher/k3s/server")
PKI = STATE / "tls"
MANIFESTS = STATE / "manifests"
LOGS = Path("/var/log/k3s")
IMAGES = Path("/var/lib/rancher/k3s/agent/images")
PODS, SERVICES, DNS, API = "10.42.0.0/16", "10.43.0.0/16", "10.43.0.10", "10.43.0.1"
PAUSE = "rancher/mirrored-pause:3.6"
COREDNS = "rancher/mirrored-coredns-coredns:1.13.1"
CONTAINERD = """
version = 2
root = "/var/lib/rancher/k3s/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  discard_unpacked_layers = false
""".replace("PAUSE", PAUSE)
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "failCgroupV1": False,
    "failSwapOn": False,
    "oomScoreAdj": 0,
    "cgroupDriver": "cgroupfs",
    "clusterDNS": [DNS],
    "clusterDomain": "cluster.local",
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
    "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(PKI / "ca.crt")}},
    "authorization": {"mode": "Webhook"},
    "serverTLSBootstrap": False,
}
children: dict[str, subprocess.Popen[bytes]] = {}


def log(text: str) -> None:
    print(f'time="{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}" level=info msg="{text}"', flush=True)


def start(name: str, *args: str) -> None:
    with (LOGS / f"{name}.log").open("ab") as out:
        children[name] = subprocess.Popen([name, *args], stdout=out, stderr=out)


def openssl(*args: str) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def certificate(name: str, subject: str, *, names: str = "") -> None:
    key, csr, crt, ext = (PKI / f"{name}.{kind}" for kind in ("key", "csr", "crt", "ext"))
    usage = "serverAuth, clientAuth" if names else "clientAuth"
    identifiers = "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
    ext.write_text(f"{identifiers}extendedKeyUsage = {usage}\n" + (f"subjectAltName = {names}\n" if names else ""))
    openssl("genrsa", "-out", str(key), "2048")
    openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(csr))
    ca = ("-CA", str(PKI / "ca.crt"), "-CAkey", str(PKI / "ca.key"), "-CAcreateserial")
    openssl("x509", "-req", "-in", str(csr), *ca, "-days", "365", "-extfile", str(ext), "-out", str(crt))


def make_pki(more_names: list[str]) -> None:
    if (PKI / "admin.crt").exists():
        return
    PKI.mkdir(parents=True, exist_ok=True)
    openssl("genrsa", "-out", str(PKI / "ca.key"), "2048")
    openssl("req", "-x509", "-new", "-key", str(PKI / "ca.key"), "-subj", "/CN=standin-ca", "-days", "365",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", str(PKI / "ca.crt"))  # fmt: skip
    openssl("genrsa", "-out", str(PKI / "sa.key"), "2048")
    openssl("rsa", "-in", str(PKI / "sa.key"), "-pubout", "-out", str(PKI / "sa.pub"))
    hosts = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", socket.gethostname()]
    addresses = ["127.0.0.1", "0.0.0.0", API, address()]
    for one in more_names:
        (addresses if one.replace(".", "").isdigit() else hosts).append(one)
    names = ", ".join([f"DNS:{h}" for h in dict.fromkeys(hosts)] + [f"IP:{a}" for a in dict.fromkeys(addresses)])
    certificate("apiserver", "/CN=kube-apiserver", names=names)
    certificate("kubelet", f"/O=system:nodes/CN=system:node:{socket.gethostname()}",
                names=f"DNS:{socket.gethostname()}, IP:{address()}")  # fmt: skip
    certificate("admin", "/O=system:masters/CN=admin")


def address() -> str:
    return socket.gethostbyname(socket.gethostname())


def kubeconfig(path: Path, user: str) -> None:
    def embedded(file: str) -> str:
        return base64.b64encode((PKI / file).read_bytes()).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": {"server": "https://127.0.0.1:6443",
                                                     "certificate-authority-data": embedded("ca.crt")}}],
        "users": [{"name": "default", "user": {"client-certificate-data": embedded(f"{user}.crt"),
                                               "client-key-data": embedded(f"{user}.key")}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))


def wait_api(what: str) -> None:
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
    context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    while True:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:6443/{what}", context=context, timeout=2):
                return
        except OSError:
            for name, child in children.items():
                if child.poll() is not None:
                    sys.exit(f"{name} ended with {child.returncode}: see {LOGS}")
            time.sleep(0.1)


def control_plane(apiserver_args: list[str], controller_args: list[str]) -> None:
    start("etcd", "--data-dir", str(STATE / "etcd"), "--listen-client-urls=http://127.0.0.1:2379",
          "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
          "--unsafe-no-fsync")  # fmt: skip
    start(
        "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC", "--allow-privileged=true", f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt", f"--tls-private-key-file={PKI}/apiserver.key",
        f"--kubelet-client-certificate={PKI}/admin.crt", f"--kubelet-client-key={PKI}/admin.key",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key", "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={PKI}/ca.crt", "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={PKI}/admin.crt", f"--proxy-client-key-file={PKI}/admin.key",
        f"--advertise-address={address()}", *apiserver_args,
    )  # fmt: skip
    wait_api("readyz")
    admin = "/etc/rancher/k3s/k3s.yaml"
    start("kube-controller-manager", f"--kubeconfig={admin}", f"--root-ca-file={PKI}/ca.crt",
          f"--service-account-private-key-file={PKI}/sa.key", "--use-service-account-credentials=true",
          f"--cluster-cidr={PODS}", "--allocate-node-cidrs=true", *controller_args)  # fmt: skip
    start("kube-scheduler", f"--kubeconfig={admin}")


def node(kubelet_args: list[str]) -> None:
    conflist = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.42.0.0/24"}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }  # fmt: skip
    Path("/etc/cni/net.d").mkdir(parents=True, exist_ok=True)
    Path("/etc/cni/net.d/10-pods.conflist").write_text(json.dumps(conflist))
    Path("/etc/containerd").mkdir(exist_ok=True)
    Path("/etc/containerd/config.toml").write_text(CONTAINERD)
    start("containerd")
    while subprocess.run(["ctr", "version"], capture_output=True).returncode:
        time.sleep(0.1)
    log("Containerd is now running")
    for path in sorted(IMAGES.glob("*.tar.gz")):
        with path.open("rb") as packed:
            unzip = subprocess.Popen(["gzip", "-dc"], stdin=packed, stdout=subprocess.PIPE)
            done = subprocess.run(["ctr", "-n", "k8s.io", "images", "import", "-"], stdin=unzip.stdout,
                                  capture_output=True)  # fmt: skip
        log(f"Imported images from {path}" if not done.returncode else f"import of {path}: {done.stderr!r}")
    config = Path("/etc/rancher/kubelet.json")
    tls = {"tlsCertFile": str(PKI / "kubelet.crt"), "tlsPrivateKeyFile": str(PKI / "kubelet.key")}
    config.write_text(json.dumps(KUBELET | tls))
    start("kubelet", f"--config={config}", "--kubeconfig=/etc/rancher/k3s/k3s.yaml",
          f"--node-ip={address()}", f"--hostname-override={socket.gethostname()}", *kubelet_args)  # fmt: skip
    start("kube-proxy", "--kubeconfig=/etc/rancher/k3s/k3s.yaml", f"--cluster-cidr={PODS}", "--proxy-mode=iptables",
          f"--hostname-override={socket.gethostname()}", "--oom-score-adj=0", "--conntrack-max-per-core=0",
          "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")  # fmt: skip


def coredns() -> None:
    corefile = (
        ".:53 {\n errors\n health\n ready\n kubernetes cluster.local in-addr.arpa {\n  pods insecure\n }\n"
        " hosts /etc/coredns/NodeHosts {\n  fallthrough\n }\n cache 30\n}\n"
    )
    labels = {"k8s-app": "kube-dns"}
    documents = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns", "namespace": "kube-system"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "coredns"},
         "rules": [{"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"],
                    "verbs": ["list", "watch"]},
                   {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "coredns"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"},
         "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coredns", "namespace": "kube-system"},
         "data": {"Corefile": corefile, "NodeHosts": ""}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
         "spec": {"clusterIP": DNS, "selector": labels, "ports": [
             {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coredns", "namespace": "kube-system"},
         "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
             "serviceAccountName": "coredns", "dnsPolicy": "Default", "volumes": [
                 {"name": "config", "configMap": {"name": "coredns"}}],
             "containers": [{"name": "coredns", "image": COREDNS, "imagePullPolicy": "IfNotPresent",
                             "args": ["-conf", "/etc/coredns/Corefile"],
                             "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                             "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}]}]}}}},
    ]  # fmt: skip
    MANIFESTS.mkdir(parents=True, exist_ok=True)
    path = MANIFESTS / "coredns.yaml"
    path.write_text("\n---\n".join(json.dumps(document) for document in documents))
    subprocess.run(["kubectl", "apply", "-f", str(path)], check=True, capture_output=True)
    log("Cluster dns configmap has been set successfully")


def stop(_number: int, _frame: object) -> None:
    for child in reversed(children.values()):
        child.terminate()
    sys.exit(0)


def main() -> None:
    args = sys.argv[1:]
    if args[:1] != ["server"]:
        sys.exit("this stand-in plays `k3s server` only")
    signal.signal(signal.SIGTERM, stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    log("Starting k3s stand-in")
    sans = [args[i + 1] for i, arg in enumerate(args) if arg == "--tls-san"]
    apiserver, controller, kubelet = (
        [f"--{arg.split('=', 1)[1]}" for arg in args if arg.startswith(f"--{part}-arg=")]
        for part in ("kube-apiserver", "kube-controller-manager", "kubelet")
    )
    make_pki(sans)
    kubeconfig(Path("/etc/rancher/k3s/k3s.yaml"), "admin")
    control_plane(apiserver, controller)
    node(kubelet)
    kubeconfig(Path(os.environ.get("K3S_KUBECONFIG_OUTPUT", "/output/kubeconfig.yaml")), "admin")
    log("k3s is up and running")
    coredns()
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                sys.exit(f"{name} ended with {child.returncode}: see {LOGS}")
        time.sleep(1)


if __name__ == "__main__":
    main()
