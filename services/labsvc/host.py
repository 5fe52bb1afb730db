"""Mounts the labs that this mode serves and turns wire requests into the lab's own words and back.

    labs/<lab>/scenario.yaml ──roles, edit──▶ service.py + edit file ──routes(deps, edit)──▶ one Starlette app

A lab whose code does not load is reported and answers 500 on its paths; it never keeps another lab from being
served. A handler that fails answers 500 with file and line, never with a traceback.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WireRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as WireRoute

from labsvc import labcode
from labsvc.deps import Deps, Handler, Reply, Request, Route
from labsvc.metrics import ROUTE

BODY_LIMIT_BYTES = 1_048_576
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
START_RETRY_S = (0.1, 2.0)  # first and longest pause between two tries of a lab's start hook


@dataclass
class Lab:
    """One lab as this process serves it."""

    name: str
    code: str | None = None  # checksum of what was loaded
    error: str | None = None  # why it is not served
    service: ModuleType | None = None
    edit: ModuleType | None = None
    routes: list[Route] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)  # first segments of its paths, for answering 500 when it is broken
    starting: str = ""  # why its start hook has not succeeded yet
    background: Any = None  # what its start hook returned


class Host:
    """The labs of one process: loaded once, started in the background, stopped together."""

    def __init__(self, labs_dir: Path, deps: Deps) -> None:
        self._labs_dir = labs_dir.resolve()
        self._deps = deps
        self.labs = [lab for lab in map(self._load, _folders(self._labs_dir)) if lab is not None]
        self._refuse_double_routes()
        self.app = Starlette(routes=self._wire_routes())
        self._starts: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.Future[Any]] | None = None  # None: the stop has not begun

    def report(self) -> dict[str, dict[str, str | None]]:
        """What `/readyz` says of the labs."""
        return {lab.name: {"code": lab.code, "error": lab.error} for lab in self.labs}

    def missing(self) -> list[str]:
        """Labs whose start hook has not succeeded yet."""
        return [f"{lab.name}: {lab.starting}" for lab in self.labs if lab.starting]

    def start(self) -> None:
        """Run the labs' start hooks, each in the background and again until it succeeds."""
        for lab in self.labs:
            if lab.error is None and hasattr(lab.service, "start"):
                lab.starting = "starting"
                self._starts.append(asyncio.create_task(self._start(lab)))

    def end_background(self) -> None:
        """End the start hooks and whatever they started, without waiting; requests may still finish meanwhile.

        For the moment when the stop begins: a process that is replaced must not take up new work beside its successor.
        """
        if self._ends is not None:
            return
        for task in self._starts:
            task.cancel()
        backgrounds = [lab.background for lab in self.labs if hasattr(lab.background, "stop")]
        self._ends = [asyncio.ensure_future(background.stop()) for background in backgrounds]

    async def stop(self) -> None:
        """End the start hooks and whatever they started, and wait for it."""
        self.end_background()
        await asyncio.gather(*self._starts, *(self._ends or ()), return_exceptions=True)

    async def _start(self, lab: Lab) -> None:
        pause_s, longest_s = START_RETRY_S
        while lab.starting:
            try:
                lab.background = await lab.service.start(self._deps, lab.edit)  # type: ignore[union-attr]
                lab.starting = ""
            except Exception as error:
                lab.starting = labcode.told(error, self._labs_dir)
                self._deps.log.warning("lab_start_failed", lab=lab.name, error=lab.starting)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, longest_s)

    def _load(self, folder: Path) -> Lab | None:
        lab = Lab(folder.name)
        try:
            scenario = yaml.safe_load((folder / "scenario.yaml").read_bytes())
            if self._deps.role not in scenario["roles"]:
                return None
            lab.paths = _first_segments(scenario.get("requests", []), self._deps.role)
            self._load_code(lab, folder / "service.py", folder / scenario["edit"])
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            if not lab.code:
                lab.error = f"labs/{folder.name}/scenario.yaml: {type(error).__name__}: {str(error).splitlines()[0]}"
            else:
                lab.error = labcode.told(error, self._labs_dir)
        except (Exception, labcode.NeverEnds, SystemExit) as error:
            lab.error = labcode.told(error, self._labs_dir)
        if lab.error:
            lab.routes = []
            self._deps.log.error("lab_load_failed", lab=lab.name, error=lab.error)
        return lab

    def _load_code(self, lab: Lab, service_file: Path, edit_file: Path) -> None:
        service, edit = service_file.read_bytes(), edit_file.read_bytes()
        lab.code = labcode.checksum(service, edit)
        lab.edit = labcode.load(edit_file, edit) if edit_file.suffix == ".py" else None
        lab.service = labcode.load(service_file, service)
        roles = (lab.service.ROLE,) if isinstance(lab.service.ROLE, str) else tuple(lab.service.ROLE)
        if self._deps.role in roles:
            lab.routes = list(lab.service.routes(self._deps, lab.edit))

    def _refuse_double_routes(self) -> None:
        owner: dict[tuple[str, str], str] = {}
        for lab in self.labs:
            for route in lab.routes:
                first = owner.setdefault((route.method, route.path), lab.name)
                if first != lab.name and not lab.error:
                    lab.error = f"labs/{lab.name}/service.py: {route.method} {route.path} is the lab {first}'s already"
            if lab.error:
                lab.routes = []

    def _wire_routes(self) -> list[WireRoute]:
        wire = [
            WireRoute(route.path, self._endpoint(lab, route.path, route.handler), methods=[route.method])
            for lab in self.labs
            for route in lab.routes
        ]
        for lab in self.labs:
            for path in lab.paths if lab.error else ():
                wire.append(WireRoute(path, _broken(lab), methods=METHODS))
                wire.append(WireRoute(f"{path}/{{rest:path}}", _broken(lab), methods=METHODS))
        return wire

    def _endpoint(self, lab: Lab, path: str, handler: Handler) -> Callable[[WireRequest], Any]:
        async def endpoint(wire: WireRequest) -> Response:
            wire.scope[ROUTE] = path
            try:
                request = await _read(wire)
            except ClientDisconnect:
                return Response(status_code=400)
            if isinstance(request, Response):
                return request
            try:
                return _written(await handler(request))
            except Exception as error:
                place = labcode.where(error, self._labs_dir)
                told = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")
                self._deps.log.error("handler_failed", lab=lab.name, error=told, where=place)
                return JSONResponse({"error": told, "where": place}, status_code=500)

        return endpoint


def _folders(labs_dir: Path) -> list[Path]:
    return [p.parent for p in sorted(labs_dir.glob("*/scenario.yaml")) if not p.parent.name.startswith("_")]


def _first_segments(requests: list[Mapping[str, Any]], role: str) -> list[str]:
    paths = [str(r["path"]) for r in requests if r.get("role", "api") == role]
    return sorted({"/" + path.split("?")[0].split("/")[1] for path in paths if not path.startswith("/{")})


def _broken(lab: Lab) -> Callable[[WireRequest], Any]:
    async def endpoint(wire: WireRequest) -> Response:
        wire.scope[ROUTE] = f"broken:{lab.name}"
        return JSONResponse({"error": f"the lab {lab.name} does not load", "where": lab.error}, status_code=500)

    return endpoint


async def _read(wire: WireRequest) -> Request | Response:
    raw = b""
    if wire.headers.get("content-length", "0") != "0" or "transfer-encoding" in wire.headers:
        async for chunk in wire.stream():
            raw += chunk
            if len(raw) > BODY_LIMIT_BYTES:
                return JSONResponse({"error": f"the body is longer than {BODY_LIMIT_BYTES} bytes"}, status_code=413)
    try:
        body = json.loads(raw) if raw else None
    except ValueError as error:
        return JSONResponse({"error": f"the body is not JSON: {error}"}, status_code=400)
    return Request(
        wire.method, wire.url.path, dict(wire.path_params), dict(wire.query_params), dict(wire.headers.items()), body
    )


def _written(reply: Reply) -> Response:
    body = json.dumps(dict(reply.body), separators=(",", ":"), ensure_ascii=False).encode()
    return Response(body, status_code=reply.status, headers=dict(reply.headers), media_type="application/json")
