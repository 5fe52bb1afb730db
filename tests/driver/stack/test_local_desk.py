"""What the supervisor does when it cannot do what it is to do."""

import asyncio
import errno
import json
import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from labdriver.settings import DEFAULT_PORTS
from labdriver.stack import manifests
from labdriver.stack.local import control, health, identity, ports, state
from labdriver.stack.local.desk import Desk
from labdriver.stack.local.processes import Launched
from labdriver.stack.local.runtime import LocalRuntime
from labdriver.stack.local.scaling import Scaling
from labdriver.stack.local.state import Paths
from labdriver.stack.local.supervisor import Slot, Supervisor

BASE = Path(__file__).resolve().parents[3] / "k8s" / "base"


def test_a_roll_that_fails_in_the_middle_leaves_no_process(tmp_path: Path) -> None:
    """Two replicas, and a full disk at the second start: it is told, and the first does not serve on beside the old."""
    stack = manifests.read(BASE)
    freed: list[int] = []

    async def play() -> tuple[dict[str, Any], int | None]:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import sys; sys.stdin.read()", stdin=-1)
        started = [Launched(process, identity.of(process.pid), None, "")]

        async def role(_role: manifests.Role, _name: str) -> Launched:
            if not started:
                raise OSError(errno.ENOSPC, "No space left on device")
            return started.pop()

        supervisor = SimpleNamespace(
            token="t",
            stack=stack,
            read_stack=lambda: stack,
            paths=Paths(tmp_path),
            launcher=SimpleNamespace(role=role),
            of_role=lambda name: [SimpleNamespace(name=f"{name}-{n}", launched=None) for n in (1, 2)],
            throttle=SimpleNamespace(free=freed.append),
        )
        question = {"token": "t", "op": "roll", "role": "api", "deadline_s": 1}
        desk = Desk(supervisor)  # type: ignore[arg-type]
        answer = await desk._answered(json.dumps(question).encode())
        if process.returncode is None:
            process.kill()
            await process.wait()
            return answer, None
        return answer, process.returncode

    answer, code = asyncio.run(play())
    assert (answer["ok"], "No space left" in answer["error"]) == (False, True)
    assert code is not None
    assert len(freed) == 1


def test_scaling_goes_on_after_a_turn_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """No thread was to be had at that moment: told in the log, and looked at again."""
    looks: list[str] = []
    again = asyncio.Event()

    def of_role(role: str) -> list[Any]:
        looks.append(role)
        if len(looks) == 1:
            raise RuntimeError("can't start new thread")
        again.set()
        return []

    async def play() -> None:
        supervisor = SimpleNamespace(balancers={"estimator": None}, of_role=of_role, stack=SimpleNamespace(roles={}))
        scaling = Scaling(supervisor, changing=lambda _: asyncio.Lock(), rescale=None)  # type: ignore[arg-type]
        running = asyncio.create_task(scaling.run())
        await asyncio.wait({running, asyncio.create_task(again.wait())}, timeout=60, return_when="FIRST_COMPLETED")
        running.cancel()

    asyncio.run(play())
    assert len(looks) >= 2
    assert "can't start new thread" in capsys.readouterr().out


def test_a_replica_behind_a_balancer_is_ready_when_requests_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says itself that it is ready a moment before the balancer knows; who asks in between would be sent away."""
    shutil.copytree(BASE, tmp_path / "k8s" / "base")
    me = identity.of(os.getpid())
    with ExitStack() as opened:
        listeners = {role: opened.enter_context(ports.listen()) for role in DEFAULT_PORTS}
        supervisor = Supervisor(tmp_path, listeners, opened.enter_context(ports.listen()))
        for balancer in supervisor.balancers.values():
            opened.callback(balancer.close)
        process = SimpleNamespace(pid=me.pid)
        launched = Launched(process, me, 1, "")  # type: ignore[arg-type]
        supervisor.slots = [Slot(role, f"{role}-1", AsyncMock(), launched) for role in ("api", "estimator")]
        (tmp_path / ".lab").mkdir()
        state.write(Paths(tmp_path).state, supervisor.snapshot())
        monkeypatch.setattr(control, "ask", lambda *_, **__: {"state": asdict(supervisor.snapshot())})
        monkeypatch.setattr(health, "ask", lambda *_, **__: health.Health(True, me.pid, (), {}))
        runtime = LocalRuntime(tmp_path, ports=DEFAULT_PORTS)
        assert [(r.name, r.ready, r.why) for r in runtime.status().replicas] == [
            ("api-1", True, ""),
            ("estimator-1", False, "no requests are passed to it yet"),
        ]
        supervisor.scaling.welcome(me.pid)
        assert [r.ready for r in runtime.status().replicas] == [True, True]
