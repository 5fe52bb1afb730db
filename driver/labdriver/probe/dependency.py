"""The driver's side of depsim: arms the phase script, reads back the ledger, clears the script.

    run.py ──arm()──▶ depsim ◀──calls── the service under test
    run.py ◀──close()── ledger, and whether our script was in force all the time

Times of the dependency are its own epoch clock; the offset to ours is measured before the run and taken out, so that
a virtual machine whose clock has drifted does not spoil the books.
"""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from labdriver import record
from labdriver.errors import EnvironmentFault
from labdriver.lab import Scenario
from labdriver.record import Call

LEDGER_PAGE = 20_000
WARM_UP = "warm-up"
BACKGROUND = "background"  # the mark of the live business's calls in the ledger


@dataclass(frozen=True)
class Closed:
    """What the dependency had recorded when the run ended."""

    dependency: record.Dependency
    calls: tuple[Call, ...]  # the load's
    background: tuple[Call, ...] = ()  # the live business's: counted nowhere, but what they were told is true too


def script(scenario: Scenario, *, run_id: str, seed: int, start_at_s: float) -> dict[str, Any]:
    """The phase script of a scenario: the warm-up behaves like the first phase. `start_at_s` is epoch time."""
    first = scenario.phases[0]
    phases = [(WARM_UP, scenario.warm_up_s, first.dependency)] if scenario.warm_up_s else []
    phases += [(phase.name, phase.duration_s, phase.dependency) for phase in scenario.phases]
    return {
        "id": run_id,
        "seed": seed,
        "start_at_s": start_at_s,
        "phases": [
            {
                "name": name,
                "duration_s": duration_s,
                "operations": {op: b.model_dump(mode="json", exclude_none=True) for op, b in behaviours.items()},
            }
            for name, duration_s, behaviours in phases
        ],
    }


class DependencyClient:
    """Talks to one depsim. Every call is bounded; raises EnvironmentFault when it does not answer."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)

    def clock_offset_s(self) -> float:
        """Its clock minus ours, from the quickest of five round trips."""
        best: tuple[float, float] | None = None
        for _ in range(5):
            before_s = time.time()
            now_s = self._json("GET", "/admin/script")["now_s"]
            after_s = time.time()
            trip = (after_s - before_s, now_s - (before_s + after_s) / 2)
            best = min(best, trip) if best else trip
        assert best is not None
        return best[1]

    def arm(self, document: dict[str, Any]) -> None:
        self._json("PUT", "/admin/script", json=document)

    def clear(self) -> None:
        """Back to default behaviour; calls that it held are let go."""
        self._json("DELETE", "/admin/script")

    def close(self, *, run_id: str, phases: tuple[str, ...], t0_epoch_s: float, offset_s: float) -> Closed:
        """Read script state, counts and ledger. `phases` are those that should have been entered by now."""
        state = self._json("GET", "/admin/script")
        counts = self._json("GET", "/admin/counts")
        injected: dict[str, int] = {}
        for operation in counts["operations"].values():
            for kind, spoilt in operation["injected"].items():
                injected[kind] = injected.get(kind, 0) + spoilt
        calls: list[Call] = []
        background: list[Call] = []
        for entry in self._ledger():
            side = background if entry.get("traffic") == BACKGROUND else calls
            side.append(_call(entry, shift_s=t0_epoch_s + offset_s))
        missed = [name for name in phases if name not in state["entered"]]
        why = ""
        if state["id"] != run_id:
            why = "its phase script was replaced or cleared during the run"
        elif missed:
            why = f"it never entered the phase {', '.join(missed)}"
        return Closed(
            record.Dependency(
                intact=not why, why=why, calls=len(calls), injected=injected, clock_offset_ms=round(offset_s * 1000, 3)
            ),
            tuple(calls),
            tuple(background),
        )

    def _ledger(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        while True:
            after = calls[-1]["n"] if calls else 0
            page = self._json("GET", "/admin/ledger", params={"after": after, "limit": LEDGER_PAGE})
            calls.extend(page["calls"])
            if len(page["calls"]) < LEDGER_PAGE:
                return calls

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **options)
            answer.raise_for_status()
            document: dict[str, Any] = answer.json() if answer.content else {}
            return document
        except httpx.HTTPStatusError as error:
            raise EnvironmentFault(
                f"depsim at {self.url} refused {method} {path}: {error.response.text[:200]}", next_step="make smoke"
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            raise EnvironmentFault(
                f"depsim at {self.url} did not answer {method} {path} ({type(error).__name__})", next_step="make up"
            ) from error


def _call(entry: dict[str, Any], *, shift_s: float) -> Call:
    done_s = entry["done_s"]
    return Call(
        id=entry["id"],
        operation=entry["operation"],
        key=entry["key"],
        phase=entry["phase"] or "",
        at_s=entry["at_s"] - shift_s,
        done_s=None if done_s is None else done_s - shift_s,
        outcome=entry["outcome"],
        answer=entry["answer"],
    )
