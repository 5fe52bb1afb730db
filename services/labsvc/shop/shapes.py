"""What the shop takes in and tells. An order is stored as it came first; only its status goes on, and never back."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, Field

from labsvc.rest import Line, Model, Name, Word, clean, some

ORDERS_AT_ONCE = 500
BODY_LIMIT_BYTES = 4 * 1_048_576  # of ORDERS_AT_ONCE orders with all their components
MAINTENANCE_LIMIT_S = 600

# In their order. An order that is cancelled stays so, whatever is told of it later.
Status = Literal["pending", "confirmed", "in_production", "shipped", "delivered", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)
Kind = Literal["home", "package"]


def _in_this_age(moment: datetime) -> datetime:
    if not 2000 <= moment.year < 2200:
        raise ValueError("a time from 2000 to 2199 is expected")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_this_age)]
Title = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(clean), AfterValidator(some)]
Cents = Annotated[int, Field(ge=0, le=10**12)]
Why = Annotated[Line, AfterValidator(some)]


class Customer(Model):
    name: Name
    region: Name
    city: Name


class Component(Model):
    sku: Word
    name: Title
    amount_cents: Cents


class Content(Model):
    """An order without its number."""

    customer: Customer
    sku: Word
    product: Title
    kind: Kind
    components: tuple[Component, ...] = Field(default=(), max_length=50)
    amount_cents: Cents
    price_ref: Line | None = None
    status: Status
    placed_at: Moment
    delivered_at: Moment | None = None


class Order(Content):
    number: Word


class Batch(Model):
    orders: tuple[Order, ...] = Field(max_length=ORDERS_AT_ONCE)


class Numbered(Model):
    number: Word


class Stored(Model):
    """How an order stands after it was told of."""

    number: str
    status: Status


class Deleted(Model):
    deleted: int  # orders that there were


class StoredMany(Model):
    stored: int  # different orders in what was sent


class Wanted(Model):
    """Which orders to list."""

    limit: int = Field(default=50, ge=1, le=500)
    status: Status | None = None
    region: Name | None = None


class Orders(Model):
    orders: tuple[Order, ...]  # newest first


class Books(Model):
    """All orders, cancelled ones included."""

    orders: int
    by_status: dict[str, int]
    by_region: dict[str, int]
    amount_cents: int


class MaintenanceOrder(Model):
    for_s: float = Field(gt=0, le=MAINTENANCE_LIMIT_S)
    why: Why


class Lasting(Model):
    """Maintenance that is on. `until_s` is epoch time, `left_s` counts from now."""

    until_s: float
    left_s: float
    why: str


class MaintenanceTold(Model):
    maintenance: Lasting | None
