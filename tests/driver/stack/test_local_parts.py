"""Parts of the local runtime that need no stack."""

import json
import os
import resource
import threading
from pathlib import Path

import pytest
from tests.ports import free_ports

from labdriver import settings
from labdriver.errors import EnvironmentFault, Misuse
from labdriver.stack import checksum
from labdriver.stack.choose import choose
from labdriver.stack.local import ports, state
from labdriver.stack.local.postgres import SOCKET_PATH_LIMIT_BYTES, Postgres
from labdriver.stack.local.processes import ending, last_words
from labdriver.stack.local.state import Paths, Running, State

ROOT = Path(__file__).resolve().parents[3]
GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")  # Linux; macOS begins at 49152


def some_state(root: Path) -> State:
    running = Running("api", "api-1", 7, 1.5, 40000, 0, "abc")
    return State(str(root), 1, 1.0, 4000, "secret", {"api": 8080}, "postgresql://x", (running,))


def test_state_survives_the_way_to_disk_and_back(tmp_path: Path) -> None:
    """And nobody else can read the token."""
    path = tmp_path / "stack.json"
    state.write(path, some_state(tmp_path))
    assert state.read(path) == some_state(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 99}', '{"schema_version": 1, "pid": 3}'])
def test_a_state_that_cannot_be_understood_counts_as_none(tmp_path: Path, text: str) -> None:
    """An older or newer kit, or a disk that was full."""
    path = tmp_path / "stack.json"
    path.write_text(text)
    assert state.read(path) is None


def test_a_state_is_taken_when_it_is_gone_or_names_another(tmp_path: Path) -> None:
    """Not when there is no file left to open it with: that must not end a stack in mid-load."""
    path = tmp_path / "stack.json"
    state.write(path, some_state(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        unreadable = state.read(path), state.is_taken(path, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert unreadable == (None, False)
    assert (state.is_taken(path, 1), state.is_taken(path, 2)) == (False, True)
    path.write_text('{"schema_version": 99}')
    assert state.is_taken(path, 1)
    path.unlink()
    assert state.is_taken(path, 1)


def test_only_one_command_changes_the_stack_at_a_time(tmp_path: Path) -> None:
    """The second one is told who holds it."""
    paths = Paths(tmp_path)
    with (
        state.changing(paths, deadline_s=1),
        pytest.raises(EnvironmentFault, match=rf"pid {os.getpid()}"),
        state.changing(paths, deadline_s=0),
    ):
        pass
    with state.changing(paths, deadline_s=0):
        pass


def test_a_second_command_waits_for_the_first(tmp_path: Path) -> None:
    """Two `up` at once come out one after the other."""
    paths, order, held = Paths(tmp_path), [], threading.Event()

    def first() -> None:
        with state.changing(paths, deadline_s=60):
            held.set()
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(60)
    with state.changing(paths, deadline_s=60):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    """A Unix socket's path is limited to about a hundred bytes."""
    short, deep = Postgres(Path("/srv/kit/.lab/postgres")), Postgres(tmp_path / ("deep" * 30))
    assert short.socket_folder == short.folder
    assert len(os.fsencode(deep.socket_folder / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT_BYTES
    assert deep.url != Postgres(tmp_path / ("other" * 30)).url


def test_lab_code_is_the_checksum_that_the_services_tell(tmp_path: Path) -> None:
    """sha256 over service.py and the edit file, twelve digits."""
    (tmp_path / "service.py").write_bytes(b"a")
    (tmp_path / "edit.py").write_bytes(b"bc")
    assert checksum.lab_code(tmp_path, "edit.py") == "ba7816bf8f01"
    with pytest.raises(Misuse, match=r"gone\.py: No such file"):
        checksum.lab_code(tmp_path, "gone.py")


def test_labs_on_disk_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    """Another participant's broken lab does not keep this one from service."""
    for lab, scenario in {"one": "roles: [api]\nedit: edit.py", "two": "roles: ["}.items():
        (tmp_path / lab).mkdir()
        (tmp_path / lab / "scenario.yaml").write_text(scenario)
        (tmp_path / lab / "service.py").write_text("")
        (tmp_path / lab / "edit.py").write_text("")
    assert list(checksum.labs_on_disk(tmp_path)) == ["one"]


def test_services_code_follows_every_file(tmp_path: Path) -> None:
    """Content and names both count, of pages too; what Python and editors put beside them does not."""
    folder = tmp_path / "services" / "labsvc"
    (folder / "static").mkdir(parents=True)
    seen = {checksum.services_code(tmp_path)}
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("static/page.css", "p {}")):
        (folder / name).write_text(text)
        seen.add(checksum.services_code(tmp_path))
    assert len(seen) == 5
    for name in ("a.cpython-311.pyc", ".page.css.swp"):
        (folder / "static" / name).write_text("3")
    assert checksum.services_code(tmp_path) in seen


def test_last_words_shorten_a_json_line(tmp_path: Path) -> None:
    """A traceback's last line stands as it is; a missing log says nothing."""
    path = tmp_path / "api-1.log"
    assert last_words(path) == ""
    path.write_text('{"event": "x"}\nModuleNotFoundError: nope\n')
    assert last_words(path) == "ModuleNotFoundError: nope"
    path.write_text(json.dumps({"event": "lab_load_failed", "lab": "tx", "error": "e.py:1", "at": "now"}))
    assert last_words(path) == "lab_load_failed tx e.py:1"


@pytest.mark.parametrize("printed", ["4711", '"event"', "[1, 2]", "null"])
def test_last_words_of_an_edit_that_prints(tmp_path: Path, printed: str) -> None:
    """A number alone is JSON too, and no line of ours: it stands as it is."""
    path = tmp_path / "api-1.log"
    path.write_text(f"{printed}\n")
    assert last_words(path) == printed


@pytest.mark.parametrize(
    ("code", "told"), [(0, "exit code 0"), (2, "exit code 2"), (-9, "SIGKILL"), (-200, "signal 200")]
)
def test_ending_is_told_in_words(code: int, told: str) -> None:
    """As the operating system names it."""
    assert ending(code) == told


def test_choose_knows_its_runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """auto comes out at local where there is no Docker, and says why; an unknown name lists the known."""
    for name in ("k8s", "services", "labs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("PATH", "")
    given = settings.read({})
    runtime, why = choose("auto", tmp_path, given)
    assert runtime.name == "local"
    assert "Docker" in why
    assert choose("local", tmp_path, given)[1] == "asked for"
    with pytest.raises(Misuse, match="expected one of: auto, local, k3d, kube"):
        choose("docker", tmp_path, given)


def test_down_and_status_where_nothing_ever_ran(tmp_path: Path) -> None:
    """Nothing to do, and no folder is made for it."""
    runtime, _ = choose("local", tmp_path, settings.read({}))
    assert runtime.down(print).changed is False
    assert runtime.status().up is False
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EnvironmentFault, match=r"no stack is running here\n  next: make up"):
        runtime.wait_ready()


def test_free_ports_differ_and_nobody_has_them() -> None:
    """A taken one is passed over, wherever the search begins."""
    found = sorted(free_ports(map(str, range(10))).values())
    first = next(port for port in found if {port + 1, port + 2} <= set(found))
    some = range(first, first + 3)
    with ports.listen(some[1]):
        for _ in range(20):
            assert set(ports.free(["api", "worker"], among=some).values()) == {some[0], some[2]}
        with pytest.raises(EnvironmentFault, match="is taken"):
            ports.free(["api", "worker", "depsim"], among=some)


@pytest.mark.skipif(
    GIVEN_AWAY.exists() and int(GIVEN_AWAY.read_text().split()[0]) < ports.APART.stop,
    reason="this system gives away other ports than systems do",
)
def test_free_ports_are_not_those_that_the_system_gives_away() -> None:
    """Else a stack that starts again may find its port with a stranger who asked for any."""
    with ports.listen() as anybody:
        assert anybody.getsockname()[1] not in ports.APART
    assert all(port in ports.APART for port in free_ports().values())
