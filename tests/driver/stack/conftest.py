"""A checkout of its own and a real stack in it: moved ports, own state, nothing shared with the developer's stack."""

import http.client
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.ports import free_ports

from labdriver.stack.local import state
from labdriver.stack.local.runtime import LocalRuntime

REPO = Path(__file__).resolve().parents[3]
SCENARIO = "roles: [api]\nedit: edit.py\nrequests: [{path: /probe/who}]\n"
EDIT = "ANSWER = 1\n"
SERVICE = """
import asyncio, os
from labsvc.deps import Reply, Route
ROLE = "api"
async def start(deps, edit):
    async with deps.db.connection() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS probe (n int)")
def routes(deps, edit):
    async def who(request):
        return Reply(200, {"pid": os.getpid(), "answer": edit.ANSWER})
    async def count(request):
        async with deps.db.connection() as connection:
            if request.method == "POST":
                await connection.execute("INSERT INTO probe VALUES (1)")
            row = await (await connection.execute("SELECT count(*) FROM probe")).fetchone()
        return Reply(200, {"count": row[0]})
    async def hold(request):
        async with deps.db.connection() as connection:
            await connection.execute("LOCK TABLE probe")
            await asyncio.Event().wait()
    async def block(request):
        while True:
            pass
    return [Route("GET", "/probe/who", who), Route("GET", "/probe/count", count), Route("POST", "/probe/count", count),
            Route("GET", "/probe/hold", hold), Route("GET", "/probe/block", block)]
"""


@dataclass
class Checkout:
    """A checkout in a temporary folder and its local runtime."""

    root: Path
    ports: dict[str, int]

    @property
    def runtime(self) -> LocalRuntime:
        return LocalRuntime(self.root, ports=self.ports, ready_timeout_s=120)

    @property
    def edit(self) -> Path:
        return self.root / "labs" / "probe" / "edit.py"

    def state(self) -> state.State:
        found = state.read(self.root / ".lab" / "stack.json")
        assert found is not None
        return found

    def process(self, role: str) -> psutil.Process:
        """The living process of a role."""
        return psutil.Process(next(r.pid for r in self.state().processes if r.role == role and r.pid))

    def ours(self) -> list[psutil.Process]:
        """Every living process that belongs to this checkout, found by its command line or working folder."""
        return [p for p in psutil.process_iter() if _mentions(p, str(self.root))]

    def running(self, mode: str) -> list[psutil.Process]:
        """Those in `ours` whose command line ends with `mode`; one that ends meanwhile is left out."""
        found: list[psutil.Process] = []
        for process in self.ours():
            with suppress(psutil.Error):
                if process.cmdline()[-1:] == [mode]:
                    found.append(process)
        return found

    def ask(self, method: str, path: str, *, role: str = "api", timeout_s: float = 60) -> Any:
        """The JSON answer at a role's public port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[role], timeout=timeout_s)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def _mentions(process: psutil.Process, root: str) -> bool:
    with suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(root in part for part in process.cmdline()) or process.cwd().startswith(root)
    return False


def until(condition: Callable[[], Any], *, deadline_s: float = 60) -> Any:
    """Wait for a condition and return what it gave; fail at the deadline."""
    until_s = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < until_s, f"not within {deadline_s:g} s"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    """A checkout that holds one small lab; whatever runs in it is ended afterwards."""
    # Not below pytest's own folder: it is closed to the user that Postgres runs as, and its paths are long.
    root = Path(tempfile.mkdtemp(prefix="bw-")).resolve()
    try:
        for part in ("k8s", "services"):
            shutil.copytree(REPO / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        lab = root / "labs" / "probe"
        lab.mkdir(parents=True)
        for name, text in (("scenario.yaml", SCENARIO), ("edit.py", EDIT), ("service.py", SERVICE)):
            (lab / name).write_text(text)
        made = Checkout(root, free_ports())
        yield made
        made.runtime.down(print)
        until(lambda: made.ours() == [])
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def up(checkout: Checkout) -> Checkout:
    """The same checkout with its stack up and its lab as shipped."""
    checkout.edit.write_text(EDIT)
    checkout.runtime.up(print)
    return checkout
