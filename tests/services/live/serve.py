"""The generator with the fake world, as a process: `python -m tests.services.live.serve`."""

import os

import uvloop
from tests.services.live.fakeworld import FakeKind

from labsvc import log, settings
from labsvc.modes.generator import hosting
from labsvc.server import serve


async def main() -> None:
    given = settings.read(os.environ)
    log.configure(given.log_level, role="generator", replica="generator")
    async with hosting(given, [FakeKind()]) as service:
        await serve(service, given, default_port=0)


if __name__ == "__main__":
    uvloop.run(main())
