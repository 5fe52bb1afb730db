"""Solution branches: made from what is committed, the same each time, nobody's work lost."""

import shutil
import subprocess
from pathlib import Path

import pytest

from labdriver import solutions
from labdriver.errors import EnvironmentFault, Misuse

ROOT = Path(__file__).resolve().parents[2]


def git(repo: Path, *args: str) -> str:
    """Output of a git command in `repo`."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    return subprocess.run(
        ["git", *identity, *args], cwd=repo, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with the kit's labs and solutions, all committed on main."""
    for name in ("labs", "solutions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.mine-*"))
    for starter in tmp_path.glob("solutions/*/starter.*"):
        shutil.copyfile(starter, tmp_path / "labs" / starter.parent.name / f"edit{starter.suffix}")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "kit")
    return tmp_path


def test_branch_holds_the_fixes_up_to_its_step(repo: Path) -> None:
    """step-1-solution differs from main in the edit file of step 1 only."""
    made = solutions.make(repo)
    assert made[0].name == "step-1-solution"
    assert git(repo, "diff", "--name-only", "main", "step-1-solution") == "labs/timeouts/edit.py"
    assert git(repo, "show", "step-1-solution:labs/timeouts/edit.py") == (
        (repo / "solutions" / "timeouts" / "edit.py").read_text().strip()
    )
    assert len(git(repo, "diff", "--name-only", "main", made[-1].name).split()) == len(made)


def test_second_call_changes_nothing(repo: Path) -> None:
    """The same HEAD gives the same commits."""
    first = solutions.make(repo)
    second = solutions.make(repo)
    assert [b.commit for b in first] == [b.commit for b in second]
    assert {b.told for b in second} == {"unchanged"}


def test_working_tree_and_index_are_untouched(repo: Path) -> None:
    """A dirty tree stays exactly as dirty as it was."""
    (repo / "labs" / "timeouts" / "edit.py").write_text("mine\n")
    (repo / "note.txt").write_text("mine\n")
    git(repo, "add", "note.txt")
    before = git(repo, "status", "--porcelain")
    solutions.make(repo)
    assert git(repo, "status", "--porcelain") == before
    assert (repo / "labs" / "timeouts" / "edit.py").read_text() == "mine\n"
    assert git(repo, "branch", "--show-current") == "main"


def test_new_head_renews_the_branches(repo: Path) -> None:
    """After a change of main, the branches follow it."""
    solutions.make(repo)
    (repo / "labs" / "timeouts" / "README.md").write_text("new\n")
    git(repo, "commit", "-qam", "brief")
    assert {b.told for b in solutions.make(repo)} == {"renewed"}
    assert git(repo, "show", "step-1-solution:labs/timeouts/README.md") == "new"


def test_branch_that_somebody_changed_is_refused(repo: Path) -> None:
    """Somebody's own work under that name is kept, and the way out is told; no other branch moves either."""
    solutions.make(repo)
    git(repo, "switch", "-q", "step-1-solution")
    (repo / "labs" / "timeouts" / "edit.py").write_text("better\n")
    git(repo, "commit", "-qam", "mine")
    mine = git(repo, "rev-parse", "HEAD")
    git(repo, "switch", "-q", "main")
    (repo / "labs" / "timeouts" / "README.md").write_text("new\n")
    git(repo, "commit", "-qam", "brief")
    with pytest.raises(
        Misuse, match=r"step-1-solution was not made by this command.*\n.*git branch -m step-1-solution"
    ):
        solutions.make(repo)
    assert git(repo, "rev-parse", "step-1-solution") == mine


def test_checked_out_branch_is_not_moved_under_somebody(repo: Path) -> None:
    """Renewing the branch one stands on would look like a hundred changes."""
    solutions.make(repo)
    (repo / "labs" / "timeouts" / "README.md").write_text("new\n")
    git(repo, "commit", "-qam", "brief")
    git(repo, "switch", "-q", "step-1-solution")
    with pytest.raises(Misuse, match="step-1-solution is checked out"):
        solutions.make(repo)


def test_shallow_clone_works(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A clone of depth 1 has all that is needed."""
    clone = tmp_path_factory.mktemp("clone") / "kit"
    subprocess.run(["git", "clone", "-q", "--depth", "1", repo.as_uri(), str(clone)], check=True)
    assert solutions.make(clone)[0].told == "made"


def test_folder_without_git_is_told(tmp_path: Path) -> None:
    """An unpacked archive has no branches; the message says what to do."""
    shutil.copytree(ROOT / "labs", tmp_path / "labs")
    with pytest.raises(EnvironmentFault, match="is not a git checkout"):
        solutions.make(tmp_path)


def test_missing_git_is_told(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, the message names the command that works without it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentFault, match=r"git was not found.*\n.*make rescue"):
        solutions.make(repo)
