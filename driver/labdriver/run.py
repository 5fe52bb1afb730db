"""One execution of a lab scenario, from a ready stack to a record.

    prepare ──▶ warm-up ──▶ load ──▶ settle ──▶ collect ──▶ Record
       │           └───── load child, probe process ─────┘      │
       ├ stack ready, edited code in service                    ├ rows, samples
       ├ schedule made                                          ├ dependency's ledger
       └ dependency's script armed for t0                       └ what the stack did meanwhile

Judges nothing: score and report read the record. Whatever ends the load (its plan, Ctrl-C, the watchdog), what was
measured is collected; only a stack that was never ready ends without a record.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labdriver import growth, maintenance, record
from labdriver.errors import EnvironmentFault, LabError
from labdriver.lab import Lab, Scenario
from labdriver.load import drive
from labdriver.load.plan import plan
from labdriver.load.process import Child, launch
from labdriver.probe import tables, watch
from labdriver.probe.dependency import Closed, DependencyClient, script
from labdriver.record import Head, Record, Sample
from labdriver.stack.checksum import lab_code, labs_on_disk
from labdriver.stack.runtime import Runtime, Say, Status

API = "api"
ARM_S = 0.3  # to arm the dependency and start the probes, before the first arrival


@dataclass(frozen=True)
class Options:
    """How to run, beside what to run."""

    by: str
    scale_ratio: float = 1.0  # phases this many times as long
    deploy: bool = True  # bring edited code into service first
    ready_timeout_s: float = 60  # longest wait for the end of maintenance


@dataclass(frozen=True)
class Prepared:
    """A stack that is ready for the load."""

    lab: Lab
    scenario: Scenario  # scaled
    runtime: Runtime
    before: Status
    dependency: DependencyClient
    offset_s: float  # dependency's clock minus ours


@dataclass(frozen=True)
class Loaded:
    """What the load left behind."""

    result: drive.LoadResult
    samples: tuple[Sample, ...]
    closed: Closed | None  # None: the dependency did not answer any more
    books: dict[str, Any]  # what the database recorded, for labs with tables of their own
    notes: tuple[str, ...]
    autoscaler: tuple[str, ...] = ()  # what it complained of, for labs that scale a role


def run(
    lab: Lab, runtime: Runtime, options: Options, *, say: Say, on_progress: Callable[[drive.Progress], None]
) -> Record:
    """Run the lab and return its record.

    Raises EnvironmentFault when the stack is not ready in time, Misuse when the edit does not load.
    """
    begun_s = time.monotonic()
    with launch() as child:  # it imports Locust while we look at the stack
        prepared = prepare(lab, runtime, options, say=say)
        started = datetime.now(UTC)
        run_id = started.strftime("%Y%m%dT%H%M%SZ")
        loaded = _load(prepared, run_id, child, on_progress=on_progress)
    say("collecting")
    stack = _stack_after(prepared).model_copy(update={"autoscaler": loaded.autoscaler})
    head = Head(
        lab=lab.id,
        run=run_id,
        by=options.by,
        runtime=runtime.name,
        started_at=started.isoformat(timespec="milliseconds"),
        scale_ratio=options.scale_ratio,
        scenario=prepared.scenario,
        ended=loaded.result.ended,
        load_s=loaded.result.load_s,
        end_s=loaded.result.end_s,
        generator=loaded.result.generator,
        dependency=loaded.closed.dependency if loaded.closed else None,
        stack=stack,
        notes=(*loaded.result.notes, *loaded.notes),
        overhead_s=round(time.monotonic() - begun_s - prepared.scenario.warm_up_s - loaded.result.end_s, 3),
    )
    calls, background = (loaded.closed.calls, loaded.closed.background) if loaded.closed else ((), ())
    return Record(head, loaded.result.rows, loaded.samples, calls, loaded.books, background)


def prepare(lab: Lab, runtime: Runtime, options: Options, *, say: Say) -> Prepared:
    """Make sure that a ready stack serves the code on disk, and that its dependency answers."""
    status = serve(lab, runtime, deploy=options.deploy, say=say)
    if lab.scenario.scales:
        growth.prepare(runtime, lab.scenario.scales, say)
        status = runtime.status()
    if _asks_api(lab.scenario):
        maintenance.wait(runtime.url(API), within_s=options.ready_timeout_s, say=say)
    dependency = DependencyClient(runtime.url("depsim"))
    books = lab.scenario.books
    if books.prepare:
        tables.prepare(runtime.url(books.role) + books.prepare)
    scenario = lab.scenario.scaled(options.scale_ratio)
    return Prepared(lab, scenario, runtime, status, dependency, dependency.clock_offset_s())


def serve(lab: Lab, runtime: Runtime, *, deploy: bool, say: Say) -> Status:
    """Wait until the stack is ready and, with `deploy`, until it serves the code on disk.

    Raises EnvironmentFault when it is not ready in time, Misuse when the edit does not load.
    """
    status = runtime.status()
    if not status.up:
        raise EnvironmentFault(f"no stack is up on the runtime {runtime.name}", next_step="make up")
    if not status.ready and deploy and (silent := _silent_and_edited(lab, runtime, status)):
        say(
            f"not ready, and maybe of older code than the disk has: {', '.join(silent)}; bringing the edit into service"
        )
        runtime.dev(say)
        return _ready_or_blocked(lab, runtime, say)
    if not status.ready:
        say(f"waiting for the stack: {'; '.join(status.problems)}")
        status = runtime.wait_ready()
    if runtime.served_code().get(lab.id) == lab_code(lab.folder, lab.scenario.edit):
        return status
    if not deploy:
        say(f"note: the stack serves older code than {lab.edit_file}; make dev brings it into service")
        return status
    say(f"{lab.edit_file.name} on disk is not what the stack serves: bringing it into service")
    runtime.dev(say)
    return _ready_or_blocked(lab, runtime, say)


def _ready_or_blocked(lab: Lab, runtime: Runtime, say: Say) -> Status:
    """The stack after an edit came into service; not ready if that edit blocks its own role.

    The role was ready when it was replaced. Whoever called it first since then, a customer of the live business maybe,
    met an endless loop: that is for the run to show, and not a stack that is out of order.
    """
    try:
        return runtime.wait_ready()
    except EnvironmentFault:
        status = runtime.status()
        silent = sorted({replica.role for replica in status.replicas if not replica.ready})
        if not silent or not set(silent) <= set(labs_on_disk(lab.folder.parent)[lab.id].roles):
            raise
        say(f"{', '.join(silent)} stopped answering as soon as it was called: is there an endless loop in the edit?")
        return status


def _silent_and_edited(lab: Lab, runtime: Runtime, status: Status) -> list[str]:
    """Roles that are not ready and do not serve the labs on disk, as far as they tell.

    An edit that never ends keeps its role from answering even after it was repaired: waiting would not help.
    """
    unready = {replica.role for replica in status.replicas if not replica.ready}
    served = runtime.served_code()
    edited = {
        role
        for lab_id, files in labs_on_disk(lab.folder.parent).items()
        if served.get(lab_id) != files.code
        for role in files.roles
    }
    return sorted(unready & edited)


def _load(prepared: Prepared, run_id: str, child: Child, *, on_progress: Callable[[drive.Progress], None]) -> Loaded:
    """Arm the dependency, watch, drive; then read back what the dependency has recorded."""
    scenario, dependency = prepared.scenario, prepared.dependency
    planned = plan(scenario, seed=scenario.seed)
    child.wait_ready(drive.START_DEADLINE_S)
    t0_mono_s = time.monotonic() + ARM_S + drive.LEAD_S + scenario.warm_up_s
    t0_epoch_s = time.time() + (t0_mono_s - time.monotonic())
    start_at_s = t0_epoch_s - scenario.warm_up_s + prepared.offset_s
    dependency.arm(script(scenario, run_id=run_id, seed=scenario.seed, start_at_s=start_at_s))
    roles = sorted({request.role for request in scenario.requests})
    job = drive.Job(scenario, planned, {role: prepared.runtime.url(role) for role in roles}, t0_mono_s)
    follower = growth.Follower(prepared.runtime, scenario.scales) if scenario.scales else None
    with watch.start(_watched(prepared, t0_mono_s), beside=follower.look if follower else None) as watching:
        result = drive.drive(job, on_progress=on_progress, child=child)
    closed, books, notes = _read_books(prepared, run_id, load_s=result.load_s, t0_epoch_s=t0_epoch_s)
    return Loaded(result, watching.samples, closed, books, notes, follower.conditions if follower else ())


def _read_books(
    prepared: Prepared, run_id: str, *, load_s: float, t0_epoch_s: float
) -> tuple[Closed | None, dict[str, Any], tuple[str, ...]]:
    """What the dependency and the database recorded. A part that does not answer is noted, the rest is kept."""
    closed: Closed | None = None
    books: dict[str, Any] = {}
    notes: list[str] = []
    use = prepared.scenario.books
    try:
        if use.read:
            books = tables.read(prepared.runtime.url(use.role) + use.read)
    except EnvironmentFault as error:
        notes.append(error.message)
    try:
        closed = prepared.dependency.close(
            run_id=run_id,
            phases=_entered(prepared.scenario, load_s),
            t0_epoch_s=t0_epoch_s,
            offset_s=prepared.offset_s,
        )
        prepared.dependency.clear()
    except EnvironmentFault as error:
        notes.append(error.message)
    return closed, books, tuple(notes)


def _watched(prepared: Prepared, t0_mono_s: float) -> watch.Job:
    """What the probes look at: every replica that has an address and stays, and the dependency."""
    replicas = [r for r in prepared.before.replicas if r.url and r.role != prepared.scenario.scales]
    return watch.Job(
        replicas=tuple(watch.Target(r.role, r.url, r.pid) for r in replicas),
        depsim_url=prepared.dependency.url,
        t0_mono_s=t0_mono_s,
    )


def _entered(scenario: Scenario, load_s: float) -> tuple[str, ...]:
    """Names of the phases that `load_s` seconds of load should have entered, a quarter second of grace each."""
    names, start_s = [], 0.0
    for phase in scenario.phases:
        if start_s + 0.25 < load_s:
            names.append(phase.name)
        start_s += phase.duration_s
    return tuple(names)


def _stack_after(prepared: Prepared) -> record.Stack:
    """What changed under the run: processes that ended or were replaced, roles that do not answer now.

    Replicas that come and go by scaling are no restarts, and those that are just starting no problem.
    """
    after = prepared.runtime.status()
    scaled = _scaled_roles(prepared)
    now = {r.name: r for r in after.replicas}
    restarts: dict[str, int] = {}
    for was in prepared.before.replicas:
        replica = now.get(was.name)
        ended = replica is None or replica.restarts > was.restarts or replica.pid != was.pid
        if ended and was.role not in scaled:
            restarts[was.role] = restarts.get(was.role, 0) + max(1, replica.restarts - was.restarts if replica else 1)
    before = {r.name: r.restarts for r in prepared.before.replicas}
    for replica in after.replicas:
        again = replica.restarts - before.get(replica.name, 0)
        if replica.role in scaled and again > 0:
            restarts[replica.role] = restarts.get(replica.role, 0) + again
    starting = tuple(f"{r.name}: {r.why}" for r in after.replicas if r.role in scaled and not r.ready)
    notes = tuple(problem for problem in after.problems if problem not in starting)
    lasting = maintenance.lasting(prepared.runtime.url(API)) if _asks_api(prepared.scenario) else None
    return record.Stack(
        restarts=restarts,
        notes=notes,
        code=prepared.runtime.served_code(),
        maintenance=lasting.why if lasting else "",
    )


def _scaled_roles(prepared: Prepared) -> set[str | None]:
    """Roles whose replicas an autoscaler changes, that of another lab too: it goes on after its own run has ended."""
    with suppress(LabError):
        return {prepared.scenario.scales, *(target.role for target in prepared.runtime.scaling())}
    return {prepared.scenario.scales}


def _asks_api(scenario: Scenario) -> bool:
    """True when maintenance of the api would meet this scenario's requests."""
    return any(request.role == API for request in scenario.requests)
