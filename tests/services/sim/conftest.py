"""A small world for the tests of the kernel: a shop with orders, what becomes of them, and a help desk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labsvc.sim.arrivals import Source
from labsvc.sim.chain import Chain, Step
from labsvc.sim.delay import Delay
from labsvc.sim.instant import DAY_US, HOUR_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.queueing import Station
from labsvc.sim.rate import Rate, TimeOfDay, Weekday
from labsvc.sim.record import LogHash, Record
from labsvc.sim.scenario import Scenario
from labsvc.sim.simulation import Simulation
from labsvc.sim.value import Value

MONDAY_US = 4 * DAY_US  # 1970-01-05

DAY_CURVE = TimeOfDay(((0, 0.2), (8, 1.0), (12, 1.6), (18, 1.2), (22, 0.4)))
WEEK = Weekday((1.0, 1.0, 1.0, 1.0, 1.2, 1.5, 0.5))

STEPS = {
    "placed": Step(stream="orders", one_of={"paid": 0.9, "declined": 0.1}),
    "paid": Step(stream="payments", delay=Delay(kind="uniform", min_s=1, max_s=60), also={"question": 0.3}),
    "declined": Step(stream="declines", delay=Delay(kind="constant", seconds=5)),
    "question": Step.model_validate(
        {
            "stream": "questions",
            "delay": {"kind": "exponential", "mean_s": 1800},
            "visit": {
                "station": "desk",
                "service": {"kind": "exponential", "mean_s": 300},
                "patience": {"kind": "exponential", "mean_s": 600},
                "reneged": "gone",
            },
        }
    ),
    "gone": Step(stream="gone"),
}


@dataclass
class Shop:
    """Orders by day and week, a payment, sometimes a question at a desk of four. `more` adds unrelated streams."""

    name: str = "shop"
    version: str = "1"
    scenarios: Path | Mapping[str, Scenario] = field(default_factory=dict)
    more: int = 0
    per_hour: float = 60.0

    def start(self, simulation: Simulation) -> None:
        kernel, modifiers = simulation.kernel, simulation.modifiers
        self.desk = Station(kernel, "desk", 4)
        self.staff = Value(kernel, modifiers, "desk.staff", 4)
        self.staff.watch(lambda: self.desk.staff(round(self.staff.present())))
        self.chain = Chain(kernel, modifiers, "order", STEPS, first="placed", stations={"desk": self.desk})
        for k in range(self.more):
            name = f"noise-{k}"
            Source(kernel, modifiers, name, Rate(30, (DAY_CURVE,)), lambda e, s=name: kernel.emit(s, e, {}))
        self.orders = Source(kernel, modifiers, "orders", Rate(self.per_hour, (DAY_CURVE, WEEK)), self.chain.enter)
        kernel.on_command("orders.rate", self.set_rate)

    def set_rate(self, per_hour: float) -> float:
        self.orders.set_rate(Rate(per_hour, (DAY_CURVE, WEEK)))
        return per_hour


@dataclass
class Run:
    """A shop that runs, with everything it put out."""

    simulation: Simulation
    shop: Shop
    records: list[Record]
    hash: LogHash

    @property
    def kernel(self) -> Kernel:
        return self.simulation.kernel

    def hours(self, count: float) -> "Run":
        self.kernel.run_until(self.kernel.now_us + round(count * HOUR_US))
        return self

    def baseline(self, stream: str) -> list[Record]:
        return [r for r in self.records if r.stream == stream and r.cause == "baseline"]


@pytest.fixture
def shop() -> Callable[..., Run]:
    """Makes a run of the shop: shop(seed=…, scenarios=…, more=…)."""

    def make(*, seed: int = 1, start_us: int = MONDAY_US, **options: object) -> Run:
        world = Shop(**options)  # type: ignore[arg-type]
        run = Run(Simulation(world, seed=seed, start_us=start_us), world, [], LogHash())
        run.kernel.observe(run.records.append)
        run.kernel.observe(run.hash)
        return run

    return make


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(world="test", seed=7)


@pytest.fixture
def modifiers(kernel: Kernel) -> Modifiers:
    return Modifiers(kernel)
