"""What the business asks of the services in real time: prices for visitors, and the surges of scenarios.

    visits (business) ──▶ GET /quotes/{sku} ──200──▶ answered      at most IN_FLIGHT at once and PER_S a second,
    surge (scenario)  ──▶ what surges.yaml says ──else─▶ lost      whatever the pace: the rest is counted as unsent

Answers change nothing in the business, so a replay needs none of this. Knows neither kernel nor pace.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, RootModel

from labsvc.worlds import NO_ANSWER, Answer, Outlet
from labsvc.worlds.commerce.catalogue import Choice, Form
from labsvc.worlds.commerce.settings import checked

FILE = Path(__file__).with_name("surges.yaml")
PATIENCE_S = 5.0  # a customer leaves
IN_FLIGHT = 20
PER_S = 30.0
LOOK_S = 0.05
LONGEST_TURN_S = 0.5  # a stalled process does not make up for what it missed
RETRY_S = 0.5


class Ask(Form):
    weight: float = Field(gt=0)
    role: Literal["api", "worker"]
    method: Literal["GET", "POST"]
    path: str
    body: dict[str, Any] | None = None


class SurgeForm(Form):
    """One entry of `surges.yaml`; its name is a scenario's."""

    for_s: float = Field(gt=0)
    per_s: float = Field(gt=0, le=PER_S)
    asks: tuple[Ask, ...] = Field(min_length=1)
    maintenance: str | None = None  # why the api is to say that it is in maintenance


class SurgeForms(RootModel[dict[str, SurgeForm]]):
    """The file."""


def read(path: Path = FILE) -> Mapping[str, SurgeForm]:
    """Scenario → what it does in real time. Raises Misuse with every fault."""
    return checked(path, SurgeForms).root


@dataclass
class Surge:
    """One that is on."""

    id: str  # of the activation
    form: SurgeForm
    left_s: float
    sent: int = 0
    due: float = 0.0
    asks: Choice[Ask] = field(init=False)

    def __post_init__(self) -> None:
        self.asks = Choice(self.form.asks, [ask.weight for ask in self.form.asks])


Draw = Callable[[str, str], float]


class Errands:
    """All calls of one world but deliveries. `priced(order, ref)` hears which price a customer who orders was told."""

    def __init__(
        self,
        outlet: Outlet,
        monotonic_s: Callable[[], float],
        draw: Draw,
        *,
        priced: Callable[[str, str], None],
        over: Callable[[], None],
    ) -> None:
        self.visits: Counter[str] = Counter()  # asked, answered, lost, unsent
        self.traffic: Counter[str] = Counter()  # of surges, prices aside: sent, answered, failed, unsent
        self.surge: Surge | None = None
        self.maintenance_until_s: float | None = None  # monotonic
        self.is_paused = False
        self._outlet = outlet
        self._now_s = monotonic_s
        self._draw = draw
        self._priced = priced
        self._over = over
        self._allowed = PER_S
        self._turned_s = monotonic_s()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sign: asyncio.Task[None] | None = None  # tells the api that it is open, or closed

    # ------------------------------------------------------------------ for the world

    def visit(self, sku: str, *, order: str = "") -> None:
        """A customer asks for a price."""
        self.visits["asked"] += 1
        if not self._spawn(self._ask_price(f"/quotes/{sku}", order=order)):
            self.visits["unsent"] += 1

    def begin(self, id: str, form: SurgeForm, *, left_s: float | None = None) -> None:
        """A scenario begins, or goes on with so many seconds left."""
        self.end()
        self.surge = Surge(id, form, form.for_s if left_s is None else left_s)
        if form.maintenance is not None:
            self._turn_sign(self._maintain(self.surge, form.maintenance))

    def end(self) -> None:
        """The scenario is over, or was stopped."""
        surge, self.surge = self.surge, None
        if surge is not None and surge.form.maintenance is not None:
            self._turn_sign(self._reopen())

    async def run(self) -> None:
        """Send what surges are made of, until cancelled."""
        self._turned_s = self._now_s()
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                self.turn()
        finally:
            left = [*self._tasks, *([self._sign] if self._sign else [])]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def turn(self) -> None:
        """What is due since the last turn."""
        now_s = self._now_s()
        passed_s, self._turned_s = min(LONGEST_TURN_S, now_s - self._turned_s), now_s
        self._allowed = min(PER_S, self._allowed + passed_s * PER_S)
        surge = self.surge
        if surge is None or self.is_paused:
            return
        surge.left_s -= passed_s
        surge.due += passed_s * surge.form.per_s
        while surge.due >= 1:
            surge.due -= 1
            surge.sent += 1
            self._send(surge.asks.at(self._draw(surge.id, f"ask {surge.sent}")))
        if surge.left_s <= 0:
            self.end()
            self._over()

    # ------------------------------------------------------------------ one call

    def _send(self, ask: Ask) -> None:
        if ask.path.startswith("/quotes/"):
            self.visit(ask.path.removeprefix("/quotes/"))
            return
        self.traffic["sent" if self._spawn(self._ask(ask)) else "unsent"] += 1

    def _spawn(self, errand: Coroutine[Any, Any, None]) -> bool:
        """Run one errand beside all else; False when there are too many."""
        if len(self._tasks) >= IN_FLIGHT or self._allowed < 1:
            errand.close()
            return False
        self._allowed -= 1
        task = asyncio.get_running_loop().create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _ask_price(self, path: str, *, order: str) -> None:
        answer = await self._outlet.call("api", "GET", path, timeout_s=PATIENCE_S)
        if answer.status == 200:
            self.visits["answered"] += 1
            ref = answer.body.get("price_ref") if isinstance(answer.body, dict) else None
            if order and isinstance(ref, str):
                self._priced(order, ref)
            return
        self.visits["lost"] += 1
        self._outlet.emit("visits.lost", {"reason": _reason(answer), "sku": path.rsplit("/", 1)[-1]})

    async def _ask(self, ask: Ask) -> None:
        answer = await self._outlet.call(ask.role, ask.method, ask.path, body=ask.body, timeout_s=PATIENCE_S)
        self.traffic["answered" if 200 <= answer.status < 300 else "failed"] += 1

    # ------------------------------------------------------------------ maintenance

    def _turn_sign(self, told: Coroutine[Any, Any, None]) -> None:
        """Tell the api what holds now, and no longer what held before."""
        if self._sign is not None:
            self._sign.cancel()
        self._sign = asyncio.get_running_loop().create_task(told)

    async def _maintain(self, surge: Surge, why: str) -> None:
        """Have the api say that it is in maintenance, as soon as it can be told."""
        while (for_s := surge.left_s) > 0:
            body = {"for_s": max(1, round(for_s)), "why": why}
            answer = await self._outlet.call("api", "PUT", "/shop/maintenance", body=body, timeout_s=PATIENCE_S)
            if 200 <= answer.status < 300:
                self.maintenance_until_s = self._now_s() + for_s
                return
            await asyncio.sleep(RETRY_S)

    async def _reopen(self) -> None:
        """Take it back, in case that it is not over by itself."""
        for _ in range(20):
            answer = await self._outlet.call("api", "DELETE", "/shop/maintenance", timeout_s=PATIENCE_S)
            if answer.status != NO_ANSWER and answer.status < 500:
                break
            await asyncio.sleep(RETRY_S)
        self.maintenance_until_s = None


def _reason(answer: Answer) -> str:
    if answer.status == NO_ANSWER:
        return str((answer.body or {}).get("error", "no answer"))
    return f"status {answer.status}"
