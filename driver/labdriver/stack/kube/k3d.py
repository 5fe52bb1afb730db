"""A k3d cluster of this checkout: made from k8s/k3d.yaml and the bundle, started, mended, made anew, removed.

    absent, half-made, made from another configuration ──▶ made anew
    stopped, crashed                                   ──▶ started; made anew when that does not help
    somebody else's                                    ──▶ refused

Believes nothing but what k3d lists and what the API answers. Never pulls an image: what is missing is said.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labdriver.errors import EnvironmentFault
from labdriver.settings import DEFAULT_PORTS, Settings
from labdriver.stack import manifests
from labdriver.stack.command import Ran, run
from labdriver.stack.kube import bundle, cluster, image
from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import Known
from labdriver.stack.kube.image import Image
from labdriver.stack.local.ports import HOST, listen_for
from labdriver.stack.runtime import Say

OWNER_LABEL, CONFIG_LABEL = "breakwater.checkout", "breakwater.config"
IMPORTED_AT_START = "/var/lib/rancher/k3s/agent/images"
HELPER = "k3d-tools"
ASK_S, CREATE_S, START_S, STOP_S, IMPORT_S = 10.0, 180.0, 90.0, 60.0, 120.0
ANSWER_S = 15.0  # a running node whose API says nothing for so long has crashed
POLL_S = 0.2


@dataclass(frozen=True)
class Seen:
    """The cluster as k3d lists it."""

    servers: int
    running: int
    owner: str
    fingerprint: str


class K3dCluster:
    """The k3d cluster of the checkout `root`."""

    name = "k3d"
    pull = "Never"

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root = root.resolve()
        self._settings = settings
        self.folder = self._root / ".lab" / "k3d"
        self.title = f"breakwater-{cluster.checkout(self._root)}"
        self._context = f"k3d-{self.title}"
        self._kubeconfig = self.folder / "kubeconfig.yaml"

    # What the runtime asks for

    def ensure(self, say: Say) -> list[str]:
        known = cluster.recall(self.folder)
        config = self._config(self._ports(known))
        if known and known.fingerprint == _fingerprint(config) and self._answers(within_s=1.0):
            return []
        self._need_tools()
        seen = self._seen()
        if seen and seen.owner != str(self._root):
            raise EnvironmentFault(
                f"the k3d cluster {self.title} belongs to {seen.owner or 'somebody else'}, not to this checkout",
                next_step=f"make down there, or k3d cluster delete {self.title}",
            )
        lines = self._mended(seen, config, say)
        self._remember(config)
        return lines

    def extras(self) -> list[Path]:
        return sorted((self._root / "k8s" / "k3d").glob("*.yaml"))

    def fit(self, wanted: list[Object], api: Api) -> list[Object]:
        return wanted

    def publish(self, wanted: Image, say: Say) -> str:
        if not self._has(wanted.app):
            if not image.in_docker(wanted.app):
                self._load_base(wanted)
                image.build(self._root, wanted, self._settings, say)
            say("handing the image to the cluster")
            ran = self._k3d("image", "import", wanted.app, "-c", self.title, "-m", "direct", timeout_s=IMPORT_S)
            if not ran.ok or not self._has(wanted.app):  # k3d ends with 0 when an import failed
                raise EnvironmentFault(f"the image was not imported: {ran.last_words}", next_step="make down up")
            image.remove_older(wanted)
        return wanted.app

    def deployed(self, api: Api) -> None:
        """The addresses are the ports of the configuration, known since the cluster was made."""

    def remove(self, say: Say) -> list[str]:
        lines = []
        seen = self._seen() if self.folder.exists() or run("k3d", "version", timeout_s=ASK_S).ok else None
        if seen and seen.owner in (str(self._root), ""):  # "": so half-made that it bears no label; the name is ours
            say(f"removing the cluster {self.title}")
            self._delete()
            lines.append(f"the cluster {self.title}, its network and its volumes are gone")
        if self.folder.exists():
            shutil.rmtree(self.folder)
            lines.append(f"{self.folder.relative_to(self._root)} is gone; the bundle stays")
        return lines

    # From what was found to a cluster that answers

    def _mended(self, seen: Seen | None, config: Mapping[str, Any], say: Say) -> list[str]:
        if seen is None:
            self._create(config, say)
            return [f"the cluster {self.title} was made"]
        if not seen.servers or seen.fingerprint != _fingerprint(config):
            why = "was left half-made" if not seen.servers else "was made from another configuration"
            say(f"the cluster {why}: making it anew")
            self._delete()
            self._create(config, say)
            return [f"the cluster {why} and was made anew"]
        if seen.running and self._answers(within_s=ANSWER_S):
            return ["the cluster's credentials were read again"]
        if seen.running:
            say(f"the cluster runs but its API has not answered for {ANSWER_S:g} s: starting it again")
            self._k3d("cluster", "stop", self.title, timeout_s=STOP_S)
        else:
            say("the cluster is stopped: starting it")
        self._check_ports(config)
        started = self._k3d("cluster", "start", self.title, "--wait", f"--timeout={START_S:g}s", timeout_s=START_S + 5)
        if started.ok and self._answers(within_s=START_S):
            return ["the cluster was started again"]
        say(f"it does not come back ({started.last_words}): making it anew")
        self._delete()
        self._create(config, say)
        return ["the cluster did not come back and was made anew"]

    def _create(self, config: Mapping[str, Any], say: Say) -> None:
        self._check_ports(config)
        self._check_bundle()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        rendered = self.folder / "k3d.yaml"
        rendered.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
        self._load(config["image"])
        self._load(self._helper())
        say(f"making the cluster {self.title}")
        ran = self._k3d("cluster", "create", self.title, "--config", str(rendered), timeout_s=CREATE_S)
        if not ran.ok:
            self._delete()
            raise EnvironmentFault(
                f"k3d did not make the cluster: {_reason(ran)}", next_step="make preflight RUNTIME=k3d"
            )
        if not self._answers(within_s=START_S):
            raise EnvironmentFault(
                f"the new cluster's API did not answer in {START_S:g} s", next_step=f"docker logs {self._node()}"
            )

    def _delete(self) -> None:
        ran = self._k3d("cluster", "delete", self.title, timeout_s=STOP_S)
        if not ran.ok and self._seen() is not None:
            raise EnvironmentFault(
                f"k3d did not delete the cluster: {_reason(ran)}", next_step=f"k3d cluster delete {self.title}"
            )
        (self.folder / cluster.STATE).unlink(missing_ok=True)
        self._kubeconfig.unlink(missing_ok=True)

    def _answers(self, *, within_s: float) -> bool:
        """True as soon as the API answers to our own credentials and the node is ready."""
        until_s = time.monotonic() + within_s
        while True:
            try:
                if not self._kubeconfig.exists():
                    self._fetch_kubeconfig()
                nodes = Api(self._kubeconfig, self._context).list("Node")["items"]
                if nodes and all(_is_ready(node) for node in nodes):
                    return True
            except EnvironmentFault:
                if within_s > 1:  # it may have been made anew since the file was written
                    self._kubeconfig.unlink(missing_ok=True)
            if time.monotonic() > until_s:
                return False
            time.sleep(POLL_S)

    def _fetch_kubeconfig(self) -> None:
        ran = self._k3d("kubeconfig", "get", self.title, timeout_s=ASK_S)
        if not ran.ok:
            raise EnvironmentFault(f"k3d gave no kubeconfig: {ran.last_words}", next_step="make up")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._kubeconfig.touch(mode=0o600)
        self._kubeconfig.write_text(ran.out, encoding="utf-8")

    def _remember(self, config: Mapping[str, Any]) -> None:
        ports = self._ports_of(config)
        urls = {role: f"http://{HOST}:{port}" for role, port in ports.items()}
        uid = cluster.identity(Api(self._kubeconfig, self._context))
        known = Known(self._context, str(self._kubeconfig), uid, urls, _fingerprint(config))
        cluster.remember(self.folder, known)

    # Configuration

    def _ports(self, known: Known | None) -> dict[str, int]:
        """Ports asked for; the default ports ask for nothing where others are in force."""
        asked = dict(self._settings.ports)
        if known and asked == DEFAULT_PORTS:
            return {role: int(url.rsplit(":", 1)[1]) for role, url in known.urls.items()}
        return asked

    def _config(self, ports: Mapping[str, int]) -> dict[str, Any]:
        """k8s/k3d.yaml with this checkout's name, ports, bundle and label of ownership."""
        config: dict[str, Any] = yaml.safe_load((self._root / "k8s" / "k3d.yaml").read_bytes())
        roles = manifests.read(self._root / "k8s" / "base").roles
        server = ["server:0"]
        config["metadata"] = {"name": self.title}
        config["ports"] = [
            {"port": f"{HOST}:{port}:{roles[role].node_port}", "nodeFilters": ["server:0:direct"]}
            for role, port in ports.items()
        ]
        images = bundle.folder(self._root, self._settings).resolve() / "cluster"
        config["volumes"] = [{"volume": f"{images}:{IMPORTED_AT_START}", "nodeFilters": server}]
        labels = {OWNER_LABEL: str(self._root), CONFIG_LABEL: _fingerprint(config)}
        runtime = config.setdefault("options", {}).setdefault("runtime", {})
        runtime["labels"] = [{"label": f"{key}={value}", "nodeFilters": server} for key, value in labels.items()]
        return config

    def _ports_of(self, config: Mapping[str, Any]) -> dict[str, int]:
        roles = {str(r.node_port): role for role, r in manifests.read(self._root / "k8s" / "base").roles.items()}
        return {roles[one["port"].split(":")[2]]: int(one["port"].split(":")[1]) for one in config["ports"]}

    def _check_ports(self, config: Mapping[str, Any]) -> None:
        for role, port in self._ports_of(config).items():
            listen_for(role, port).close()

    def _check_bundle(self) -> None:
        path = bundle.folder(self._root, self._settings)
        missing = bundle.missing(path, bundle.wanted(self._root))
        if missing:
            raise EnvironmentFault(
                f"up never pulls, and {path} lacks {len(missing)} images: {', '.join(missing)}",
                next_step="make prefetch RUNTIME=k3d on a good network, make prefetch BUNDLE=<folder>,"
                " or make up RUNTIME=local, which needs none",
            )

    # Images

    def _helper(self) -> str:
        return next(item.image for item in bundle.wanted(self._root) if HELPER in item.image)

    def _load(self, name: str) -> None:
        """Give Docker an image of the bundle that it does not have."""
        if image.in_docker(name):
            return
        item = next(item for item in bundle.wanted(self._root) if item.image == name)
        image.load(bundle.folder(self._root, self._settings) / item.name)

    def _load_base(self, wanted: Image) -> None:
        path = bundle.folder(self._root, self._settings)
        held = bundle.read(path).get("docker/labsvc-base.tar.gz")
        if held and held.image == wanted.base and not image.in_docker(wanted.base):
            image.load(path / held.name)

    def _has(self, name: str) -> bool:
        """True when the node has the image: asked of its container runtime, the API tells it minutes late."""
        ran = run(
            *("docker", "exec", self._node(), "ctr", "-n", "k8s.io", "images", "ls", "-q", f"name==docker.io/{name}"),
            timeout_s=ASK_S,
        )
        return ran.ok and name in ran.out

    # k3d itself

    def _need_tools(self) -> None:
        docker = run("docker", "version", "--format", "{{.Server.Version}}", timeout_s=ASK_S)
        if not docker.ok:
            raise EnvironmentFault(
                f"Docker does not work: {docker.last_words}", next_step="make preflight, or make up RUNTIME=local"
            )
        k3d = run("k3d", "version", timeout_s=ASK_S)
        if not k3d.ok:
            raise EnvironmentFault(
                f"k3d does not work: {k3d.last_words}", next_step="make preflight, or make up RUNTIME=local"
            )

    def _seen(self) -> Seen | None:
        ran = self._k3d("cluster", "list", "--output", "json", timeout_s=ASK_S)
        if not ran.ok:
            raise EnvironmentFault(f"k3d cannot list clusters: {ran.last_words}", next_step="make preflight")
        try:
            listed = next((c for c in json.loads(ran.out or "[]") if c["name"] == self.title), None)
        except (ValueError, KeyError, TypeError) as error:
            raise EnvironmentFault(
                f"k3d answered with no list of clusters: {error}", next_step="k3d version"
            ) from error
        if listed is None:
            return None
        servers = [node for node in listed.get("nodes") or [] if node.get("role") == "server"]
        labels: dict[str, str] = {}
        for node in servers:
            labels |= node.get("runtimeLabels") or {}
        running = sum(bool((node.get("State") or {}).get("Running")) for node in servers)
        return Seen(len(servers), running, labels.get(OWNER_LABEL, ""), labels.get(CONFIG_LABEL, ""))

    def _k3d(self, *args: str, timeout_s: float) -> Ran:
        return run("k3d", *args, timeout_s=timeout_s, more_env={"K3D_IMAGE_TOOLS": self._helper()})

    def _node(self) -> str:
        return f"k3d-{self.title}-server-0"


def _fingerprint(config: Mapping[str, Any]) -> str:
    """Checksum of a configuration, its own label left out."""
    plain = {key: value for key, value in config.items() if key != "options"}
    options = {key: value for key, value in config.get("options", {}).items() if key != "runtime"}
    return hashlib.sha256(json.dumps([plain, options], sort_keys=True).encode()).hexdigest()[:12]


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _reason(ran: Ran) -> str:
    """k3d's last line only says that it rolled back; the first error says why."""
    lines = [line for line in (ran.err + ran.out).splitlines() if "ERRO" in line or "FATA" in line]
    return lines[0].strip() if lines else ran.last_words
