"""The facilitator's token: claimed once for a database, kept as a hash, compared in constant time."""

import hmac
import secrets

from labsvc.rest import Refused
from labsvc.workshop.people import hashed
from labsvc.workshop.store import Db, one

FACILITATOR = "facilitator"
TOKEN_PATTERN = r"^[A-Za-z0-9_-]{24,128}$"


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


async def facilitator_hash(db: Db) -> str:
    """The hash of the token that was claimed, "" when none was."""
    row = await one(db, "SELECT hash FROM workshop_keys WHERE name = %s", (FACILITATOR,))
    return str(row["hash"]) if row else ""


async def claim(db: Db, token: str) -> None:
    """Make `token` the facilitator's. The first one wins; claiming again with the same token is fine.

    Raises Refused (409) when another token was claimed before.
    """
    await db.execute(
        "INSERT INTO workshop_keys (name, hash) VALUES (%s, %s) ON CONFLICT DO NOTHING", (FACILITATOR, hashed(token))
    )
    if not matches(token, await facilitator_hash(db)):
        raise Refused(409, "another facilitator's token is in force; use that one, or wipe the data: make reset")


def matches(token: str, stored_hash: str) -> bool:
    """Whether a token is the one of a stored hash."""
    return bool(stored_hash) and hmac.compare_digest(hashed(token), stored_hash)
