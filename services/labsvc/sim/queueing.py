"""Queues and servers: a station serves visits, the oldest first within priority, by the server longest idle.

    admit(visit) ──▶ waiting, by priority ──▶ server ──▶ wrap-up ──▶ idle again
                        │ patience runs out                │
                        ▼                                  ▼
                     reneged                            served          each visit ends once, as one flat record

A visit brings its own times (service, patience, wrap-up), so what a visit needs is decided where it arrives and by
its own random numbers. Knows nothing of skills or departments: one station is one pool of equal servers.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

from labsvc.errors import Misuse
from labsvc.sim.kernel import Kernel
from labsvc.sim.visit import Outcome, Server, Visit

_PURGE_FROM = 64  # a line is cleared of visits that stepped out when it is this much too long


class Station:
    """A pool of equal servers with one waiting room.

    `servers`: their number, or their names. `room`: how many may wait, None for any number; beyond, a visit is
    refused. `ended(visit)` observers get every visit when it ends.
    """

    def __init__(self, kernel: Kernel, name: str, servers: int | tuple[str, ...], *, room: int | None = None) -> None:
        names = servers if isinstance(servers, tuple) else tuple(f"{name}-{k}" for k in range(1, servers + 1))
        self.name = name
        self.room = room
        self.waiting = 0
        self.offered = 0
        self.served = self.reneged = self.refused = self.withdrawn = 0
        self._kernel = kernel
        self.servers = {each: self._server(each) for each in names}
        self._idle = deque(self.servers.values())  # longest idle first
        self._lines: dict[int, deque[Visit]] = {}  # by priority, lowest first
        self._observers: list[Callable[[Visit], None]] = []

    def observe(self, ended: Callable[[Visit], None]) -> None:
        self._observers.append(ended)

    # Not keyword-only, as options are elsewhere: that would cost a queue 4 % of its speed. Give them by keyword.
    def admit(
        self,
        visit: Visit,
        service_us: int,
        wrap_us: int = 0,
        patience_us: int | None = None,
        priority: int = 0,
        queue: str = "",
        then: Callable[[Visit], None] | None = None,
    ) -> None:
        """A visit arrives: it is served at once, waits, or is refused.

        `wrap_us` is the server's work after the visit has left; without `patience_us` it waits for ever; the lowest
        `priority` goes first; `queue` is a label; `then(visit)` is called when it ends.
        """
        kernel = self._kernel
        visit.arrived_us = now_us = kernel.now_us
        visit.service_us = service_us
        visit.wrap_us = wrap_us
        visit.patience_us = patience_us
        visit.priority = priority
        visit.queue = queue
        visit.then = then
        visit.outcome = ""
        visit.left_us = visit.timer = None
        self.offered += 1
        if self._idle:
            visit.server = server = self._idle.popleft()
            visit.started_us = now_us
            server.visit = visit
            kernel.again(server.done, now_us + service_us)
            return
        visit.server = visit.started_us = None
        if self.room is not None and self.waiting >= self.room:
            self.refused += 1
            self._end(visit, "refused")
        else:
            self._wait(visit)

    def withdraw(self, visit: Visit) -> bool:
        """Take a waiting visit out; False when it no longer waits."""
        if visit.outcome or visit.started_us is not None:
            return False
        self.withdrawn += 1
        self._step_out(visit, "withdrawn")
        return True

    def staff(self, count: int) -> None:
        """Have `count` servers on duty from now on; who is busy leaves when the work is done.

        Those who were on their way out stay first, then those off duty return, then new ones join.
        """
        if count < 0:
            raise Misuse(f"station {self.name!r} cannot have {count} servers, expected 0 or more")
        on_duty = [s for s in self.servers.values() if s.duty != "off" and s.leaving != "off"]
        for server in on_duty[count:]:
            self._send(server, "off")
        back = [s for s in self.servers.values() if s.leaving == "off"]
        back += [s for s in self.servers.values() if s.duty == "off"]
        for k in range(count - len(on_duty)):
            if k < len(back):
                self.back(back[k].name)
                continue
            server = self._server(f"{self.name}-{len(self.servers) + 1}")
            self.servers[server.name] = server
            self._free(server)

    def away(self, server: str) -> None:
        """Send a server on a break: at once when idle, else when the work is done."""
        self._send(self.servers[server], "away")

    def back(self, server: str) -> None:
        """End a break or a time off duty, or call a leaving server back."""
        found = self.servers[server]
        found.leaving = ""
        if found.duty != "on":
            found.duty = "on"
            self._free(found)

    def on_duty(self) -> int:
        """Servers that are idle, busy or wrapping up and will go on."""
        return sum(s.duty == "on" and not s.leaving for s in self.servers.values())

    def line(self) -> list[Visit]:
        """The waiting visits in the order in which they will be served."""
        return [v for line in self._lines.values() for v in line if not v.outcome]

    def present(self) -> dict[str, int]:
        """Offered = served + reneged + refused + withdrawn + waiting + in_service, at any instant."""
        return {
            "offered": self.offered,
            "served": self.served,
            "reneged": self.reneged,
            "refused": self.refused,
            "withdrawn": self.withdrawn,
            "waiting": self.waiting,
            "in_service": sum(s.state == "busy" for s in self.servers.values()),
        }

    def _wait(self, visit: Visit) -> None:
        line = self._lines.get(visit.priority)
        if line is None:
            line = self._lines[visit.priority] = deque()
            self._lines = dict(sorted(self._lines.items()))
        line.append(visit)
        self.waiting += 1
        if visit.patience_us is not None:
            visit.timer = self._kernel.after(visit.patience_us, self._renege, visit)

    def _renege(self, visit: Visit) -> None:
        visit.timer = None
        self.reneged += 1
        self._step_out(visit, "reneged")

    def _step_out(self, visit: Visit, outcome: Outcome) -> None:
        """A waiting visit leaves. It keeps its place in the line, marked, until too many do."""
        self.waiting -= 1
        self._end(visit, outcome)
        line = self._lines[visit.priority]
        if len(line) > _PURGE_FROM + 2 * self.waiting:
            self._lines[visit.priority] = deque(v for v in line if not v.outcome)

    def _server(self, name: str) -> Server:
        server = Server(name, self._kernel.now_us)
        server.done = self._kernel.unscheduled(self._served, server)
        return server

    def _served(self, server: Server) -> int | None:
        """A service ends; returns when the next of the same server does, if it goes on at once."""
        now_us = self._kernel.now_us
        visit: Visit = server.visit  # type: ignore[assignment]  # it was being served
        visit.left_us = now_us
        visit.outcome = "served"
        server.busy_us += visit.service_us
        self.served += 1
        next_us = None
        if visit.wrap_us:
            self._kernel.after(visit.wrap_us, self._wrapped, server)
        elif self.waiting or server.leaving:
            next_us = self._turn(server)
        else:
            server.visit = None
            server.turned_us = now_us
            self._idle.append(server)
        for observer in self._observers:
            observer(visit)
        if visit.then is not None:
            visit.then(visit)
        return next_us

    def _wrapped(self, server: Server) -> None:
        if server.visit is not None:
            server.busy_us += server.visit.wrap_us
        self._free(server)

    def _free(self, server: Server) -> None:
        next_us = self._turn(server)
        if next_us is not None:
            self._kernel.again(server.done, next_us)

    def _turn(self, server: Server) -> int | None:
        """Give a server the oldest visit of the most urgent line, or let it stand idle, or go.

        Returns when the service of that visit ends, None when there is none.
        """
        server.turned_us = now_us = self._kernel.now_us
        server.visit = None
        if server.leaving:
            server.duty, server.leaving = server.leaving, ""
        elif self.waiting:
            server.visit = visit = self._next()
            visit.server = server
            visit.started_us = now_us
            return now_us + visit.service_us
        else:
            self._idle.append(server)
        return None

    def _next(self) -> Visit:
        for line in self._lines.values():
            while line:
                visit = line.popleft()
                if visit.outcome:
                    continue  # stepped out while it waited
                self.waiting -= 1
                if visit.timer is not None:
                    self._kernel.cancel(visit.timer)
                    visit.timer = None
                return visit
        raise AssertionError(f"{self.name} counts {self.waiting} waiting, found none")

    def _send(self, server: Server, where: Literal["away", "off"]) -> None:
        if server.visit is not None:
            server.leaving = where
        elif server.duty == "on":
            self._idle.remove(server)
            server.duty, server.turned_us = where, self._kernel.now_us
        elif server.duty == "away":
            server.duty = where

    def _end(self, visit: Visit, outcome: Outcome) -> None:
        visit.outcome = outcome
        visit.left_us = self._kernel.now_us
        if visit.timer is not None:
            self._kernel.cancel(visit.timer)
            visit.timer = None
        for observer in self._observers:
            observer(visit)
        if visit.then is not None:
            visit.then(visit)
