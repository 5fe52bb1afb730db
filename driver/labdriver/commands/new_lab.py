"""`labdriver new-lab`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.new_lab import make
from labdriver.verbs import to_type


@click.command("new-lab", epilog="Example: .venv/bin/labdriver new-lab retries")
@click.argument("lab_id", metavar="ID")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, lab_id: str, as_json: bool) -> None:
    """Make a new lab ID with brief, scenario, code, check, prompt, solution, proofs and facilitator page."""
    console = Console(as_json=as_json)
    made = [str(path.relative_to(app.root)) for path in make(app.root, lab_id)]
    for path in made:
        console.say(f"made {path}")
    console.answer({"lab": lab_id, "files": made})
    console.say(f"next: write labs/{lab_id}/README.md, then {to_type('verify', lab=lab_id)}")
