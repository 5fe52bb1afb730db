"""What the environment says to a service, read once at start. Nobody else in labsvc touches the environment.

Every variable is `LAB_` + the field's name. An unknown `LAB_*` variable is an error: a typing mistake must not pass
as a default.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from labsvc.errors import Misuse

PREFIX = "LAB_"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Settings:
    """Frozen view of the `LAB_*` variables of one process."""

    host: str = "127.0.0.1"  # where to listen when no socket is inherited
    port: int | None = None  # None: the mode's own port
    listen_fds: tuple[int, ...] = ()  # inherited listening sockets: the public one first, then private ones
    parent_fd: int | None = None  # read end of a pipe; its end means that the supervisor is gone
    database_url: str = ""  # "": this process has no database
    db_pool_size: int = 10
    depsim_url: str = "http://127.0.0.1:8083"
    api_url: str = "http://127.0.0.1:8080"
    worker_url: str = "http://127.0.0.1:8081"
    estimator_url: str = "http://127.0.0.1:8084"
    http_pool_size: int = 100  # connections to dependencies, shared by all operations
    labs_dir: Path = Path("labs")
    replica: str = ""  # "": the mode's name
    seed: int = 1
    log_level: str = "info"


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`. Raises Misuse naming the variable, its value and what was expected."""
    known = {PREFIX + field.name.upper(): field.name for field in fields(Settings)}
    given = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
    for name in sorted(given):
        if name not in known:
            raise Misuse(f"unknown variable {name}, expected one of: {', '.join(sorted(known))}; unset {name}")
    return Settings(**{known[name]: _parsed(name, known[name], text) for name, text in given.items() if text})


def _parsed(name: str, field: str, text: str) -> Any:
    parse, expected = _PARSERS.get(field, (str, "text"))
    try:
        return parse(text)
    except ValueError:
        raise Misuse(f"{name}={text!r}, expected {expected}") from None


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def _descriptors(text: str) -> tuple[int, ...]:
    return tuple(_whole(0, 65535)(part) for part in text.split(","))


def _level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError
    return text.lower()


_PARSERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "port": (_whole(0, 65535), "a port from 0 (any free one) to 65535"),
    "listen_fds": (_descriptors, "file descriptors with commas between, such as 3,4"),
    "parent_fd": (_whole(0, 65535), "a file descriptor"),
    "db_pool_size": (_whole(1, 1000), "a whole number from 1 to 1000"),
    "http_pool_size": (_whole(1, 10_000), "a whole number from 1 to 10000"),
    "labs_dir": (Path, "a folder"),
    "seed": (_whole(0, 2**63), "a whole number from 0"),
    "log_level": (_level, "one of: " + ", ".join(LOG_LEVELS)),
}
