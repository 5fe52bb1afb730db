"""The record on disk: whole or absent, readable later, refused when it is newer than the kit."""

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from labdriver import lab, record
from labdriver.errors import Misuse
from labdriver.record import Call, Generator, Head, Record, Row, Sample, Stack

ROOT = Path(__file__).resolve().parents[2]


def small_record() -> Record:
    """Two requests, one answered and one still open when the run ended at 3 s."""
    head = Head(
        lab="timeouts",
        run="20261121T101502Z",
        by="alice",
        runtime="local",
        started_at="2026-11-21T10:15:02.000+00:00",
        scenario=lab.load(ROOT / "labs", "timeouts").scenario,
        ended="complete",
        load_s=2.0,
        end_s=3.0,
        generator=Generator(lag_p50_ms=0.1, lag_p99_ms=0.4, lag_max_ms=0.9, cpu_ratio=0.1, pacing="timerfd"),
        dependency=None,
        stack=Stack(),
    )
    rows = (
        Row(0, 0, 0, 0, "/quotes/oak-65", 0.5, 0.501, 0.56, "ok", 200, "", {"sku": "oak-65"}),
        Row(1, 0, 0, 1, "/quotes/oak-90", 1.0, 1.001, None, "hung", 0, "hung", None),
    )
    calls = (Call("c1", "pricing", "oak-65", "healthy", 0.51, 0.55, "answered", {"price_cents": 1}),)
    background = (Call("b1", "pricing", "oak-65", "healthy", 0.61, 0.65, "answered", {"price_cents": 1}),)
    return Record(head, rows, (Sample(1.0, {"api.in_flight": 1.0}),), calls, background=background)


def test_record_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Nothing is lost between measuring and judging."""
    saved = small_record()
    record.save(tmp_path / "run", saved, {"score": 12})
    assert record.load(tmp_path / "run") == saved
    assert record.load_head(tmp_path / "run")[1] == {"score": 12}


def test_record_of_an_earlier_kit_had_no_live_business(tmp_path: Path) -> None:
    """Samples without that part are read as such."""
    saved = small_record()
    record.save(tmp_path, saved, None)
    packed = tmp_path / "samples.json.gz"
    samples = json.loads(gzip.decompress(packed.read_bytes()))
    del samples["background"]
    packed.write_bytes(gzip.compress(json.dumps(samples).encode()))
    assert record.load(tmp_path) == replace(saved, background=())


def test_unanswered_request_counts_at_its_age() -> None:
    """Latency of an open request is its age from the intended start when the run ended."""
    saved = small_record()
    assert saved.latency_s(saved.rows[0]) == pytest.approx(0.06)
    assert saved.latency_s(saved.rows[1]) == pytest.approx(2.0)
    assert saved.service_s(saved.rows[1]) is None


def test_newer_schema_is_refused_with_both_numbers(tmp_path: Path) -> None:
    """A record of a later kit is named as such, not misread."""
    record.save(tmp_path, small_record(), None)
    document = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**document, "schema_version": 99}))
    with pytest.raises(Misuse, match="has schema 99, this kit reads up to 1"):
        record.load(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "samples.json.gz"])
def test_truncated_record_is_told_not_thrown(tmp_path: Path, name: str) -> None:
    """Half a file is a broken record, with the folder to delete."""
    record.save(tmp_path, small_record(), None)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Misuse, match=f"delete {tmp_path}"):
        record.load(tmp_path)


def test_failed_write_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up leaves the earlier file as it was and no fragment."""
    record.save(tmp_path, small_record(), {"score": 1})
    before = (tmp_path / "run.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        record.save_head(tmp_path, small_record().head, {"score": 2})
    monkeypatch.undo()
    assert (tmp_path / "run.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.json", "samples.json.gz"]
