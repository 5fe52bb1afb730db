"""What every command gets: where the checkout is, which runtime was asked for, the settings.

Made once by `cli.py`. Knows no command; the runtime is chosen late, so that commands without a stack need none.
"""

import getpass
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labdriver import lab
from labdriver.errors import Misuse
from labdriver.lab import Lab
from labdriver.settings import Settings
from labdriver.stack.runtime import Runtime

SHARED_LOGINS = frozenset({"root", "user", "admin", "student", "ubuntu", "vscode", "codespace", "anonymous"})


@dataclass(frozen=True)
class App:
    root: Path  # the checkout: holds labs/, k8s/, reports/
    runtime_name: str  # auto, local, k3d, kube
    settings: Settings

    @property
    def labs(self) -> Path:
        return self.root / "labs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def state(self) -> Path:
        """Everything of ours that is neither source nor report."""
        return self.root / ".lab"

    @property
    def run_lock(self) -> Path:
        """Held by a run for as long as it measures; nothing but `up` changes the stack meanwhile."""
        return self.state / "run.lock"

    def lab(self, lab_id: str | None, *, verb: str = "run") -> Lab:
        """The lab that a command was given; `verb` is how that command is typed again."""
        return lab.load(self.labs, lab_id, verb=verb)

    def readable_labs(self) -> list[Lab]:
        """Every lab whose scenario can be read; whoever runs one says what is wrong with the others."""
        found = []
        for lab_id in lab.find(self.labs):
            with suppress(Misuse):
                found.append(self.lab(lab_id))
        return found

    def runtime(self) -> tuple[Runtime, str]:
        """The runtime to use and why it was chosen."""
        from labdriver.stack.choose import choose  # late: only commands that touch a stack pay for it

        return choose(self.runtime_name, self.root, self.settings)

    def by(self, name: str | None) -> str:
        """The participant: what was given, else LAB_BY, else the name on the joined board, else the login name."""
        return (self._given(name) or _login())[:60]

    def is_nameless(self, by: str) -> bool:
        """True when `by` is only the login, for nobody has said who it is, and many people share that login."""
        return by in SHARED_LOGINS and by == _login() and not self._given(None)

    def _given(self, name: str | None) -> str:
        return (name or self.settings.by).strip() or self._joined_name()

    def _joined_name(self) -> str:
        """Under what name this checkout takes part in a session; a broken file is told by whoever sends to it."""
        from labdriver import join  # late: it brings the HTTP client, which most commands do not need

        with suppress(Misuse):
            if membership := join.read(self.state):
                return membership.name
        return ""


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "anonymous"  # a container user without an entry in passwd


def find_root(start: Path) -> Path:
    """The checkout that `start` lies in, else the one this package was installed from."""
    for folder in (start, *start.parents, Path(__file__).resolve().parents[2]):
        if (folder / "labs").is_dir() and (folder / "k8s").is_dir():
            return folder
    raise Misuse(
        f"{start} is not inside a checkout of the kit (no labs/ and k8s/ here or above)",
        next_step="cd into it",
    )
