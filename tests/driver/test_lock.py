"""One run at a time: the second is told who holds the stack."""

import subprocess
import sys
from pathlib import Path

import pytest

from labdriver import lock
from labdriver.errors import EnvironmentFault


def test_second_holder_is_told_about_the_first(tmp_path: Path) -> None:
    """The message names the lab, the participant and the process."""
    path = tmp_path / "run.lock"
    with (
        lock.hold(path, what="timeouts", by="alice"),
        pytest.raises(EnvironmentFault, match=r"timeouts by alice since .* \(pid \d+\)"),
        lock.hold(path, what="tx", by="bob"),
    ):
        pytest.fail("two holders at once")


def test_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    """A finished run leaves nothing behind that blocks the next."""
    path = tmp_path / "run.lock"
    for name in ("alice", "bob"):
        with lock.hold(path, what="timeouts", by=name):
            pass


def test_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    """A run that was killed never blocks the stack."""
    path = tmp_path / "run.lock"
    code = (
        "import sys\nfrom pathlib import Path\nfrom labdriver import lock\n"
        "with lock.hold(Path(sys.argv[1]), what='timeouts', by='alice'):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(EnvironmentFault), lock.hold(path, what="tx", by="bob"):
        pass
    holder.kill()
    holder.communicate()
    with lock.hold(path, what="tx", by="bob"):
        pass


def test_lock_that_cannot_be_written_is_an_environment_fault(tmp_path: Path) -> None:
    """A full disk, or a folder of another user: what it is about, and what to look at."""
    (tmp_path / ".lab").write_text("not a folder")
    with (
        pytest.raises(EnvironmentFault, match=r"cannot write to .*\.lab \(.*\)\n  next: df -h"),
        lock.hold(tmp_path / ".lab" / "run.lock", what="timeouts", by="alice"),
    ):
        pytest.fail("it was held")


def test_asking_whether_it_is_held_holds_nothing(tmp_path: Path) -> None:
    """Refused with the holder's name while it is held; free before and after, also for a holder."""
    path = tmp_path / "run.lock"
    lock.refuse_held(path)
    assert not path.exists()
    with (
        lock.hold(path, what="run timeouts", by="alice"),
        pytest.raises(EnvironmentFault, match="run timeouts by alice since"),
    ):
        lock.refuse_held(path)
    lock.refuse_held(path)
    with lock.hold(path, what="tx", by="bob"):
        pass
