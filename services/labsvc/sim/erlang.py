"""Queueing theory in closed form: what the kernel is checked against, and how many servers a target needs.

Erlang B by its recursion and C from it; Cobham for priorities; Erlang A (patience) by birth-death sums, its service
level by uniformisation. Arrivals are Poisson, service and patience exponential; loads in Erlang = arrivals × service.
Sources: Erlang 1917; Cobham 1954; Garnett, Mandelbaum, Reiman 2002.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from labsvc.errors import Misuse

_NEGLIGIBLE = 1e-13


class Theory(NamedTuple):
    """What a queue in its steady state does."""

    wait_ratio: float  # share of arrivals that have to wait
    mean_wait_s: float  # over all arrivals
    service_level_ratio: float  # share of arrivals answered within the target
    abandoned_ratio: float = 0.0


def erlang_b(servers: int, load_erl: float) -> float:
    """Share of arrivals that find all servers busy when nobody waits."""
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load_erl * blocked / (n + load_erl * blocked)
    return blocked


def erlang_c(servers: int, load_erl: float, *, service_s: float, target_s: float = 20) -> Theory:
    """A queue in which everybody waits as long as it takes. Raises Misuse when the load is too much for it."""
    if load_erl >= servers:
        raise Misuse(f"load is {load_erl:g} Erlang, expected less than the {servers} servers: the queue never ends")
    blocked = erlang_b(servers, load_erl)
    waits = servers * blocked / (servers - load_erl * (1 - blocked))
    drain_per_s = (servers - load_erl) / service_s
    return Theory(waits, waits / drain_per_s, 1 - waits * math.exp(-drain_per_s * target_s))


def cobham(servers: int, loads_erl: Sequence[float], *, service_s: float) -> list[float]:
    """Mean wait in seconds of each priority class, the most urgent first; no service is interrupted."""
    waits = erlang_c(servers, sum(loads_erl), service_s=service_s).wait_ratio
    base_s = waits * service_s / servers
    found, before = [], 0.0
    for load in loads_erl:
        upto = before + load / servers
        found.append(base_s / ((1 - before) * (1 - upto)))
        before = upto
    return found


def erlang_a(servers: int, load_erl: float, *, service_s: float, patience_s: float, target_s: float = 20) -> Theory:
    """A queue whose callers give up after a patience. `service_level_ratio`: answered within the target / offered."""
    waiting = _waiting(servers, load_erl, service_s / patience_s)
    wait_ratio = math.fsum(waiting)
    mean_waiting = math.fsum(k * p for k, p in enumerate(waiting))
    arrivals_per_s = load_erl / service_s
    in_time = _answered_within(servers / service_s, 1 / patience_s, waiting, target_s)
    return Theory(
        wait_ratio,
        mean_waiting / arrivals_per_s,
        1 - wait_ratio + in_time,
        mean_waiting / patience_s / arrivals_per_s,
    )


def servers_needed(load_erl: float, *, service_s: float, target_s: float, level_ratio: float) -> int:
    """The fewest servers that answer a share of all arrivals within a target (80 in 20: 0.8 and 20), by Erlang C."""
    servers = max(1, math.floor(load_erl) + 1)
    while erlang_c(servers, load_erl, service_s=service_s, target_s=target_s).service_level_ratio < level_ratio:
        servers += 1
    return servers


def _waiting(servers: int, load_erl: float, impatience: float) -> list[float]:
    """Shares of time with all servers busy and k = 0, 1, 2 … waiting; they add up to the share with all busy.

    `impatience` is service time over patience. States are taken relative to "all busy, none waiting".
    """
    relative, below = 1.0, 0.0
    for busy in range(servers, 0, -1):
        relative *= busy / load_erl
        below += relative
        if relative < _NEGLIGIBLE * below:
            break
    above, relative = [1.0], 1.0
    while relative > _NEGLIGIBLE or load_erl > servers + len(above) * impatience:
        relative *= load_erl / (servers + len(above) * impatience)
        above.append(relative)
    total = below + math.fsum(above)
    return [p / total for p in above]


def _answered_within(service_per_s: float, leaving_per_s: float, waiting: Sequence[float], target_s: float) -> float:
    """Probability to arrive when all are busy, and to be answered within the target.

    A caller with k before it moves up when a server is free or one of the k gives up, and may give up itself. The
    chain of positions is run by uniformisation: a Poisson number of jumps at the highest rate.
    """
    highest_per_s = service_per_s + len(waiting) * leaving_per_s
    jumps = highest_per_s * target_s
    places, answered, found, passed, n = list(waiting), 0.0, 0.0, 0.0, 0
    while passed < 1 - 1e-12 and n < jumps + 20 * math.sqrt(jumps) + 50:
        weight = math.exp(-jumps + n * math.log(jumps) - math.lgamma(n + 1))
        passed += weight
        found += weight * answered
        if math.fsum(places) < _NEGLIGIBLE:  # everybody was answered or has gone: more jumps change nothing
            return found + (1 - passed) * answered
        answered += places[0] * service_per_s / highest_per_s
        rates = [service_per_s + k * leaving_per_s for k in range(len(places))]
        places = [
            share * (1 - (rate + leaving_per_s) / highest_per_s) + after * after_rate / highest_per_s
            for share, rate, after, after_rate in zip(places, rates, [*places[1:], 0.0], [*rates[1:], 0.0], strict=True)
        ]
        n += 1
    return found
