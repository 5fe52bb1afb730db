"""`labdriver picture`: the README's picture of a report, made from a real run."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import EnvironmentFault, Misuse
from labdriver.report import history
from labdriver.verbs import to_type

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


@click.command("picture", epilog="Example: .venv/bin/labdriver picture timeouts")
@click.argument("lab")
@click.option("--height", type=click.IntRange(400, 6000), default=2020, show_default=True, help="In pixels.")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, lab: str, height: int, as_json: bool) -> None:
    """Take a picture of LAB's newest report, for the README and for slides (needs Chromium)."""
    console = Console(as_json=as_json)
    runs = history.read(app.reports).of(app.lab(lab).id)
    page = runs[0].folder / history.PAGE if runs else None
    if page is None:
        raise Misuse(f"no report of {lab} in {app.reports}", next_step=to_type("run", lab=lab))
    picture = app.labs / lab / "report.png"
    _screenshot(page, picture, height=height)
    console.say(f"picture: {picture}")
    console.answer({"picture": str(picture), "page": str(page)})


def _screenshot(page: Path, picture: Path, *, height: int) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise EnvironmentFault("no Chromium found", next_step="sudo apt-get install -y chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:  # the browser may still write to it
        command = [browser, "--headless", "--no-sandbox", "--disable-quic", "--disable-background-networking"]
        command += ["--no-first-run", f"--user-data-dir={profile}", f"--window-size=1280,{height}", "--hide-scrollbars"]
        command += ["--virtual-time-budget=4000", f"--screenshot={picture}", page.as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=60, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise EnvironmentFault(f"{browser} took no picture: {error}", next_step=f"open {page}") from error
