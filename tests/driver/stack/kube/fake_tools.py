"""`docker` and `k3d` on the PATH that do nothing but tell this process, which answers as the real ones did.

    driver ──subprocess──▶ bin/docker, bin/k3d (a few lines) ──socket──▶ Tools.answer ──▶ stdout, stderr, exit code

Arguments are matched one by one: one that the driver never uses for real is an error, not a shrug.
"""

import json
import socketserver
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CLIENT = """#!{python} -SE
import socket, sys, os, json
s = socket.create_connection(("127.0.0.1", {port}))
argv = [os.path.basename(sys.argv[0])] + sys.argv[1:]
told = ("K3D_IMAGE_TOOLS", "DOCKER_BUILDKIT", "BUILDX_NO_DEFAULT_ATTESTATIONS")
env = {{k: v for k, v in os.environ.items() if k in told}}
s.sendall(json.dumps([argv, env]).encode() + b"\\n")
code, out, err = json.loads(s.makefile().readline())
sys.stdout.write(out); sys.stderr.write(err); sys.exit(code)
"""
INFO = {
    "ServerVersion": "28.2.2",
    "NCPU": 8,
    "MemTotal": 16 * 2**30,
    "OSType": "linux",
    "Architecture": "aarch64",
}

Answer = tuple[int, str, str]


class Unexpected(Exception):
    """The driver asked for something that the real tools were never asked for."""


@dataclass
class Cluster:
    """A k3d cluster as Docker has it."""

    labels: dict[str, str]
    config: dict[str, Any]
    running: bool = True
    images: set[str] = field(default_factory=set)  # in its node
    has_server: bool = True


@dataclass
class Tools:
    """The state behind both programs. `calls` holds every argument list."""

    kubeconfig: str  # what `k3d kubeconfig get` prints
    images: set[str] = field(default_factory=set)  # in Docker
    clusters: dict[str, Cluster] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    daemon: bool = True
    network: bool = False  # pulling works
    start_fails: bool = False
    create_fails: str = ""
    import_fails: bool = False
    on_create: Any = None
    on_stop: Any = None
    on_start: Any = None
    pushes: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    _server: Any = None

    def start(self, folder: Path) -> None:
        """Put the two programs into `folder`."""
        tools = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                argv, env = json.loads(self.rfile.readline())
                self.wfile.write(json.dumps(tools.answer(argv, env)).encode() + b"\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("docker", "k3d"):
            program = folder / name
            program.write_text(CLIENT.format(python=sys.executable, port=self._server.server_address[1]))
            program.chmod(0o755)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def called(self, *words: str) -> list[list[str]]:
        """Calls that begin with `words`."""
        return [call for call in self.calls if call[: len(words)] == list(words)]

    def answer(self, argv: list[str], env: dict[str, str]) -> Answer:
        self.calls.append(argv)
        try:
            if argv[0] == "k3d":
                return self._k3d(argv[1:], env)
            return self._docker(argv[1:], env)
        except Unexpected as error:
            self.unexpected.append(f"{' '.join(argv)}: {error}")
            return 97, "", f"unexpected: {error}\n"

    # docker

    def _docker(self, args: list[str], env: dict[str, str]) -> Answer:
        if args[:1] == ["--version"]:
            return 0, "Docker version 28.2.2, build e6534b4\n", ""
        if args == ["buildx", "version"]:
            return 0, "github.com/docker/buildx v0.24.0 d0e5e86\n", ""
        if not self.daemon:
            # recorded: client 28 with no daemon prints its own half on stdout and ends with 1
            out = json.dumps({"ServerErrors": [DOWN]}) + "\n" if args[:1] == ["info"] else ""
            return 1, out, DOWN + "\n"
        match args:
            case ["version", "--format", "{{.Server.Version}}"]:
                return 0, "28.2.2\n", ""
            case ["info", "--format", "{{json .}}"]:
                return 0, json.dumps(INFO) + "\n", ""
            case ["image", "inspect", "--format", "{{.Id}}", name]:
                return (0, "sha256:1\n", "") if name in self.images else (1, "", f"Error: No such image: {name}\n")
            case ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", *only]:
                names = [n for n in self.images if not only or n.rpartition(":")[0] == only[0]]
                return 0, "".join(f"{name}\n" for name in sorted(names)), ""
            case ["image", "rm", *names]:
                self.images -= set(names)
                return 0, "", ""
            case ["pull", "--quiet", name]:
                if not self.network:
                    return 1, "", "Error response from daemon: Get registry: no such host\n"
                self.images.add(name)
                return 0, f"{name}\n", ""
            case ["save", "-o", path, *names] if set(names) <= self.images:
                Path(path).write_bytes(f"{' '.join(names)} ".encode() * 100)
                return 0, "", ""
            case ["load", "-i", path]:
                import gzip

                self.images |= set(gzip.decompress(Path(path).read_bytes()).decode().split(" ")[:1])
                return 0, "", ""
            case ["tag", name, _] if name in self.images:
                return 0, "", ""
            case ["push", "--quiet", name]:
                self.pushes.append(name)
                return 0, "", ""
            case ["build", "--quiet", *rest]:
                return self._build(rest, env)
            case ["run", "--rm", "--pull", "never", "--network", "none", "--read-only", "--entrypoint", *_]:
                return 0, "afloat\n", ""
            case ["ps", "-aq", "--filter", label]:
                cluster = self.clusters.get(label.removeprefix("label=k3d.cluster="))
                return 0, "c0ffee\n" if cluster else "", ""
            case ["inspect", "c0ffee"]:
                return 0, json.dumps([_container(one) for one in self.clusters.values()]), ""
            case ["kill", "c0ffee"]:
                for one in self.clusters.values():
                    one.running = False
                self._tell(self.on_stop)
                return 0, "", ""
            case ["network" | "volume", "rm", _]:
                return 1, "", "Error: not found\n"
            case ["exec", node, "ctr", "-n", "k8s.io", "images", "ls", "-q", query]:
                cluster = self.clusters[node.removeprefix("k3d-").removesuffix("-server-0")]
                name = query.removeprefix("name==docker.io/")
                return 0, f"docker.io/{name}\n" if name in cluster.images else "", ""
        raise Unexpected("no such docker command")

    def _build(self, rest: list[str], env: dict[str, str]) -> Answer:
        if env.get("DOCKER_BUILDKIT") != "1":
            raise Unexpected("a build without buildkit")
        if env.get("BUILDX_NO_DEFAULT_ATTESTATIONS") != "1":
            raise Unexpected("k3d could not import an image with attestations")
        name = rest[rest.index("-t") + 1]
        if "--target" in rest and not self.network:
            return 1, "", "ERROR: could not find a version that satisfies the requirement anyio\n"
        base = next((one.removeprefix("BASE=") for one in rest if one.startswith("BASE=")), None)
        if base is not None and base not in self.images:
            raise Unexpected(f"a build upon {base}, which is not there")
        self.images.add(name)
        return 0, "sha256:2\n", ""

    # k3d

    def _k3d(self, args: list[str], env: dict[str, str]) -> Answer:
        if args == ["version"]:
            return 0, "k3d version v5.8.3\nk3s version v1.31.5-k3s1 (default)\n", ""
        if args[:2] != ["image", "import"] and "k3d-tools:" not in env.get("K3D_IMAGE_TOOLS", ""):
            raise Unexpected("k3d would choose, and pull, a helper image of its own")
        match args:
            case ["cluster", "create", title, "--config", path]:
                return self._create(title, yaml.safe_load(Path(path).read_text()))
            case ["cluster", "start", title, "--wait", _timeout]:
                if self.start_fails or not self.clusters[title].has_server:
                    return 1, "", "\x1b[31mFATA\x1b[0m[0001] Failed to start server\n"
                self.clusters[title].running = True
                self._tell(self.on_start)
                return 0, "", ""
            case ["cluster", "delete", title]:
                self.clusters.pop(title, None)
                self._tell(self.on_stop)
                return 0, "", ""
            case ["kubeconfig", "get", title] if title in self.clusters:
                return 0, self.kubeconfig.replace("CONTEXT", f"k3d-{title}"), ""
            case ["image", "import", name, "-c", title, "-m", "direct"]:
                if name not in self.images:
                    raise Unexpected(f"import of {name}, which Docker does not have")
                if not self.import_fails:
                    self.clusters[title].images.add(name)
                return 0, "", "ERRO[0001] failed to import\n" if self.import_fails else ""
        raise Unexpected("no such k3d command")

    def _create(self, title: str, config: dict[str, Any]) -> Answer:
        for name in (config["image"], "ghcr.io/k3d-io/k3d-tools:5.8.3"):
            if name not in self.images:
                raise Unexpected(f"k3d would pull {name}")
        if config["options"]["kubeconfig"]["updateDefaultKubeconfig"]:
            raise Unexpected("the user's own kubeconfig would be changed")
        if not all(one["port"].startswith("127.0.0.1:") for one in config["ports"]):
            raise Unexpected("a port would be open to the network")
        if self.create_fails:
            return 1, "", f"\x1b[31mERRO\x1b[0m[0001] {self.create_fails}\nFATA[0002] Cluster creation FAILED\n"
        labels = dict(one["label"].split("=", 1) for one in config["options"]["runtime"]["labels"])
        folder = Path(config["volumes"][0]["volume"].split(":")[0])
        bundled = json.loads((folder.parent / "bundle.json").read_text())["files"]
        images = {file["image"] for file in bundled if file["name"].startswith("cluster/")}
        self.clusters[title] = Cluster(labels, config, images=images)
        self._tell(self.on_create)
        return 0, f"export KUBECONFIG=$(k3d kubeconfig write {title})\n", ""

    @staticmethod
    def _tell(who: Any) -> None:
        if who is not None:
            who()


DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def _container(cluster: Cluster) -> dict[str, Any]:
    role = {"k3d.role": "server"} if cluster.has_server else {"k3d.role": "noRole"}
    labels = {**(cluster.labels if cluster.has_server else {}), **role}
    return {"State": {"Running": cluster.running}, "Config": {"Labels": labels}}
