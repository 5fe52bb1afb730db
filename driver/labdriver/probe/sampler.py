"""The sampling process: `python -m labdriver.probe.sampler`, a job on stdin, a sample a second on stdout as JSON lines.

    job ──▶ sources.py, all at once, each within ANSWER_S ──▶ {"t_s", "values"}

Ends when its stdin does. A process of its own, because a page that is parsed beside the load holds up requests.
"""

import json
import math
import os
import select
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from labdriver.probe.sources import Dependency, Processors, Replica, Source, Values, summed

ANSWER_S = 0.8  # a source that takes longer gives no figures this second
BURN_S = 0.012  # of CPU each second, some time slices long: shorter work slips through even on a crowded machine


class Sampler:
    """Reads all sources side by side. One that is still busy is not asked again until it is back."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(sources)))
        self._busy: dict[int, Future[Values]] = {}

    def sample(self, *, within_s: float) -> Values:
        """All figures of this moment."""
        self._busy = {i: future for i, future in self._busy.items() if not future.done()}
        asked = {
            i: self._pool.submit(source.read, within_s) for i, source in enumerate(self._sources) if i not in self._busy
        }
        wait(asked.values(), timeout=within_s + 0.05)
        self._busy |= {i: future for i, future in asked.items() if not future.done()}
        return summed(
            asked[i].result() if i in asked and i not in self._busy else source.silent()
            for i, source in enumerate(self._sources)
        )


def sources(job: dict[str, Any]) -> list[Source]:
    """The sources of a job. Replicas that share an address are read once."""
    seen: set[tuple[str, str]] = set()
    found: list[Source] = []
    for replica in job["replicas"]:
        place = (replica["role"], replica["url"])
        if place not in seen:
            seen.add(place)
            found.append(Replica(replica["role"], replica["url"], replica["pid"]))
    if job["depsim_url"]:
        found.append(Dependency(job["depsim_url"]))
    found.append(Processors(job["driver_pid"]))
    return found


def stretch() -> float:
    """How many times longer than its CPU time a short piece of work takes: 1 on a free core, 4 on a crowded machine.

    What a service needs a fifth of a core for cannot be had where this is above 5, whatever its code.
    """
    began_s, until_s = time.monotonic(), time.thread_time() + BURN_S
    while time.thread_time() < until_s:
        pass
    return round((time.monotonic() - began_s) / BURN_S, 3)


def main() -> None:
    job = json.loads(_line())
    sampler = Sampler(sources(job))
    t0_s, interval_s = job["t0_mono_s"], job["interval_s"]
    within_s = min(ANSWER_S, 0.8 * interval_s)
    tick = math.ceil((time.monotonic() - t0_s) / interval_s)
    while not _ended(t0_s + tick * interval_s):
        now_s = time.monotonic()
        values = sampler.sample(within_s=within_s) | {"machine.stretch_ratio": stretch()}
        print(json.dumps({"t_s": round(now_s - t0_s, 3), "values": values}), flush=True)
        tick = max(tick + 1, math.ceil((time.monotonic() - t0_s) / interval_s))
    sys.stdout.flush()
    os._exit(0)  # a thread may still wait for a server that says nothing


def _line() -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            os._exit(1)
        data += part
    return bytes(data)


def _ended(due_s: float) -> bool:
    """Wait until `due_s`; True when stdin ended before."""
    return bool(select.select([0], [], [], max(0.0, due_s - time.monotonic()))[0])


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
