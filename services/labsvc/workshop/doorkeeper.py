"""Who is it? Tokens of facilitator and participants, and the limits on guessing. Implements `rest.Gate`."""

from labsvc.rest import Refused, Who
from labsvc.workshop import keys, people
from labsvc.workshop.context import Context
from labsvc.workshop.limits import Limit
from labsvc.workshop.people import hashed
from labsvc.workshop.shapes import Facilitator
from labsvc.workshop.store import Db

KNOWN_LIMIT = 5000  # tokens remembered
KNOWN_S = 60.0  # how long without asking the database


class Doorkeeper:
    """One a process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._facilitator_hash: str | None = None  # "" when none was claimed, None before the database was asked
        self._known: dict[str, tuple[Who, float]] = {}  # hash of a token → its owner, when the database said so
        self._seen: dict[int, float] = {}  # participant → when it was heard, not yet written down
        numbers, clock = context.plan.joining, context.clock
        self.joins = Limit("joins", numbers.joins_per_minute, clock.monotonic_s)
        self.wrong_codes = Limit("wrong codes", numbers.wrong_codes_per_minute, clock.monotonic_s)
        self._wrong_tokens = Limit("wrong tokens", numbers.wrong_tokens_per_minute, clock.monotonic_s)

    async def who(self, token: str, address: str) -> Who:
        """Who has a token. Raises Refused: 401 for one that is not known, 429 for too many of them."""
        if not token:
            return Who()
        if self.is_facilitator(token):
            return Who("facilitator")
        now_s = self._context.now_s()
        found, asked_s = self._known.get(hashed(token), (None, 0.0))
        if found is None or now_s - asked_s > KNOWN_S:
            found = await self._ask(token, now_s=now_s)
        if found is None:  # only now: who guesses must not lock out the others behind the same router
            self._wrong_tokens.check(address)
            self._wrong_tokens.spend(address)
            raise Refused(
                401, "this token is not known; join again: make join CODE=… AT=…; facilitators: make facilitate"
            )
        if found.id is not None:
            self._seen[found.id] = now_s
        return found

    def forget(self, person_id: int) -> None:
        """Ask the database again who somebody is."""
        self._known = {key: known for key, known in self._known.items() if known[0].id != person_id}

    async def write_seen(self, db: Db) -> None:
        """Write down who was heard since the last time; called by the keeper."""
        seen, self._seen = self._seen, {}
        await people.seen(db, seen)

    def is_facilitator(self, token: str) -> bool | None:
        """The same for a WebSocket, from what is known without asking the database; None when nothing is."""
        return None if self._facilitator_hash is None else keys.matches(token, self._facilitator_hash)

    async def claim(self, token: str) -> Facilitator:
        """Make a token the facilitator's, if there is none yet. Raises Refused (409)."""
        async with self._context.store.turn() as db:
            await keys.claim(db, token)
            await self.read_key(db)
        return Facilitator(is_facilitator=True)

    async def read_key(self, db: Db) -> str:
        """Learn the facilitator's hash anew, "" when none was claimed; also called by the keeper."""
        self._facilitator_hash = await keys.facilitator_hash(db)
        return self._facilitator_hash

    async def _ask(self, token: str, *, now_s: float) -> Who | None:
        async with self._context.store.turn() as db:
            if keys.matches(token, await self.read_key(db)):
                return Who("facilitator")
            person = await people.by_token(db, token)
            if person is None:
                return None
        who = Who("participant", person.id, person.session_id, person.name)
        if len(self._known) >= KNOWN_LIMIT:
            self._known.clear()
        self._known[hashed(token)] = (who, now_s)
        return who
