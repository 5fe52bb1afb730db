"""A k3d cluster of this checkout: made from k8s/k3d.yaml and the bundle, started, mended, made anew, removed.

    absent, half-made, made from another configuration ──▶ made anew
    stopped, crashed                                   ──▶ started; made anew when that does not help
    somebody else's                                    ──▶ refused

Believes nothing but what k3d lists and what the API answers. Never pulls an image: what is missing is said.
"""

import shutil
import time
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

import yaml

from labdriver.errors import EnvironmentFault
from labdriver.settings import DEFAULT_PORTS, Settings
from labdriver.stack import manifests
from labdriver.stack.command import Ran, run
from labdriver.stack.kube import bundle, cluster, containers, k3d_config, supply
from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import Known
from labdriver.stack.kube.containers import Seen
from labdriver.stack.kube.image import Image
from labdriver.stack.kube.k3d_config import Config, fingerprint
from labdriver.stack.local.ports import HOST, listen_for
from labdriver.stack.manifests import Role
from labdriver.stack.runtime import Say

ASK_S, CREATE_S, START_S, STOP_S = 10.0, 180.0, 90.0, 60.0
ANSWER_S = 15.0  # a running node whose API says nothing for so long has crashed
QUICK_S = 3.0  # for one answer of an API that may be hanging
POLL_S = 0.2


class K3dCluster:
    """The k3d cluster of the checkout `root`."""

    name = "k3d"
    pull = "Never"
    no_image = "make prefetch RUNTIME=k3d, then make down up RUNTIME=k3d"

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
        config = self._config(known)
        if known and known.fingerprint == fingerprint(config) and self._answers(within_s=1.0):
            return []
        self._need_tools()
        seen = containers.look(self.title)
        if seen and seen.servers and seen.owner != str(self._root):
            raise EnvironmentFault(
                f"the k3d cluster {self.title} belongs to {seen.owner or 'somebody else'}, not to this checkout",
                next_step=f"make down there, or k3d cluster delete {self.title}",
            )
        lines = self._mended(seen, config, known, say)
        self._remember(config)
        return lines

    def extras(self) -> list[Path]:
        return sorted((self._root / "k8s" / "k3d").glob("*.yaml"))

    def fit(self, wanted: list[Object], api: Api) -> list[Object]:
        return wanted

    def serves(self, name: str, wanted: Image) -> bool:
        return name == wanted.app

    def publish(self, wanted: Image, say: Say) -> str:
        supply.into_node(self._root, self._settings, self.title, wanted, say=say)
        return wanted.app

    def deployed(self, api: Api) -> None:
        """The addresses are the ports of the configuration, known since the cluster was made."""

    def remove(self, say: Say) -> list[str]:
        lines = []
        docker = run("docker", "version", "--format", "{{.Server.Version}}", timeout_s=ASK_S)
        if not docker.ok and self.folder.exists():
            raise EnvironmentFault(
                f"Docker does not work ({docker.last_words}): the cluster cannot be removed", next_step="start Docker"
            )
        seen = containers.look(self.title) if docker.ok else None
        if seen and seen.owner in (str(self._root), ""):  # "": so half-made that it bears no label; the name is ours
            say(f"removing the cluster {self.title}")
            self._delete(seen)
            lines.append(f"the cluster {self.title}, its network and its volumes are gone")
        if self.folder.exists():
            if seen is None:
                containers.clear(self.title)  # an interrupted `down` may have left them
            shutil.rmtree(self.folder)
            lines.append(f"{self.folder.relative_to(self._root)} is gone; the bundle stays")
        return lines

    # From what was found to a cluster that answers

    def _mended(self, seen: Seen | None, config: Config, known: Known | None, say: Say) -> list[str]:
        if seen is None:
            self._create(config, say)
            return [f"the cluster {self.title} was made"]
        if not seen.servers:
            return self._made_anew(seen, config, known, "was left half-made", say)
        if seen.fingerprint != fingerprint(config):
            return self._made_anew(seen, config, known, "was made from another configuration", say)
        if seen.running and self._answers(within_s=ANSWER_S):
            return ["the cluster's credentials were read again"]
        if seen.running:
            say(f"the cluster runs but its API has not answered for {ANSWER_S:g} s: starting it again")
            containers.kill(seen.ids)
        else:
            say("the cluster is stopped: starting it")
        self._check_ports(config)
        started = self._k3d("cluster", "start", self.title, "--wait", f"--timeout={START_S:g}s", timeout_s=START_S + 5)
        if started.ok and self._answers(within_s=START_S):
            return ["the cluster was started again"]
        return self._made_anew(seen, config, known, f"does not come back ({started.last_words})", say)

    def _made_anew(self, seen: Seen, config: Config, known: Known | None, why: str, say: Say) -> list[str]:
        """Delete and create; first of all what could keep it from being created."""
        held = {int(url.rsplit(":", 1)[1]) for url in known.urls.values()} if known else set()
        if seen.running:
            self._check_ports(config, but=held)
        supply.refuse_incomplete(self._root, self._settings)
        say(f"the cluster {why}: making it anew")
        self._delete(seen)
        self._create(config, say)
        return [f"the cluster {why}: it was made anew"]

    def _create(self, config: Config, say: Say) -> None:
        self._check_ports(config)
        supply.refuse_incomplete(self._root, self._settings)
        for name in (config["image"], supply.helper(self._root)):
            supply.into_docker(self._root, self._settings, name)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        rendered = self.folder / "k3d.yaml"
        rendered.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        say(f"making the cluster {self.title}")
        ran = self._k3d("cluster", "create", self.title, "--config", str(rendered), timeout_s=CREATE_S)
        if not ran.ok:
            containers.clear(self.title)
            raise EnvironmentFault(
                f"k3d did not make the cluster: {supply.reason(ran)}", next_step="make preflight RUNTIME=k3d"
            )
        if not self._answers(within_s=START_S):
            raise EnvironmentFault(
                f"the new cluster's API did not answer in {START_S:g} s",
                next_step=f"docker logs {containers.node(self.title)}",
            )

    def _delete(self, seen: Seen) -> None:
        containers.kill(seen.ids)
        ran = self._k3d("cluster", "delete", self.title, timeout_s=STOP_S)
        if containers.look(self.title) is not None:
            raise EnvironmentFault(
                f"k3d did not delete the cluster: {supply.reason(ran)}", next_step=f"k3d cluster delete {self.title}"
            )
        containers.clear(self.title)
        (self.folder / cluster.STATE).unlink(missing_ok=True)
        self._kubeconfig.unlink(missing_ok=True)

    def _answers(self, *, within_s: float) -> bool:
        """True as soon as the API answers to our own credentials and the node is ready."""
        until_s = time.monotonic() + within_s
        while True:
            try:
                if not self._kubeconfig.exists():
                    self._fetch_kubeconfig()
                nodes = Api(self._kubeconfig, self._context, call_s=QUICK_S).list("Node")["items"]
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

    def _remember(self, config: Config) -> None:
        ports = k3d_config.ports(config, self._roles)
        urls = {role: f"http://{HOST}:{port}" for role, port in ports.items()}
        uid = cluster.identity(Api(self._kubeconfig, self._context))
        known = Known(self._context, str(self._kubeconfig), uid, urls, fingerprint(config))
        cluster.remember(self.folder, known)

    # Before a cluster is made or started

    @cached_property
    def _roles(self) -> Mapping[str, Role]:
        return manifests.read(self._root / "k8s" / "base").roles

    def _ports(self, known: Known | None) -> dict[str, int]:
        """Ports asked for; the default ports ask for nothing where others are in force."""
        asked = dict(self._settings.ports)
        if known and asked == DEFAULT_PORTS:
            return {role: int(url.rsplit(":", 1)[1]) for role, url in known.urls.items()}
        return asked

    def _config(self, known: Known | None) -> Config:
        images = bundle.folder(self._root, self._settings).resolve() / "cluster"
        return k3d_config.config(self._root, self.title, self._ports(known), roles=self._roles, images=images)

    def _check_ports(self, config: Config, *, but: Collection[int] = ()) -> None:
        """Raises EnvironmentFault naming a port that is taken, its owner, and how to move it."""
        for role, port in k3d_config.ports(config, self._roles).items():
            if port not in but:
                listen_for(role, port).close()

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

    def _k3d(self, *args: str, timeout_s: float) -> Ran:
        return run("k3d", *args, timeout_s=timeout_s, more_env={"K3D_IMAGE_TOOLS": supply.helper(self._root)})


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
