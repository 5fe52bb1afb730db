"""A kit as a participant has it: a copy of the checkout, commands as processes, a stack of its own on free ports."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labdriver import record
from labdriver.score.verdict import crowded
from labdriver.settings import PORT_VARIABLES
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--scale", "0.2")
MOST_TRIES = 6


@dataclass(frozen=True)
class Kit:
    """One copy of the checkout and the environment its commands run in."""

    root: Path
    env: dict[str, str]

    def call(self, *args: str, limit_s: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `labdriver ARGS` to its end."""
        return subprocess.run(
            [*LABDRIVER, *args], cwd=self.root, env=self.env | env, capture_output=True, text=True, timeout=limit_s
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start `labdriver ARGS` and go on."""
        return subprocess.Popen(
            [*LABDRIVER, *args],
            cwd=self.root,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *args: str) -> dict[str, Any]:
        """A short run of the timeouts lab; its JSON answer."""
        done = self.call("run", "timeouts", "--json", *SHORT, *args)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def edit(self, source: Path | str) -> None:
        """Save an edit of the timeouts lab, from a file or as text."""
        text = source.read_text() if isinstance(source, Path) else source
        (self.root / "labs" / "timeouts" / "edit.py").write_text(text)

    @property
    def starter(self) -> Path:
        return self.root / "solutions" / "timeouts" / "starter.py"

    @property
    def solution(self) -> Path:
        return self.root / "solutions" / "timeouts" / "edit.py"

    def pid(self, role: str) -> int:
        """Process id of the first replica of a role."""
        state = json.loads((self.root / ".lab" / "stack.json").read_text())
        return next(int(p["pid"]) for p in state["processes"] if p["role"] == role)


LABDRIVER = [sys.executable, "-m", "labdriver"]


def when_quiet(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a run that counts: one for which the machine was too busy is made again, as `verify` does."""
    answer = run()
    for _ in range(MOST_TRIES - 1):
        if not crowded(record.load(Path(answer["report"]).parent)):
            break
        answer = run()
    return answer


def copy_of_kit(folder: Path) -> Kit:
    """The parts of the checkout that commands read, with every starter in place."""
    for name in ("labs", "k8s", "solutions"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.mine-*"))
    for starter in folder.glob("solutions/*/starter.*"):
        shutil.copyfile(starter, folder / "labs" / starter.parent.name / f"edit{starter.suffix}")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LAB_")}
    ports = {PORT_VARIABLES[role]: str(port) for role, port in free_ports().items()}
    return Kit(folder, {**clean, **ports, "LAB_RUNTIME": "local", "LAB_NO_OPEN": "1", "LAB_READY_TIMEOUT_S": "90"})


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_reaches_commands() -> Iterator[None]:
    """A suite started in the background of a script inherits an ignored SIGINT, and so would every command."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A kit whose stack is up; it is taken down at the end of the session."""
    made = copy_of_kit(tmp_path_factory.mktemp("kit"))
    up = made.call("up")
    assert up.returncode == 0, up.stderr
    yield made
    down = made.call("down")
    assert down.returncode == 0, down.stderr
