"""The generator as a process on a real Postgres: started, killed and started again behind the same socket.

And Chromium, which looks at its pages.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.services.workshop.conftest import Server, postgres

from labdriver.join import new_token

ROOT = Path(__file__).resolve().parents[3]
READY_S = 60.0
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run"]
ARGS += ["--host-resolver-rules=MAP board.example 127.0.0.1"]  # an address that other machines could reach
WAIT_MS = 60_000

Visit = Callable[..., Page]

__all__ = ["postgres"]  # the fixture of the workshop's tests


@dataclass
class Generator:
    """One generator. Its listening socket is ours, so that a killed one is replaced without a refused connection."""

    listener: socket.socket
    postgres: Server
    log: Path
    facilitator: str = field(default_factory=new_token)
    process: "subprocess.Popen[bytes] | None" = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=READY_S, trust_env=False))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'driver'}:{ROOT}"}
        env |= {"LAB_LISTEN_FDS": str(self.listener.fileno()), "LAB_DATABASE_URL": self.postgres.url}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.services.live.serve"],
                env=env,
                cwd=ROOT,
                pass_fds=(self.listener.fileno(),),
                stdout=out,
                stderr=out,
            )
        with httpx.Client(base_url=self.url, timeout=READY_S, trust_env=False) as http:
            assert http.get("/healthz").status_code == 200

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(READY_S)

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> httpx.Response:
        """One request; as the facilitator with `token="facilitator"`."""
        key = self.facilitator if token == "facilitator" else token
        if key:
            headers["authorization"] = f"Bearer {key}"
        given: dict[str, Any] = {} if body is None else {"json": body}
        return self.http.request(method, self.url + path, headers=headers, **given)

    def heard(self, method: str, path: str, body: Any = None, *, token: str = "") -> httpx.Response:
        """What the workshop says; asked again while its database is away, as everybody does."""
        until_s = time.monotonic() + READY_S
        while (answer := self.ask(method, path, body, token=token)).status_code == 503:
            assert time.monotonic() < until_s, f"the database was not used within {READY_S:g} s: {answer.text}"
            time.sleep(0.05)
        return answer

    def told(self, method: str, path: str, body: Any = None, *, token: str = "") -> dict[str, Any]:
        """The answer of a request that must succeed."""
        answer = self.heard(method, path, body, token=token)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def claim(self) -> None:
        """Be the facilitator."""
        self.told("PUT", "/workshop/facilitator", {"token": self.facilitator})

    def stop(self) -> None:
        """End the session, if there is one."""
        self.heard("POST", "/workshop/stop", {}, token="facilitator")

    def session(self, **how: Any) -> dict[str, Any]:
        """A new session; the one before is ended."""
        self.stop()
        return self.told("POST", "/workshop/start", {"name": "Monday"} | how, token="facilitator")


@pytest.fixture(scope="module")
def generator(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generator]:
    """A generator that is claimed and ready."""
    postgres.wipe()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    made = Generator(listener, postgres, tmp_path_factory.mktemp("generator") / "generator.log")
    try:
        made.start()
        made.claim()
        yield made
    finally:
        with suppress(AssertionError):
            made.kill()
        made.http.close()
        listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS, timeout=2 * WAIT_MS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, generator: Generator) -> Iterator[Visit]:
    """Open a page in a browser of its own; a script's error, or anything the policy forbids, fails the test."""
    contexts, trouble = [], []
    expect.set_options(timeout=WAIT_MS)

    def go(
        path: str, *, width: int = 1280, scheme: str = "light", host: str = "127.0.0.1", answer: str | None = None
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(f"{path}: {error}"))
        page.on("console", lambda told: trouble.append(told.text) if "Content Security" in told.text else None)
        page.on("dialog", lambda dialog: dialog.accept(answer))
        page.goto(f"http://{host}:{generator.port}{path}")
        return page

    yield go
    for context in contexts:
        context.close()
    assert trouble == []
