"""The local stack when things die under it: what is killed comes back, what is left over is ended."""

import shutil
import signal
import socket
import threading

import psutil
import pytest
from tests.driver.stack.conftest import Checkout, until
from tests.ports import free_ports

from labdriver.errors import EnvironmentFault
from labdriver.stack.local import identity, runtime
from labdriver.stack.local.identity import Identity
from labdriver.stack.local.runtime import LocalRuntime

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("role", ["api", "depsim", "estimator", "generator", "worker", "postgres"])
def test_a_killed_process_comes_back(up: Checkout, role: str) -> None:
    """The supervisor starts it again and counts it; the others stay as they are."""
    before = {r.name: r for r in up.runtime.status().replicas}
    up.process(role).kill()
    name = f"{role}-1"
    until(lambda: {r.name: r.restarts for r in up.runtime.status().replicas}[name] > before[name].restarts)
    status = up.runtime.wait_ready()
    assert [r.name for r in status.replicas if r.pid != before[r.name].pid] == [name]
    until(lambda: up.ask("GET", "/probe/count").get("count") is not None)


def test_up_replaces_a_process_that_hangs(up: Checkout) -> None:
    """It lives, but it does not answer: nobody else would ever notice."""
    stopped = up.process("generator")
    stopped.send_signal(signal.SIGSTOP)
    until(lambda: up.runtime.status().problems == ("generator-1: does not answer its health checks",))
    assert up.runtime.up(print).changed
    assert up.process("generator").pid != stopped.pid


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_up_repairs_after_the_supervisor_is_gone(up: Checkout, sign: signal.Signals) -> None:
    """What it kept is ended, then everything starts again on the same ports."""
    old = up.state()
    psutil.Process(old.pid).send_signal(sign)
    if sign is signal.SIGKILL:  # one that is stopped is waited for, by `up` too
        assert up.runtime.status().up is False
    assert up.runtime.up(print).changed
    assert up.state().pid != old.pid
    assert all(identity.process(r.identity) is None for r in old.processes if r.identity)
    assert up.ask("GET", "/probe/who")["answer"] == 1


def test_a_supervisor_that_is_late_is_not_gone(up: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a crowded machine it may get no turn for seconds; its stack must not be ended for that."""
    monkeypatch.setattr(runtime, "PATIENT_S", 60.0)
    supervisor = psutil.Process(up.state().pid)
    supervisor.send_signal(signal.SIGSTOP)
    later = threading.Timer(2 * runtime.PROMPT_S, supervisor.send_signal, [signal.SIGCONT])
    later.start()
    try:
        assert up.runtime.status().up
    finally:
        later.join()


def test_down_works_without_a_supervisor(up: Checkout) -> None:
    """Half dead is dead afterwards."""
    psutil.Process(up.state().pid).kill()
    assert up.runtime.down(print).changed
    until(lambda: up.ours() == [])


def test_the_stack_ends_when_its_state_is_taken_away(up: Checkout) -> None:
    """`rm -rf .lab` or a deleted checkout must not leave processes that nobody can name."""
    state = up.root / ".lab"

    def removed() -> bool:
        # The stack is ending meanwhile and removes and writes files of its own, so one pass may miss some.
        shutil.rmtree(state, ignore_errors=True)
        return not state.exists()

    until(removed)
    until(lambda: up.ours() == [])


def test_a_stack_whose_state_is_gone_does_not_come_back(up: Checkout) -> None:
    """`rm -rf .lab` takes Postgres' files before or after the state: its restart must not write a state anew."""
    database = up.process("postgres")
    state = up.root / ".lab" / "stack.json"
    state.unlink()
    database.kill()
    until(lambda: up.ours() == [])
    assert not state.exists()


def test_a_taken_port_is_named_with_its_owner_and_the_way_out(checkout: Checkout) -> None:
    """And nothing is left running."""
    checkout.runtime.down(print)
    with socket.create_server(("127.0.0.1", checkout.ports["worker"])) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault) as caught:
            checkout.runtime.up(print)
    me = psutil.Process()
    assert caught.value.message == f"port {port} for worker is taken by {me.name()} (pid {me.pid})"
    assert "LAB_WORKER_PORT=" in caught.value.next_step
    until(lambda: checkout.ours() == [])


def test_a_state_that_was_copied_here_is_not_ours(up: Checkout) -> None:
    """The processes it names belong to the other checkout and live on."""
    copy = up.root.with_name(up.root.name + "-copy")
    try:
        # What names processes, and no more: a living Postgres takes files away while they are copied.
        for name in ("stack.json", "postgres/data/postmaster.pid"):
            (copy / ".lab" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(up.root / ".lab" / name, copy / ".lab" / name)
        elsewhere = LocalRuntime(copy, ports=up.ports)
        assert elsewhere.status().up is False
        assert f"came from {up.root}" in elsewhere.down(print).lines[0]
        assert up.runtime.status().ready
        shutil.copytree(up.root / "k8s", copy / "k8s")
        with pytest.raises(EnvironmentFault, match="is taken by"):
            elsewhere.up(print)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def test_up_on_other_ports_moves_the_stack(up: Checkout) -> None:
    """The old ports are free afterwards; a command that asks for nothing finds the new ones."""
    old = up.ports["generator"]
    up.ports["generator"] = free_ports(["generator"])["generator"]
    assert up.runtime.up(print).lines[0] == "the ports have changed: starting again on the new ones"
    assert up.ask("GET", "/readyz", role="generator")["ready"] is True
    socket.create_server(("127.0.0.1", old)).close()


def test_a_reused_pid_is_never_taken_for_ours() -> None:
    """Same pid, other start time: another process."""
    me = psutil.Process()
    assert identity.process(Identity(me.pid, me.create_time())) is not None
    assert identity.process(Identity(me.pid, me.create_time() - 3600)) is None
    assert identity.end([Identity(me.pid, me.create_time() - 3600)], grace_s=0) == 0
