"""CPU limits and the balancer of the local runtime, with real processes and sockets."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from labdriver.stack.local import cpu
from labdriver.stack.local.balance import Balancer
from labdriver.stack.local.ports import HOST, listen
from labdriver.stack.local.throttle import Throttle

BUSY = [sys.executable, "-c", "while True: pass"]
MEASURED_CPU_S = 0.25  # processor time over which a share is measured


def until(holds: Callable[[], object], *, deadline_s: float = 60) -> None:
    until_s = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < until_s, f"not within {deadline_s:g} s"
        time.sleep(0.005)


@contextmanager
def throttler() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen([sys.executable, "-m", "labdriver.stack.local.throttler"], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def busy() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(BUSY) as process:
        try:
            until(lambda: (cpu.seconds(process.pid) or 0) > 0.05)
            yield process
        finally:
            process.kill()


def order(throttling: "subprocess.Popen[bytes]", pid: int, cores: float | None) -> None:
    assert throttling.stdin
    throttling.stdin.write(json.dumps({"pid": pid, "cores": cores}).encode() + b"\n")
    throttling.stdin.flush()


def used(pid: int) -> float:
    found = cpu.seconds(pid)
    assert found is not None
    return found


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def share_of(pid: int) -> float:
    """Of a core, from one stop until what was taken since then has been waited for.

    A throttler that gets no turn lets a process run on, and takes that off the periods that follow.
    """
    until(lambda: is_stopped(pid))
    begun_s, before_s = time.monotonic(), used(pid)
    until(lambda: used(pid) - before_s > MEASURED_CPU_S and is_stopped(pid))
    taken_s = used(pid) - before_s
    until(lambda: not is_stopped(pid))
    return taken_s / (time.monotonic() - begun_s)


@pytest.mark.parametrize("cores", [0.1, 0.25])
def test_a_busy_process_gets_its_limit_and_no_more(cores: float) -> None:
    """By the ratio of processor time to time passed; a machine that is busy itself can only give less."""
    with throttler() as throttling, busy() as process:
        order(throttling, process.pid, cores)
        assert share_of(process.pid) <= cores * 1.2


@pytest.mark.alone
def test_limits_are_independent() -> None:
    """Who has a tenth gets no more for that another has three, and that one gets more whenever the machine has it."""
    most = 0.1 * 1.2
    with throttler() as throttling, busy() as small, busy() as large:
        order(throttling, small.pid, 0.1)
        order(throttling, large.pid, 0.3)
        until(lambda: share_of(large.pid) > most, deadline_s=180)
        assert share_of(small.pid) <= most


def test_a_lifted_limit_lets_it_go() -> None:
    """And the throttler goes on with the others."""
    with throttler() as throttling, busy() as process:
        order(throttling, process.pid, 0.001)
        until(lambda: is_stopped(process.pid))
        order(throttling, process.pid, None)
        until(lambda: not is_stopped(process.pid))
        order(throttling, process.pid, 0.001)
        until(lambda: is_stopped(process.pid))


@pytest.mark.parametrize("sign", [None, signal.SIGTERM])
def test_nobody_stays_stopped_when_the_throttler_ends(sign: signal.Signals | None) -> None:
    """Its supervisor is gone, or it is told to end."""
    with throttler() as throttling, busy() as process:
        order(throttling, process.pid, 0.001)
        until(lambda: is_stopped(process.pid))
        if sign is None:
            assert throttling.stdin
            throttling.stdin.close()
        else:
            throttling.send_signal(sign)
        assert throttling.wait(60) == 0
        assert not is_stopped(process.pid)


def test_a_process_that_ends_is_forgotten() -> None:
    """The next order is followed."""
    with throttler() as throttling, busy() as first, busy() as second:
        order(throttling, first.pid, 0.001)
        until(lambda: is_stopped(first.pid))
        first.kill()
        first.wait()
        order(throttling, 2**22 + 1, 0.5)  # nobody's
        order(throttling, second.pid, 0.001)
        until(lambda: is_stopped(second.pid))


def test_limits_hold_again_after_a_start_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process was to be had at that moment; the next try sets every limit."""
    spawn, failures = asyncio.create_subprocess_exec, [BlockingIOError(11, "Resource temporarily unavailable")]

    async def scarce(*args: Any, **more: Any) -> asyncio.subprocess.Process:
        if failures:
            raise failures.pop()
        return await spawn(*args, **more)

    async def play(pid: int) -> None:
        throttle = Throttle(tmp_path)
        throttle.limit(pid, 0.001)
        await asyncio.to_thread(until, lambda: is_stopped(pid))
        await throttle.stop()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    with busy() as process:
        asyncio.run(play(process.pid))
    assert failures == []


def test_seconds_of_a_process_that_is_gone() -> None:
    """None, no error."""
    assert cpu.seconds(2**22 + 1) is None


async def _server(name: str) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode() + b":" + await reader.read(100))
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    return server, server.sockets[0].getsockname()[1]


async def _asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"hello")
    try:
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


def test_the_balancer_spreads_connections_over_who_is_ready() -> None:
    """Whoever joins gets a share, whoever leaves none; without anybody the connection is closed."""

    async def play() -> None:
        listener = listen()
        (a, a_port), (b, b_port) = await _server("a"), await _server("b")
        ready: list[int] = []
        balancer = Balancer(listener, lambda: ready)
        await balancer.start()
        port = listener.getsockname()[1]
        assert await _asked(port) == b""
        ready.append(a_port)
        assert await _asked(port) == b"a:hello"
        ready.append(b_port)
        counts = Counter([await _asked(port) for _ in range(60)])
        assert set(counts) == {b"a:hello", b"b:hello"}
        assert min(counts.values()) > 15
        ready.remove(a_port)
        assert {await _asked(port) for _ in range(10)} == {b"b:hello"}
        b.close()
        assert await _asked(port) == b""
        a.close()
        balancer.close()

    asyncio.run(play())


def test_the_balancer_outlives_who_leaves_in_mid_answer() -> None:
    """A caller that hangs up frees the replica's side too."""

    async def play() -> bool:
        listener = listen()
        left = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            left.set()
            writer.close()

        server = await asyncio.start_server(serve, HOST, 0)
        balancer = Balancer(listener, lambda: [server.sockets[0].getsockname()[1]])
        await balancer.start()
        with socket.create_connection(listener.getsockname()) as caller:
            caller.sendall(b"x")
        await asyncio.wait_for(left.wait(), 60)
        balancer.close()
        server.close()
        return left.is_set()

    assert asyncio.run(play())
