"""What a business is kept as: the kernel's snapshot, and what of it is not told to the outside yet."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from labsvc.errors import Misuse
from labsvc.sim.snapshot import Snapshot


class Saved(BaseModel):
    """What `saved` writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    snapshot: Snapshot
    waiting: tuple[str, ...]  # orders that the api has not been told in their present state
    price_refs: dict[str, str]
    own_pace: float | None
    is_paused: bool
    surge_left_s: float | None
    is_begun: bool = True  # the api has forgotten whatever business was there before
    visits: dict[str, int] = Field(default_factory=dict)
    traffic: dict[str, int] = Field(default_factory=dict)


def read(text: str) -> Saved:
    """What `saved` wrote. Raises Misuse."""
    try:
        return Saved.model_validate(json.loads(text))
    except ValueError as error:
        raise Misuse(f"what was kept cannot be read: {str(error).splitlines()[0]}; the world begins anew") from error
