"""`dev` does the least that brings a change into service, and never lets broken code stay there."""

import threading
import time
from types import SimpleNamespace

import pytest
from tests.driver.stack.kube.conftest import BROKEN, World
from tests.driver.stack.kube.fake_api import recorded, troubled

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.stack.checksum import lab_code


@pytest.fixture
def up(world: World) -> World:
    """A stack that is up, with what was asked so far forgotten."""
    world.k3d().up(world.say)
    world.tools.calls.clear()
    world.api.requests.clear()
    return world


def changed(world: World) -> set[str]:
    return {line.removesuffix(" was changed").removesuffix(" was made") for line in world.k3d().dev(world.say).lines}


def test_nothing_edited_changes_nothing(up: World) -> None:
    """Objects are compared, no pod is replaced, no tool is started."""
    change = up.k3d().dev(up.say)
    assert not change.changed
    assert up.tools.calls == []


def test_lab_edit_is_a_new_config_map_and_one_rollout(up: World) -> None:
    """No image is built for an edit of a lab, and only the role that serves it rolls out."""
    old = set(up.api.objects)
    up.edit("# edited")
    touched = changed(up)
    assert len(touched) == 2
    assert "Deployment api" in touched
    assert any(one.startswith("ConfigMap labs-api-") for one in touched)
    assert up.tools.calls == []
    maps = [key[2] for key in up.api.objects if key[0] == "ConfigMap" and key[2].startswith("labs-api-")]
    assert len(maps) == 1
    assert ("ConfigMap", "breakwater", maps[0]) not in old
    folder = up.root / "labs" / "timeouts"
    assert up.k3d().served_code() == {"timeouts": lab_code(folder, "edit.py")}


def test_source_edit_builds_on_the_base_imports_and_rolls_out(up: World) -> None:
    """The base comes from the bundle: no network. Images of earlier edits are taken away."""
    up.tools.images.add("breakwater/labsvc:0ld")
    (up.root / "services" / "labsvc" / "cli.py").write_text("print('edited')\n")
    roles = {key[2] for key in up.api.objects if key[0] == "Deployment" and key[1] == "breakwater"} - {"postgres"}
    assert {f"Deployment {role}" for role in roles} == changed(up)
    builds = up.tools.called("docker", "build")
    assert len(builds) == 1
    assert any(word.startswith("BASE=breakwater/labsvc-base:") for word in builds[0])
    assert len(up.tools.called("k3d", "image", "import")) == 1
    assert "breakwater/labsvc:0ld" not in up.tools.images


def test_manifest_edit_applies_that_manifest_only(up: World) -> None:
    """A limit changed in k8s/base/worker.yaml is one object and one rollout."""
    path = up.root / "k8s" / "base" / "worker.yaml"
    path.write_text(path.read_text().replace("limits: {memory: 512Mi}", "limits: {memory: 600Mi}"))
    assert changed(up) == {"Deployment worker"}


def test_old_image_after_a_checkout_is_noticed_and_replaced(up: World) -> None:
    """Source: a solution branch is checked out but the cluster has the old image. No lab counts as served then."""
    assert up.k3d().served_code() != {}
    (up.root / "services" / "labsvc" / "cli.py").write_text("print('of the branch')\n")
    assert up.k3d().served_code() == {}
    up.k3d().dev(up.say)
    assert up.k3d().served_code() != {}


def test_syntax_error_touches_nothing(up: World) -> None:
    """File and line; the cluster is not even asked."""
    up.edit("def (")
    with pytest.raises(Misuse, match=r"labs/timeouts/edit\.py:\d+: SyntaxError"):
        up.k3d().dev(up.say)
    assert up.api.called("PATCH", "") == []


def test_edit_that_does_not_load_is_put_back(up: World) -> None:
    """It parses, so it rolls out; the pods say that it does not load; the older code comes back."""
    before = up.k3d().served_code()
    up.edit(BROKEN)
    with pytest.raises(Misuse, match="ModuleNotFoundError: nothing_there; the older code is back in service"):
        up.k3d().dev(up.say)
    assert up.k3d().served_code() == before


def test_image_that_was_not_imported_is_told(up: World) -> None:
    """k3d ends with 0 when an import has failed; the node is asked."""
    up.tools.import_fails = True
    (up.root / "services" / "labsvc" / "cli.py").write_text("print('edited')\n")
    with pytest.raises(EnvironmentFault, match=r"the image was not imported: ERRO.* failed to import"):
        up.k3d().dev(up.say)


def test_rollout_that_cannot_succeed_is_told_at_once_with_pod_and_reason(up: World) -> None:
    """A recorded ErrImageNeverPull: no waiting for the deadline, and the next step brings images."""
    up.api.hold["worker"] = troubled("worker")
    path = up.root / "k8s" / "base" / "worker.yaml"
    path.write_text(path.read_text().replace("memory: 512Mi", "memory: 600Mi"))
    with pytest.raises(EnvironmentFault, match=r"worker-\S+: ErrImageNeverPull: Container image") as fault:
        up.k3d().dev(up.say)
    assert "prefetch" in fault.value.next_step


def test_rollout_that_hangs_shows_events_and_names_the_pod_at_the_deadline(
    up: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorded pod without room: its warning event is shown while waiting, and told at the end."""
    up.api.hold["depsim"] = troubled("depsim")
    told = {"type": "Warning", "reason": "FailedScheduling", "message": "0/1 nodes are available: 1 Insufficient cpu."}
    event = {"kind": "Event", "metadata": {"name": "e1", "namespace": "breakwater"}, **told}
    clock = SimpleNamespace(now_s=0.0, monotonic=lambda: clock.now_s, sleep=time.sleep)

    def nothing_changes(_api: object, _now: object, *, timeout_s: float) -> None:
        up.api.put({**event, "involvedObject": {"name": "depsim-1"}})
        clock.now_s += timeout_s

    monkeypatch.setattr("labdriver.stack.kube.rollout.time", clock)
    monkeypatch.setattr("labdriver.stack.kube.rollout._until_change", nothing_changes)
    path = up.root / "k8s" / "base" / "depsim.yaml"
    path.write_text(path.read_text().replace("cpu: 100m", "cpu: 64"))
    with pytest.raises(EnvironmentFault, match=r"not ready after 120 s: depsim-\S+: not scheduled: 0/1 nodes"):
        up.k3d().dev(up.say)
    assert any("FailedScheduling: 0/1 nodes are available" in line for line in up.said)


def test_wait_ready_against_an_unready_stack_names_the_part(up: World) -> None:
    """Source: the driver is run against a cluster that is not fully ready."""
    up.api.hold["generator"] = troubled("generator")
    deployment = up.api.get("Deployment", "generator")
    assert deployment is not None
    up.api.roll(deployment)
    status = up.k3d().status()
    assert not status.ready
    assert any(problem.startswith("generator-") for problem in status.problems)
    up.api.log = "ModuleNotFoundError: No module named 'wsproto'\n"
    told = r"generator-\S+: CrashLoopBackOff: .*; its last words: ModuleNotFoundError: No module named 'wsproto'"
    with pytest.raises(EnvironmentFault, match=told) as fault:
        up.k3d(ready_timeout_s=1).wait_ready()
    assert "describe pod generator-" in fault.value.next_step
    assert "--context" in fault.value.next_step


@pytest.mark.parametrize("refused", [0, 1])
def test_wait_ready_returns_when_the_part_comes_up(up: World, refused: int) -> None:
    """By watching: the change ends the wait, not a clock. A watch that a busy server turns away is asked for again."""
    up.api.refused_watches = refused
    up.api.hold["generator"] = troubled("depsim")
    deployment = up.api.get("Deployment", "generator")
    assert deployment is not None
    up.api.roll(deployment)

    def release_once_watched() -> None:
        until_s = time.monotonic() + 60
        while len(up.api.called("GET", "deployments?watch=1")) <= refused and time.monotonic() < until_s:
            time.sleep(0.02)
        up.api.release("generator")

    threading.Thread(target=release_once_watched, daemon=True).start()
    assert up.k3d(ready_timeout_s=120).wait_ready().ready
    assert up.api.called("GET", "deployments?watch=1") != []


def test_reset_empties_the_database_and_restarts_no_pod(up: World) -> None:
    """Two statements inside the database's pod, one call to depsim, and every pod is the same as before."""
    before = sorted(key for key in up.api.objects if key[0] == "Pod")
    up.k3d().reset(up.say)
    assert [command[0] for command in up.api.commands] == ["psql", "psql"]
    assert "TRUNCATE" in up.api.commands[1][-1]
    assert up.roles.deleted == ["depsim /admin/script"]
    assert sorted(key for key in up.api.objects if key[0] == "Pod") == before
    assert up.api.called("PATCH", "") == []


def test_reset_that_fails_says_what_the_database_said(up: World) -> None:
    """Its last words and its exit code, not a traceback."""
    up.api.exec_code = 2
    with pytest.raises(EnvironmentFault, match=r"psql in postgres-\S+ ended with 2: psql: the server is shutting down"):
        up.k3d().reset(up.say)


def test_evicted_pods_are_taken_away(up: World) -> None:
    """A record of a full disk; the Deployment of depsim would not make a new pod while it is there."""
    evicted = recorded("pods")["items"][0]
    evicted["kind"], evicted["metadata"]["name"], evicted["status"]["phase"] = "Pod", "depsim-evicted", "Failed"
    up.api.put(evicted)
    assert not up.k3d().dev(up.say).changed
    assert up.api.get("Pod", "depsim-evicted") is None


def test_deleted_objects_come_back_with_up(up: World) -> None:
    """Somebody tried something with kubectl."""
    up.api.forget("Deployment", "breakwater", "worker")
    up.api.forget("Service", "breakwater", "worker")
    assert "worker: no deployment" in up.k3d().status().problems
    change = up.k3d().up(up.say)
    assert "Deployment worker was made" in change.lines
    assert up.k3d().status().ready
