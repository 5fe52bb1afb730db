"""`labdriver preflight`."""

import platform
import sys

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import EnvironmentFault
from labdriver.preflight import Report, inspect, readiness
from labdriver.preflight.found import Found
from labdriver.stack.choose import held_ports


@click.command("preflight", epilog="Example: .venv/bin/labdriver --runtime k3d preflight")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Check this machine in seconds, without network. Exits 3 when something required is missing."""
    console = Console(as_json=as_json)
    report = inspect(app.root, app.settings, ours=held_ports(app.root, app.settings))
    for found in report.found:
        _tell(console, found, app.runtime_name)
    code = readiness.code(report, system=sys.platform, arch=platform.machine())
    wanted = "local" if app.runtime_name == "auto" else app.runtime_name
    missing = report.missing(wanted)
    console.answer(_answer(report, code, wanted))
    works = " and ".join(f"RUNTIME={runtime}" for runtime in report.works) or "no runtime"
    console.say(f"{works} would work here ({report.took_s:.1f} s)")
    console.line(f"READINESS {code}")
    if missing:
        raise _fault(report, wanted)


def _fault(report: Report, wanted: str) -> EnvironmentFault:
    """What is missing, and the way out: the local runtime where it would work, else the first line to paste."""
    missing = report.missing(wanted)
    told = f"{wanted} is not ready here: {', '.join(one.what for one in missing)}"
    if wanted != "local" and "local" in report.works:
        return EnvironmentFault(f"{told}; the local runtime would work", next_step="make up RUNTIME=local")
    return EnvironmentFault(told, next_step=missing[0].fix.on(sys.platform) or "see above")


def _tell(console: Console, found: Found, runtime: str) -> None:
    """One line, and the line to paste below it. What only another runtime needs is no alarm."""
    alarm = not found.ok and (runtime in found.needed_by or (runtime == "auto" and "local" in found.needed_by))
    mark = "ok  " if found.ok else "FAIL" if alarm else "note"
    console.say(f"{mark}  {found.what:<24} {found.told}", style="red" if alarm else "")
    line = found.fix.on(sys.platform)
    if line and not found.ok:
        console.say(f"        {line}", style="dim")


def _answer(report: Report, code: str, wanted: str) -> dict[str, object]:
    return {
        "ok": not report.missing(wanted),
        "runtime": wanted,
        "works": report.works,
        "readiness": code,
        "took_s": round(report.took_s, 2),
        "found": [
            {
                "what": one.what,
                "told": one.told,
                "ok": one.ok,
                "needed_by": sorted(one.needed_by),
                "fix": {"macos": one.fix.macos, "debian": one.fix.debian},
            }
            for one in report.found
        ],
    }
