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

from labdriver import record
from labdriver.errors import EnvironmentFault
from labdriver.lab import Lab, Scenario
from labdriver.load import drive, plan
from labdriver.probe import watch
from labdriver.probe.dependency import Closed, DependencyClient, script
from labdriver.record import Head, Record
from labdriver.stack.checksum import lab_code
from labdriver.stack.runtime import Runtime, Say, Status

LEAD_S = 1.0  # from arming to the first arrival: the load child starts and calibrates meanwhile
WATCHDOG_SLACK_S = 8.0  # past the planned end, before the load child is killed


@dataclass(frozen=True)
class Options:
    """How to run, beside what to run."""

    by: str
    scale_ratio: float = 1.0  # phases this many times as long
    deploy: bool = True  # bring edited code into service first


@dataclass(frozen=True)
class Prepared:
    """A stack that is ready for the load."""

    lab: Lab
    scenario: Scenario  # scaled
    runtime: Runtime
    before: Status
    dependency: DependencyClient
    offset_s: float  # dependency's clock minus ours


def run(
    lab: Lab, runtime: Runtime, options: Options, *, say: Say, on_progress: Callable[[drive.Progress], None]
) -> Record:
    """Run the lab and return its record.

    Raises EnvironmentFault when the stack is not ready in time, Misuse when the edit does not load.
    """
    started_s = time.monotonic()
    prepared = prepare(lab, runtime, options, say=say)
    run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    loaded = _load(prepared, run_id, on_progress=on_progress)
    say("collecting")
    stack = _stack_after(prepared)
    head = Head(
        lab=lab.id,
        run=run_id,
        by=options.by,
        runtime=runtime.name,
        started_at=started_at,
        scale_ratio=options.scale_ratio,
        scenario=prepared.scenario,
        ended=loaded.result.ended,
        load_s=loaded.result.load_s,
        end_s=loaded.result.end_s,
        overhead_s=0,
        generator=loaded.result.generator,
        dependency=loaded.closed.dependency if loaded.closed else None,
        stack=stack,
        notes=(*loaded.result.notes, *loaded.notes),
    )
    measured_s = prepared.scenario.warm_up_s + loaded.result.end_s
    head = head.model_copy(update={"overhead_s": round(time.monotonic() - started_s - measured_s, 3)})
    return Record(head, loaded.result.rows, loaded.samples, loaded.closed.calls if loaded.closed else ())


def prepare(lab: Lab, runtime: Runtime, options: Options, *, say: Say) -> Prepared:
    """Make sure that a ready stack serves the code on disk, and that its dependency answers."""
    status = runtime.status()
    if not status.up:
        raise EnvironmentFault(f"no stack is up on the runtime {runtime.name}", next_step="make up")
    if not status.ready:
        say(f"waiting for the stack: {'; '.join(status.problems)}")
        status = runtime.wait_ready()
    if runtime.served_code().get(lab.id) != lab_code(lab.folder, lab.scenario.edit):
        if options.deploy:
            say(f"{lab.edit_file.name} on disk is not what the stack serves: bringing it into service")
            runtime.dev(say)
            status = runtime.wait_ready()
        else:
            say(f"note: the stack serves older code than {lab.edit_file}; `make dev` brings it into service")
    dependency = DependencyClient(runtime.url("depsim"))
    return Prepared(
        lab, lab.scenario.scaled(options.scale_ratio), runtime, status, dependency, dependency.clock_offset_s()
    )
