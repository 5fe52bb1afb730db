"""The manifests: valid on the current and three earlier minors, hardened, pinned, and one with what the driver says."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from labdriver.stack.kube import bundle
from labdriver.stack.kube.api import GROUPS

ROOT = Path(__file__).resolve().parents[2]
MINORS = ("1.37", "1.36", "1.35", "1.34")
FILES = sorted([*ROOT.glob("k8s/base/*.yaml"), *ROOT.glob("k8s/k3d/*.yaml")])
DOCUMENTS = [(path, one) for path in FILES for one in yaml.safe_load_all(path.read_bytes())]
PODS = [
    (one["metadata"]["name"], one["spec"]["template"]["spec"]) for _, one in DOCUMENTS if one["kind"] == "Deployment"
]

Object = dict[str, Any]


def of_kind(kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for _, one in DOCUMENTS if one["kind"] == kind}


@pytest.mark.parametrize("minor", MINORS)
def test_every_manifest_is_valid(minor: str) -> None:
    """Strictly: a field that the API does not know is a mistake, not a comment."""
    for path, one in DOCUMENTS:
        try:
            kubernetes_validate.validate(one, minor, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{path.name}: {one['kind']} {one['metadata']['name']} on {minor}: {error}")


EXERCISE = "estimator"  # step 4 ships it without a CPU request; participants add it


def test_the_driver_knows_every_kind() -> None:
    """Including the version that it asks for."""
    for path, one in DOCUMENTS:
        assert GROUPS[one["kind"]].split("/", 1)[1] == one["apiVersion"], path


@pytest.mark.parametrize(("name", "pod"), PODS, ids=[name for name, _ in PODS])
def test_pods_run_with_as_little_as_they_need(name: str, pod: Object) -> None:
    """Non-root, read-only root, no capability, no privilege to gain, the runtime's seccomp profile."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in pod["containers"]:
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    if name != "metrics-server":  # it asks the API itself
        assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("name", "pod"), PODS, ids=[name for name, _ in PODS])
def test_pods_say_when_they_are_ready_and_what_they_need(name: str, pod: Object) -> None:
    """Probes and resources everywhere; memory has a limit, CPU a request, but where asking for it is the exercise."""
    for one in pod["containers"]:
        assert "readinessProbe" in one
        needed = {"memory"} if name == EXERCISE else {"cpu", "memory"}
        assert needed <= one["resources"]["requests"].keys(), name
        assert "memory" in one["resources"]["limits"]


def test_images_are_pinned() -> None:
    """An exact tag or a digest, never `latest`, never only a minor."""
    items = [item.image for item in bundle.wanted(ROOT)]
    named = [one["image"] for _, pod in PODS for one in pod["containers"]]
    for image in {*items, *named} - {"breakwater/labsvc:dev"}:
        tag = image.rpartition(":")[2]
        assert re.search(r"\d+\.\d+|^[0-9a-f]{12}$", tag), image


def test_the_bundle_holds_every_image_that_a_manifest_names() -> None:
    """`up` never pulls."""
    held = {item.image for item in bundle.wanted(ROOT)}
    named = {one["image"] for _, pod in PODS for one in pod["containers"]} - {"breakwater/labsvc:dev"}
    assert named <= held


def admitted(policy: Object) -> set[str]:
    """Names of the pods that a policy lets in."""
    peers = [peer for rule in policy["spec"]["ingress"] for peer in rule.get("from", [])]
    selectors = [peer["podSelector"] for peer in peers if "podSelector" in peer]
    return {name for one in selectors for expression in one["matchExpressions"] for name in expression["values"]}


def test_only_those_who_need_them_reach_the_database_and_depsim() -> None:
    """Everything is closed by default. depsim also admits what is no pod: the driver, through its NodePort."""
    policies = of_kind("NetworkPolicy")
    closed = [one for one in policies.values() if one["spec"]["podSelector"] == {} and "ingress" not in one["spec"]]
    assert len(closed) == 1
    with_database = {name for name, pod in PODS if "LAB_DATABASE_URL" in str(pod)}
    assert admitted(policies["postgres"]) == with_database
    assert admitted(policies["depsim"]) == {"api", "worker"}
    blocks = [peer["ipBlock"] for peer in policies["depsim"]["spec"]["ingress"][0]["from"] if "ipBlock" in peer]
    assert blocks == [{"cidr": "0.0.0.0/0", "except": ["10.42.0.0/16"]}]


def way_in(role: str, caller: str) -> set[str]:
    """Policies that let one role's pod into another's port."""
    ways = set()
    for name, policy in of_kind("NetworkPolicy").items():
        selector = policy["spec"]["podSelector"]
        about = {value for one in selector.get("matchExpressions", []) for value in one["values"]}
        if role not in about | set(selector.get("matchLabels", {}).values()):
            continue
        if any("from" not in rule or caller in admitted(policy) for rule in policy["spec"].get("ingress", [])):
            ways.add(name)
    return ways


def test_the_generator_reaches_whom_it_calls_and_nobody_else() -> None:
    """The business sends orders to the api and claims to the worker, and is kept in the database."""
    settings = of_kind("ConfigMap")["labsvc"]["data"]
    assert settings["LAB_API_URL"] == f"http://api:{port_of('api')}"
    assert settings["LAB_WORKER_URL"] == f"http://worker:{port_of('worker')}"
    assert {role: way_in(role, "generator") for role, _ in PODS if role != "metrics-server"} == {
        "api": {"public"},
        "worker": {"public"},
        "generator": {"public"},
        "postgres": {"postgres"},
        "depsim": set(),
        "estimator": set(),
    }


def port_of(role: str) -> int:
    port: int = of_kind("Service")[role]["spec"]["ports"][0]["port"]
    return port


def test_budgets_never_keep_a_node_from_being_drained() -> None:
    """A budget that wants the only replica to stay would block somebody's cluster."""
    for one in of_kind("PodDisruptionBudget").values():
        assert one["spec"]["maxUnavailable"] == 1
        assert one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == one["metadata"]["name"]


def test_the_secret_holds_no_password() -> None:
    """Only the word that `up` replaces."""
    for value in of_kind("Secret")["postgres"]["stringData"].values():
        assert "generated" in value


def test_labels_are_the_standard_ones() -> None:
    """So that `kubectl get all -l app.kubernetes.io/part-of=breakwater` shows the stack; a pod bears its role."""
    for path in ROOT.glob("k8s/base/*.yaml"):
        for one in yaml.safe_load_all(path.read_bytes()):
            assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "breakwater", path
            if one["kind"] == "Deployment":
                labels = one["spec"]["template"]["metadata"]["labels"]
                assert labels["app.kubernetes.io/component"] == one["metadata"]["name"] == path.stem


def test_cluster_is_small_closed_and_leaves_the_users_kubeconfig_alone() -> None:
    """One server, no load balancer, ports on 127.0.0.1 only, each leading to its role's NodePort."""
    config = yaml.safe_load((ROOT / "k8s" / "k3d.yaml").read_bytes())
    assert (config["servers"], config["agents"]) == (1, 0)
    assert config["options"]["k3d"]["disableLoadbalancer"] is True
    assert config["options"]["kubeconfig"] == {"updateDefaultKubeconfig": False, "switchCurrentContext": False}
    services = of_kind("Service")
    ports = {s["spec"]["ports"][0]["port"]: s["spec"]["ports"][0].get("nodePort") for s in services.values()}
    for one in config["ports"]:
        host, outside, inside = one["port"].split(":")
        assert host == "127.0.0.1"
        assert ports[int(outside)] == int(inside)
    arguments = " ".join(one["arg"] for one in config["options"]["k3s"]["extraArgs"])
    assert "traefik" in arguments
    assert "horizontal-pod-autoscaler-sync-period=5s" in arguments


def test_metrics_server_gives_up_on_a_node_before_it_looks_again() -> None:
    """It refuses to start otherwise; seen on a real cluster."""
    arguments = dict(PODS)["metrics-server"]["containers"][0]["args"]
    seconds = {
        key: int(value[:-1]) for key, _, value in (one[2:].partition("=") for one in arguments) if value[-1:] == "s"
    }
    assert seconds["kubelet-request-timeout"] < seconds["metric-resolution"]
