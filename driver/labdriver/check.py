"""Runs a lab's `test_check.py` in a process of its own and reads the result: seconds, no stack.

    whole() ──▶ the files load ──▶ test_check.py ──▶ findings          what comes before a hint is told in one line

The check runs the participant's edit, so it is bounded in time: an edit that never ends is a finding, not a hang.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from labdriver import markers
from labdriver.errors import Misuse
from labdriver.lab import Lab
from labdriver.verbs import to_type

LIMIT_S = 30.0


@dataclass(frozen=True)
class Finding:
    """One thing the check looked at. `hint` is empty when it holds, or when it could not be looked at (`skipped`)."""

    what: str
    hint: str = ""
    skipped: str = ""  # why it could not be looked at


def whole(lab: Lab) -> None:
    """Look at the edit file without running it; `run` and `dev` do so too.

    Raises Misuse when it is missing or empty, or when its markers are damaged. Changes nothing.
    """
    shown = _shown(lab, lab.edit_file)
    starter = f"solutions/{lab.id}/starter{lab.edit_file.suffix}"
    try:
        text = lab.edit_file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        told = f"{shown} is missing, expected the edit file of {lab.id}"
        raise Misuse(told, next_step=f"cp {starter} {shown}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{shown} cannot be read ({error}), expected text", next_step=f"mend {shown}") from error
    if not text.strip():
        told = f"{shown} is empty, expected the edit file of {lab.id}"
        raise Misuse(told, next_step=f"cp {starter} {shown}")
    try:
        markers.split(text, step=lab.scenario.step, name=shown)
    except Misuse as error:
        told = f"diff {starter} {shown}  # then put the marker lines back"
        raise Misuse(error.message, next_step=told) from error


def check(lab: Lab, *, limit_s: float = LIMIT_S) -> list[Finding]:
    """Findings in the order of the file. Raises Misuse when the edit is not whole, cannot be loaded or never ends."""
    whole(lab)
    _refuse_unloadable(lab, limit_s)
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.xml"
        command = [sys.executable, "-m", "pytest", str(lab.folder / "test_check.py"), f"--junitxml={result}"]
        command += ["-q", "--disable-plugin-autoload", "-p", "no:cacheprovider", "-o", "junit_family=xunit2"]
        command += ["-c", "/dev/null", f"--rootdir={lab.folder}", "--import-mode=importlib"]
        done = _bounded(command, lab, limit_s)
        if not result.exists():
            raise Misuse(
                f"the check of {lab.id} did not start: {done.stderr.strip()[-300:]}", next_step=to_type("test")
            )
        return [_finding(case) for case in ElementTree.parse(result).getroot().iter("testcase")]


def _refuse_unloadable(lab: Lab, limit_s: float) -> None:
    """Raise Misuse with file and line for code that does not even load: no hint would lead anywhere."""
    service = lab.folder / "service.py"
    if not service.is_file():
        shown = _shown(lab, service)
        raise Misuse(f"{shown} is missing, expected the given code", next_step=f"git checkout {shown}")
    files = [str(path) for path in (lab.edit_file, service) if path.suffix == ".py"]
    done = _bounded([sys.executable, "-P", "-m", "labdriver.try_import", *files], lab, limit_s)
    if done.returncode:
        last = (done.stdout.strip() or done.stderr.strip() or "no reason given").splitlines()[-1]
        told = last.removeprefix(f"{lab.folder.parents[1]}/")
        place = told.partition(": ")[0]
        raise Misuse(f"{told}, expected code that loads", next_step=f"mend {place}, then {_again(lab)}")


def _bounded(command: list[str], lab: Lab, limit_s: float) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # a check needs no plugin; theirs take longer than it
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False, env=env)
    except subprocess.TimeoutExpired as error:
        shown = _shown(lab, lab.edit_file)
        raise Misuse(
            f"the check of {shown} did not end in {limit_s:.0f} s: does the edit loop without waiting?",
            next_step=f"mend {shown}, then {_again(lab)}",
        ) from error


def _again(lab: Lab) -> str:
    return to_type("check", lab=lab.id)


def _shown(lab: Lab, path: Path) -> str:
    """`labs/timeouts/edit.py`, as it is typed in the checkout."""
    return str(path.relative_to(lab.folder.parents[1]))


def _finding(case: ElementTree.Element) -> Finding:
    what = re.sub(r"[_\[\]]+", " ", (case.get("name") or "").removeprefix("test_")).strip()
    broken = next((child for child in case if child.tag in ("failure", "error")), None)
    if broken is None:
        skipped = case.find("skipped")
        return Finding(what, skipped="" if skipped is None else skipped.get("message") or "skipped")
    message = (broken.get("message") or "").split("\nassert ")[0].strip()
    message = message.removeprefix("AssertionError: ").removeprefix("Failed: ")
    if message in ("", "collection failure"):
        message = next((line for line in reversed((broken.text or "").splitlines()) if line.startswith("E ")), "")
        what = "the edit can be loaded"
    return Finding(what, message.removeprefix("E").strip() or "failed without a message")
