"""The timeouts lab as a participant lives it: run, fix, run again, look at the page. Real stack, real Postgres."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labdriver.errors import EnvironmentFault
from tests.e2e.conftest import SHORT, Kit, when_quiet

pytestmark = pytest.mark.stack


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read lines of a running command until one holds `text`."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} was never printed:\n{seen}")


@pytest.mark.alone
def test_starter_loses_solution_wins_and_the_report_compares(kit: Kit) -> None:
    """The hour in small: a bad score, one edit, a good score beside the old one."""
    runs: list[dict[str, Any]] = []

    def run() -> dict[str, Any]:
        runs.append(kit.run("--by", "alice"))
        return runs[-1]

    kit.edit(kit.starter)
    before = when_quiet(run)
    kit.edit(kit.solution)
    after = when_quiet(run)
    assert before["verdict"] == after["verdict"] == "VALID"
    assert after["score"] - before["score"] >= 30
    assert after["baseline"]["run"] == runs[-2]["run"]
    metrics = after["metrics"]
    assert metrics["attempted"] == metrics["succeeded"] + metrics["failed"] + metrics["unfinished"]
    assert Path(after["report"]).is_file()
    assert "alice" in (kit.root / "reports" / "index.html").read_text()


def test_score_line_is_the_last_line(kit: Kit) -> None:
    """What people paste into the chat stands at the end, alone."""
    done = kit.call("run", "timeouts", *SHORT, "--by", "alice")
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert re.fullmatch(
        r"SCORE lab=timeouts score=\d+ p95_ms=\d+ ok=[01]\.\d{3} verdict=(VALID|INVALID) by=alice"
        rf" run=\d{{8}}T\d{{6}}Z scale={re.escape(SHORT[1])} check=[0-9a-f]{{4}}",
        last,
    )


def test_fail_under_exits_1(kit: Kit) -> None:
    """A script can ask for a score; the starter does not reach it."""
    kit.edit(kit.starter)
    done = kit.call("run", "timeouts", *SHORT, "--fail-under", "90")
    assert done.returncode == 1
    assert "expected at least 90" in done.stderr


def test_markup_in_a_name_is_text_on_every_page(kit: Kit) -> None:
    """A name is shown, never executed."""
    answer = kit.run("--by", "<script>alert(1)</script>")
    for page in (Path(answer["report"]), kit.root / "reports" / "index.html"):
        assert "<script>alert(1)" not in page.read_text()


def test_edit_with_a_syntax_error_is_refused_with_its_line(kit: Kit) -> None:
    """The run does not start, the message names file and line, the older code stays in service."""
    kit.edit(kit.solution.read_text().replace("try:", "try", 1))
    done = kit.call("run", "timeouts", *SHORT)
    assert done.returncode == 2, done.stderr
    assert "labs/timeouts/edit.py:" in done.stderr
    assert "SyntaxError" in done.stderr
    kit.edit(kit.solution)
    assert kit.call("dev").returncode == 0


def test_endless_loop_in_the_edit_ends_and_is_told(kit: Kit) -> None:
    """An edit that blocks the whole process: the run ends, scores nothing; once it is repaired, the next run works."""
    kit.edit(
        kit.starter.read_text().replace(
            "    answer = await pricing", "    while True: pass\n    answer = await pricing", 1
        )
    )
    answer = kit.run()
    assert answer["score"] <= 10
    kit.edit(kit.solution)
    assert kit.run()["score"] > answer["score"]
    assert kit.call("smoke").returncode == 0


def test_second_run_is_told_who_holds_the_stack(kit: Kit) -> None:
    """Two runs at once would spoil each other."""
    first = kit.start("run", "timeouts", "--by", "alice")
    wait_for(first, "req/s")
    second = kit.call("run", "timeouts", *SHORT, "--by", "bob")
    assert second.returncode == EnvironmentFault.exit_code
    assert "run timeouts by alice" in second.stderr
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=300)
    assert first.returncode == 130


def test_ctrl_c_keeps_what_was_measured(kit: Kit) -> None:
    """An interrupted run has a report and an INVALID verdict that says when; its exit code is a shell's for Ctrl-C."""
    process = kit.start("run", "timeouts", "--by", "alice")
    wait_for(process, "req/s")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    *_, score, last = out.strip().splitlines()
    assert ("verdict=INVALID" in score, last, process.returncode) == (True, "stopped", 130)
    assert "interrupted" in out


@pytest.mark.parametrize("role", ["api", "depsim", "postgres"])
def test_killed_part_makes_the_run_invalid_and_comes_back(kit: Kit, role: str) -> None:
    """A part that dies under the run spoils the run, not the kit."""
    kit.edit(kit.solution)
    assert kit.call("dev").returncode == 0
    process = kit.start("run", "timeouts", *SHORT)
    wait_for(process, "req/s")
    os.kill(kit.pid(role), signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    assert "verdict=INVALID" in out.strip().splitlines()[-1], out
    assert kit.call("up").returncode == 0
    assert kit.call("smoke").returncode == 0


def test_reports_folder_may_be_deleted_between_runs(kit: Kit) -> None:
    """Reports are generated only; nothing depends on the old ones."""
    subprocess.run(["rm", "-rf", str(kit.root / "reports")], check=True)
    answer = kit.run()
    assert Path(answer["report"]).is_file()
    assert (kit.root / "reports" / "index.html").is_file()


def test_unwritable_reports_still_tell_the_score(kit: Kit) -> None:
    """A full disk costs the page, not the score line."""
    reports = kit.root / "reports"
    subprocess.run(["rm", "-rf", str(reports)], check=True)
    reports.write_text("not a folder")
    try:
        done = kit.call("run", "timeouts", *SHORT)
    finally:
        reports.unlink()
    assert done.returncode == 0, done.stderr
    assert "the report was not written" in done.stdout
    assert done.stdout.strip().splitlines()[-1].startswith("SCORE lab=timeouts")


def test_record_of_a_newer_kit_is_left_out(kit: Kit) -> None:
    """`report` renders the others and names the one it cannot read."""
    answer = kit.run()
    head = Path(answer["report"]).with_name("run.json")
    head.write_text(json.dumps(json.loads(head.read_text()) | {"schema_version": 99}))
    done = kit.call("report")
    assert done.returncode == 0, done.stderr
    assert "has schema 99" in done.stdout


def test_broken_scenario_is_told_with_file_and_line(kit: Kit) -> None:
    """A lab file with a mistake is misuse, with the allowed values."""
    path = kit.root / "labs" / "timeouts" / "scenario.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("arrivals: even", "arrivals: sometimes"))
    try:
        done = kit.call("run", "timeouts")
    finally:
        path.write_text(whole)
    assert done.returncode == 2
    assert "scenario.yaml:" in done.stderr
    assert "'even' or 'poisson'" in done.stderr


def test_unknown_lab_lists_the_known_ones(kit: Kit) -> None:
    """A mistyped name is one line and exit 2."""
    done = kit.call("run", "timeoutz")
    assert done.returncode == 2
    assert "expected one of: timeouts" in done.stderr
