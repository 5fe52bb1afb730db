"""Each check on machines of all kinds, and what a participant sends to the facilitator."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_ports

from labdriver.preflight import Report, inspect, readiness
from labdriver.preflight.checks import clock, context, docker, limits, lines, platform, ports, proxy, tools
from labdriver.preflight.found import Found, Machine
from labdriver.settings import Settings
from labdriver.stack.command import Ran

INFO: dict[str, Any] = {"ServerVersion": "28.2.2", "NCPU": 8, "MemTotal": 8 * 2**30}
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
# what clients of different ages print when there is no daemon, recorded
NO_DAEMON = {
    "20.10": Ran(0, out=json.dumps({"ServerErrors": [DOWN], "ClientInfo": {"Context": "default"}})),
    "28.2": Ran(1, out=json.dumps({"ID": "", "ServerVersion": "", "NCPU": 0}), err=DOWN),
}


def machine(tmp_path: Path, **changed: Any) -> Machine:
    given: dict[str, Any] = {
        "root": tmp_path,
        "settings": Settings(ports=free_ports()),
        "system": "linux",
        "arch": "x86_64",
        "ours": frozenset(),
        "docker": Ran(0, out=json.dumps(INFO)),
        "run": answers({}),
    }
    return Machine(**{**given, **changed})


def answers(known: dict[str, Ran]) -> Callable[..., Ran]:
    """A `run` that knows some commands by how they begin."""

    def run(*args: str, timeout_s: float) -> Ran:
        line = " ".join(args)
        return next((ran for start, ran in known.items() if line.startswith(start)), Ran(0))

    return run


def named(found: list[Found], what: str) -> Found:
    return next(one for one in found if one.what == what)


@pytest.mark.parametrize("age", NO_DAEMON)
@pytest.mark.parametrize(("system", "line"), [("darwin", "open -a Docker"), ("linux", "sudo systemctl start docker")])
def test_docker_not_running(tmp_path: Path, age: str, system: str, line: str) -> None:
    """Source: Docker is not running. The client is there and proves nothing; a line to paste for each system."""
    (found,) = docker.look(machine(tmp_path, docker=NO_DAEMON[age]))
    assert not found.ok
    assert "Cannot connect to the Docker daemon" in found.told
    assert found.fix.on(system) == line
    assert "k3d" in found.needed_by
    assert "local" not in found.needed_by


def test_docker_not_installed(tmp_path: Path) -> None:
    """Told apart from a daemon that does not run."""
    (found,) = docker.look(machine(tmp_path, docker=Ran(None, err="docker is not installed")))
    assert found.fix.on("darwin") == "brew install --cask docker"
    assert "apt-get install" in found.fix.on("linux")


def test_docker_socket_denied(tmp_path: Path) -> None:
    """On Linux a user outside the group."""
    ran = Ran(1, err="permission denied while trying to connect to the Docker daemon socket")
    (found,) = docker.look(machine(tmp_path, docker=ran))
    assert "usermod -aG docker" in found.fix.on("linux")


@pytest.mark.parametrize(
    ("cpus", "memory_gb", "lacking"),
    [(8, 8.0, set()), (4, 5.8, set()), (2, 8.0, {"Docker CPUs"}), (4, 1.9, {"Docker memory"})],
)
def test_too_little_given_to_docker(tmp_path: Path, cpus: int, memory_gb: float, lacking: set[str]) -> None:
    """Source: fewer than 4 CPUs or 6 GB. Docker Desktop set to 6 GB reports 5.8, which is fine."""
    info = INFO | {"NCPU": cpus, "MemTotal": int(memory_gb * 2**30)}
    found = docker.look(machine(tmp_path, docker=Ran(0, out=json.dumps(info))))
    assert {one.what for one in found if not one.ok and one.what in ("Docker CPUs", "Docker memory")} == lacking


def test_a_container_is_really_started(tmp_path: Path) -> None:
    """From an image of the kit, without network and without pulling; one that does not start is told."""
    asked: list[str] = []

    def run(*args: str, timeout_s: float) -> Ran:
        asked.append(" ".join(args))
        if args[:3] == ("docker", "image", "ls"):
            return Ran(0, out="python:3\nbreakwater/labsvc-base:1f\n")
        return Ran(125, err="docker: exec format error") if args[1] == "run" else Ran(0)

    found = named(docker.look(machine(tmp_path, run=run)), "container")
    assert not found.ok
    assert "breakwater/labsvc-base:1f does not run: docker: exec format error" in found.told
    (started,) = [line for line in asked if line.startswith("docker run")]
    assert "--pull never" in started
    assert "--network none" in started


def test_no_image_to_try_is_no_failure(tmp_path: Path) -> None:
    """Before the pre-work there is none."""
    found = named(docker.look(machine(tmp_path)), "container")
    assert found.needed_by == frozenset()


@pytest.mark.parametrize(("time", "ok"), [("2020-01-01T00:00:00.123456789Z", False), ("", None)])
def test_docker_clock_that_slept(tmp_path: Path, time: str, ok: bool | None) -> None:
    """A virtual machine that was asleep is behind; without a time nothing is said."""
    found = docker.look(machine(tmp_path, docker=Ran(0, out=json.dumps(INFO | {"SystemTime": time}))))
    assert [one.ok for one in found if one.what == "Docker clock"] == ([] if ok is None else [ok])


def test_old_and_missing_tools_are_told_with_what_was_expected(tmp_path: Path) -> None:
    """A version that is too old is as good as none."""
    known = {"k3d": Ran(0, out="k3d version v4.4.8\nk3s version v1.21\n"), "git": Ran(None, err="git is not installed")}
    found = tools.look(machine(tmp_path, run=answers(known)))
    assert named(found, "k3d").told == "4.4.8, expected 5.6 or newer"
    assert named(found, "k3d").fix.on("darwin") == "brew install k3d"
    assert not named(found, "git").ok
    assert named(found, "git").needed_by == frozenset()


def test_taken_port_is_named_with_its_owner_and_the_variable(tmp_path: Path) -> None:
    """Source: a participant's port is already in use. Ours does not count."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = free_ports() | {"worker": port}
        found = named(ports.look(machine(tmp_path, settings=Settings(ports=wanted))), f"port {port}")
        ours = ports.look(machine(tmp_path, settings=Settings(ports=wanted), ours=frozenset({port})))
    assert not found.ok
    assert "pid" in found.told
    assert found.fix.on("linux").startswith("export LAB_WORKER_PORT=")
    assert named(ours, f"port {port}").ok


@pytest.mark.parametrize(
    ("arch", "given", "ok"),
    [
        ("arm64", "", True),
        ("arm64", "linux/amd64", False),
        ("x86_64", "linux/amd64", True),
        ("aarch64", "linux/arm64", True),
    ],
)
def test_platform_variable_that_does_not_fit(tmp_path: Path, arch: str, given: str, ok: bool) -> None:
    """It makes every image an emulated one, silently."""
    settings = Settings(ports={}, outside={"DOCKER_DEFAULT_PLATFORM": given} if given else {})
    found = named(platform.look(machine(tmp_path, arch=arch, settings=settings)), "DOCKER_DEFAULT_PLATFORM")
    assert found.ok is ok
    assert ok or found.fix.on("darwin") == "unset DOCKER_DEFAULT_PLATFORM"


def test_proxy_that_swallows_the_loopback_address(tmp_path: Path) -> None:
    """Fine for fetching, deadly when 127.0.0.1 goes through it."""
    through = Settings(ports={}, outside={"HTTPS_PROXY": "http://proxy:3128"})
    spared = Settings(ports={}, outside={"https_proxy": "http://proxy:3128", "no_proxy": "localhost,127.0.0.1"})
    assert not proxy.look(machine(tmp_path, settings=through))[0].ok
    assert proxy.look(machine(tmp_path, settings=spared))[0].ok


def test_inotify_limits_are_a_matter_of_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too low: the line that raises them. A Mac's Docker has a kernel of its own."""
    (tmp_path / "max_user_instances").write_text("64\n")
    (tmp_path / "max_user_watches").write_text("1048576\n")
    monkeypatch.setattr(limits, "FOLDER", tmp_path)
    low, high = limits.look(machine(tmp_path))
    assert (low.ok, high.ok) == (False, True)
    assert low.fix.on("linux") == "sudo sysctl -w fs.inotify.max_user_instances=256"
    assert limits.look(machine(tmp_path, system="darwin")) == []


def test_crlf_checkout_is_noticed(tmp_path: Path) -> None:
    """Markers, manifests and the Makefile break; edits survive the line that mends it."""
    (tmp_path / "Makefile").write_bytes(b"up:\r\n\techo\r\n")
    (found,) = lines.look(machine(tmp_path))
    assert not found.ok
    assert "CRLF in Makefile" in found.told
    assert "reset" not in found.fix.on("darwin")
    assert "checkout" not in found.fix.on("darwin")


def test_clock_before_the_checkout_is_wrong(tmp_path: Path) -> None:
    """Without network that much is certain."""
    import os

    (tmp_path / "README.md").write_text("")
    assert clock.look(machine(tmp_path))[0].ok
    os.utime(tmp_path / "README.md", (4_000_000_000, 4_000_000_000))
    assert not clock.look(machine(tmp_path))[0].ok


def test_named_cluster_is_wanted_by_kube_only(tmp_path: Path) -> None:
    """Contexts are there, none was named: a failure for RUNTIME=kube and for nothing else."""
    path = tmp_path / "kubeconfig"
    path.write_text("contexts: [{name: mine}]\n")
    outside = {"KUBECONFIG": str(path)}
    (found,) = context.look(machine(tmp_path, settings=Settings(ports={}, outside=outside)))
    assert not found.ok
    assert found.needed_by == {"kube"}
    assert context.look(machine(tmp_path, settings=Settings(ports={}, outside=outside, kube_context="mine")))[0].ok


def test_slow_check_does_not_hold_up_the_others(checkout_like: Path) -> None:
    """At the limit what is known is told, and what is not known is named."""
    release = threading.Event()

    def run(*args: str, timeout_s: float) -> Ran:
        if args[0] == "k3d":
            release.wait(120)
        return Ran(None, err=f"{args[0]} is not installed")

    report = inspect(checkout_like, Settings(ports=free_ports()), ours=frozenset(), run=run, limit_s=4)
    release.set()
    late = next(one for one in report.found if one.what == "tools")
    assert "no answer" in late.told
    assert any(one.what == "Python" and one.ok for one in report.found)


def test_no_program_runs_on_after_the_limit(checkout_like: Path) -> None:
    """A Docker that hangs: the command could not end before the last program that it started."""
    given_s: list[float] = []

    def run(*args: str, timeout_s: float) -> Ran:
        if args[:2] == ("docker", "info"):
            return Ran(0, out=json.dumps(INFO))
        given_s.append(timeout_s)
        return Ran(None, err=f"{args[0]} gave no answer in {timeout_s:g} s")

    inspect(checkout_like, Settings(ports=free_ports()), ours=frozenset(), run=run, limit_s=2.0)
    assert given_s
    assert max(given_s) < 2.0


def test_machine_without_docker_is_ready_for_local(checkout_like: Path) -> None:
    """What only k3d needs keeps nobody from the local runtime."""
    report = inspect(
        checkout_like,
        Settings(ports=free_ports()),
        ours=frozenset(),
        run=lambda *args, timeout_s: (
            Ran(0, "9.9") if args[0] == "make" else Ran(None, err=f"{args[0]} is not installed")
        ),
    )
    assert report.works == ("local",)
    assert report.missing("local") == ()
    assert {"Docker", "k3d"} <= {one.what for one in report.missing("k3d")}


def only_make(*args: str, timeout_s: float) -> Ran:
    """A machine with make and nothing else."""
    return Ran(0, "GNU Make 4.3") if args[0] == "make" else Ran(None, err=f"{args[0]} is not installed")


def test_readiness_code_says_what_works_and_what_is_missing() -> None:
    """Readable without tools; a typing mistake is noticed."""
    report = Report((Found("Docker", "down", ok=False, needed_by=frozenset({"k3d"})),), 1.0)
    code = readiness.code(report, system="darwin", arch="arm64")
    assert code.startswith("local/")
    assert "/macos-arm64/no-Docker/" in code
    assert readiness.intact(code)
    assert not readiness.intact(code.replace("arm64", "arm46"))
    assert readiness.code(Report((), 1.0), system="linux", arch="x86_64").startswith("k3d+local/")


@pytest.fixture
def checkout_like(tmp_path: Path) -> Path:
    """As much of a checkout as the checks look at."""
    import shutil

    root = Path(__file__).resolve().parents[3]
    shutil.copytree(root / "k8s", tmp_path / "k8s")
    (tmp_path / "services" / "labsvc").mkdir(parents=True)
    for name in ("Dockerfile", "requirements.txt"):
        shutil.copyfile(root / "services" / name, tmp_path / "services" / name)
    return tmp_path
