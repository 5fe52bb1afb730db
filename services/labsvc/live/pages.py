"""The pages: static files of `live/static/`, read once, served from memory. No build step, no template."""

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).with_name("static")
PAGES = {f"/{name}": f"{name}.html" for name in ("board", "business", "facilitator", "tickets", "admin")}


def routes(hour_runs: Callable[[], Awaitable[bool]], folder: Path = FOLDER) -> list[Route]:
    """`/board` and the other pages, and `/static/<file>` for what they load.

    `/` leads to the board while `hour_runs()`, else to the business.
    """
    files = {path.name: _file(path) for path in sorted(folder.iterdir()) if path.is_file()}

    async def first(_: Request) -> Response:
        page = "/board" if await hour_runs() else "/business"
        return RedirectResponse(page, headers={"cache-control": "no-store"})

    return [
        Route("/", first),
        *(Route(page, _serving(*files[name])) for page, name in PAGES.items() if name in files),
        *(Route(f"/static/{name}", _serving(*file)) for name, file in files.items() if not name.endswith(".html")),
    ]


def _file(path: Path) -> tuple[bytes, str]:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return path.read_bytes(), "text/javascript" if path.suffix == ".js" else kind


def _serving(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}  # always asked for, seldom sent

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return serve
