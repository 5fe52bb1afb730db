"""Answers the control questions: what the supervisor does when it is asked. `control.py` states the questions.

    connection ──line──▶ Desk ──▶ status | roll | scaling | … ──line──▶ connection

A roll starts the new processes first and ends the old ones only when the new ones are ready and every lab loads, so
that broken code never reaches service.
"""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labdriver.errors import EnvironmentFault, LabError, Misuse
from labdriver.stack import manifests
from labdriver.stack.local import control, health
from labdriver.stack.local.health import Health
from labdriver.stack.local.processes import (
    HUNG_TERM_S,
    POLL_S,
    TERM_S,
    Launched,
    end,
    ending,
    last_words,
    log,
    until_deaf,
)

if TYPE_CHECKING:
    from labdriver.stack.local.supervisor import Slot, Supervisor

Answer = dict[str, Any]


class Desk:
    """The control side of a supervisor."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one change of a role at a time
        self._endings: set[asyncio.Task[None]] = set()
        self._known: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Answer]]] = {
            "status": self._status,
            "roll": self._roll,
            "scaling": self._scaling,
            "unscale": self._unscale,
            "restart": self._restart,
            "stop": self._stop,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one question, one answer."""
        try:
            answer = await self._answered(await reader.readline())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass  # the asker has left, or sent no line
        finally:
            writer.close()

    async def finish(self) -> None:
        """Wait until every process that was replaced is gone."""
        await asyncio.gather(*self._endings)

    async def _answered(self, line: bytes) -> Answer:
        try:
            question = json.loads(line)
            if not secrets.compare_digest(str(question.get("token")), self._supervisor.token):
                raise Misuse("wrong token", next_step="make up")
            op = self._known.get(question.get("op"))
            if op is None:
                raise Misuse(f"unknown op {question.get('op')!r}, expected one of: {', '.join(self._known)}")
            return {"ok": True, **await op(question)}
        except LabError as error:
            return control.told(error)
        except (ValueError, KeyError, AttributeError) as error:
            return control.told(Misuse(f"not a question: {error!r}"))
        except OSError as error:
            path = self._supervisor.paths.log("supervisor")
            return control.told(EnvironmentFault(f"the supervisor cannot: {error}", next_step=f"tail {path}"))

    async def _status(self, _question: Mapping[str, Any]) -> Answer:
        return {"state": asdict(self._supervisor.snapshot())}

    async def _stop(self, _question: Mapping[str, Any]) -> Answer:
        self._supervisor.stopping.set()
        return {}

    async def _restart(self, question: Mapping[str, Any]) -> Answer:
        for slot in self._supervisor.slots:
            if slot.name == question["name"] and slot.launched:
                slot.launched.process.kill()  # its keeper starts it again
        return {}

    async def _scaling(self, _question: Mapping[str, Any]) -> Answer:
        return {"targets": self._supervisor.scaling.told()}

    async def _unscale(self, _question: Mapping[str, Any]) -> Answer:
        """Every scaled role back to what its manifest starts with."""
        for role in self._supervisor.stack.roles.values():
            if role.is_scaled:
                async with self.changing(role.name):
                    await self._supervisor.scaling.start_over(role.name)
        return {}

    async def _roll(self, question: Mapping[str, Any]) -> Answer:
        """Replace all processes of a role. Raises what keeps the new ones from service; the old ones then stay."""
        supervisor = self._supervisor
        supervisor.stack = supervisor.read_stack()
        role = self._role(question["role"])
        async with self.changing(role.name):
            slots = supervisor.of_role(role.name)
            before = await asyncio.gather(*(_health(slot.launched) for slot in slots))
            started: list[Launched] = []
            try:
                for slot in slots:
                    started.append(await supervisor.launcher.role(role, slot.name))
                after = await asyncio.gather(
                    *(
                        self._until_ready(slot.name, new, question["deadline_s"])
                        for slot, new in zip(slots, started, strict=True)
                    )
                )
                tolerated = _refuse_broken(before, after)
            except BaseException:  # whatever it was: processes that nobody keeps would serve beside the old ones
                await asyncio.gather(*(self._given_up(new) for new in started))
                raise
            for new in started:
                supervisor.scaling.welcome(new.identity.pid)
            olds = [await self._replaced(slot, new) for slot, new in zip(slots, started, strict=True)]
            supervisor.save()
            retired = (self._retired(old, was_well=bool(b)) for old, b in zip(olds, before, strict=True) if old)
            await asyncio.gather(*retired)
            supervisor.scaling.forget(role.name)
            await self.rescaled(role.name, role.replicas)
            return {"still_broken": tolerated}

    def _role(self, name: str) -> manifests.Role:
        roles = self._supervisor.stack.roles
        if name not in roles:
            raise Misuse(f"unknown role {name!r}, expected one of: {', '.join(sorted(roles))}")
        return roles[name]

    async def _until_ready(self, name: str, new: Launched, deadline_s: float) -> Health:
        """Wait until a new process is ready. Its private socket listens already, so it answers as soon as it serves."""
        until_s = time.monotonic() + deadline_s
        path = self._supervisor.paths.log(name)
        missing = "no answer yet"
        while time.monotonic() < until_s:
            found = await _health(new)
            if found and found.ready:
                return found
            missing = ", ".join(found.missing) if found else missing
            if new.process.returncode is not None:
                raise EnvironmentFault(
                    f"the new {name} ended with {ending(new.process.returncode)} at its start: {last_words(path)}",
                    next_step=f"tail {path}",
                )
            await asyncio.sleep(POLL_S)
        raise EnvironmentFault(
            f"the new {name} was not ready after {deadline_s:g} s ({missing}); its last words: {last_words(path)}",
            next_step=f"look for an endless loop in what was edited last, or tail {path}",
        )

    async def _replaced(self, slot: "Slot", new: Launched) -> Launched | None:
        old = await self._supervisor.release(slot)
        slot.launched = new
        slot.keeper = asyncio.create_task(self._supervisor.keep(slot))
        log("process_replaced", name=slot.name, pid=new.identity.pid)
        return old

    async def _retired(self, old: Launched, *, was_well: bool = True) -> None:
        """End an old process; returns when it takes no more connections, which is before its last requests are done."""
        ended = asyncio.ensure_future(end(old, grace_s=TERM_S if was_well else HUNG_TERM_S))
        self._endings.add(ended)
        ended.add_done_callback(self._endings.discard)
        await until_deaf(old, ended)

    async def _given_up(self, new: Launched) -> None:
        """End a new process that comes into no service."""
        self._supervisor.throttle.free(new.identity.pid)
        await end(new)

    def changing(self, role: str) -> asyncio.Lock:
        """Held while a role changes."""
        return self._locks[role]

    async def rescaled(self, role: str, replicas: int) -> None:
        """Run so many replicas of a role. For whoever holds `changing`."""
        supervisor = self._supervisor
        released = [await supervisor.release(slot) for slot in supervisor.scale(role, replicas)]
        supervisor.save()
        await asyncio.gather(*(self._retired(old) for old in released if old))


async def _health(launched: Launched | None) -> Health | None:
    if launched is None or launched.port is None:
        return None
    found = await asyncio.to_thread(health.ask, launched.port)
    return found if found and found.pid == launched.identity.pid else None


def _refuse_broken(before: list[Health | None], after: list[Health]) -> dict[str, str]:
    """Raise Misuse for a lab that stopped loading. Returns those that were broken in just the same way before."""
    known = {lab: told for one in before if one for lab, told in one.labs.items()}
    broken = {lab: why for one in after for lab, why in one.broken().items()}
    new = {lab: why for lab, why in broken.items() if known.get(lab) != after[0].labs[lab]}
    if new:
        told = "\n".join(new[lab] for lab in sorted(new))
        place = new[min(new)].split(": ")[0]
        raise Misuse(f"{told}\nthe code of before stays in service", next_step=f"mend {place}, then make dev")
    return broken
