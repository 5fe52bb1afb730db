"""`labdriver selftest` as it is used."""

import json
import subprocess
import sys

from labdriver.commands.selftest import answer, table
from labdriver.selftest.check import Figure, Finding
from labdriver.selftest.run import Outcome

LABDRIVER = (sys.executable, "-c", "from labdriver.cli import main; main()")
MISSED = Outcome("x", "Title", Finding((Figure("a_ms", 2.5, at_most=1), Figure("b_ms", None, at_most=1)), "note"), 3.0)


def test_selftest_json_is_the_whole_stdout() -> None:
    """The check that needs no quiet machine: exit 0, one JSON object, progress on stderr."""
    command = [*LABDRIVER, "selftest", "silent", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ok"], [check["check"] for check in told["checks"]]) == (True, ["silent"])
    assert {f["name"]: f["value"] for f in told["checks"][0]["figures"]} == {"accounted_ratio": 1, "ok_count": 0}
    assert "silent: 50 requests a second" in done.stderr


def test_selftest_unknown_check_is_misuse() -> None:
    """Exit 2 and the known names."""
    command = [*LABDRIVER, "selftest", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 2
    assert "expected one of: identical, schedule, silent, stopped" in done.stderr


def test_table_shows_misses_and_what_was_not_measured() -> None:
    """A figure, its value, its target; missing is missing."""
    lines = "\n".join(table([MISSED]))
    assert "MISSED a_ms" in lines
    assert "not measured" in lines
    assert "≤ 1" in lines


def test_answer_of_a_miss_is_not_ok() -> None:
    """A script reads one word."""
    assert not answer([MISSED])["ok"]
