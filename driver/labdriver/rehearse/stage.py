"""The rehearsal itself: starts a session, lets the bots in, moves through the hour, ends it, checks the books.

facilitator's token ──▶ start ──▶ segment after segment ──▶ stop ──▶ export ──▶ books.compare
                          bots ──────────── live ─────────────┘
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labdriver.errors import LabError
from labdriver.rehearse import books, crowd
from labdriver.rehearse.api import Api, Meter
from labdriver.rehearse.books import Balance
from labdriver.rehearse.bot import Bot, Hall

Say = Callable[[str], None]

SETTLE_S = 3.0  # the last answers after the end
SCENARIO = "rush-orders"  # triggered once in the middle, where the world has it


@dataclass(frozen=True)
class Wish:
    """What to rehearse."""

    bots: int
    minutes: float  # of the session
    speed: float
    seed: int = 1
    give_up_s: float = 60  # how long a bot asks a board that does not answer


@dataclass(frozen=True)
class LabTime:
    """How a lab went against its minutes."""

    lab: str
    minutes: float
    tried: int
    solved: int
    p50_s: float | None  # when half of all bots had solved it
    p90_s: float | None  # None: fewer than that solved it in its segment

    @property
    def fits(self) -> bool:
        return self.p90_s is not None


@dataclass(frozen=True)
class Outcome:
    """What a rehearsal found."""

    labs: tuple[LabTime, ...]
    meter: Meter
    balance: Balance
    tickets: Mapping[str, int]
    failed_bots: tuple[str, ...]  # why a bot gave up
    took_s: float
    server_cores: float | None  # processor time of the generator over wall time


async def rehearse(url: str, token: str, wish: Wish, *, say: Say) -> Outcome:
    """Run it to its end. Raises Rejected when a session is running already, Unreachable when nobody answers."""
    meter = Meter()
    api = Api(url, meter, give_up_s=wish.give_up_s, connections=min(100, wish.bots + 10))
    begun_s = time.monotonic()
    cpu_before_s = await _cpu_s(api)
    try:
        body = {"name": f"Rehearsal with {wish.bots} bots", "participant_count": wish.bots, "speed": wish.speed}
        session = await api.ask("start", "POST", "/workshop/start", token=token, body=body)
        hall = Hall(session["code"], wish.speed)
        drawn = crowd.read()
        bots = [_bot(drawn, wish, number) for number in range(wish.bots)]
        lives = [asyncio.create_task(bot.live(api, hall)) for bot in bots]
        await _lead(api, token, hall, session, wish, say=say)
        failed = await _finish(lives, wish)
        await api.ask("stop", "POST", "/workshop/stop", token=token, body={})
        export = await api.ask("export", "GET", f"/workshop/export?workshop_id={session['id']}", token=token)
        took_s = time.monotonic() - begun_s
        cpu_after_s = await _cpu_s(api)
        return Outcome(
            labs=_lab_times(session, bots),
            meter=meter,
            balance=books.compare(bots, export),
            tickets=export["tickets"],
            failed_bots=failed,
            took_s=took_s,
            server_cores=_cores(cpu_before_s, cpu_after_s, took_s),
        )
    finally:
        await api.close()


def _bot(drawn: crowd.Crowd, wish: Wish, number: int) -> Bot:
    return Bot(number, f"bot {number:03d}", crowd.Character(drawn, seed=wish.seed, number=number), drawn.people)


async def _lead(api: Api, token: str, hall: Hall, session: Mapping[str, Any], wish: Wish, *, say: Say) -> None:
    """The facilitator's part: from segment to segment on time, one scenario in the middle."""
    left_s = wish.minutes * 60
    for index, segment in enumerate(session["segments"]):
        if left_s <= 0:
            break
        say(f"{segment['title']}: {segment['minutes']:g} min")
        if index:
            await api.ask("next", "POST", "/workshop/next", token=token, body={"segment": index})
        await hall.move(index, segment["lab"])
        length_s = min(left_s, segment["minutes"] * 60)
        left_s -= length_s
        await hall.sleep(length_s / 2)
        if segment["lab"] == "bulkheads":
            await _rush(api, token, say)
        await hall.sleep(length_s / 2)
    await hall.move(len(session["segments"]), None, is_over=True)


async def _rush(api: Api, token: str, say: Say) -> None:
    try:
        await api.ask("scenario", "POST", f"/workshop/scenario/{SCENARIO}", token=token, body={})
    except LabError as error:
        say(f"no {SCENARIO}: {error.message}")


async def _finish(lives: Sequence["asyncio.Task[None]"], wish: Wish) -> tuple[str, ...]:
    """Let every bot finish the question it is asking, and no more."""
    done, pending = await asyncio.wait(lives, timeout=SETTLE_S + 500 / wish.speed)
    for life in pending:
        life.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    failed = [str(life.exception()) for life in done if life.exception()]
    return tuple(failed + ["did not end in time"] * len(pending))


def _lab_times(session: Mapping[str, Any], bots: Sequence[Bot]) -> tuple[LabTime, ...]:
    found = []
    for segment in session["segments"]:
        lab = segment["lab"]
        tried = sum(1 for bot in bots if lab in bot.tried)
        if lab is None or not tried:
            continue
        times = sorted(bot.solved_s[lab] for bot in bots if lab in bot.solved_s)

        def at(ratio: float, times: list[float] = times, tried: int = tried) -> float | None:
            place = -int(-tried * ratio // 1) - 1
            return times[place] if place < len(times) else None

        found.append(LabTime(lab, segment["minutes"], tried, len(times), at(0.5), at(0.9)))
    return tuple(found)


async def _cpu_s(api: Api) -> float | None:
    match = re.search(r"^labsvc_cpu_seconds_total (\S+)", await api.text("/metrics"), re.MULTILINE)
    return float(match[1]) if match else None


def _cores(before_s: float | None, after_s: float | None, took_s: float) -> float | None:
    if before_s is None or after_s is None or after_s < before_s:
        return None  # the process was replaced meanwhile
    return (after_s - before_s) / took_s
