"""The record of one run: the pivot between measuring and judging.

    run.py  ──writes──▶  reports/<lab>/<run>/run.json + samples.json.gz  ──read by──▶  score, report

Score and page are computed from a record alone, so old runs can be judged and drawn again. `run.json` is the
head (what, who, when, under which scenario, how healthy the measurement was) and keeps the last judgement beside
it for the index; `samples.json.gz` holds every request, every one-second sample and the dependency's ledger.
All times are seconds since `t0`, the start of the scored load; the warm-up is negative.
"""

import gzip
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from labdriver import whole_file
from labdriver.errors import Misuse
from labdriver.lab import Model, Scenario

SCHEMA_VERSION = 1

Outcome = Literal["ok", "failed", "hung", "unsent"]
Ended = Literal["complete", "interrupted", "watchdog"]


@dataclass(frozen=True, slots=True)
class Row:
    """One planned request. planned = ok + failed + hung + unsent holds over every record."""

    seq: int
    phase: int  # index into scenario.phases, -1 in the warm-up
    request: int  # index into scenario.requests
    client: int  # index into scenario.clients
    target: str  # path with its query, as sent
    intended_s: float  # when the schedule wanted it sent
    sent_s: float | None  # None: never sent
    done_s: float | None  # None: no complete answer when the run ended
    outcome: Outcome  # ok: an answer with status < 400
    status: int  # 0: no answer
    error: str  # "" or a class: connect, reset, protocol, hung, unsent
    body: dict[str, Any] | None  # the JSON answer, kept when it is an object of at most 2 KiB


@dataclass(frozen=True, slots=True)
class Sample:
    """What the probes read in one second: `<role>.<figure>[.<label>]` → value. A figure may be missing."""

    t_s: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the dependency's ledger has it. `answer` is what it sent back, None for a spoilt call."""

    id: str
    operation: str
    key: str
    phase: str
    at_s: float  # when it arrived
    done_s: float | None  # when it was answered or spoilt; None: still held, or the caller left
    outcome: str  # answered, abandoned (the caller left first), or the fault's kind: hang, error, drop …
    answer: dict[str, Any] | None


class Generator(Model):
    """How well the load was really sent. Lag is send time minus intended time."""

    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    cpu_ratio: float  # of one core, over the load
    pacing: Literal["timerfd", "sleep"]
    stale_retries: int = 0  # requests sent again because an idle connection had been closed by the server


class Dependency(Model):
    """What the dependency's script did. `intact`: the script we sent was in force for the whole load."""

    intact: bool
    why: str = ""  # what broke it, when not intact
    calls: int
    injected: dict[str, int]  # fault kind → calls really spoilt
    clock_offset_ms: float = 0  # dependency's clock minus ours


class Stack(Model):
    """What happened to the stack under the run."""

    restarts: dict[str, int] = {}  # role → processes or containers that ended during the run
    notes: tuple[str, ...] = ()  # e.g. "api stopped answering its health checks at 7 s"
    code: dict[str, str] = {}  # lab → checksum of its code in service
    maintenance: str = ""  # why the api turned everybody away when the run had ended, empty when it did not
    autoscaler: tuple[str, ...] = ()  # what the autoscaler under test complained of, each once

    @property
    def complaint(self) -> str:
        """Why the autoscaler under test could not scale, in its own words; empty when it did not say so."""
        told = next((text for text in self.autoscaler if text.startswith("ScalingActive")), "")
        return told.partition(": ")[2]


class Head(Model):
    """`run.json`: everything about a run except its rows."""

    schema_version: int = SCHEMA_VERSION
    lab: str
    run: str  # id, UTC start: 20261121T101502Z
    by: str
    runtime: str
    started_at: str  # ISO 8601, UTC
    scale_ratio: float = 1.0  # phases were this many times as long as the scenario says
    scenario: Scenario
    ended: Ended
    load_s: float  # seconds of scored load that were really driven
    end_s: float  # when the last row was closed
    overhead_s: float = 0  # wall time of the run beyond warm-up, load and settling
    generator: Generator | None  # None: the load process left nothing
    dependency: Dependency | None
    stack: Stack
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One run, whole."""

    head: Head
    rows: tuple[Row, ...]
    samples: tuple[Sample, ...]
    calls: tuple[Call, ...]
    books: dict[str, Any] = field(default_factory=dict)  # what the database recorded, by lab
    background: tuple[Call, ...] = ()  # the live business's calls, apart from `calls`: no figure holds them

    def latency_s(self, row: Row) -> float:
        """Seconds from the intended start. A row without an answer counts at its age when the run ended."""
        end_s = row.done_s if row.done_s is not None else self.head.end_s
        return max(0.0, end_s - row.intended_s)

    def service_s(self, row: Row) -> float | None:
        """Seconds from the real send, None when it was never answered."""
        return None if row.sent_s is None or row.done_s is None else row.done_s - row.sent_s

    def scored(self) -> list[Row]:
        """Rows of the scored load: the warm-up left out."""
        return [row for row in self.rows if row.phase >= 0]


def save(folder: Path, record: Record, judgement: dict[str, Any] | None) -> None:
    """Write both files, each whole, so a full disk leaves no half record.

    Raises OSError; the caller says where and what to do.
    """
    samples = {
        "rows": _columns(record.rows, Row),
        "samples": [asdict(s) for s in record.samples],
        "calls": _columns(record.calls, Call),
        "background": _columns(record.background, Call),
        "books": record.books,
    }
    packed = gzip.compress(json.dumps(samples, separators=(",", ":")).encode(), compresslevel=5, mtime=0)
    whole_file.write(folder / "samples.json.gz", packed)
    save_head(folder, record.head, judgement)


def save_head(folder: Path, head: Head, judgement: dict[str, Any] | None) -> None:
    """Write `run.json` alone: the head and the judgement that index and leaderboard read."""
    document = {**head.model_dump(mode="json"), "judgement": judgement}
    whole_file.write(folder / "run.json", json.dumps(document, indent=1, ensure_ascii=False).encode())


def load_head(folder: Path) -> tuple[Head, dict[str, Any] | None]:
    """Read `run.json`. Raises Misuse when it is not a record, or of a newer schema than this kit knows."""
    path = folder / "run.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misuse(f"{path} is not a run record ({error})", next_step=f"delete {folder}") from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise Misuse(
            f"{path} has schema {version}, this kit reads up to {SCHEMA_VERSION}",
            next_step="update the kit, or leave that run out",
        )
    judgement = document.pop("judgement", None)
    try:
        return Head.model_validate(document), judgement
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Misuse(f"{path}: {where}: {first['msg']}", next_step=f"delete {folder}") from error


def load(folder: Path) -> Record:
    """Read a whole record. Raises Misuse like `load_head`, also for broken samples."""
    head, _ = load_head(folder)
    path = folder / "samples.json.gz"
    try:
        samples = json.loads(gzip.decompress(path.read_bytes()))
        return Record(
            head=head,
            rows=tuple(Row(*values) for values in _tuples(samples["rows"], Row)),
            samples=tuple(Sample(**s) for s in samples["samples"]),
            calls=_calls(samples["calls"]),
            books=samples["books"],
            background=_calls(samples["background"]) if "background" in samples else (),  # earlier kits had none
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise Misuse(f"{path} cannot be read ({error})", next_step=f"delete {folder}") from error


def _calls(columns: dict[str, list[Any]]) -> tuple[Call, ...]:
    return tuple(Call(*values) for values in _tuples(columns, Call))


def _columns(items: tuple[Any, ...], kind: type) -> dict[str, list[Any]]:
    def value(item: Any, name: str) -> Any:
        got = getattr(item, name)
        return round(got, 6) if isinstance(got, float) else got  # microseconds are all the clock has

    return {f.name: [value(item, f.name) for item in items] for f in fields(kind)}


def _tuples(columns: dict[str, list[Any]], kind: type) -> list[tuple[Any, ...]]:
    return list(zip(*(columns[f.name] for f in fields(kind)), strict=True))
