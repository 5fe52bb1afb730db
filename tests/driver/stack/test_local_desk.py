"""What the supervisor does when it cannot do what it is to do."""

import asyncio
import errno
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labdriver.stack import manifests
from labdriver.stack.local import identity
from labdriver.stack.local.desk import Desk
from labdriver.stack.local.processes import Launched
from labdriver.stack.local.scaling import Scaling
from labdriver.stack.local.state import Paths

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
        await asyncio.wait({running, asyncio.create_task(again.wait())}, timeout=20, return_when="FIRST_COMPLETED")
        running.cancel()

    asyncio.run(play())
    assert len(looks) == 2
    assert "can't start new thread" in capsys.readouterr().out
