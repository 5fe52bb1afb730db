"""What is known of a running local stack on disk: `.lab/stack.json`, its folders, and the lock for changing it.

Written by the supervisor alone, whole and at once, readable by its owner alone (it holds the control token). A state
that names another checkout was copied here: its processes are not ours.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labdriver import lock, whole_file
from labdriver.stack.local.identity import Identity

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Paths:
    """Where a local stack keeps its things; all below `<root>/.lab`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".lab"

    @property
    def state(self) -> Path:
        return self.folder / "stack.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def lock(self) -> Path:
        return self.folder / "change.lock"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


@dataclass(frozen=True)
class Running:
    """One process that the supervisor keeps."""

    role: str
    name: str
    pid: int | None  # None: it has ended and is about to be started again
    started_s: float
    port: int | None  # its private port, None for Postgres
    restarts: int
    code: str  # checksum of the services' code it was started from
    why: str = ""  # how it ended last
    is_asked: bool = True  # False: it stands behind a balancer that does not pass requests to it yet

    @property
    def identity(self) -> Identity | None:
        return Identity(self.pid, self.started_s) if self.pid else None


@dataclass(frozen=True)
class State:
    """A whole stack."""

    root: str
    pid: int
    started_s: float
    control_port: int
    token: str
    ports: dict[str, int]  # role → public port
    database_url: str
    processes: tuple[Running, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def supervisor(self) -> Identity:
        return Identity(self.pid, self.started_s)


def write(path: Path, state: State) -> None:
    """Replace the file at once; never readable by others. A folder that was taken away is not made again."""
    whole_file.write(path, json.dumps(asdict(state), indent=1).encode(), mode=0o600, make_folder=False)


def read(path: Path) -> State | None:
    """The state, None when there is none or it cannot be understood."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_taken(path: Path, pid: int) -> bool:
    """Whether the file is gone or names another supervisor; one that cannot be opened just now is neither."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8"))).pid != pid
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return True
    except OSError:
        return False


def parse(document: dict[str, Any]) -> State:
    """A state from its JSON. Raises ValueError, TypeError or KeyError for anything else."""
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema {document['schema_version']}")
    return State(**{**document, "processes": tuple(Running(**p) for p in document["processes"])})


def changing(paths: Paths, *, deadline_s: float) -> AbstractContextManager[None]:
    """Hold the stack for a change. Raises EnvironmentFault naming the holder at the deadline, or a full disk."""
    return lock.hold(paths.lock, what="a change", by="another command", deadline_s=deadline_s)
