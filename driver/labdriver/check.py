"""Runs a lab's `test_check.py` in a process of its own and reads the result: seconds, no stack.

The check runs the participant's edit, so it is bounded in time: an edit that never ends is a finding, not a hang.
"""

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from labdriver.errors import Misuse
from labdriver.lab import Lab

LIMIT_S = 30.0


@dataclass(frozen=True)
class Finding:
    """One thing the check looked at. `hint` is empty when it holds, or when it could not be looked at (`skipped`)."""

    what: str
    hint: str = ""
    skipped: str = ""  # why it could not be looked at


def check(lab: Lab, *, limit_s: float = LIMIT_S) -> list[Finding]:
    """Findings in the order of the file. Raises Misuse when the edit cannot be loaded or never ends."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.xml"
        command = [sys.executable, "-m", "pytest", str(lab.folder / "test_check.py"), f"--junitxml={result}"]
        command += ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={lab.folder}"]
        command += ["--import-mode=importlib", "-o", "junit_family=xunit2"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise Misuse(
                f"the check of {lab.edit_file} did not end in {limit_s:.0f} s: does the edit loop without waiting?",
                next_step=f"mend {lab.edit_file}, then labdriver check {lab.id}",
            ) from error
        if not result.exists():
            raise Misuse(f"the check of {lab.id} did not start: {done.stderr.strip()[-300:]}", next_step="make test")
        return [_finding(case) for case in ElementTree.parse(result).getroot().iter("testcase")]


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
