"""Our side of the load: starts the child process, follows it, and turns what it left into rows.

    run.py ──Job──▶ drive ──▶ Child (python -m labdriver.load.child) ──entries in a spool──▶ rows.py ──▶ LoadResult

Whatever happens to the child (done, stopped, killed at the deadline, dead), every planned request gets a row.
Imports neither Locust nor gevent.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from labdriver.errors import Misuse
from labdriver.lab import Scenario
from labdriver.load.plan import Plan
from labdriver.load.process import Child, launch
from labdriver.load.rows import build, check, generator
from labdriver.record import Ended, Generator, Row
from labdriver.verbs import to_type

LEAD_S = 0.6  # from a ready child to the first arrival, when no t0 is given: calibrating takes 0.4 s of it
SLACK_S = 5.0  # past the end of settling, before the child is killed
STOP_DEADLINE_S = 6.0  # after a stop, before the child is killed; it takes 0.4 s on an idle machine
START_DEADLINE_S = 30.0  # for a child to start; it takes 0.3 s on an idle machine


@dataclass(frozen=True)
class Job:
    """One load: what to send, where to and when."""

    scenario: Scenario
    plan: Plan
    urls: dict[str, str]  # role → base address, http only
    t0_mono_s: float | None = None  # time.monotonic() of t0; None: as soon as the child is ready


@dataclass(frozen=True)
class Progress:
    """The load at this moment, four times a second. Counts include the warm-up."""

    t_s: float
    planned: int
    sent: int
    ok: int
    failed: int
    in_flight: int
    rate_rps: float  # sent within the last second
    p95_ms: float | None  # of the requests intended within the last second, unanswered ones at their age
    p95_censored: bool  # that one has no answer yet: it will be longer


@dataclass(frozen=True)
class LoadResult:
    """What became of every planned request, and how well it was sent. Times are seconds since t0."""

    rows: tuple[Row, ...]  # in the order of the plan
    generator: Generator | None  # None: the child left nothing
    ended: Ended
    load_s: float  # seconds of scored load that were really driven
    end_s: float  # when the last row was closed
    t0_mono_s: float
    idle_lag_p99_ms: float | None  # timer lag of the idle machine just before the load; None: no time to measure
    notes: tuple[str, ...]  # what went wrong, for people


def drive(
    job: Job,
    *,
    on_progress: Callable[[Progress], None],
    deadline_s: float | None = None,
    child: Child | None = None,
) -> LoadResult:
    """Send the load and wait for its end. Ctrl-C ends it early with what was measured; a second one at once.

    `deadline_s` counts from now; None means the planned end and SLACK_S. `child` is one that `launch()` started
    ahead of time. Raises Misuse for addresses or headers that cannot be sent, EnvironmentFault when the child does
    not start, LabError when its account does not add up.
    """
    begun_s = time.monotonic()
    with child or launch() as worker:
        message = _message(job)
        worker.wait_ready(START_DEADLINE_S)
        t0_s = job.t0_mono_s if job.t0_mono_s is not None else time.monotonic() + LEAD_S + job.scenario.warm_up_s
        end_s = t0_s + job.scenario.load_s + job.scenario.settle_s + SLACK_S
        until_s = end_s if deadline_s is None else begun_s + deadline_s
        worker.send(message | {"t0_mono_s": t0_s}, until_s=until_s)
        worker.follow(
            lambda told: on_progress(Progress(planned=len(job.plan), **told)), until_s=until_s, grace_s=STOP_DEADLINE_S
        )
    return _result(job, worker, t0_s)


def _result(job: Job, worker: Child, t0_s: float) -> LoadResult:
    """Read the spool of an ended child."""
    closed_s = (worker.done["end_mono_s"] if worker.done else worker.ended_mono_s) - t0_s
    rows = build(job.plan, worker.spooled, t0_mono_s=t0_s)
    check(rows, planned=len(job.plan), told=worker.done)
    load_s = min(job.scenario.load_s, max(0.0, worker.stopped_mono_s - t0_s if worker.stopped_mono_s else closed_s))
    return LoadResult(
        rows=rows,
        generator=generator(rows, worker.health),
        ended=worker.ended,
        load_s=load_s,
        end_s=closed_s,
        t0_mono_s=t0_s,
        idle_lag_p99_ms=worker.health.get("idle_lag_p99_ms"),
        notes=worker.notes,
    )


def _message(job: Job) -> dict[str, Any]:
    """The job as the child reads it: plain columns, and for each kind of request and caller its bytes as text."""
    scenario, plan = job.scenario, job.plan
    roles = {request.role for request in scenario.requests}
    for role in sorted(roles - set(job.urls)):
        raise Misuse(f"requests go to the role {role}, which has no address", next_step=to_type("smoke"))
    return {
        "load_s": scenario.load_s,
        "settle_s": scenario.settle_s,
        "origins": {role: _origin(role, url) for role, url in job.urls.items() if role in roles},
        "requests": [
            {"name": r.name, "role": r.role, "method": r.method, "has_body": r.body is not None}
            for r in scenario.requests
        ],
        "clients": [_headers(client.name, client.headers) for client in scenario.clients],
        "intended_s": plan.intended_s,
        "request": plan.request,
        "client": plan.client,
        "target": plan.target,
        "body": plan.body,
    }


def _origin(role: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise Misuse(f"the address of {role} is {url!r}, expected http://host:port", next_step=to_type("smoke"))
    return {"host": parts.hostname, "port": port, "authority": parts.netloc, "base": parts.path.rstrip("/")}


def _headers(client: str, headers: dict[str, str]) -> list[str]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    for line in lines:
        if not line.isprintable() or not line.isascii():
            raise Misuse(
                f"client {client}: the header {line!r} cannot be sent, expected printable ASCII",
                next_step="mend clients in scenario.yaml",
            )
    return lines
