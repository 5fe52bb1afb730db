"""Makes the branches `step-1-solution` … from `solutions/<lab>/` by git plumbing; the working tree is never touched.

    HEAD's tree ──▶ own index ──▶ + solutions/<lab>/edit.* of every lab up to step n ──▶ tree ──▶ commit ──▶ branch

Made from what is committed, so a dirty tree does not leak in. Dates and author come from HEAD: the same HEAD gives
the same commits, and a second call changes nothing. A branch of that name that somebody else has made or changed
is refused, not overwritten.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labdriver import lab
from labdriver.errors import EnvironmentFault, Misuse
from labdriver.verbs import to_type

TRAILER = "Generated-from: solutions"


@dataclass(frozen=True)
class Branch:
    """One solution branch and what became of it."""

    name: str
    commit: str
    labs: tuple[str, ...]  # whose fixes it holds
    told: str  # made, renewed, unchanged


def make(root: Path) -> list[Branch]:
    """Make or renew every solution branch. Raises before anything is changed when one of them is somebody's own."""
    git = Git(root)
    head = git.head()
    chosen = [lab.load(root / "labs", lab_id) for lab_id in lab.find(root / "labs")]
    planned: list[tuple[str, str, tuple[str, ...]]] = []
    for n, last in enumerate(chosen, 1):
        fixes = {f"labs/{x.id}/{x.scenario.edit}": f"solutions/{x.id}/{x.scenario.edit}" for x in chosen[:n]}
        name = f"step-{last.scenario.step}-solution"
        planned.append((name, _commit(git, head, name, fixes), tuple(x.id for x in chosen[:n])))
    for name, commit, _ in planned:
        _refuse_foreign(git, name, commit)
    return [Branch(name, commit, labs, _point(git, name, commit)) for name, commit, labs in planned]


def _commit(git: "Git", head: str, name: str, fixes: dict[str, str]) -> str:
    """The commit on top of `head` whose edit files are the solutions."""
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        git.run("read-tree", head, env=index)
        for edit, solution in fixes.items():
            blob = git.blob(head, solution)
            git.run("update-index", "--cacheinfo", f"100644,{blob},{edit}", env=index)
        tree = git.run("write-tree", env=index)
    names, dates = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE")
    mails = ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
    author, mail, date = git.run("show", "-s", "--format=%an%n%ae%n%ad", "--date=raw", head).splitlines()
    env = dict.fromkeys(names, author) | dict.fromkeys(mails, mail) | dict.fromkeys(dates, date)
    message = f"{name}: the reference fixes up to this step\n\n{TRAILER}\nGenerated-tree: {tree}"
    return git.run("commit-tree", tree, "-p", head, "-m", message, env=env)


def _refuse_foreign(git: "Git", name: str, commit: str) -> None:
    old = git.branch(name)
    if old is None or old == commit:
        return
    if git.current() == name:
        raise Misuse(
            f"{name} is checked out and would have to be renewed", next_step="git switch main, then make solutions"
        )
    message = git.run("show", "-s", "--format=%B", old)
    tree = git.run("rev-parse", f"{old}^{{tree}}")
    if TRAILER not in message or f"Generated-tree: {tree}" not in message:
        raise Misuse(
            f"the branch {name} was not made by this command, or was changed since",
            next_step=f"git branch -m {name} my-{name}, then make solutions",
        )


def _point(git: "Git", name: str, commit: str) -> str:
    old = git.branch(name)
    if old == commit:
        return "unchanged"
    git.run("update-ref", f"refs/heads/{name}", commit, old or "")
    return "renewed" if old else "made"


class Git:
    """The few git calls that are needed, on one repository."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """Output of one git command without its last line end. Raises EnvironmentFault when git is absent or fails."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", "-C", str(self._root), *args], env={**clean, **(env or {})}, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise EnvironmentFault(
                "git was not found; solution branches need it",
                next_step=f"{to_type('rescue', lab='<lab>')} works without git",
            ) from error
        if done.returncode:
            told = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EnvironmentFault(f"git {args[0]} failed: {told}", next_step=f"git -C {self._root} status")
        return done.stdout.rstrip("\n")

    def head(self) -> str:
        try:
            return self.run("rev-parse", "--verify", "HEAD^{commit}")
        except EnvironmentFault as error:
            if "not found" in error.message:
                raise
            raise EnvironmentFault(
                f"{self._root} is not a git checkout with a commit", next_step="git clone the kit again"
            ) from error

    def blob(self, commit: str, path: str) -> str:
        try:
            return self.run("rev-parse", "--verify", f"{commit}:{path}")
        except EnvironmentFault as error:
            raise Misuse(f"{path} is not committed", next_step=f"git add {path} && git commit") from error

    def branch(self, name: str) -> str | None:
        found = self.run("for-each-ref", "--format=%(objectname)", f"refs/heads/{name}")
        return found or None

    def current(self) -> str:
        """Name of the branch that is checked out; empty when HEAD is detached."""
        return self.run("branch", "--show-current")
