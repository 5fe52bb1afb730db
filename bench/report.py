"""What judging, drawing and comparing a run costs, and how often identical runs are called improved.

Records come from the simulation that the tests use, so the figures need no stack. Times are of this process's
processor and wall; the cold figure starts a new interpreter, as a run's end does not.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.driver.record_builder import build
from tests.driver.strategies import deadline, one_retry, starter

from bench.kit import Bench, Result, Say
from labdriver import record
from labdriver.record import Record
from labdriver.report import history, index, page, publish
from labdriver.report.board import Board
from labdriver.score.card import judge
from labdriver.score.compare import compare_figures
from labdriver.score.figures import figures

RUNS = 40  # identical runs of each kind: 1,560 ordered pairs
INDEX_RUNS = 500
COLD = "from pathlib import Path; from labdriver.report import publish; publish.publish(Path({0!r}), Path({1!r}))"
KINDS: dict[str, Callable[[int], Record]] = {
    "starter": lambda seed: build(starter, seed=seed),
    "starter, half hung": lambda seed: build(starter, seed=seed, pool=82),
    "solution": lambda seed: build(deadline(0.5), seed=seed),
    "solution, busy machine": lambda seed: build(deadline(0.5), seed=seed, noise_ms=80),
    "late deadline": lambda seed: build(deadline(5), seed=seed),
    "one retry": lambda seed: build(one_retry, seed=seed, noise_ms=30),
}


def run(say: Say) -> Iterator[Result]:
    """All figures of score and report."""
    with TemporaryDirectory() as folder:
        yield from _pages(Path(folder))
    say(f"{RUNS} identical runs of {len(KINDS)} kinds, each pair in both orders")
    yield from _identical()


def _pages(reports: Path) -> Iterator[Result]:
    """Two runs by one participant; the second has a run before it and a ghost: the dearest page there is."""
    first, second = (build(s, run=n) for n, s in enumerate((starter, deadline(0.5))))
    folders = []
    for made in (first, second):
        folder = reports / made.head.lab / made.head.run
        record.save(folder, made, judge(made).to_json())
        folders.append(folder)
        publish.publish(reports, folder)
    yield Result("judge a run", _best_ms(lambda: judge(first)), "ms", "800 requests, 513 of them hung; best of 7")
    yield Result(
        "publish a finished run",
        _best_ms(lambda: publish.publish(reports, folders[1])) / 1000,
        "s",
        "records of three runs read, judged, compared, page and index written; best of 7",
        at_most=0.3,
    )
    cold_s = _best_ms(lambda: _cold(reports, folders[1]), times=3) / 1000
    yield Result("the same in a new interpreter", cold_s, "s", "imports included; best of 3")
    before = (first, judge(first))
    drawn = _best_ms(
        lambda: page.render(second, judge(second), baseline=before, ghost=before, assets_href="plotly.min.js")
    )
    yield Result("render alone", drawn, "ms", "with a run before and a ghost; best of 7")
    sizes = [(folder / history.PAGE).stat().st_size / 1000 for folder in folders]
    yield Result("page beside plotly.js", max(sizes), "KB", "the larger of a starter's and a solution's", at_most=200)
    entry = history.read(reports).entries[0]
    many = history.History((entry,) * INDEX_RUNS, ())
    yield Result(
        "index of 500 runs", _best_ms(lambda: index.render(many, Board(), reports)), "ms", "rendering; best of 7"
    )
    reading = _best_ms(lambda: history.read(reports)) / 2
    yield Result("read one head for the index", reading, "ms", "run.json read and validated; best of 7")


def _identical() -> Iterator[Result]:
    pairs, improved, worse = 0, 0, 0
    for make in KINDS.values():
        taken = [figures(make(seed)) for seed in range(RUNS)]
        verdicts = [compare_figures([a], [b]).verdict for a, b in permutations(taken, 2)]
        pairs += len(verdicts)
        improved += verdicts.count("improved")
        worse += verdicts.count("worse")
    method = f"{pairs:,} ordered pairs of simulated runs that differ by seed alone"
    yield Result("identical runs called improved", improved / pairs * 100, "%", method, at_most=0.99)
    yield Result("identical runs called worse", worse / pairs * 100, "%", method, at_most=0.99)


def _cold(reports: Path, folder: Path) -> None:
    subprocess.run([sys.executable, "-c", COLD.format(str(reports), str(folder))], check=True, timeout=60)


def _best_ms(do: Callable[[], object], *, times: int = 7) -> float:
    best_s = float("inf")
    for _ in range(times):
        started_s = time.perf_counter()
        do()
        best_s = min(best_s, time.perf_counter() - started_s)
    return best_s * 1000


BENCH = Bench("score and report", run)
