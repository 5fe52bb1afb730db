"""Makes images under the tags that the kit names, on a machine that cannot pull: `python images.py BINARIES WORK`.

BINARIES holds what `go build` made of the real programs (see README.md); WORK is for the root file systems that
debootstrap makes. Needs root, Docker, debootstrap and Go.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = "trixie"
PYTHON, POSTGRES = "python:3.13.9-slim-trixie", "postgres:18.1-alpine"
K3S, TOOLS = "rancher/k3s:v1.34.3-k3s1", "ghcr.io/k3d-io/k3d-tools:5.8.3"
PAUSE, COREDNS = "rancher/mirrored-pause:3.6", "rancher/mirrored-coredns-coredns:1.13.1"
METRICS = "rancher/mirrored-metrics-server:v0.8.0"
KUBE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
NODE_PACKAGES = (
    "ca-certificates,python3-minimal,openssl,containerd,runc,iptables,ipset,conntrack,socat,"
    "containernetworking-plugins,etcd-server,procps,iproute2,kmod,findutils"
)
PYTHON_PACKAGES = "ca-certificates,python3,python3-venv"
SLIM = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/lib/apt/lists")
START_POSTGRES = """#!/bin/sh
set -e
bin=/usr/lib/postgresql/17/bin
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" > /tmp/password
  $bin/initdb -D "$PGDATA" -U postgres --pwfile=/tmp/password --auth-host=scram-sha-256 > /dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
fi
exec $bin/"$@"
"""
WAIT = """package main
import ("os"; "os/signal"; "syscall")
func main() { c := make(chan os.Signal, 1); signal.Notify(c, syscall.SIGTERM, syscall.SIGINT); <-c }
"""


def tree(work: Path, name: str, packages: str) -> Path:
    """A Debian root file system, made once, without its documentation."""
    root = work / name
    if not (root / "etc").is_dir():
        run("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(root), *mirror())
    for path in SLIM:
        shutil.rmtree(root / path, ignore_errors=True)
    for path in root.glob("var/cache/apt/archives/*.deb"):
        path.unlink()
    return root


def mirror() -> list[str]:
    """The Debian mirror of this machine's own apt; none: debootstrap's own default."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian", "Created-By: Packages"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    except OSError:
        return []
    return told[:1]


def link_python(root: Path) -> None:
    """`python3` where the official image has it."""
    for name in ("python3", "python"):
        link = root / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/usr/bin/python3.13")


def imported(root: Path, tag: str, *changes: str, env: Mapping[str, str] | None = None) -> None:
    """`docker import` of a folder."""
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        options = [part for change in changes for part in ("-c", change)]
        command = ["docker", "import", *options, "-", tag]
        subprocess.run(command, stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL, env=env)
    print(tag)


def single(work: Path, tag: str, binary: Path, *changes: str) -> None:
    """An image with one static program."""
    root = work / binary.name
    (root / "tmp").mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary, root / binary.name)
    imported(root, tag, f'ENTRYPOINT ["/{binary.name}"]', *changes)


def run(*args: str, **more: str) -> None:
    subprocess.run(args, check=True, env={**os.environ, **more})


def main() -> None:
    binaries, work = Path(sys.argv[1]), Path(sys.argv[2])
    python = tree(work, "python", PYTHON_PACKAGES)
    link_python(python)
    imported(python, PYTHON, 'CMD ["python3"]')

    postgres = tree(work, "postgres", "postgresql-17")
    start = postgres / "usr/local/bin/docker-entrypoint.sh"
    start.write_text(START_POSTGRES)
    start.chmod(0o755)
    passwd = postgres / "etc/passwd"
    if ":70:70:" not in passwd.read_text():  # the user that Alpine's image has
        passwd.write_text(passwd.read_text() + "pg:x:70:70::/var/lib/postgresql:/bin/sh\n")
    for name in ("psql", "pg_isready"):  # Debian's wrappers look for clusters of their own
        link = postgres / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"/usr/lib/postgresql/17/bin/{name}")
    imported(postgres, POSTGRES, 'ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["postgres"]')

    source = work / "wait.go"
    source.write_text(WAIT)
    run("go", "build", "-o", str(work / "pause"), str(source), CGO_ENABLED="0")
    single(work / "images", PAUSE, work / "pause")
    single(work / "images", TOOLS, work / "pause")
    single(work / "images", COREDNS, binaries / "coredns")
    single(work / "images", METRICS, binaries / "metrics-server")

    node = tree(work, "node", NODE_PACKAGES)
    (node / "usr/bin/sh").unlink(missing_ok=True)
    (node / "usr/bin/sh").symlink_to("bash")  # the entry point of k3d is not for dash
    for name in (*KUBE, "kubectl"):
        shutil.copy2(binaries / name, node / "usr/local/bin" / name)
    shutil.copy2(HERE / "node.py", node / "usr/local/bin/k3s")
    (node / "bin/k3s").unlink(missing_ok=True)
    (node / "bin/k3s").write_text("#!/usr/bin/python3\n" + (HERE / "node.py").read_text())
    (node / "bin/k3s").chmod(0o755)
    (node / "usr/local/bin/k3s").unlink()
    volumes = '["/var/lib/kubelet", "/var/lib/rancher/k3s", "/var/lib/cni", "/var/log"]'
    environment = "ENV KUBECONFIG=/etc/rancher/k3s/k3s.yaml CONTAINERD_NAMESPACE=k8s.io"
    imported(node, K3S, 'ENTRYPOINT ["/bin/k3s"]', 'CMD ["agent"]', f"VOLUME {volumes}", environment)


if __name__ == "__main__":
    main()
