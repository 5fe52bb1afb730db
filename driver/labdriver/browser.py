"""Opens a page where somebody sits in front of a desktop; elsewhere says nothing and does nothing."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def is_desktop(environ: Mapping[str, str], platform: str) -> bool:
    """True on macOS or on Linux with a display; never in CI or over ssh."""
    if any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "CI")):
        return False
    return platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(page: Path | str) -> bool:
    """Open a file or an address with the desktop's opener. False when there is none."""
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.Popen(
            [opener, str(page)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        return False
    return True
