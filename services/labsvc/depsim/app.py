"""The wire side of depsim: calls in, answers or faults out, the admin paths beside.

    GET|POST /<operation>/<key> ──▶ Play.draw ──▶ healthy | faults/<kind> ──Ending──▶ wire
                                                          └──▶ Ledger
    /admin/script, /admin/counts, /admin/ledger

`services/README.md` states the contract. A script, its ledger and its random streams live and go together (`_Book`);
a call keeps the book it arrived under.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from labsvc import scan, traffic
from labsvc.deps import Clock
from labsvc.depsim import operations
from labsvc.depsim.ledger import ABANDONED, Counts, Entry, Ledger
from labsvc.depsim.operations import Answer, Call
from labsvc.depsim.play import Draw, Play
from labsvc.depsim.script import Script, first_fault
from labsvc.depsim.turn import Ending, Turn
from labsvc.metrics import ROUTE
from labsvc.server import ABORT

LEDGER_PAGE_CALLS = 20_000


class _Book:
    """What belongs to one script: the script itself, its streams, its ledger, and the calls that it holds."""

    def __init__(self, script: Script | None, *, seed: int) -> None:
        self.script = script
        self.play = Play(script.seed if script else seed)
        self.ledger = Ledger()
        self.let_go: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Depsim:
    """The dependency of one process."""

    def __init__(self, clock: Clock, *, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._book = _Book(None, seed=seed)
        self._answers: dict[str, Answer] = {
            name: scan.load(operations, name, "OPERATION").make(seed) for name in scan.names(operations)
        }
        self.app = Starlette(
            routes=[
                Route("/admin/script", self._put_script, methods=["PUT"]),
                Route("/admin/script", self._get_script, methods=["GET"]),
                Route("/admin/script", self._delete_script, methods=["DELETE"]),
                Route("/admin/counts", self._get_counts, methods=["GET"]),
                Route("/admin/ledger", self._get_ledger, methods=["GET"]),
                Route("/{operation}/{key:path}", _Calls(self), methods=["GET", "POST"]),
            ]
        )

    def let_go(self) -> None:
        """Let every held call go; for the end of a script or of the process."""
        if not self._book.let_go.done():
            self._book.let_go.set_result(None)

    async def call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call of an operation."""
        operation, key = scope["path_params"]["operation"], scope["path_params"]["key"]
        if operation not in self._answers:
            known = ", ".join(sorted(self._answers))
            refusal = JSONResponse({"error": f"unknown operation {operation!r}, expected one of: {known}"}, 404)
            await refusal(scope, receive, send)
            return
        scope[ROUTE] = f"/{operation}/{{key}}"
        request = Request(scope, receive)
        book = self._book
        entry, draw = self._arrived(book, operation, key, scope)
        try:
            body = _object(await request.body())
        except ClientDisconnect:
            book.ledger.close(entry, outcome=ABANDONED, done_s=None, answer=None)
            return
        left = asyncio.ensure_future(_until_left(receive))

        def answer() -> dict[str, Any]:
            return self._answers[operation](Call(key, request.headers, body, self._clock.now_s()))

        turn = Turn(entry, book.ledger, latency_s=draw.latency_s, answer=answer, left=left, let_go=book.let_go)
        try:
            ending = await _ending(turn, draw)
            await self._end(book.ledger, turn, ending, scope, send)
        finally:
            left.cancel()

    def _arrived(self, book: "_Book", operation: str, key: str, scope: Scope) -> tuple[Entry, Draw]:
        whose = traffic.BACKGROUND if traffic.says_background(scope["headers"]) else traffic.LOAD
        now_s = self._clock.now_s()
        phase = book.script.phase(now_s) if book.script else None
        entry = book.ledger.open(
            call_id=f"c-{secrets.token_hex(6)}",
            operation=operation,
            key=key,
            phase=phase.name if phase else None,
            at_s=now_s,
            traffic=whose,
        )
        return entry, book.play.draw(phase, operation, traffic=whose)

    async def _end(self, ledger: Ledger, turn: Turn, ending: Ending | None, scope: Scope, send: Send) -> None:
        """Put the ending on the wire and into the ledger, the ledger first: who reads an answer finds it there."""
        whole: Mapping[str, Any] | None = None
        if ending is None:
            ledger.close(turn.entry, outcome=ABANDONED, done_s=None, answer=None)
            return
        if ending.every_ms:
            whole = await _trickled(turn, ending, send)
        elif ending.status:
            whole = ending.body if ending.status < 400 else None
        done_s = None if turn.left.done() else self._clock.now_s()
        ledger.close(turn.entry, outcome=ending.outcome, done_s=done_s, answer=dict(whole) if whole else None)
        if ending.status and not ending.every_ms:
            await JSONResponse(ending.body, ending.status)(scope, _never, send)
        elif whole is None and not turn.left.done():
            scope[ABORT]()
            await turn.left  # the server must see the connection gone before the app returns

    async def _put_script(self, request: Request) -> Response:
        try:
            script = Script.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": first_fault(error)}, 422)
        self.let_go()
        self._book = _Book(script, seed=self._seed)
        return await self._get_script(request)

    async def _delete_script(self, request: Request) -> Response:
        self.let_go()
        self._book = _Book(None, seed=self._seed)
        return await self._get_script(request)

    async def _get_script(self, request: Request) -> Response:
        now_s, script = self._clock.now_s(), self._book.script
        phase = script.phase(now_s) if script else None
        return JSONResponse(
            {
                "id": script.id if script else None,
                "phase": phase.name if phase else None,
                "elapsed_s": now_s - script.start_at_s if script else None,
                "entered": script.entered(now_s) if script else [],
                "now_s": now_s,
            }
        )

    async def _get_counts(self, request: Request) -> Response:
        now_s, book = self._clock.now_s(), self._book
        phase = book.script.phase(now_s) if book.script else None

        def told(counted: Mapping[str, Counts]) -> dict[str, Any]:
            return {name: counts.as_json() for name, counts in sorted(counted.items())}

        return JSONResponse(
            {
                "now_s": now_s,
                "phase": phase.name if phase else None,
                "operations": told(book.ledger.counts),
                "background": told(book.ledger.background),
            }
        )

    async def _get_ledger(self, request: Request) -> Response:
        try:
            after = max(0, int(request.query_params.get("after", "0")))
            limit = max(1, int(request.query_params.get("limit", str(LEDGER_PAGE_CALLS))))
        except ValueError:
            return JSONResponse({"error": "after and limit are whole numbers"}, 400)
        ledger = self._book.ledger
        return JSONResponse(
            {
                "now_s": self._clock.now_s(),
                "total": ledger.total,
                "dropped": ledger.dropped,
                "calls": [entry.as_json() for entry in ledger.after(after, limit=min(limit, LEDGER_PAGE_CALLS))],
            }
        )


class _Calls:
    """The ASGI app of every operation's path."""

    def __init__(self, depsim: Depsim) -> None:
        self._depsim = depsim

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._depsim.call(scope, receive, send)


async def _ending(turn: Turn, draw: Draw) -> Ending | None:
    if draw.spoilt:
        fault, params = draw.spoilt
        return await fault.spoil(turn, params)
    return Ending(200, turn.answer()) if await turn.pause(turn.latency_s) else None


async def _trickled(turn: Turn, ending: Ending, send: Send) -> dict[str, Any] | None:
    """Send the body byte by byte. The answer when all of it went out, None when the caller left or was let go."""
    body = json.dumps(ending.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": ending.status, "headers": headers})
    for index in range(len(body)):
        if not await turn.hold(ending.every_ms / 1000):
            return None
        more = index + 1 < len(body)
        await send({"type": "http.response.body", "body": body[index : index + 1], "more_body": more})
    return dict(ending.body or {})


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _never() -> Any:
    raise RuntimeError("the request has been read already")


def _object(raw: bytes) -> Mapping[str, Any] | None:
    """The JSON object of a call; anything else counts as no body, for the dependency is not strict."""
    with suppress(ValueError):
        value = json.loads(raw)
        return value if isinstance(value, dict) else None
    return None
