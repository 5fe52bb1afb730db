"""The marked place of an edit file, whole and damaged."""

import pytest

from labdriver import markers
from labdriver.errors import Misuse

WHOLE = "a\n    # LAB: STEP1 TODO: do it\n    x = 1\n    # LAB: STEP1 END\nb\n"


def test_split_gives_back_every_line() -> None:
    """Three parts, nothing lost, the marker lines outside."""
    marked = markers.split(WHOLE, step=1, name="edit.py")
    assert marked.inside == ("    x = 1",)
    assert [*marked.before, *marked.inside, *marked.after] == WHOLE.splitlines()


@pytest.mark.parametrize(
    "damaged",
    [
        WHOLE.replace("    # LAB: STEP1 END\n", ""),
        WHOLE.replace("TODO: do it", "done"),
        WHOLE + WHOLE,
        WHOLE.replace("STEP1 END", "STEP2 END"),
        "# LAB: STEP1 END\n# LAB: STEP1 TODO: x\n",
        "",
    ],
)
def test_damaged_markers_are_told_with_the_way_back(damaged: str) -> None:
    """The message counts what was found and says how to see the difference."""
    with pytest.raises(Misuse, match=r"edit.py: the markers are damaged: found \d") as caught:
        markers.split(damaged, step=1, name="edit.py")
    assert "git diff edit.py" in str(caught.value)
