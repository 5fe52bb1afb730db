"""The local stack as it is used: up, dev, reset, down, with real processes and real Postgres."""

import http.client
import resource
import threading
from contextlib import suppress

import psycopg
import pytest
from tests.driver.stack.conftest import EDIT, Checkout, until

from labdriver import open_files
from labdriver.errors import Misuse
from labdriver.stack.checksum import lab_code
from labdriver.stack.local import identity

pytestmark = pytest.mark.stack


def test_up_brings_every_role_and_a_second_up_changes_nothing(up: Checkout) -> None:
    """Every public port answers, and the state file is for its owner alone."""
    status = up.runtime.status()
    assert (status.up, status.ready, status.problems) == (True, True, ())
    roles = ["api", "depsim", "estimator", "generator", "postgres", "worker"]
    assert sorted({r.role for r in status.replicas}) == roles
    assert {role: up.ask("GET", "/readyz", role=role)["role"] for role in up.ports} == {r: r for r in up.ports}
    pids = {r.name: r.pid for r in status.replicas}
    again = up.runtime.up(print)
    assert (again.changed, {r.name: r.pid for r in up.runtime.status().replicas}) == (False, pids)
    assert (up.root / ".lab" / "stack.json").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux tells the limits of another process")
def test_services_may_have_as_many_files_open_as_the_system_allows(up: Checkout) -> None:
    """Requests that wait are open files, and a shell of macOS allows 256."""
    soft, hard = resource.prlimit(up.process("api").pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, open_files.MOST)


def test_moved_ports_are_used_everywhere(up: Checkout) -> None:
    """Addresses follow the ports in force, also for a command that was not told of them."""
    assert up.runtime.url("depsim") == f"http://127.0.0.1:{up.ports['depsim']}"
    from labdriver.settings import DEFAULT_PORTS
    from labdriver.stack.local.runtime import LocalRuntime

    assert LocalRuntime(up.root, ports=DEFAULT_PORTS).url("api") == f"http://127.0.0.1:{up.ports['api']}"


def test_dev_brings_an_edit_into_service(up: Checkout) -> None:
    """Only the role that serves the lab is replaced; unchanged code is left alone."""
    before = {r.name: r.pid for r in up.runtime.status().replicas}
    assert up.runtime.dev(print).changed is False
    up.edit.write_text("ANSWER = 2\n")
    change = up.runtime.dev(print)
    assert (change.changed, change.lines) == (True, ("api: new code of probe in service",))
    assert {up.ask("GET", "/probe/who")["answer"] for _ in range(20)} == {2}
    assert up.runtime.served_code() == {"probe": lab_code(up.edit.parent, "edit.py")}
    after = {r.name: r.pid for r in up.runtime.status().replicas}
    assert [name for name in after if after[name] != before[name]] == ["api-1"]
    assert {r.name: r.restarts for r in up.runtime.status().replicas}["api-1"] == 0


def test_dev_refuses_code_that_does_not_load(up: Checkout) -> None:
    """File and line are named, and the code of before stays in service."""
    up.runtime.dev(print)
    pid = up.process("api").pid
    up.edit.write_text("ANSWER = 3\ndef broken(:\n")
    with pytest.raises(Misuse, match=r"labs/probe/edit\.py:2: SyntaxError"):
        up.runtime.dev(print)
    assert up.ask("GET", "/probe/who") == {"pid": pid, "answer": 1}


def test_dev_refuses_an_endless_loop_at_import(up: Checkout) -> None:
    """The loop is cut short and named by its line."""
    up.runtime.dev(print)
    up.edit.write_text("ANSWER = 3\nwhile True:\n    ANSWER += 1\n")
    with pytest.raises(Misuse, match=r"labs/probe/edit\.py:[23]: NeverEnds"):
        up.runtime.dev(print)
    assert up.ask("GET", "/probe/who")["answer"] == 1


def test_dev_replaces_a_process_that_a_handler_blocks(up: Checkout) -> None:
    """An endless loop in a handler takes its process with it, not the new one."""
    up.runtime.dev(print)
    blocked = identity.of(up.process("api").pid)
    caller = threading.Thread(target=_ask_quietly, args=(up, "/probe/block"))
    caller.start()
    until(lambda: not up.runtime.status().ready)
    up.edit.write_text("ANSWER = 4\n")
    up.runtime.dev(print)
    assert up.ask("GET", "/probe/who")["answer"] == 4
    caller.join()
    until(lambda: identity.process(blocked) is None)


def test_reset_empties_tables_and_depsim_and_keeps_processes(up: Checkout) -> None:
    """Also while a request holds a lock on the table."""
    until(lambda: up.ask("POST", "/probe/count").get("count"))
    up.ask("GET", "/pricing/oak-65", role="depsim")
    pids = {r.name: r.pid for r in up.runtime.status().replicas}
    holder = threading.Thread(target=_ask_quietly, args=(up, "/probe/hold"), daemon=True)
    holder.start()
    until(lambda: _is_locked(up))
    assert up.runtime.reset(print).changed
    assert up.ask("GET", "/probe/count") == {"count": 0}
    assert up.ask("GET", "/admin/ledger", role="depsim")["total"] == 0
    assert {r.name: r.pid for r in up.runtime.status().replicas} == pids


def test_replicas_share_the_port(up: Checkout) -> None:
    """Each has a private address too; scaling down leaves no process."""
    _scale_api(up, "replicas: 1", "replicas: 3")
    status = up.runtime.wait_ready()
    assert len({r.url for r in status.replicas if r.role == "api"}) == 3
    pids = {r.pid for r in status.replicas if r.role == "api"}
    until(lambda: {up.ask("GET", "/probe/who")["pid"] for _ in range(50)} == pids)
    _scale_api(up, "replicas: 3", "replicas: 1")
    assert [r.name for r in up.runtime.status().replicas if r.role == "api"] == ["api-1"]
    until(lambda: len(up.running("api")) == 1)


def test_down_leaves_no_process_and_no_port(up: Checkout) -> None:
    """A second `down` has nothing to do; the next `up` starts from the same data."""
    assert up.runtime.down(print).changed
    until(lambda: up.ours() == [])
    with pytest.raises(ConnectionRefusedError):
        up.ask("GET", "/healthz")
    assert up.runtime.down(print).changed is False
    assert up.runtime.status().up is False
    assert up.edit.read_text() == EDIT


def _scale_api(checkout: Checkout, old: str, new: str) -> None:
    manifest = checkout.root / "k8s" / "base" / "api.yaml"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    assert checkout.runtime.dev(print).changed


def _is_locked(checkout: Checkout) -> bool:
    """Whether a request holds the table for itself."""
    with psycopg.connect(checkout.state().database_url) as connection:
        asked = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
        return connection.execute(asked).fetchone() is not None


def _ask_quietly(checkout: Checkout, path: str) -> None:
    with suppress(OSError, ValueError, http.client.HTTPException):
        checkout.ask("GET", path, timeout_s=30)
