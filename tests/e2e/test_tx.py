"""The tx lab as a participant lives it: broken, then fixed; real stack, real Postgres."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Kit, when_quiet

pytestmark = pytest.mark.stack


def run(kit: Kit, variant: str) -> dict[str, Any]:
    """A short run of the lab with one of its fixes; its JSON answer."""
    shutil.copyfile(kit.root / "solutions" / "tx" / f"{variant}.py", kit.root / "labs" / "tx" / "edit.py")
    done = kit.call("run", "tx", "--json", "--scale", "0.4", "--by", variant.replace("/", "-"))
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def points(answer: dict[str, Any]) -> dict[str, float]:
    return {rule["id"]: rule["points"] for rule in answer["rules"]}


@pytest.mark.alone
def test_starter_loses_and_solution_serves_all_with_tidy_books(kit: Kit) -> None:
    """The starter's page says who waited for what; after the fix nobody does, and every order has its payment."""
    starter, solution = (when_quiet(partial(run, kit, variant)) for variant in ("starter", "edit"))
    assert starter["score"] <= 35
    assert points(starter)["transactions"] == 0
    assert solution["score"] - starter["score"] >= 30
    assert points(solution)["payments"] == points(solution)["settled"] == 10
    assert "callers waited for a database connection. 10 had one" in Path(starter["report"]).read_text()
