"""What the environment may say, and how a mistake in it is told."""

import pytest

from labdriver import settings
from labdriver.browser import is_desktop
from labdriver.errors import Misuse


def test_defaults_are_the_contract() -> None:
    """Without variables: the ports of the design, a minute of patience."""
    read = settings.read({})
    assert read.ports == {"api": 8080, "worker": 8081, "generator": 8082, "depsim": 8083}
    assert read.ready_timeout_s == 60


def test_unknown_variable_is_refused() -> None:
    """A mistyped variable would otherwise do nothing, silently."""
    with pytest.raises(Misuse, match="unknown variable LAB_API_PROT, expected one of: LAB_API_PORT"):
        settings.read({"LAB_API_PROT": "9000"})


@pytest.mark.parametrize("value", ["abc", "0", "70000", "nan"])
def test_port_out_of_range_is_refused(value: str) -> None:
    """A port is a number from 1 to 65535; the message shows what was given."""
    with pytest.raises(Misuse, match=f"LAB_API_PORT='{value}', expected a number from 1 to 65535"):
        settings.read({"LAB_API_PORT": value})


def test_two_roles_on_one_port_are_refused() -> None:
    """Moving a port onto another one of ours is told at once."""
    with pytest.raises(Misuse, match="two roles share a port"):
        settings.read({"LAB_API_PORT": "8081"})


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "darwin", True),
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "1 2 3 4"}, "linux", False),
        ({"CI": "true"}, "darwin", False),
    ],
)
def test_browser_opens_on_desktops_only(environ: dict[str, str], platform: str, expected: bool) -> None:
    """A report opens by itself where somebody sees it, never in CI or over ssh."""
    assert is_desktop(environ, platform) is expected
