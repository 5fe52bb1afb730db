"""What the business sells, to whom, and what customers write: the catalogue files, checked, with weighted choice.

Every choice is made by one uniform number that the caller draws, so that the same order is the same in every run.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from labsvc.worlds import Priority
from labsvc.worlds.commerce.settings import Duration, Ratio, Season, checked

FOLDER = Path(__file__).with_name("catalogue")

Kind = Literal["home", "package"]
Status = Literal["pending", "confirmed", "in_production", "shipped", "delivered", "cancelled"]
TicketKind = Literal["service", "warranty"]

T = TypeVar("T")


class Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Product(Form):
    sku: str
    name: str
    kind: Kind
    price_cents: int = Field(gt=0)
    weight: float = Field(gt=0)
    seasons: dict[Season, float] = Field(default_factory=dict)


class Component(Form):
    sku: str
    name: str
    price_cents: int = Field(gt=0)
    attach_ratio: Ratio
    group: str = ""  # a home has one component of a group at most, the first that it draws
    regions: dict[str, float] = Field(default_factory=dict)


class Region(Form):
    name: str
    weight: float = Field(gt=0)
    cities: tuple[str, ...] = Field(min_length=1)
    prefers: dict[str, float] = Field(default_factory=dict)


class Goods(Form):
    products: tuple[Product, ...]
    components: tuple[Component, ...]
    regions: tuple[Region, ...]


class People(Form):
    first: tuple[str, ...]
    family: tuple[str, ...]


class Feedback(Form):
    share_ratio: dict[int, Ratio]
    texts: dict[int, tuple[str, ...]]


class Scenario(Form):
    """A ticket that may be opened."""

    id: str
    subject: str
    description: str
    priority: Priority
    category: str
    tags: tuple[str, ...]
    needs_escalation: bool = False


class ServiceScenario(Scenario):
    response_target: Duration
    stages: tuple[Status, ...] = Field(min_length=1)
    weight: float = Field(gt=0)


class WarrantyScenario(Scenario):
    probability: float = Field(gt=0, le=1)
    required_resolution: str
    estimated_cost: int = Field(ge=0, description="dollars")
    response_target: Duration | None = None  # None: the department's


class ServiceBook(Form):
    scenarios: tuple[ServiceScenario, ...]


class WarrantyBook(Form):
    scenarios: tuple[WarrantyScenario, ...]


class Choice(Generic[T]):
    """Things with weights."""

    def __init__(self, things: Sequence[T], weights: Sequence[float]) -> None:
        self.things = tuple(things)
        self._sums = list(accumulate(weights))

    def at(self, u: float) -> T:
        """The thing at the share `u` (0 ≤ u < 1) of all weights."""
        at = bisect_right(self._sums, u * self._sums[-1])
        return self.things[min(at, len(self.things) - 1)]


def evenly(things: Sequence[T], u: float) -> T:
    """One of several that are equally likely."""
    return things[int(u * len(things))]


@dataclass(frozen=True)
class Catalogue:
    """All files together."""

    goods: Goods
    people: People
    feedback: Feedback
    service: tuple[ServiceScenario, ...]
    warranty: tuple[WarrantyScenario, ...]

    @cached_property
    def regions(self) -> Choice[Region]:
        return Choice(self.goods.regions, [region.weight for region in self.goods.regions])

    @cached_property
    def claims(self) -> Choice[WarrantyScenario]:
        return Choice(self.warranty, [each.probability for each in self.warranty])

    @cached_property
    def _products(self) -> Mapping[tuple[str, Kind, Season], Choice[Product]]:
        found: dict[tuple[str, Kind, Season], Choice[Product]] = {}
        kinds: tuple[Kind, ...] = ("home", "package")
        seasons: tuple[Season, ...] = ("winter", "spring", "summer", "autumn")
        for region in self.goods.regions:
            for kind in kinds:
                sold = [each for each in self.goods.products if each.kind == kind]
                for season in seasons:
                    weights = [p.weight * region.prefers.get(p.sku, 1) * p.seasons.get(season, 1) for p in sold]
                    found[region.name, kind, season] = Choice(sold, weights)
        return found

    def products(self, region: Region, kind: Kind, season: Season) -> Choice[Product]:
        """What is bought there, then."""
        return self._products[region.name, kind, season]

    def complaints(self, status: str, *, critical: bool = False) -> Choice[ServiceScenario] | None:
        """What is complained about while an order stands there; None when nothing is."""
        return self._complaints.get((status, critical))

    @cached_property
    def _complaints(self) -> Mapping[tuple[str, bool], Choice[ServiceScenario]]:
        found: dict[tuple[str, bool], list[ServiceScenario]] = {}
        for each in self.service:
            for stage in each.stages:
                found.setdefault((stage, False), []).append(each)
                if each.priority == "critical":
                    found.setdefault((stage, True), []).append(each)
        return {key: Choice(those, [each.weight for each in those]) for key, those in found.items()}


def read(folder: Path = FOLDER) -> Catalogue:
    """The catalogue of a folder. Raises Misuse with one `file:line: what` per fault of the first file with any."""
    return Catalogue(
        checked(folder / "products.yaml", Goods),
        checked(folder / "people.yaml", People),
        checked(folder / "feedback.yaml", Feedback),
        checked(folder / "service.yaml", ServiceBook).scenarios,
        checked(folder / "warranty.yaml", WarrantyBook).scenarios,
    )


def seconds(duration: timedelta) -> float:
    return duration.total_seconds()


def filled(text: str, about: Mapping[str, Any]) -> str:
    """A text with {product} and {city} put in."""
    return text.replace("{product}", str(about["product"])).replace("{city}", str(about["city"]))
