"""Files that are written whole: for their owner's eyes where it matters, and by two at once."""

import stat
import threading
from pathlib import Path

import pytest

from labdriver import whole_file


def test_mode_is_that_of_the_new_file(tmp_path: Path) -> None:
    """A file that others could read is not kept that way."""
    path = tmp_path / "deep" / "token.json"
    path.parent.mkdir()
    path.write_text("old")
    whole_file.write(path, b"new", mode=0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)


def test_folder_is_made_only_where_it_is_wanted(tmp_path: Path) -> None:
    """A state that was taken away does not come back."""
    whole_file.write(tmp_path / "a" / "b.json", b"1")
    with pytest.raises(FileNotFoundError):
        whole_file.write(tmp_path / "gone" / "b.json", b"1", make_folder=False)
    assert [p.name for p in sorted(tmp_path.rglob("*"))] == ["a", "b.json"]


def test_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    """While it is written again and again, what is read is one whole or the other."""
    path, ended = tmp_path / "index.html", threading.Event()
    texts = [letter * 100_000 for letter in (b"a", b"b")]
    whole_file.write(path, texts[0])

    def write() -> None:
        for n in range(200):
            whole_file.write(path, texts[n % 2])
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = {path.read_bytes()}
    while not ended.is_set():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(texts)
