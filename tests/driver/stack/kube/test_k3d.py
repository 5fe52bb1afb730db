"""A k3d cluster from nothing to gone: made, left alone, mended, refused, removed. Edge cases of the source by name."""

import socket
from pathlib import Path

import pytest
from tests.driver.stack.kube.conftest import World
from tests.ports import free_ports

from labdriver.errors import EnvironmentFault
from labdriver.stack.kube import bundle, cluster

SILENT_S = 0.2


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that does not answer is given up sooner than for real."""
    monkeypatch.setattr("labdriver.stack.kube.k3d.ANSWER_S", SILENT_S)
    monkeypatch.setattr("labdriver.stack.kube.k3d.START_S", SILENT_S)


def test_up_from_nothing_makes_the_cluster_and_the_stack(world: World) -> None:
    """One `k3d cluster create`, every object applied, every port answering; the image came with the bundle."""
    change = world.k3d().up(world.say)
    assert change.changed
    assert f"the cluster {world.title} was made" in change.lines
    assert world.k3d().status().ready
    assert world.tools.called("docker", "build") == []
    assert world.k3d().url("api") == f"http://127.0.0.1:{world.settings.ports['api']}"


def test_up_twice_changes_nothing(world: World) -> None:
    """Source: `make up` run twice. The second neither makes, builds nor imports, and says so."""
    world.k3d().up(world.say)
    calls = len(world.tools.calls)
    change = world.k3d().up(world.say)
    assert not change.changed
    assert change.lines == ()
    assert world.tools.calls[calls:] == []


def test_docker_not_running_is_told_with_the_way_out(world: World) -> None:
    """Source: Docker Desktop is not running."""
    world.tools.daemon = False
    with pytest.raises(EnvironmentFault, match="Docker does not work: Cannot connect to the Docker daemon") as fault:
        world.k3d().up(world.say)
    assert "make up RUNTIME=local" in fault.value.next_step
    assert world.tools.called("k3d", "cluster") == []


def test_port_in_use_is_named_before_anything_is_made(world: World) -> None:
    """Source: port 8080 is already in use. Number, owner, and how to move it."""
    port = world.settings.ports["api"]
    with socket.create_server(("127.0.0.1", port)), pytest.raises(EnvironmentFault) as fault:
        world.k3d().up(world.say)
    assert f"port {port} for api is taken by" in fault.value.message
    assert "LAB_API_PORT=" in fault.value.next_step
    assert world.tools.called("k3d", "cluster", "create") == []


def test_no_prework_lists_what_is_missing_and_pulls_nothing(world: World) -> None:
    """Source: a participant skips the pre-work. `up` never pulls; it says what is missing and what works instead."""
    path = bundle.folder(world.root, world.settings)
    next(path.glob("cluster/postgres*")).unlink()
    with pytest.raises(EnvironmentFault, match=r"lacks 1 images: postgres:18\.1-alpine") as fault:
        world.k3d().up(world.say)
    assert "make prefetch" in fault.value.next_step
    assert "RUNTIME=local" in fault.value.next_step
    assert world.tools.called("docker", "pull") == []


def test_stopped_cluster_is_started(world: World) -> None:
    """After sleep or a restart of Docker: started, not made anew."""
    world.k3d().up(world.say)
    world.tools.clusters[world.title].running = False
    world.api.silent = True
    world.roles.close()

    def wake() -> None:
        world.api.silent = False
        world.roles.open()

    world.tools.on_start = wake
    change = world.k3d().up(world.say)
    assert "the cluster was started again" in change.lines
    assert len(world.tools.called("k3d", "cluster", "create")) == 1


@pytest.mark.usefixtures("quick")
def test_cluster_crash_in_mid_lab_is_mended(world: World) -> None:
    """Source: the cluster crashes mid-lab. It runs but answers nobody: ended, started again."""
    world.k3d().up(world.say)
    world.api.silent = True
    status = world.k3d().status()
    assert status.up
    assert not status.ready
    assert "503" in status.problems[0]

    def wake() -> None:
        world.api.silent = False
        world.roles.open()

    world.tools.on_start = wake
    change = world.k3d().up(world.say)
    assert "the cluster was started again" in change.lines
    assert world.tools.called("docker", "kill") != []
    assert world.k3d().status().ready


@pytest.mark.usefixtures("quick")
def test_cluster_that_does_not_come_back_is_made_anew(world: World) -> None:
    """A start that fails costs a new cluster, not the workshop."""
    world.k3d().up(world.say)
    world.tools.clusters[world.title].running = False
    world.api.silent = True
    world.roles.close()
    world.tools.start_fails = True

    def anew() -> None:
        world.api.silent = False
        world.roles.open()

    world.tools.on_create = anew
    change = world.k3d().up(world.say)
    assert any("does not come back" in line and "made anew" in line for line in change.lines)
    assert world.tools.called("k3d", "cluster", "delete") != []
    assert world.k3d().status().ready


@pytest.mark.usefixtures("quick")
def test_half_made_cluster_is_made_anew(world: World) -> None:
    """An interrupted `up` leaves k3d's helper without a server."""
    world.k3d().up(world.say)
    world.tools.clusters[world.title].has_server = False
    world.tools.clusters[world.title].running = False
    world.api.silent = True
    world.roles.close()

    def anew() -> None:
        world.api.silent = False
        world.roles.open()

    world.tools.on_create = anew
    change = world.k3d().up(world.say)
    assert any("was left half-made" in line for line in change.lines)


def test_moved_ports_make_the_cluster_anew_and_are_used_everywhere(world: World) -> None:
    """Ports belong to the containers; an address printed afterwards has the new one."""
    world.k3d().up(world.say)
    world.roles.ports = moved = free_ports()
    change = world.k3d(ports=moved).up(world.say)
    assert any("another configuration" in line for line in change.lines)
    assert world.k3d(ports=moved).url("depsim") == f"http://127.0.0.1:{moved['depsim']}"
    assert len(world.tools.clusters) == 1


def test_stale_cluster_stays_when_it_could_not_be_made_anew(world: World) -> None:
    """Nothing is deleted before it is known that it can be made again."""
    world.k3d().up(world.say)
    shutil_target = next(bundle.folder(world.root, world.settings).glob("docker/rancher*"))
    shutil_target.unlink()
    with pytest.raises(EnvironmentFault, match="lacks 1 images"):
        world.k3d(ports=free_ports()).up(world.say)
    assert world.title in world.tools.clusters
    assert world.tools.called("k3d", "cluster", "delete") == []


def test_foreign_cluster_is_refused_and_left_alone(world: World) -> None:
    """A cluster of our name that another checkout made is neither used nor removed."""
    world.k3d().up(world.say)
    world.tools.clusters[world.title].labels["breakwater.checkout"] = "/home/bob/breakwater"
    cluster.recall(world.root / ".lab" / "k3d")
    (world.root / ".lab" / "k3d" / cluster.STATE).unlink()
    with pytest.raises(EnvironmentFault, match="belongs to /home/bob/breakwater"):
        world.k3d().up(world.say)
    world.k3d().down(world.say)
    assert world.title in world.tools.clusters


def test_down_removes_what_it_made_and_nothing_else(world: World) -> None:
    """Cluster and state go; the bundle, the images and the reports stay."""
    world.k3d().up(world.say)
    report = world.root / "reports" / "index.html"
    report.parent.mkdir()
    report.write_text("mine")
    images = set(world.tools.images)
    change = world.k3d().down(world.say)
    assert change.changed
    assert world.tools.clusters == {}
    assert not (world.root / ".lab" / "k3d").exists()
    assert bundle.missing(bundle.folder(world.root, world.settings), bundle.wanted(world.root)) == []
    assert world.tools.images == images
    assert report.read_text() == "mine"
    assert not world.k3d().down(world.say).changed


def test_down_that_was_interrupted_is_brought_to_its_end(world: World) -> None:
    """The containers are gone already; network and volume are not, and k3d would never come back for them."""
    world.k3d().up(world.say)
    world.tools.clusters.clear()
    world.tools.calls.clear()
    world.k3d().down(world.say)
    assert world.tools.called("docker", "network", "rm", f"k3d-{world.title}") != []
    assert world.tools.called("docker", "volume", "rm", f"k3d-{world.title}-images") != []


def test_failed_creation_tells_the_first_error_of_k3d(world: World) -> None:
    """k3d's last line only says that it rolled back."""
    world.tools.create_fails = "failed to get the network: address pools are exhausted"
    with pytest.raises(EnvironmentFault, match="address pools are exhausted"):
        world.k3d().up(world.say)


def test_own_kubeconfig_is_used_and_its_default_context_is_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call names its context: the kubeconfig's current one leads to another server, which is never asked."""
    monkeypatch.setenv("HOME", str(world.root / "home"))
    world.k3d().up(world.say)
    kubeconfig = world.root / ".lab" / "k3d" / "kubeconfig.yaml"
    assert kubeconfig.stat().st_mode & 0o077 == 0
    assert "production" in kubeconfig.read_text()
    assert not Path(world.root / "home" / ".kube").exists()
    assert world.api.called("PATCH", "deployments/api") != []
