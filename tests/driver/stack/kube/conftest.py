"""A checkout, a fake API server, fake docker and k3d on the PATH, and roles that answer at their public ports."""

import gzip
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.driver.stack.kube.fake_api import FakeApi
from tests.driver.stack.kube.fake_tools import Tools
from tests.ports import free_ports

from labdriver.settings import Settings
from labdriver.stack.kube import bundle
from labdriver.stack.kube.bundle import File
from labdriver.stack.kube.k3d import K3dCluster
from labdriver.stack.kube.named import NamedCluster
from labdriver.stack.kube.runtime import KubeRuntime

REPO = Path(__file__).resolve().parents[4]
CONTEXT = "CONTEXT"
BROKEN = "import nothing_there"
READY_S = 120.0
PATIENT_S = 60.0  # for what answers at once, unless nobody gets a turn


@dataclass
class Roles:
    """What answers at the public addresses: `/readyz` as the pods in the fake cluster would."""

    api: FakeApi
    ports: dict[str, int]
    deleted: list[str] = field(default_factory=list)  # DELETE requests, as "role /path"
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)

    def open(self) -> None:
        for role, port in self.ports.items():
            self.serve(role, port)

    def serve(self, role: str, port: int) -> int:
        roles = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

            def log_message(self, *_args: object) -> None: ...

            def do_GET(self) -> None:
                page = json.dumps(roles.page(role)).encode()
                self.send_response(200 if roles.page(role)["ready"] else 503)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def do_DELETE(self) -> None:
                roles.deleted.append(f"{role} {self.path}")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self._servers.append(server)
        return int(server.server_address[1])

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def page(self, role: str) -> dict[str, Any]:
        deployment = self.api.get("Deployment", role)
        ready = bool(deployment) and deployment["status"]["availableReplicas"] > 0 and not self.api.silent
        return {"ready": ready, "role": role, "missing": [], "labs": self._labs(deployment) if deployment else {}}

    def _labs(self, deployment: dict[str, Any]) -> dict[str, Any]:
        volumes = deployment["spec"]["template"]["spec"].get("volumes", [])
        name = next((v["configMap"]["name"] for v in volumes if v["name"] == "labs"), None)
        data = self.api.get("ConfigMap", name)["data"] if name else {}
        labs: dict[str, Any] = {}
        for lab in sorted({key.partition(".")[0] for key in data}):
            edit = next(text for key, text in data.items() if key.startswith(f"{lab}.edit"))
            code = hashlib.sha256((data[f"{lab}.service.py"] + edit).encode()).hexdigest()[:12]
            error = f"labs/{lab}/edit.py:1: ModuleNotFoundError: nothing_there" if BROKEN in edit else None
            labs[lab] = {"code": code, "error": error}
        return labs


@dataclass
class World:
    """Everything that a cluster runtime meets."""

    root: Path
    settings: Settings
    api: FakeApi
    tools: Tools
    roles: Roles
    said: list[str] = field(default_factory=list)

    def k3d(self, **changed: Any) -> KubeRuntime:
        settings = Settings(**{**vars(self.settings), **changed})
        return KubeRuntime(self.root, settings, K3dCluster(self.root, settings))

    def kube(self, **changed: Any) -> KubeRuntime:
        settings = Settings(**{**vars(self.settings), "kube_context": "theirs", **changed})
        return KubeRuntime(self.root, settings, NamedCluster(self.root, settings))

    def say(self, line: str) -> None:
        self.said.append(line)

    def edit(self, text: str) -> None:
        """Add a line to the edit file of the timeouts lab."""
        path = self.root / "labs" / "timeouts" / "edit.py"
        path.write_text(f"{path.read_text()}{text}\n")

    @property
    def title(self) -> str:
        return K3dCluster(self.root, self.settings).title

    def fill_bundle(self) -> None:
        """A complete bundle, as prefetch would have left it."""
        path = bundle.folder(self.root, self.settings)
        files = {}
        for item in bundle.wanted(self.root):
            (path / item.name).parent.mkdir(parents=True, exist_ok=True)
            (path / item.name).write_bytes(gzip.compress(item.image.encode()))
            size_bytes = (path / item.name).stat().st_size
            files[item.name] = File(item.name, item.image, size_bytes, bundle.sha256(path / item.name))
        bundle.write(path, files, arch="amd64")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a cluster runtime reads of a checkout, with a small stand-in for the services' source."""
    root = tmp_path / "checkout"
    shutil.copytree(REPO / "k8s", root / "k8s")
    shutil.copytree(REPO / "labs" / "timeouts", root / "labs" / "timeouts")
    source = root / "services" / "labsvc"
    source.mkdir(parents=True)
    (source / "cli.py").write_text("print('a service')\n")
    for name in ("Dockerfile", "requirements.txt"):
        shutil.copyfile(REPO / "services" / name, root / "services" / name)
    return root


@pytest.fixture
def world(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Docker works, the bundle is complete, no cluster exists yet."""
    for limit in (
        "choose.PROBE_S",
        "kube.pages.ASK_S",
        "kube.k3d.QUICK_S",
        "kube.runtime.QUICK_S",
        "kube.api.CONNECT_S",
    ):
        monkeypatch.setattr(f"labdriver.stack.{limit}", PATIENT_S)
    api = FakeApi().start()
    ports = free_ports()
    roles = Roles(api, ports)
    api.open_node_port = lambda name: roles.serve(name, 0)
    tools = Tools(kubeconfig=api.kubeconfig(CONTEXT), on_create=roles.open, on_start=roles.open, on_stop=roles.close)
    tools.start(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    kubeconfig = tmp_path / "their-kubeconfig"
    kubeconfig.write_text(api.kubeconfig("theirs"))
    settings = Settings(ports=ports, ready_timeout_s=READY_S, outside={"KUBECONFIG": str(kubeconfig)})
    made = World(checkout, settings, api, tools, roles)
    made.fill_bundle()
    yield made
    roles.close()
    tools.stop()
    api.stop()
    assert tools.unexpected == []
