"""The local runtime: what `up`, `down`, `reset` and `dev` mean for processes of this machine.

    commands, run.py ──▶ LocalRuntime ──control.py──▶ supervisor.py ──▶ processes
                              └── launch.py: from nothing, or from what a crash left

Starts no process but the supervisor, and believes nothing but what lives and answers: the state on disk only says
where to look.
"""

import http.client
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.settings import DEFAULT_PORTS
from labdriver.stack import edits, manifests
from labdriver.stack.checksum import labs_on_disk, services_code
from labdriver.stack.local import control, health, identity, launch, postgres, state
from labdriver.stack.local.control import NoAnswer
from labdriver.stack.local.identity import Identity
from labdriver.stack.local.ports import HOST
from labdriver.stack.local.processes import last_words
from labdriver.stack.local.state import Paths, Running, State
from labdriver.stack.manifests import DATABASE
from labdriver.stack.runtime import Change, Replica, Say, ScaledTarget, Status

POLL_S = 0.05
PROMPT_S, PATIENT_S = 1.0, 6.0  # for the supervisor's answer: at first, and when its process is there
UNHEALTHY_S = 5.0  # a process that has not answered for so long is started again by `up`
HOPELESS_RESTARTS = 4  # within one wait: it will not come up by itself
DEPSIM = "depsim"


class LocalRuntime:
    """Processes on this machine, for the checkout `root`. `ports`: role → public port."""

    name = "local"

    def __init__(self, root: Path, *, ports: Mapping[str, int], ready_timeout_s: float = 60) -> None:
        self._paths = Paths(root.resolve())
        self._wanted_ports = dict(ports)
        self._ready_timeout_s = ready_timeout_s

    def up(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            lines: list[str] = []
            found = self._found()
            if found and self._is_moved(found):
                lines.append("the ports have changed: starting again on the new ones")
                launch.stop(self._paths)
                found = None
            if found and self.status().ready:
                return Change(False, (), time.monotonic() - begun_s)
            if not found:
                lines += launch.clear_remains(self._paths)
                say("starting Postgres, " + ", ".join(self._wanted_ports))
                launch.start(self._paths, self._wanted_ports, deadline_s=self._ready_timeout_s)
            status = self._wait_ready(heal=bool(found), hint=f"look into {self._paths.logs}")
        lines += [f"{replica.name} is ready" for replica in status.replicas]
        return Change(True, tuple(lines), time.monotonic() - begun_s)

    def down(self, say: Say) -> Change:
        begun_s = time.monotonic()
        if not self._paths.folder.exists():
            return Change(False, (), 0.0)
        with self._changing():
            lines = launch.stop(self._paths)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def reset(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            found = self._must_find()
            ended = postgres.wipe(found.database_url)
            self._clear_depsim(found)
        lines = ["every table is empty", "depsim has no script and an empty ledger"]
        if ended:
            lines.append(f"{ended} database sessions that held a table were ended")
        return Change(True, tuple(lines), time.monotonic() - begun_s)

    def dev(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            found = self._must_find()
            edits.read(self._paths.root / "labs")  # all of them are whole, before any role is replaced
            healths = self._healths(found)
            stale = self._stale_roles(found, healths)
            if not stale:
                self._refuse_broken(healths)
                return Change(False, (), time.monotonic() - begun_s)
            say(f"replacing {', '.join(stale)}")
            with ThreadPoolExecutor(len(stale)) as pool:
                rolled = list(pool.map(lambda role: self._roll(found, role), stale))
        lines = [f"{role}: {why} in service" for role, why in stale.items()]
        lines += [f"still broken: {why}" for answer in rolled for why in answer["still_broken"].values()]
        if DEPSIM in stale:
            lines.append("depsim began anew: its script and its ledger are gone")
        return Change(True, tuple(lines), time.monotonic() - begun_s)

    def status(self) -> Status:
        found = self._found()
        if found is None:
            return Status(up=False, ready=False, replicas=(), problems=("no stack is running here",))
        healths = self._healths(found)
        replicas = tuple(self._replica(running, healths.get(running.name)) for running in found.processes)
        problems = tuple(f"{replica.name}: {replica.why}" for replica in replicas if not replica.ready)
        missing = set(DEFAULT_PORTS) - {replica.role for replica in replicas}  # others may be scaled to none
        problems += tuple(f"{role}: no process" for role in sorted(missing))
        return Status(up=True, ready=not problems, replicas=replicas, problems=problems)

    def url(self, role: str) -> str:
        known = state.read(self._paths.state)
        ports = known.ports if known and known.root == str(self._paths.root) else self._wanted_ports
        if role not in ports:
            raise Misuse(f"unknown role {role!r}, expected one of: {', '.join(sorted(ports))}")
        return f"http://{HOST}:{ports[role]}"

    def wait_ready(self) -> Status:
        self._must_find()
        return self._wait_ready(heal=False, hint="make up")

    def served_code(self) -> dict[str, str]:
        """Lab id → checksum in service. A lab that does not load is left out; of differing replicas, one is told."""
        found = self._found()
        healths = self._healths(found) if found else {}
        told = (item for one in healths.values() if one for item in one.labs.items())
        return {lab: str(one["code"]) for lab, one in told if not one["error"]}

    def scaling(self) -> tuple[ScaledTarget, ...]:
        told = self._ask(self._known(), "scaling", timeout_s=PATIENT_S)["targets"]
        return tuple(
            ScaledTarget(
                **{
                    **one,
                    "conditions": tuple(one["conditions"]),
                    "used_cores": None if one["used_cores"] is None else tuple(one["used_cores"]),
                }
            )
            for one in told
        )

    def unscale(self, say: Say) -> None:
        self._ask(self._must_find(), "unscale", timeout_s=self._ready_timeout_s)

    def _changing(self) -> Any:
        return state.changing(self._paths, deadline_s=self._ready_timeout_s)

    def _found(self) -> State | None:
        """The running stack of this checkout as its supervisor tells it, None when no supervisor answers.

        One that lives is asked again with more patience: on a crowded machine it is late, not gone.
        """
        known = state.read(self._paths.state)
        if known is None or known.root != str(self._paths.root):
            return None
        told = self._told(known, timeout_s=PROMPT_S)
        if told is None and identity.process(Identity(known.pid, known.started_s)) is not None:
            told = self._told(known, timeout_s=PATIENT_S)
        return told

    def _told(self, known: State, *, timeout_s: float) -> State | None:
        try:
            return state.parse(control.ask(known.control_port, known.token, "status", timeout_s=timeout_s)["state"])
        except (NoAnswer, EnvironmentFault, Misuse, ValueError, TypeError, KeyError):
            return None

    def _known(self) -> State:
        """The stack as the state on disk names it; whether it lives, its answers tell."""
        known = state.read(self._paths.state)
        if known is None or known.root != str(self._paths.root):
            raise EnvironmentFault("no stack is running here", next_step="make up")
        return known

    def _must_find(self) -> State:
        found = self._found()
        if found is None:
            raise EnvironmentFault("no stack is running here", next_step="make up")
        return found

    def _is_moved(self, found: State) -> bool:
        """True when ports were asked for that differ from those in force. The default ports ask for nothing."""
        return any(
            port not in (found.ports.get(role), DEFAULT_PORTS[role]) for role, port in self._wanted_ports.items()
        )

    def _ask(self, found: State, op: str, *, timeout_s: float, **params: Any) -> dict[str, Any]:
        try:
            return control.ask(found.control_port, found.token, op, timeout_s=timeout_s, **params)
        except NoAnswer as error:
            raise EnvironmentFault(
                f"the supervisor (pid {found.pid}) did not answer: {error}", next_step="make up"
            ) from error

    def _healths(self, found: State) -> dict[str, health.Health | None]:
        """Every role's process asked at once."""
        asked = [running for running in found.processes if running.port and running.pid]
        if not asked:
            return {}
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = pool.map(lambda running: health.ask(running.port or 0), asked)
            return dict(zip((running.name for running in asked), answers, strict=True))

    def _replica(self, running: Running, told: health.Health | None) -> Replica:
        if running.role == DATABASE:
            answers = running.pid is not None and postgres.Postgres(self._paths.postgres).answers()
            why = "" if answers else running.why or "starting"
            return Replica(running.role, running.name, "", running.pid, answers, running.restarts, why)
        url = f"http://{HOST}:{running.port}" if running.port else self.url(running.role)
        ready = told is not None and told.ready and running.is_asked
        why = ""
        if running.pid is None:
            why = f"{running.why}: {last_words(self._paths.log(running.name))} ({self._paths.log(running.name)})"
        elif told is None:
            why = "does not answer its health checks"
        elif not ready:
            why = "; ".join(told.missing) or "no requests are passed to it yet"
        return Replica(running.role, running.name, url, running.pid, ready, running.restarts, why)

    def _wait_ready(self, *, heal: bool, hint: str) -> Status:
        """Wait for everything. With `heal`, processes that stay silent are started again on the way."""
        begun_s = time.monotonic()
        before: dict[str, int] | None = None
        while True:
            status = self.status()
            if status.ready:
                return status
            if not status.up:
                raise EnvironmentFault(
                    f"the supervisor is gone: {last_words(self._paths.log(launch.SUPERVISOR))}", next_step="make up"
                )
            now = {replica.name: replica.restarts for replica in status.replicas}
            before = before or now
            waited_s = time.monotonic() - begun_s
            hopeless = any(now[name] - before.get(name, 0) >= HOPELESS_RESTARTS for name in now)
            if waited_s > self._ready_timeout_s or hopeless:
                what = "keeps failing" if hopeless else f"is not ready after {waited_s:.0f} s"
                raise EnvironmentFault(
                    f"the stack {what}: {'; '.join(status.problems)}",
                    next_step=hint,
                )
            if heal and waited_s > UNHEALTHY_S:
                self._restart_silent(status)
                heal = False
            time.sleep(POLL_S)

    def _restart_silent(self, status: Status) -> None:
        found = self._must_find()
        for replica in status.replicas:
            if not replica.ready and replica.pid is not None and replica.role != DATABASE:
                self._ask(found, "restart", timeout_s=PATIENT_S, name=replica.name)

    def _stale_roles(self, found: State, healths: Mapping[str, health.Health | None]) -> dict[str, str]:
        """Roles that serve other code than the disk has, and what differs."""
        services, labs = services_code(self._paths.root), labs_on_disk(self._paths.root / "labs")
        stale: dict[str, str] = {}
        for running in found.processes:
            if running.role == DATABASE:
                continue
            wanted = {lab: files.code for lab, files in labs.items() if running.role in files.roles}
            told = healths.get(running.name)
            served = {lab: one["code"] for lab, one in told.labs.items() if lab in labs} if told else {}
            edited = sorted(lab for lab in wanted.keys() | served.keys() if wanted.get(lab) != served.get(lab))
            if running.code != services:
                stale[running.role] = "new services code"
            elif edited and running.role not in stale:
                stale[running.role] = "new code of " + ", ".join(edited)
        return stale | {role: "a replica again" for role in self._roles_to_bring_back(found)}

    def _roles_to_bring_back(self, found: State) -> list[str]:
        """Roles that were scaled to none and whose manifest says otherwise by now."""
        nobody = set(found.ports) - {running.role for running in found.processes}
        if not nobody:
            return []
        base = manifests.read(self._paths.root / "k8s" / "base")
        roles = edits.laid_over(base, edits.read(self._paths.root / "labs")).roles
        return sorted(role for role in nobody if role in roles and roles[role].replicas)

    def _refuse_broken(self, healths: Mapping[str, health.Health | None]) -> None:
        broken = {lab: why for one in healths.values() if one for lab, why in one.broken().items()}
        if broken:
            place = broken[min(broken)].split(": ")[0]
            raise Misuse("\n".join(broken[lab] for lab in sorted(broken)), next_step=f"mend {place}, then make dev")

    def _roll(self, found: State, role: str) -> dict[str, Any]:
        deadline_s = self._ready_timeout_s
        return self._ask(found, "roll", timeout_s=deadline_s + 10, role=role, deadline_s=deadline_s)

    def _clear_depsim(self, found: State) -> None:
        """Take the script away; that empties the ledger and lets held calls go."""
        connection = http.client.HTTPConnection(HOST, found.ports[DEPSIM], timeout=5)
        try:
            connection.request("DELETE", "/admin/script")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise EnvironmentFault(
                f"depsim did not answer ({error or type(error).__name__})", next_step="make up"
            ) from error
        finally:
            connection.close()
