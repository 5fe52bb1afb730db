"""Pages on disk: what is written, what is set beside what, and that nothing broken stops the rest."""

import gzip
import json
from pathlib import Path

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import Strategy, deadline, refuse_all, starter

from labdriver import record
from labdriver.errors import Misuse
from labdriver.record import Record, Stack
from labdriver.report import history, leaderboard, publish
from labdriver.report.index import spark
from labdriver.report.leaderboard import Result
from labdriver.score.card import judge


def saved(reports: Path, made: Record, *, judged: bool = True) -> Path:
    folder = reports / made.head.lab / made.head.run
    record.save(folder, made, judge(made).to_json() if judged else None)
    return folder


def make(strategy: Strategy, *, run: int, by: str = "alice", **head: object) -> Record:
    made = build(strategy, run=run, by=by)
    return Record(made.head.model_copy(update=head), made.rows, made.samples, made.calls)


def test_publish_writes_page_index_and_library(tmp_path: Path) -> None:
    """All three, and nothing half written beside them."""
    page = publish.publish(tmp_path, saved(tmp_path, make(starter, run=0)))
    assert page == tmp_path / "timeouts" / "20261121T101502Z" / "report.html"
    assert (tmp_path / "assets" / "plotly.min.js").stat().st_size > 1_000_000
    assert page.relative_to(tmp_path).as_posix() in (tmp_path / "index.html").read_text()
    assert list(tmp_path.rglob("*.part")) == []


def test_publish_keeps_the_judgement_in_the_head(tmp_path: Path) -> None:
    """A run that was saved unjudged is judged when its page is made; index and leaderboard read it there."""
    folder = saved(tmp_path, make(starter, run=0), judged=False)
    publish.publish(tmp_path, folder)
    _, judgement = record.load_head(folder)
    assert judgement is not None
    assert judgement["score"] == judge(record.load(folder)).score


def test_run_is_set_beside_the_one_before_and_the_best(tmp_path: Path) -> None:
    """Table: this participant's run just before. Ghost: their best VALID one. Other people's runs are left alone."""
    for made in (
        make(deadline(0.5), run=0, by="bob"),
        make(deadline(5), run=1),
        make(starter, run=2),
        make(refuse_all, run=3, by="bob"),
    ):
        publish.publish(tmp_path, saved(tmp_path, made))
    last = make(deadline(0.5), run=4)
    runs = history.read(tmp_path)
    before, best = history.previous(runs, last.head), history.best_earlier(runs, last.head)
    assert before is not None
    assert best is not None
    assert (before.head.run[9:13], best.head.run[9:13]) == ("1021", "1018")
    told = publish.previous(last, tmp_path)
    assert told is not None
    assert (told["run"], told["score"]) == (before.head.run, before.score)
    page = publish.publish(tmp_path, saved(tmp_path, last)).read_text()
    assert "Against the run before" in page
    assert f"the best earlier run ({best.score} of 100" in page


def test_first_run_has_nothing_beside_it(tmp_path: Path) -> None:
    """No table, no ghost, no baseline."""
    made = make(starter, run=0)
    page = publish.publish(tmp_path, saved(tmp_path, made)).read_text()
    assert publish.previous(made, tmp_path) is None
    assert "Against the run before" not in page


def test_three_runs_of_each_edit_prove_a_change(tmp_path: Path) -> None:
    """Whatever lies between them; fewer prove nothing, nor do runs of which nobody knows the edit."""

    def page(strategy: Strategy, edit: str, run: int) -> str:
        made = make(strategy, run=run, stack=Stack(code={"timeouts": edit} if edit else {}))
        return publish.publish(tmp_path, saved(tmp_path, made)).read_text()

    pages = [page(starter, "aaaa", 0), page(deadline(0.5), "", 1)]
    pages += [page(starter, "aaaa", n) for n in (2, 3)]
    pages += [page(deadline(0.5), "bbbb", n) for n in (4, 5, 6)]
    told = ["3 runs of this edit against 3 of the edit before it" in text for text in pages]
    assert told == [False] * 6 + [True]
    assert "(proved)" in pages[-1]
    assert "(proved)" not in pages[-2]


def test_other_phases_give_no_ghost(tmp_path: Path) -> None:
    """A short run's seconds are not this run's seconds."""
    made = build(deadline(0.5), scenario=build(starter).head.scenario.scaled(0.5), run=0)
    publish.publish(tmp_path, saved(tmp_path, made))
    assert history.best_earlier(history.read(tmp_path), make(starter, run=1).head) is None


def test_broken_and_newer_records_are_listed_and_stop_nothing(tmp_path: Path) -> None:
    """Newer schema, no JSON, samples cut short, rows that make no sense: named, the good run has its page."""
    good = saved(tmp_path, make(deadline(0.5), run=0))
    newer, torn, cut, odd = (saved(tmp_path, make(starter, run=n)) for n in (1, 2, 3, 4))
    head = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**head, "schema_version": 99}))
    (torn / "run.json").write_text("{")
    (cut / "samples.json.gz").write_bytes((cut / "samples.json.gz").read_bytes()[:100])
    rows = json.loads(gzip.decompress((odd / "samples.json.gz").read_bytes()))
    rows["rows"]["request"] = [7] * len(rows["rows"]["request"])
    (odd / "samples.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    built = publish.rebuild(tmp_path)
    assert built.pages == 1
    assert (good / "report.html").is_file()
    assert len(built.problems) == 4
    index = built.index.read_text()
    assert "has schema 99, this kit reads up to 1" in index
    assert all(folder.name in index for folder in (good, newer, torn, cut, odd))
    with pytest.raises(Misuse, match=r"samples\.json\.gz cannot be read"):
        publish.publish(tmp_path, cut)


def test_senseless_judgement_or_earlier_run_stops_nothing(tmp_path: Path) -> None:
    """What an earlier run left behind may be nonsense; the run just made has its page all the same."""
    odd, unjudged = saved(tmp_path, make(starter, run=0)), saved(tmp_path, make(starter, run=1))
    packed = json.loads(gzip.decompress((odd / "samples.json.gz").read_bytes()))
    packed["rows"]["client"] = [9] * len(packed["rows"]["client"])
    (odd / "samples.json.gz").write_bytes(gzip.compress(json.dumps(packed).encode()))
    head = json.loads((unjudged / "run.json").read_text())
    (unjudged / "run.json").write_text(json.dumps({**head, "judgement": {"score": "lots", "metrics": {}}}))
    (tmp_path / "leaderboard.json").write_text("[")
    folder = saved(tmp_path, make(deadline(0.5), run=2))
    assert publish.publish(tmp_path, folder).is_file()
    index = (tmp_path / "index.html").read_text()
    assert "not judged" in index
    assert "leaderboard.json is not a leaderboard" in index


def test_deleted_reports_are_no_trouble(tmp_path: Path) -> None:
    """`reports/` may be gone: an index that says so, and the next run is published as ever."""
    reports = tmp_path / "reports"
    assert "No run yet" in publish.rebuild(reports).index.read_text()
    assert publish.publish(reports, saved(reports, make(starter, run=0))).is_file()


def test_rebuild_changes_nothing_the_second_time(tmp_path: Path) -> None:
    """Same records, same bytes: pages are a function of the records."""
    for number, strategy in enumerate((starter, deadline(5), deadline(0.5))):
        saved(tmp_path, make(strategy, run=number), judged=False)

    def all_bytes() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.suffix in (".html", ".json")}

    publish.rebuild(tmp_path)
    first = all_bytes()
    assert "the best earlier run" in (tmp_path / "timeouts" / "20261121T102102Z" / "report.html").read_text()
    publish.rebuild(tmp_path)
    assert all_bytes() == first


def test_index_shows_names_as_text_newest_first(tmp_path: Path) -> None:
    """Markup in a name stays text; the newest run stands on top of its lab."""
    saved(tmp_path, make(starter, run=0, by="<img src=x onerror=alert(1)>"))
    saved(tmp_path, make(deadline(0.5), run=1))
    text = publish.rebuild(tmp_path).index.read_text()
    assert "<img" not in text
    assert "&lt;img src=x" in text
    assert text.index('aria-label="report of run 20261121T101802Z') < text.index(
        'aria-label="report of run 20261121T1015'
    )


def result(score: int, *, run: int, by: str, lab: str = "timeouts") -> Result:
    return Result(by, lab, f"20261121T{100000 + run}Z", score)


def test_leaderboard_adds_the_best_of_each_lab() -> None:
    """The best score of each lab, and their sum; a later worse run takes nothing away."""
    ann = [result(score, run=score, by="ann") for score in (40, 90, 95)] + [result(70, run=99, by="ann")]
    places = leaderboard.rank([*ann, result(30, run=4, by="ann", lab="tx"), result(97, run=7, by="ben")])
    assert [(p.rank, p.by, p.total) for p in places] == [(1, "ann", 125), (2, "ben", 97)]
    assert places[0].scores == (30, 40, 90, 95, 70)


def test_leaderboard_tie_goes_to_whoever_was_first() -> None:
    """An equal score later neither takes the place nor moves the time."""
    tied = [("ben", 5), ("ann", 3), ("ann", 9), ("cat", 3)]
    places = leaderboard.rank([result(80, run=run, by=by) for by, run in tied])
    assert [(p.rank, p.by) for p in places] == [(1, "ann"), (1, "cat"), (3, "ben")]
    assert places[0].reached.endswith("100003Z")


def test_only_valid_runs_of_full_length_are_on_the_board(tmp_path: Path) -> None:
    """An INVALID run and a short one are listed below, and nobody stands on the board for them."""
    saved(tmp_path, make(deadline(0.5), run=0, by="cut", ended="interrupted"))
    saved(tmp_path, make(deadline(0.5), run=1, by="short", scale_ratio=0.5))
    saved(tmp_path, make(starter, run=2, by="fair"))
    text = publish.rebuild(tmp_path).index.read_text()
    board, runs = text.split('<table class="runs">')
    assert "fair" in board
    assert "cut" not in board.partition("<main>")[2]
    assert "short" not in board.partition("<main>")[2]
    assert all(f'<th scope="row">{by}</th>' in runs for by in ("cut", "short", "fair"))
    assert "phases × 0.5, not on the board" in runs


def test_spark_draws_scores_from_left_to_right() -> None:
    """Two scores: from the bottom left to the top right; one score is no curve."""
    assert spark((0, 100)) == "2.0,20.0 94.0,2.0"
    assert spark((50,)) == ""
