"""What a participant waits for on k3d: preflight, up, smoke, dev, a solution branch; and how large the image is.

Uses a clone of the checkout (what is committed), its own cluster on free ports, and the bundle of this checkout or of
LAB_BUNDLE. Without Docker, k3d or a complete bundle every figure is skipped, with what `up` said.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench._checkout import port_variables
from bench.kit import Bench, Result, Say

ROOT = Path(__file__).resolve().parents[1]
LABDRIVER = [sys.executable, "-m", "labdriver", "--runtime", "k3d"]
BRANCH = "step-1-solution"


class Kit:
    """A clone of the checkout and the environment that its commands run in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("git", "clone", "-q", str(ROOT), str(folder), where=ROOT)
        bundle = os.environ.get("LAB_BUNDLE") or str(ROOT / ".lab" / "bundle")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("LAB_")}
        self.env = clean | port_variables() | {"LAB_BUNDLE": bundle, "LAB_NO_OPEN": "1"}

    def run(self, *args: str, where: Path | None = None) -> str:
        """What a program prints. Raises CalledProcessError when it fails."""
        env = None if where else self.env
        return subprocess.run(
            args, cwd=where or self.folder, env=env, capture_output=True, text=True, check=True
        ).stdout  # fmt: skip

    def timed(self, *args: str) -> float:
        """Seconds that `labdriver ARGS` takes as a process."""
        begun_s = time.monotonic()
        self.run(*LABDRIVER, *args)
        return time.monotonic() - begun_s

    def append(self, path: str) -> None:
        """Add a comment to a Python file: the least that counts as an edit."""
        with (self.folder / path).open("a", encoding="utf-8") as file:
            file.write(f"# {time.monotonic_ns()}\n")


def measure(say: Say) -> Iterator[Result]:
    """Every figure, in the order of a workshop."""
    with tempfile.TemporaryDirectory() as scratch:
        kit = Kit(Path(scratch) / "checkout")
        yield _preflight(kit)
        try:
            say("up, twice")
            took_s = kit.timed("up")
        except subprocess.CalledProcessError as error:
            yield Result("up from nothing", None, "s", f"no cluster here: {error.stderr.strip().splitlines()[-1]}")
            return
        try:
            yield Result("up from nothing", took_s, "s", "labdriver up, images in Docker or in the bundle", at_most=90)
            yield from _while_up(kit, say)
        finally:
            took_s = kit.timed("down")
        yield Result("down", took_s, "s", "labdriver down")


def _preflight(kit: Kit) -> Result:
    """Not `timed`: it ends with 3 where something is missing."""
    begun_s = time.monotonic()
    subprocess.run([*LABDRIVER, "preflight"], cwd=kit.folder, env=kit.env, capture_output=True)
    return Result("preflight", time.monotonic() - begun_s, "s", "the whole command, whatever it finds", at_most=5)


def _while_up(kit: Kit, say: Say) -> Iterator[Result]:
    yield Result("up when up", kit.timed("up"), "s", "the whole command", at_most=5)
    yield Result("image", _image_mb(kit), "MB", "docker image inspect, unpacked", at_most=200)
    yield Result("smoke", kit.timed("smoke"), "s", "the whole command, four ports", at_most=3)
    say("edits")
    kit.append("labs/timeouts/edit.py")
    yield Result("dev, a lab edit", kit.timed("dev"), "s", "a comment in edit.py to rolled out and served", at_most=6)
    kit.append("services/labsvc/cli.py")
    took_s = kit.timed("dev")
    yield Result("dev, a service change", took_s, "s", "built, imported, every role rolled out, served", at_most=30)
    say(f"git checkout {BRANCH}")
    kit.run("git", "checkout", "-q", "--", ".")
    kit.run(*LABDRIVER, "solutions")
    begun_s = time.monotonic()
    kit.run("git", "checkout", "-q", BRANCH)
    kit.append("services/labsvc/cli.py")
    kit.timed("dev")
    kit.timed("smoke")
    took_s = time.monotonic() - begun_s
    method = "git checkout, dev with an image that was never built, smoke"
    yield Result("solution branch to rejoined", took_s, "s", method, at_most=120)
    yield Result("reset", kit.timed("reset"), "s", "the whole command")


def _image_mb(kit: Kit) -> float:
    names = kit.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "breakwater/labsvc").split()
    return max(int(kit.run("docker", "image", "inspect", "--format", "{{.Size}}", name)) for name in names) / 1e6


BENCH = Bench("what a participant waits for on k3d", measure)
