"""The `labdriver` command: global options, one module of `commands/` for each verb, errors to exit codes.

Only this module exits. A command module exports `COMMAND`; it is imported when it is called or when its help is
asked for, so that `labdriver --help` stays quick.
"""

import importlib
import os
import pkgutil
import shlex
import sys
from pathlib import Path

import click

from labdriver import commands, settings
from labdriver.app import App, find_root
from labdriver.errors import EnvironmentFault, LabError
from labdriver.verbs import to_type

EPILOG = "Example: .venv/bin/labdriver run timeouts --by alice"


class Verbs(click.Group):
    """A group whose commands are the modules of `labdriver/commands/`: run.py is `labdriver run`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(commands.__path__) if m.name[0] != "_")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"labdriver.commands.{name.replace('-', '_')}").COMMAND
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx):
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"unknown command {args[0]!r}, expected one of: {known}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--runtime",
    type=click.Choice(["auto", "local", "k3d", "kube"]),
    default="auto",
    envvar="LAB_RUNTIME",
    show_envvar=True,
    show_default=True,
    help="Where the stack runs.",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")  # main() reads it
@click.pass_context
def root(ctx: click.Context, runtime: str) -> None:
    """Break a realistic service, see the failure in a report, fix one place, see the score rise."""
    ctx.obj = App(root=find_root(Path.cwd()), runtime_name=runtime, settings=settings.read(os.environ))


def main() -> None:
    """Entry point of the console script: runs the command, prints an error in a line or two, exits."""
    debug = "--debug" in sys.argv
    try:
        code = root.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = 130
    except LabError as error:
        if debug:
            raise
        click.echo(str(error), err=True)
        code = error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`labdriver ... | head`): nothing is left to say
        code = 0
    except Exception as error:
        if debug:
            raise
        again = to_type("--debug", *map(shlex.quote, sys.argv[1:]))
        click.echo(f"unexpected {type(error).__name__}: {error}\n  next: {again}", err=True)
        code = EnvironmentFault.exit_code
    sys.exit(code if isinstance(code, int) else 0)
