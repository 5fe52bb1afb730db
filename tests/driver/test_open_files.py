"""The limit of open files, in a process of its own that begins with as few as a shell of macOS allows."""

import subprocess
import sys

from labdriver import open_files

PROGRAM = """
import resource, sys
hard = int(sys.argv[1]) if sys.argv[1:] else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
from labdriver import open_files
print(open_files.raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], hard)
"""


def raised(*hard: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *hard], capture_output=True, text=True, timeout=180, check=True
    )
    return [int(number) for number in done.stdout.split()]


def test_limit_is_raised_as_far_as_the_system_allows() -> None:
    """What is told is what is in force."""
    told, in_force, hard = raised()
    assert 256 < told == in_force <= open_files.MOST
    assert told in (10240, open_files.MOST, hard)


def test_limit_that_is_the_most_already_is_told_as_it_is() -> None:
    """A process that may not have more goes on with what it has."""
    assert raised("256") == [256, 256, 256]
