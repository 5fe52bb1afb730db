"""What pods, deployments and autoscalers say, read from answers recorded of a real API server."""

from typing import Any

import pytest
from tests.driver.stack.kube.conftest import World
from tests.driver.stack.kube.fake_api import recorded

from labdriver.stack.kube import observe
from labdriver.stack.kube.api import Api

STACK = ("api", "depsim", "generator", "postgres", "worker")


def problems(pods: str, deployments: str) -> list[str]:
    return observe.problems(recorded(deployments)["items"], recorded(pods)["items"], STACK)


def test_healthy_stack_has_no_problems() -> None:
    """Every rollout complete, every pod ready."""
    assert problems("pods", "deployments") == []
    replicas = [observe.replica(pod, {"api": "http://a"}) for pod in recorded("pods")["items"]]
    assert {one.role for one in replicas} == set(STACK)
    assert all(one.ready and not one.why for one in replicas)
    assert {one.url for one in replicas if one.role == "api"} == {"http://a"}


def test_troubled_stack_names_pod_and_reason() -> None:
    """No image, no room, a program that ends at once: each in a few words."""
    told = "\n".join(problems("pods_in_trouble", "deployments_in_trouble"))
    assert "ErrImageNeverPull: Container image" in told
    assert "not scheduled: 0/1 nodes are available: 1 Insufficient cpu" in told
    assert "CrashLoopBackOff: back-off" in told
    assert "api-" not in told


def test_missing_deployment_is_a_problem() -> None:
    """An empty namespace is not a ready one."""
    assert observe.problems([], [], ["api"]) == ["api: no deployment"]


def test_old_replicas_keep_a_rollout_incomplete() -> None:
    """The newest version and nothing else: a run must not measure two versions at once."""
    deployment = recorded("deployments")["items"][0]
    assert observe.complete(deployment)
    deployment["status"]["replicas"] += 1
    assert not observe.complete(deployment)


def test_change_that_no_controller_has_seen_yet_is_incomplete() -> None:
    """Right after an apply the status is still that of the version before."""
    deployment = recorded("deployments")["items"][0]
    deployment["metadata"]["generation"] += 1
    assert not observe.complete(deployment)


def test_pod_of_a_version_that_was_mended_is_not_hopeless() -> None:
    """Its Deployment has another template by now; the pod only waits to be replaced."""
    pods, deployments = recorded("pods_in_trouble")["items"], recorded("deployments_in_trouble")["items"]
    assert [line.partition("-")[0] for line in observe.hopeless(deployments, pods)] == ["generator", "worker"]
    for one in deployments:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "breakwater/labsvc:mended"
    assert observe.hopeless(deployments, pods) == []


def test_pods_on_their_way_out_do_not_count() -> None:
    """A pod that is being deleted or was evicted serves nobody and is no problem. One that ended well: Succeeded."""
    pods = recorded("pods")["items"]
    pods[0]["metadata"]["deletionTimestamp"] = "2026-11-21T03:40:00Z"
    pods[1]["status"]["phase"], pods[2]["status"]["phase"] = "Failed", "Succeeded"
    assert observe.living(pods) == sorted(pods[3:], key=lambda pod: pod["metadata"]["name"])


def test_pods_with_one_reason_are_told_together() -> None:
    """Four pods without an image are one line, not four."""
    lines = ["api-1: no image", "worker-1: no image", "depsim-1: no room"]
    assert observe.grouped(lines) == "api-1, worker-1: no image; depsim-1: no room"


def test_autoscaler_and_pod_metrics_are_read(world: World) -> None:
    """Wanted and present replicas, conditions that are not as they should be, cores in use and asked for."""
    world.k3d().up(world.say)
    for one in recorded("autoscalers")["items"]:
        world.api.put({**one, "kind": "HorizontalPodAutoscaler"})
    seen = world.k3d().observe()
    assert [(one.role, one.low, one.high) for one in seen.autoscalers] == [("api", 1, 4)]
    assert all("=" in condition for condition in seen.autoscalers[0].conditions)
    assert seen.cpu_cores is not None
    assert all(0 < used < 1 for used in seen.cpu_cores.values())
    asked = {name.partition("-")[0]: cores for name, cores in seen.cpu_request_cores.items()}
    assert asked["api"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("quantity", "expected"), [("12345678n", 0.0123), ("250u", 0.00025), ("35m", 0.035), ("2", 2.0)]
)
def test_metrics_quantities(quantity: str, expected: float) -> None:
    """The metrics API counts in billionths of a core."""
    assert observe._cores(quantity) == pytest.approx(expected, rel=0.01)


def test_wrong_token_is_told_with_the_context(world: World, tmp_path: Any) -> None:
    """What the API says, and in which cluster."""
    path = tmp_path / "kubeconfig"
    path.write_text(world.api.kubeconfig("theirs").replace("a-token", "wrong"))
    with pytest.raises(observe.ApiFault, match="in theirs: 401 Unauthorized") as fault:
        Api(path, "theirs").list("Node")
    assert fault.value.next_step == f"KUBECONFIG={path} kubectl --context theirs auth can-i --list"


def test_proxy_is_never_asked_for_a_cluster_on_this_machine(
    world: World, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of a venue, set in the shell and without exceptions."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    path = tmp_path / "kubeconfig"
    path.write_text(world.api.kubeconfig("theirs"))
    assert Api(path, "theirs").list("Node")["items"]
