"""Settings: read once, typed, and a typing mistake is an error."""

from pathlib import Path

import pytest

from labsvc import settings
from labsvc.errors import Misuse
from labsvc.settings import Settings


def test_read_of_nothing_gives_defaults() -> None:
    """No variable has to be set; variables of others are ignored."""
    assert settings.read({"PATH": "/bin"}) == Settings()


def test_read_parses_every_kind() -> None:
    """Numbers, descriptors and folders arrive as what they are; an empty text counts as not given."""
    given = settings.read(
        {"LAB_LISTEN_FDS": "3,4", "LAB_PORT": "0", "LAB_LABS_DIR": "x/labs", "LAB_LOG_LEVEL": "INFO", "LAB_SEED": ""}
    )
    assert given == Settings(listen_fds=(3, 4), port=0, labs_dir=Path("x/labs"), log_level="info")


def test_read_of_an_unknown_variable_names_the_known_ones() -> None:
    """LAB_PROT must not pass as "no port given"."""
    with pytest.raises(Misuse, match=r"unknown variable LAB_PROT, expected one of: .*LAB_PORT"):
        settings.read({"LAB_PROT": "8080"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LAB_PORT", "eighty"),
        ("LAB_PORT", "70000"),
        ("LAB_LISTEN_FDS", "3;4"),
        ("LAB_DB_POOL_SIZE", "0"),
        ("LAB_LOG_LEVEL", "loud"),
    ],
)
def test_read_of_a_wrong_value_names_variable_and_value(name: str, text: str) -> None:
    """The message says what was given and what was expected."""
    with pytest.raises(Misuse, match=rf"{name}='{text}', expected "):
        settings.read({name: text})
