"""What a client wants to hear: `*`, a prefix such as `orders.*`, or one stream by its name.

A set of topics is kept in its smallest form, so that clients who want the same share one encoding.
"""

import re
from collections.abc import Iterable

from labsvc.errors import Misuse

HIDDEN = "facilitator."  # streams below it reach facilitators only, whatever the topic
LIMIT = 64  # topics in one subscription
_TOPIC = re.compile(r"^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$")
_LENGTH_LIMIT = 100


class Topics(frozenset[str]):
    """A subscription. Equal ones are equal keys."""

    def match(self, stream: str) -> bool:
        """Whether a stream is wanted."""
        if "*" in self or stream in self:
            return True
        parts = stream.split(".")
        return any(".".join(parts[:n]) + ".*" in self for n in range(1, len(parts)))


def parse(given: Iterable[object]) -> Topics:
    """The smallest set of topics that wants the same. Raises Misuse naming the first that is not a topic."""
    wanted = list(given)
    if not 1 <= len(wanted) <= LIMIT:
        raise Misuse(f"{len(wanted)} topics, expected 1 to {LIMIT}")
    for topic in wanted:
        if not isinstance(topic, str) or len(topic) > _LENGTH_LIMIT or not _TOPIC.match(topic):
            raise Misuse(f"topic {str(topic)[:40]!r}, expected '*', a prefix like 'orders.*' or a stream's name")
    whole = Topics(str(topic) for topic in wanted)
    return Topics(topic for topic in whole if not _covered(topic, whole))


def _covered(topic: str, whole: Topics) -> bool:
    """Whether another topic of the set wants everything that this one wants."""
    if topic == "*":
        return False
    others = Topics(whole - {topic})
    return others.match(topic.removesuffix(".*") + ".any" if topic.endswith(".*") else topic)
