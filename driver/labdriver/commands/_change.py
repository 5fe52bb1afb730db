"""What `up`, `down`, `reset` and `dev` have in common: call the runtime, say what changed."""

from labdriver import lock
from labdriver.app import App
from labdriver.console import Console


def show(app: App, verb: str, *, as_json: bool, nothing: str) -> None:
    """Call the runtime's method `verb` and print its lines, or `nothing` when nothing had to change.

    Raises EnvironmentFault while a run is measuring; `up` alone may go on, for it changes nothing that works.
    """
    if verb != "up":
        lock.refuse_held(app.run_lock)
    console = Console(as_json=as_json)
    runtime, why = app.runtime()
    console.say(f"{verb}: runtime {runtime.name} ({why})", style="dim")
    change = getattr(runtime, verb)(console.say)
    for line in change.lines if change.changed else (nothing,):
        console.say(line)
    console.say(f"{verb}: done in {change.took_s:.1f} s", style="dim")
    console.answer(
        {
            "runtime": runtime.name,
            "why": why,
            "changed": change.changed,
            "lines": change.lines,
            "took_s": change.took_s,
        }
    )
