"""The rehearsal itself: starts a session, lets the bots in, moves through the hour, ends it, checks the books.

facilitator's token ──▶ a world? ──▶ start ──▶ segment after segment ──▶ stop ──▶ export ──▶ books.compare
                                       bots ──────────── live ─────────────┘
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.join import Rejected
from labdriver.rehearse import books, crowd
from labdriver.rehearse.api import Api, Meter
from labdriver.rehearse.books import Balance
from labdriver.rehearse.bot import Bot, Hall

Say = Callable[[str], None]

SETTLE_S = 3.0  # the last answers after the end
SCENARIO = "rush-orders"  # triggered once, in the middle of step 3
WORLD_WAIT_S = 20.0  # a business that opens for the first time takes a few seconds
TICKETS_AFTER_S = 40.0  # a customer writes within 30 s of the desk's asking, by the clock on the wall


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
    """Run it to its end; whatever happens, its session is ended.

    Raises Misuse when a session is running already, EnvironmentFault when no business runs there, Unreachable when
    nobody answers.
    """
    meter = Meter()
    api = Api(url, meter, give_up_s=wish.give_up_s, connections=min(100, wish.bots + 10))
    try:
        await _world(api)
        session = await _start(api, token, wish)
        try:
            return await _play(api, token, session, wish, say=say)
        except BaseException:
            with suppress(Rejected):  # it has ended already
                await api.ask("stop", "POST", "/workshop/stop", token=token, body={})
            raise
    finally:
        await api.close()


async def _play(api: Api, token: str, session: Mapping[str, Any], wish: Wish, *, say: Say) -> Outcome:
    """From the first bot to the books."""
    begun_s = time.monotonic()
    cpu_before_s = await _cpu_s(api)
    hall = Hall(session["code"], wish.speed)
    drawn = crowd.read()
    bots = [_bot(drawn, wish, number) for number in range(wish.bots)]
    lives = [asyncio.create_task(bot.live(api, hall)) for bot in bots]
    try:
        refused = await _lead(api, token, hall, session, wish, say=say)
        failed = await _finish(lives, wish)
    finally:
        for life in lives:
            life.cancel()
    if not refused:
        with suppress(Rejected):  # it has settled by itself, or was never reached
            await api.ask("settle", "POST", "/api/simulation/stop", token=token, body={})
    with suppress(Rejected):  # it has ended already: the answer to the question before got lost
        await api.ask("stop", "POST", "/workshop/stop", token=token, body={})
    export = await api.ask("export", "GET", f"/workshop/export?workshop_id={session['id']}", token=token)
    took_s = time.monotonic() - begun_s
    cpu_after_s = await _cpu_s(api)
    return Outcome(
        labs=_lab_times(session, bots),
        meter=api.meter,
        balance=books.compare(bots, export, scenarios_refused=refused, tickets_are_due=took_s > TICKETS_AFTER_S),
        tickets=export["tickets"],
        failed_bots=failed,
        took_s=took_s,
        server_cores=_cores(cpu_before_s, cpu_after_s, took_s),
    )


async def _world(api: Api) -> None:
    """Return once a business runs there. A rehearsal without one would rehearse neither tickets nor scenarios."""
    until_s = time.monotonic() + WORLD_WAIT_S
    while not (await api.ask("world", "GET", "/api/simulation/scenarios"))["scenarios"]:
        if time.monotonic() > until_s:
            raise EnvironmentFault(
                "no business runs on that generator: there would be no tickets and no scenarios",
                next_step="make down up; its log in .lab/logs says why",
            )
        await asyncio.sleep(0.5)


async def _start(api: Api, token: str, wish: Wish) -> dict[str, Any]:
    """A session of the rehearsal's own."""
    body = {"name": f"Rehearsal with {wish.bots} bots", "participant_count": wish.bots, "speed": wish.speed}
    try:
        return await api.ask("start", "POST", "/workshop/start", token=token, body=body)
    except Rejected as error:
        session = (await api.ask("board", "GET", "/workshop/board"))["session"]
        if session is not None and session["state"] != "ended":
            raise Misuse(
                "a session is running there, and a rehearsal needs the board for itself",
                next_step='make facilitate; at the bottom of that page, "End the session"; then rehearse again',
            ) from error
        raise


def _bot(drawn: crowd.Crowd, wish: Wish, number: int) -> Bot:
    return Bot(number, f"bot {number:03d}", crowd.Character(drawn, seed=wish.seed, number=number), drawn.people)


async def _lead(api: Api, token: str, hall: Hall, session: Mapping[str, Any], wish: Wish, *, say: Say) -> int:
    """The facilitator's part: from segment to segment on time, one scenario in the middle. How often it was refused."""
    left_s, refused = wish.minutes * 60, 0
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
            refused += not await _rush(api, token, say)
        await hall.sleep(length_s / 2)
    await hall.move(len(session["segments"]), None, is_over=True)
    return refused


async def _rush(api: Api, token: str, say: Say) -> bool:
    """Press the button; whether it did something."""
    try:
        told = await api.ask("scenario", "POST", f"/workshop/scenario/{SCENARIO}", token=token, body={})
    except Rejected as error:
        say(f"{SCENARIO} was refused: {error.message}")
        return False
    say(f"scenario {SCENARIO}: {told['status']}")
    return True


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
