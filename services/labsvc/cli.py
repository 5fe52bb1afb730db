"""`labsvc api|worker|estimator|depsim|generator`: reads the settings, runs one mode. The only place that exits.

Exit codes: 0 stopped when told to, 2 a wrong setting, 3 a port or socket that cannot be had.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from labsvc import scan
from labsvc.errors import ServiceError

if TYPE_CHECKING:
    from labsvc.modes import Mode
    from labsvc.settings import Settings


class Modes(click.Group):
    """Subcommands are the files of `modes/`; only the one that is run gets imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from labsvc import modes  # late: `--help` of one mode should not load the others

        return scan.names(modes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from labsvc import modes  # late: as above

        if cmd_name not in scan.names(modes):
            known = ", ".join(scan.names(modes))
            raise click.UsageError(f"unknown mode {cmd_name!r}, expected one of: {known}", ctx)
        mode = scan.load(modes, cmd_name, "MODE")
        return click.Command(
            cmd_name,
            callback=lambda: _run(cmd_name),
            help=f"This mode {mode.summary}. Port {mode.port}, unless LAB_PORT or LAB_LISTEN_FDS is set.",
            short_help=mode.summary,
            epilog=f"Example: LAB_PORT={mode.port} labsvc {cmd_name}",
        )


@click.group(cls=Modes, epilog="Example: LAB_PORT=9083 labsvc depsim")
def main() -> None:
    """The services of the kit: one binary, one mode a process. Settings come from LAB_* variables."""


def _run(name: str) -> None:
    from labsvc import log, modes, settings  # late: `--help` needs none of it

    try:
        mode = scan.load(modes, name, "MODE")
        given = settings.read(os.environ)
        log.configure(given.log_level, role=name, replica=given.replica or name)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(mode, given))
    except ServiceError as error:
        click.echo(f"labsvc {name}: {error}", err=True)
        sys.exit(error.exit_code)


async def _serve(mode: "Mode", settings: "Settings") -> None:
    from labsvc.server import serve  # late: `--help` needs no web server

    async with mode.open(settings) as service:
        await serve(service, settings, default_port=mode.port)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # not built for every platform; asyncio's own loop does the same, slower
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
