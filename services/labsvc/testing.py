"""What a lab's `test_check.py` uses: virtual time, a scripted dependency, and requests without a server.

    run_virtual(scenario())                         a minute passes in a millisecond
    dependency = FakeDependency(answer(), hang())   first call answered after 40 ms, then every call hangs
    database = FakeDatabase(pool_size=10)           a pool, transactions and row locks in memory (fakedb.py)
    edit = load_edit(folder)                        the lab's edit file as it is on disk

Never touches network, files other than the lab's, or the real clock.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import httpx
import structlog
import yaml

from labsvc import labcode, scan
from labsvc.deps import Deps, RealClock, Reply, Request
from labsvc.depsim import operations
from labsvc.depsim.operations import Answer, Call
from labsvc.fakedb import FakeConnection, FakeDatabase, NoSql
from labsvc.jobs.desk import Desk
from labsvc.jobs.memory import MemoryStore
from labsvc.virtual import run_virtual

__all__ = [
    "FakeConnection",
    "FakeDatabase",
    "FakeDependency",
    "NoSql",
    "Seen",
    "Step",
    "answer",
    "documents",
    "drop",
    "error",
    "fake_deps",
    "hang",
    "load_edit",
    "load_service",
    "respond",
    "run_virtual",
    "trickle",
    "unreachable",
]

_Failure = type[httpx.TimeoutException]
Kind = Literal["answer", "error", "hang", "drop", "trickle", "unreachable"]


@dataclass(frozen=True)
class Step:
    """What the dependency does to one call."""

    kind: Kind
    after_ms: float = 40
    status: int = 200
    body: Mapping[str, Any] | None = None  # None: what the operation really answers


def answer(after_ms: float = 40, *, body: Mapping[str, Any] | None = None) -> Step:
    """A right answer after `after_ms`."""
    return Step("answer", after_ms, 200, body)


def error(status: int = 503, *, after_ms: float = 40) -> Step:
    """An error status after `after_ms`."""
    return Step("error", after_ms, status)


def hang() -> Step:
    """The call is taken and never answered."""
    return Step("hang")


def drop(after_ms: float = 40) -> Step:
    """The connection is cut after `after_ms`, without an answer."""
    return Step("drop", after_ms)


def trickle(every_ms: float = 200) -> Step:
    """The answer's body comes byte by byte: no single read takes long, all of them together do."""
    return Step("trickle", every_ms)


def unreachable() -> Step:
    """Nobody takes the connection."""
    return Step("unreachable")


@dataclass
class Seen:
    """One call as the dependency saw it. Times are virtual, in seconds."""

    n: int  # from 1
    step: Step  # what was done to it
    operation: str
    key: str
    headers: Mapping[str, str]
    at_s: float
    done_s: float | None = None  # None: still open, or the caller left
    outcome: str = "open"  # answered, left, or the kind of step that spoilt it
    answer: Mapping[str, Any] | None = None


class FakeDependency(httpx.AsyncBaseTransport):
    """A dependency in memory. Steps are used up one a call, the last one stays; httpx's timeouts hold.

    `always` names operations that meet the same step at every call, whatever `steps` say.
    """

    def __init__(self, *steps: Step, always: Mapping[str, Step] | None = None, pool_size: int = 100) -> None:
        self._steps = list(steps) or [answer()]
        self._always = dict(always or {})
        self._free = asyncio.Semaphore(pool_size)
        self._answers: dict[str, Answer] = {
            name: scan.load(operations, name, "OPERATION").make(1) for name in scan.names(operations)
        }
        self.seen: list[Seen] = []
        self.at_once = 0
        self.most_at_once = 0

    def client(self) -> httpx.AsyncClient:
        """A client like the one that `Deps.dependency` gives: no timeout unless the call sets one."""
        return httpx.AsyncClient(base_url="http://dependency.test", transport=self, timeout=None, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        await _within(self._free.acquire(), limits.get("pool"), httpx.PoolTimeout, request)
        release = _Once(self._free.release)
        try:
            return await self._served(request, limits, release)
        except BaseException:
            release()
            raise

    async def _served(self, request: httpx.Request, limits: Mapping[str, Any], release: "_Once") -> httpx.Response:
        seen = self._arrived(request)
        if seen.step.kind == "unreachable":
            seen.outcome = "unreachable"
            await _within(_for_ever(), limits.get("connect"), httpx.ConnectTimeout, request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        leave = _Once(self._left, release)
        try:
            if seen.step.kind == "trickle":
                body = _Trickle(self, seen, request, limits.get("read"), leave)
                return httpx.Response(200, headers={"content-type": "application/json"}, stream=body)
            await _within(_pass(seen.step), limits.get("read"), httpx.ReadTimeout, request)
            response = self._answered(seen, request)
        except BaseException:
            seen.outcome = seen.step.kind if seen.step.kind in ("hang", "drop") else "left"
            leave()
            raise
        leave()
        return response

    def _arrived(self, request: httpx.Request) -> Seen:
        _, operation, key = request.url.path.split("/", 2)
        step = self._always.get(operation) or (self._steps.pop(0) if len(self._steps) > 1 else self._steps[0])
        seen = Seen(len(self.seen) + 1, step, operation, key, dict(request.headers), time.monotonic())
        self.seen.append(seen)
        return seen

    def _answered(self, seen: Seen, request: httpx.Request) -> httpx.Response:
        seen.done_s = time.monotonic()
        if seen.step.kind == "drop":
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        if seen.step.kind == "error":
            seen.outcome = "error"
            return httpx.Response(seen.step.status, json={"error": "the dependency is not well"})
        seen.outcome, seen.answer = "answered", self.true_answer(seen)
        return httpx.Response(seen.step.status, json=seen.answer)

    def true_answer(self, seen: Seen) -> Mapping[str, Any]:
        """What the operation answers to this call now."""
        if seen.step.body is not None:
            return seen.step.body
        return self._answers[seen.operation](Call(seen.key, seen.headers, None, time.time()))

    def _left(self) -> None:
        self.at_once -= 1


class _Trickle(httpx.AsyncByteStream):
    def __init__(
        self, dependency: FakeDependency, seen: Seen, request: httpx.Request, read_s: float | None, leave: "_Once"
    ) -> None:
        self._dependency, self._seen, self._request = dependency, seen, request
        self._read_s, self._leave = read_s, leave
        seen.outcome = "trickle"

    async def __aiter__(self) -> Any:
        whole = httpx.Response(200, json=self._dependency.true_answer(self._seen)).content
        for index in range(len(whole)):
            pause = asyncio.sleep(self._seen.step.after_ms / 1000)
            await _within(pause, self._read_s, httpx.ReadTimeout, self._request)
            yield whole[index : index + 1]
        self._seen.done_s = time.monotonic()

    async def aclose(self) -> None:
        self._leave()


class _Once:
    """Calls functions the first time it is called."""

    def __init__(self, *functions: Any) -> None:
        self._functions = functions

    def __call__(self) -> None:
        functions, self._functions = self._functions, ()
        for function in functions:
            function()


def fake_deps(dependency: FakeDependency, *, role: str = "api", db: Any = None) -> Deps:
    """What a lab's `routes(deps, edit)` gets, with the dependency in memory."""
    clients: dict[str, httpx.AsyncClient] = {}
    return Deps(
        role=role,
        db=db,
        clock=RealClock(),  # tells virtual time inside run_virtual
        log=structlog.get_logger(),
        http=lambda operation: clients.setdefault(operation, dependency.client()),
        jobs=Desk(MemoryStore()),
    )


def load_edit(folder: Path) -> ModuleType:
    """The edit file of the lab in `folder`, loaded as the services load it. Raises whatever the file raises."""
    edit = folder / yaml.safe_load((folder / "scenario.yaml").read_bytes())["edit"]
    return labcode.load(edit, edit.read_bytes())


def load_service(folder: Path) -> ModuleType:
    """The given code of the lab in `folder`, loaded as the services load it."""
    service = folder / "service.py"
    return labcode.load(service, service.read_bytes())


def documents(folder: Path) -> list[dict[str, Any]]:
    """Every YAML document of the edit file of the lab in `folder`. Raises what the parser raises."""
    edit = folder / yaml.safe_load((folder / "scenario.yaml").read_bytes())["edit"]
    return [document for document in yaml.safe_load_all(edit.read_text(encoding="utf-8")) if document]


async def respond(deps: Deps, folder: Path, request: Request) -> Reply:
    """Answer a request with the lab in `folder`, as the host would; loads `service.py` and the edit each time."""
    for route in load_service(folder).routes(deps, load_edit(folder)):
        params = _params(route.path, request.path) if route.method == request.method else None
        if params is not None:
            reply: Reply = await route.handler(
                Request(request.method, request.path, params, request.query, request.headers, request.body)
            )
            return reply
    raise LookupError(f"{folder.name} has no route {request.method} {request.path}")


def _params(template: str, path: str) -> dict[str, str] | None:
    parts, given = template.split("/"), path.split("/")
    if len(parts) != len(given):
        return None
    params = {p[1:-1]: g for p, g in zip(parts, given, strict=True) if p.startswith("{")}
    return params if all(p.startswith("{") or p == g for p, g in zip(parts, given, strict=True)) else None


async def _pass(step: Step) -> None:
    await (_for_ever() if step.kind == "hang" else asyncio.sleep(step.after_ms / 1000))


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def _within(waiting: Any, limit_s: float | None, failure: _Failure, request: httpx.Request) -> None:
    try:
        await asyncio.wait_for(waiting, limit_s)
    except TimeoutError:
        raise failure(f"no progress within {limit_s:g} s", request=request) from None
