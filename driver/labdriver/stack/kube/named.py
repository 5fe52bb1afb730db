"""A cluster that the participant names: any context of any kubeconfig, never the default one.

It is somebody's cluster: the kit keeps to one namespace of its own, refuses one that it did not make, and notices
when the context leads to another cluster than at `up`. Installs nothing cluster-wide.
"""

import shutil
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.settings import DEFAULT_PORTS, Settings
from labdriver.stack.command import run
from labdriver.stack.kube import cluster, image
from labdriver.stack.kube.api import LOOPBACK, Api, ApiFault, Object
from labdriver.stack.kube.cluster import NAMESPACE, OWNER, Known
from labdriver.stack.kube.image import Image
from labdriver.stack.manifests import IMAGE
from labdriver.stack.runtime import Say

VARIABLE = "LAB_KUBE_CONTEXT"
PUSH_S = 300.0
REACH_S = 1.0
POLL_S = 0.3


class NamedCluster:
    """The cluster of `settings.kube_context`."""

    name = "kube"
    pull = "IfNotPresent"
    no_image = "LAB_REGISTRY=<a registry that the nodes can pull from> make up RUNTIME=kube"

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root = root.resolve()
        self._settings = settings
        self.folder = self._root / ".lab" / "kube"

    def ensure(self, say: Say) -> list[str]:
        """Nothing is made: the cluster is looked at and, if it may be ours to use, written down."""
        known = cluster.recall(self.folder)
        context = self._context(known)
        kubeconfig = _kubeconfig(self._settings)
        api = self._of_up(known) if known else Api(kubeconfig, context)
        self._refuse_foreign_namespace(api)
        self._wait_until_gone(api, leaving=True)
        if known is None:
            cluster.remember(self.folder, Known(context, kubeconfig, cluster.identity(api), {}))
            return [f"the cluster of the context {context} ({api.host}) is used from now on, in one namespace"]
        return []

    def extras(self) -> list[Path]:
        return []

    def fit(self, wanted: list[Object], api: Api) -> list[Object]:
        """NodePorts are the cluster's to give; the policies learn where its pods live."""
        pod_networks = sorted({cidr for node in api.list("Node")["items"] for cidr in _pod_networks(node)})
        for one in wanted:
            if one["kind"] == "Service":
                for port in one["spec"]["ports"]:
                    port.pop("nodePort", None)
            elif one["kind"] == "NetworkPolicy" and pod_networks:
                _spare(one, pod_networks)
        return wanted

    def serves(self, name: str, wanted: Image) -> bool:
        """Without LAB_REGISTRY every repository is right: it was said at `up`, and need not be said again."""
        registry = self._settings.registry
        return name == _pushed(registry, wanted) if registry else image.tag(name) == image.tag(wanted.app)

    def publish(self, wanted: Image, say: Say) -> str:
        """Push to LAB_REGISTRY; without one the nodes are believed to have the image."""
        registry = self._settings.registry
        if not registry:
            return wanted.app
        pushed = _pushed(registry, wanted)
        if not image.in_docker(wanted.app):
            image.build(self._root, wanted, self._settings, say)
        say(f"pushing {pushed}")
        tagged = run("docker", "tag", wanted.app, pushed, timeout_s=PUSH_S)
        ran = run("docker", "push", "--quiet", pushed, timeout_s=PUSH_S) if tagged.ok else tagged
        run("docker", "image", "rm", pushed, timeout_s=PUSH_S)  # the name only: nobody would ever take it away
        image.remove_older(wanted)
        if not ran.ok:
            raise EnvironmentFault(f"{pushed} was not pushed: {ran.last_words}", next_step=f"docker login {registry}")
        return pushed

    def deployed(self, api: Api) -> None:
        """Find out where the NodePorts answer, and write it down."""
        known = cluster.recall(self.folder)
        assert known is not None
        services = api.list("Service", namespace=NAMESPACE)["items"]
        ports = {one["metadata"]["name"]: one["spec"]["ports"][0].get("nodePort") for one in services}
        roles = {role: port for role in DEFAULT_PORTS if (port := ports.get(role))}
        host = self._reachable(api, roles.values())
        urls = {role: f"http://{host}:{port}" for role, port in roles.items()}
        cluster.remember(self.folder, Known(known.context, known.kubeconfig, known.identity, urls))

    def remove(self, say: Say) -> list[str]:
        """Delete the namespace, if it is ours and the cluster is the one of `up`."""
        known = cluster.recall(self.folder)
        if known is None:
            return []
        api = self._of_up(known)
        self._refuse_foreign_namespace(api)
        say(f"removing the namespace {NAMESPACE}")
        was_there = api.delete("Namespace", NAMESPACE)
        self._wait_until_gone(api)
        shutil.rmtree(self.folder)
        return [f"the namespace {NAMESPACE} of {known.context} is gone"] if was_there else []

    def _of_up(self, known: Known) -> Api:
        """The cluster of `up`. Raises EnvironmentFault; one that is gone for good would be in the way for ever."""
        try:
            return cluster.to_change(known, self.folder)
        except ApiFault as fault:
            if fault.status:
                raise
            next_step = f"start that cluster; if it is gone for good: rm -r {self.folder}"
            raise ApiFault(fault.message, status=0, next_step=next_step) from fault

    def _context(self, known: Known | None) -> str:
        """The context to use: named by the participant, or the one of `up`. Raises Misuse when neither is there."""
        asked = self._settings.kube_context
        if known and asked in ("", known.context):
            return known.context
        if known:
            raise Misuse(
                f"{VARIABLE}={asked}, but the stack of this checkout is on {known.context}",
                next_step=f"{VARIABLE}={known.context} make down RUNTIME=kube",
            )
        known_contexts = contexts(self._settings)
        if asked not in known_contexts:
            told = f"{VARIABLE}={asked!r} is no context" if asked else f"{VARIABLE} is not set; no default is ever used"
            raise Misuse(
                f"{told}, expected one of: {', '.join(known_contexts) or '(the kubeconfig has none)'}",
                next_step=f"{VARIABLE}=<name> make up RUNTIME=kube",
            )
        return asked

    def _refuse_foreign_namespace(self, api: Api) -> None:
        found = api.get("Namespace", NAMESPACE)
        if found is None:
            return
        owner = found["metadata"].get("annotations", {}).get(OWNER)
        if owner != str(self._root):
            raise EnvironmentFault(
                f"the namespace {NAMESPACE} of {api.context} is not this checkout's (owner: {owner or 'not known'}); "
                "it is left alone",
                next_step="use another cluster, or make down RUNTIME=kube where it was made",
            )

    def _wait_until_gone(self, api: Api, *, leaving: bool = False) -> None:
        """Until the namespace is no more; with `leaving`, only if it is on its way out. Raises EnvironmentFault."""
        until_s = time.monotonic() + self._settings.ready_timeout_s
        while found := api.get("Namespace", NAMESPACE):
            if leaving and not found["metadata"].get("deletionTimestamp"):
                return
            if time.monotonic() > until_s:
                raise EnvironmentFault(
                    f"the namespace {NAMESPACE} of {api.context} is still being removed",
                    next_step=f"{api.kubectl} get namespace {NAMESPACE} -o yaml",
                )
            time.sleep(POLL_S)

    def _reachable(self, api: Api, ports: Iterable[int]) -> str:
        """The first address that answers on a NodePort. Raises EnvironmentFault naming those that were tried."""
        wanted = list(ports)
        hosts = [self._settings.kube_host] if self._settings.kube_host else _addresses(api)
        for host in hosts:
            if wanted and _answers(host, wanted[0]):
                return host
        raise EnvironmentFault(
            f"no NodePort of {api.context} answers: tried {', '.join(hosts)} on port {wanted[0] if wanted else '?'}",
            next_step="LAB_KUBE_HOST=<an address of a node> make up RUNTIME=kube",
        )


def _pushed(registry: str, wanted: Image) -> str:
    return wanted.app.replace(IMAGE, f"{registry}/{IMAGE.rpartition('/')[2]}")


def _addresses(api: Api) -> list[str]:
    """Where NodePorts may answer: this machine for clusters in containers, then the nodes themselves."""
    server = urlsplit(api.host).hostname or ""
    first = ["127.0.0.1"] if server in LOOPBACK else []
    nodes = [
        address["address"]
        for kind in ("ExternalIP", "InternalIP")
        for node in api.list("Node")["items"]
        for address in node["status"].get("addresses", [])
        if address["type"] == kind
    ]
    return list(dict.fromkeys([*first, *nodes, *([] if server in LOOPBACK else [server])]))


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=REACH_S).close()
    except OSError:
        return False
    return True


def contexts(settings: Settings) -> list[str]:
    """Names of all contexts of the participant's kubeconfig; files that cannot be read name none."""
    names: list[str] = []
    for part in _kubeconfig(settings).split(":"):
        try:
            config = yaml.safe_load(Path(part).expanduser().read_bytes()) or {}
            names += [str(one["name"]) for one in config.get("contexts") or []]
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
            continue
    return sorted(set(names))


def _kubeconfig(settings: Settings) -> str:
    return settings.outside.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def _pod_networks(node: Object) -> list[str]:
    spec = node.get("spec", {})
    return list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))


def _spare(policy: Object, pod_networks: list[str]) -> None:
    """Pods of the cluster stay out, wherever it put them."""
    for rule in policy["spec"].get("ingress", []):
        for peer in rule.get("from", []):
            if "except" in peer.get("ipBlock", {}):
                peer["ipBlock"]["except"] = [cidr for cidr in pod_networks if ":" not in cidr]
