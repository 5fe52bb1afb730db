"""One participant without a person: joins, works on the lab of the moment, takes tickets when it is done with it.

join ──▶ each segment: run the starter, then think and run again until it is solved ──▶ tickets until the next one
"""

import asyncio
from dataclasses import dataclass, field

from labdriver import join
from labdriver.join import Rejected
from labdriver.rehearse.api import Api
from labdriver.rehearse.crowd import Character, Habits

POLL_S = 20.0  # of the session: how often somebody in line looks


@dataclass
class Hall:
    """What all bots see: the session, how fast it goes, and which segment runs."""

    code: str
    speed: float
    lab: str | None = None
    segment: int = 0
    is_over: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def sleep(self, session_s: float) -> None:
        await asyncio.sleep(session_s / self.speed)

    async def after(self, segment: int) -> None:
        """Return when another segment runs, or none."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.is_over or self.segment != segment)

    async def move(self, segment: int, lab: str | None, *, is_over: bool = False) -> None:
        async with self.changed:
            self.segment, self.lab, self.is_over = segment, lab, is_over
            self.changed.notify_all()


@dataclass
class Bot:
    """A bot and its own books: only what the board has confirmed stands in them."""

    number: int
    name: str
    character: Character
    habits: Habits
    token: str = field(default_factory=join.new_token)
    participant: int = 0
    runs: dict[tuple[str, str], int] = field(default_factory=dict)  # (lab, run) → score
    handled: int = 0
    solved_s: dict[str, float] = field(default_factory=dict)  # lab → seconds after its segment began
    tried: set[str] = field(default_factory=set)

    async def live(self, api: Api, hall: Hall) -> None:
        """Take part from joining to the end."""
        await hall.sleep(self.character.between(0, 240))
        body = {"code": hall.code, "name": self.name, "token": self.token, "technology": "rehearsal"}
        told = await api.ask("join", "POST", "/workshop/join", body={**body, "ready_code": "rehearsal"})
        self.participant = told["participant_id"]
        segment = -1
        while not hall.is_over:
            if segment == hall.segment:
                await hall.after(segment)
                continue
            segment = hall.segment
            if hall.lab is not None:
                await self._work(api, hall, segment, hall.lab)
            while not hall.is_over and hall.segment == segment:
                await self._ticket(api, hall)

    async def _work(self, api: Api, hall: Hall, segment: int, lab: str) -> None:
        began_s = asyncio.get_running_loop().time()
        self.tried.add(lab)
        pause_s = self.character.time_s(self.habits.start_s)
        for attempt in range(50):
            await hall.sleep(pause_s + self.character.run_s(lab))
            if hall.segment != segment or hall.is_over:
                return
            result, is_valid, is_solved = self.character.result(lab, attempt=attempt)
            run = f"20260101T{hall.segment:02d}{self.number:03d}{attempt:02d}Z"
            line = result.line(lab=lab, run=run, by=self.name, is_valid=is_valid)
            body = {"line": line, "failure": result.failure}
            await api.ask("run", "POST", "/workshop/runs", token=self.token, body=body)
            self.runs[lab, run] = result.score
            if is_solved:
                self.solved_s[lab] = (asyncio.get_running_loop().time() - began_s) * hall.speed
                return
            pause_s = self.character.time_s(self.habits.think_s, by_skill=True)

    async def _ticket(self, api: Api, hall: Hall) -> None:
        """Take one ticket and end it somehow, or wait in the line for a while."""
        try:
            told = await api.ask("ticket", "POST", "/workshop/tickets/request", token=self.token, body={})
            if told["ticket"] is None:
                await hall.sleep(self.character.time_s(POLL_S))
                return
            await hall.sleep(self.character.time_s(self.habits.ticket_s))
            await self._end(api, hall, told["ticket"]["id"])
        except Rejected:
            await hall.sleep(POLL_S)  # paused, or the ticket went back in the silence

    async def _end(self, api: Api, hall: Hall, ticket: int) -> None:
        if self.character.chance(self.habits.forget_ratio):
            await hall.sleep(400)  # longer than the board waits: the ticket goes back
        if self.character.chance(self.habits.return_ratio):
            await api.ask("return", "POST", f"/workshop/tickets/{ticket}/return", token=self.token, body={})
            return
        how = "escalate" if self.character.chance(self.habits.escalate_ratio) else "resolve"
        path = f"/workshop/tickets/{ticket}/{how}"
        await api.ask(how, "POST", path, token=self.token, body={"text": "handled by a bot"})
        self.handled += 1
