"""A copy of the checkout to measure in, as a participant has one: its files, its commands, free ports of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

from labdriver import lab as labs
from labdriver.settings import PORT_VARIABLES
from labdriver.stack.local import ports

ROOT = Path(__file__).resolve().parents[1]
LABDRIVER = [sys.executable, "-m", "labdriver"]


class Checkout:
    """A copy of the checkout and the environment that its commands run in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("labs", "k8s", "solutions"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for lab in self.labs:
            self.put(lab, "starter")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("LAB_")}
        self.env = clean | port_variables() | {"LAB_RUNTIME": "local", "LAB_NO_OPEN": "1"}

    @property
    def labs(self) -> list[str]:
        """Ids of the labs, in the order of their steps."""
        return labs.find(self.folder / "labs")

    def put(self, lab: str, what: Literal["starter", "solution"]) -> None:
        """Save the starter or the solution as the participant's edit."""
        edit = next((self.folder / "solutions" / lab).glob("edit.*"))
        chosen = edit if what == "solution" else edit.with_stem("starter")
        shutil.copyfile(chosen, self.folder / "labs" / lab / edit.name)

    def timed(self, *args: str) -> tuple[float, str]:
        """Seconds that `labdriver ARGS` takes, and what it prints. Raises CalledProcessError when it fails."""
        begun_s = time.monotonic()
        done = subprocess.run([*LABDRIVER, *args], cwd=self.folder, env=self.env, capture_output=True, text=True)
        took_s = time.monotonic() - begun_s
        done.check_returncode()
        return took_s, done.stdout

    def run(self, lab: str) -> tuple[float, dict[str, Any]]:
        """Seconds and the answer of a whole run of a lab."""
        took_s, out = self.timed("run", lab, "--json")
        answer: dict[str, Any] = json.loads(out)
        return took_s, answer


def port_variables() -> dict[str, str]:
    """The variables that give a stack free ports of its own."""
    return {PORT_VARIABLES[role]: str(port) for role, port in ports.free(PORT_VARIABLES).items()}
