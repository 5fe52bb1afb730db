"""What a person sees while the load runs: a bar with live figures, or a line every few seconds without a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from labdriver.console import Console

LINE_EVERY_S = 5.0


class Live(Protocol):
    """Figures of this moment, as the load child tells them."""

    @property
    def t_s(self) -> float: ...
    @property
    def rate_rps(self) -> float: ...
    @property
    def ok(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def p95_ms(self) -> float | None: ...
    @property
    def p95_censored(self) -> bool: ...


class Meter(Protocol):
    def __call__(self, live: Live) -> None: ...


@contextmanager
def meter(console: Console, *, total_s: float, start_s: float) -> Iterator[Meter]:
    """Yield a callable that shows each `Live`. The bar runs from `start_s` (warm-up, negative) over `total_s`."""
    if console.terminal.is_terminal:
        with _bar(console, total_s=total_s, start_s=start_s) as show:
            yield show
        return
    last_s = start_s - LINE_EVERY_S

    def line(live: Live) -> None:
        nonlocal last_s
        if live.t_s - last_s >= LINE_EVERY_S:
            last_s = live.t_s
            console.say(f"{live.t_s:5.0f} s  {figures(live)}")

    yield line


def figures(live: Live) -> str:
    """One line of live figures."""
    p95 = "   -" if live.p95_ms is None else f"{'≥ ' if live.p95_censored else ''}{live.p95_ms:.0f} ms"
    return f"{live.rate_rps:.0f} req/s  p95 {p95}  ok {live.ok}  failed {live.failed}  in flight {live.in_flight}"


@contextmanager
def _bar(console: Console, *, total_s: float, start_s: float) -> Iterator[Meter]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console.terminal, transient=True) as bar:
        task = bar.add_task("load", total=total_s, told="")

        def show(live: Live) -> None:
            described = "warm-up" if live.t_s < 0 else "load"
            bar.update(task, completed=live.t_s - start_s, told=figures(live), description=described)

        yield show
